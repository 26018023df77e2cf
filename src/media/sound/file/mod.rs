//! Sounds from files: RIFF WAVE with linear samples, and Opus in Ogg (RFC 7845).

mod convert;
mod opus;
#[cfg(test)]
mod tests;
mod wav;

use std::io::{Read, Seek};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::WIDE_HZ;
use super::library::{LONGEST, Samples};

/// The rates that a file may have, in hertz.
pub const RATES: RangeInclusive<u32> = 8000..=192_000;

/// The most channels of a file; they are mixed into one.
pub const MAX_CHANNELS: u16 = 8;

/// Reads a sound. What sort of file it is, its first octets say.
///
/// # Errors
/// What is wrong with it, to stand behind the name of the file.
pub fn read(mut file: impl Read + Seek) -> Result<Samples, String> {
    let mut magic = [0; 4];
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    file.read_exact(&mut magic).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let (samples, rate_hz) = match &magic {
        b"RIFF" => wav::read(file)?,
        b"OggS" => (opus::read(file)?, WIDE_HZ),
        _ => return Err("is neither RIFF WAVE nor Ogg: write a .wav or an .opus file".to_owned()),
    };
    if samples.is_empty() {
        return Err("has no sound in it".to_owned());
    }
    Ok(Samples::new(convert::convert(samples, rate_hz), Duration::ZERO))
}

/// How many samples of this rate a sound may have.
fn most_samples(rate_hz: u32) -> usize {
    LONGEST.as_secs() as usize * rate_hz as usize
}

fn too_long() -> String {
    format!("is too long: write one of at most {} minutes", LONGEST.as_secs() / 60)
}
