//! Plays one sound for one leg.

use std::sync::Arc;

use super::library::Samples;

/// Where a leg stands in a sound.
#[derive(Debug, Clone)]
pub struct Player {
    sound: Arc<Samples>,
    rate_hz: u32,
    repeats: bool,
    at: usize,
}

impl Player {
    /// From the beginning. Without a sound it is silent, and over at once if it is not to be repeated.
    pub fn new(sound: Option<Arc<Samples>>, rate_hz: u32, repeats: bool) -> Player {
        Player { sound: sound.unwrap_or_default(), rate_hz, repeats, at: 0 }
    }

    /// Whether all of it has been played.
    pub fn is_over(&self) -> bool {
        !self.repeats && self.at >= self.sound.at(self.rate_hz).len()
    }

    /// Fills a frame with what comes next, and with silence where nothing does.
    pub fn fill(&mut self, frame: &mut [i16]) {
        let samples = self.sound.at(self.rate_hz);
        let pause = (self.sound.pause().as_millis() as usize) * self.rate_hz as usize / 1000;
        for place in frame {
            *place = samples.get(self.at).copied().unwrap_or(0);
            self.at = self.at.saturating_add(1);
            if self.repeats && self.at >= samples.len() + pause {
                self.at = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::sound::{NARROW_HZ, WIDE_HZ};

    fn sound(pause_ms: u64) -> Option<Arc<Samples>> {
        Some(Arc::new(Samples::new((1..=160).collect(), Duration::from_millis(pause_ms))))
    }

    fn play(player: &mut Player, samples: usize) -> Vec<i16> {
        let mut frame = vec![7; samples];
        player.fill(&mut frame);
        frame
    }

    #[test]
    fn a_sound_that_repeats_begins_anew_after_its_pause_and_is_never_over() {
        let mut player = Player::new(sound(10), WIDE_HZ, true);
        let heard = play(&mut player, 3 * 320);
        for turn in heard.chunks(320) {
            assert!(turn[..160].iter().copied().eq(1..=160));
            assert!(turn[160..].iter().all(|sample| *sample == 0));
        }
        assert!(!player.is_over());
    }

    #[test]
    fn a_sound_that_does_not_repeat_is_over_after_its_last_sample() {
        let mut player = Player::new(sound(10), WIDE_HZ, false);
        assert_eq!(play(&mut player, 159).last(), Some(&159));
        assert!(!player.is_over());
        assert_eq!(play(&mut player, 3), [160, 0, 0]);
        assert!(player.is_over());
    }

    #[test]
    fn a_sound_that_is_not_there_is_silence() {
        let mut once = Player::new(None, NARROW_HZ, false);
        assert!(once.is_over());
        assert_eq!(play(&mut once, 2), [0, 0]);
        let mut for_ever = Player::new(None, NARROW_HZ, true);
        assert_eq!(play(&mut for_ever, 2), [0, 0]);
        assert!(!for_ever.is_over());
    }
}
