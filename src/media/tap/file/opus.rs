//! Opus in Ogg (RFC 7845). The two channels are two streams of one channel each (channel mapping family 1, §5.1.1.2)
//! and not one coupled pair: nothing of one party leaks into the other's channel.

use std::io::{self, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};

use crate::media::codec::{Encoder, FRAME_MS, MAX_PAYLOAD, Speech};
use crate::media::tap::{CHANNELS, FRAME_SAMPLES, RATE_HZ};

/// Samples at 48 kHz that a decoder gives before the first of the recording: what the encoder looks ahead.
pub const PRE_SKIP: u16 = 312;

/// Frames in a page: as much is lost if the program ends in the middle.
pub const FRAMES_A_PAGE: u64 = 1000 / FRAME_MS as u64;

/// A frame at 48 kHz, the clock of granule positions.
const FRAME_GRANULE: u64 = 48 * FRAME_MS as u64;

/// A packet of one frame in which nothing is said: SILK, wide band, 20 ms, no octet of sound (RFC 6716 §3.1).
const SILENCE: u8 = 9 << 3;

/// The bits of a TOC octet that tell how many frames there are: none of them, one frame.
const SEVERAL_FRAMES: u8 = 3;

/// From this length on a frame's length takes two octets (RFC 6716 §3.2.1).
const LONG_FRAME: usize = 252;

/// A file that is being written.
pub struct OggOpus<W: Write> {
    pages: PacketWriter<'static, W>,
    serial: u32,
    encoders: [Encoder; CHANNELS],
    /// A packet that may be the last one, and the number of frames up to its end.
    pending: Option<(Vec<u8>, u64)>,
    frames: u64,
    channel: Vec<i16>,
    encoded: Vec<u8>,
}

impl<W: Write> OggOpus<W> {
    /// Begins an empty file.
    ///
    /// # Errors
    /// What writing meets, or a lack of memory.
    pub fn new(out: W, serial: u32) -> io::Result<OggOpus<W>> {
        let encoder = || {
            let encoder = Encoder::new(Speech::Opus, RATE_HZ, None);
            encoder.ok_or_else(|| io::Error::other("there is no memory for an encoder"))
        };
        let encoders = [encoder()?, encoder()?];
        let mut pages = PacketWriter::new(out);
        pages.write_packet(head(), serial, PacketWriteEndInfo::EndPage, 0)?;
        pages.write_packet(tags(), serial, PacketWriteEndInfo::EndPage, 0)?;
        let (channel, encoded) = (Vec::with_capacity(FRAME_SAMPLES), vec![0; MAX_PAYLOAD]);
        Ok(OggOpus { pages, serial, encoders, pending: None, frames: 0, channel, encoded })
    }

    /// Adds whole frames; a part of one at the end is left out.
    ///
    /// # Errors
    /// What writing meets.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        for frame in samples.chunks_exact(CHANNELS * FRAME_SAMPLES) {
            let packet = self.encode(frame);
            self.frames += 1;
            if let Some((packet, end)) = self.pending.replace((packet, self.frames)) {
                let is_full = end % FRAMES_A_PAGE == 0;
                let info = if is_full { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
                self.pages.write_packet(packet, self.serial, info, end * FRAME_GRANULE)?;
            }
        }
        Ok(())
    }

    /// Hands on the pages that are full.
    ///
    /// # Errors
    /// What writing meets.
    pub fn settle(&mut self) -> io::Result<()> {
        self.pages.inner_mut().flush()
    }

    /// What it is written to.
    pub fn written(&self) -> &W {
        self.pages.inner()
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What writing meets.
    pub fn finish(mut self) -> io::Result<W> {
        let silence = || (vec![SILENCE, 0, SILENCE], 1);
        let (packet, end) = self.pending.take().unwrap_or_else(silence);
        self.pages.write_packet(packet, self.serial, PacketWriteEndInfo::EndStream, end * FRAME_GRANULE)?;
        let mut out = self.pages.into_inner();
        out.flush()?;
        Ok(out)
    }

    /// One packet of both streams (RFC 7845 §3): the first one with its length (RFC 6716 appendix B).
    fn encode(&mut self, frame: &[i16]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(2 * LONG_FRAME);
        for (number, encoder) in self.encoders.iter_mut().enumerate() {
            self.channel.clear();
            self.channel.extend(frame.iter().skip(number).step_by(CHANNELS));
            let length = encoder.encode(&self.channel, &mut self.encoded).unwrap_or(0);
            let one_frame = |encoded: &&[u8]| encoded.first().is_some_and(|toc| toc & SEVERAL_FRAMES == 0);
            let encoded = self.encoded.get(..length).filter(one_frame).unwrap_or(&[SILENCE]);
            let Some((toc, sound)) = encoded.split_first() else { continue };
            packet.push(*toc);
            if number + 1 < CHANNELS {
                push_length(sound.len(), &mut packet);
            }
            packet.extend_from_slice(sound);
        }
        packet
    }
}

/// RFC 6716 §3.2.1.
fn push_length(length: usize, packet: &mut Vec<u8>) {
    if length < LONG_FRAME {
        packet.push(length as u8);
    } else {
        let first = LONG_FRAME + (length & 3);
        packet.extend([first as u8, ((length - first) >> 2) as u8]);
    }
}

/// RFC 7845 §5.1.
fn head() -> Vec<u8> {
    const VERSION: u8 = 1;
    const FAMILY: u8 = 1;
    const COUPLED: u8 = 0;
    let mut head = b"OpusHead".to_vec();
    head.extend([VERSION, CHANNELS as u8]);
    head.extend(PRE_SKIP.to_le_bytes());
    head.extend(RATE_HZ.to_le_bytes());
    head.extend(0i16.to_le_bytes());
    head.extend([FAMILY, CHANNELS as u8, COUPLED, 0, 1]);
    head
}

/// RFC 7845 §5.2.
fn tags() -> Vec<u8> {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let comments = ["ENCODER=Patchcord", "DESCRIPTION=left: the caller; right: the callee"];
    let mut tags = b"OpusTags".to_vec();
    text("libopus", &mut tags);
    tags.extend((comments.len() as u32).to_le_bytes());
    comments.iter().for_each(|comment| text(comment, &mut tags));
    tags
}
