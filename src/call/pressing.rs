//! Keys that were dialled behind the number: pressed one after the other once the call is answered, by the same ways as
//! those that the caller presses itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::info;

use super::two_party::Call;
use crate::model::{Dtmf, Key, Keys, PAUSE};

/// How long a key is held.
const HELD: Duration = Duration::from_millis(160);
/// The silence behind it (ITU-T Q.24: at least 40 ms).
const GAP: Duration = Duration::from_millis(100);

/// The keys that wait.
#[derive(Debug, Default)]
pub struct Pressing {
    waiting: VecDeque<Waiting>,
    /// When the next one is due; `None` before the call is answered.
    due: Option<Instant>,
}

/// One of them. It never prints itself.
struct Waiting(Key);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
}

impl Pressing {
    /// These, from the answer on.
    pub fn new(keys: &Keys) -> Pressing {
        Pressing { waiting: keys.iter().map(Waiting).collect(), due: None }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The call is answered.
    fn begin(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When [`Pressing::next`] has something.
    fn deadline(&self) -> Option<Instant> {
        self.due.filter(|_| !self.waiting.is_empty())
    }

    /// The next key that is due.
    fn next(&mut self, now: Instant) -> Option<char> {
        while self.deadline().is_some_and(|due| due <= now) {
            match self.waiting.pop_front()? {
                Waiting(Key::Pause) => self.due = self.due.map(|due| due + PAUSE),
                Waiting(Key::Digit(digit)) => {
                    self.due = Some(now + HELD + GAP);
                    return Some(digit);
                }
            }
        }
        None
    }
}

impl Call {
    /// The call is answered: what was dialled behind the number begins.
    pub(super) fn begin_to_press(&mut self, now: Instant) {
        if !self.pressing.is_empty() {
            info!(call = %self.id, "presses the keys that were dialled behind the number");
            self.pressing.begin(now);
        }
    }

    /// Presses what is due.
    pub(super) fn press_due(&mut self, now: Instant) {
        if !self.is_over()
            && let Some(digit) = self.pressing.next(now)
        {
            // Not told to a fork, which is told of keys that a party presses: these may be a PIN.
            self.press_on(self.caller.id, Dtmf { digit, duration: HELD }, None);
        }
    }

    /// When [`Call::press_due`] is due.
    pub(super) fn press_deadline(&self) -> Option<Instant> {
        self.pressing.deadline().filter(|_| !self.is_over())
    }
}
