//! The pace at which frames are due.

use std::time::{Duration, Instant};

use crate::media::codec::FRAME_MS;

/// Between two frames.
pub const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);

/// Frames that are made up for at once after the thread was late; what is due before them is left out.
pub const MAX_CATCH_UP: u32 = 5;

/// A tick each [`FRAME`], once begun.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// Begins at `at`, if it has not.
    pub fn begin(&mut self, at: Instant) {
        self.next.get_or_insert(at);
    }

    /// There are no ticks until it begins anew.
    pub fn rest(&mut self) {
        self.next = None;
    }

    /// When the next tick is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The time of the tick that is due at `now`, if one is.
    pub fn tick(&mut self, now: Instant) -> Option<Instant> {
        let mut at = self.next.filter(|at| *at <= now)?;
        let behind = (now - at).as_millis() as u32 / FRAME_MS;
        at += FRAME * behind.saturating_sub(MAX_CATCH_UP);
        self.next = Some(at + FRAME);
        Some(at)
    }
}
