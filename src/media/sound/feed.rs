//! Speech that comes from elsewhere as samples: a queue between whoever makes it and the leg that says it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::WIDE_HZ;
use crate::media::codec::resample::Resampler;

/// What may wait to be said, in milliseconds; of more, the oldest is dropped. A machine that speaks sends its
/// sentences faster than they are said.
pub const LONGEST_WAIT_MS: usize = 60_000;

type Waiting = Arc<Mutex<VecDeque<i16>>>;

/// The end that speaks: samples of [`WIDE_HZ`].
#[derive(Debug, Clone, Default)]
pub struct Mouth(Waiting);

impl Mouth {
    /// Adds samples to what waits to be said; returns how many of the oldest were dropped for them.
    pub fn say(&self, samples: &[i16]) -> usize {
        let most = LONGEST_WAIT_MS * WIDE_HZ as usize / 1000;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = samples.len().saturating_sub(most);
        waiting.extend(samples.iter().skip(skipped));
        let dropped = waiting.len().saturating_sub(most);
        waiting.drain(..dropped);
        skipped + dropped
    }

    /// Forgets what waits to be said: the speaker was interrupted.
    pub fn hush(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The other end, for a leg that speaks at this rate; `None` if it is neither 8000 nor 16000. All ends share
    /// one queue, so there is one leg that says it.
    pub fn feed(&self, rate_hz: u32) -> Option<Feed> {
        let resampler = if rate_hz == WIDE_HZ { None } else { Some(Resampler::new(WIDE_HZ, rate_hz)?) };
        Some(Feed { waiting: self.0.clone(), resampler, wide: Vec::new(), ready: Vec::new(), rate_hz })
    }
}

/// The end that a leg says it from.
pub struct Feed {
    waiting: Waiting,
    rate_hz: u32,
    resampler: Option<Resampler>,
    wide: Vec<i16>,
    ready: Vec<i16>,
}

impl Feed {
    /// Fills a frame with what waits, and with silence where nothing does. `false`: nothing waited.
    pub fn fill(&mut self, frame: &mut [i16]) -> bool {
        let wanted = frame.len() * (WIDE_HZ / self.rate_hz) as usize;
        self.wide.clear();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let there = wanted.min(waiting.len());
            self.wide.extend(waiting.drain(..there));
        }
        let any = !self.wide.is_empty();
        self.wide.resize(wanted, 0);
        self.ready.clear();
        match &mut self.resampler {
            Some(resampler) => resampler.process(&self.wide, &mut self.ready),
            None => self.ready.extend_from_slice(&self.wide),
        }
        let silence = std::iter::repeat(&0);
        frame.iter_mut().zip(self.ready.iter().chain(silence)).for_each(|(place, sample)| *place = *sample);
        any
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_said_comes_out_in_order_and_then_silence() {
        let mouth = Mouth::default();
        let mut feed = mouth.feed(WIDE_HZ).unwrap();
        let mut frame = [9; 4];
        assert!(!feed.fill(&mut frame));
        assert_eq!(frame, [0; 4]);
        assert_eq!(mouth.say(&[1, 2, 3, 4, 5, 6]), 0);
        assert!(feed.fill(&mut frame));
        assert_eq!(frame, [1, 2, 3, 4]);
        assert!(feed.fill(&mut frame));
        assert_eq!(frame, [5, 6, 0, 0]);
    }

    #[test]
    fn of_more_than_may_wait_the_oldest_is_dropped() {
        let mouth = Mouth::default();
        let most = LONGEST_WAIT_MS * WIDE_HZ as usize / 1000;
        assert_eq!(mouth.say(&vec![1; most]), 0);
        assert_eq!(mouth.say(&[2; 10]), 10);
        assert_eq!(mouth.say(&vec![3; most + 5]), most + 5);
        let mut frame = [0; 2];
        mouth.feed(WIDE_HZ).unwrap().fill(&mut frame);
        assert_eq!(frame, [3, 3]);
        mouth.hush();
        assert!(!mouth.feed(WIDE_HZ).unwrap().fill(&mut frame));
    }

    #[test]
    fn a_narrow_leg_says_it_at_its_own_rate() {
        let mouth = Mouth::default();
        let mut feed = mouth.feed(8000).unwrap();
        mouth.say(&[1000; 3200]);
        let mut frame = [0; 160];
        for _ in 0..5 {
            assert!(feed.fill(&mut frame));
        }
        assert!(frame.iter().all(|sample| (990..=1010).contains(sample)), "{frame:?}");
        assert!(mouth.feed(44_100).is_none());
    }
}
