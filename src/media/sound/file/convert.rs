//! From any rate to that of sounds, all at once.

use super::WIDE_HZ;
use crate::media::codec::resample::{SPAN, prototype};

/// The same sound at [`WIDE_HZ`].
pub fn convert(samples: Vec<i16>, rate_hz: u32) -> Vec<i16> {
    if rate_hz == WIDE_HZ {
        return samples;
    }
    let common = greatest_common_divisor(rate_hz, WIDE_HZ);
    let (up, down) = ((WIDE_HZ / common) as usize, (rate_hz / common) as usize);
    let ratio = up.max(down);
    let filter = prototype(SPAN * ratio, ratio, up);
    let middle = filter.len() / 2;
    let length = samples.len() * up / down;
    (0..length).map(|at| output(&samples, &filter, up, at * down + middle)).collect()
}

/// The sample of the output at a place between those of the input, counted in steps of both.
fn output(samples: &[i16], filter: &[f32], up: usize, place: usize) -> i16 {
    // The input is as if there were `up - 1` zeros between its samples: only every so many weights count.
    let (newest, phase) = (place / up, place % up);
    let weights = filter.iter().skip(phase).step_by(up);
    let heard = (0..=newest).rev().map(|at| f32::from(samples.get(at).copied().unwrap_or(0)));
    let sum: f32 = weights.zip(heard).map(|(weight, sample)| weight * sample).sum();
    sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
