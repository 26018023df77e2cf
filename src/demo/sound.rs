//! Sounds, sample by sample, as a function of nothing but their place in time.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::time::Duration;

use super::g711::SAMPLE_RATE;
use super::melody::Melody;

/// Samples of one packet of 20 ms.
pub const FRAME: usize = 160;
/// The steady tone of [`Sound::Tone`], in hertz.
pub const STEADY_HZ: f32 = 1000.0;
/// The American ring-back tone's frequencies, in hertz.
pub const RING_BACK_HZ: (f32, f32) = (440.0, 480.0);
/// How long a key's tone lasts.
pub const KEY_TONE: Duration = Duration::from_millis(200);
/// The silence after a key's tone.
pub const KEY_GAP: Duration = Duration::from_millis(100);
/// Keys that wait to be read back; those beyond are dropped.
pub const MAX_KEYS: usize = 32;

const RING_ON: u64 = 2 * SAMPLE_RATE as u64;
const RING_CYCLE: u64 = 6 * SAMPLE_RATE as u64;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// Nothing.
    Silence,
    /// 440 and 480 Hz, two seconds on, four off, beginning with the tone.
    RingBack,
    /// [`STEADY_HZ`] without end.
    Tone,
    /// Music.
    Music(Melody),
}

impl Sound {
    /// The sample at this place, between -1 and 1.
    pub fn sample(self, at: u64) -> f32 {
        match self {
            Sound::Silence => 0.0,
            Sound::RingBack if at % RING_CYCLE < RING_ON => pair(RING_BACK_HZ, at),
            Sound::RingBack => 0.0,
            Sound::Tone => 0.4 * sine(STEADY_HZ, at),
            Sound::Music(melody) => melody.sample(at),
        }
    }
}

/// The two frequencies of a key (ITU-T Q.23), in hertz.
pub fn key_hz(key: char) -> Option<(f32, f32)> {
    const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let place = "123A456B789C*0#D".find(key)?;
    Some((*ROWS.get(place / 4)?, *COLUMNS.get(place % 4)?))
}

fn sine(hertz: f32, at: u64) -> f32 {
    // A whole number of hertz repeats every second: the phase stays exact however long the call.
    let at = (at % u64::from(SAMPLE_RATE)) as f32;
    (TAU * hertz * at / SAMPLE_RATE as f32).sin()
}

fn pair((low, high): (f32, f32), at: u64) -> f32 {
    0.2 * (sine(low, at) + sine(high, at))
}

/// Plays one sound, and keys over it.
#[derive(Debug)]
pub struct Player {
    sound: Sound,
    /// Samples of the sound so far.
    at: u64,
    /// Keys to be read back, and the samples of the first so far.
    keys: VecDeque<(f32, f32)>,
    key_at: u64,
}

impl Player {
    /// A player of this sound.
    pub fn new(sound: Sound) -> Player {
        Player { sound, at: 0, keys: VecDeque::new(), key_at: 0 }
    }

    /// Plays another sound from its beginning; keys that wait are dropped.
    pub fn play(&mut self, sound: Sound) {
        *self = Player::new(sound);
    }

    /// Reads a key back, after those that wait.
    pub fn press(&mut self, key: char) {
        if self.keys.len() < MAX_KEYS {
            self.keys.extend(key_hz(key));
        }
    }

    /// The next sample. While keys are read back the sound goes on unheard.
    pub fn sample(&mut self) -> i16 {
        let behind = self.sound.sample(self.at);
        self.at += 1;
        let sample = match self.keys.front() {
            Some(key) => {
                let at = self.key_at;
                let (tone, gap) = (samples(KEY_TONE), samples(KEY_GAP));
                self.key_at += 1;
                let heard = if at < tone { pair(*key, at) } else { 0.0 };
                if self.key_at >= tone + gap {
                    self.keys.pop_front();
                    self.key_at = 0;
                }
                heard
            }
            None => behind,
        };
        (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16
    }
}

/// How many samples last so long.
pub fn samples(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).saturating_mul(u64::from(SAMPLE_RATE)) / 1_000_000
}

/// How much of the power is at this frequency, 0 to 1: Goertzel's algorithm.
#[cfg(test)]
pub(super) fn power_at(hertz: f32, samples: &[i16]) -> f32 {
    let turn = TAU * hertz / SAMPLE_RATE as f32;
    let (mut before, mut last) = (0.0f32, 0.0f32);
    for sample in samples {
        (before, last) = (last, f32::from(*sample) + 2.0 * turn.cos() * last - before);
    }
    let power = last * last + before * before - 2.0 * turn.cos() * last * before;
    let all: f32 = samples.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
    if all == 0.0 { 0.0 } else { 2.0 * power / (all * samples.len() as f32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(player: &mut Player, time: Duration) -> Vec<i16> {
        (0..samples(time)).map(|_| player.sample()).collect()
    }

    #[test]
    fn the_steady_tone_is_all_at_its_frequency() {
        let heard = take(&mut Player::new(Sound::Tone), Duration::from_secs(1));
        assert!(power_at(STEADY_HZ, &heard) > 0.99);
        assert!(power_at(800.0, &heard) < 0.01);
    }

    #[test]
    fn ring_back_is_two_tones_for_two_seconds_and_nothing_for_four() {
        let mut player = Player::new(Sound::RingBack);
        for _ in 0..2 {
            let on = take(&mut player, Duration::from_secs(2));
            assert!((power_at(440.0, &on) - 0.5).abs() < 0.02 && (power_at(480.0, &on) - 0.5).abs() < 0.02);
            assert!(take(&mut player, Duration::from_secs(4)).iter().all(|s| *s == 0));
        }
    }

    #[test]
    fn keys_are_read_back_in_order_with_their_own_tones_and_the_music_goes_on() {
        let mut player = Player::new(Sound::Tone);
        "1D".chars().for_each(|k| player.press(k));
        for (low, high) in [(697.0, 1209.0), (941.0, 1633.0)] {
            let tone = take(&mut player, KEY_TONE);
            assert!(power_at(low, &tone) > 0.45 && power_at(high, &tone) > 0.45, "{low} {high}");
            assert!(take(&mut player, KEY_GAP).iter().all(|s| *s == 0));
        }
        assert!(power_at(STEADY_HZ, &take(&mut player, Duration::from_millis(100))) > 0.99);
    }

    #[test]
    fn no_more_keys_wait_than_the_limit() {
        let mut player = Player::new(Sound::Silence);
        (0..2 * MAX_KEYS).for_each(|_| player.press('5'));
        let all = (KEY_TONE + KEY_GAP) * MAX_KEYS as u32;
        assert!(take(&mut player, all).iter().any(|s| *s != 0));
        assert!(take(&mut player, all).iter().all(|s| *s == 0));
    }

    #[test]
    fn the_melody_is_audible_does_not_clip_and_is_followed_by_soft_chords() {
        let mut player = Player::new(Sound::Music(Melody::Greeting));
        let loudest = |heard: &[i16]| heard.iter().map(|s| i32::from(*s).abs()).max().unwrap_or(0);
        let melody = loudest(&take(&mut player, Duration::from_millis(5760)));
        let chords = loudest(&take(&mut player, Duration::from_secs(12)));
        assert!((5_000..32_000).contains(&melody), "{melody}");
        assert!((1_000..melody).contains(&chords), "{chords}");
        let mut first = Player::new(Sound::Music(Melody::Greeting));
        let heard = take(&mut first, Duration::from_millis(300));
        assert!(power_at(659.26, &heard) > 0.2, "the first note is an E: {}", power_at(659.26, &heard));
    }
}
