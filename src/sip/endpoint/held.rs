//! Calls that wait until the certificate of whoever signed their proof is there.
//!
//! ```text
//!   INVITE ─▶ 100, Output::Fetch ─▶ handle_fetched, or HELD_FOR is over ─▶ judged, and taken or refused
//!                                └▶ CANCEL ─▶ 487
//! ```

use std::time::{Duration, Instant};

use super::Admitted;
use crate::sip::stir::verify::Call;
use crate::sip::transaction::TransactionId;

/// How long a call waits at most: its caller hears nothing meanwhile.
pub const HELD_FOR: Duration = Duration::from_secs(2);
/// The most calls that wait at once; what more come in are judged by what is known.
pub const HELD_LIMIT: usize = 256;

/// A call whose proof is to be judged.
#[derive(Debug)]
pub struct Held {
    /// It.
    pub admitted: Admitted,
    /// What the proof has to be about.
    pub call: Call,
    /// When it came in, in seconds since 1970.
    pub unix_s: u64,
    /// Until when it may wait.
    pub until: Instant,
}

/// The calls that wait, each for an address.
#[derive(Debug, Default)]
pub struct Waiting {
    held: Vec<(String, Held)>,
}

impl Waiting {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether nobody else may wait.
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_LIMIT
    }

    /// Lets a call wait for what lies at an address.
    pub fn hold(&mut self, address: String, held: Held) {
        self.held.push((address, held));
    }

    /// Those that waited for an address.
    pub fn take_for(&mut self, address: &str) -> Vec<Held> {
        self.take(|waits_for, _| waits_for == address)
    }

    /// Those that have waited long enough.
    pub fn take_due(&mut self, now: Instant) -> Vec<Held> {
        self.take(|_, held| held.until <= now)
    }

    /// The one of a transaction.
    pub fn take_transaction(&mut self, transaction: TransactionId) -> Option<Held> {
        self.take(|_, held| held.admitted.transaction == transaction).pop()
    }

    /// When the first has waited long enough.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.iter().map(|(_, held)| held.until).min()
    }

    fn take(&mut self, wanted: impl Fn(&str, &Held) -> bool) -> Vec<Held> {
        let taken = self.held.extract_if(.., |(address, held)| wanted(address, held));
        taken.map(|(_, held)| held).collect()
    }
}
