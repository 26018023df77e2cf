//! The tones of the telephone network (ITU-T E.180, and its supplement 2 for what is in use where).

use std::f64::consts::TAU;
use std::time::Duration;

use super::WIDE_HZ;
use super::library::Samples;
use crate::model::Tone;

/// How high a tone is, of 32767: about -13 dBm0. Two at once have half of it each.
const HEIGHT: f64 = 5200.0;

/// A tone comes and goes in this time, so that it does not click.
const EDGE_MS: u32 = 5;

/// The countries whose tones are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// 425 Hz, as in most of Europe.
    #[default]
    Europe,
    /// As in France.
    France,
    /// As in the United Kingdom.
    UnitedKingdom,
    /// As in the United States and Canada.
    America,
}

impl Zone {
    /// Every zone with its name in settings.
    pub const NAMES: [(&str, Zone); 4] =
        [("EU", Zone::Europe), ("FR", Zone::France), ("UK", Zone::UnitedKingdom), ("US", Zone::America)];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        Zone::NAMES.iter().find(|(_, zone)| *zone == self).map_or("", |(name, _)| name)
    }

    /// The zone of that name.
    pub fn read(name: &str) -> Option<Zone> {
        Zone::NAMES.iter().find(|(known, _)| *known == name).map(|(_, zone)| *zone)
    }
}

/// A tone: its frequencies, how long it sounds and is silent in turns, in milliseconds. The last is a silence.
struct Cadence {
    hertz: &'static [f64],
    turns: &'static [u32],
}

fn cadence(zone: Zone, tone: Tone) -> Cadence {
    let (hertz, turns): (&[f64], &[u32]) = match (tone, zone) {
        (Tone::Ringing, Zone::Europe) => (&[425.0], &[1000, 4000]),
        (Tone::Ringing, Zone::France) => (&[440.0], &[1500, 3500]),
        (Tone::Ringing, Zone::UnitedKingdom) => (&[400.0, 450.0], &[400, 200, 400, 2000]),
        (Tone::Ringing, Zone::America) => (&[440.0, 480.0], &[2000, 4000]),
        (Tone::Busy, Zone::Europe) => (&[425.0], &[500, 500]),
        (Tone::Busy, Zone::France) => (&[440.0], &[500, 500]),
        (Tone::Busy, Zone::UnitedKingdom) => (&[400.0], &[375, 375]),
        (Tone::Busy, Zone::America) => (&[480.0, 620.0], &[500, 500]),
        (Tone::Congestion, Zone::Europe) => (&[425.0], &[240, 240]),
        (Tone::Congestion, Zone::France) => (&[440.0], &[240, 240]),
        (Tone::Congestion, Zone::UnitedKingdom) => (&[400.0], &[400, 350, 225, 525]),
        (Tone::Congestion, Zone::America) => (&[480.0, 620.0], &[250, 250]),
        (Tone::Recording, _) => (&[1400.0], &[400, 14_600]),
    };
    Cadence { hertz, turns }
}

/// A tone, from where it begins to its last silence, which is the pause of the sound.
pub fn samples(zone: Zone, tone: Tone) -> Samples {
    let Cadence { hertz, turns } = cadence(zone, tone);
    let Some((pause, turns)) = turns.split_last() else { return Samples::default() };
    let mut all = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let length = turn * WIDE_HZ / 1000;
        let is_silent = number % 2 == 1;
        all.extend((0..length).map(|at| if is_silent { 0 } else { sample(hertz, at, length) }));
    }
    Samples::new(all, Duration::from_millis(u64::from(*pause)))
}

fn sample(hertz: &[f64], at: u32, length: u32) -> i16 {
    let time = f64::from(at) / f64::from(WIDE_HZ);
    let wave: f64 = hertz.iter().map(|hertz| (TAU * hertz * time).sin()).sum();
    let edge = f64::from(EDGE_MS * WIDE_HZ / 1000);
    let from_edge = f64::from(at.min(length - 1 - at)) / edge;
    (HEIGHT * wave / hertz.len() as f64 * from_edge.min(1.0)).round() as i16
}
