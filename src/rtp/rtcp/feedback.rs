//! Feedback on pictures: what was lost, what is to be whole again, how much fits (RFC 4585, RFC 5104,
//! draft-alvestrand-rmcat-remb).

use super::{PSFB, RTPFB, Words, Writer};

/// The number of a generic NACK among the transport layer's feedback (RFC 4585 §6.2.1).
pub(super) const NACK: u8 = 1;
/// The number of a picture loss indication among the payload's feedback (RFC 4585 §6.3.1).
pub(super) const PLI: u8 = 1;
/// The number of a full intra request (RFC 5104 §4.3.1).
pub(super) const FIR: u8 = 4;
/// The number of feedback that an application defines (RFC 4585 §6.4).
pub(super) const APPLICATION: u8 = 15;
/// The name of the receiver's estimate among them.
pub(super) const REMB: &[u8; 4] = b"REMB";

/// Sources that one estimate is written for.
const MAX_ESTIMATED: usize = 255;

/// The sequence numbers that the entries of a generic NACK ask for: each names one and has a mask of the sixteen
/// after it.
pub fn asked_for(entries: Words<'_>) -> impl Iterator<Item = u16> {
    entries.flat_map(|entry| {
        let (first, mask) = ((entry >> 16) as u16, entry as u16);
        let others = (0..16u16).filter(move |bit| mask & (1 << bit) != 0);
        std::iter::once(first).chain(others.map(move |bit| first.wrapping_add(bit + 1)))
    })
}

/// The entries of a generic NACK for sequence numbers that rise.
pub fn entries_for(lost: impl Iterator<Item = u16>) -> impl Iterator<Item = u32> {
    let mut lost = lost.peekable();
    std::iter::from_fn(move || {
        let first = lost.next()?;
        let mut mask = 0u16;
        while let Some(after) = lost.peek().map(|next| next.wrapping_sub(first)).filter(|n| (1..=16).contains(n)) {
            mask |= 1 << (after - 1);
            lost.next();
        }
        Some((u32::from(first) << 16) | u32::from(mask))
    })
}

/// The bit rate of an estimate: a mantissa of 18 bits above an exponent of 6. `None` if it has no meaning.
pub(super) fn bitrate(word: u32) -> Option<u64> {
    let (exponent, mantissa) = ((word >> 18) & 0x3f, u64::from(word & 0x3_ffff));
    // Shifted out of 64 bits it is no rate but noise.
    Some(mantissa << exponent).filter(|rate| rate >> exponent == mantissa)
}

impl Writer<'_> {
    /// Adds a generic NACK for the packets of `media` (RFC 4585 §6.2.1); the entries are those of [`entries_for`].
    pub fn nack(&mut self, sender: u32, media: u32, entries: impl Iterator<Item = u32>) -> bool {
        self.packet(usize::from(NACK), RTPFB, |body| {
            body.word(sender);
            body.word(media);
            entries.for_each(|entry| body.word(entry));
        })
    }

    /// Adds a picture loss indication (RFC 4585 §6.3.1).
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> bool {
        self.packet(usize::from(PLI), PSFB, |body| {
            body.word(sender);
            body.word(media);
        })
    }

    /// Adds a full intra request (RFC 5104 §4.3.1); `number` is another for each request that is no repetition.
    pub fn full_intra(&mut self, sender: u32, media: u32, number: u8) -> bool {
        self.packet(usize::from(FIR), PSFB, |body| {
            body.word(sender);
            body.word(0);
            body.word(media);
            body.word(u32::from(number) << 24);
        })
    }

    /// Adds the receiver's estimate of what fits (draft-alvestrand-rmcat-remb §2.2), rounded down to what its form can
    /// say.
    pub fn maximum_bitrate(&mut self, sender: u32, bits_per_second: u64, sources: &[u32]) -> bool {
        let sources = sources.get(..MAX_ESTIMATED).unwrap_or(sources);
        let exponent = (64 - bits_per_second.leading_zeros()).saturating_sub(18);
        let mantissa = (bits_per_second >> exponent) as u32;
        self.packet(usize::from(APPLICATION), PSFB, |body| {
            body.word(sender);
            body.word(0);
            body.word(u32::from_be_bytes(*REMB));
            body.word(((sources.len() as u32) << 24) | (exponent << 18) | mantissa);
            sources.iter().for_each(|source| body.word(*source));
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::{Rtcp, Writer, read};
    use super::*;

    fn only(bytes: &[u8]) -> Rtcp<'_> {
        let mut packets = read(bytes);
        let packet = packets.next().expect("a packet");
        assert_eq!(packets.next(), None);
        packet
    }

    #[test]
    fn what_is_asked_for_again_is_read_as_it_was_written_across_the_wrap() {
        let lost = [65_530u16, 65_531, 65_535, 0, 10, 11, 300];
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        assert!(writer.nack(1, 2, entries_for(lost.into_iter())));
        let length = writer.length();
        assert_eq!(length, 12 + 3 * 4);
        let Rtcp::Nack { media: 2, lost: entries } = only(&buffer[..length]) else { panic!() };
        assert_eq!(asked_for(entries).collect::<Vec<_>>(), lost);
    }

    #[test]
    fn requests_for_a_picture_name_whose() {
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        assert!(writer.picture_loss(1, 2) && writer.full_intra(1, 3, 200));
        let length = writer.length();
        let all: Vec<_> = read(&buffer[..length]).collect();
        assert_eq!(all, [Rtcp::PictureLoss { media: 2 }, Rtcp::FullIntra { media: 3 }]);
    }

    #[test]
    fn an_estimate_says_what_its_form_can_and_never_more() {
        for rate in [0, 1, 262_143, 262_144, 1_000_001, 2_500_000, u64::from(u32::MAX), u64::MAX] {
            let mut buffer = [0; 100];
            let mut writer = Writer::new(&mut buffer);
            assert!(writer.maximum_bitrate(1, rate, &[2]));
            let length = writer.length();
            let Rtcp::MaximumBitrate { bits_per_second } = only(&buffer[..length]) else { panic!() };
            assert!(bits_per_second <= rate && rate - bits_per_second <= rate >> 17, "{rate}: {bits_per_second}");
        }
        assert_eq!(bitrate((63 << 18) | 2), None);
    }
}
