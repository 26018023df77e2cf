//! RTCP (RFC 3550 §6, RFC 4585): compounds read tolerantly and written strictly.

pub mod arrivals;
pub mod bounds;
mod feedback;
mod write;

pub use arrivals::Arrivals;
pub use bounds::{Bound, Bounds};
pub use feedback::{asked_for, entries_for};
pub use write::Writer;

use arrivals::TRANSPORT;
use bounds::{TMMBN, TMMBR};
use feedback::{APPLICATION, FIR, NACK, PLI, REMB};

use std::time::Duration;

/// Sender report.
const SR: u8 = 200;
/// Receiver report.
const RR: u8 = 201;
/// Source description.
const SDES: u8 = 202;
/// Goodbye.
const BYE: u8 = 203;
/// Transport-layer feedback (RFC 4585 §6.2).
const RTPFB: u8 = 205;
/// Payload-specific feedback (RFC 4585 §6.3).
const PSFB: u8 = 206;
/// The SDES item of the canonical name (RFC 3550 §6.5.1).
const CNAME: u8 = 1;
/// Bytes of a report block.
const BLOCK: usize = 24;

/// What a sender says of its stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// The time of day, in NTP's 32.32 format.
    pub ntp: u64,
    /// The same instant in the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub octets: u32,
}

/// What a receiver says of one source (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// The part lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all, of 24 bits; negative if some came twice.
    pub lost: i32,
    /// The highest sequence number, with its wraps in the upper half.
    pub highest: u32,
    /// Jitter, in units of the format's clock.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report, or 0.
    pub last_sender_report: u32,
    /// Time since that report, in 65 536ths of a second.
    pub delay: u32,
}

impl ReportBlock {
    fn read(bytes: &[u8]) -> Option<ReportBlock> {
        let word = |n: usize| Some(u32::from_be_bytes(*bytes.get(4 * n..)?.first_chunk()?));
        let lost = word(1)?;
        Some(ReportBlock {
            ssrc: word(0)?,
            fraction_lost: (lost >> 24) as u8,
            lost: ((lost << 8) as i32) >> 8,
            highest: word(2)?,
            jitter: word(3)?,
            last_sender_report: word(4)?,
            delay: word(5)?,
        })
    }

    /// The round trip to the reporter, when it answers a sender report of ours and came at `ntp` (RFC 3550
    /// §6.4.1). `None` without such a report, or if the figures make no sense.
    pub fn round_trip(&self, ntp: u64) -> Option<Duration> {
        const SENSELESS: u32 = 60 << 16;
        if self.last_sender_report == 0 {
            return None;
        }
        let units = ((ntp >> 16) as u32).wrapping_sub(self.last_sender_report).wrapping_sub(self.delay);
        (units < SENSELESS).then(|| Duration::from_micros(u64::from(units) * 1_000_000 / 65_536))
    }
}

/// The time of day in NTP's 32.32 format (RFC 3550 §4), from the time since 1970.
pub fn ntp(since_1970: Duration) -> u64 {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    (since_1970.as_secs().wrapping_add(FROM_1900_TO_1970) << 32) | fraction
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// A sender report.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// What it says of its stream.
        info: SenderInfo,
        /// What it says of others.
        blocks: Blocks<'a>,
    },
    /// A receiver report.
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// What it says of others.
        blocks: Blocks<'a>,
    },
    /// A source description.
    Description {
        /// The first source and its canonical name, if there is one.
        first: Option<(u32, Option<&'a [u8]>)>,
    },
    /// A goodbye.
    Bye {
        /// Who leaves.
        sources: Words<'a>,
    },
    /// Asks for packets again (RFC 4585 §6.2.1).
    Nack {
        /// Of which source.
        media: u32,
        /// A sequence number and a mask of those after it.
        lost: Words<'a>,
    },
    /// Asks for a picture (RFC 4585 §6.3.1).
    PictureLoss {
        /// Of which source.
        media: u32,
    },
    /// Asks for a whole picture (RFC 5104 §4.3.1).
    FullIntra {
        /// Of which source.
        media: u32,
    },
    /// How much the receiver can take (draft-alvestrand-rmcat-remb).
    MaximumBitrate {
        /// Bits a second.
        bits_per_second: u64,
    },
    /// Asks senders to send no more than so much, until it is asked for something else (RFC 5104 §4.2.1).
    BoundRequest {
        /// Who asks.
        sender: u32,
        /// Whom, and how much.
        bounds: Bounds<'a>,
    },
    /// Says by what a sender is bound, which answers each such request (RFC 5104 §4.2.2).
    BoundNotice {
        /// The sender.
        sender: u32,
        /// Whose bounds, and how much.
        bounds: Bounds<'a>,
    },
    /// When each packet came (draft-holmer-rmcat-transport-wide-cc-extensions).
    TransportFeedback {
        /// When.
        arrivals: Arrivals<'a>,
    },
    /// Anything else.
    Other {
        /// Its packet type.
        packet_type: u8,
    },
}

/// Report blocks, read as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_at_checked(BLOCK)?;
        self.0 = rest;
        ReportBlock::read(block)
    }
}

/// Words of 32 bits, read as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a>(&'a [u8]);

impl Iterator for Words<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }
}

/// The packets of a compound, first first. What is malformed ends it: what came before still counts. A
/// compound that begins with another packet than a report is taken too (RFC 5506).
pub fn read(compound: &[u8]) -> Compound<'_> {
    Compound(compound)
}

/// See [`read`].
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Iterator for Compound<'a> {
    type Item = Rtcp<'a>;

    fn next(&mut self) -> Option<Rtcp<'a>> {
        let bytes = std::mem::take(&mut self.0);
        let [first, packet_type, l0, l1] = *bytes.first_chunk()?;
        if first >> 6 != 2 {
            return None;
        }
        let length = 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let (packet, rest) = bytes.split_at_checked(length)?;
        let padding = match packet.last() {
            Some(&amount) if first & 0x20 != 0 => usize::from(amount),
            _ => 0,
        };
        let body = packet.get(4..length.checked_sub(padding)?)?;
        self.0 = rest;
        Some(packet_of(first & 0x1f, packet_type, body).unwrap_or(Rtcp::Other { packet_type }))
    }
}

fn word(bytes: &[u8], n: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(4 * n..)?.first_chunk()?))
}

/// The packet of a type, or `None` if it is none we know or too short.
fn packet_of(count: u8, packet_type: u8, body: &[u8]) -> Option<Rtcp<'_>> {
    let blocks = |at: usize| {
        let wanted = BLOCK * usize::from(count);
        let all = body.get(at..)?;
        Some(Blocks(all.get(..wanted.min(all.len()))?))
    };
    match (packet_type, count) {
        (SR, _) => {
            let ntp = (u64::from(word(body, 1)?) << 32) | u64::from(word(body, 2)?);
            let info =
                SenderInfo { ntp, rtp_timestamp: word(body, 3)?, packets: word(body, 4)?, octets: word(body, 5)? };
            Some(Rtcp::SenderReport { ssrc: word(body, 0)?, info, blocks: blocks(24)? })
        }
        (RR, _) => Some(Rtcp::ReceiverReport { ssrc: word(body, 0)?, blocks: blocks(4)? }),
        (SDES, 0) => Some(Rtcp::Description { first: None }),
        (SDES, _) => Some(Rtcp::Description { first: Some((word(body, 0)?, canonical_name(body.get(4..)?))) }),
        (BYE, _) => Some(Rtcp::Bye { sources: Words(body.get(..4 * usize::from(count))?) }),
        (RTPFB, NACK) => Some(Rtcp::Nack { media: word(body, 1)?, lost: Words(body.get(8..)?) }),
        (RTPFB, TMMBR) => Some(Rtcp::BoundRequest { sender: word(body, 0)?, bounds: Bounds(body.get(8..)?) }),
        (RTPFB, TMMBN) => Some(Rtcp::BoundNotice { sender: word(body, 0)?, bounds: Bounds(body.get(8..)?) }),
        (RTPFB, TRANSPORT) => Some(Rtcp::TransportFeedback { arrivals: Arrivals::read(body.get(8..)?)? }),
        (PSFB, PLI) => Some(Rtcp::PictureLoss { media: word(body, 1)? }),
        // The media source of the header is 0; the list names whom it is for.
        (PSFB, FIR) => Some(Rtcp::FullIntra { media: word(body, 2)? }),
        (PSFB, APPLICATION) if body.get(8..12)? == REMB => {
            Some(Rtcp::MaximumBitrate { bits_per_second: feedback::bitrate(word(body, 3)?)? })
        }
        _ => None,
    }
}

/// The canonical name among the items of an SDES chunk (RFC 3550 §6.5).
fn canonical_name(mut items: &[u8]) -> Option<&[u8]> {
    loop {
        let ([item, length], rest) = items.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        match *item {
            CNAME => return Some(text),
            0 => return None,
            _ => items = rest,
        }
    }
}

#[cfg(test)]
mod tests;
