//! Writing a compound into a buffer of fixed size.

use super::{BYE, CNAME, RR, ReportBlock, SDES, SR, SenderInfo};

/// Report blocks that one packet can count (RFC 3550 §6.4.1).
const MAX_BLOCKS: usize = 31;
/// Bytes of a canonical name that one item can count.
const MAX_NAME: usize = 255;

/// A compound under construction. A packet for which there is no room is left out whole.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// A compound at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer { buffer, length: 0 }
    }

    /// Its length so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Adds a sender report, or a receiver report if there is nothing to say as a sender (RFC 3550 §6.4).
    /// Blocks beyond 31 are left out.
    pub fn report(&mut self, ssrc: u32, sender: Option<SenderInfo>, blocks: &[ReportBlock]) -> bool {
        let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
        let packet_type = if sender.is_some() { SR } else { RR };
        self.packet(blocks.len(), packet_type, |body| {
            body.word(ssrc);
            if let Some(info) = sender {
                body.word((info.ntp >> 32) as u32);
                body.word(info.ntp as u32);
                body.word(info.rtp_timestamp);
                body.word(info.packets);
                body.word(info.octets);
            }
            for block in blocks {
                let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0x00ff_ffff;
                body.word(block.ssrc);
                body.word((u32::from(block.fraction_lost) << 24) | lost);
                body.word(block.highest);
                body.word(block.jitter);
                body.word(block.last_sender_report);
                body.word(block.delay);
            }
        })
    }

    /// Adds a source description with the canonical name alone (RFC 3550 §6.5), cut at 255 bytes.
    pub fn canonical_name(&mut self, ssrc: u32, name: &str) -> bool {
        let name = name.as_bytes();
        let name = name.get(..MAX_NAME).unwrap_or(name);
        self.packet(1, SDES, |body| {
            body.word(ssrc);
            body.bytes(&[CNAME, name.len() as u8]);
            body.bytes(name);
            // RFC 3550 §6.5: a zero byte ends the items, and more of them fill the word.
            let used = 2 + name.len();
            body.bytes(&[0; 4][used % 4..]);
        })
    }

    /// Adds a goodbye (RFC 3550 §6.6).
    pub fn bye(&mut self, ssrc: u32) -> bool {
        self.packet(1, BYE, |body| body.word(ssrc))
    }

    /// How much may still be written.
    pub(super) fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.length)
    }

    pub(super) fn packet(&mut self, count: usize, packet_type: u8, write: impl FnOnce(&mut Body)) -> bool {
        let Some((head, free)) = self.buffer.get_mut(self.length..).and_then(|free| free.split_first_chunk_mut::<4>())
        else {
            return false;
        };
        let mut body = Body { free, length: 0, fits: true };
        write(&mut body);
        let (length, fits) = (body.length, body.fits);
        if fits {
            let [l0, l1] = ((length / 4) as u16).to_be_bytes();
            *head = [0x80 | count as u8, packet_type, l0, l1];
            self.length += 4 + length;
        }
        fits
    }
}

/// The part of a packet after its first word.
pub(super) struct Body<'a> {
    free: &'a mut [u8],
    length: usize,
    fits: bool,
}

impl Body<'_> {
    pub(super) fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    /// Zeros up to the end of the word.
    pub(super) fn fill_word(&mut self) {
        self.bytes(&[0; 3][..(4 - self.length % 4) % 4]);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        match self.free.get_mut(self.length..self.length + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.fits = false,
        }
    }
}
