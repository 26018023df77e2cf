//! The server's side of an INVITE (RFC 3261 §17.2.1, RFC 6026 §7.1).
//!
//! ```text
//!            INVITE came: 100
//!                 │
//!          ┌──────▼───┐ 1xx ↺, INVITE: repeat the last 1xx
//!          │Proceeding├──────────────┐
//!          └──────┬───┘ 2xx          │ 300–699
//!            ┌────▼───┐         ┌────▼────┐ G, INVITE: repeat
//!   INVITE ↺ │Accepted│         │Completed├──── H: timed out ──▶ Terminated
//!            └────┬───┘         └────┬────┘
//!                 │ L            ACK │
//!                 │             ┌────▼────┐
//!                 │             │Confirmed│ ACK ↺
//!                 │             └────┬────┘
//!                 └──▶ Terminated ◀──┘ I
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Backoff, Step, Tell, Timers};

/// The transaction. A 2xx is repeated by the session, end to end, not by the transaction (RFC 3261
/// §13.3.1.4).
#[derive(Debug)]
pub struct ServerInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    Proceeding { last: Option<Bytes> },
    Completed { response: Bytes, timer_g: Option<Backoff>, timer_h: Instant },
    Confirmed { timer_i: Instant },
    Accepted { timer_l: Instant },
    Terminated,
}

impl ServerInvite {
    /// Begins with the INVITE that came.
    pub fn new(reliable: bool, timers: &Timers) -> ServerInvite {
        ServerInvite { state: State::Proceeding { last: None }, timers: *timers, reliable }
    }

    /// Says a response. After a final one nothing more is sent.
    pub fn respond(&mut self, now: Instant, status: u16, response: Bytes) -> Step {
        if !matches!(self.state, State::Proceeding { .. }) {
            return Step::nothing();
        }
        self.state = match status {
            100..=199 => State::Proceeding { last: Some(response.clone()) },
            200..=299 => State::Accepted { timer_l: now + self.timers.patience() },
            _ => State::Completed {
                response: response.clone(),
                timer_g: (!self.reliable).then(|| Backoff::start(now, self.timers.t1)),
                timer_h: now + self.timers.patience(),
            },
        };
        Step::send(response)
    }

    /// The INVITE came again.
    pub fn handle_retransmission(&mut self) -> Step {
        match &self.state {
            State::Proceeding { last: Some(last) } => Step::send(last.clone()),
            State::Completed { response, .. } => Step::send(response.clone()),
            // RFC 6026 §7.1: absorbed; the session repeats its 2xx by its own timer.
            _ => Step::nothing(),
        }
    }

    /// An ACK came that belongs to this transaction.
    pub fn handle_ack(&mut self, now: Instant) -> Step {
        match self.state {
            State::Completed { .. } if self.reliable => {
                self.state = State::Terminated;
                Step::nothing()
            }
            State::Completed { .. } => {
                self.state = State::Confirmed { timer_i: now + self.timers.t4 };
                Step::nothing()
            }
            // The ACK of a 2xx with the INVITE's own branch, as RFC 2543 peers send it.
            State::Accepted { .. } => Step::tell(Tell::Message),
            _ => Step::nothing(),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match &mut self.state {
            State::Completed { timer_h, .. } if *timer_h <= now => {
                self.state = State::Terminated;
                Step::tell(Tell::TimedOut)
            }
            State::Completed { response, timer_g: Some(timer_g), .. } if timer_g.at <= now => {
                *timer_g = timer_g.next(self.timers.t2);
                Step::send(response.clone())
            }
            State::Confirmed { timer_i: end } | State::Accepted { timer_l: end } if *end <= now => {
                self.state = State::Terminated;
                Step::nothing()
            }
            _ => Step::nothing(),
        }
    }

    /// The transport failed.
    pub fn handle_transport_error(&mut self) -> Step {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => {
                self.state = State::Terminated;
                Step::tell(Tell::TransportFailed)
            }
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => Step::nothing(),
        }
    }

    /// When [`ServerInvite::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { timer_g, timer_h, .. } => Some(timer_g.map_or(*timer_h, |g| g.at.min(*timer_h))),
            State::Confirmed { timer_i: end } | State::Accepted { timer_l: end } => Some(*end),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// Whether no final response was said yet.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether all that is still to happen is that it is forgotten.
    pub fn only_lingers(&self) -> bool {
        matches!(self.state, State::Confirmed { .. } | State::Accepted { .. })
    }

    /// Whether it is over and can be forgotten.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
