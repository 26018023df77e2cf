//! The name of the call (RFC 7989): each party has a half of it, and is told that of the other. Who has none is given one.

use super::two_party::Call;
use crate::base::LegId;
use crate::model::{SessionIds, SessionUuid, Signal};

impl Call {
    /// The half of a party; none in a call that has no name.
    pub(super) fn half_of(&self, leg: LegId) -> Option<SessionUuid> {
        let name = self.ledger.name()?;
        Some(self.leg(leg)?.names.own.unwrap_or_else(|| name.of_leg(leg)))
    }

    /// A party has said its half of the name.
    pub(super) fn hear_name(&mut self, leg: LegId, ids: SessionIds) {
        let Some(known) = self.leg_mut(leg) else { return };
        known.names.own = ids.own;
        if self.is_newcomer(leg) {
            return;
        }
        if let Some(other) = self.other(leg) {
            self.tell_name(other, leg);
        }
    }

    /// Tells a party the name, as it is while this leg is at the other end.
    pub(super) fn tell_name(&mut self, leg: LegId, other: LegId) {
        let (own, peer) = (self.half_of(leg), self.half_of(other));
        if peer.is_none() {
            return;
        }
        if leg == self.caller.id {
            self.ledger.named(peer);
        }
        let Some(known) = self.leg_mut(leg).filter(|known| known.names.peer != peer) else { return };
        known.names.peer = peer;
        self.say(leg, Signal::Named(SessionIds { own, peer }));
    }

    /// The two talk: each is to know the name as it is.
    pub(super) fn tell_names(&mut self) {
        let (caller, callee) = (self.caller.id, self.callees.first().map(|c| c.id));
        match callee {
            Some(callee) => {
                self.tell_name(caller, callee);
                self.tell_name(callee, caller);
            }
            None => {
                if let Some(own) = self.half_of(caller) {
                    self.say(caller, Signal::Named(SessionIds { own: Some(own), peer: None }));
                }
            }
        }
    }
}
