//! Transactions (RFC 3261 §17, RFC 6026): one request and its responses, repeated until they arrive.
//!
//! Four machines, one file each. A machine knows no wire and no clock; it holds the bytes it may have to
//! repeat, and each of its states holds the deadlines that end it.

pub mod client;
pub mod client_invite;
pub mod key;
pub mod server;
pub mod server_invite;
pub mod table;

use std::time::{Duration, Instant};

use bytes::Bytes;

pub use client::Client;
pub use client_invite::ClientInvite;
pub use server::Server;
pub use server_invite::ServerInvite;
pub use table::{Table, TransactionId};

/// The three times that all others come from (RFC 3261 §17.1.1.1, table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The estimate of a round trip.
    pub t1: Duration,
    /// The longest wait between two repetitions of what is not an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// Sixty-four times T1: the patience of timers B, F, H, J, L and M.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: how long responses to an INVITE may still come, at least 32 s.
    pub fn d(&self) -> Duration {
        self.patience().max(Duration::from_secs(32))
    }
}

/// A repetition whose wait grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// When the next repetition is due.
    pub at: Instant,
    /// The wait that ends then.
    pub wait: Duration,
}

impl Backoff {
    /// The first repetition after `wait`.
    pub fn start(now: Instant, wait: Duration) -> Backoff {
        Backoff { at: now + wait, wait }
    }

    /// The next one, after twice the wait but no more than `longest`. Counted from when this one was due, so
    /// that a late wake-up does not stretch the series.
    pub fn next(self, longest: Duration) -> Backoff {
        let wait = (self.wait * 2).min(longest);
        Backoff { at: self.at + wait, wait }
    }
}

/// What a machine wants done after an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Goes out on the transaction's flow.
    pub send: Option<Bytes>,
    /// What the user of the transaction learns.
    pub tell: Option<Tell>,
}

impl Step {
    /// Nothing to do.
    pub fn nothing() -> Step {
        Step::default()
    }

    /// Sends.
    pub fn send(bytes: Bytes) -> Step {
        Step { send: Some(bytes), tell: None }
    }

    /// Tells.
    pub fn tell(tell: Tell) -> Step {
        Step { send: None, tell: Some(tell) }
    }
}

/// What the user of a transaction learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// The message just handed in is for it.
    Message,
    /// Nobody answered (timers B and F), or nobody acknowledged (timer H).
    TimedOut,
    /// The transport failed.
    TransportFailed,
}
