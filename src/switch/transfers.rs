//! Transfers: who may be connected with whom is for the dialplan, and for the call who is on a leg.

use std::time::Instant;

use tracing::{info, warn};

use super::calls::{Calls, say};
use super::guarding::Payer;
use super::resolve;
use crate::base::{CallId, LegId};
use crate::call::{Action, Branch, Plan};
use crate::model::{Cause, Hangup, Replaces, Signal, Start};

impl Calls {
    /// A party wishes the other to be connected with somebody: it is decided as a call of that party, unless it is in
    /// a call with that somebody already.
    pub(super) fn decide_transfer(&mut self, now: Instant, id: CallId, leg: LegId, start: &Start) {
        if let Some(Replaces::Leg(place)) = start.about.replaces {
            return self.join(now, id, place, start);
        }
        let wall_ms = self.wall_ms(now);
        let resolved = self.resolver.resolve(leg.adapter(), start, &self.bindings, &self.adapters, wall_ms);
        let plan = match self.is_draining {
            true => Plan { action: Action::Reject(Cause::Maintenance), ..resolved.plan },
            false => Plan { action: as_asked(resolved.plan.action, start), ..resolved.plan },
        };
        let plan = match self.high_risk(&plan.action, resolved.number.as_deref()).filter(|_| !resolved.emergency) {
            Some(cause) => Plan { action: Action::Reject(cause), ..plan },
            None => plan,
        };
        self.enlist(id, resolve::legs_of(&plan));
        if let Some(entry) = self.calls.get_mut(&id) {
            // Whoever wishes it pays for it.
            let (number, emergency) = (resolved.number, resolved.emergency);
            entry.payer = Payer { caller: start.entry.clone(), number, emergency, began: false };
        }
        self.with(now, id, |call| call.decided(now, plan));
    }

    /// Why a number may not be reached by transfer: a trunk may be asked to call it by itself, and then no leg of ours
    /// passes the guard.
    fn high_risk(&self, action: &Action, number: Option<&str>) -> Option<Cause> {
        let Action::Dial(attempts) = action else { return None };
        let mut trunks = attempts.iter().flat_map(|a| &a.branches).filter_map(|b| b.trunk.as_deref());
        let refused = trunks.find_map(|trunk| self.guard.allows(trunk, number).err())?;
        warn!(event = "guard", text = %refused.sentence(), "refuses a transfer");
        Some(refused.cause())
    }

    /// Somebody calls to take the place of a leg: only one who came in by the same door as whoever is there.
    pub(super) fn replace(&mut self, now: Instant, place: LegId, leg: LegId, start: Start) {
        let Some(adapter) = self.adapters.get(&leg.adapter()) else { return };
        let abilities = adapter.abilities_from(&start.entry, start.contact.as_ref());
        let id = self.legs.get(&place).copied();
        let known = id.and_then(|id| Some((id, self.calls.get(&id)?)));
        let refusal = match known {
            None => Some(Cause::Declined),
            Some((_, entry)) if entry.call.entry_of(place) != Some(&start.entry) => Some(Cause::Forbidden),
            Some((_, entry)) if !entry.call.can_be_replaced(place) => Some(Cause::Busy),
            Some(_) => None,
        };
        let id = match (id, refusal) {
            (Some(id), None) => id,
            (_, refusal) => {
                let cause = refusal.unwrap_or(Cause::Declined);
                warn!(%leg, %place, %cause, "may not take the place of the leg");
                return say(&self.adapters, leg, Signal::Hangup(Hangup::new(cause)));
            }
        };
        info!(call = %id, %leg, %place, "takes the place of the leg");
        self.enlist(id, vec![leg]);
        self.with(now, id, |call| call.replace(now, place, leg, abilities, start));
    }

    /// Parties are to be called anew, each by the adapter that it is in a call through.
    pub(super) fn recall(&mut self, now: Instant, id: CallId, parties: Vec<LegId>) {
        let another = |first: LegId| Some((first, self.resolver.leg_of(first.adapter())?));
        let legs: Vec<(LegId, LegId)> = parties.into_iter().filter_map(another).collect();
        self.enlist(id, legs.iter().map(|(_, second)| *second).collect());
        self.with(now, id, |call| legs.iter().for_each(|(first, second)| call.recall(*first, *second)));
    }

    /// These legs are of the call too.
    pub(super) fn enlist(&mut self, id: CallId, legs: Vec<LegId>) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        self.legs.extend(legs.iter().map(|leg| (*leg, id)));
        entry.legs.extend(legs);
    }

    /// The time of day, in milliseconds since the Unix epoch.
    fn wall_ms(&self, now: Instant) -> u64 {
        self.told.map_or(0, |(at, ms)| ms.saturating_add(now.saturating_duration_since(at).as_millis() as u64))
    }
}

/// What the dialplan wants, as far as it can be done in place of the call that the wish names: only SIP has a word for
/// that.
fn as_asked(action: Action, start: &Start) -> Action {
    match (action, &start.about.replaces) {
        (Action::Dial(mut attempts), Some(Replaces::Elsewhere(_))) => {
            let is_told = |branch: &Branch| branch.leg.adapter() == resolve::SIP;
            attempts.iter_mut().for_each(|attempt| attempt.branches.retain(is_told));
            Action::Dial(attempts)
        }
        (action, _) => action,
    }
}
