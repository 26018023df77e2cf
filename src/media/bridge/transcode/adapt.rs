//! A delay that becomes shorter and longer while speech goes on: because the network changes, or because the sender's clock
//! is not ours. In a pause if there is one soon, else by periods of the voice ([`pauses`](super::pauses)).

use std::time::Duration;

use super::pauses::Pauses;
use super::slack::{Advice, Slack};
use super::stretch;

/// Watches the delay and changes it.
#[derive(Debug, Clone, Default)]
pub struct Adapt {
    slack: Slack,
    pauses: Pauses,
}

impl Adapt {
    /// A packet came so much earlier than it was needed.
    pub fn note(&mut self, early: Duration) {
        self.slack.note(early);
    }

    /// All that was seen counts no more.
    pub fn watch_anew(&mut self) {
        self.slack.watch_anew();
    }

    /// A frame is heard.
    pub fn hear(&mut self, frame: &[i16]) {
        self.pauses.hear(frame);
    }

    /// How many samples [`Adapt::act`] needs; `None` if nothing is to be done. To be called once a frame.
    pub fn wants(&mut self, rate_hz: u32) -> Option<usize> {
        if !self.slack.is_unsettled() {
            self.pauses.settle();
        }
        let micros = match self.slack.advice() {
            Advice::Stay => return None,
            Advice::MayLengthen | Advice::Lengthen => stretch::JOIN_US,
            Advice::Shorten => stretch::JOIN_US + stretch::PAUSE_US,
        };
        self.pauses.is_rested().then_some(stretch::count(micros, rate_hz))
    }

    /// Puts samples in before those that are next, or takes some out of them; returns how many. `before` is the frame that
    /// went before them.
    pub fn act(&mut self, before: &[i16], samples: &mut Vec<i16>, rate_hz: u32) -> (usize, usize) {
        let advice = self.slack.advice();
        let Some(place) = self.pauses.place(samples, advice != Advice::MayLengthen) else { return (0, 0) };
        match advice {
            Advice::Stay => (0, 0),
            Advice::MayLengthen | Advice::Lengthen => {
                let put_in = stretch::lengthen(before, samples, rate_hz, place).unwrap_or(0);
                if put_in > 0 {
                    self.slack.has_lengthened();
                }
                (put_in, 0)
            }
            Advice::Shorten => {
                let taken_out = stretch::shorten(samples, rate_hz, place).unwrap_or(0);
                self.slack.has_shortened(Duration::from_secs(taken_out as u64) / rate_hz.max(1));
                (0, taken_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Dice;
    use crate::media::bridge::transcode::pauses::PATIENCE;

    const FRAME: usize = 160;

    /// Noise of so much power, as a mean square's root.
    fn noise(dice: &mut Dice, level: u32) -> Vec<i16> {
        (0..FRAME).map(|_| (dice.below(level * 4 + 1) as i32 - level as i32 * 2) as i16).collect()
    }

    /// A voice of 100 Hz, whose periods go on from frame to frame.
    fn voice() -> Vec<i16> {
        let angle = |n: usize| std::f64::consts::TAU * 100.0 * n as f64 / 8000.0;
        (0..FRAME).map(|n| (8000.0 * angle(n).sin()) as i16).collect()
    }

    /// The first frame before which something is put in, and how much, while each packet comes so much too early.
    fn changed(early_ms: u64, frames: &[Vec<i16>]) -> Option<(usize, usize)> {
        let mut adapt = Adapt::default();
        let mut before: &[i16] = &[0; FRAME];
        frames.iter().enumerate().find_map(|(n, frame)| {
            adapt.note(Duration::from_millis(early_ms));
            let mut samples = frame.clone();
            let put_in = adapt.wants(8000).map_or(0, |_| adapt.act(before, &mut samples, 8000).0);
            adapt.hear(frame);
            before = frame;
            (put_in > 0).then_some((n, put_in))
        })
    }

    /// So many frames of a voice, so many of a room as loud as that, and a voice again.
    fn voice_around(quiet: usize, level: u32) -> Vec<Vec<i16>> {
        let mut dice = Dice::for_test(1);
        let quiet = std::iter::repeat_with(|| noise(&mut dice, level)).take(quiet);
        let voices = |count| std::iter::repeat_with(voice).take(count);
        voices(50).chain(quiet).chain(voices(50)).collect()
    }

    #[test]
    fn a_pause_becomes_longer_by_a_frame_and_what_is_quiet_within_a_word_stays() {
        for early_ms in [4, 9] {
            assert_eq!(changed(early_ms, &voice_around(20, 5)), Some((56, FRAME)));
            assert_eq!(changed(early_ms, &voice_around(6, 5)), None);
        }
        assert_eq!(changed(10, &voice_around(20, 5)), None, "early enough");
    }

    #[test]
    fn a_pause_is_known_in_a_room_that_is_not_quiet() {
        // 30 dB below the voice.
        assert!(
            changed(4, &voice_around(40, 180)).is_some_and(|(at, put_in)| (56..90).contains(&at) && put_in == FRAME)
        );
        // 10 dB below it.
        assert_eq!(changed(4, &voice_around(40, 1800)), None);
    }

    #[test]
    fn a_voice_without_a_pause_is_changed_after_a_while_by_a_period_and_only_if_it_must() {
        let voice = vec![voice(); 1000];
        let (at, put_in) = changed(4, &voice).unwrap_or_default();
        assert_eq!((at, put_in), (PATIENCE as usize - 1, 80));
        assert_eq!(changed(9, &voice), None);
    }
}
