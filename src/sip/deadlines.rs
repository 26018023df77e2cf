//! All deadlines of an endpoint in one order, so that the next one is found without asking ten thousand
//! machines.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Instant;

use crate::base::IdMap;

/// At most one deadline for each key, which is a number of our own.
#[derive(Debug)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: IdMap<K, Instant>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Deadlines<K> {
        Deadlines { by_time: BTreeSet::new(), by_key: IdMap::default() }
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
    use std::time::Duration;

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
}
