//! The RTP header (RFC 3550 §5.1), read and edited in place, and the first byte of a datagram (RFC 7983).

mod extension;

use std::ops::Range;

pub use extension::ONE_BYTE;

/// Bytes of the header without sources and extension.
pub const FIXED_HEADER: usize = 12;

/// What a datagram on a media port is, by its first bytes (RFC 7983 §7, RFC 5761 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 64 to 79: TURN channel data.
    TurnChannel,
    /// First byte 128 to 191, and no RTCP type in the second.
    Rtp,
    /// First byte 128 to 191, and an RTCP type in the second.
    Rtcp,
    /// Anything else, or nothing at all.
    Other,
}

/// What a datagram is.
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram.first() {
        Some(0..=3) => Kind::Stun,
        Some(20..=63) => Kind::Dtls,
        Some(64..=79) => Kind::TurnChannel,
        Some(128..=191) if is_rtcp(datagram) => Kind::Rtcp,
        Some(128..=191) => Kind::Rtp,
        _ => Kind::Other,
    }
}

/// Whether a packet of version 2 is RTCP: its second byte is 192 to 223 (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

/// The fields that a relay rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// The first packet of a talk spurt or of a keypad event.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the format's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
}

impl Fields {
    /// Writes the fields over those of `packet`, leaving version, padding, extension and sources as they
    /// are. Does nothing to a packet that is too short for a header.
    pub fn write_over(self, packet: &mut [u8]) {
        let Some(header) = packet.first_chunk_mut::<FIXED_HEADER>() else { return };
        header[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// Writes a whole plain header (version 2, no padding, no extension, no sources) at the start of
    /// `buffer`; returns its length, or 0 if there is no room.
    pub fn write_new(self, buffer: &mut [u8]) -> usize {
        let Some(first) = buffer.first_chunk_mut::<FIXED_HEADER>() else { return 0 };
        first[0] = 0x80;
        self.write_over(first);
        FIXED_HEADER
    }
}

/// A well-formed RTP packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    fixed: &'a [u8; FIXED_HEADER],
    header_length: usize,
    payload_end: usize,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if its version is not 2 or its parts do not fit into it.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let header_length = header_length(bytes)?;
        let fixed = bytes.first_chunk()?;
        let padding = match bytes.last() {
            // The last byte counts itself, so 0 is no valid amount (RFC 3550 §5.1).
            Some(&amount) if fixed[0] & 0x20 != 0 && amount > 0 => usize::from(amount),
            _ if fixed[0] & 0x20 != 0 => return None,
            _ => 0,
        };
        let payload_end = bytes.len().checked_sub(padding).filter(|end| *end >= header_length)?;
        Some(Packet { bytes, fixed, header_length, payload_end })
    }

    /// The rewritable fields.
    pub fn fields(&self) -> Fields {
        Fields {
            marker: self.marker(),
            payload_type: self.payload_type(),
            sequence: self.sequence(),
            timestamp: self.timestamp(),
            ssrc: self.ssrc(),
        }
    }

    /// The first packet of a talk spurt or of a keypad event.
    pub fn marker(&self) -> bool {
        self.fixed[1] & 0x80 != 0
    }

    /// 0 to 127.
    pub fn payload_type(&self) -> u8 {
        self.fixed[1] & 0x7f
    }

    /// The sequence number.
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// The timestamp, in units of the format's clock.
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// The synchronisation source.
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// The contributing sources, first first.
    pub fn contributing(&self) -> impl Iterator<Item = u32> + 'a {
        let count = usize::from(self.fixed[0] & 0x0f);
        let list = self.bytes.get(FIXED_HEADER..).unwrap_or_default();
        list.chunks_exact(4).take(count).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]))
    }

    /// The header extension (RFC 3550 §5.3.1, RFC 8285): its profile word and its bytes.
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        if self.fixed[0] & 0x10 == 0 {
            return None;
        }
        let start = FIXED_HEADER + 4 * usize::from(self.fixed[0] & 0x0f);
        let extension = self.bytes.get(start..self.header_length)?;
        let profile = extension.first_chunk::<2>()?;
        Some((u16::from_be_bytes(*profile), extension.get(4..)?))
    }

    /// Bytes of the header with sources and extension.
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Where the payload is, without padding.
    pub fn payload_range(&self) -> Range<usize> {
        self.header_length..self.payload_end
    }

    /// The payload, without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.payload_range()).unwrap_or_default()
    }
}

/// Bytes of the header with sources and extension; `None` if the version is not 2 or they do not fit.
///
/// This is also the part of a packet that SRTP leaves readable (RFC 3711 §3.1), where the padding cannot be
/// judged yet.
pub fn header_length(bytes: &[u8]) -> Option<usize> {
    let fixed = bytes.first_chunk::<FIXED_HEADER>()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut length = FIXED_HEADER + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        let words = bytes.get(length + 2..length + 4)?.first_chunk::<2>()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes(*words));
    }
    (length <= bytes.len()).then_some(length)
}

#[cfg(test)]
mod tests;
