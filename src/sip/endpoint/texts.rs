//! Messages between people (RFC 3428): a MESSAGE that comes in waits for what becomes of it, one that goes out for its
//! answer.
//!
//! A 2xx is said only of what was delivered, and heard as that.

mod incoming;
mod outgoing;

use std::collections::HashMap;
use std::time::Duration;

use super::Endpoint;
use crate::sip::deadlines::Deadlines;
use incoming::Incoming;
use outgoing::Outgoing;

/// The most messages that wait, of both kinds together; more are answered with 503.
pub const TEXTS_LIMIT: usize = 2000;
/// How long a MESSAGE waits for what becomes of it. Its sender gives up a second later (RFC 3261 §17.1.2.2, timer F).
pub const PATIENCE: Duration = Duration::from_secs(31);
/// The media type of what is written.
pub const PLAIN: &str = "text/plain";

/// All messages that wait.
#[derive(Debug, Default)]
pub struct Texts {
    next: u64,
    incoming: HashMap<u64, Incoming>,
    outgoing: HashMap<u64, Outgoing>,
    due: Deadlines<u64>,
}

impl Texts {
    /// When [`Endpoint::handle_texts_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.due.next()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.is_empty()
    }

    fn is_full(&self) -> bool {
        self.incoming.len() + self.outgoing.len() >= TEXTS_LIMIT
    }

    fn mint(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Endpoint {
    /// Gives up what has waited too long.
    pub(super) fn handle_texts_timeout(&mut self, now: std::time::Instant) {
        while let Some(number) = self.texts.due.take_due(now) {
            self.give_up_incoming(now, number);
            self.give_up_resolving(number);
        }
    }
}
