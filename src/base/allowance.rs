//! So many in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a second is, in nanoseconds.
const SECOND: u64 = Duration::from_secs(1).as_nanos() as u64;

/// So many in a second, and no more at once; for several tasks, of which none waits for another.
#[derive(Debug)]
pub struct Allowance {
    /// What each takes of the second, in nanoseconds.
    cost: u64,
    began: Instant,
    /// Until when all is taken, in nanoseconds since the beginning: at most a second ahead.
    taken_until: AtomicU64,
}

impl Allowance {
    /// So many in a second, and one at least, from then on.
    pub fn new(a_second: u32, began: Instant) -> Allowance {
        Allowance { cost: SECOND / u64::from(a_second.max(1)), began, taken_until: AtomicU64::new(0) }
    }

    /// Whether there is room for one more, which then takes it.
    pub fn take(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.began).as_nanos();
        let now = u64::try_from(since).unwrap_or(u64::MAX / 2);
        let take = |until: u64| {
            let until = until.max(now).saturating_add(self.cost);
            (until <= now.saturating_add(SECOND)).then_some(until)
        };
        self.taken_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_so_many_at_once_or_one_by_one() {
        let began = Instant::now();
        let allowance = Allowance::new(10, began);
        let take =
            |ms: u64, wanted: usize| (0..wanted).filter(|_| allowance.take(began + Duration::from_millis(ms))).count();
        assert_eq!((take(0, 50), take(99, 50), take(100, 50), take(450, 50)), (10, 0, 1, 3));
        assert_eq!((take(60_000, 50), take(60_500, 2), take(61_000, 50)), (10, 2, 8), "no second is saved up");
    }
}
