//! Opus in Ogg (RFC 7845), the container by the crate `ogg`. The first stream of the file counts.

use std::io::{Read, Seek};

use ogg::reading::{OggReadError, PacketReader};

use super::{WIDE_HZ, most_samples, too_long};
use crate::media::codec::MAX_PACKET_MS;
use crate::media::codec::opus::Decoder;

/// The clock of granule positions and of the pre-skip.
const CLOCK_HZ: u32 = 48_000;

/// What the identification header says (RFC 7845 §5.1).
struct Head {
    pre_skip: usize,
    /// What samples are multiplied with.
    gain: f32,
}

/// Reads the sound at [`WIDE_HZ`], its channels mixed into one.
pub fn read(file: impl Read + Seek) -> Result<Vec<i16>, String> {
    let mut packets = PacketReader::new(file);
    let mut next = || packets.read_packet().map_err(said);
    let none = || "has no Opus in it".to_owned();
    let first = next()?.ok_or_else(none)?;
    let serial = first.stream_serial();
    let head = head(&first.data)?;
    let mut decoder = Decoder::new(WIDE_HZ).ok_or("cannot be decoded: there is no memory")?;
    let mut place = vec![0; (MAX_PACKET_MS * WIDE_HZ / 1000) as usize];
    let mut samples = Vec::new();
    let mut seen = 1;
    while let Some(packet) = next()? {
        if packet.stream_serial() != serial {
            continue;
        }
        seen += 1;
        // The second is the tags.
        if seen == 2 {
            continue;
        }
        let written = decoder.decode(&packet.data, &mut place).unwrap_or(0);
        samples.extend(place.iter().take(written).map(|s| (f32::from(*s) * head.gain) as i16));
        if samples.len() > most_samples(WIDE_HZ) {
            return Err(too_long());
        }
        if packet.last_in_stream() {
            // RFC 7845 §4: the position of the last page says where in its last packet the sound ends.
            samples.truncate(scaled(packet.absgp_page()));
            break;
        }
    }
    samples.drain(..head.pre_skip.min(samples.len()));
    Ok(samples)
}

fn head(packet: &[u8]) -> Result<Head, String> {
    let [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, _, skip @ .., family] =
        packet.get(..19).unwrap_or_default()
    else {
        return Err("holds no Opus: write an .opus file, or a .wav".to_owned());
    };
    if version >> 4 != 0 || *family != 0 {
        return Err(
            "holds Opus with more than two channels, or of a later version: write one with one or two".to_owned()
        );
    }
    let two = |at: usize| [skip.get(at).copied().unwrap_or(0), skip.get(at + 1).copied().unwrap_or(0)];
    // The pre-skip, four octets of the rate before it was encoded, and the gain in 1/256 of a decibel.
    let pre_skip = scaled(u64::from(u16::from_le_bytes(two(0))));
    let decibels = f32::from(i16::from_le_bytes(two(6))) / 256.0;
    Ok(Head { pre_skip, gain: 10f32.powf(decibels / 20.0) })
}

fn scaled(granules: u64) -> usize {
    usize::try_from(granules / u64::from(CLOCK_HZ / WIDE_HZ)).unwrap_or(usize::MAX)
}

fn said(error: OggReadError) -> String {
    match error {
        OggReadError::ReadError(error) => format!("ends too soon, or cannot be read: {error}"),
        other => format!("is no good Ogg: {other}"),
    }
}
