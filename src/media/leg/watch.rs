//! Notices when an answered leg is silent.

use std::time::{Duration, Instant};

/// How long an answered leg may be silent before that is worth a word, which is to be read within three seconds. Opus
/// that suppresses silence (`usedtx`) sends a packet each 400 ms all the same.
pub const SILENCE: Duration = Duration::from_millis(2500);

/// The same for a peer that has said with comfort noise that it will be silent (RFC 3389), and may repeat that rarely:
/// its reports count as life.
pub const SUPPRESSED_SILENCE: Duration = Duration::from_secs(15);

/// The same for pictures: a camera takes seconds to open, and a screen that stands still is sent once a second.
pub const DARKNESS: Duration = Duration::from_secs(5);

/// Watches one leg.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    since: Option<Instant>,
    told: bool,
}

impl Watch {
    /// Whether something should come in, from now on.
    pub fn expect(&mut self, now: Instant, expected: bool) {
        match (self.since, expected) {
            (None, true) => *self = Watch { since: Some(now), told: false },
            (Some(_), false) => *self = Watch::default(),
            _ => {}
        }
    }

    /// The waiting begins anew.
    pub fn restart(&mut self, now: Instant) {
        if self.since.is_some() {
            self.since = Some(now);
        }
    }

    /// Since when something should come in.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Something came in after a silence: the next one is worth a word again.
    pub fn is_over(&mut self) {
        self.told = false;
    }

    /// Whether a silence was told and is not over.
    pub fn is_told(&self) -> bool {
        self.told
    }

    /// When to look again.
    pub fn poll_timeout(&self, last: Option<Instant>, patience: Duration) -> Option<Instant> {
        let since = self.since.filter(|_| !self.told)?;
        Some(last.map_or(since, |last| last.max(since)) + patience)
    }

    /// Looks; `true` once for each silence.
    pub fn handle_timeout(&mut self, now: Instant, last: Option<Instant>, patience: Duration) -> bool {
        let due = self.poll_timeout(last, patience).is_some_and(|at| now >= at);
        self.told |= due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_and_the_next_one_again() {
        let start = Instant::now();
        let mut watch = Watch::default();
        assert_eq!(watch.poll_timeout(None, SILENCE), None);
        watch.expect(start, true);
        assert!(!watch.handle_timeout(start + SILENCE / 2, None, SILENCE));
        assert!(watch.handle_timeout(start + SILENCE, None, SILENCE));
        assert!(!watch.handle_timeout(start + SILENCE * 2, None, SILENCE));
        watch.is_over();
        let heard = start + SILENCE * 3;
        assert_eq!(watch.poll_timeout(Some(heard), SILENCE), Some(heard + SILENCE));
        assert!(watch.handle_timeout(heard + SILENCE, Some(heard), SILENCE));
    }

    #[test]
    fn nothing_is_expected_of_a_leg_on_hold() {
        let start = Instant::now();
        let mut watch = Watch::default();
        watch.expect(start, true);
        watch.expect(start, false);
        assert!(!watch.handle_timeout(start + SILENCE * 9, None, SILENCE));
        watch.expect(start + SILENCE * 9, true);
        assert!(!watch.handle_timeout(start + SILENCE * 9, None, SILENCE));
    }
}
