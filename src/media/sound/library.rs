//! The sounds that there are, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::tones::{self, Zone};
use super::{NARROW_HZ, WIDE_HZ};
use crate::media::codec::resample::Resampler;
use crate::model::{Sound, Tone};

/// The longest sound, and so the longest hold before its music begins anew.
pub const LONGEST: Duration = Duration::from_secs(600);

/// What all sounds together may take, in bytes.
pub const MOST_MEMORY: usize = 256 << 20;

/// One sound: one channel of 16 bits, at each of the two rates.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Samples {
    narrow: Box<[i16]>,
    wide: Box<[i16]>,
    pause: Duration,
}

impl Samples {
    /// A sound of samples at [`WIDE_HZ`], followed by a pause wherever it is repeated.
    pub fn new(wide: Vec<i16>, pause: Duration) -> Samples {
        let mut narrow = Vec::with_capacity(wide.len() / 2 + 1);
        if let Some(mut resampler) = Resampler::new(WIDE_HZ, NARROW_HZ) {
            resampler.process(&wide, &mut narrow);
        }
        Samples { narrow: narrow.into(), wide: wide.into(), pause }
    }

    /// The samples at a rate; none at one that is neither [`NARROW_HZ`] nor [`WIDE_HZ`].
    pub fn at(&self, rate_hz: u32) -> &[i16] {
        match rate_hz {
            NARROW_HZ => &self.narrow,
            WIDE_HZ => &self.wide,
            _ => &[],
        }
    }

    /// How long it is silent before it is repeated.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.wide.len() as f64 / f64::from(WIDE_HZ))
    }

    /// What it takes, in bytes.
    pub fn memory(&self) -> usize {
        (self.narrow.len() + self.wide.len()) * size_of::<i16>()
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sound of {:?}", self.duration())
    }
}

/// The tones of one zone, and the sounds of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    tones: Vec<(Tone, Arc<Samples>)>,
    named: BTreeMap<String, Arc<Samples>>,
}

impl Library {
    /// One that has the tones and nothing else.
    pub fn new(zone: Zone) -> Library {
        let tone = |tone| (tone, Arc::new(tones::samples(zone, tone)));
        Library { tones: Tone::ALL.map(tone).into(), named: BTreeMap::new() }
    }

    /// Adds a sound. `false`: all of them together would take more than [`MOST_MEMORY`].
    pub fn add(&mut self, name: &str, samples: Samples) -> bool {
        let before: usize = self.named.values().map(|samples| samples.memory()).sum();
        let fits = before + samples.memory() <= MOST_MEMORY;
        if fits {
            self.named.insert(name.to_owned(), Arc::new(samples));
        }
        fits
    }

    /// A sound, if it is there.
    pub fn find(&self, sound: &Sound) -> Option<Arc<Samples>> {
        match sound {
            Sound::Tone(tone) => self.tones.iter().find(|(known, _)| known == tone).map(|(_, samples)| samples.clone()),
            Sound::Named(name) => self.named.get(name).cloned(),
        }
    }
}

impl Default for Library {
    fn default() -> Library {
        Library::new(Zone::default())
    }
}

/// Where the library lies that holds at present, for all shards. What is being played goes on when another takes its
/// place. It is looked into when a sound begins, never for a packet.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<Mutex<Arc<Library>>>);

impl Shelf {
    /// From here on this library holds.
    pub fn set(&self, library: Arc<Library>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = library;
    }

    /// A sound, if it is there.
    pub fn find(&self, sound: &Sound) -> Option<Arc<Samples>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).find(sound)
    }
}
