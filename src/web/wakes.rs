//! Deadlines.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// When which part of a core is next due: each part owns its deadline, this only finds the first.
#[derive(Debug)]
pub struct Wakes<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, Instant>,
}

impl<K: Copy + Ord + std::hash::Hash> Wakes<K> {
    /// Nobody is due.
    pub fn new() -> Wakes<K> {
        Wakes { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }

    /// The deadline of a part, as it is from now on.
    pub fn set(&mut self, key: K, deadline: Option<Instant>) {
        let old = match deadline {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if let Some(old) = old {
            self.by_time.remove(&(old, key));
        }
        if let Some(at) = deadline {
            self.by_time.insert((at, key));
        }
    }

    /// A part that is due, if one is; it is taken out.
    pub fn due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// The first deadline.
    pub fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
