//! The packets of a source of pictures that did not come, which it is asked for again (RFC 4585 §6.2.1).
//!
//! ```text
//!  gap seen ──REORDERING──▶ asked ──a round trip──▶ asked … ──MAX_ASKED times──▶ given up: a whole picture is wanted
//!      └────────────────────────┴─────── it comes ───────┴──▶ forgotten
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a missing packet may be on its way behind those after it, before it is asked for.
pub const REORDERING: Duration = Duration::from_millis(10);

/// How often one packet is asked for.
pub const MAX_ASKED: u8 = 8;

/// How long a packet is asked for at the most: who shows pictures waits no longer for what is missing in them.
pub const MAX_WAIT: Duration = Duration::from_secs(1);

/// Packets that may be missing at once. More of them are not asked for but a whole picture, which is smaller.
pub const MAX_MISSING: usize = 256;

/// The time after which a packet is asked for once more, while the round trip is not known; and the bounds of it.
const USUAL_WAIT: Duration = Duration::from_millis(100);
const LEAST_WAIT: Duration = Duration::from_millis(20);
const MOST_WAIT: Duration = Duration::from_millis(400);

/// A larger step back than this is another numbering, and none that comes late.
const MAX_LATE: u16 = crate::rtp::window::SPAN as u16;

/// A packet that did not come.
#[derive(Debug, Clone, Copy)]
struct Gap {
    sequence: u16,
    since: Instant,
    /// When it is to be asked for, or given up.
    due: Instant,
    asked: u8,
}

/// What a packet means for those that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// None is missing because of it.
    InOrder,
    /// Some before it are: there is a deadline that was not there before.
    WithGap,
    /// So many before it are that they are not asked for: a whole picture is wanted.
    WithLeap,
}

/// The packets of one source that are missing.
#[derive(Debug, Default)]
pub struct Missing {
    newest: Option<(u32, u16)>,
    gaps: VecDeque<Gap>,
    asked: u64,
}

impl Missing {
    /// Takes in that a packet came.
    pub fn hear(&mut self, now: Instant, ssrc: u32, sequence: u16) -> Came {
        let before = self.newest.filter(|(source, _)| *source == ssrc).map(|(_, sequence)| sequence);
        let Some(before) = before else {
            self.forget();
            self.newest = Some((ssrc, sequence));
            return Came::InOrder;
        };
        let ahead = sequence.wrapping_sub(before);
        if ahead.wrapping_neg() <= MAX_LATE {
            self.gaps.retain(|gap| gap.sequence != sequence);
            return Came::InOrder;
        }
        self.newest = Some((ssrc, sequence));
        if ahead == 1 {
            return Came::InOrder;
        }
        let lost = usize::from(ahead - 1);
        if self.gaps.len() + lost > MAX_MISSING {
            self.gaps.clear();
            return Came::WithLeap;
        }
        let gap = |n| Gap { sequence: before.wrapping_add(n), since: now, due: now + REORDERING, asked: 0 };
        self.gaps.extend((1..ahead).map(gap));
        Came::WithGap
    }

    /// The source is not heard from here on, or nobody wants what it shows.
    pub fn forget(&mut self) {
        self.newest = None;
        self.gaps.clear();
    }

    /// When [`Missing::ask`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.gaps.iter().map(|gap| gap.due).min()
    }

    /// Notes those to ask for, in their order; returns whether some were given up.
    pub fn ask(&mut self, now: Instant, round_trip: Option<Duration>, wanted: &mut Vec<u16>) -> bool {
        let wait = round_trip.map_or(USUAL_WAIT, |time| (time * 5 / 4).clamp(LEAST_WAIT, MOST_WAIT));
        let before = self.gaps.len();
        self.gaps.retain(|gap| {
            gap.due > now || (gap.asked < MAX_ASKED && now.saturating_duration_since(gap.since) < MAX_WAIT)
        });
        for gap in self.gaps.iter_mut().filter(|gap| gap.due <= now) {
            self.asked += u64::from(gap.asked == 0);
            gap.asked += 1;
            gap.due = now + wait;
            wanted.push(gap.sequence);
        }
        self.gaps.len() < before
    }

    /// How many packets were asked for.
    pub fn asked(&self) -> u64 {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(40));

    fn ask(missing: &mut Missing, now: Instant) -> (Vec<u16>, bool) {
        let mut wanted = Vec::new();
        let given_up = missing.ask(now, RTT, &mut wanted);
        (wanted, given_up)
    }

    #[test]
    fn what_only_changed_places_is_not_asked_for_and_what_is_lost_is_until_it_comes() {
        let start = Instant::now();
        let mut missing = Missing::default();
        let heard = [65_533u16, 65_534, 0, 65_535, 3].map(|sequence| missing.hear(start, 7, sequence));
        assert_eq!(heard, [Came::InOrder, Came::InOrder, Came::WithGap, Came::InOrder, Came::WithGap]);
        assert_eq!(missing.poll_timeout(), Some(start + REORDERING));
        assert_eq!(ask(&mut missing, start), (vec![], false));
        let first = start + REORDERING;
        assert_eq!(ask(&mut missing, first), (vec![1, 2], false));
        assert_eq!(missing.poll_timeout(), Some(first + Duration::from_millis(50)));
        missing.hear(first + Duration::from_millis(40), 7, 2);
        assert_eq!(ask(&mut missing, first + Duration::from_millis(50)), (vec![1], false));
        missing.hear(first + Duration::from_millis(90), 7, 1);
        assert_eq!((missing.poll_timeout(), missing.asked()), (None, 2));
    }

    #[test]
    fn what_does_not_come_is_given_up_after_so_many_times_or_so_long() {
        let start = Instant::now();
        for round_trip in [Duration::from_millis(1), Duration::from_secs(9)] {
            let mut missing = Missing::default();
            missing.hear(start, 7, 1);
            missing.hear(start, 7, 3);
            let (mut times, mut wanted) = (0, Vec::new());
            while let Some(due) = missing.poll_timeout() {
                assert!(due <= start + MAX_WAIT + MOST_WAIT);
                let given_up = missing.ask(due, Some(round_trip), &mut wanted);
                times += 1;
                assert_eq!(given_up, missing.poll_timeout().is_none());
            }
            assert_eq!(wanted.len() + 1, times);
            let expected = if round_trip < LEAST_WAIT { usize::from(MAX_ASKED) } else { 3 };
            assert_eq!(wanted, vec![2; expected]);
        }
    }

    #[test]
    fn a_leap_another_source_and_another_numbering_are_not_asked_for_packet_by_packet() {
        let start = Instant::now();
        let mut missing = Missing::default();
        missing.hear(start, 7, 1);
        assert_eq!(missing.hear(start, 7, 2 + MAX_MISSING as u16), Came::WithGap);
        assert_eq!(missing.gaps.len(), MAX_MISSING);
        assert_eq!(missing.hear(start, 7, 4 + MAX_MISSING as u16), Came::WithLeap);
        assert_eq!(missing.poll_timeout(), None);
        assert_eq!(missing.hear(start, 8, 4000), Came::InOrder);
        assert_eq!(missing.hear(start, 8, 4000 - MAX_LATE), Came::InOrder);
        assert_eq!(missing.hear(start, 8, 3999 - MAX_LATE), Came::WithLeap);
        assert_eq!(missing.hear(start, 8, 4000 - MAX_LATE), Came::InOrder, "the numbers go on from there");
    }
}
