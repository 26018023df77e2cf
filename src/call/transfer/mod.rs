//! Transfer: a party of a talk asks that the other be connected with somebody else (RFC 5589), or somebody else calls to
//! take a party's place (RFC 3891).
//!
//! ```text
//!            Transfer heard             decided: dial               picks up, its media come up
//!   (talk) ─────────────────▶ Deciding ───────────────▶ Ringing ──────────────────────────────▶ (talk, with another)
//!      ▲                         │                         │ nobody does
//!      │                         │ decided: its own trunk  │
//!      └── Failed is told ◀──────┼─────────────────────────┘
//!                                ├──────▶ Sent: the other is asked to go there by itself ──▶ Done: the call is over
//!                                │          └── it will not: Ringing, as though it had not been asked
//!                                └──────▶ Ringing a joint, if the party that asked is in a call with that somebody
//!
//!   a call comes that replaces a leg: Joining ── its end of the relay is laid ──▶ (talk, with another)
//! ```
//!
//! Where the media go directly they stay so until somebody picks up: then the party that stays is
//! [fetched](fetching).
//!
//! The talk goes on beside it as it was, with its holds and changes, until the moment in which one leg takes the place of
//! another. The party that asked may hang up meanwhile: then it is as if it had been told that all went well, and if
//! nobody answers the call ends.

mod fetching;
mod joining;
mod places;
mod recalling;
mod ringing;
mod sent;
mod wiring;

use std::time::Instant;

use tracing::info;

use super::leg::Leg;
use super::plan::{Action, Plan};
use super::two_party::{Call, Output, State};
use crate::base::{CallId, LegId};
use crate::model::{About, Cause, Detail, Hangup, Signal, Stage, Start, Transfer, Transferring};
use fetching::Fetching;
use ringing::Ringing;
use sent::Sent;

/// A transfer under way.
#[derive(Debug)]
pub struct Move {
    /// The leg whose place is taken.
    place: LegId,
    /// Its party has hung up.
    has_left: bool,
    /// Its party held the other.
    held: bool,
    /// What its party wishes; `None` if somebody else calls to take its place.
    wish: Option<Transfer>,
    /// Those who may take the place.
    newcomers: Vec<Leg>,
    step: Step,
    /// Parties of a direct call on their way to the relay.
    fetching: Option<Box<Fetching>>,
    /// The other call, where the two are to go on as one.
    joins: Option<CallId>,
}

#[derive(Debug)]
enum Step {
    /// The dialplan is asked.
    Deciding,
    /// Somebody is rung.
    Ringing(Ringing),
    /// Somebody picked up; the transport is still coming up.
    Connecting { deadline: Instant, target: String },
    /// Our end for somebody who calls to take the place is being laid.
    Joining { deadline: Instant },
    /// The party that stays was asked to go there by itself.
    Sent(Sent),
    /// It failed when the party that stays had left the direct way already: the other follows, and all is as it was.
    GoingBack,
}

impl Move {
    fn deadline(&self) -> Option<Instant> {
        let fetching = self.fetching.as_ref().and_then(|f| f.deadline());
        self.step_deadline().into_iter().chain(fetching).min()
    }

    fn step_deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Deciding | Step::GoingBack => None,
            Step::Ringing(ringing) => Some(ringing.deadline),
            Step::Connecting { deadline, .. } | Step::Joining { deadline } => Some(*deadline),
            Step::Sent(sent) => Some(sent.deadline),
        }
    }
}

impl Call {
    /// A party wishes that the other be connected with somebody else.
    pub(super) fn hear_transfer(&mut self, leg: LegId, wish: Transfer) {
        let is_free = self.transfer.is_none();
        let is_talk = is_free && self.answered && !self.echo && self.can_come() && self.expect_to_come();
        let refusal = match (&self.state, self.other(leg)) {
            _ if !is_free => Some(Cause::Glare),
            (State::Talking | State::Direct(_), Some(_)) if is_talk => None,
            _ => Some(Cause::NotSupported),
        };
        if let Some(cause) = refusal {
            return self.say(leg, Signal::Transferring(Transferring::Failed(cause)));
        }
        let Some(hops_left) = self.hops_left.checked_sub(1) else {
            return self.say(leg, Signal::Transferring(Transferring::Failed(Cause::Loop)));
        };
        let Some(asker) = self.leg(leg) else { return };
        info!(call = %self.id, %leg, attended = wish.replaces.is_some(), "wishes to transfer the call");
        // What the door has proven of it counts, not what its wire says in passing.
        let by = asker.who.party.clone();
        let held = asker.holds();
        let start = Start {
            entry: asker.who.entry.clone(),
            from: by.clone(),
            to: wish.to.clone(),
            contact: None,
            trunk: None,
            offer: None,
            hops_left,
            about: About { replaces: wish.replaces.clone(), referred_by: Some(by), ..About::default() },
        };
        self.hops_left = hops_left;
        let (newcomers, step, wish) = (Vec::new(), Step::Deciding, Some(wish));
        self.transfer = Some(Box::new(Move {
            place: leg,
            has_left: false,
            held,
            wish,
            newcomers,
            step,
            fetching: None,
            joins: None,
        }));
        self.say(leg, Signal::Transferring(Transferring::Trying(Stage::Trying)));
        self.outputs.push_back(Output::Decide { leg, start: Box::new(start) });
    }

    /// The dialplan has decided about a transfer, as about a call of the party that asked for it.
    pub fn decided(&mut self, now: Instant, plan: Plan) {
        if !self.transfer.as_ref().is_some_and(|t| matches!(t.step, Step::Deciding)) {
            return;
        }
        let rule = plan.rule.as_deref().unwrap_or("none");
        info!(call = %self.id, rule, "the transfer is decided");
        match plan.action {
            Action::Reject(cause) => self.transfer_failed(now, Hangup::new(cause)),
            Action::Echo | Action::Play { .. } => self.transfer_failed(now, Hangup::new(Cause::NotSupported)),
            Action::Dial(attempts) => match self.own_way(&attempts) {
                Some(by) => self.send_there(now, by, attempts, plan.services.ring_back),
                None => self.ring_newcomers(now, attempts, plan.services.ring_back),
            },
        }
    }

    /// Tells the party that asked, if it is still there.
    fn tell_asker(&mut self, how: Transferring) {
        if let Some(transfer) = self.transfer.as_deref().filter(|t| t.wish.is_some() && !t.has_left) {
            self.say(transfer.place, Signal::Transferring(how));
        }
    }

    /// Nobody takes the place: the call is as it was, or over if the party that asked has left it.
    fn transfer_failed(&mut self, now: Instant, hangup: Hangup) {
        info!(call = %self.id, cause = %hangup.cause, "the transfer failed");
        self.turn_away(&hangup);
        self.drop_newcomers(Cause::Cancelled);
        self.tell_asker(Transferring::Failed(hangup.cause));
        if self.goes_back(now) {
            return;
        }
        let is_torn = self.is_torn();
        self.drop_seconds(Cause::Cancelled);
        self.transfer = None;
        if is_torn {
            return self.finish(now, hangup);
        }
        self.apply();
    }

    fn drop_newcomers(&mut self, cause: Cause) {
        let newcomers = self.transfer.as_mut().map(|t| std::mem::take(&mut t.newcomers)).unwrap_or_default();
        for leg in newcomers.into_iter().filter(|l| l.is_open) {
            self.outputs.push_back(Output::Say(leg.id, Signal::Hangup(Hangup::new(cause))));
        }
    }

    /// The call ends for another reason.
    pub(super) fn end_transfer(&mut self, cause: Cause) {
        self.turn_away(&Hangup::new(Cause::Cancelled));
        self.drop_newcomers(Cause::Cancelled);
        self.drop_seconds(Cause::Cancelled);
        self.tell_asker(Transferring::Failed(cause));
        self.transfer = None;
    }

    /// A party of the talk hangs up while a transfer is under way. Whether the call goes on without it.
    pub(super) fn leaves_transfer(&mut self, now: Instant, leg: LegId) -> bool {
        if self.first_ends(leg) {
            return true;
        }
        let stays = self.staying();
        let Some(transfer) = self.transfer.as_mut() else { return false };
        let is_over = matches!(transfer.step, Step::GoingBack);
        if leg == transfer.place && !transfer.has_left && !is_over {
            info!(call = %self.id, %leg, "leaves the call to those it connects");
            transfer.has_left = true;
            self.vacate(leg);
            self.apply();
            self.fetch_who_is_left(now);
            return true;
        }
        if stays == Some(leg) && matches!(transfer.step, Step::Sent(_)) {
            // Some go where they were asked to go without saying so.
            self.went_there();
        }
        false
    }

    /// When [`Call::transfer_timeout`] is due.
    pub(super) fn transfer_deadline(&self) -> Option<Instant> {
        self.transfer.as_deref().and_then(Move::deadline)
    }

    /// Time has passed.
    pub(super) fn transfer_timeout(&mut self, now: Instant) {
        self.fetching_timeout(now);
        let Some(transfer) = self.transfer.as_deref().filter(|t| t.step_deadline().is_some_and(|at| at <= now)) else {
            return;
        };
        match &transfer.step {
            Step::Ringing(_) => self.newcomers_rang_long_enough(now),
            Step::Connecting { .. } | Step::Joining { .. } => {
                let text = Some("the media of the one who was to take over did not come up in time".to_owned());
                let detail = Some(Detail { text, ..Detail::default() });
                self.transfer_failed(now, Hangup { cause: Cause::MediaTimeout, detail });
            }
            Step::Sent(_) | Step::Deciding | Step::GoingBack => self.transfer_failed(now, Hangup::new(Cause::Timeout)),
        }
    }
}
