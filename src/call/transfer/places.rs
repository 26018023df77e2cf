//! One leg takes the place of another.

use std::time::Instant;

use tracing::info;

use super::fetching::{self, Then};
use super::{Move, Step};
use crate::base::LegId;
use crate::call::two_party::Call;
use crate::model::{Cause, Hangup, Party, Signal, Transferring};

impl Call {
    /// Whether the leg is of somebody who may take a place.
    pub(in crate::call) fn is_newcomer(&self, leg: LegId) -> bool {
        self.transfer.as_deref().is_some_and(|t| t.newcomers.iter().any(|n| n.id == leg))
    }

    /// The leg of somebody who may take a place.
    pub(in crate::call) fn newcomer_leg(&self, leg: LegId) -> Option<&super::Leg> {
        self.transfer.as_deref()?.newcomers.iter().find(|n| n.id == leg)
    }

    /// The same, to be changed.
    pub(in crate::call) fn newcomer_leg_mut(&mut self, leg: LegId) -> Option<&mut super::Leg> {
        self.transfer.as_deref_mut()?.newcomers.iter_mut().find(|n| n.id == leg)
    }

    /// The leg of the party that stays, while a transfer is under way.
    pub(in crate::call) fn staying(&self) -> Option<LegId> {
        let transfer = self.transfer.as_deref()?;
        if transfer.has_left || transfer.place != self.caller.id {
            return Some(self.caller.id);
        }
        self.callees.first().map(|c| c.id)
    }

    /// The party of a leg is not of the call any more. Whoever is left is where the caller was.
    pub(super) fn vacate(&mut self, leg: LegId) {
        if leg == self.caller.id {
            if let Some(stays) = self.callees.pop() {
                self.caller = stays;
            }
        } else {
            self.callees.retain(|c| c.id != leg);
        }
        self.forget_leg(leg);
    }

    /// Nothing more is owed to a leg, or waited for from it.
    pub(super) fn forget_leg(&mut self, leg: LegId) {
        self.owed.retain(|l| *l != leg);
        self.awaiting_ready.retain(|l| *l != leg);
        self.stats_asked_by.take_if(|asker| *asker == leg);
        self.ears_forget(leg);
    }

    /// A newcomer takes the place: the parties that are left talk.
    pub(super) fn take_place(&mut self, now: Instant, newcomer: LegId) {
        if self.needs_fetching() {
            if let Some(Step::Connecting { deadline, .. }) = self.transfer.as_deref_mut().map(|t| &mut t.step) {
                *deadline = now + fetching::PATIENCE;
            }
            return self.fetch(now, Then::TakePlace(newcomer));
        }
        let Some(stays) = self.staying() else { return };
        let Some(transfer) = self.transfer.take() else { return };
        let Move { place, has_left, held, wish, newcomers, step, joins, .. } = *transfer;
        let Some(newcomer) = newcomers.into_iter().find(|n| n.id == newcomer) else { return };
        let (id, party) = (newcomer.id, newcomer.who.party.clone());
        info!(call = %self.id, leg = %id, %stays, "takes over");
        let held = if has_left { held } else { self.leg(place).is_some_and(|l| l.holds()) };
        if !has_left {
            if wish.is_some() {
                self.say(place, Signal::Transferring(Transferring::Done));
            }
            self.say(place, Signal::Hangup(Hangup::new(Cause::Normal)));
        }
        if place == self.caller.id {
            self.caller = newcomer;
        } else {
            self.callees = vec![newcomer];
        }
        if let Step::Connecting { target, .. } = &step {
            self.ledger.transferred_to(target);
        }
        if let Some(other) = joins {
            self.ledger.joined_with(other);
        }
        self.forget_leg(place);
        self.is_relayed_from_here();
        self.agree_anew(now, stays, id);
        self.tell_names();
        self.tell_whom(stays, party);
        if matches!(step, Step::Joining { .. })
            && let Some(party) = self.leg(stays).map(|l| l.who.party.clone())
        {
            // It has called somebody else, whose place it takes.
            self.tell_whom(id, party);
        }
        self.tell_holds(stays, held, id);
        self.level_pictures();
        self.apply();
        self.pay(stays);
        self.pay(id);
    }

    /// Tells a party who is at the other end, if its wire has a word for that.
    fn tell_whom(&mut self, leg: LegId, party: Party) {
        if self.leg(leg).is_some_and(|l| l.abilities.connected) {
            self.say(leg, Signal::Connected(party));
        }
    }

    /// A party is somebody else from here on, or has another name (RFC 4916): the other side is told.
    pub(in crate::call) fn hear_connected(&mut self, leg: LegId, party: Party) {
        let Some(known) = self.leg_mut(leg).filter(|l| l.who.party != party) else { return };
        known.who.party = party.clone();
        let other = self.other(leg).filter(|_| self.answered && !self.is_newcomer(leg));
        if let Some(other) = other {
            self.tell_whom(other, party);
        }
    }

    /// Who was held is so no more, and who comes in is told of a hold.
    fn tell_holds(&mut self, stays: LegId, held: bool, newcomer: LegId) {
        let holds = |leg: Option<&super::Leg>| leg.is_some_and(|l| l.holds());
        let now_held = holds(self.leg(newcomer));
        if held != now_held {
            self.tell_hold(stays, now_held);
        }
        if holds(self.leg(stays)) {
            self.tell_hold(newcomer, true);
        }
    }

    /// Tells a party that the other holds it or does not, in words or by a re-offer.
    fn tell_hold(&mut self, leg: LegId, on: bool) {
        if self.leg(leg).is_some_and(|l| l.abilities.hold) {
            self.say(leg, Signal::Hold(on));
        } else {
            self.owe(leg);
        }
    }
}
