//! A call between two parties: from the caller's `Start` to the record.
//!
//! ```text
//!            Start                      Accept of a branch
//!  (opening) ─────▶ Dialling(attempt) ─────▶ Answering ─────▶ Talking
//!    │ ▲ │              │  ▲ next attempt     (callee's         │
//!    │ │ │ echo         ▼  │                   media comes up)  │
//!    │ │ └─────────▶ Talking ◀──────────────────────────────────┘
//!    │ │                │ Hangup of either, or nobody answered
//!    │ │                ▼
//!    │ │             Ending (the relay's last figures) ─────▶ record, gone
//!    ▼ │ Offer
//!  Soliciting (the caller offers when asked)
//!
//!  an attempt whose media go directly: Direct, until it ends or the next attempt is due; Talking, where a transfer has
//!  brought the media to the relay
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::candidates::Kept;
use super::dialling::Dialling;
use super::direct::Direct;
use super::diverted::Diverted;
use super::ears::Ears;
use super::glare::Met;
use super::leg::Leg;
use super::opening::Soliciting;
use super::pictures::Asking;
use super::plan::Attempt;
use super::pressing::Pressing;
use super::record::Ledger;
use super::sounds::Playing;
use super::transfer::Move;
use crate::base::{CallId, LegId};
use crate::model::{
    Along, Answer, Cause, Detail, Direction, Dtmf, Entry, GraphLeg, Hangup, Identity, MediaPath, Progress, Record,
    RelayCommand, RelayEvent, Services, Signal, Sound, Start, Tap, TapWord, UserToUser,
};

/// How long the relay may take to lay a leg or to say its last figures.
pub(super) const RELAY_PATIENCE: Duration = Duration::from_secs(2);
/// How long a callee's transport may take to come up after it answered, before the caller is told of the answer.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// What a call gives out.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Say this on the leg.
    Say(LegId, Signal),
    /// Order this of the relay.
    Order(RelayCommand),
    /// The party of this leg wishes the other to be connected with somebody: ask the dialplan as if it called so, and tell
    /// [`Call::decided`] what it says.
    Decide {
        /// The party's leg.
        leg: LegId,
        /// What it would say.
        start: Box<Start>,
    },
    /// The party of this leg is to be called anew, beside the call that it is in: give [`Call::recall`] a leg of the same
    /// adapter for it.
    Recall(LegId),
    /// The call is over; its record. Nothing follows.
    Done(Box<Record>),
}

#[derive(Debug)]
pub(super) enum State {
    /// The caller was asked for its offer.
    Soliciting(Soliciting),
    Dialling(Dialling),
    /// The media go from endpoint to endpoint: while the callee rings, and while they talk.
    Direct(Direct),
    /// The callee picked up; its transport, or our end of the caller's, is still coming up.
    Answering {
        deadline: Instant,
        callee_is_up: bool,
    },
    /// The caller hears a sound.
    Playing(Playing),
    Talking,
    Ending {
        deadline: Instant,
    },
    Gone,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    pub(super) id: CallId,
    pub(super) state: State,
    pub(super) caller: Leg,
    /// The branches that are alive; once the call is answered, the callee alone.
    pub(super) callees: Vec<Leg>,
    /// Attempts not made yet.
    pub(super) attempts: VecDeque<Attempt>,
    pub(super) hops_left: u8,
    /// By which door the call came in.
    pub(super) entry: Entry,
    /// What is known of whether the caller's number is the caller's own.
    pub(super) identity: Option<Identity>,
    /// Who sent it on.
    pub(super) diverted: Diverted,
    /// The proofs of it that may go on.
    pub(super) passports: Vec<String>,
    /// What the caller sends along.
    pub(super) along: Along,
    /// What the system of a callee says, until what it goes with is heard.
    pub(super) words: Option<(LegId, UserToUser)>,
    /// The caller's leg has had its hang-up.
    pub(super) caller_gone: bool,
    pub(super) echo: bool,
    /// What is to be played once the caller is accepted, in place of a talk.
    pub(super) recital: Option<Sound>,
    pub(super) late_offer: bool,
    /// The caller has been accepted.
    pub(super) answered: bool,
    /// A re-offer that waits for the exchange on its leg to end.
    pub(super) owed: Vec<LegId>,
    /// An offer of the peer that waits for the relay to lay a new transport.
    pub(super) awaiting_ready: Vec<LegId>,
    /// An offer with pictures that waits for the other side's word on them.
    pub(super) asking: Option<Asking>,
    /// Offers of ours that met one of the peer's.
    pub(super) met: Vec<Met>,
    /// A transfer under way.
    pub(super) transfer: Option<Box<Move>>,
    pub(super) told: Option<Progress>,
    /// Keys that were dialled behind the number.
    pub(super) pressing: Pressing,
    /// The party that asked for figures, until the relay says them.
    pub(super) stats_asked_by: Option<LegId>,
    /// What the dialplan adds to it.
    pub(super) services: Services,
    pub(super) ledger: Ledger,
    /// The caller's candidates, until somebody has them who stays: each attempt needs them anew.
    pub(super) kept: Kept,
    pub(super) revision: u32,
    pub(super) graph: Vec<GraphLeg>,
    pub(super) ears: Ears,
    /// The ears that the relay was told of.
    pub(super) wanted_taps: Vec<Tap>,
    pub(super) outputs: VecDeque<Output>,
}

impl Call {
    /// Whether all that is left is the record.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Ending { .. } | State::Gone)
    }

    /// The call's name.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// What the dialplan adds to it.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Whether both sides are up.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// A peer said a signal on one of the legs.
    pub fn hear(&mut self, now: Instant, leg: LegId, signal: Signal) {
        debug!(call = %self.id, %leg, ?signal, "hears");
        if self.is_over() {
            return;
        }
        if leg == self.caller.id {
            self.hear_caller(now, signal);
        } else if self.callees.iter().any(|c| c.id == leg) {
            self.hear_callee(now, leg, signal);
        } else if self.is_newcomer(leg) {
            self.hear_newcomer(now, leg, signal);
        } else if self.is_second(leg) {
            self.hear_second(now, leg, signal);
        } else if matches!(signal, Signal::Hangup(_)) {
            self.comes_no_more(now, leg);
        }
    }

    fn hear_caller(&mut self, now: Instant, signal: Signal) {
        match signal {
            Signal::Hangup(_) if self.leaves_transfer(now, self.caller.id) => {}
            Signal::Hangup(hangup) => {
                self.caller_gone = true;
                let cause = match hangup.cause {
                    Cause::Normal if !self.answered => Cause::Cancelled,
                    other => other,
                };
                self.ledger.ended_by("the caller");
                self.finish(now, Hangup { cause, detail: hangup.detail });
            }
            other => match &self.state {
                State::Soliciting(_) => self.hear_solicited(now, other),
                State::Direct(_) => self.hear_direct(now, self.caller.id, other),
                _ => self.hear_in_session(now, self.caller.id, other),
            },
        }
    }

    fn hear_callee(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match &self.state {
            State::Dialling(_) => self.hear_branch(now, leg, signal),
            State::Direct(_) if !self.answered => self.hear_direct_branch(now, leg, signal),
            State::Answering { .. } | State::Talking | State::Direct(_) => match signal {
                Signal::Hangup(_) if self.leaves_transfer(now, leg) => {}
                Signal::Hangup(hangup) => {
                    self.callees.retain(|c| c.id != leg);
                    self.ledger.ended_by("the callee");
                    self.finish(now, hangup);
                }
                other if matches!(self.state, State::Direct(_)) => self.hear_direct(now, leg, other),
                other => self.hear_in_session(now, leg, other),
            },
            State::Soliciting(_) | State::Playing(_) | State::Ending { .. } | State::Gone => {}
        }
    }

    /// The relay told something.
    pub fn relay(&mut self, now: Instant, event: RelayEvent) {
        if !matches!(event, RelayEvent::Pressed { .. } | RelayEvent::Dtmf { .. }) {
            debug!(call = %self.id, ?event, "relay");
        }
        match event {
            RelayEvent::Ready { leg, local, .. } => self.ready(now, leg, *local),
            RelayEvent::Connected { leg, .. } => self.connected(now, leg),
            RelayEvent::Heard { leg, .. } => {
                if let Some(leg) = self.leg_mut(leg) {
                    leg.heard = true;
                }
            }
            RelayEvent::Pressed { leg, digit, .. } => self.digit_begins(now, leg, digit),
            RelayEvent::Dtmf { leg, digit, duration, .. } => self.digit_in_media(now, leg, Dtmf { digit, duration }),
            RelayEvent::Played { leg, .. } => {
                self.played_notice(leg);
                self.played(now, leg);
            }
            RelayEvent::RefreshWanted { leg, .. } => self.refresh_wanted(leg),
            RelayEvent::TapEnded { tap, why, .. } => self.tap_ended(tap, why),
            RelayEvent::Silent { leg, why, .. } => self.silent(leg, why),
            RelayEvent::Audible { leg, .. } => self.audible(leg),
            RelayEvent::Unseen { leg, why, .. } => self.unseen(leg, why),
            RelayEvent::SeenAgain { leg, .. } => self.seen_again(leg),
            RelayEvent::Failed { leg, why, .. } => self.failed(now, leg, Cause::MediaTimeout, why),
            RelayEvent::Full { leg, why, .. } => self.failed(now, leg, Cause::Congestion, why),
            RelayEvent::Stats { legs, .. } => self.stats(legs),
            RelayEvent::Removed { legs, .. } => {
                self.ledger.media(&legs, self.caller.id);
                if matches!(self.state, State::Ending { .. }) {
                    self.done(now);
                }
            }
        }
    }

    fn connected(&mut self, now: Instant, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.connected = true;
        }
        if self.is_newcomer(leg) {
            return self.newcomer_connected(now, leg);
        }
        if leg == self.caller.id {
            self.connected_while_playing(now);
        }
        let is_callee = self.callees.iter().any(|c| c.id == leg);
        if let State::Answering { callee_is_up, .. } = &mut self.state
            && is_callee
        {
            *callee_is_up = true;
            self.accept_caller(now);
        }
    }

    fn ready(&mut self, now: Instant, leg: LegId, local: crate::model::LocalEnd) {
        let Some(known) = self.leg_mut(leg) else { return };
        known.local = Some(local);
        if self.awaiting_ready.contains(&leg) {
            self.awaiting_ready.retain(|l| *l != leg);
            return self.answer_offer(now, leg);
        }
        if self.is_newcomer(leg) {
            return self.place_ready(now, leg);
        }
        if self.is_second(leg) {
            return self.second_ready(leg);
        }
        match &self.state {
            State::Dialling(_) => self.ready_while_dialling(leg),
            State::Playing(_) => self.ready_while_playing(),
            State::Answering { callee_is_up: true, .. } => self.accept_caller(now),
            State::Talking => self.pay(leg),
            State::Direct(_) => self.ask_to_come(now),
            _ => {}
        }
    }

    fn failed(&mut self, now: Instant, leg: LegId, cause: Cause, why: String) {
        let detail = Some(Detail { text: Some(why.clone()), ..Detail::default() });
        let hangup = Hangup { cause, detail };
        if matches!(self.state, State::Dialling(_)) && leg != self.caller.id {
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.branch_ended(now, leg, hangup);
        }
        if self.is_newcomer(leg) {
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.newcomer_ended(now, leg, hangup);
        }
        if self.is_second(leg) {
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.second_ended(now, leg, hangup);
        }
        if self.has_no_end_yet(leg) {
            return self.will_not_come(now, leg, cause);
        }
        self.ledger.why(why);
        self.finish(now, hangup);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.say_digits_due(now);
        self.press_due(now);
        match &self.state {
            State::Soliciting(soliciting) if soliciting.deadline <= now => self.nothing_was_offered(now),
            State::Dialling(dialling) if dialling.deadline <= now => self.ring_time_is_over(now),
            State::Direct(direct) if direct.deadline().is_some_and(|at| at <= now) => self.direct_timeout(now),
            State::Playing(playing) if playing.deadline <= now => self.play_is_over(now),
            State::Answering { deadline, .. } if *deadline <= now => {
                let why = "the callee answered, but its media did not come up: ICE or DTLS did not finish in 10 s";
                let is_own = self.echo || self.recital.is_some();
                self.ledger.why(if is_own { "the relay did not lay the leg in time".into() } else { why.into() });
                self.finish(now, Hangup::new(Cause::MediaTimeout));
            }
            State::Ending { deadline } if *deadline <= now => self.done(now),
            State::Talking => {
                self.notice_timeout(now);
                self.pictures_timeout(now);
                self.repeat_due(now);
                self.transfer_timeout(now);
            }
            State::Direct(_) => self.transfer_timeout(now),
            _ => {}
        }
    }

    /// When [`Call::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Soliciting(soliciting) => Some(soliciting.deadline),
            State::Dialling(dialling) => Some(dialling.deadline),
            State::Direct(direct) => direct.deadline().into_iter().chain(self.transfer_deadline()).min(),
            State::Playing(playing) => Some(playing.deadline),
            State::Answering { deadline, .. } | State::Ending { deadline } => Some(*deadline),
            State::Talking => {
                let own = [self.pictures_deadline(), self.repeat_deadline()];
                let others = [self.ears.deadline(), self.transfer_deadline()];
                own.into_iter().chain(others).flatten().min()
            }
            State::Gone => None,
        };
        state.into_iter().chain(self.digits_due_at()).chain(self.press_deadline()).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Most calls have nothing to say for most of their time.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Ends the call from outside: the gateway goes down, or an operator says so.
    pub fn hang_up(&mut self, now: Instant, cause: Cause) {
        self.finish(now, Hangup::new(cause));
    }

    /// The same, with the sentence that the record keeps.
    pub fn hang_up_because(&mut self, now: Instant, cause: Cause, why: String) {
        self.ledger.why(why);
        self.hang_up(now, cause);
    }

    /// Says a signal on a leg; on one that was never opened there is nobody to say it to.
    pub(super) fn say(&mut self, leg: LegId, signal: Signal) {
        if self.is_over() || self.leg_mut(leg).is_some_and(|l| !l.is_open) {
            return;
        }
        self.outputs.push_back(Output::Say(leg, signal));
    }

    pub(super) fn order(&mut self, command: RelayCommand) {
        // A graph is all that is wanted, so of two that nobody has taken yet the later counts.
        let last = self.outputs.iter_mut().rev().find(|output| matches!(output, Output::Order(_)));
        match (last, command) {
            (Some(Output::Order(waiting @ RelayCommand::Apply(_))), graph @ RelayCommand::Apply(_)) => *waiting = graph,
            (_, command) => self.outputs.push_back(Output::Order(command)),
        }
    }

    pub(super) fn leg_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        if self.is_newcomer(leg) {
            return self.newcomer_leg_mut(leg);
        }
        if self.is_second(leg) {
            return self.second_leg_mut(leg);
        }
        if leg == self.caller.id { Some(&mut self.caller) } else { self.callees.iter_mut().find(|c| c.id == leg) }
    }

    pub(super) fn leg(&self, leg: LegId) -> Option<&Leg> {
        if leg == self.caller.id {
            return Some(&self.caller);
        }
        self.callees.iter().find(|c| c.id == leg).or_else(|| self.newcomer_leg(leg)).or_else(|| self.second_leg(leg))
    }

    /// The leg at the other end, once there is just one.
    pub(super) fn other(&self, leg: LegId) -> Option<LegId> {
        if self.is_newcomer(leg) {
            return self.staying();
        }
        if leg != self.caller.id {
            return Some(self.caller.id);
        }
        match self.callees.as_slice() {
            [callee] => Some(callee.id),
            _ => None,
        }
    }

    /// Tells the caller how far the callee's side got, each stage once.
    pub(super) fn tell(&mut self, progress: Progress) {
        if self.told != Some(self.merged(progress)) {
            self.tell_anew(progress);
        }
    }

    /// The same, whether it was told before or not.
    pub(super) fn tell_anew(&mut self, progress: Progress) {
        let merged = self.merged(progress);
        self.told = Some(merged);
        self.say(self.caller.id, Signal::Progress(merged));
    }

    fn merged(&self, progress: Progress) -> Progress {
        let Some(told) = self.told else { return progress };
        Progress { stage: told.stage.max(progress.stage), early_media: told.early_media || progress.early_media }
    }

    /// The callee is there and its media can flow: now the caller is told, if there is an end of ours to
    /// describe to it.
    pub(super) fn accept_caller(&mut self, now: Instant) {
        if self.caller.local.is_none() {
            return;
        }
        self.answered = true;
        self.ledger.answered(now);
        self.aim_pictures();
        self.say(self.caller.id, Signal::Path(MediaPath::Relayed));
        self.tell_names();
        if self.late_offer {
            let offer = self.caller.offer(Direction::SendRecv);
            if let Some((exchange, description)) = offer {
                self.say(self.caller.id, Signal::Offer(crate::model::Offer { exchange, description }));
            }
        } else if let Some((exchange, description)) = self.caller.answer(Direction::SendRecv, false) {
            self.say(self.caller.id, Signal::Answer(Answer { exchange, description, provisional: false }));
        }
        self.pass_words_of_callee();
        self.say(self.caller.id, Signal::Accept);
        self.begin_talk(now);
        self.begin_to_listen(now);
        self.apply();
        self.begin_to_press(now);
        self.level_pictures();
        info!(call = %self.id, leg = %self.caller.id, "answered");
    }

    /// Gives the caller an answer for now, if its wire takes one and there is something to say.
    pub(super) fn answer_early(&mut self) {
        self.aim_pictures();
        if let Some((exchange, description)) = self.caller.answer(Direction::SendRecv, true) {
            self.pass_words_of_callee();
            self.say(self.caller.id, Signal::Answer(Answer { exchange, description, provisional: true }));
        }
    }

    /// A callee picked up; the others are told, and the caller as soon as the callee's media can flow.
    pub(super) fn answering(&mut self, now: Instant, winner: LegId) {
        let losers: Vec<LegId> = self.callees.iter().map(|c| c.id).filter(|l| *l != winner).collect();
        for loser in losers {
            self.say(loser, Signal::Hangup(Hangup::new(Cause::AnsweredElsewhere)));
        }
        self.callees.retain(|c| c.id == winner);
        self.settle_pictures(winner);
        let is_up = self.callees.iter().all(Call::is_up);
        self.state = State::Answering { deadline: now + CONNECT_PATIENCE, callee_is_up: is_up };
        self.apply();
        if is_up {
            self.accept_caller(now);
        }
    }

    /// Ends every leg that is still there and waits for the relay's last figures.
    pub(super) fn finish(&mut self, now: Instant, hangup: Hangup) {
        if self.is_over() {
            return;
        }
        self.end_transfer(hangup.cause);
        let towards_callees = if self.answered { hangup.cause } else { Cause::Cancelled };
        for leg in std::mem::take(&mut self.callees).into_iter().filter(|l| l.is_open) {
            let detail = if self.answered { hangup.detail.clone() } else { None };
            self.say(leg.id, Signal::Hangup(Hangup { cause: towards_callees, detail }));
        }
        if !self.caller_gone {
            self.caller_gone = true;
            self.say(self.caller.id, Signal::Hangup(hangup.clone()));
        }
        self.tell_fork(TapWord::Over(hangup.cause));
        self.ledger.ended(now, hangup);
        if self.revision == 0 {
            return self.done(now);
        }
        self.state = State::Ending { deadline: now + RELAY_PATIENCE };
        self.order(RelayCommand::Remove(self.id));
    }

    fn done(&mut self, now: Instant) {
        self.state = State::Gone;
        let record = self.ledger.close(now);
        match &record.why {
            Some(why) => info!(call = %self.id, cause = %record.cause, why, "over"),
            None => info!(call = %self.id, cause = %record.cause, "over"),
        }
        self.outputs.push_back(Output::Done(Box::new(record)));
    }
}
