//! RIFF WAVE, by the crate `hound`.

use std::io::Read;

use hound::{Error, SampleFormat, WavReader};

use super::{MAX_CHANNELS, RATES, most_samples, too_long};

/// Reads the samples of all channels, mixed into one, and their rate.
pub fn read(file: impl Read) -> Result<(Vec<i16>, u32), String> {
    let mut reader = WavReader::new(file).map_err(said)?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        let (low, high) = (RATES.start(), RATES.end());
        return Err(format!("has {} samples a second: write one with {low} to {high}", spec.sample_rate));
    }
    if !(1..=MAX_CHANNELS).contains(&spec.channels) {
        return Err(format!("has {} channels: write one with at most {MAX_CHANNELS}", spec.channels));
    }
    if reader.duration() as usize > most_samples(spec.sample_rate) {
        return Err(too_long());
    }
    let all: Result<Vec<i16>, Error> = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let sample = |sample: i32| (i64::from(sample) << 16 >> bits) as i16;
            reader.samples::<i32>().map(|s| s.map(sample)).collect()
        }
        (SampleFormat::Float, 32) => {
            let sample = |sample: f32| (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16;
            reader.samples::<f32>().map(|s| s.map(sample)).collect()
        }
        (_, bits) => return Err(format!("has samples of {bits} bits: write one with 8, 16 or 24")),
    };
    let all = all.map_err(said)?;
    let channels = usize::from(spec.channels);
    let mixed = |frame: &[i16]| (frame.iter().map(|s| i32::from(*s)).sum::<i32>() / channels as i32) as i16;
    Ok((all.chunks_exact(channels).map(mixed).collect(), spec.sample_rate))
}

fn said(error: Error) -> String {
    match error {
        Error::Unsupported => {
            "has samples that are not linear, or a form that is not understood: write one with linear PCM".to_owned()
        }
        Error::IoError(error) => format!("ends too soon, or cannot be read: {error}"),
        other => format!("is no good RIFF WAVE: {other}"),
    }
}
