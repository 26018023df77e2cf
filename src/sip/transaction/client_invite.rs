//! The client's side of an INVITE (RFC 3261 §17.1.1, RFC 6026 §7.2).
//!
//! ```text
//!            INVITE sent
//!                 │            A: repeat; B: timed out ──▶ Terminated
//!             ┌───▼───┐
//!             │Calling├─────────────┐
//!             └─┬───┬─┘ 2xx         │ 300–699: ACK
//!           1xx │   └───────────┐   │
//!         ┌─────▼────┐ 2xx      │   │
//!    1xx ↺│Proceeding├────────┐ │   │
//!         └─────┬────┘        │ │   │
//!     300–699:  │       ┌─────▼─▼┐  │
//!     ACK       │  2xx ↺│Accepted│  │
//!         ┌─────▼───┐   └───┬────┘  │
//!  3–6xx ↺│Completed◀───────┼───────┘
//!   : ACK └─────┬───┘       │ M
//!             D └──▶ Terminated
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Backoff, Step, Tell, Timers};

/// The transaction.
#[derive(Debug)]
pub struct ClientInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    Calling { request: Bytes, timer_a: Option<Backoff>, timer_b: Instant },
    Proceeding { give_up_at: Option<Instant> },
    Completed { ack: Bytes, timer_d: Instant },
    Accepted { timer_m: Instant },
    Terminated,
}

impl ClientInvite {
    /// Begins with `request` on the wire: the caller sends it once, the machine repeats it.
    pub fn new(now: Instant, request: Bytes, reliable: bool, timers: &Timers) -> ClientInvite {
        let state = State::Calling {
            request,
            timer_a: (!reliable).then(|| Backoff::start(now, timers.t1)),
            timer_b: now + timers.patience(),
        };
        ClientInvite { state, timers: *timers, reliable }
    }

    /// A response came. `ack` makes the ACK for a final response that is no 2xx (RFC 3261 §17.1.1.3); it is
    /// called once, and the same bytes answer each repetition of the response.
    pub fn handle_response(&mut self, now: Instant, status: u16, ack: impl FnOnce() -> Bytes) -> Step {
        match (&self.state, status) {
            (State::Calling { .. }, 100..=199) => {
                self.state = State::Proceeding { give_up_at: None };
                Step::tell(Tell::Message)
            }
            (State::Proceeding { .. }, 100..=199) => Step::tell(Tell::Message),
            (State::Calling { .. } | State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted { timer_m: now + self.timers.patience() };
                Step::tell(Tell::Message)
            }
            // RFC 6026 §7.2: each 2xx goes up, those of other branches of a fork too.
            (State::Accepted { .. }, 200..=299) => Step::tell(Tell::Message),
            (State::Calling { .. } | State::Proceeding { .. }, 300..=699) => {
                let ack = ack();
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed { ack: ack.clone(), timer_d: now + self.timers.d() }
                };
                Step { send: Some(ack), tell: Some(Tell::Message) }
            }
            (State::Completed { ack, .. }, 300..=699) => Step::send(ack.clone()),
            _ => Step::nothing(),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match &mut self.state {
            State::Calling { timer_b, .. } if *timer_b <= now => {
                self.state = State::Terminated;
                Step::tell(Tell::TimedOut)
            }
            State::Calling { request, timer_a: Some(timer_a), .. } if timer_a.at <= now => {
                *timer_a = timer_a.next(self.timers.patience());
                Step::send(request.clone())
            }
            State::Completed { timer_d: end, .. }
            | State::Accepted { timer_m: end }
            | State::Proceeding { give_up_at: Some(end) }
                if *end <= now =>
            {
                self.state = State::Terminated;
                Step::nothing()
            }
            _ => Step::nothing(),
        }
    }

    /// Nobody waits for it any more: it is not repeated, and has 64 T1 to end once it was answered provisionally.
    pub fn leave(&mut self, now: Instant) {
        match &mut self.state {
            State::Calling { timer_a, .. } => *timer_a = None,
            State::Proceeding { give_up_at } => *give_up_at = Some(now + self.timers.patience()),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// The transport failed. Once a final response is there, it is too late to matter.
    pub fn handle_transport_error(&mut self) -> Step {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                Step::tell(Tell::TransportFailed)
            }
            State::Completed { .. } => {
                self.state = State::Terminated;
                Step::nothing()
            }
            State::Accepted { .. } | State::Terminated => Step::nothing(),
        }
    }

    /// When [`ClientInvite::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { timer_a, timer_b, .. } => Some(timer_a.map_or(*timer_b, |a| a.at.min(*timer_b))),
            State::Completed { timer_d: end, .. } | State::Accepted { timer_m: end } => Some(*end),
            State::Proceeding { give_up_at } => *give_up_at,
            State::Terminated => None,
        }
    }

    /// Whether no response came yet.
    pub fn has_heard_nothing(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether all that is still to happen is that it is forgotten.
    pub fn only_lingers(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Accepted { .. })
    }

    /// Whether it is over and can be forgotten.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
