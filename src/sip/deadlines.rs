//! All deadlines of an endpoint in one order, so that the next one is found without asking ten thousand
//! machines.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::base::IdMap;

/// How much later something may happen that nobody waits for.
pub const LEISURE: Duration = Duration::from_millis(250);

/// At most one deadline for each key, which is a number of our own.
#[derive(Debug)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: IdMap<K, Instant>,
    /// From where leisure is counted.
    origin: Option<Instant>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Deadlines<K> {
        Deadlines { by_time: BTreeSet::new(), by_key: IdMap::default(), origin: None }
    }
}

impl<K: Copy + Ord + Hash> Deadlines<K> {
    /// Sets the deadline of `key`, or takes it away.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    /// Sets the deadline of what nobody waits for, such as to be forgotten: with all else of that kind that is due within the
    /// same [`LEISURE`]. Each call leaves some six such behind, and to wake up for each would cost as much as a message.
    pub fn set_leisurely(&mut self, key: K, at: Instant) {
        let origin = *self.origin.get_or_insert(at);
        let step = LEISURE.as_nanos();
        let steps = |time: Duration| Duration::from_nanos(time.as_nanos().next_multiple_of(step) as u64);
        let rounded = match at.checked_duration_since(origin) {
            Some(after) => origin + steps(after),
            // Down from the origin, so that it comes out later than wished as well.
            None => origin.checked_sub(steps(origin - at)).map_or(at, |before| before + LEISURE),
        };
        self.set(key, Some(rounded));
    }

    /// The first deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one key out whose deadline has passed, the earliest first.
    pub fn take_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn deadlines_come_in_order_once_each_and_a_new_one_replaces_the_old() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        deadlines.set('a', Some(at(30)));
        deadlines.set('b', Some(at(20)));
        deadlines.set('c', Some(at(20)));
        deadlines.set('a', Some(at(10)));
        deadlines.set('c', None);
        assert_eq!((deadlines.next(), deadlines.len()), (Some(at(10)), 2));
        assert_eq!(deadlines.take_due(at(9)), None);
        assert_eq!(deadlines.take_due(at(25)), Some('a'));
        assert_eq!(deadlines.take_due(at(25)), Some('b'));
        assert_eq!(deadlines.take_due(at(99)), None);
        assert!(deadlines.is_empty() && deadlines.next().is_none());
    }
    #[test]
    fn what_nobody_waits_for_is_due_together_within_its_leisure_and_never_before() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut deadlines = Deadlines::default();
        let mut times = HashSet::new();
        for key in 0..2_000_u32 {
            // Around the first one, which all are counted from.
            let at = now + Duration::from_micros(u64::from(key * 500_009 % 10_000_000));
            deadlines.set_leisurely(key, at);
            let found = deadlines.by_key[&key];
            assert!(at <= found && found - at < LEISURE + Duration::from_nanos(1), "{:?}", found - at);
            times.insert(found);
        }
        let before = now - Duration::from_secs(5);
        deadlines.set_leisurely(2_000, before);
        assert!((before..=before + LEISURE).contains(&deadlines.by_key[&2_000]));
        assert!(times.len() <= 41, "{} times in ten seconds", times.len());
    }
}
