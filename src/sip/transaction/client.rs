//! The client's side of any request but INVITE and ACK (RFC 3261 §17.1.2).
//!
//! ```text
//!      request sent
//!           │         E: repeat; F: timed out ──▶ Terminated
//!       ┌───▼──┐  1xx  ┌──────────┐
//!       │Trying├──────▶│Proceeding│ E: repeat; F: timed out
//!       └───┬──┘       └────┬─────┘
//!   200–699 │       200–699 │
//!       ┌───▼───────────────▼┐  K
//!       │     Completed      ├─────▶ Terminated
//!       └────────────────────┘
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Backoff, Step, Tell, Timers};

/// The transaction.
#[derive(Debug)]
pub struct Client {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    Trying { request: Bytes, timer_e: Option<Backoff>, timer_f: Instant },
    Proceeding { request: Bytes, timer_e: Option<Backoff>, timer_f: Instant },
    Completed { timer_k: Instant },
    Terminated,
}

impl Client {
    /// Begins with `request` on the wire: the caller sends it once, the machine repeats it.
    pub fn new(now: Instant, request: Bytes, reliable: bool, timers: &Timers) -> Client {
        let state = State::Trying {
            request,
            timer_e: (!reliable).then(|| Backoff::start(now, timers.t1)),
            timer_f: now + timers.patience(),
        };
        Client { state, timers: *timers, reliable }
    }

    /// A response came.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> Step {
        match (&mut self.state, status) {
            (State::Trying { request, timer_e, timer_f }, 100..=199) => {
                // RFC 3261 §17.1.2.2: from here on timer E fires every T2.
                let timer_e = timer_e.map(|e| Backoff { at: e.at, wait: self.timers.t2 });
                self.state = State::Proceeding { request: std::mem::take(request), timer_e, timer_f: *timer_f };
                Step::tell(Tell::Message)
            }
            (State::Proceeding { .. }, 100..=199) => Step::tell(Tell::Message),
            (State::Trying { .. } | State::Proceeding { .. }, 200..=699) => {
                self.state =
                    if self.reliable { State::Terminated } else { State::Completed { timer_k: now + self.timers.t4 } };
                Step::tell(Tell::Message)
            }
            _ => Step::nothing(),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match &mut self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. } if *timer_f <= now => {
                self.state = State::Terminated;
                Step::tell(Tell::TimedOut)
            }
            State::Trying { request, timer_e: Some(timer_e), .. }
            | State::Proceeding { request, timer_e: Some(timer_e), .. }
                if timer_e.at <= now =>
            {
                *timer_e = timer_e.next(self.timers.t2);
                Step::send(request.clone())
            }
            State::Completed { timer_k } if *timer_k <= now => {
                self.state = State::Terminated;
                Step::nothing()
            }
            _ => Step::nothing(),
        }
    }

    /// The transport failed.
    pub fn handle_transport_error(&mut self) -> Step {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                Step::tell(Tell::TransportFailed)
            }
            State::Completed { .. } | State::Terminated => Step::nothing(),
        }
    }

    /// When [`Client::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { timer_e, timer_f, .. } | State::Proceeding { timer_e, timer_f, .. } => {
                Some(timer_e.map_or(*timer_f, |e| e.at.min(*timer_f)))
            }
            State::Completed { timer_k } => Some(*timer_k),
            State::Terminated => None,
        }
    }

    /// Whether no response came yet.
    pub fn has_heard_nothing(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// Whether all that is still to happen is that it is forgotten.
    pub fn only_lingers(&self) -> bool {
        matches!(self.state, State::Completed { .. })
    }

    /// Whether it is over and can be forgotten.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
