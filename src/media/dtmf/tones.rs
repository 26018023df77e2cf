//! Makes the tones of a keypad.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::time::Duration;

use super::{frequencies, height};

/// The levels of the low and the high frequency: together -5 dBm0, the high one louder by the 2 dB that a line takes
/// from it (ITU-T Q.23 §6, CEPT T/CS 46-02).
pub const LEVELS_DBM0: (f32, f32) = (-9.0, -7.0);
/// The shortest and the longest tone that is made. Q.24 has 40 ms taken by every network and 70 ms by those that want
/// to be sure.
pub const SHORTEST: Duration = Duration::from_millis(70);
/// The longest.
pub const LONGEST: Duration = Duration::from_secs(10);
/// The silence after each.
pub const PAUSE: Duration = Duration::from_millis(70);
/// A tone comes and goes in this time, so that it does not click.
const EDGE: Duration = Duration::from_millis(3);
/// Keys that wait; more are refused.
pub const MAX_WAITING: usize = 32;

/// A tone, or the silence after it, in samples.
#[derive(Debug, Clone, Copy)]
struct Sounding {
    steps: (f32, f32),
    at: usize,
    length: usize,
    pause: usize,
}

/// Tones one after the other.
#[derive(Debug)]
pub struct Tones {
    rate_hz: u32,
    waiting: VecDeque<(char, Duration)>,
    sounding: Option<Sounding>,
    /// Samples of silence before the first.
    lead: usize,
}

impl Tones {
    /// None yet, for samples of this rate.
    pub fn new(rate_hz: u32) -> Tones {
        Tones { rate_hz, waiting: VecDeque::new(), sounding: None, lead: 0 }
    }

    /// The same, with a pause before the first.
    pub fn after_a_pause(rate_hz: u32) -> Tones {
        Tones { lead: samples(PAUSE, rate_hz), ..Tones::new(rate_hz) }
    }

    /// Adds a key; `false` if it is none or too many wait.
    pub fn press(&mut self, key: char, duration: Duration) -> bool {
        let is_taken = frequencies(key).is_some() && self.waiting.len() < MAX_WAITING;
        if is_taken {
            self.waiting.push_back((key, duration.clamp(SHORTEST, LONGEST)));
        }
        is_taken
    }

    /// Whether all is said.
    pub fn is_over(&self) -> bool {
        self.sounding.is_none() && self.waiting.is_empty()
    }

    /// Fills a frame with what comes next, and with silence where nothing does.
    pub fn fill(&mut self, frame: &mut [i16]) {
        for place in frame {
            if self.lead > 0 {
                self.lead -= 1;
                *place = 0;
                continue;
            }
            if self.sounding.is_none() {
                self.sounding = self.waiting.pop_front().and_then(|(key, duration)| self.begin(key, duration));
            }
            *place = 0;
            let Some(sounding) = &mut self.sounding else { continue };
            let edge = samples(EDGE, self.rate_hz).max(1);
            if sounding.at < sounding.length {
                *place = sample(sounding, edge);
            }
            sounding.at += 1;
            self.sounding = self.sounding.take_if(|s| s.at < s.length + s.pause);
        }
    }

    fn begin(&self, key: char, duration: Duration) -> Option<Sounding> {
        let (low, high) = frequencies(key)?;
        let step = |hertz: f32| TAU * hertz / self.rate_hz as f32;
        let (length, pause) = (samples(duration, self.rate_hz), samples(PAUSE, self.rate_hz));
        Some(Sounding { steps: (step(low), step(high)), at: 0, length, pause })
    }
}

fn sample(sounding: &Sounding, edge: usize) -> i16 {
    let Sounding { steps: (low, high), at, length, .. } = *sounding;
    let wave = |step: f32, dbm0: f32| height(dbm0) * (f64::from(step) * at as f64).sin() as f32;
    let from_edge = at.min(length - 1 - at) as f32 / edge as f32;
    let both = wave(low, LEVELS_DBM0.0) + wave(high, LEVELS_DBM0.1);
    (both * from_edge.min(1.0)).round() as i16
}

fn samples(time: Duration, rate_hz: u32) -> usize {
    (time.as_micros() * u128::from(rate_hz) / 1_000_000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dtmf::detect::{Detector, RATE_HZ};
    use crate::media::dtmf::height;
    use crate::rtp::event::Key;

    #[test]
    fn each_key_sounds_for_its_time_at_its_level_with_a_pause_after_it_and_is_heard_as_itself() {
        let mut tones = Tones::new(RATE_HZ);
        let keys = "0123456789*#ABCD";
        for key in keys.chars() {
            assert!(tones.press(key, Duration::from_millis(100)));
        }
        assert!(!tones.press('x', Duration::from_millis(100)));
        let (mut detector, mut heard, mut frame) = (Detector::default(), Vec::new(), [0; 160]);
        let mut loudest = 0;
        while !tones.is_over() {
            tones.fill(&mut frame);
            loudest = frame.iter().copied().fold(loudest, i16::max);
            detector.hear(&frame, |key| heard.push(key));
        }
        detector.hear(&[0; 800], |key| heard.push(key));
        let released: Vec<_> =
            heard.iter().filter_map(|k| if let Key::Released(d) = k { Some(*d) } else { None }).collect();
        assert_eq!(released.iter().map(|d| d.digit).collect::<String>(), keys);
        assert!(
            released.iter().all(|d| d.duration.abs_diff(Duration::from_millis(100)) < Duration::from_millis(12)),
            "{released:?}"
        );
        let most = height(LEVELS_DBM0.0) + height(LEVELS_DBM0.1);
        assert!((0.9..=1.001).contains(&(f32::from(loudest) / most)), "{loudest} of {most}");
    }

    #[test]
    fn a_tone_is_neither_too_short_nor_too_long_and_no_more_wait_than_may() {
        let mut tones = Tones::new(16_000);
        assert!(tones.press('5', Duration::ZERO));
        let mut frame = [0; 16];
        let mut sounds = |tones: &mut Tones| {
            let mut steps = 0;
            while !tones.is_over() {
                tones.fill(&mut frame);
                steps += 1;
            }
            Duration::from_millis(steps)
        };
        assert_eq!(sounds(&mut tones), SHORTEST + PAUSE);
        assert!(tones.press('5', Duration::from_secs(3600)));
        assert_eq!(sounds(&mut tones), LONGEST + PAUSE);
        let taken = (0..50).filter(|_| tones.press('1', SHORTEST)).count();
        assert_eq!(taken, MAX_WAITING);
    }
}
