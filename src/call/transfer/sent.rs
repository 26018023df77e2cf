//! The party that stays is asked to go where it is to go by itself, where its trunk knows how (RFC 5589); where it will not,
//! it is taken there as any other party.

use std::time::{Duration, Instant};

use tracing::info;

use super::fetching::Then;
use super::{Move, Step};
use crate::base::LegId;
use crate::call::plan::{Attempt, Far};
use crate::call::two_party::Call;
use crate::model::{Address, Cause, Hangup, Party, Replaces, Signal, Sound, Transfer, Transferring};

/// How long a party may take to go somewhere by itself when it was asked to: it rings there.
const PATIENCE: Duration = Duration::from_secs(180);

/// The party that stays was asked to go there by itself.
#[derive(Debug)]
pub struct Sent {
    /// Until when it may take.
    pub deadline: Instant,
    /// The target, as the dialplan names it.
    by: String,
    /// What is done if it will not.
    otherwise: Vec<Attempt>,
    ring_back: Option<Sound>,
}

impl Call {
    /// The trunk of the party that stays, if that is where the call is to go and it can be asked to go there by itself.
    pub(super) fn own_way(&self, attempts: &[Attempt]) -> Option<String> {
        let [attempt] = attempts else { return None };
        let [branch] = attempt.branches.as_slice() else { return None };
        self.goes_by_itself(branch.trunk.as_deref()?).then(|| attempt.target.clone())
    }

    /// Whether the party that stays is behind this trunk, which takes it somewhere else when asked.
    fn goes_by_itself(&self, trunk: &str) -> bool {
        let stays = self.staying().and_then(|leg| self.leg(leg));
        stays.is_some_and(|leg| leg.abilities.transfer && leg.who.trunk() == Some(trunk))
    }

    pub(super) fn send_there(&mut self, now: Instant, by: String, otherwise: Vec<Attempt>, ring_back: Option<Sound>) {
        let Some(branch) = otherwise.first().and_then(|a| a.branches.first()) else { return };
        let (to, from) = (branch.to.clone(), branch.from.clone());
        let sent = Sent { deadline: now + PATIENCE, by, otherwise, ring_back };
        self.ask_to_go(sent, to, from);
    }

    /// The party that asked is in a call with somebody else, who is at its far end: the two are to talk, without the
    /// party. `attempt` joins the two calls, where a trunk does not do so by itself.
    pub fn join(&mut self, now: Instant, far: Far, attempt: Attempt) {
        if self.needs_fetching() {
            return self.fetch(now, Then::Join(Box::new((far, attempt))));
        }
        let Far { call, leg, party, trunk } = far;
        let Some(transfer) = self.transfer.as_deref_mut().filter(|t| matches!(t.step, Step::Deciding)) else { return };
        let asker = transfer.place;
        transfer.joins = Some(call);
        if let Some(wish) = &mut transfer.wish {
            (wish.to, wish.replaces) = (party.address.clone(), Some(Replaces::Leg(leg)));
        }
        if let Some(trunk) = trunk.filter(|trunk| self.goes_by_itself(trunk)) {
            let by = self.leg(asker).map_or_else(|| Party::new(Address::here("")), |l| l.who.party.clone());
            let target = format!("trunk:{trunk}");
            let sent = Sent { deadline: now + PATIENCE, by: target, otherwise: vec![attempt], ring_back: None };
            return self.ask_to_go(sent, party.address, by);
        }
        self.ring_newcomers(now, vec![attempt], None);
        self.is_party(party);
    }

    /// Whoever is rung is this one, whatever its leg is called.
    fn is_party(&mut self, party: Party) {
        if let Some([joint]) = self.transfer.as_deref_mut().map(|t| t.newcomers.as_mut_slice()) {
            joint.who.party = party;
        }
    }

    fn ask_to_go(&mut self, sent: Sent, to: Address, by: Party) {
        let Some(stays) = self.staying() else { return };
        let Some(transfer) = self.transfer.as_mut() else { return };
        let Some(wish) = transfer.wish.clone() else { return };
        transfer.step = Step::Sent(sent);
        info!(call = %self.id, leg = %stays, attended = wish.replaces.is_some(), "is asked to go there by itself");
        self.say(stays, Signal::Transfer(Transfer { to, by: Some(by), ..wish }));
    }

    /// A party that was asked to go somewhere by itself tells how it goes.
    pub(in crate::call) fn hear_transferring(&mut self, now: Instant, leg: LegId, how: Transferring) {
        let is_sent = self.transfer.as_ref().is_some_and(|t| matches!(t.step, Step::Sent(_)));
        if !is_sent || self.staying() != Some(leg) {
            return;
        }
        match how {
            Transferring::Trying(stage) => self.tell_asker(Transferring::Trying(stage)),
            Transferring::Done => {
                self.went_there();
                self.finish(now, Hangup::new(Cause::Normal));
            }
            Transferring::Failed(cause) => self.transfer_failed(now, Hangup::new(cause)),
            Transferring::Refused(cause) => self.take_it_there(now, cause),
        }
    }

    /// The party will not go by itself.
    fn take_it_there(&mut self, now: Instant, cause: Cause) {
        let Some(transfer) = self.transfer.as_deref_mut() else { return };
        let Step::Sent(sent) = &mut transfer.step else { return };
        let (otherwise, ring_back) = (std::mem::take(&mut sent.otherwise), sent.ring_back.take());
        info!(call = %self.id, %cause, "it will not go there by itself");
        self.ring_newcomers(now, otherwise, ring_back);
    }

    /// The party that was asked to go somewhere by itself is there.
    pub(super) fn went_there(&mut self) {
        if let Some(Move { step: Step::Sent(Sent { by, .. }), .. }) = self.transfer.as_deref() {
            self.ledger.transferred_to(by);
            self.tell_asker(Transferring::Done);
        }
        self.transfer = None;
    }
}
