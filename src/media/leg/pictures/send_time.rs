//! When each packet of pictures left, said in its header (abs-send-time): one who sees estimates by it how much fits into
//! its network, whatever pace the pictures were shown at. A packet that goes out again says when it went out first, for it
//! is the same packet; estimators leave out what is behind its time.

use std::time::Instant;

use crate::media::outbox::MAX_DATAGRAM;
use crate::rtp::packet::{FIXED_HEADER, ONE_BYTE};

/// Octets of the header extension: its own header, and one element.
pub const LENGTH: usize = 8;

/// The bit of the first octet of a packet that says that there is an extension (RFC 3550 §5.1).
const HAS_EXTENSION: u8 = 0x10;

/// Headers of IPv6 and UDP.
const BELOW: usize = 40 + 8;

/// The largest tag of SRTP.
const TAG: usize = 16;

/// What says when packets left.
#[derive(Debug, Clone, Copy)]
pub struct SendTime {
    /// The number of the header extension.
    id: u8,
    /// Where its clock begins, which is nobody else's business.
    since: Instant,
}

impl SendTime {
    /// Says it in the header extension of this number.
    pub fn new(now: Instant, id: u8) -> SendTime {
        SendTime { id, since: now }
    }

    /// The number of the header extension.
    pub fn id(self) -> u8 {
        self.id
    }

    /// Whether a packet with so much payload has room for it: nothing is torn apart on its way for its sake.
    pub fn fits(payload: usize) -> bool {
        FIXED_HEADER + LENGTH + payload + TAG + BELOW <= MAX_DATAGRAM
    }

    /// Puts it behind the plain header at the start of `packet`.
    pub fn write(self, now: Instant, packet: &mut [u8]) {
        let Some(header) = packet.first_chunk_mut::<{ FIXED_HEADER + LENGTH }>() else { return };
        header[0] |= HAS_EXTENSION;
        let [high, low] = ONE_BYTE.to_be_bytes();
        let [_, high_time, middle, low_time] = self.time(now).to_be_bytes();
        // One word; an element of three octets.
        header[FIXED_HEADER..].copy_from_slice(&[high, low, 0, 1, (self.id << 4) | 2, high_time, middle, low_time]);
    }

    /// Seconds with 18 bits behind the point, modulo 64.
    fn time(self, now: Instant) -> u32 {
        let micros = now.saturating_duration_since(self.since).as_micros();
        ((micros << 18) / 1_000_000) as u32 & 0x00ff_ffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Fields, Packet};
    use std::time::Duration;

    #[test]
    fn the_time_has_eighteen_bits_behind_the_point_and_begins_anew_after_64_seconds() {
        let start = Instant::now();
        let times = [0u64, 4, 500, 1000, 63_999, 64_000, 64_001].map(|millis| {
            let mut packet = [7; 24];
            Fields::default().write_new(&mut packet);
            SendTime::new(start, 5).write(start + Duration::from_millis(millis), &mut packet);
            let packet = Packet::parse(&packet).unwrap_or_else(|| panic!("a packet"));
            assert_eq!(packet.payload(), [7; 4]);
            let [high, middle, low] = packet.element(5).unwrap_or_default() else { panic!("three octets") };
            u32::from_be_bytes([0, *high, *middle, *low])
        });
        assert_eq!(times, [0, 1048, 1 << 17, 1 << 18, (64 << 18) - 263, 0, 262]);
    }

    #[test]
    fn a_packet_that_fills_a_datagram_gets_none() {
        assert!(SendTime::fits(1200));
        assert!(SendTime::fits(1416));
        assert!(!SendTime::fits(1417));
        assert!(!SendTime::fits(usize::from(u16::MAX)));
    }
}
