//! Changes of a session by offer and answer (RFC 3264), which in Jingle are words about single contents.
//!
//! ```text
//!               content-add, -modify, -remove, other credentials heard
//!        ┌────────┐ ──────────────────────────────────────▶ Heard ──┐
//!   ┌───▶│ Stable │ ◀── the call's answer or refusal ───────────────┘
//!   │    └────────┘
//!   │         │ the call's offer said
//!   │         ▼
//!   └──────  Said     every word is answered; an error; too late
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::base::ExchangeId;
use crate::jingle::contents::Slots;
use crate::jingle::stanza::Senders;
use crate::model::Description;

/// How long a peer may take to accept or reject a content that we added.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a peer may take for new credentials of its own once it has ours. One that does not restart ICE (Dino)
/// acknowledges them and does nothing.
pub const RESTART_WITHIN: Duration = Duration::from_secs(8);
/// The most changes of a peer that wait for the one before them.
pub const MAX_WAITING: usize = 8;

/// The change that is open.
#[derive(Debug)]
pub enum Exchange {
    /// None.
    Stable,
    /// The peer's.
    Heard(Heard),
    /// Ours.
    Said(Said),
}

/// What the peer changed, until the call has answered.
#[derive(Debug)]
pub struct Heard {
    /// The exchange.
    pub exchange: ExchangeId,
    /// What the peer had described before.
    pub before: Description,
    /// The slots it added.
    pub added: Vec<usize>,
    /// The slots in which it restarts ICE.
    pub restarted: Vec<usize>,
}

/// What we changed, until the peer has answered.
#[derive(Debug)]
pub struct Said {
    /// The exchange.
    pub exchange: ExchangeId,
    /// What the call offered.
    pub offer: Description,
    /// The slots that there were before.
    pub slots: Slots,
    /// Who sent in them.
    pub senders: Vec<Senders>,
    /// Slots that the peer has not yet accepted or rejected.
    pub added: BTreeSet<usize>,
    /// Slots in which others send from now on.
    pub turned: Vec<usize>,
    /// Slots in which the peer has not yet restarted ICE.
    pub restarted: BTreeSet<usize>,
    /// Requests that the peer has not yet acknowledged.
    pub unacknowledged: BTreeSet<u32>,
    /// When we wait no longer.
    pub until: Instant,
}

impl Said {
    /// Whether the peer has said all it has to say.
    pub fn is_answered(&self) -> bool {
        self.added.is_empty() && self.restarted.is_empty() && self.unacknowledged.is_empty()
    }
}

impl Exchange {
    /// Whether none is open.
    pub fn is_stable(&self) -> bool {
        matches!(self, Exchange::Stable)
    }

    /// Whether the content of a slot is one that we added, and that the peer has not accepted yet.
    pub fn adds(&self, slot: Option<usize>) -> bool {
        matches!((self, slot), (Exchange::Said(said), Some(slot)) if said.added.contains(&slot))
    }

    /// When we wait no longer for the peer.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Exchange::Said(said) => Some(said.until),
            Exchange::Stable | Exchange::Heard(_) => None,
        }
    }

    /// Takes the peer's change, if it is the one of that exchange.
    pub fn take_heard(&mut self, exchange: ExchangeId) -> Option<Heard> {
        match std::mem::replace(self, Exchange::Stable) {
            Exchange::Heard(heard) if heard.exchange == exchange => Some(heard),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Takes our change.
    pub fn take_said(&mut self) -> Option<Said> {
        match std::mem::replace(self, Exchange::Stable) {
            Exchange::Said(said) => Some(said),
            other => {
                *self = other;
                None
            }
        }
    }
}
