//! The keys of one leg: digits that a client sends in one frame are pressed one after the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::Digits;
use crate::model::Dtmf;

/// The most digits that wait.
pub const MAX_WAITING: usize = 64;
/// The silence between two digits (ITU-T Q.24: at least 40 ms).
const GAP: Duration = Duration::from_millis(60);

/// The digits that wait to be pressed.
#[derive(Debug, Default)]
pub struct Keypad {
    waiting: VecDeque<Dtmf>,
    /// When the key that is down has been up for [`GAP`].
    free_at: Option<Instant>,
}

impl Keypad {
    /// Takes digits in. `false`: too many wait, and none of these is taken.
    pub fn press(&mut self, digits: Digits) -> bool {
        if self.waiting.len() + digits.digits.len() > MAX_WAITING {
            return false;
        }
        let duration = digits.duration;
        self.waiting.extend(digits.digits.into_iter().map(|digit| Dtmf { digit, duration }));
        true
    }

    /// The digit to press now, if one is due.
    pub fn next(&mut self, now: Instant) -> Option<Dtmf> {
        if self.free_at.is_some_and(|at| at > now) {
            return None;
        }
        let dtmf = self.waiting.pop_front();
        self.free_at = dtmf.map(|d| now + d.duration + GAP);
        dtmf
    }

    /// When [`Keypad::next`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        if self.waiting.is_empty() { None } else { self.free_at }
    }
}
