//! Somebody calls to take the place of a party that is in a talk (RFC 3891).

use std::time::Instant;

use tracing::info;

use super::fetching::{self, Then};
use super::{Move, Step};
use crate::base::{CallId, LegId};
use crate::call::leg::{Leg, Who};
use crate::call::negotiate;
use crate::call::plan::Far;
use crate::call::two_party::{CONNECT_PATIENCE, Call, Output, State};
use crate::model::{
    Abilities, Answer, Cause, Detail, Direction, Entry, Hangup, LegSpec, MediaPath, Offer, Signal, Start,
};

impl Call {
    /// Whether somebody may take the place of the leg: there is a talk, and nothing else is being done about it.
    pub fn can_be_replaced(&self, leg: LegId) -> bool {
        let is_talk = matches!(self.state, State::Talking | State::Direct(_)) && self.answered && !self.echo;
        is_talk && self.can_come() && self.transfer.is_none() && self.other(leg).is_some()
    }

    /// Whoever is at the other end of a talk.
    pub fn far_of(&self, leg: LegId) -> Option<Far> {
        let far = self.leg(self.other(leg)?)?;
        Some(Far {
            call: self.id,
            leg: far.id,
            party: far.who.party.clone(),
            trunk: far.who.trunk().map(str::to_owned),
        })
    }

    /// Whoever takes a place, if that comes about, is an end of a joint with another call.
    pub fn joins(&mut self, other: CallId) {
        if let Some(transfer) = self.transfer.as_deref_mut() {
            transfer.joins = Some(other);
        }
    }

    /// By which door the party of a leg came in, or would.
    pub fn entry_of(&self, leg: LegId) -> Option<&Entry> {
        self.leg(leg).map(|l| &l.who.entry)
    }

    /// Somebody calls with `newcomer` to take the place of `place`; the call must be one that
    /// [can be](Call::can_be_replaced). The leg is hung up if that fails, and the talk goes on as it was.
    pub fn replace(&mut self, now: Instant, place: LegId, newcomer: LegId, abilities: Abilities, start: Start) {
        if !self.can_be_replaced(place) || !self.expect_to_come() {
            let hangup = Hangup::new(Cause::Busy);
            return self.outputs.push_back(Output::Say(newcomer, Signal::Hangup(hangup)));
        }
        info!(call = %self.id, leg = %newcomer, %place, "comes in to take over");
        let held = self.leg(place).is_some_and(|l| l.holds());
        let (newcomers, step) = (Vec::new(), Step::Joining { deadline: now + fetching::PATIENCE });
        self.transfer = Some(Box::new(Move {
            place,
            has_left: false,
            held,
            wish: None,
            newcomers,
            step,
            fetching: None,
            joins: None,
        }));
        if self.needs_fetching() {
            return self.fetch(now, Then::LetIn(Box::new((newcomer, abilities, start))));
        }
        self.let_in(now, newcomer, abilities, start);
    }

    /// Lays our end for somebody who calls to take a place.
    pub(super) fn let_in(&mut self, now: Instant, newcomer: LegId, abilities: Abilities, start: Start) {
        let refuse = |this: &mut Call, cause: Cause, why: Option<String>| {
            let detail = why.map(|why| Detail { text: Some(why), ..Detail::default() });
            let hangup = Hangup { cause, detail };
            this.outputs.push_back(Output::Say(newcomer, Signal::Hangup(hangup.clone())));
            this.transfer_failed(now, hangup);
        };
        let Some(stays) = self.staying() else { return refuse(self, Cause::Busy, None) };
        let mut leg = Leg::new(newcomer, abilities, LegSpec { ..abilities.offers });
        leg.is_open = true;
        leg.who = Who { entry: start.entry, party: start.from };
        leg.names.own = start.about.session_id;
        let passing = self.leg(stays).map(Leg::passing).unwrap_or_default();
        match start.offer {
            Some(Offer { exchange, description }) => {
                match negotiate::caller_spec(&description, &abilities) {
                    Ok(spec) => leg.spec = spec,
                    Err(why) => return refuse(self, Cause::MediaIncompatible, Some(why)),
                }
                leg.take_offer(exchange, description);
                let takes = negotiate::for_callee(&passing, leg.spec);
                leg.set_codecs(negotiate::for_caller(leg.offered_codecs(), &takes, false));
            }
            None => leg.set_codecs(negotiate::for_callee(&passing, leg.spec)),
        }
        if leg.codecs.is_empty() {
            let why = negotiate::mismatch(leg.offered_codecs(), &passing);
            return refuse(self, Cause::MediaIncompatible, Some(why));
        }
        leg.pictures = self.pictures_that_come_in(&leg, stays);
        if let Some(transfer) = self.transfer.as_deref_mut() {
            transfer.step = Step::Joining { deadline: now + CONNECT_PATIENCE };
            transfer.newcomers = vec![leg];
        }
        let is_shared = self.agree_on_pictures(stays, newcomer);
        if let Some(known) = self.leg_mut(newcomer).filter(|_| !is_shared) {
            known.pictures = None;
        }
        self.apply();
    }

    /// Our end for somebody who calls to take a place is laid: the call is answered.
    pub(super) fn joiner_ready(&mut self, now: Instant, leg: LegId) {
        let Some(known) = self.leg_mut(leg) else { return };
        let words = match known.open_offer().is_some() {
            true => known
                .answer(Direction::SendRecv, false)
                .map(|(exchange, description)| Signal::Answer(Answer { exchange, description, provisional: false })),
            false => known
                .offer(Direction::SendRecv)
                .map(|(exchange, description)| Signal::Offer(Offer { exchange, description })),
        };
        let Some(words) = words else {
            let hangup = Hangup::new(Cause::ServerError);
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.newcomer_ended(now, leg, hangup);
        };
        for signal in [Signal::Path(MediaPath::Relayed), words, Signal::Accept] {
            self.say(leg, signal);
        }
        self.take_place(now, leg);
    }

    /// Our end for somebody who may take a place is laid.
    pub(in crate::call) fn place_ready(&mut self, now: Instant, leg: LegId) {
        match self.transfer.as_deref().map(|t| &t.step) {
            Some(Step::Joining { .. }) => self.joiner_ready(now, leg),
            _ => self.newcomer_ready(leg),
        }
    }
}
