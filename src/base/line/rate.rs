//! How many come in a second.

use std::time::{Duration, Instant};

/// How many come, second by second.
#[derive(Debug, Default)]
pub struct Rate {
    /// When the current second began.
    began: Option<Instant>,
    /// In the current second, in the one before, and in the one before that.
    counts: [u32; 3],
}

impl Rate {
    /// One comes.
    pub fn note(&mut self, now: Instant) {
        self.turn(now);
        self.began.get_or_insert(now);
        self.counts[0] = self.counts[0].saturating_add(1);
    }

    /// Whether so many came in each of two seconds on end, of which the last has just passed or is now. What comes in one
    /// bunch after a standstill fills one second alone.
    pub fn is_at_least(&mut self, now: Instant, count: u32) -> bool {
        self.turn(now);
        let [this, last, before] = self.counts;
        last >= count && (this >= count || before >= count)
    }

    /// How many came in the last whole second.
    pub fn last(&self) -> u32 {
        self.counts[1]
    }

    fn turn(&mut self, now: Instant) {
        let Some(began) = self.began else { return };
        let seconds = now.saturating_duration_since(began).as_secs();
        let [this, last, _] = self.counts;
        match seconds {
            0 => return,
            1 => self.counts = [0, this, last],
            2 => self.counts = [0, 0, this],
            _ => self.counts = [0; 3],
        }
        self.began = Some(began + Duration::from_secs(seconds));
    }
}
