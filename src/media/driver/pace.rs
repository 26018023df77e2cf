//! How long a shard gathers before it works, and from when on it works only on what is worth it.

use std::time::{Duration, Instant};

/// How long packets are gathered at least before a busy shard handles them together: waking up for each costs more than
/// relaying it.
pub const GATHER: Duration = Duration::from_millis(1);

/// How long at most, where so few come that a turn for them would cost more than they do. This is the delay that a busy
/// relay adds at most.
pub const LONGEST_GATHER: Duration = Duration::from_millis(2);

/// So many are worth a turn.
pub const WORTH: u32 = 64;

/// From how many datagrams a second on a shard gathers.
pub const BUSY: u32 = 500;

/// How often it is judged whether the shard is busy.
pub const JUDGED_EVERY: Duration = Duration::from_millis(50);

/// A shard that has worked for so long without a rest has more to do than it can.
pub const BEHIND_AFTER: Duration = Duration::from_millis(100);

/// What one turn counts for that at most: in a longer one the thread stood still, and may yet catch up.
pub const LONGEST_TURN: Duration = Duration::from_millis(20);

/// While a shard is behind, datagrams that have waited longer are dropped, oldest first: of speech that comes late
/// nobody has anything, and those behind it would come later still.
pub const STALE: Duration = Duration::from_millis(50);

/// The same for a busy one that is not, but stood still: what has waited longer comes too late to be played.
pub const LATE: Duration = Duration::from_millis(80);

/// A turn that begins so long after the one before may find datagrams that have waited.
pub const STANDSTILL: Duration = Duration::from_millis(10);

/// How long a shard that was behind is taken to be so: the rests between two bursts are none.
pub const BEHIND_FOR: Duration = Duration::from_secs(1);

/// What was dropped gave it a rest. So for this long one turn of [`LONGEST_TURN`] without a rest tells that it is behind
/// again.
pub const SUSPECT_FOR: Duration = Duration::from_secs(30);

/// The pace of one shard.
#[derive(Debug)]
pub struct Pace {
    judged: Instant,
    datagrams: u32,
    gather: Duration,
    began: Instant,
    ended: Instant,
    without_rest: Duration,
    behind_until: Option<Instant>,
}

impl Pace {
    /// Of a shard that has nothing to do.
    pub fn new(now: Instant) -> Pace {
        Pace {
            judged: now,
            datagrams: 0,
            gather: Duration::ZERO,
            began: now,
            ended: now,
            without_rest: Duration::ZERO,
            behind_until: None,
        }
    }

    /// A turn that began at `began` and handled so many datagrams is over at `now`; returns how long to sleep.
    pub fn rest(&mut self, began: Instant, now: Instant, datagrams: u32) -> Duration {
        self.datagrams = self.datagrams.saturating_add(datagrams);
        let passed = began.saturating_duration_since(self.judged);
        if passed >= JUDGED_EVERY {
            let is_busy = u128::from(self.datagrams) * 1000 > passed.as_millis() * u128::from(BUSY);
            // How long as many take to come as are worth a turn.
            let worth = passed * WORTH / self.datagrams.max(1);
            self.gather = if is_busy { worth.clamp(GATHER, LONGEST_GATHER) } else { Duration::ZERO };
            (self.judged, self.datagrams) = (began, 0);
        }
        let rest = self.gather.saturating_sub(now.saturating_duration_since(began));
        self.without_rest = match rest.is_zero() && !self.gather.is_zero() {
            true => self.without_rest + now.saturating_duration_since(self.ended).min(LONGEST_TURN),
            false => Duration::ZERO,
        };
        let is_suspect = self.behind_until.is_some_and(|until| now < until + SUSPECT_FOR);
        if self.without_rest >= if is_suspect { LONGEST_TURN } else { BEHIND_AFTER } {
            self.behind_until = Some(now + BEHIND_FOR);
        }
        (self.began, self.ended) = (began, now);
        rest
    }

    /// How long a datagram may have waited that a turn finds that begins at `now`; `None`: none has waited for long.
    pub fn stale_after(&self, now: Instant) -> Option<Duration> {
        if self.behind_until.is_some_and(|until| now < until) {
            return Some(STALE);
        }
        // What little an idle shard finds late does not hold up anything.
        let is_busy = !self.gather.is_zero();
        (is_busy && now.saturating_duration_since(self.began) >= STANDSTILL).then_some(LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_micros(10);

    /// Turns of a millisecond, each with so many datagrams and as much work.
    fn run(pace: &mut Pace, from: Instant, turns: u32, datagrams: u32, work: Duration) -> (Instant, Duration) {
        (0..turns).fold((from, Duration::ZERO), |(now, _), _| {
            let rest = pace.rest(now, now + work, datagrams);
            (now + work.max(Duration::from_millis(1)), rest)
        })
    }

    #[test]
    fn a_busy_shard_gathers_for_a_millisecond_one_with_little_for_two_and_an_idle_one_not_at_all() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (now, rest) = run(&mut pace, start, 60, 1, TURN);
        assert_eq!(rest, LONGEST_GATHER - TURN);
        let (now, rest) = run(&mut pace, now, 110, WORTH * 2, TURN);
        assert_eq!(rest, GATHER - TURN);
        let (now, rest) = run(&mut pace, now, 110, 40, TURN);
        assert_eq!(rest, GATHER * 8 / 5 - TURN);
        let (_, rest) = run(&mut pace, now, 110, 0, TURN);
        assert_eq!(rest, Duration::ZERO);
    }

    #[test]
    fn a_shard_that_never_rests_drops_what_is_old_until_it_rests_for_long() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (now, _) = run(&mut pace, start, 100, 20, TURN);
        assert_eq!(pace.stale_after(now), None);
        let (now, rest) = run(&mut pace, now, 25, 20, Duration::from_millis(5));
        assert_eq!((rest, pace.stale_after(now)), (Duration::ZERO, Some(STALE)));
        let (now, _) = run(&mut pace, now, 900, 20, TURN);
        assert_eq!(pace.stale_after(now), Some(STALE));
        let (now, _) = run(&mut pace, now, 200, 20, TURN);
        assert_eq!(pace.stale_after(now), None);
        let (now, _) = run(&mut pace, now, 1, 20, LONGEST_TURN);
        assert_eq!(pace.stale_after(now), Some(STALE), "it was behind just before");
        let (now, _) = run(&mut pace, now + SUSPECT_FOR, 2000, 20, TURN);
        let (now, _) = run(&mut pace, now, 1, 20, LONGEST_TURN);
        assert_eq!(pace.stale_after(now), Some(LATE));
    }

    #[test]
    fn a_thread_that_stood_still_once_is_not_behind_but_drops_what_waited_too_long() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (now, _) = run(&mut pace, start, 100, 20, TURN);
        assert_eq!(pace.stale_after(now), None);
        let (now, _) = run(&mut pace, now, 1, 20, BEHIND_AFTER * 10);
        assert_eq!(pace.stale_after(now), Some(LATE));
        let (now, _) = run(&mut pace, now, 1, 20, TURN);
        assert_eq!(pace.stale_after(now), None);
        let (now, _) = run(&mut pace, now, 60, 0, TURN);
        assert_eq!(pace.stale_after(now + BEHIND_AFTER * 10), None, "one that is idle");
    }
}
