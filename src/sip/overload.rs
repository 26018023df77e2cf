//! More new calls than can be carried (RFC 5390, RFC 6357): which are taken up, and which are turned away with a 503.
//!
//! ```text
//!   new call ─▶ arrive ─▶ the line ─▶ next ─┬─▶ taken up
//!                  │                        │
//!                  └─────▶ turned away ◀────┘
//! ```
//! What belongs to calls that are up never waits here. New calls wait in a [`Line`]; what is added here is SIP's: an INVITE
//! that comes again is the same call, and a CANCEL finds it.

pub mod sketch;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::sketch::Sketch;
use super::message::Request;
use super::transaction::key::COOKIE;
use crate::base::Dice;
use crate::base::line::{self, Line};

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
pub type Next<T> = line::Next<Mark, T>;

/// The line of new calls.
#[derive(Debug)]
pub struct Gate<T> {
    line: Line<Mark, T>,
    turned_away: Lately,
    secret: u64,
    tag: String,
}

impl<T> Gate<T> {
    /// A line in which nobody waits.
    pub fn new(dice: &mut Dice) -> Gate<T> {
        let (secret, tag) = (dice.u64(), dice.token(12));
        Gate { line: Line::default(), turned_away: Lately::default(), secret, tag }
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
        if self.line.contains(mark) {
            return Arrival::Again;
        }
        if self.turned_away.contains(now, mark) {
            return Arrival::TurnedAway(mark, call);
        }
        self.line.note(now);
        match self.line.push(now, mark, is_spared, call) {
            Ok(()) => Arrival::Waits,
            Err(call) => {
                self.turned_away.insert(now, mark);
                Arrival::TurnedAway(mark, call)
            }
        }
    }

    /// The next of the line, for whoever has nothing else to do; `None` if nobody waits. `admits` says whether one more may
    /// be taken up in this second.
    pub fn next(&mut self, now: Instant, admits: impl FnOnce() -> bool) -> Option<Next<T>> {
        let next = self.line.next(now, admits);
        if let Some(Next::TurnAway(mark, _)) = next {
            self.turned_away.insert(now, mark);
        }
        next
    }

    /// Whether the next of the line is turned away because it has waited for too long, which is to be done before all else.
    pub fn is_late(&mut self, now: Instant) -> bool {
        self.line.is_late(now)
    }

    /// Takes one out of the line, whose CANCEL has come.
    pub fn take_out(&mut self, mark: Mark) -> Option<T> {
        self.line.take_out(mark)
    }

    /// How many new calls came in the last whole second.
    pub fn a_second(&self) -> u32 {
        self.line.a_second()
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
