//! Opus by libopus, one channel, behind an interface that no packet can break.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use unsafe_libopus as unsafe_lib;

/// Frames of a packet that are looked at for its duration (RFC 6716 §3.4 allows no more).
const MAX_FRAMES: u32 = 48;

/// How hard the encoder tries, of 10: beyond this a frame of speech takes more time than it gains.
pub const COMPLEXITY: i32 = 5;

/// Bits a second for speech in the band of a telephone, and for all above it.
pub const BITRATE_NARROW: i32 = 24_000;
/// See [`BITRATE_NARROW`].
pub const BITRATE_WIDE: i32 = 32_000;

/// The least and the most that a peer may ask for (RFC 7587 §6.1).
const BITRATES: std::ops::RangeInclusive<i32> = 6_000..=64_000;

/// The loss in percent that the encoder reckons with when it repeats frames in the next packet, until the peer has
/// reported.
pub const EXPECTED_LOSS: i32 = 10;

/// Packets of so few octets say only that there is silence, and need not be sent.
const SILENT_PACKET: i32 = 2;

/// How long a packet lasts, at 48 kHz (RFC 6716 §3.1, §3.2); `None` if it is none.
pub fn duration(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let frame: u32 = match (toc >> 3, u32::from(toc >> 3)) {
        (0..=11, config) => [480, 960, 1920, 2880][config as usize & 3],
        (12..=15, config) => 480 << (config & 1),
        (_, config) => 120 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    (1..=MAX_FRAMES).contains(&frames).then_some(frame * frames)
}

/// Packets to samples.
pub struct Decoder {
    state: NonNull<unsafe_lib::OpusDecoder>,
}

// SAFETY: the state is plain memory of its own, without ties to a thread.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder for samples of `rate_hz`.
    pub fn new(rate_hz: u32) -> Option<Decoder> {
        let mut error = 0;
        // SAFETY: a rate that libopus does not know gives a null pointer; so does a lack of memory.
        let state = unsafe { unsafe_lib::opus_decoder_create(i32::try_from(rate_hz).ok()?, 1, &mut error) };
        Some(Decoder { state: NonNull::new(state)? })
    }

    /// Decodes a packet; returns the number of samples.
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Option<usize> {
        (!packet.is_empty()).then(|| self.run(packet, out, false)).flatten()
    }

    /// Fills `out` with what `next`, the packet after the lost one, repeats of it.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> Option<usize> {
        (!next.is_empty()).then(|| self.run(next, out, true)).flatten()
    }

    /// Fills `out` with a guess.
    pub fn conceal(&mut self, out: &mut [i16]) -> Option<usize> {
        self.run(&[], out, false)
    }

    fn run(&mut self, packet: &[u8], out: &mut [i16], repeats: bool) -> Option<usize> {
        let length = i32::try_from(packet.len()).ok()?;
        let samples = i32::try_from(out.len()).ok()?;
        let data = if packet.is_empty() { std::ptr::null() } else { packet.as_ptr() };
        // libopus checks itself by assertions; one that fails is an undecodable packet and no more.
        let written = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the state is alive and ours alone; `data` has `length` octets and is null only if that
            // is 0, which asks for concealment; `out` has room for `samples` of one channel.
            unsafe {
                unsafe_lib::opus_decode(
                    self.state.as_ptr(),
                    data,
                    length,
                    out.as_mut_ptr(),
                    samples,
                    i32::from(repeats),
                )
            }
        }));
        usize::try_from(written.ok()?).ok().filter(|written| (1..=out.len()).contains(written))
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_decoder_create`, and not used after this.
        unsafe { unsafe_lib::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

/// What the peer that decodes asks of us (RFC 7587 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// It makes use of repeated frames.
    pub fec: bool,
    /// It would rather have no packets in silence.
    pub dtx: bool,
    /// It wants packets of one size.
    pub constant_rate: bool,
    /// The most bits a second.
    pub max_bitrate: Option<i32>,
}

impl Wishes {
    /// Reads format parameters (`minptime=10;useinbandfec=1`).
    pub fn read(parameters: Option<&str>) -> Wishes {
        let mut wishes = Wishes::default();
        for (name, value) in parameters.unwrap_or_default().split(';').filter_map(|p| p.split_once('=')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "useinbandfec" => wishes.fec = value == "1",
                "usedtx" => wishes.dtx = value == "1",
                "cbr" => wishes.constant_rate = value == "1",
                "maxaveragebitrate" => wishes.max_bitrate = value.parse().ok(),
                _ => {}
            }
        }
        wishes
    }
}

/// Samples to packets.
pub struct Encoder {
    state: NonNull<unsafe_lib::OpusEncoder>,
    has_fec: bool,
}

// SAFETY: as for the decoder.
unsafe impl Send for Encoder {}

impl Encoder {
    /// An encoder for samples of `rate_hz`.
    pub fn new(rate_hz: u32, wishes: &Wishes) -> Option<Encoder> {
        let mut error = 0;
        let rate = i32::try_from(rate_hz).ok()?;
        // SAFETY: a rate that libopus does not know gives a null pointer; so does a lack of memory.
        let state = unsafe { unsafe_lib::opus_encoder_create(rate, 1, unsafe_lib::OPUS_APPLICATION_VOIP, &mut error) };
        let mut encoder = Encoder { state: NonNull::new(state)?, has_fec: wishes.fec };
        let bitrate = if rate_hz > 8000 { BITRATE_WIDE } else { BITRATE_NARROW };
        let bitrate = wishes.max_bitrate.map_or(bitrate, |most| bitrate.min(most));
        encoder.set(unsafe_lib::OPUS_SET_BITRATE_REQUEST, bitrate.clamp(*BITRATES.start(), *BITRATES.end()));
        encoder.set(unsafe_lib::OPUS_SET_COMPLEXITY_REQUEST, COMPLEXITY);
        encoder.set(unsafe_lib::OPUS_SET_SIGNAL_REQUEST, unsafe_lib::OPUS_SIGNAL_VOICE);
        encoder.set(unsafe_lib::OPUS_SET_VBR_REQUEST, i32::from(!wishes.constant_rate));
        encoder.set(unsafe_lib::OPUS_SET_DTX_REQUEST, i32::from(wishes.dtx));
        encoder.set(unsafe_lib::OPUS_SET_INBAND_FEC_REQUEST, i32::from(wishes.fec));
        encoder.set(unsafe_lib::OPUS_SET_PACKET_LOSS_PERC_REQUEST, if wishes.fec { EXPECTED_LOSS } else { 0 });
        Some(encoder)
    }

    /// Repeats frames for a peer that misses so much, in percent, if it makes use of them.
    pub fn expect_loss(&mut self, percent: u8) {
        if self.has_fec {
            self.set(unsafe_lib::OPUS_SET_PACKET_LOSS_PERC_REQUEST, i32::from(percent.min(100)));
        }
    }

    /// Encodes one frame; returns the length of the packet. `None` in silence that needs no packet.
    pub fn encode(&mut self, frame: &[i16], out: &mut [u8]) -> Option<usize> {
        let samples = i32::try_from(frame.len()).ok()?;
        let room = i32::try_from(out.len()).ok()?;
        let written = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the state is alive and ours alone; `frame` has `samples` of one channel and `out` has
            // `room` octets. A length that is no Opus frame is refused by libopus.
            unsafe { unsafe_lib::opus_encode(self.state.as_ptr(), frame.as_ptr(), samples, out.as_mut_ptr(), room) }
        }));
        let written = written.ok().filter(|written| *written > SILENT_PACKET)?;
        usize::try_from(written).ok()
    }

    fn set(&mut self, request: i32, value: i32) {
        // SAFETY: each of the requests that are made here takes one integer. One that libopus refuses leaves
        // the state as it was.
        unsafe { unsafe_lib::opus_encoder_ctl!(self.state.as_ptr(), request, value) };
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_encoder_create`, and not used after this.
        unsafe { unsafe_lib::opus_encoder_destroy(self.state.as_ptr()) }
    }
}
