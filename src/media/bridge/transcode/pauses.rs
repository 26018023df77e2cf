//! Where in speech time may be put in or taken out so that it is not heard: in pauses, and where there is none for long, in
//! a voice.
//!
//! A pause is known by how long it is quiet, for within words it is quiet too, before a `p` or a `k`: what is put in there is
//! heard as another word.

use super::stretch::{self, Place};

/// Frames for which a pause is waited for. A clock that is off by 300 ppm goes 1.5 ms in that time.
pub const PATIENCE: u32 = 250;

/// How often then a place is looked for that is like itself, until any will do. With [`REST`] that is two seconds.
const TRIES: u32 = 20;

/// From here on any will do.
const LAST_TRY: u32 = PATIENCE + TRIES;

/// Between two changes of a voice, in frames, so that nobody is heard to hurry.
const REST: u32 = 5;

/// Softer than that, as a mean square, is quiet.
const SOFT: f32 = 30.0 * 30.0;

/// And so is what has so much less power than the loudest frame lately: 35 dB. Consonants are not so soft.
const QUIET: f32 = 0.0003;

/// In a noisy room it is what is at most so much louder than the softest frame lately,
const NOISE: f32 = 4.0;

/// and still has so much less power than the loudest: 20 dB.
const NOISY: f32 = 0.01;

/// So many quiet frames are a pause: the closures within words are shorter.
const PAUSE: u32 = 6;

/// How much of the loudest is left after a frame: half after seven seconds.
const FORGETS: f32 = 0.998;

/// How much the softest grows with a frame: to twice as much in a second and a half.
const GROWS: f32 = 1.01;

/// Listens to speech for its pauses. Where nothing is to be changed it only listens.
#[derive(Debug, Clone, Default)]
pub struct Pauses {
    /// The mean square of the loudest frame lately.
    loudest: f32,
    /// That of the softest.
    softest: f32,
    /// Frames that were quiet, up to this one.
    quiet: u32,
    /// Frames for which nothing is changed.
    rests: u32,
    /// Frames for which a place was looked for.
    looked: u32,
}

impl Pauses {
    /// A frame is heard.
    pub fn hear(&mut self, frame: &[i16]) {
        let power = stretch::power(frame);
        let softest = if self.loudest == 0.0 { power } else { self.softest.max(1.0) * GROWS };
        self.softest = power.min(softest);
        self.loudest = power.max(self.loudest * FORGETS);
        self.quiet = if self.is_quiet(frame) { self.quiet.saturating_add(1) } else { 0 };
        self.rests = self.rests.saturating_sub(1);
    }

    fn is_quiet(&self, samples: &[i16]) -> bool {
        let noise = (self.softest * NOISE).min(self.loudest * NOISY);
        stretch::power(samples) <= SOFT.max(self.loudest * QUIET).max(noise)
    }

    /// Nothing is to be changed, or what had to be has been.
    pub fn settle(&mut self) {
        self.looked = 0;
    }

    /// Whether the last change of a voice is so long ago that there may be another.
    pub fn is_rested(&self) -> bool {
        self.rests == 0
    }

    /// The place that the samples are which come next. To be called once a frame while something is to be changed, which is
    /// done if there is a place. What is not urgent is done in pauses only.
    pub fn place(&mut self, next: &[i16], is_urgent: bool) -> Option<Place> {
        self.looked += u32::from(is_urgent);
        if self.quiet >= PAUSE && self.is_quiet(next) {
            return Some(Place::Pause);
        }
        let place = match self.looked {
            _ if !is_urgent => return None,
            ..PATIENCE => return None,
            PATIENCE..LAST_TRY => Place::Voice,
            LAST_TRY.. => Place::Anywhere,
        };
        self.rests = REST;
        Some(place)
    }
}
