//! Speech that comes from elsewhere as samples: a queue between whoever makes it and the leg that says it. A speaker whose
//! clock is not ours is kept in step (`lead`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::WIDE_HZ;
use super::lead::{Lead, Step};
use crate::media::bridge::transcode::pauses::Pauses;
use crate::media::bridge::transcode::stretch;
use crate::media::codec::resample::Resampler;

/// What may wait to be said, in milliseconds; of more, the oldest is dropped. A machine that speaks sends its
/// sentences faster than they are said.
pub const LONGEST_WAIT_MS: usize = 60_000;

/// What waits, and how much was ever said.
#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<i16>,
    said: u64,
}

type Waiting = Arc<Mutex<Queue>>;

/// The end that speaks: samples of [`WIDE_HZ`].
#[derive(Debug, Clone, Default)]
pub struct Mouth(Waiting);

impl Mouth {
    /// Adds samples to what waits to be said; returns how many of the oldest were dropped for them.
    pub fn say(&self, samples: &[i16]) -> usize {
        let most = LONGEST_WAIT_MS * WIDE_HZ as usize / 1000;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = samples.len().saturating_sub(most);
        waiting.said += samples.len() as u64;
        waiting.samples.extend(samples.iter().skip(skipped));
        let dropped = waiting.samples.len().saturating_sub(most);
        waiting.samples.drain(..dropped);
        skipped + dropped
    }

    /// Forgets what waits to be said: the speaker was interrupted.
    pub fn hush(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).samples.clear();
    }

    /// The other end, for a leg that speaks at this rate; `None` if it is neither 8000 nor 16000. All ends share
    /// one queue, so there is one leg that says it.
    pub fn feed(&self, rate_hz: u32) -> Option<Feed> {
        let resampler = if rate_hz == WIDE_HZ { None } else { Some(Resampler::new(WIDE_HZ, rate_hz)?) };
        let (waiting, wide, before, ready) = (self.0.clone(), Vec::new(), Vec::new(), Vec::new());
        let (lead, pauses) = Default::default();
        Some(Feed { waiting, rate_hz, resampler, wide, before, ready, lead, pauses })
    }
}

/// The end that a leg says it from.
pub struct Feed {
    waiting: Waiting,
    rate_hz: u32,
    resampler: Option<Resampler>,
    wide: Vec<i16>,
    /// The frame before.
    before: Vec<i16>,
    ready: Vec<i16>,
    lead: Lead,
    pauses: Pauses,
}

impl Feed {
    /// Fills a frame with what waits, and with silence where nothing does. `false`: nothing waited.
    pub fn fill(&mut self, frame: &mut [i16]) -> bool {
        let wanted = frame.len() * (WIDE_HZ / self.rate_hz) as usize;
        std::mem::swap(&mut self.wide, &mut self.before);
        self.take(wanted);
        let any = !self.wide.is_empty();
        self.wide.resize(wanted, 0);
        self.pauses.hear(&self.wide);
        self.ready.clear();
        match &mut self.resampler {
            Some(resampler) => resampler.process(&self.wide, &mut self.ready),
            None => self.ready.extend_from_slice(&self.wide),
        }
        let silence = std::iter::repeat(&0);
        frame.iter_mut().zip(self.ready.iter().chain(silence)).for_each(|(place, sample)| *place = *sample);
        any
    }

    /// Takes what is wanted of what waits, or all of it; a bit more or less of it where the speaker is out of step.
    fn take(&mut self, wanted: usize) {
        let waiting = self.waiting.clone();
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let step = self.lead.step().filter(|_| self.pauses.is_rested());
        let room = if step == Some(Step::TakeOut) { stretch::count(stretch::PAUSE_US, WIDE_HZ) } else { 0 };
        let there = (wanted + room).min(waiting.samples.len());
        self.wide.clear();
        self.wide.extend(waiting.samples.drain(..there));
        let is_dry = self.wide.len() < wanted;
        if let Some(step) = step.filter(|_| !is_dry) {
            self.go(step);
        }
        self.wide.drain(wanted.min(self.wide.len())..).rev().for_each(|sample| waiting.samples.push_front(sample));
        let waits = waiting.samples.len();
        self.lead.note(wanted, waits, waiting.said, is_dry);
    }

    fn go(&mut self, step: Step) {
        let Some(place) = self.pauses.place(&self.wide, true) else { return };
        let changed = match step {
            Step::PutIn => stretch::lengthen(&self.before, &mut self.wide, WIDE_HZ, place),
            Step::TakeOut => stretch::shorten(&mut self.wide, WIDE_HZ, place),
        };
        if changed.is_some() {
            self.lead.is_done();
            self.pauses.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::media::sound::lead::GROWN;

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

    /// What waits at the most and how often it ran dry in twenty minutes, of a tone in chunks of `chunk_ms` by a clock that is `ppm`
    /// faster than ours, after the first minute.
    fn twenty_minutes(ppm: f64, chunk_ms: u32, rate_hz: u32) -> (usize, u32) {
        let hz = 440.0;
        let turn = std::f64::consts::TAU * hz / f64::from(WIDE_HZ);
        let mouth = Mouth::default();
        let mut feed = mouth.feed(rate_hz).unwrap();
        let chunk = (WIDE_HZ / 1000 * chunk_ms) as usize;
        let mut frame = vec![0; rate_hz as usize / 50];
        let (mut said, mut most, mut dry, mut worst, mut last) = (0, 0, 0, 0.0f64, [0.0; 2]);
        let follows = 2.0 * (std::f64::consts::TAU * hz / f64::from(rate_hz)).cos();
        for n in 0..1200 * 50u32 {
            // The program begins with one chunk more than it must.
            let due = f64::from(n) * 0.02 * (1.0 + ppm / 1e6) * f64::from(WIDE_HZ);
            while (said as f64) < due + chunk as f64 {
                let samples: Vec<i16> =
                    (said..said + chunk).map(|n| (8000.0 * (turn * n as f64).sin()) as i16).collect();
                assert_eq!(mouth.say(&samples), 0, "nothing is dropped");
                said += chunk;
            }
            let is_dry = feed.waiting.lock().unwrap().samples.len() < 320;
            feed.fill(&mut frame);
            let is_judged = n > 60 * 50;
            for sample in frame.iter().map(|s| f64::from(*s)) {
                let jump = (follows * last[1] - last[0] - sample).abs();
                worst = if is_judged { worst.max(jump) } else { worst };
                last = [last[1], sample];
            }
            if is_judged {
                dry += u32::from(is_dry);
                most = most.max(feed.waiting.lock().unwrap().samples.len());
            }
        }
        assert!(worst < 400.0, "no jump: {worst} at {ppm} ppm");
        (most, dry)
    }

    #[test]
    fn twenty_minutes_by_a_fast_or_a_slow_clock_are_heard_without_a_gap_or_a_jump_and_the_queue_stays() {
        for (ppm, chunk_ms, rate_hz) in [(100.0, 20, WIDE_HZ), (-300.0, 100, 8000)] {
            let (most, dry) = twenty_minutes(ppm, chunk_ms, rate_hz);
            let bound = GROWN + (WIDE_HZ / 1000 * (2 * chunk_ms + 40)) as usize;
            assert_eq!(dry, 0, "{ppm} ppm: it ran dry");
            assert!(most <= bound, "{ppm} ppm: {} ms wait", most / 16);
        }
    }

    #[test]
    fn who_sends_a_minute_at_once_is_heard_as_it_spoke() {
        let mouth = Mouth::default();
        let said: Vec<i16> = (0..LONGEST_WAIT_MS * 16).map(|n| (n % 8000) as i16).collect();
        mouth.say(&said);
        let mut feed = mouth.feed(WIDE_HZ).unwrap();
        let mut frame = [0; 320];
        for part in said.chunks_exact(320) {
            assert!(feed.fill(&mut frame));
            assert_eq!(frame, part);
        }
        assert!(!feed.fill(&mut frame));
    }
}
