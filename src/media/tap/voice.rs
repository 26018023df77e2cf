//! What a fork says to one party, mixed with what the party hears of the other.

use super::ear::FRAME_SAMPLES;
use crate::media::sound::{Feed, Mouth, WIDE_HZ};

/// Frames for which the mixture goes on after the last word: between two words the way is not changed.
pub const LINGERS: u32 = 25;

/// What becomes of the way to a party.
#[derive(Clone)]
pub enum Turn {
    /// It hears the mixture from here on.
    Begins(Mouth),
    /// It hears the other party alone again.
    Ends,
}

/// The voice of a fork at one party's ear.
pub struct Voice {
    words: Feed,
    mixed: Mouth,
    frame: Vec<i16>,
    /// For so many frames the mixture goes on; 0: the fork is silent.
    lingers: u32,
}

impl Voice {
    /// One that says what is said into this mouth.
    pub fn new(words: &Mouth) -> Option<Voice> {
        let words = words.feed(WIDE_HZ)?;
        Some(Voice { words, mixed: Mouth::default(), frame: vec![0; FRAME_SAMPLES], lingers: 0 })
    }

    /// Mixes one frame of the other party's with what the fork says, if it says something.
    pub fn mix(&mut self, other: Option<&[i16]>) -> Option<Turn> {
        let speaks = self.words.fill(&mut self.frame);
        let was_silent = self.lingers == 0;
        if was_silent && !speaks {
            return None;
        }
        self.lingers = if speaks { LINGERS } else { self.lingers - 1 };
        if was_silent {
            // One frame ahead: the leg that says it has a clock of its own.
            self.mixed.hush();
            self.mixed.say(&[0; FRAME_SAMPLES]);
        }
        for (sample, other) in self.frame.iter_mut().zip(other.unwrap_or_default()) {
            *sample = sample.saturating_add(*other);
        }
        self.mixed.say(&self.frame);
        match (was_silent, self.lingers) {
            (true, _) => Some(Turn::Begins(self.mixed.clone())),
            (false, 0) => Some(Turn::Ends),
            (false, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_fork_says_is_mixed_with_the_other_party_until_it_has_been_silent_for_a_while() {
        let words = Mouth::default();
        let mut voice = Voice::new(&words).unwrap();
        assert!(voice.mix(Some(&[100; FRAME_SAMPLES])).is_none(), "the fork is silent");
        words.say(&[1000; 2 * FRAME_SAMPLES]);
        let Some(Turn::Begins(mixed)) = voice.mix(Some(&[100; FRAME_SAMPLES])) else { panic!("it begins") };
        assert!(voice.mix(None).is_none());
        let ends = (0..LINGERS).filter_map(|_| voice.mix(Some(&[7; FRAME_SAMPLES]))).count();
        assert_eq!(ends, 1);
        assert!(voice.mix(Some(&[100; FRAME_SAMPLES])).is_none());
        let mut heard = mixed.feed(WIDE_HZ).unwrap();
        let mut frame = [0; FRAME_SAMPLES];
        let mut next = || {
            heard.fill(&mut frame);
            frame[0]
        };
        assert_eq!([next(), next(), next(), next()], [0, 1100, 1000, 7]);
    }
}
