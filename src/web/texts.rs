//! The messages that one browser wrote, until it is told what became of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::{FrameError, FrameErrorCode};
use super::frame::TextName;

/// The most messages that one browser may write in a minute.
pub const TEXTS_A_MINUTE: u32 = 60;
/// The most messages of one browser whose fate is not known.
pub const MAX_WAITING: usize = 32;
/// How long a browser waits to be told what became of a message.
pub const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// The messages that wait, by the number that the gateway gave them.
#[derive(Debug, Default)]
pub struct Texts {
    waiting: BTreeMap<u64, Waiting>,
    minute: Option<Instant>,
    written: u32,
}

#[derive(Debug)]
struct Waiting {
    name: TextName,
    until: Instant,
}

impl Texts {
    /// Takes a message in.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn write(&mut self, now: Instant, number: u64, name: TextName) -> Result<(), FrameError> {
        let wrong = |code, text: &str| Err(FrameError::new(code, text).in_text(Some(name.clone())).about("text"));
        if self.waiting.values().any(|w| w.name == name) {
            return wrong(FrameErrorCode::WrongState, "a message of this id is under way");
        }
        if self.waiting.len() >= MAX_WAITING {
            return wrong(FrameErrorCode::TooFast, "32 messages are under way");
        }
        if self.minute.is_none_or(|m| now.saturating_duration_since(m) >= Duration::from_secs(60)) {
            self.minute = Some(now);
            self.written = 0;
        }
        if self.written >= TEXTS_A_MINUTE {
            return wrong(FrameErrorCode::TooFast, "more than 60 messages in a minute");
        }
        self.written += 1;
        self.waiting.insert(number, Waiting { name, until: now + TOLD_WITHIN });
        Ok(())
    }

    /// What the browser calls a message whose fate is known; it waits no longer.
    pub fn settle(&mut self, number: u64) -> Option<TextName> {
        self.waiting.remove(&number).map(|w| w.name)
    }

    /// A message of which nothing was heard in time; it waits no longer.
    pub fn late(&mut self, now: Instant) -> Option<(u64, TextName)> {
        // Numbers rise with time, and so do deadlines.
        let first = self.waiting.first_entry().filter(|first| first.get().until <= now)?;
        let (number, waiting) = first.remove_entry();
        Some((number, waiting.name))
    }

    /// When [`Texts::late`] has something.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, w)| w.until)
    }

    /// The numbers of those that wait.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.waiting.keys().copied()
    }
}
