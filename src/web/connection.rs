//! One WebSocket, as the endpoint sees it.
//!
//! ```text
//!   Greeting ── hello ──▶ Open ── closed, or told to close ──▶ Gone
//!       └──── ten seconds, another frame, a bad token ──────────▲
//! ```

use std::time::{Duration, Instant};

use super::session::SessionId;

/// How long a client may take to say `hello`.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// The most frames of one connection in a second.
pub const FRAMES_A_SECOND: u32 = 50;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The client has not said who it is.
    Greeting {
        /// When we wait no longer.
        until: Instant,
    },
    /// It carries a session.
    Open(SessionId),
    /// It is told to close; what still comes in is not looked at.
    Gone,
}

/// What to do with a frame by its pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Read it.
    Fits,
    /// Drop it, and tell.
    Tell,
    /// Drop it; it is told already.
    Drop,
}

/// One WebSocket.
#[derive(Debug)]
pub struct Connection {
    /// How far it is.
    pub state: State,
    second: Instant,
    frames: u32,
}

impl Connection {
    /// A connection that was opened now.
    pub fn new(now: Instant) -> Connection {
        Connection { state: State::Greeting { until: now + HELLO_WITHIN }, second: now, frames: 0 }
    }

    /// Counts a frame.
    pub fn pace(&mut self, now: Instant) -> Pace {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.frames = 0;
        }
        self.frames = self.frames.saturating_add(1);
        match self.frames {
            n if n <= FRAMES_A_SECOND => Pace::Fits,
            n if n == FRAMES_A_SECOND + 1 => Pace::Tell,
            _ => Pace::Drop,
        }
    }

    /// When it is too late for a `hello`.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Greeting { until } => Some(until),
            State::Open(_) | State::Gone => None,
        }
    }
}
