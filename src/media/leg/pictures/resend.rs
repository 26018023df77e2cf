//! The packets of pictures that went out of a leg lately, to be sent again when its peer asks for them (RFC 4585
//! §6.2.1). They are kept as they left, protected: what goes out again is the same packet under the same index, so that
//! no key stream protects two texts (RFC 3711 §9.1), and a peer that got it after all takes it for a replay.
//!
//! No more is sent again than was sent anew, so a peer that asks for everything gets it twice at the most.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that are kept.
pub const MAX_PACKETS: usize = 1024;

/// Octets that are kept: a second of pictures at four megabits.
pub const MAX_OCTETS: usize = 512 * 1024;

/// How long a packet is kept: who waits for it longer has asked for a whole picture.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// How often one packet goes out again.
pub const MAX_AGAIN: u8 = 10;

/// The least time between two times that one packet goes out again: an impatient peer asks twice within one round trip.
pub const LEAST_BETWEEN: Duration = Duration::from_millis(10);

/// A packet that went out.
#[derive(Debug)]
struct Kept {
    sequence: u16,
    sent: Instant,
    last: Instant,
    again: u8,
    bytes: Vec<u8>,
}

/// The packets that went out lately.
#[derive(Debug, Default)]
pub struct Resend {
    /// In the order in which they went out.
    kept: VecDeque<Kept>,
    /// How many went out before the first that is kept.
    gone: u64,
    octets: usize,
    /// Which of all that went out has a sequence number, by its remainder by [`MAX_PACKETS`]. Empty before the first.
    places: Vec<u64>,
    /// Buffers for the next packets.
    spare: Vec<Vec<u8>>,
    /// Octets that may go out again.
    allowance: usize,
    count: u64,
    asked: u64,
}

impl Resend {
    /// Keeps a packet that goes out, as it goes out.
    pub fn keep(&mut self, now: Instant, sequence: u16, packet: &[u8]) {
        self.places.resize(MAX_PACKETS, 0);
        while self.kept.front().is_some_and(|first| {
            let is_full = self.kept.len() >= MAX_PACKETS || self.octets + packet.len() > MAX_OCTETS;
            is_full || now.saturating_duration_since(first.sent) > MAX_AGE
        }) {
            self.let_go();
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(packet);
        if let Some(place) = self.places.get_mut(usize::from(sequence) % MAX_PACKETS) {
            *place = self.gone + self.kept.len() as u64;
        }
        self.octets += packet.len();
        self.allowance = (self.allowance + packet.len()).min(MAX_OCTETS);
        self.kept.push_back(Kept { sequence, sent: now, last: now, again: 0, bytes });
    }

    /// The packet with a sequence number, if it goes out again: counted as if it did.
    pub fn again(&mut self, now: Instant, sequence: u16) -> Option<&[u8]> {
        let place = *self.places.get(usize::from(sequence) % MAX_PACKETS)?;
        let kept = self.kept.get_mut(usize::try_from(place.checked_sub(self.gone)?).ok()?)?;
        let is_first = kept.again == 0;
        let is_due = is_first || now.saturating_duration_since(kept.last) >= LEAST_BETWEEN;
        let is_young = now.saturating_duration_since(kept.sent) <= MAX_AGE;
        if kept.sequence != sequence || kept.again >= MAX_AGAIN || !is_due || !is_young {
            return None;
        }
        self.allowance = self.allowance.checked_sub(kept.bytes.len())?;
        kept.again += 1;
        kept.last = now;
        self.count += 1;
        self.asked += u64::from(is_first);
        Some(&kept.bytes)
    }

    /// How many packets went out again.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many packets were asked for, each once.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Forgets the packets: they belong to a peer that is there no more.
    pub fn forget(&mut self) {
        *self = Resend { count: self.count, asked: self.asked, ..Resend::default() };
    }

    fn let_go(&mut self) {
        if let Some(first) = self.kept.pop_front() {
            self.gone += 1;
            self.octets -= first.bytes.len();
            if self.spare.len() < MAX_PACKETS {
                self.spare.push(first.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(numbers: impl Iterator<Item = u16>, length: usize, each: Duration) -> (Resend, Instant) {
        let (mut resend, mut now) = (Resend::default(), Instant::now());
        for number in numbers {
            resend.keep(now, number, &vec![number as u8; length]);
            now += each;
        }
        (resend, now)
    }

    #[test]
    fn what_went_out_lately_goes_out_again_as_it_was_also_what_was_out_of_order() {
        let order = [65_534u16, 65_535, 1, 2, 0, 3];
        let (mut resend, now) = sent(order.into_iter(), 100, Duration::ZERO);
        for number in order {
            assert_eq!(resend.again(now, number), Some(&[number as u8; 100][..]), "{number}");
            assert_eq!(resend.again(now, number), None, "not twice at once");
        }
        assert_eq!([4, 1024, 65_533].map(|n| resend.again(now, n).is_some()), [false; 3]);
        assert_eq!(resend.count(), 6);
    }

    #[test]
    fn the_first_request_is_answered_at_once_and_the_next_not_before_a_while() {
        let (mut resend, now) = sent(0..3, 100, Duration::ZERO);
        let asked = [0, 1, 9, 10, 11, 19, 20].map(|ms| resend.again(now + Duration::from_millis(ms), 0).is_some());
        assert_eq!(asked, [true, false, false, true, false, false, true]);
        assert_eq!((resend.count(), resend.asked()), (3, 1));
    }

    #[test]
    fn packets_octets_and_age_have_their_limits() {
        let (mut resend, now) = sent(0..2 * MAX_PACKETS as u16, 10, Duration::ZERO);
        let later = now + LEAST_BETWEEN;
        assert_eq!(resend.kept.len(), MAX_PACKETS);
        let first = MAX_PACKETS as u16;
        assert_eq!([first - 1, first].map(|n| resend.again(later, n).is_some()), [false, true]);
        let (mut resend, now) = sent(0..1000, 1400, Duration::ZERO);
        assert!(resend.octets <= MAX_OCTETS && resend.octets > MAX_OCTETS - 1400);
        let first = 1000 - (MAX_OCTETS / 1400) as u16;
        let later = now + LEAST_BETWEEN;
        assert_eq!([first - 1, first].map(|n| resend.again(later, n).is_some()), [false, true]);
        assert!(resend.again(now + MAX_AGE, 999).is_some());
        assert!(resend.again(now + MAX_AGE + Duration::from_nanos(1), 998).is_none());
    }

    #[test]
    fn who_asks_for_everything_without_end_gets_no_more_than_went_out() {
        let (mut resend, mut now) = sent(0..500, 1000, Duration::from_millis(1));
        let mut octets = 0;
        for _ in 0..100 {
            now += Duration::from_millis(5);
            octets += (0..=u16::MAX).step_by(7).filter_map(|n| resend.again(now, n).map(<[u8]>::len)).sum::<usize>();
        }
        assert!((1..=500_000).contains(&octets), "{octets}");
        let (mut resend, mut now) = sent(0..2, 1000, Duration::ZERO);
        resend.allowance = MAX_OCTETS;
        let mut times = 0;
        for _ in 0..90 {
            now += LEAST_BETWEEN;
            times += usize::from(resend.again(now, 1).is_some());
        }
        assert_eq!(times, usize::from(MAX_AGAIN));
    }

    #[test]
    fn buffers_are_used_again() {
        let (mut resend, mut now) = sent(0..3000, 1000, Duration::from_millis(3));
        let buffers = |resend: &Resend| resend.kept.len() + resend.spare.len();
        let before = buffers(&resend);
        for number in 3000..9000 {
            resend.keep(now, number, &[1; 1000]);
            now += Duration::from_millis(3);
        }
        assert_eq!(buffers(&resend), before);
    }
}
