//! What may happen while two parties talk, and before: new offers, hold, digits, silence.

use std::time::Instant;

use tracing::{info, warn};

use super::negotiate;
use super::two_party::{Call, State};
use crate::base::LegId;
use crate::model::{
    Answer, CallStats, Candidates, Cause, Direction, Hangup, LegSpec, LegStats, Offer, RelayCommand, Signal,
};

impl Call {
    /// A signal that may come at any time of the session, from either side.
    pub(super) fn hear_in_session(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match signal {
            Signal::Offer(offer) => self.hear_offer(now, leg, offer),
            Signal::Answer(answer) => self.hear_answer(now, leg, answer),
            Signal::Refuse { exchange, cause } => self.hear_refusal(now, leg, exchange, cause),
            Signal::Solicit(exchange) => self.hear_solicit(leg, exchange),
            Signal::Candidates(candidates) => self.order_candidates(leg, candidates),
            Signal::Hold(on) => self.hear_hold(leg, on),
            Signal::Record(on) => self.hear_record(now, leg, on),
            Signal::Mute(on) => self.pass_if(leg, Signal::Mute(on), |a| a.mute),
            Signal::Roster(roster) => self.pass_if(leg, Signal::Roster(roster), |a| a.roster),
            Signal::Dtmf(dtmf) => self.hear_digit(now, leg, dtmf),
            Signal::TakesDigits(takes) => self.learn_word(leg, takes),
            Signal::Refresh => self.hear_refresh(leg),
            Signal::Connected(party) => self.hear_connected(leg, party),
            Signal::Named(ids) => self.hear_name(leg, ids),
            Signal::UserToUser(words) => self.hear_words(leg, words),
            Signal::Transfer(wish) => self.hear_transfer(leg, wish),
            Signal::Transferring(how) => self.hear_transferring(now, leg, how),
            Signal::AskStats => {
                let call = self.id;
                self.stats_asked_by = Some(leg);
                self.order(RelayCommand::Stats(call));
            }
            Signal::Lost => info!(call = %self.id, %leg, "lost its signalling; the media may go on"),
            Signal::Back => info!(call = %self.id, %leg, "is back"),
            // Nothing else makes sense here; the adapters keep their order, so this is an adapter's mistake.
            other => warn!(call = %self.id, %leg, ?other, "out of place"),
        }
    }

    /// Gives the relay candidates of its stream; there is nothing else to check with them.
    pub(super) fn order_candidates(&mut self, leg: LegId, candidates: Candidates) {
        let Some(known) = self.leg(leg) else { return };
        let pictures = known.is_for_pictures(&candidates);
        if (pictures || known.is_for_audio(&candidates)) && !candidates.candidates.is_empty() {
            let call = self.id;
            self.order(RelayCommand::Candidates { call, leg, pictures, candidates: candidates.candidates });
        }
    }

    fn hear_offer(&mut self, now: Instant, leg: LegId, offer: Offer) {
        let Offer { exchange, mut description } = offer;
        let far = self.other(leg).and_then(|other| self.leg_mut(other)).map(|far| far.passing()).unwrap_or_default();
        let Some(known) = self.leg_mut(leg) else { return };
        if known.is_put_aside(&description) {
            return self.put_aside(leg, exchange, &description);
        }
        known.fit_events(&mut description);
        let acceptable = negotiate::spec_of(&description, &known.abilities);
        let goes_on = |s: &LegSpec| negotiate::goes_on(known.spec.seal, known.is_sealed(), &description, s.seal);
        let is_same_kind = acceptable.as_ref().is_ok_and(goes_on);
        let offered = description.audio().map(|s| s.codecs.clone()).unwrap_or_default();
        let ours = negotiate::for_reoffer(&offered, &known.codecs, &far);
        if !is_same_kind || ours.is_empty() {
            let why = match acceptable {
                Err(why) => why,
                Ok(_) if !is_same_kind => "it would change how the media are protected".into(),
                Ok(_) => negotiate::mismatch(&offered, &known.codecs),
            };
            warn!(call = %self.id, %leg, why, "refuses a new offer");
            return self.say(leg, Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
        }
        let was_holding = known.holds();
        let restarts = known.take_offer(exchange, description);
        known.set_codecs(ours);
        if restarts {
            known.connected = false;
            self.awaiting_ready.push(leg);
        }
        self.pictures_offered(now, leg);
        self.apply();
        self.answer_offer(now, leg);
        self.hold_changed(leg, was_holding);
        for owed in self.owed.clone() {
            self.pay(owed);
        }
    }

    /// Answers the offer that is open on the leg, once our end of it is ready and the other side has been asked.
    pub(super) fn answer_offer(&mut self, now: Instant, leg: LegId) {
        if self.awaiting_ready.contains(&leg) || self.waits_for_pictures(leg) {
            return;
        }
        self.aim_pictures();
        let wish = self.wish(leg);
        let answered = self.leg_mut(leg).and_then(|l| l.answer(wish, false));
        self.apply();
        match answered {
            Some((exchange, description)) => {
                self.say(leg, Signal::Answer(Answer { exchange, description, provisional: false }));
                self.pay(leg);
            }
            None => self.finish(now, Hangup::new(Cause::ServerError)),
        }
    }

    fn hear_answer(&mut self, now: Instant, leg: LegId, answer: Answer) {
        let Some(known) = self.leg_mut(leg) else { return };
        let was_holding = known.holds();
        if !known.take_answer(&answer.description, answer.provisional) {
            return self.refuse_media(now, "the answer has no audio".into());
        }
        if !known.speaks() {
            let theirs = answer.description.audio().map_or(&[][..], |s| &s.codecs);
            let why = negotiate::mismatch(&known.codecs, theirs);
            return self.refuse_media(now, why);
        }
        self.met_no_more(leg);
        self.pictures_answered(now, leg, &answer.description);
        self.apply();
        self.hold_changed(leg, was_holding);
        self.pay(leg);
    }

    /// The peer asks for an offer of ours in the middle of the session: an INVITE without a description. It is
    /// a whole offer, not the last answer said again (RFC 3261 §14.2).
    fn hear_solicit(&mut self, leg: LegId, exchange: crate::base::ExchangeId) {
        self.aim_pictures();
        let wish = self.wish(leg);
        let Some(known) = self.leg_mut(leg) else { return };
        match known.offer_in(exchange, wish) {
            Some(description) => self.say(leg, Signal::Offer(Offer { exchange, description })),
            None => self.say(leg, Signal::Refuse { exchange, cause: Cause::Glare }),
        }
    }

    fn hear_refusal(&mut self, now: Instant, leg: LegId, exchange: crate::base::ExchangeId, cause: Cause) {
        info!(call = %self.id, %leg, %cause, "refuses our offer; the session stays as it was");
        if let Some(known) = self.leg_mut(leg)
            && known.exchange == super::leg::Exchange::HaveLocalOffer(exchange)
        {
            known.exchange = super::leg::Exchange::Stable;
        }
        if cause == Cause::Glare && self.repeats_later(now, leg) {
            return;
        }
        self.owed.retain(|l| *l != leg);
        self.pictures_refused(now, leg);
    }

    fn hear_hold(&mut self, leg: LegId, on: bool) {
        let Some(known) = self.leg_mut(leg) else { return };
        let was_holding = known.holds();
        known.holds_by_word = on;
        self.apply();
        self.hold_changed(leg, was_holding);
    }

    /// The party on this leg put the other on hold or took it off: the other is told, in words or by a
    /// re-offer.
    pub(super) fn hold_changed(&mut self, leg: LegId, was_holding: bool) {
        let Some(holds) = self.leg_mut(leg).map(|l| l.holds()) else { return };
        if holds == was_holding || !matches!(self.state, State::Talking) {
            return;
        }
        info!(call = %self.id, %leg, holds, "hold");
        if let Some(known) = self.leg_mut(leg) {
            known.is_quiet_on_hold = false;
        }
        let Some(other) = self.other(leg) else { return };
        let Some(far) = self.leg_mut(other) else { return };
        if far.abilities.hold {
            self.say(other, Signal::Hold(holds));
        } else {
            self.owe(other);
            self.pay(other);
        }
    }

    /// What we would say of this leg's directions if it were ours to say: we send always, and want to hear
    /// its party unless the other side has put it on hold.
    fn wish(&self, leg: LegId) -> Direction {
        let held_by_other = self.other(leg).and_then(|o| {
            if o == self.caller.id { Some(&self.caller) } else { self.callees.iter().find(|c| c.id == o) }
        });
        Direction::of(true, !held_by_other.is_some_and(|o| o.holds()))
    }

    /// Makes the re-offer that a leg is owed, once no other exchange is open on it.
    pub(super) fn pay(&mut self, leg: LegId) {
        if !self.owed.contains(&leg) {
            return;
        }
        self.aim_pictures();
        let mut wish = self.wish(leg);
        let Some(known) = self.leg_mut(leg) else { return };
        if known.holds() {
            // It does not listen, so there is nothing to send to it.
            wish = Direction::of(false, wish.receives());
        }
        let is_said = known.said_direction == wish && !known.is_unsaid && !known.owes_pictures();
        if is_said && known.exchange == super::leg::Exchange::Stable {
            self.owed.retain(|l| *l != leg);
            return;
        }
        if known.awaits_pictures() {
            return;
        }
        if let Some((exchange, description)) = known.offer(wish) {
            self.owed.retain(|l| *l != leg);
            self.say(leg, Signal::Offer(Offer { exchange, description }));
        }
    }

    /// Notes that a leg is to get an offer of ours; [`Call::pay`] makes it.
    pub(super) fn owe(&mut self, leg: LegId) {
        if !self.owed.contains(&leg) {
            self.owed.push(leg);
        }
    }

    pub(super) fn pass_if(&mut self, from: LegId, signal: Signal, can: fn(&crate::model::Abilities) -> bool) {
        let Some(other) = self.other(from) else { return };
        if self.leg_mut(other).is_some_and(|l| can(&l.abilities)) {
            self.say(other, signal);
        }
    }

    /// A word to the person, where the wire has words for people: the same that have one for hold.
    pub(super) fn notice(&mut self, leg: LegId, sentence: String) {
        if self.leg_mut(leg).is_some_and(|l| l.abilities.hold) {
            self.say(leg, Signal::Notice(sentence));
        }
    }

    pub(super) fn silent(&mut self, leg: LegId, why: String) {
        if self.is_silent_on_hold(leg) {
            return;
        }
        warn!(call = %self.id, %leg, why, "silent");
        self.ledger.why(why.clone());
        for told in self.both() {
            self.notice(told, why.clone());
        }
    }

    /// Both parties, as far as there are two.
    pub(super) fn both(&self) -> impl Iterator<Item = LegId> + use<> {
        [Some(self.caller.id), self.other(self.caller.id)].into_iter().flatten()
    }

    /// A silence that was told is over.
    pub(super) fn audible(&mut self, leg: LegId) {
        info!(call = %self.id, %leg, "media come in again");
        for told in self.both() {
            let whom = if told == leg { "You are" } else { "The other side is" };
            self.notice(told, format!("{whom} heard again."));
        }
    }

    pub(super) fn stats(&mut self, legs: Vec<LegStats>) {
        let Some(asker) = self.stats_asked_by.take() else { return };
        let other = self.other(asker);
        let of = |leg: LegId| legs.iter().find(|s| s.leg == Some(leg)).cloned();
        let figures = CallStats { you: of(asker).unwrap_or_default(), them: other.and_then(of) };
        self.say(asker, Signal::Stats(Box::new(figures)));
    }
}
