//! What one caller or trunk has used.

use std::time::{Duration, Instant};

/// A day is remembered in pieces of this length.
const PIECE: Duration = Duration::from_secs(3600);
/// So many of them.
const PIECES: usize = 24;
const SECOND: Duration = Duration::from_secs(1);

/// The calls and minutes of one caller or trunk.
#[derive(Debug)]
pub struct Usage {
    calls: u32,
    /// When the second began in which calls are counted, and how many there were.
    second: (Instant, u32),
    /// Talk that ended, by the hour; the hour at `at` is the one that runs.
    hours: [Duration; PIECES],
    at: usize,
    hour_began: Instant,
}

impl Usage {
    pub fn new(now: Instant) -> Usage {
        Usage { calls: 0, second: (now, 0), hours: [Duration::ZERO; PIECES], at: 0, hour_began: now }
    }

    /// A leg is opened, with which a call begins or goes on.
    pub fn begin(&mut self, now: Instant, begins: bool) {
        self.calls += 1;
        if !begins {
            return;
        }
        let (since, count) = self.second;
        self.second = if now.saturating_duration_since(since) < SECOND { (since, count + 1) } else { (now, 1) };
    }

    /// A call is over, after so much talk.
    pub fn end(&mut self, now: Instant, talked: Duration) {
        self.calls = self.calls.saturating_sub(1);
        self.turn(now);
        if let Some(hour) = self.hours.get_mut(self.at) {
            *hour += talked;
        }
    }

    /// How many calls there are at once.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// How many calls began in the second that runs.
    pub fn within_a_second(&self, now: Instant) -> u32 {
        let (since, count) = self.second;
        if now.saturating_duration_since(since) < SECOND { count } else { 0 }
    }

    /// The talk of calls that ended within the last day, to the hour.
    pub fn within_a_day(&self, now: Instant) -> Duration {
        let passed = self.passed(now);
        // What the turning hand would wipe out lies right behind it.
        let old = (1..=passed.min(PIECES)).filter_map(|n| self.hours.get((self.at + n) % PIECES)).sum();
        self.hours.iter().sum::<Duration>().saturating_sub(old)
    }

    /// Whether there is nothing to remember.
    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.calls == 0 && self.within_a_second(now) == 0 && self.within_a_day(now).is_zero()
    }

    fn passed(&self, now: Instant) -> usize {
        let hours = now.saturating_duration_since(self.hour_began).as_secs() / PIECE.as_secs();
        usize::try_from(hours).unwrap_or(usize::MAX)
    }

    fn turn(&mut self, now: Instant) {
        let passed = self.passed(now);
        for _ in 0..passed.min(PIECES) {
            self.at = (self.at + 1) % PIECES;
            if let Some(hour) = self.hours.get_mut(self.at) {
                *hour = Duration::ZERO;
            }
        }
        if passed > 0 {
            let pieces = u32::try_from(passed).unwrap_or(u32::MAX);
            self.hour_began = self.hour_began.checked_add(PIECE.saturating_mul(pieces)).unwrap_or(now);
        }
    }
}
