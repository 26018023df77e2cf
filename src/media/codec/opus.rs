//! Opus by libopus, one channel, behind an interface that no packet can break.
//!
//! The translation of libopus that is used here saturates wrongly in what it makes up for the layer that predicts speech
//! (`silk/PLC.rs` and `silk/CNG.rs` of `unsafe-libopus` 0.2.0 take -32768 for 32768): each frame that is made up is as
//! loud as can be. So it is never asked for one: not for a lost packet of that layer, for which the one before is decoded
//! once more; not by a packet that holds nothing; and not by one that was to repeat a frame and does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use unsafe_libopus as unsafe_lib;

/// Frames of a packet that are looked at for its duration (RFC 6716 §3.4 allows no more).
const MAX_FRAMES: u32 = 48;

/// How hard the encoder tries, of 10: beyond this a frame of speech takes more time than it gains.
pub const COMPLEXITY: u8 = 5;

/// Bits a second for speech in the band of a telephone, and for all above it.
pub const BITRATE_NARROW: i32 = 24_000;
/// See [`BITRATE_NARROW`].
pub const BITRATE_WIDE: i32 = 32_000;

/// The least and the most that a peer may ask for (RFC 7587 §6.1), and that may be set.
pub const BITRATES: std::ops::RangeInclusive<i32> = 6_000..=64_000;

/// What an encoder may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How hard it tries, of 10.
    pub complexity: u8,
    /// Bits a second, of [`BITRATES`], unless the peer wants fewer; `None`: what suits the band.
    pub bitrate: Option<i32>,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { complexity: COMPLEXITY, bitrate: None }
    }
}

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

/// Whether speech is predicted in a packet (SILK), alone or below another layer (RFC 6716 §3.1).
fn is_predicted(packet: &[u8]) -> bool {
    packet.first().is_some_and(|toc| toc >> 3 < 16)
}

/// Whether a packet of one frame of up to 20 ms repeats the one before it (RFC 6716 §4.2.4). What longer ones repeat may
/// have gaps, which would be made up.
pub fn repeats(packet: &[u8]) -> bool {
    let Some((toc, rest)) = packet.split_first() else { return false };
    let is_one_frame = toc & 3 == 0 && matches!(toc >> 3, 0 | 1 | 4 | 5 | 8 | 9 | 12..=15);
    // The flag of a voice, then that of the repetition: the first two bits of the range coder.
    is_one_frame && rest.first().is_some_and(|flags| flags & 0x40 != 0)
}

/// So often in a row a packet is decoded again in place of those that are lost, and how loud it then is.
const AGAIN: [f32; 2] = [1.0, 0.7];

/// After a loss what is predicted from the wrong past may grow without end: it is held to so many times the highest sample
/// heard lately, and to that height at least.
const HIGHER: f32 = 1.3;
/// See [`HIGHER`]: 14 dB below the overload.
const LEAST_LIMIT: f32 = 6500.0;

/// For so many frames.
const SHAKEN: u32 = 10;

/// How much of the highest sample counts a frame later.
const FORGETS: f32 = 0.997;

/// Packets to samples.
pub struct Decoder {
    state: NonNull<unsafe_lib::OpusDecoder>,
    /// The last packet, if speech was predicted in it.
    last: Vec<u8>,
    /// What was missed in a row since.
    missed: usize,
    /// The highest sample heard lately.
    highest: f32,
    /// Frames in which what was missed may still be heard.
    shaken: u32,
}

// SAFETY: the state is plain memory of its own, without ties to a thread.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder for samples of `rate_hz`.
    pub fn new(rate_hz: u32) -> Option<Decoder> {
        let mut error = 0;
        // SAFETY: a rate that libopus does not know gives a null pointer; so does a lack of memory.
        let state = unsafe { unsafe_lib::opus_decoder_create(i32::try_from(rate_hz).ok()?, 1, &mut error) };
        Some(Decoder { state: NonNull::new(state)?, last: Vec::new(), missed: 0, highest: 0.0, shaken: 0 })
    }

    /// Decodes a packet; returns the number of samples. `None` if there is nothing in it, because of silence.
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Option<usize> {
        if packet.len() <= SILENT_PACKET as usize {
            return None;
        }
        // The packet that was to join the layers is gone: libopus would make the join up.
        if self.missed > 0 && !self.last.is_empty() && !is_predicted(packet) {
            self.reset();
        }
        self.missed = 0;
        self.last.clear();
        if is_predicted(packet) {
            self.last.extend_from_slice(packet);
        }
        let written = self.run(packet, out, false)?;
        self.hold(out.get_mut(..written)?);
        Some(written)
    }

    /// Fills `out` with what `next`, the packet after the lost one, repeats of it; `None` if it does not.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> Option<usize> {
        if self.last.is_empty() || !repeats(next) {
            return None;
        }
        let written = self.run(next, out, true)?;
        self.hold(out.get_mut(..written)?);
        Some(written)
    }

    /// Fills `out` with a guess; `None` if there is none.
    pub fn conceal(&mut self, out: &mut [i16]) -> Option<usize> {
        let missed = self.missed;
        self.missed = missed.saturating_add(1);
        if self.last.is_empty() {
            return self.run(&[], out, false);
        }
        self.shaken = SHAKEN;
        let loudness = AGAIN.get(missed)?;
        // One of another length would not end where the next begins.
        let last = std::mem::take(&mut self.last);
        let written = self.run(&last, out, false).filter(|written| *written == out.len());
        self.last = last;
        self.hold(out);
        out.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * loudness) as i16);
        written
    }

    /// Keeps what follows a loss from being much louder than what was heard before.
    fn hold(&mut self, frame: &mut [i16]) {
        let height = f32::from(frame.iter().map(|sample| sample.saturating_abs()).max().unwrap_or(0));
        let limit = (self.highest * HIGHER).max(LEAST_LIMIT);
        self.shaken = self.shaken.saturating_sub(1);
        if self.shaken > 0 && height > limit {
            let weight = limit / height;
            frame.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * weight) as i16);
        } else {
            self.highest = height.max(self.highest * FORGETS);
        }
    }

    fn reset(&mut self) {
        use unsafe_lib::opus_decoder_ctl;
        // SAFETY: the state is alive and ours alone, and the request takes nothing.
        unsafe { opus_decoder_ctl!(self.state.as_ptr(), unsafe_lib::OPUS_RESET_STATE) };
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
    pub fn new(rate_hz: u32, wishes: &Wishes, effort: Effort) -> Option<Encoder> {
        let mut error = 0;
        let rate = i32::try_from(rate_hz).ok()?;
        // SAFETY: a rate that libopus does not know gives a null pointer; so does a lack of memory.
        let state = unsafe { unsafe_lib::opus_encoder_create(rate, 1, unsafe_lib::OPUS_APPLICATION_VOIP, &mut error) };
        let mut encoder = Encoder { state: NonNull::new(state)?, has_fec: wishes.fec };
        let bitrate = effort.bitrate.unwrap_or(if rate_hz > 8000 { BITRATE_WIDE } else { BITRATE_NARROW });
        let bitrate = wishes.max_bitrate.map_or(bitrate, |most| bitrate.min(most));
        encoder.set(unsafe_lib::OPUS_SET_BITRATE_REQUEST, bitrate.clamp(*BITRATES.start(), *BITRATES.end()));
        encoder.set(unsafe_lib::OPUS_SET_COMPLEXITY_REQUEST, i32::from(effort.complexity.min(10)));
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
