//! Feedback on a whole transport: when each packet came, by numbers that all its streams share
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! ```text
//!  sources │ first number, count │ reference, number │ chunks: a status for each packet │ differences of those that came
//! ```

use super::{RTPFB, Writer};

/// The number of this feedback among the transport layer's (§3.1).
pub(super) const TRANSPORT: u8 = 15;

/// Times are in quarters of a millisecond (§3.1.5), and the reference is in 64 ms, which is so many of them.
pub const TICKS_OF_REFERENCE: u32 = 256;

/// Bytes before the chunks: the header of the packet, the two sources and the four fields.
const HEAD: usize = 20;
/// Packets that a run can count (§3.1.3).
const MAX_RUN: usize = 0x1fff;
/// Packets of a vector with one bit for each, and of one with two (§3.1.4).
const NARROW: usize = 14;
const WIDE: usize = 7;

/// A status: the packet came, and its difference has two bytes.
const LARGE: u8 = 2;

/// When packets came, as their receiver tells (§3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals<'a> {
    /// The first packet's number, of the transport's own numbering.
    pub first: u16,
    /// How many packets are spoken of.
    pub count: u16,
    /// The time that the first difference counts from, in 64 ms.
    pub reference: u32,
    /// The number of this feedback.
    pub number: u8,
    chunks: &'a [u8],
}

impl<'a> Arrivals<'a> {
    /// From what follows the two sources. `None` if its parts do not fit into it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Arrivals<'a>> {
        let ([f0, f1, c0, c1, r0, r1, r2, number], chunks) = bytes.split_first_chunk::<8>()?;
        let arrivals = Arrivals {
            first: u16::from_be_bytes([*f0, *f1]),
            count: u16::from_be_bytes([*c0, *c1]),
            reference: u32::from_be_bytes([0, *r0, *r1, *r2]),
            number: *number,
            chunks,
        };
        let told: usize = arrivals.symbols().map(usize::from).map(|symbol| if symbol == 3 { 0 } else { symbol }).sum();
        let (statuses, deltas) = (arrivals.symbols().count(), chunks.len().checked_sub(arrivals.deltas_at())?);
        (statuses == usize::from(arrivals.count) && told <= deltas).then_some(arrivals)
    }

    /// Each packet's number, and when it came after the one before it in quarters of a millisecond; `None`: it did
    /// not come.
    pub fn packets(&self) -> impl Iterator<Item = (u16, Option<i16>)> {
        let mut deltas = self.chunks.get(self.deltas_at()..).unwrap_or_default();
        let first = self.first;
        self.symbols().zip(0u16..).map(move |(symbol, nth)| {
            let delta = match symbol {
                1 => deltas.split_first().map(|(delta, rest)| (i16::from(*delta), rest)),
                LARGE => deltas.split_first_chunk().map(|(delta, rest)| (i16::from_be_bytes(*delta), rest)),
                _ => None,
            };
            let delta = delta.map(|(delta, rest)| {
                deltas = rest;
                delta
            });
            (first.wrapping_add(nth), delta)
        })
    }

    /// Each packet's number and when it came, in quarters of a millisecond from where the receiver counts: 32 bits of it.
    pub fn times(&self) -> impl Iterator<Item = (u16, Option<u32>)> {
        self.packets().scan(self.reference.wrapping_mul(TICKS_OF_REFERENCE), |at, (number, delta)| {
            let time = delta.map(|delta| {
                *at = at.wrapping_add_signed(delta.into());
                *at
            });
            Some((number, time))
        })
    }

    /// The status of each packet: 0 not there, 1 a small difference, 2 a large one, 3 reserved.
    fn symbols(&self) -> impl Iterator<Item = u8> + 'a {
        let words = self.chunks.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word));
        words.flat_map(symbols_of).take(usize::from(self.count))
    }

    /// Where the differences begin: after as many chunks as the statuses need.
    fn deltas_at(&self) -> usize {
        let mut left = usize::from(self.count);
        let words = self.chunks.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word));
        let needed = words.take_while(|word| {
            let is_needed = left > 0;
            left = left.saturating_sub(symbols_of(*word).count());
            is_needed
        });
        2 * needed.count()
    }
}

/// A chunk: a run of one status, or one bit or two for each of several.
fn symbols_of(chunk: u16) -> impl Iterator<Item = u8> {
    let (count, run, width) = match chunk >> 14 {
        0 | 1 => (chunk & 0x1fff, Some((chunk >> 13) as u8 & 3), 0),
        2 => (14, None, 1),
        _ => (7, None, 2),
    };
    (0..count).map(move |nth| match run {
        Some(symbol) => symbol,
        None => (chunk >> (14 - width * (nth + 1))) as u8 & ((1 << width) - 1),
    })
}

/// The chunks for statuses, each of which says as many of them as any form could.
fn chunks(mut symbols: impl Iterator<Item = u8> + Clone) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let first = symbols.clone().next()?;
        let run = symbols.clone().take_while(|symbol| *symbol == first).take(MAX_RUN).count();
        let is_narrow = symbols.clone().take(NARROW).all(|symbol| symbol < LARGE);
        let vector = if is_narrow { NARROW } else { WIDE };
        if run >= vector || symbols.clone().nth(run).is_none() {
            symbols.by_ref().take(run).for_each(drop);
            return Some((u16::from(first) << 13) | run as u16);
        }
        let (form, width) = if is_narrow { (0x8000, 1) } else { (0xc000, 2) };
        let place = |nth: usize| 14 - width * (nth + 1);
        Some(symbols.by_ref().take(vector).enumerate().fold(form, |c, (nth, s)| c | (u16::from(s) << place(nth))))
    })
}

fn symbol_of(difference: Option<i16>) -> u8 {
    match difference {
        None => 0,
        Some(0..=255) => 1,
        Some(_) => LARGE,
    }
}

/// When each packet came after the one before it. It ends before the first for which that cannot be said.
fn differences(
    times: impl Iterator<Item = Option<u32>> + Clone,
    since: u32,
) -> impl Iterator<Item = Option<i16>> + Clone {
    times.scan(since, |before, time| {
        let Some(time) = time else { return Some(None) };
        let difference = i16::try_from(time.wrapping_sub(*before) as i32).ok()?;
        *before = time;
        Some(Some(difference))
    })
}

impl Writer<'_> {
    /// Adds when the packets from `first` on came, in quarters of a millisecond from any beginning, of which 32 bits
    /// count; `None`: it did not come. `media` is one of the sources, `number` that of the feedback. Returns how many of
    /// them were told: as many as there is room for, and none if none of those came.
    pub fn arrivals(
        &mut self,
        sender: u32,
        media: u32,
        number: u8,
        first: u16,
        times: impl Iterator<Item = Option<u32>> + Clone,
    ) -> usize {
        let times = times.take(usize::from(u16::MAX));
        let Some(earliest) = times.clone().flatten().next() else { return 0 };
        let reference = earliest - earliest % TICKS_OF_REFERENCE;
        let room = self.room();
        let mut used = HEAD + 3;
        // Each chunk but the last says seven statuses at least.
        let fit = differences(times.clone(), reference).enumerate().take_while(|(nth, difference)| {
            used += usize::from(symbol_of(*difference));
            used + 2 * (nth + 1).div_ceil(WIDE) <= room
        });
        let count = fit.count();
        let told = differences(times, reference).take(count);
        if !told.clone().any(|difference| difference.is_some()) {
            return 0;
        }
        let is_written = self.packet(usize::from(TRANSPORT), RTPFB, |body| {
            body.word(sender);
            body.word(media);
            body.word((u32::from(first) << 16) | count as u32);
            body.word(reference | u32::from(number));
            chunks(told.clone().map(symbol_of)).for_each(|chunk| body.bytes(&chunk.to_be_bytes()));
            for difference in told.flatten() {
                match u8::try_from(difference) {
                    Ok(small) => body.bytes(&[small]),
                    Err(_) => body.bytes(&difference.to_be_bytes()),
                }
            }
            body.fill_word();
        });
        if is_written { count } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    // The fields of a chunk, as the draft draws them.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::unusual_byte_groupings)]
    use super::super::{Rtcp, read};
    use super::*;

    /// The chunks that the draft draws, §3.1.3 and §3.1.4, and what it says of them.
    fn drawn() -> [(u16, Vec<u8>); 4] {
        [
            (0b0_00_0000011011101, vec![0; 221]),
            (0b0_11_0000000011000, vec![3; 24]),
            (0b1_0_01111100011100, vec![0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]),
            (0b1_1_00_11_01_01_01_00_00, vec![0, 3, 1, 1, 1, 0, 0]),
        ]
    }

    #[test]
    fn the_chunks_that_the_draft_draws_mean_what_it_says() {
        for (chunk, symbols) in drawn() {
            assert_eq!(symbols_of(chunk).collect::<Vec<_>>(), symbols, "{chunk:016b}");
        }
    }

    #[test]
    fn statuses_become_the_chunks_that_the_draft_draws() {
        for (chunk, symbols) in drawn() {
            assert_eq!(chunks(symbols.into_iter()).collect::<Vec<_>>(), [chunk]);
        }
        // The second status of the fourth drawing is reserved, and never written: a large difference is.
        let large = [0, 2, 1, 1, 1, 0, 0];
        assert_eq!(chunks(large.into_iter()).collect::<Vec<_>>(), [0b1_1_00_10_01_01_01_00_00]);
    }

    #[test]
    fn a_run_is_written_where_it_says_more_than_a_vector() {
        let of = |symbols: &[u8]| chunks(symbols.iter().copied()).collect::<Vec<_>>();
        assert_eq!(of(&[1; 9000]), [0x2000 | 0x1fff, 0x2000 | (9000 - 0x1fff)]);
        assert_eq!(of(&[2; 7]), [0x4007]);
        assert_eq!(of(&[&[1; 8][..], &[2]].concat()), [0x2008, 0x4001]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn arrivals_are_read_from_runs_and_from_vectors_and_refused_where_they_do_not_fit() {
        // First 0xfffe, seven packets: a run of 2 small, one-bit vector, two large and a small in a two-bit vector.
        let mut body = vec![0xff, 0xfe, 0, 19, 0, 0, 9, 4];
        body.extend([0x20, 0x02]);
        body.extend([0x80 | 0x20, 0]);
        body.extend([0xc0 | 0x24, 0]);
        let deltas = [4, 5, 6, 0xff, 0xfc, 7];
        body.extend(deltas);
        let arrivals = Arrivals::read(&body).expect("well formed");
        let packets: Vec<_> = arrivals.packets().collect();
        assert_eq!(packets.len(), 19);
        assert_eq!(packets[..3], [(0xfffe, Some(4)), (0xffff, Some(5)), (0, Some(6))]);
        assert_eq!(packets[16..], [(14, Some(-4)), (15, Some(7)), (16, None)]);
        assert_eq!((arrivals.reference, arrivals.number), (9, 4));
        assert_eq!(arrivals.times().nth(1), Some((0xffff, Some(9 * 256 + 9))));
        assert_eq!(Arrivals::read(&body[..body.len() - 1]), None);
        assert_eq!(Arrivals::read(&body[..13]), None);
    }

    #[test]
    fn what_is_told_has_the_octets_of_the_draft() {
        let mut buffer = [0xee; 100];
        let mut writer = Writer::new(&mut buffer);
        // 64 ms and a quarter of one; 3 is lost; 4 comes before 2 did; 5 comes late.
        let times = [Some(257), Some(300), None, Some(299), Some(1000)];
        assert_eq!(writer.arrivals(0x0102_0304, 0x0506_0708, 9, 0xffff, times.into_iter()), 5);
        let length = writer.length();
        let expected = [
            0x8f,
            205,
            0,
            6,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            0xff,
            0xff,
            0,
            5,
            0,
            0,
            1,
            9, // up to the number of the feedback
            0b1101_0100,
            0b1010_0000,
            1,
            43,
            0xff,
            0xff,
            0x02,
            0xbd,
        ];
        assert_eq!(buffer[..length], expected);
        let Some(Rtcp::TransportFeedback { arrivals }) = read(&buffer[..length]).next() else { panic!() };
        assert_eq!(arrivals.times().map(|(_, time)| time).collect::<Vec<_>>(), times);
        assert_eq!(arrivals.times().map(|(number, _)| number).collect::<Vec<_>>(), [0xffff, 0, 1, 2, 3]);
    }

    #[test]
    fn as_much_is_told_as_there_is_room_for_and_can_be_said_and_nothing_if_nothing_came() {
        let times = |n: u32| (0..n).map(|nth| Some(nth * 2000));
        for size in 0..120 {
            let mut buffer = vec![0; size];
            let mut writer = Writer::new(&mut buffer);
            let count = writer.arrivals(1, 2, 3, 4, times(30));
            assert!(writer.length() <= size && count <= 30);
            assert_eq!(writer.length() > 0, count > 0, "{size}");
            assert_eq!(count > 0, size >= HEAD + 2 + 1 + 3, "{size}");
        }
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        let leap = [Some(5), Some(6), Some(6 + (i16::MAX as u32)), Some(7 + 2 * (i16::MAX as u32 + 1))];
        assert_eq!(writer.arrivals(1, 2, 3, 4, leap.into_iter()), 3);
        assert_eq!(writer.arrivals(1, 2, 3, 4, [None, None].into_iter()), 0);
    }
}
