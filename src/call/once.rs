//! Each key once, whatever the number of ways it came: some telephones say a key in their media and by signalling too.
//!
//! ```text
//!   word ──┬─ the key is down, or was just now ────────────▶ nothing: the media said it
//!          └─ else held ──┬─ HOLD is over ─────────────────▶ told ──┐ the media say it late
//!                         └─ the key goes down ▶ nothing            ▼
//!   media ─── told when the key is released ◀── but not if told ────┘
//! ```
//!
//! A word and a press of the same key make a pair, and each is in one pair at most: so the same key twice, by two ways
//! each time, is two keys.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::Dtmf;

/// So long a word waits for its press, and so long after a press its word may come. What a telephone says by
/// signalling goes by a proxy or two, and what it says in its media is known when the key has been down for 40 ms.
pub const HOLD: Duration = Duration::from_millis(250);
/// A press that comes later than this after its word is another.
pub const LATE: Duration = Duration::from_millis(600);
/// A press whose end nobody tells has ended.
const LONGEST: Duration = Duration::from_secs(30);
/// Words and presses that are remembered; of more the oldest are forgotten, and words told at once.
const MOST: usize = 32;

/// A key that signalling said, and that is in no pair.
#[derive(Debug, Clone, Copy)]
struct Word {
    dtmf: Dtmf,
    at: Instant,
    /// When it is told unless its press comes; `None`: it has been.
    due: Option<Instant>,
}

/// A key that the media said.
#[derive(Debug, Clone, Copy)]
struct Press {
    digit: char,
    from: Instant,
    until: Option<Instant>,
    /// It is in a pair.
    is_paired: bool,
    /// It is told when it is released; not if its word has been.
    counts: bool,
}

/// The keys of one party.
#[derive(Debug, Default)]
pub struct Once {
    words: VecDeque<Word>,
    presses: VecDeque<Press>,
}

impl Once {
    /// Signalling says a key. It is to be told at once if it is given back.
    pub fn said(&mut self, now: Instant, dtmf: Dtmf, may_come_in_media: bool) -> Option<Dtmf> {
        self.forget(now);
        let is_its = |p: &&mut Press| p.digit == dtmf.digit && !p.is_paired;
        if let Some(press) = self.presses.iter_mut().find(is_its) {
            press.is_paired = true;
            return None;
        }
        if !may_come_in_media || self.words.len() >= MOST {
            return Some(dtmf);
        }
        self.words.push_back(Word { dtmf, at: now, due: Some(now + HOLD) });
        None
    }

    /// A key goes down in the media.
    pub fn pressed(&mut self, now: Instant, digit: char) {
        self.forget(now);
        let word = self.words.iter().position(|w| w.dtmf.digit == digit);
        let word = word.and_then(|at| self.words.remove(at));
        // Keys do not overtake each other: what was said before this key and is not in the media will not be.
        for earlier in self.words.iter_mut().filter(|w| w.due.is_some()) {
            earlier.due = Some(now);
        }
        if self.presses.len() >= MOST {
            self.presses.pop_front();
        }
        let counts = word.is_none_or(|w| w.due.is_some());
        self.presses.push_back(Press { digit, from: now, until: None, is_paired: word.is_some(), counts });
    }

    /// A key is released in the media. It is to be told if it is given back.
    pub fn released(&mut self, now: Instant, dtmf: Dtmf) -> Option<Dtmf> {
        let is_its = |p: &Press| p.digit == dtmf.digit && p.until.is_none();
        if !self.presses.iter().any(is_its) {
            self.pressed(now, dtmf.digit);
        }
        let press = self.presses.iter_mut().find(|p| is_its(p))?;
        press.until = Some(now);
        press.counts.then_some(dtmf)
    }

    /// The next word that is due, to be told.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Dtmf> {
        let word = self.words.iter_mut().find(|w| w.due.is_some_and(|due| due <= now))?;
        word.due = None;
        Some(word.dtmf)
    }

    /// When [`Once::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.words.iter().filter_map(|w| w.due).min()
    }

    fn forget(&mut self, now: Instant) {
        self.words.retain(|w| w.due.is_some() || now <= w.at + LATE);
        self.presses.retain(|p| match p.until {
            Some(until) => now <= until + HOLD,
            None => now <= p.from + LONGEST,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a telephone says of a key, and when.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Said {
        Down,
        Up,
        Word,
    }

    /// What is told, when each key was said so: the time in milliseconds, and what.
    fn told(said: &[(u64, Said, char)]) -> Vec<char> {
        let start = Instant::now();
        let mut once = Once::default();
        let mut told = Vec::new();
        let mut said = said.to_vec();
        said.sort();
        let end = said.last().map_or(0, |(at, ..)| at + 1000);
        let mut said = said.into_iter().peekable();
        for ms in 0..=end {
            let now = start + Duration::from_millis(ms);
            told.extend(std::iter::from_fn(|| once.handle_timeout(now)));
            while let Some((_, what, digit)) = said.next_if(|(at, ..)| *at <= ms) {
                let dtmf = Dtmf { digit, duration: Duration::from_millis(100) };
                match what {
                    Said::Word => told.extend(once.said(now, dtmf, true)),
                    Said::Down => once.pressed(now, digit),
                    Said::Up => told.extend(once.released(now, dtmf)),
                }
            }
        }
        assert_eq!(once.poll_timeout(), None);
        told.into_iter().map(|d| d.digit).collect()
    }

    #[test]
    fn a_key_by_two_ways_is_told_once_whichever_comes_first() {
        use Said::*;
        for word in [0, 90, 110, 180, 200, 210, 449] {
            assert_eq!(told(&[(100, Down, '5'), (200, Up, '5'), (word, Word, '5')]), ['5'], "{word}");
        }
        assert_eq!(told(&[(500, Down, '5'), (600, Up, '5'), (100, Word, '5')]), ['5'], "the word was told already");
    }

    #[test]
    fn a_word_without_a_press_is_told_and_so_is_a_press_without_a_word() {
        use Said::*;
        assert_eq!(told(&[(0, Word, '1'), (10, Word, '2')]), ['1', '2']);
        assert_eq!(told(&[(0, Down, '1'), (80, Up, '1'), (200, Up, '2')]), ['1', '2']);
        assert_eq!(told(&[(0, Down, '1'), (80, Up, '1'), (2000, Word, '1')]), ['1', '1']);
        assert_eq!(told(&[(0, Word, '1'), (40, Down, '2'), (140, Up, '2')]), ['1', '2'], "in their order");
    }

    #[test]
    fn where_the_media_cannot_say_it_a_word_waits_for_nothing() {
        let mut once = Once::default();
        let dtmf = Dtmf { digit: '1', duration: Duration::from_millis(100) };
        assert_eq!(once.said(Instant::now(), dtmf, false), Some(dtmf));
        assert_eq!(once.poll_timeout(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, cases: 500,
            rng_seed: proptest::test_runner::RngSeed::Fixed(4733), ..ProptestConfig::default()
        })]

        #[test]
        fn every_key_is_told_once_by_whatever_ways_a_telephone_says_its_keys(
            keys in prop::collection::vec((prop::sample::select(vec!['1', '1', '2', '#', 'D']), 40u64..400, 60u64..500), 1..20),
            in_media in any::<bool>(), in_words in any::<bool>(), at_release in any::<bool>(),
            media_late in 0u64..60, word_late in 0u64..120,
        ) {
            let (in_media, in_words) = (in_media || !in_words, in_words);
            let mut said = Vec::new();
            let mut at = 0;
            for (digit, held, pause) in &keys {
                if in_media {
                    said.extend([(at + media_late, Said::Down, *digit), (at + held + media_late, Said::Up, *digit)]);
                }
                if in_words {
                    said.push((at + word_late + if at_release { *held } else { 0 }, Said::Word, *digit));
                }
                at += held + pause;
            }
            let expected: Vec<char> = keys.iter().map(|(digit, ..)| *digit).collect();
            prop_assert_eq!(told(&said), expected);
        }

        #[test]
        fn keys_a_second_apart_are_told_once_each_by_whichever_ways_each_arrives(
            keys in prop::collection::vec((0usize..3, 0u64..150, 0u64..150, any::<bool>()), 1..12),
        ) {
            let mut said = Vec::new();
            for (number, (ways, media_late, word_late, at_release)) in keys.iter().enumerate() {
                let at = number as u64 * 1500;
                if *ways != 0 {
                    said.extend([(at + media_late, Said::Down, '7'), (at + 100 + media_late, Said::Up, '7')]);
                }
                if *ways != 1 {
                    said.push((at + word_late + if *at_release { 100 } else { 0 }, Said::Word, '7'));
                }
            }
            prop_assert_eq!(told(&said).len(), keys.len());
        }
    }
}
