//! More new calls than can be carried (RFC 5390, RFC 6357): which are taken up, and which are turned away with a 503.
//!
//! ```text
//!   new call ─▶ arrive ─▶ the line ─▶ next ─┬─▶ taken up
//!                  │                        │
//!                  └─────▶ turned away ◀────┘
//! ```
//! What belongs to calls that are up never waits here. New calls wait in a line, and one is taken up whenever there is
//! nothing else to do; so the line stands exactly where there is more to do than can be done, and nobody has to know how
//! much that is. A line that does not get empty for [`SUSTAINED`] while [`MANY`] come in a second is an overload: from then
//! on whoever has waited for longer than [`PATIENCE`] is turned away, which costs a small part of what a call costs. A
//! machine that stands still for a while, or has few calls, has no overload: they wait, and are taken up.

mod pace;
pub mod sketch;

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::pace::{Allowance, Rate};
use self::sketch::Sketch;
use super::message::Request;
use super::transaction::key::COOKIE;
use crate::base::Dice;

/// How long the line is never empty before it is an overload. Longer than anything that comes in bunches.
pub const SUSTAINED: Duration = Duration::from_secs(1);
/// How many new calls come in each of two seconds on end, at least, before it is an overload.
pub const MANY: u32 = 50;
/// How long a new call waits at most while there is an overload: far less than the half second after which its INVITE comes
/// again (RFC 3261 §17.1.1.1, T1).
pub const PATIENCE: Duration = Duration::from_millis(50);
/// The most new calls that wait, overload or not.
pub const MOST_WAITING: usize = 4096;
/// The most that wait at the head of the line, whatever else waits.
pub const MOST_SPARED: usize = 64;
/// How long at least it is known who was turned away: what was on its way when the 503 left is no other call.
pub const REMEMBERED: Duration = Duration::from_secs(4);
/// How many of them are remembered in that time.
pub const MOST_REMEMBERED: usize = 16_384;

/// Names an INVITE and its repetitions, and its CANCEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(u64);

/// What becomes of a new call that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival<T> {
    /// It is in the line.
    Waits,
    /// It stands in the line already.
    Again,
    /// It is turned away.
    TurnedAway(Mark, T),
}

/// What is to be done with the next of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// It is to be taken up.
    TakeUp(T),
    /// It is turned away.
    TurnAway(Mark, T),
}

#[derive(Debug)]
struct Waiting<T> {
    mark: Mark,
    since: Instant,
    is_spared: bool,
    call: T,
}

/// The line of new calls.
#[derive(Debug)]
pub struct Gate<T> {
    line: VecDeque<Waiting<T>>,
    marks: HashSet<Mark>,
    /// How many of the line are spared.
    spared: usize,
    /// Since when the line was never empty.
    standing_since: Option<Instant>,
    rate: Rate,
    allowance: Option<Allowance>,
    turned_away: Lately,
    secret: u64,
    tag: String,
}

impl<T> Gate<T> {
    /// A line in which nobody waits; at most so many are taken up in a second, if there is a limit.
    pub fn new(a_second: Option<u32>, dice: &mut Dice) -> Gate<T> {
        Gate {
            line: VecDeque::new(),
            marks: HashSet::new(),
            spared: 0,
            standing_since: None,
            rate: Rate::default(),
            allowance: a_second.map(Allowance::new),
            turned_away: Lately::default(),
            secret: dice.u64(),
            tag: dice.token(12),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Names an INVITE, or a CANCEL of it, that came from there.
    pub fn mark(&self, source: SocketAddr, branch: &str, call_id: &[u8]) -> Mark {
        let mut hasher = DefaultHasher::new();
        (self.secret, source, branch, call_id).hash(&mut hasher);
        Mark(hasher.finish())
    }

    /// The mark of a request that was drawn.
    pub fn mark_of_sketch(&self, source: SocketAddr, sketch: &Sketch<'_>) -> Mark {
        self.mark(source, sketch.branch, sketch.call_id)
    }

    /// The mark of a request that was read.
    pub fn mark_of_request(&self, source: SocketAddr, request: &Request) -> Mark {
        let via = request.headers.via().ok();
        let branch = via.as_ref().and_then(|via| via.branch()).unwrap_or(COOKIE);
        let call_id = request.headers.call_id().map(|id| id.as_bytes()).unwrap_or_default();
        self.mark(source, branch, call_id)
    }

    /// The tag in `To` of whoever is turned away: the same whenever the same INVITE comes (RFC 3261 §8.2.7).
    pub fn tag(&self, mark: Mark) -> String {
        format!("{}{:016x}", self.tag, mark.0)
    }

    /// Whether a tag is one of those, so that its ACK is known for the end of it.
    pub fn is_of_turned_away(&self, tag: &[u8]) -> bool {
        tag.len() == self.tag.len() + 16 && tag.starts_with(self.tag.as_bytes())
    }

    /// A new call comes in, which may be spared: it goes before all others, and is not turned away.
    pub fn arrive(&mut self, now: Instant, mark: Mark, is_spared: bool, call: T) -> Arrival<T> {
        if self.marks.contains(&mark) {
            return Arrival::Again;
        }
        if self.turned_away.contains(now, mark) {
            return Arrival::TurnedAway(mark, call);
        }
        self.rate.note(now);
        let is_spared = is_spared && self.spared < MOST_SPARED;
        if self.line.len() >= MOST_WAITING && !is_spared {
            self.turned_away.insert(now, mark);
            return Arrival::TurnedAway(mark, call);
        }
        self.standing_since.get_or_insert(now);
        self.marks.insert(mark);
        let waiting = Waiting { mark, since: now, is_spared, call };
        if is_spared {
            // Behind those who are spared as well.
            self.line.insert(self.spared.min(self.line.len()), waiting);
            self.spared += 1;
        } else {
            self.line.push_back(waiting);
        }
        Arrival::Waits
    }

    /// The next of the line, for whoever has nothing else to do; `None` if nobody waits.
    pub fn next(&mut self, now: Instant) -> Option<Next<T>> {
        let is_late = self.is_late(now);
        let waiting = self.line.pop_front()?;
        let (mark, is_spared, call) = (waiting.mark, waiting.is_spared, self.leave(waiting));
        let is_within = !is_late && self.allowance.as_mut().is_none_or(|allowance| allowance.take(now));
        let is_allowed = is_within || is_spared;
        if is_allowed {
            return Some(Next::TakeUp(call));
        }
        self.turned_away.insert(now, mark);
        Some(Next::TurnAway(mark, call))
    }

    /// Whether the next of the line is turned away because it has waited for too long, which is to be done before all else.
    pub fn is_late(&mut self, now: Instant) -> bool {
        let is_late = self.line.front().is_some_and(|first| !first.is_spared && first.since + PATIENCE < now);
        is_late && self.is_overloaded(now)
    }

    /// Takes one out of the line, whose CANCEL has come.
    pub fn take_out(&mut self, mark: Mark) -> Option<T> {
        if !self.marks.contains(&mark) {
            return None;
        }
        let at = self.line.iter().position(|waiting| waiting.mark == mark)?;
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

    fn leave(&mut self, waiting: Waiting<T>) -> T {
        self.marks.remove(&waiting.mark);
        self.spared -= usize::from(waiting.is_spared);
        if self.line.is_empty() {
            self.standing_since = None;
        }
        waiting.call
    }
}

/// Who was turned away lately.
#[derive(Debug, Default)]
struct Lately {
    since: Option<Instant>,
    young: HashSet<Mark>,
    old: HashSet<Mark>,
}

impl Lately {
    fn turn(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        if now >= since + REMEMBERED * 2 {
            self.old.clear();
            self.young.clear();
            self.since = None;
        } else if now >= since + REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(since + REMEMBERED);
        }
    }

    fn contains(&mut self, now: Instant, mark: Mark) -> bool {
        self.turn(now);
        self.young.contains(&mark) || self.old.contains(&mark)
    }

    fn insert(&mut self, now: Instant, mark: Mark) {
        self.turn(now);
        self.since.get_or_insert(now);
        if self.young.len() < MOST_REMEMBERED {
            self.young.insert(mark);
        }
    }
}

#[cfg(test)]
mod tests;
