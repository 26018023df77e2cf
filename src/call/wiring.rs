//! What the relay is wanted to do: the graph of a call whose media it carries.

use super::leg::Leg;
use super::two_party::{Call, State};
use crate::base::LegId;
use crate::model::{Graph, GraphLeg, RelayCommand, Source};

impl Call {
    /// Wants of the relay what the call is like now, if that is not what it wanted before.
    pub(super) fn apply(&mut self) {
        if self.is_over() {
            return;
        }
        let early = match &self.state {
            State::Dialling(dialling) => dialling.early,
            _ => self.callees.first().map(|c| c.id),
        };
        let mut legs = match &self.state {
            State::Direct(_) => self.coming_legs(),
            _ => {
                let callees = self.callees.iter().map(|c| self.graph_leg(c, Some(self.caller.id), early));
                std::iter::once(self.graph_leg(&self.caller, early, early)).chain(callees).collect()
            }
        };
        self.wire_newcomers(&mut legs);
        let taps = self.taps();
        if legs == self.graph && taps == self.wanted_taps {
            return;
        }
        self.revision += 1;
        // Cloned anew: `clone_from` would leave room for four.
        self.graph = legs.clone();
        self.wanted_taps = taps.clone();
        self.order(RelayCommand::Apply(Graph { call: self.id, revision: self.revision, legs, taps }));
        for candidates in self.kept.take() {
            self.order_candidates(self.caller.id, candidates);
        }
    }

    /// Whether the call cannot go on before the relay has told what follows from the orders that it was given.
    pub fn awaits_relay(&self) -> bool {
        match &self.state {
            State::Dialling(dialling) => dialling.awaits_relay() || self.caller.local.is_none(),
            State::Talking => !self.awaiting_ready.is_empty() || self.transfer.is_some() || self.asking.is_some(),
            State::Ending { .. } | State::Gone => false,
            State::Soliciting(_) | State::Direct(_) | State::Answering { .. } | State::Playing(_) => true,
        }
    }

    pub(super) fn graph_leg(&self, leg: &Leg, other: Option<LegId>, early: Option<LegId>) -> GraphLeg {
        let far = other.and_then(|o| {
            if o == self.caller.id { Some(&self.caller) } else { self.callees.iter().find(|c| c.id == o) }
        });
        // Whoever holds hears nothing. It is still heard if it holds by direction, which says itself who may
        // speak, or by a word that leaves its music audible.
        let own = self.own_sound(leg, far).map(Source::Play);
        let is_cut_off = leg.holds_by_word || far.is_some_and(Leg::is_silenced);
        let hears = match far {
            _ if self.echo => Source::Echo,
            Some(far) if !is_cut_off => Source::Leg(far.id),
            _ => Source::Nothing,
        };
        // A callee that is still being rung hears nothing of the caller, but for the one whose announcements
        // the caller hears: it may be a machine that wants digits.
        let is_heard = self.answered || self.echo || leg.id == self.caller.id || early == Some(leg.id);
        let seen = far.filter(|_| is_heard && !is_cut_off);
        let own = self.notice_on(leg.id).map(Source::Play).or(own);
        let hears = own.unwrap_or(if is_heard { hears } else { Source::Nothing });
        let anybody_holds = leg.holds() || far.is_some_and(Leg::holds);
        let mut video = Call::graph_video(leg, seen);
        if let Some(video) = &mut video {
            video.expected &= self.answered && !anybody_holds;
        }
        GraphLeg {
            leg: leg.id,
            spec: leg.spec,
            remote: leg.remote.clone(),
            codecs: leg.codecs.clone(),
            sends: leg.remote_direction.receives(),
            receives: leg.remote_direction.sends() && !leg.is_silenced(),
            hears,
            answered: self.answered && (!anybody_holds || self.wants_music_of(leg, far)),
            keeps_sending: self.answered && leg.abilities.keeps_sending,
            keys: super::keys::in_graph(leg, far),
            video,
            transport_cc: leg.transport_cc(),
        }
    }
}
