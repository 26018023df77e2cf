//! A line in which new calls wait, and from which those are turned away that have waited for too long (RFC 5390, RFC 6357).
//!
//! One of them is taken up whenever there is nothing else to do; so the line stands exactly where there is more to do than
//! can be done, and nobody has to know how much that is. A line that does not get empty for [`SUSTAINED`] while [`MANY`]
//! come in a second is an overload: from then on whoever has waited for longer than [`PATIENCE`] is turned away, which costs
//! a small part of what a call costs. It is over once the last of the line could be taken up. A machine that stands still for
//! a while, or has few calls, has no overload: they wait, and are taken up.

mod figures;
mod hold;
mod rate;

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

pub use self::figures::{Account, Figures};
pub use self::hold::{BATCH, Hold};
use self::rate::Rate;

/// How long the line is never empty before it is an overload. Longer than anything that comes in bunches.
pub const SUSTAINED: Duration = Duration::from_secs(1);
/// How many new calls come in each of two seconds on end, at least, before it is an overload.
pub const MANY: u32 = 50;
/// How long a new call waits at most while there is an overload: far less than the half second after which an INVITE comes
/// again (RFC 3261 §17.1.1.1, T1).
pub const PATIENCE: Duration = Duration::from_millis(50);
/// The most new calls that wait, overload or not.
pub const MOST_WAITING: usize = 4096;
/// The most that wait at the head of the line, whatever else waits.
pub const MOST_SPARED: usize = 64;

/// What is to be done with the next of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<K, T> {
    /// It is to be taken up.
    TakeUp(T),
    /// It is turned away.
    TurnAway(K, T),
}

#[derive(Debug)]
struct Waiting<K, T> {
    key: K,
    since: Instant,
    is_spared: bool,
    call: T,
}

/// The line, of calls that are told apart by a key.
#[derive(Debug)]
pub struct Line<K, T> {
    line: VecDeque<Waiting<K, T>>,
    keys: HashSet<K>,
    /// How many of the line are spared.
    spared: usize,
    /// Since when the line was never empty, but for those who were turned away because they waited for too long.
    standing_since: Option<Instant>,
    rate: Rate,
}

impl<K, T> Default for Line<K, T> {
    fn default() -> Self {
        let (line, keys) = (VecDeque::new(), HashSet::new());
        Line { line, keys, spared: 0, standing_since: None, rate: Rate::default() }
    }
}

impl<K: Copy + Eq + Hash, T> Line<K, T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether this one waits.
    pub fn contains(&self, key: K) -> bool {
        self.keys.contains(&key)
    }

    /// A new call has come, whether it is to wait or not.
    pub fn note(&mut self, now: Instant) {
        self.rate.note(now);
    }

    /// It waits from here on. It may be spared: it goes before all others, and is not turned away.
    ///
    /// # Errors
    /// The call, where there is no room for more.
    pub fn push(&mut self, now: Instant, key: K, is_spared: bool, call: T) -> Result<(), T> {
        let is_spared = is_spared && self.spared < MOST_SPARED;
        if self.line.len() >= MOST_WAITING && !is_spared {
            return Err(call);
        }
        self.standing_since.get_or_insert(now);
        self.keys.insert(key);
        let waiting = Waiting { key, since: now, is_spared, call };
        if is_spared {
            // Behind those who are spared as well.
            self.line.insert(self.spared.min(self.line.len()), waiting);
            self.spared += 1;
        } else {
            self.line.push_back(waiting);
        }
        Ok(())
    }

    /// The next of the line, for whoever has nothing else to do; `None` if nobody waits. `admits` says whether one more may
    /// be taken up in this second.
    pub fn next(&mut self, now: Instant, admits: impl FnOnce() -> bool) -> Option<Next<K, T>> {
        let (is_late, standing_since) = (self.is_late(now), self.standing_since);
        let waiting = self.line.pop_front()?;
        let (key, is_spared, call) = (waiting.key, waiting.is_spared, self.leave(waiting));
        if is_late {
            // Nobody is left because nobody else was let in: the overload is not over by that.
            self.standing_since = standing_since;
        }
        let is_within = !is_late && admits();
        Some(if is_within || is_spared { Next::TakeUp(call) } else { Next::TurnAway(key, call) })
    }

    /// Whether the next of the line is turned away because it has waited for too long, which is to be done before all else.
    pub fn is_late(&mut self, now: Instant) -> bool {
        let is_late = self.line.front().is_some_and(|first| !first.is_spared && first.since + PATIENCE < now);
        is_late && self.is_overloaded(now)
    }

    /// One of those who wait.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        if !self.keys.contains(&key) {
            return None;
        }
        self.line.iter_mut().find(|waiting| waiting.key == key).map(|waiting| &mut waiting.call)
    }

    /// Takes one out of the line who has given up.
    pub fn take_out(&mut self, key: K) -> Option<T> {
        if !self.keys.contains(&key) {
            return None;
        }
        let at = self.line.iter().position(|waiting| waiting.key == key)?;
        let waiting = self.line.remove(at)?;
        Some(self.leave(waiting))
    }

    /// How many new calls came in the last whole second.
    pub fn a_second(&self) -> u32 {
        self.rate.last()
    }

    fn is_overloaded(&mut self, now: Instant) -> bool {
        let stands = self.standing_since.is_some_and(|since| since + SUSTAINED <= now);
        stands && self.rate.is_at_least(now, MANY)
    }

    fn leave(&mut self, waiting: Waiting<K, T>) -> T {
        self.keys.remove(&waiting.key);
        self.spared -= usize::from(waiting.is_spared);
        if self.line.is_empty() {
            self.standing_since = None;
        }
        waiting.call
    }
}
