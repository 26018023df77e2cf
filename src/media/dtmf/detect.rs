//! Finds the tones of a keypad in speech (ITU-T Q.24), and takes no speech for them.
//!
//! Each 5 ms the last 20 ms are looked at through a Hann window at the eight frequencies (Goertzel's sums, of eight
//! known frequencies written as products with tables). A look is a *hit* if
//!
//! * the strongest row and the strongest column are loud enough, and neither is much louder than the other;
//! * both frequencies, by the turn of their phases since the look before, are within 2.5 % of the right ones;
//! * nearly all there is to hear is those two: speech spreads over more, and its harmonics are looked for by name.
//!
//! Five hits in a row are a key: they span 40 ms, which any tone of 40 ms gives and none of 23 ms. Seven misses in a row
//! are its end; fewer are an interruption.
//!
//! ```text
//!  Nothing ──5 hits──▶ Pressed ──7 misses, or 5 hits of another──▶ Released
//! ```

use std::f32::consts::TAU;
use std::sync::LazyLock;
use std::time::Duration;

use super::{COLUMNS, KEYS, ROWS, height};
use crate::model::Dtmf;
use crate::rtp::event::Key;

/// The rate of the samples that are looked at.
pub const RATE_HZ: u32 = 8000;

/// Samples of a look: 20 ms.
const LOOK: usize = 160;
/// Samples from one look to the next: 5 ms.
const STEP: usize = 40;
const STEP_MS: u64 = 5;
/// Hits in a row that are a key.
const HITS: u32 = 5;
/// Misses in a row that are its end.
const MISSES: u32 = 7;
/// Misses after which what is heard is no tone any more, though the key is not over.
const QUIET_MISSES: u32 = 3;
/// A key sounds so much longer than its hits in steps.
const EDGES_MS: u64 = 6;

/// The least level of each tone. Q.24 has -25 dBm0 taken by the most demanding network.
const LEAST_DBM0: f32 = -29.0;
/// How much louder the row may be than the column, and the column than the row, in decibels (Q.24: 8 and 4).
const ROW_LOUDER_DB: f32 = 9.5;
const COLUMN_LOUDER_DB: f32 = 5.5;
/// The most by which a frequency may be wrong (Q.24: 1.5 % is taken, 3.5 % is not).
const WRONG: f32 = 0.025;
/// The least part of all power that the two tones have. At a signal-to-noise ratio of 15 dB they have 0.97 of it.
const PURE: f32 = 0.86;
/// The most power that a second harmonic may have, of its tone's.
const HARMONIC: f32 = 0.05;
/// A harmonic so near to a tone is not looked for.
const NEAR_HZ: f32 = 130.0;

/// A frequency to look at: the window times its cosine and sine, and how its phase turns in a step.
struct Probe {
    hertz: f32,
    table: Box<[(f32, f32)]>,
    turn: f32,
}

impl Probe {
    fn new(hertz: f32, window: &[f32]) -> Probe {
        let step = TAU * hertz / RATE_HZ as f32;
        let table = window.iter().enumerate().map(|(at, weight)| {
            let (sine, cosine) = (step * at as f32).sin_cos();
            (weight * cosine, -weight * sine)
        });
        Probe { hertz, table: table.collect(), turn: (step * STEP as f32).rem_euclid(TAU) }
    }

    fn look(&self, samples: &[f32]) -> Phasor {
        let mut sum = Phasor::default();
        for (sample, (cosine, sine)) in samples.iter().zip(&self.table) {
            sum.real += sample * cosine;
            sum.imaginary += sample * sine;
        }
        sum
    }
}

struct Tables {
    window: Vec<f32>,
    weight: f32,
    rows: [Probe; 4],
    columns: [Probe; 4],
    row_harmonics: [Probe; 4],
    column_harmonics: [Probe; 4],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let window: Vec<f32> = (0..LOOK).map(|at| 0.5 - 0.5 * (TAU * (at as f32 + 0.5) / LOOK as f32).cos()).collect();
    let weight = window.iter().sum();
    let probes = |hertz: [f32; 4], factor: f32| hertz.map(|hertz| Probe::new(hertz * factor, &window));
    Tables {
        rows: probes(ROWS, 1.0),
        columns: probes(COLUMNS, 1.0),
        row_harmonics: probes(ROWS, 2.0),
        column_harmonics: probes(COLUMNS, 2.0),
        weight,
        window,
    }
});

#[derive(Debug, Clone, Copy, Default)]
struct Phasor {
    real: f32,
    imaginary: f32,
}

impl Phasor {
    fn power(self) -> f32 {
        self.real * self.real + self.imaginary * self.imaginary
    }

    /// How far the phase has turned since `before`.
    fn turned_since(self, before: Phasor) -> f32 {
        let real = self.real * before.real + self.imaginary * before.imaginary;
        let imaginary = self.imaginary * before.real - self.real * before.imaginary;
        imaginary.atan2(real)
    }
}

/// The strongest of four frequencies.
struct Strongest {
    at: usize,
    /// The power that a tone of its true frequency has.
    power: f32,
}

/// What one look saw at the eight frequencies.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    rows: [Phasor; 4],
    columns: [Phasor; 4],
}

/// Hits of one key, one after the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    key: (usize, usize),
    hits: u32,
}

/// A key that sounds.
#[derive(Debug, Clone, Copy)]
struct Sounding {
    key: (usize, usize),
    /// Steps from its first hit to its last.
    steps: u64,
    misses: u32,
}

/// Looks for keys in one stream of samples.
#[derive(Debug)]
pub struct Detector {
    /// The last [`LOOK`] samples and those that came since.
    samples: Vec<f32>,
    seen: Option<Seen>,
    run: Option<Run>,
    sounding: Option<Sounding>,
    news: [Option<Key>; 2],
}

impl Default for Detector {
    fn default() -> Detector {
        Detector { samples: vec![0.0; LOOK - STEP], seen: None, run: None, sounding: None, news: [None; 2] }
    }
}

impl Detector {
    /// Takes the next samples, at [`RATE_HZ`]; what keys did in them is given to `told`.
    pub fn hear(&mut self, samples: &[i16], mut told: impl FnMut(Key)) {
        for chunk in samples.chunks(STEP) {
            self.samples.extend(chunk.iter().map(|sample| f32::from(*sample)));
            if self.samples.len() >= LOOK {
                self.step();
                self.samples.drain(..STEP);
                self.news.iter_mut().filter_map(Option::take).for_each(&mut told);
            }
        }
    }

    /// Whether what was heard last is the tone of a key.
    pub fn is_sounding(&self) -> bool {
        self.sounding.is_some_and(|s| s.misses < QUIET_MISSES)
    }

    /// Whether a key is down.
    pub fn is_pressed(&self) -> bool {
        self.sounding.is_some()
    }

    /// Whether it may be the beginning of one: hits are so rare in speech that each may be taken for that.
    pub fn is_suspected(&self) -> bool {
        self.run.is_some()
    }

    /// What is heard ends here: a key that sounds is over.
    pub fn end(&mut self) -> Option<Key> {
        let sounding = self.sounding.take();
        *self = Detector::default();
        sounding.map(released)
    }

    fn step(&mut self) {
        let hit = self.look();
        if let Some(sounding) = &mut self.sounding {
            sounding.misses += 1;
            if hit == Some(sounding.key) {
                sounding.steps += u64::from(sounding.misses);
                sounding.misses = 0;
            }
        }
        self.run = hit.map(|key| match self.run {
            Some(run) if run.key == key => Run { hits: run.hits + 1, ..run },
            _ => Run { key, hits: 1 },
        });
        let pressed = self.run.filter(|run| run.hits == HITS && self.sounding.is_none_or(|s| s.key != run.key));
        let is_over = pressed.is_some() || self.sounding.is_some_and(|s| s.misses >= MISSES);
        let [over, begun] = &mut self.news;
        *over = self.sounding.take_if(|_| is_over).map(released);
        if let Some(Run { key, hits }) = pressed {
            *begun = Some(Key::Pressed(name(key)));
            self.sounding = Some(Sounding { key, steps: u64::from(hits), misses: 0 });
        }
    }

    /// The key whose tones are there now.
    fn look(&mut self) -> Option<(usize, usize)> {
        let before = self.seen.take();
        let tables = &*TABLES;
        let samples = self.samples.get(..LOOK)?;
        let all: f32 = samples.iter().zip(&tables.window).map(|(sample, weight)| sample * sample * weight).sum();
        // The power that one tone of the least level adds to the sums above and below.
        let least = height(LEAST_DBM0) * tables.weight / 2.0;
        let least = least * least;
        if all * tables.weight < 2.0 * least {
            return None;
        }
        let look = |probes: &[Probe; 4]| [0, 1, 2, 3].map(|at| probes[at].look(samples));
        let seen = Seen { rows: look(&tables.rows), columns: look(&tables.columns) };
        self.seen = Some(seen);
        let before = before?;
        let row = strongest(&tables.rows, &seen.rows, &before.rows)?;
        let column = strongest(&tables.columns, &seen.columns, &before.columns)?;
        let decibels = 10.0 * (row.power / column.power).log10();
        let is_loud = row.power >= least && column.power >= least;
        let is_even = (-COLUMN_LOUDER_DB..=ROW_LOUDER_DB).contains(&decibels);
        let is_pure = 2.0 * (row.power + column.power) >= PURE * all * tables.weight;
        let key = (row.at, column.at);
        (is_loud && is_even && is_pure && !has_harmonics(tables, samples, &row, &column)).then_some(key)
    }
}

fn strongest(probes: &[Probe; 4], seen: &[Phasor; 4], before: &[Phasor; 4]) -> Option<Strongest> {
    let powers = seen.map(Phasor::power);
    let at = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b]))?;
    let probe = &probes[at];
    let turned = (seen[at].turned_since(before[at]) - probe.turn + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
    let wrong_hz = turned / TAU * RATE_HZ as f32 / STEP as f32;
    (wrong_hz.abs() <= WRONG * probe.hertz).then(|| Strongest { at, power: powers[at] / response(wrong_hz) })
}

/// The power with which a tone beside the frequency that is looked at shows, of what it has.
fn response(wrong_hz: f32) -> f32 {
    let turns = wrong_hz.abs() * LOOK as f32 / RATE_HZ as f32;
    if turns < 0.01 {
        return 1.0;
    }
    let height = (TAU / 2.0 * turns).sin() / (TAU / 2.0 * turns) / (1.0 - turns * turns);
    height * height
}

/// A voice has harmonics, a keypad has none (Q.24 Annex A).
fn has_harmonics(tables: &Tables, samples: &[f32], row: &Strongest, column: &Strongest) -> bool {
    let is_strong = |probe: &Probe, of: &Strongest| probe.look(samples).power() > HARMONIC * of.power;
    let row_harmonic = &tables.row_harmonics[row.at];
    let is_apart = (row_harmonic.hertz - tables.columns[column.at].hertz).abs() > NEAR_HZ;
    (is_apart && is_strong(row_harmonic, row)) || is_strong(&tables.column_harmonics[column.at], column)
}

fn name((row, column): (usize, usize)) -> char {
    KEYS.get(row).and_then(|keys| keys.get(column)).copied().unwrap_or('0')
}

fn released(sounding: Sounding) -> Key {
    let duration = Duration::from_millis(sounding.steps * STEP_MS + EDGES_MS);
    Key::Released(Dtmf { digit: name(sounding.key), duration })
}

#[cfg(test)]
mod tests;
