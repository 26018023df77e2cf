//! From one sample rate to another: 8, 16 and 48 kHz, by a polyphase filter of linear phase.

/// Samples of the lower rate that the filter spans.
pub const SPAN: usize = 48;

/// Where the filter is at half of its height, as a part of the lower rate's half: what it lets through ends
/// at 0.9 of it, and what it keeps out begins at 1.03.
const CUTOFF: f64 = 0.965;

/// The shape of the window (Kaiser's β): 70 dB.
const BETA: f64 = 6.76;

/// Samples that are worked on at a time.
const BLOCK: usize = 480;

/// Lanes of the sums, so that they can be done side by side.
const LANES: usize = 8;

/// A stream of samples from one rate to another. It is late by half of its filter: 3 ms at 8 kHz.
pub struct Resampler {
    up: usize,
    down: usize,
    /// One filter for each place between two samples of the input, `taps` long, newest sample last.
    phases: Vec<f32>,
    taps: usize,
    /// The last `taps - 1` samples of the input, then those that are worked on.
    window: Vec<f32>,
    /// Where the next output is, in units of the output's steps after the first sample to be worked on.
    position: usize,
}

impl Resampler {
    /// `None` unless one rate is a multiple of the other, by 2, 3 or 6.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Resampler> {
        let (low, high) = (from_hz.min(to_hz), from_hz.max(to_hz));
        let ratio = high.checked_div(low).filter(|r| r * low == high && [2, 3, 6].contains(r))? as usize;
        let (up, down) = if to_hz > from_hz { (ratio, 1) } else { (1, ratio) };
        let length = SPAN * ratio;
        let taps = length / up;
        let prototype = prototype(length, ratio, up);
        let mut phases = vec![0.0; length];
        for (phase, filter) in phases.chunks_exact_mut(taps).enumerate() {
            for (tap, weight) in filter.iter_mut().rev().enumerate() {
                *weight = prototype.get(phase + tap * up).copied().unwrap_or(0.0);
            }
        }
        Some(Resampler { up, down, phases, taps, window: vec![0.0; taps - 1 + BLOCK], position: 0 })
    }

    /// Takes the next samples; what comes of them is added to `out`.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        for block in samples.chunks(BLOCK) {
            self.process_block(block, out);
        }
    }

    fn process_block(&mut self, block: &[i16], out: &mut Vec<i16>) {
        let kept = self.taps - 1;
        for (place, sample) in self.window[kept..].iter_mut().zip(block) {
            *place = f32::from(*sample);
        }
        while self.position < block.len() * self.up {
            let (at, phase) = (self.position / self.up, self.position % self.up);
            let filter = &self.phases[phase * self.taps..(phase + 1) * self.taps];
            let sum = product(filter, &self.window[at..at + self.taps]);
            out.push(sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
            self.position += self.down;
        }
        self.position -= block.len() * self.up;
        self.window.copy_within(block.len()..block.len() + kept, 0);
    }
}

fn product(filter: &[f32], samples: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (weights, samples) in filter.chunks_exact(LANES).zip(samples.chunks_exact(LANES)) {
        for ((lane, weight), sample) in lanes.iter_mut().zip(weights).zip(samples) {
            *lane += weight * sample;
        }
    }
    lanes.iter().sum()
}

/// A low-pass filter at the higher rate, by a windowed sinc; its sum is `gain`.
pub fn prototype(length: usize, ratio: usize, gain: usize) -> Vec<f32> {
    let middle = (length - 1) as f64 / 2.0;
    let weight = |at: usize| {
        let t = (at as f64 - middle) / ratio as f64 * CUTOFF;
        let sinc = if t == 0.0 { 1.0 } else { (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t) };
        let edge = (at as f64 - middle) / middle;
        sinc * bessel(BETA * (1.0 - edge * edge).max(0.0).sqrt())
    };
    let weights: Vec<f64> = (0..length).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w * gain as f64 / sum) as f32).collect()
}

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}
