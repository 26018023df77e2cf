//! New calls from pages and IM clients, between the mailbox and the calls.
//!
//! ```text
//!   letter ─┬─ of a call that is up ────────────────────────────▶ the calls
//!           ├─ new, from who holds back by itself (SIP) ────────▶ the calls
//!           └─ new ─▶ the line ─┬─▶ taken up ───────────────────▶ the calls
//!                               └─▶ turned away ─▶ the leg hears that there are too many
//! ```
//! What belongs to calls that are up never waits here. Who waits and who is turned away is the [`Line`]'s to say, as it is
//! for SIP, and all new calls share one allowance for the second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::board::Letter;
use crate::base::LegId;
use crate::base::line::{Account, BATCH, Figures, Hold, Line, Next};
use crate::model::{Signal, Start, Switchboard};

/// How many signals of a call are kept while it waits, such as candidates; it is turned away for more.
pub const MOST_KEPT: usize = 64;

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// The calls are to read this.
    Read(Letter),
    /// This leg is to hear that there are too many calls.
    TurnAway(LegId),
}

/// A new call that waits.
#[derive(Debug)]
struct Newcomer {
    leg: LegId,
    start: Box<Start>,
    /// What its party has said since, but for the last word.
    said: Vec<Signal>,
}

/// All of them.
pub struct Entrance {
    line: Line<LegId, Newcomer>,
    switchboard: Arc<dyn Switchboard>,
    hold: Hold,
    account: Account,
    outputs: VecDeque<Output>,
}

impl Entrance {
    /// Without any.
    pub fn new(switchboard: Arc<dyn Switchboard>) -> Entrance {
        let (hold, account) = (Hold::default(), Account::default());
        Entrance { line: Line::default(), switchboard, hold, account, outputs: VecDeque::new() }
    }

    /// What is counted of them.
    pub fn figures(&self) -> Arc<Figures> {
        self.account.figures()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// A letter has come. `holds_back` says whether the adapter of a leg lets new calls wait by itself.
    pub fn handle(&mut self, now: Instant, letter: Letter, holds_back: impl FnOnce(LegId) -> bool) {
        match letter {
            Letter::Heard(leg, Signal::Start(start)) if start.about.replaces.is_none() => {
                self.line.note(now);
                match holds_back(leg) {
                    true => self.read(Letter::Heard(leg, Signal::Start(start))),
                    false => self.arrive(now, leg, start),
                }
            }
            Letter::Heard(leg, signal) if self.line.contains(leg) => self.keep(now, leg, signal),
            other => self.read(other),
        }
        self.account.set_waiting(self.line.len());
    }

    /// What is to be done, one thing at a time.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When there is something to be done: at once, if nothing else is, or after a while; `None` if nobody waits.
    pub fn pause(&mut self, now: Instant) -> Option<Duration> {
        self.hold.turn();
        if self.is_empty() {
            return None;
        }
        let is_late = self.line.is_late(now);
        Some(self.hold.pause(now, is_late, self.switchboard.backlog()))
    }

    /// Whether somebody is to be turned away, or has waited for long, whatever else there is to do.
    pub fn is_pressing(&mut self, now: Instant) -> bool {
        !self.is_empty() && (!self.hold.is_held(now) || self.line.is_late(now))
    }

    /// Turns away who has waited too long, and takes one up, if there is room for it: where there is nothing else to do, or
    /// if none was taken up for a while.
    pub fn serve(&mut self, now: Instant, is_idle: bool) {
        for _ in 0..BATCH {
            let has_room = !self.hold.is_held(now) || (is_idle && self.hold.has_room(now, self.switchboard.backlog()));
            let is_to_go = has_room || self.line.is_late(now);
            if !is_to_go || self.next(now) != Some(false) {
                break;
            }
        }
        self.account.set_waiting(self.line.len());
    }

    fn arrive(&mut self, now: Instant, leg: LegId, start: Box<Start>) {
        let is_first = self.is_empty();
        let is_spared = self.switchboard.is_emergency(&start.to.user);
        let newcomer = Newcomer { leg, start, said: Vec::new() };
        if self.line.push(now, leg, is_spared, newcomer).is_err() {
            return self.turn_away(now, leg);
        }
        if is_first && self.hold.is_in_order(now, self.switchboard.backlog()) {
            self.next(now);
        }
    }

    /// The next of the line goes: whether it is taken up; `None` if nobody waits.
    fn next(&mut self, now: Instant) -> Option<bool> {
        match self.line.next(now, || self.switchboard.admits(now))? {
            Next::TurnAway(leg, _) => {
                self.turn_away(now, leg);
                Some(false)
            }
            Next::TakeUp(Newcomer { leg, start, said }) => {
                self.hold.note(now);
                self.read(Letter::Heard(leg, Signal::Start(start)));
                said.into_iter().for_each(|signal| self.read(Letter::Heard(leg, signal)));
                Some(true)
            }
        }
    }

    /// The party of a call that waits says something. If it gives up, nobody was called, and there is nothing to end.
    fn keep(&mut self, now: Instant, leg: LegId, signal: Signal) {
        if matches!(signal, Signal::Hangup(_)) {
            debug!(%leg, "gives up before the call is taken up");
            self.line.take_out(leg);
            return;
        }
        let Some(newcomer) = self.line.get_mut(leg) else { return };
        if newcomer.said.len() < MOST_KEPT {
            return newcomer.said.push(signal);
        }
        self.line.take_out(leg);
        self.turn_away(now, leg);
    }

    fn turn_away(&mut self, now: Instant, leg: LegId) {
        self.outputs.push_back(Output::TurnAway(leg));
        if let Some(turned_away) = self.account.turn_away(now) {
            let (a_second, waiting) = (self.line.a_second(), self.line.len());
            warn!(
                turned_away,
                a_second, waiting, "more new calls come than can be taken up: some of pages and IM clients are refused"
            );
        }
    }

    fn read(&mut self, letter: Letter) {
        self.outputs.push_back(Output::Read(letter));
    }
}

#[cfg(test)]
mod tests;
