//! When the numbered packets of a transport came, and telling it to whom they came from
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01): by that it finds out how much the way to here takes.
//!
//! What came since it was told last is told [`INTERVAL`] after the first of it. A packet that was told to be missing and
//! comes late is told of with all after it.

use std::time::{Duration, Instant};

use crate::rtp::Packet;
use crate::rtp::rtcp::Writer;

/// How long after a packet came it is told at the most.
pub const INTERVAL: Duration = Duration::from_millis(64);

/// Numbers that are kept, behind the newest. Those that were not told before they leave are never told.
pub const MAX_KEPT: usize = 1024;

/// Octets of one packet of feedback: what fits into a datagram everywhere.
pub const MAX_FEEDBACK: usize = 1100;

/// Numbers without their wraps are counted from here, so that there are some before the first.
const FIRST_TURN: u64 = 1 << 16;

/// The packets of one transport.
#[derive(Debug)]
pub struct Arriving {
    /// The number of the header extension in which they are counted.
    id: u8,
    since: Instant,
    /// When each came, in quarters of a millisecond; by its number.
    times: Box<[Option<u32>]>,
    newest: Option<u64>,
    /// The first that was not told.
    next: u64,
    /// The source of the packet that came last.
    source: u32,
    due: Option<Instant>,
    /// The number of the next feedback.
    number: u8,
}

impl Arriving {
    /// Packets that are counted in the header extension of this number.
    pub fn new(now: Instant, id: u8) -> Arriving {
        Arriving {
            id,
            since: now,
            times: vec![None; MAX_KEPT].into(),
            newest: None,
            next: 0,
            source: 0,
            due: None,
            number: 0,
        }
    }

    /// The number of the header extension.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// An opened packet came; see [`Arriving::hear`].
    pub fn note(&mut self, now: Instant, packet: &[u8]) -> bool {
        let Some(packet) = Packet::parse(packet) else { return false };
        let number = packet.element(self.id).and_then(|element| element.first_chunk());
        number.is_some_and(|number| self.hear(now, packet.ssrc(), u16::from_be_bytes(*number)))
    }

    /// A packet came with this number; returns whether there is a deadline that was not there before.
    pub fn hear(&mut self, now: Instant, source: u32, sequence: u16) -> bool {
        self.source = source;
        let at = self.place_of(sequence);
        self.next = self.next.min(at).max(self.newest.unwrap_or(at).saturating_sub(MAX_KEPT as u64 - 1));
        let time = (now.saturating_duration_since(self.since).as_micros() / 250) as u32;
        if let Some(slot) = self.slot(at) {
            slot.get_or_insert(time);
        }
        let is_new = self.due.is_none();
        self.due.get_or_insert(now + INTERVAL);
        is_new
    }

    /// The number without its wraps, as the newest if it is; what is too far from the newest begins another numbering.
    fn place_of(&mut self, sequence: u16) -> u64 {
        let near = self.newest.and_then(|newest| {
            let step = sequence.wrapping_sub(newest as u16) as i16;
            let is_near = usize::from(step.unsigned_abs()) < MAX_KEPT;
            newest.checked_add_signed(step.into()).filter(|_| is_near).map(|at| (newest, at))
        });
        let Some((newest, at)) = near else {
            let at = FIRST_TURN + u64::from(sequence);
            self.times.fill(None);
            (self.newest, self.next) = (Some(at), at);
            return at;
        };
        for gone in newest + 1..=at {
            if let Some(slot) = self.slot(gone) {
                *slot = None;
            }
        }
        self.newest = Some(newest.max(at));
        at
    }

    fn slot(&mut self, at: u64) -> Option<&mut Option<u32>> {
        self.times.get_mut(at as usize % MAX_KEPT)
    }

    /// When there is something to tell.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what is due, as much of it as there is room for; `false` if there is nothing, or nothing left.
    pub fn tell(&mut self, now: Instant, ours: u32, writer: &mut Writer) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let (first, newest) = (self.next, self.newest.unwrap_or_default());
        let times = (first..=newest).map(|at| self.times.get(at as usize % MAX_KEPT).copied().flatten());
        let told = writer.arrivals(ours, self.source, self.number, first as u16, times);
        self.next += told as u64;
        self.number = self.number.wrapping_add(u8::from(told > 0));
        if told == 0 || self.next > newest {
            self.next = newest + 1;
            self.due = None;
        }
        told > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::{Rtcp, read};

    /// All that is told at one time: the numbers, and in which millisecond each came, in as many packets as there are.
    fn told(arriving: &mut Arriving, now: Instant) -> Vec<Vec<(u16, Option<u32>)>> {
        let mut all = Vec::new();
        loop {
            let mut buffer = [0; MAX_FEEDBACK];
            let mut writer = Writer::new(&mut buffer);
            if !arriving.tell(now, 1, &mut writer) {
                return all;
            }
            let length = writer.length();
            let Some(Rtcp::TransportFeedback { arrivals }) = read(&buffer[..length]).next() else { panic!() };
            assert_eq!(usize::from(arrivals.number), all.len() % 256 + usize::from(arriving.number) - all.len() - 1);
            all.push(arrivals.times().map(|(number, time)| (number, time.map(|time| time / 4))).collect());
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_came_is_told_after_the_interval_once_and_what_is_missing_with_it() {
        let start = Instant::now();
        let mut arriving = Arriving::new(start, 3);
        assert_eq!(arriving.poll_timeout(), None);
        assert!(arriving.hear(start, 7, 65_535));
        assert!(!arriving.hear(start + ms(5), 8, 2));
        assert_eq!(arriving.poll_timeout(), Some(start + INTERVAL));
        assert!(told(&mut arriving, start + ms(63)).is_empty());
        let expected = vec![vec![(65_535, Some(0)), (0, None), (1, None), (2, Some(5))]];
        assert_eq!(told(&mut arriving, start + INTERVAL), expected);
        assert_eq!((arriving.poll_timeout(), arriving.source), (None, 8));
        assert!(arriving.hear(start + ms(100), 7, 4));
        let expected = vec![vec![(3, None), (4, Some(100))]];
        assert_eq!(told(&mut arriving, start + ms(164)), expected);
    }

    #[test]
    fn what_comes_late_is_told_with_all_after_it_and_a_repetition_changes_nothing() {
        let start = Instant::now();
        let mut arriving = Arriving::new(start, 3);
        for number in [10, 12, 13] {
            arriving.hear(start + ms(number.into()), 7, number);
        }
        told(&mut arriving, start + ms(100));
        arriving.hear(start + ms(120), 7, 11);
        arriving.hear(start + ms(121), 7, 12);
        let expected = vec![vec![(11, Some(120)), (12, Some(12)), (13, Some(13))]];
        assert_eq!(told(&mut arriving, start + ms(200)), expected);
    }

    #[test]
    fn another_numbering_begins_anew_and_is_told_by_itself() {
        let start = Instant::now();
        let mut arriving = Arriving::new(start, 3);
        arriving.hear(start, 7, 500);
        arriving.hear(start + ms(1), 7, 500 + MAX_KEPT as u16);
        assert_eq!(told(&mut arriving, start + INTERVAL), vec![vec![(500 + MAX_KEPT as u16, Some(1))]]);
        arriving.hear(start + ms(100), 7, 3);
        assert_eq!(told(&mut arriving, start + ms(200)), vec![vec![(3, Some(100))]]);
    }

    #[test]
    fn a_storm_is_told_in_several_packets_and_no_more_of_it_than_is_kept() {
        let start = Instant::now();
        let mut arriving = Arriving::new(start, 3);
        for number in 0..3000u16 {
            arriving.hear(start + ms((number / 50).into()), 7, number);
        }
        let all = told(&mut arriving, start + INTERVAL);
        let numbers: Vec<u16> = all.iter().flatten().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (3000 - MAX_KEPT as u16..3000).collect::<Vec<_>>());
        assert!((1..6).contains(&all.len()), "{}", all.len());
        assert_eq!(arriving.poll_timeout(), None);
    }

    #[test]
    fn times_go_on_when_their_32_bits_are_over() {
        let start = Instant::now();
        let wrap = Duration::from_micros(250) * u32::MAX;
        let mut arriving = Arriving::new(start, 3);
        arriving.hear(start + wrap, 7, 1);
        arriving.hear(start + wrap + ms(10), 7, 2);
        let all = told(&mut arriving, start + wrap + INTERVAL);
        let times: Vec<_> = all.iter().flatten().filter_map(|(_, time)| *time).collect();
        assert_eq!(times, [u32::MAX / 4, 9]);
    }
}
