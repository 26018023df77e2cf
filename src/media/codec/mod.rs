//! Speech decoded and encoded: G.711, G.722 and Opus, to and from samples of 16 bits, one channel.
//!
//! A decoder and an encoder are made once for a leg. What Opus and G.722 do with a packet, they do in memory
//! of their own: nothing that a peer sends may make them panic or write past the end of what they are given.

pub mod g711;
pub mod noise;
pub mod opus;
pub mod resample;

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

pub use self::opus::Effort;
use self::resample::Resampler;
use crate::model::Codec;

/// The longest packet of speech that is decoded (RFC 6716 §3.2.1 allows Opus no more).
pub const MAX_PAYLOAD: usize = 1276;

/// The longest packet in time: a frame of Opus.
pub const MAX_PACKET_MS: u32 = 120;

/// What a packet that we make lasts.
pub const FRAME_MS: u32 = 20;

/// A speech format that can be decoded and encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speech {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus (RFC 7587).
    Opus,
}

impl Speech {
    /// The format of that name, clock and number of channels.
    pub fn of(codec: &Codec) -> Option<Speech> {
        if !codec.is_transcodable() {
            return None;
        }
        match codec.name.to_ascii_uppercase().as_str() {
            "PCMU" => Some(Speech::Pcmu),
            "PCMA" => Some(Speech::Pcma),
            "G722" => Some(Speech::G722),
            "OPUS" => Some(Speech::Opus),
            _ => None,
        }
    }

    /// The rate in hertz of the samples in it; `None` if it takes and gives any.
    pub fn rate_hz(self) -> Option<u32> {
        match self {
            Speech::Pcmu | Speech::Pcma => Some(8000),
            Speech::G722 => Some(16_000),
            Speech::Opus => None,
        }
    }

    /// The RTP clock. That of G.722 is half of what is meant (RFC 3551 §4.5.2).
    pub fn clock_hz(self) -> u32 {
        match self {
            Speech::Opus => 48_000,
            Speech::Pcmu | Speech::Pcma | Speech::G722 => 8000,
        }
    }

    /// How long a packet lasts, in units of the RTP clock; `None` if it is no packet of this format.
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        let ticks = match self {
            // One octet is one tick: of G.722 it holds two samples, of which the clock counts one.
            Speech::Pcmu | Speech::Pcma | Speech::G722 => u32::try_from(payload.len()).ok()?,
            Speech::Opus => opus::duration(payload)?,
        };
        (1..=MAX_PACKET_MS * self.clock_hz() / 1000).contains(&ticks).then_some(ticks)
    }
}

enum Inner {
    G711(&'static [i16; 256]),
    G722(Box<G722Decoder>),
    Opus(opus::Decoder),
}

/// Packets of one format to samples of one rate.
pub struct Decoder {
    speech: Speech,
    inner: Inner,
    resampler: Option<Resampler>,
    own: Vec<i16>,
}

impl Decoder {
    /// A decoder whose samples are of `rate_hz`: 8000, 16000 or 48000. `None` if there is no memory or no
    /// such rate.
    pub fn new(speech: Speech, rate_hz: u32) -> Option<Decoder> {
        let inner = match speech {
            Speech::Pcmu => Inner::G711(&g711::LINEAR_OF_ULAW),
            Speech::Pcma => Inner::G711(&g711::LINEAR_OF_ALAW),
            Speech::G722 => Inner::G722(Box::new(G722Decoder::new())),
            Speech::Opus => Inner::Opus(opus::Decoder::new(rate_hz)?),
        };
        let own_hz = speech.rate_hz().unwrap_or(rate_hz);
        let resampler = match own_hz == rate_hz {
            true => None,
            false => Some(Resampler::new(own_hz, rate_hz)?),
        };
        let own = vec![0; (MAX_PACKET_MS * own_hz / 1000) as usize];
        Some(Decoder { speech, inner, resampler, own })
    }

    /// What it decodes.
    pub fn speech(&self) -> Speech {
        self.speech
    }

    /// Decodes a packet; its samples are added to `out`. `false` if it is no packet of this format.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> bool {
        if self.speech.duration(payload).is_none() {
            return false;
        }
        let written = match &mut self.inner {
            Inner::G711(table) => {
                for (sample, octet) in self.own.iter_mut().zip(payload) {
                    *sample = table[usize::from(*octet)];
                }
                Some(payload.len().min(self.own.len()))
            }
            Inner::G722(decoder) => decoder.decode_into(payload, &mut self.own).ok(),
            Inner::Opus(decoder) => decoder.decode(payload, &mut self.own),
        };
        self.hand_over(written, out)
    }

    /// Makes up for `samples` that were lost, from what the packet after them repeats of them (RFC 6716 §2.1.7). `false`
    /// if there is no such copy.
    pub fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) -> bool {
        let Inner::Opus(decoder) = &mut self.inner else { return false };
        let written = self.own.get_mut(..samples).and_then(|place| decoder.recover(next, place));
        self.hand_over(written, out)
    }

    /// Makes up for `samples` that were lost. `false` if the decoder has no way of its own.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        let Inner::Opus(decoder) = &mut self.inner else { return false };
        let written = self.own.get_mut(..samples).and_then(|place| decoder.conceal(place));
        self.hand_over(written, out)
    }

    fn hand_over(&mut self, written: Option<usize>, out: &mut Vec<i16>) -> bool {
        let Some(samples) = written.and_then(|written| self.own.get(..written)) else { return false };
        match &mut self.resampler {
            Some(resampler) => resampler.process(samples, out),
            None => out.extend_from_slice(samples),
        }
        true
    }
}

enum Outer {
    G711(fn(i16) -> u8),
    G722(Box<G722Encoder>),
    Opus(opus::Encoder),
}

/// Samples to packets of one format.
pub struct Encoder(Outer);

impl Encoder {
    /// An encoder for samples of `rate_hz`, which must be the format's own if it has one. `parameters` are
    /// those of the peer that decodes. `None` if there is no memory or no such rate.
    pub fn new(speech: Speech, rate_hz: u32, parameters: Option<&str>) -> Option<Encoder> {
        Encoder::trying(speech, rate_hz, parameters, Effort::default())
    }

    /// The same; Opus is encoded with such an effort.
    pub fn trying(speech: Speech, rate_hz: u32, parameters: Option<&str>, effort: Effort) -> Option<Encoder> {
        if speech.rate_hz().is_some_and(|own| own != rate_hz) {
            return None;
        }
        Some(Encoder(match speech {
            Speech::Pcmu => Outer::G711(g711::ulaw_of_linear),
            Speech::Pcma => Outer::G711(g711::alaw_of_linear),
            Speech::G722 => Outer::G722(Box::new(G722Encoder::new())),
            Speech::Opus => Outer::Opus(opus::Encoder::new(rate_hz, &opus::Wishes::read(parameters), effort)?),
        }))
    }

    /// The peer misses so much of what is sent to it, in percent: formats that can repeat frames do it accordingly.
    pub fn expect_loss(&mut self, percent: u8) {
        match &mut self.0 {
            Outer::Opus(encoder) => encoder.expect_loss(percent),
            Outer::G711(_) | Outer::G722(_) => {}
        }
    }

    /// Encodes a frame of 10 to 60 ms; returns the length of the packet in `out`. `None` if there is nothing
    /// to send, because of silence, or no room.
    pub fn encode(&mut self, frame: &[i16], out: &mut [u8]) -> Option<usize> {
        match &mut self.0 {
            Outer::G711(octet_of) => {
                let place = out.get_mut(..frame.len())?;
                for (octet, sample) in place.iter_mut().zip(frame) {
                    *octet = octet_of(*sample);
                }
                Some(frame.len())
            }
            Outer::G722(encoder) => encoder.encode_into(frame, out).ok(),
            Outer::Opus(encoder) => encoder.encode(frame, out),
        }
    }
}

#[cfg(test)]
mod tests;
