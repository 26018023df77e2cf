//! When the next of a line may go, while the calls have other letters to read.

use std::time::{Duration, Instant};

/// How many are turned away at once, before all else has its turn.
pub const BATCH: usize = 64;
/// As long as nobody waits, so many are taken up in the order in which they came among all else, before anything else has
/// its turn: each peer then hears its answers in the order of its requests.
const IN_ORDER: usize = 32;
/// New calls wait while so many letters wait for the calls.
const BACKLOG: usize = 32;
/// One is taken up after this long, whatever else there is to do.
const LONGEST_HOLD: Duration = Duration::from_millis(50);
/// When it is looked again then.
const PAUSE: Duration = Duration::from_millis(1);

/// What holds back the next of a line.
#[derive(Debug, Default)]
pub struct Hold {
    taken_up: Option<Instant>,
    /// How many were taken up as they came since all else had its turn.
    in_order: usize,
}

impl Hold {
    /// All else has its turn now.
    pub fn turn(&mut self) {
        self.in_order = 0;
    }

    /// One is taken up.
    pub fn note(&mut self, now: Instant) {
        self.taken_up = Some(now);
    }

    /// Whether one that comes while nobody waits is taken up at once; it counts then. So many letters wait for the calls.
    pub fn is_in_order(&mut self, now: Instant, backlog: usize) -> bool {
        let is_in_order = self.in_order < IN_ORDER && self.has_room(now, backlog);
        self.in_order += usize::from(is_in_order);
        is_in_order
    }

    /// Whether one was taken up so lately that the next may wait.
    pub fn is_held(&self, now: Instant) -> bool {
        self.taken_up.is_some_and(|at| now < at + LONGEST_HOLD)
    }

    /// Whether the next may go where there is nothing else to do.
    pub fn has_room(&self, now: Instant, backlog: usize) -> bool {
        !self.is_held(now) || backlog < BACKLOG
    }

    /// When there is something to be done for those who wait: at once, if nothing else is, or after a while.
    pub fn pause(&self, now: Instant, is_late: bool, backlog: usize) -> Duration {
        if is_late || self.has_room(now, backlog) { Duration::ZERO } else { PAUSE }
    }
}
