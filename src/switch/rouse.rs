//! When the relay is woken for what it was ordered.
//!
//! To wake another thread and be woken by it costs as much as all else that an order takes. What a call waits for is
//! ordered at once. The rest, which is the end of a call and what is only agreed on, waits for the next order that is
//! urgent, or for the relay to wake up by itself: where many calls come, one is seldom alone. A call that is has nobody to
//! wait for.

use std::time::{Duration, Instant};

use crate::model::RelayCommand;

/// How long an order may wait that nobody waits for. The media of the call do not: when they come, the relay carries out
/// first what it was ordered.
pub const PATIENCE: Duration = Duration::from_millis(20);
/// Where the relay was not woken for so long no other order is to be expected soon.
const LULL: Duration = Duration::from_millis(20);

/// The orders that the relay was not woken for yet.
#[derive(Debug, Default)]
pub struct Rouse {
    by: Option<Instant>,
    /// When the relay was woken last.
    last: Option<Instant>,
}

impl Rouse {
    /// Whether an order of a call that waits for the relay, or does not, is to be carried out at once.
    pub fn is_urgent(command: &RelayCommand, awaits_relay: bool) -> bool {
        awaits_relay || !matches!(command, RelayCommand::Apply(_) | RelayCommand::Remove(_))
    }

    /// Orders were given.
    pub fn note(&mut self, now: Instant, is_urgent: bool) {
        let is_alone = self.last.is_none_or(|last| last + LULL <= now);
        let by = if is_urgent || is_alone { now } else { now + PATIENCE };
        self.by = Some(self.by.map_or(by, |known| known.min(by)));
    }

    /// When [`Rouse::take_due`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by
    }

    /// Whether the relay is to be woken.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.by.take_if(|by| *by <= now).is_some();
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
