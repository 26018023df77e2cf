//! The server's side of any request but INVITE and ACK (RFC 3261 §17.2.2).
//!
//! ```text
//!       request came
//!       ┌───▼──┐  1xx  ┌──────────┐ 1xx ↺, request: repeat the last 1xx
//!       │Trying├──────▶│Proceeding│
//!       └───┬──┘       └────┬─────┘
//!   200–699 │       200–699 │
//!       ┌───▼───────────────▼┐  J
//!       │     Completed      ├─────▶ Terminated
//!       └────────────────────┘ request: repeat
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{Step, Tell, Timers};

/// The transaction.
#[derive(Debug)]
pub struct Server {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding { last: Bytes },
    Completed { response: Bytes, timer_j: Instant },
    Terminated,
}

impl Server {
    /// Begins with the request that came.
    pub fn new(reliable: bool, timers: &Timers) -> Server {
        Server { state: State::Trying, timers: *timers, reliable }
    }

    /// Says a response. After a final one nothing more is sent.
    pub fn respond(&mut self, now: Instant, status: u16, response: Bytes) -> Step {
        if !matches!(self.state, State::Trying | State::Proceeding { .. }) {
            return Step::nothing();
        }
        self.state = match status {
            100..=199 => State::Proceeding { last: response.clone() },
            _ if self.reliable => State::Terminated,
            _ => State::Completed { response: response.clone(), timer_j: now + self.timers.patience() },
        };
        Step::send(response)
    }

    /// The request came again.
    pub fn handle_retransmission(&mut self) -> Step {
        match &self.state {
            State::Proceeding { last } => Step::send(last.clone()),
            State::Completed { response, .. } => Step::send(response.clone()),
            State::Trying | State::Terminated => Step::nothing(),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        if matches!(self.state, State::Completed { timer_j, .. } if timer_j <= now) {
            self.state = State::Terminated;
        }
        Step::nothing()
    }

    /// The transport failed.
    pub fn handle_transport_error(&mut self) -> Step {
        match self.state {
            State::Terminated => Step::nothing(),
            _ => {
                self.state = State::Terminated;
                Step::tell(Tell::TransportFailed)
            }
        }
    }

    /// When [`Server::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Completed { timer_j, .. } => Some(timer_j),
            _ => None,
        }
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
