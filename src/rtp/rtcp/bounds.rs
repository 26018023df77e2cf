//! Bounds of what a sender may send: the temporary maximum media stream bit rate request and its notification
//! (RFC 5104 §4.2).

use super::{RTPFB, Writer, word};

/// The number of a request among the transport layer's feedback (RFC 5104 §4.2.1).
pub(super) const TMMBR: u8 = 3;
/// The number of a notification (RFC 5104 §4.2.2).
pub(super) const TMMBN: u8 = 4;

/// Bytes of an entry.
const ENTRY: usize = 8;
/// The largest mantissa, and the largest overhead.
const MOST_MANTISSA: u64 = 0x1_ffff;
const MOST_OVERHEAD: u16 = 0x1ff;

/// One entry (RFC 5104 §4.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// In a request, whom it is for; in a notification, whose request it is that bounds the sender.
    pub ssrc: u32,
    /// Bits a second, with the headers that the overhead counts. What is more than 64 bits can say bounds nothing.
    pub bits_per_second: u64,
    /// Octets of headers in each packet, as they were measured.
    pub overhead: u16,
}

impl Bound {
    fn read(bytes: &[u8]) -> Option<Bound> {
        let value = word(bytes, 1)?;
        let (exponent, mantissa) = (value >> 26, u64::from(value >> 9) & MOST_MANTISSA);
        let shifted = mantissa << exponent;
        let bits_per_second = if shifted >> exponent == mantissa { shifted } else { u64::MAX };
        Some(Bound { ssrc: word(bytes, 0)?, bits_per_second, overhead: value as u16 & MOST_OVERHEAD })
    }

    fn word(self) -> u32 {
        let exponent = (64 - self.bits_per_second.leading_zeros()).saturating_sub(17);
        let mantissa = (self.bits_per_second >> exponent) as u32;
        (exponent << 26) | (mantissa << 9) | u32::from(self.overhead.min(MOST_OVERHEAD))
    }
}

/// Entries, read as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds<'a>(pub(super) &'a [u8]);

impl Iterator for Bounds<'_> {
    type Item = Bound;

    fn next(&mut self) -> Option<Bound> {
        let (entry, rest) = self.0.split_at_checked(ENTRY)?;
        self.0 = rest;
        Bound::read(entry)
    }
}

impl Writer<'_> {
    /// Adds a request that the sender of `bound` send no more than it says (RFC 5104 §4.2.1), rounded down to what its
    /// form can say.
    pub fn bound_request(&mut self, sender: u32, bound: Bound) -> bool {
        self.bound(TMMBR, sender, bound)
    }

    /// Adds the notification that `bound` is what bounds the sender (RFC 5104 §4.2.2).
    pub fn bound_notice(&mut self, sender: u32, bound: Bound) -> bool {
        self.bound(TMMBN, sender, bound)
    }

    fn bound(&mut self, kind: u8, sender: u32, bound: Bound) -> bool {
        self.packet(usize::from(kind), RTPFB, |body| {
            body.word(sender);
            body.word(0);
            body.word(bound.ssrc);
            body.word(bound.word());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rtcp, Writer, read};
    use super::*;

    #[test]
    fn a_bound_has_the_octets_of_the_standard_and_says_no_more_than_was_meant() {
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        // 375 kbit/s is 93750 shifted by two.
        let bound = Bound { ssrc: 0x0a0b_0c0d, bits_per_second: 375_000, overhead: 40 };
        assert!(writer.bound_request(1, bound) && writer.bound_notice(2, bound));
        let length = writer.length();
        let entry = ((2u32 << 26) | (93_750 << 9) | 40).to_be_bytes();
        let expected = [&[0x83, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d][..], &entry].concat();
        assert_eq!(buffer[..20], expected);
        let all: Vec<_> = read(&buffer[..length]).collect();
        let [Rtcp::BoundRequest { sender: 1, bounds: asked }, Rtcp::BoundNotice { sender: 2, bounds: told }] = all[..]
        else {
            panic!("{all:?}")
        };
        assert_eq!((asked.collect::<Vec<_>>(), told.collect::<Vec<_>>()), (vec![bound], vec![bound]));
    }

    #[test]
    fn a_rate_beyond_64_bits_bounds_nothing() {
        let entry = [[0, 0, 0, 7], (!u32::from(MOST_OVERHEAD)).to_be_bytes()].concat();
        let bound = Bounds(&entry).next();
        assert_eq!(bound, Some(Bound { ssrc: 7, bits_per_second: u64::MAX, overhead: 0 }));
        assert_eq!(Bounds(&entry[..7]).next(), None);
    }
}
