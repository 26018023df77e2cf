//! The parties of a direct call are brought to the relay, because one of them is to talk to somebody else.
//!
//! ```text
//!                         our end is laid, and offered      answered
//!   somebody picked up ──────────────────────────────▶ ... ──────────▶ the newcomer takes the place
//!                                                       │ refused
//!                                                       └──▶ they talk on directly: nothing has changed
//! ```
//!
//! Only the party that stays moves, and only when there is somebody to talk to: until then the two talk directly, as they
//! did. What it is offered has another certificate, so that its transport begins anew. If the newcomer goes meanwhile, the
//! party that asked follows, and the two talk through the relay. A party whose wire has no such offer is called anew
//! ([`recalling`](super::recalling)).

use std::time::{Duration, Instant};

use tracing::info;

use super::Step;
use super::recalling::Recall;
use crate::base::{ExchangeId, LegId};
use crate::call::leg::{Exchange, Leg};
use crate::call::plan::{Attempt, Far};
use crate::call::two_party::{Call, Output, State};
use crate::model::{
    Abilities, Cause, Codec, Description, Direction, GraphLeg, Hangup, Kind, MediaPath, Moves, Offer, Signal, Source,
    Start,
};

/// How long a party may take to answer the offer with which it is fetched; adapters whose wire needs an end give up before.
pub const PATIENCE: Duration = Duration::from_secs(35);

/// When the offer is made again that met one of the party's own.
const AGAIN: Duration = Duration::from_millis(500);

/// Why the record says that the media went through the relay.
const WHY: &str = "a party of the call was transferred";

/// Parties on their way.
#[derive(Debug)]
pub struct Fetching {
    coming: Vec<Coming>,
    until: Instant,
    then: Then,
}

/// A party on its way.
#[derive(Debug)]
pub struct Coming {
    /// Its leg: of the call by which it talks directly until it is there.
    pub leg: LegId,
    /// Our offer that waits for its answer.
    exchange: Option<ExchangeId>,
    /// When the offer is made again.
    again: Option<Instant>,
    /// The other call, where it comes by one and not by an offer, until it is there.
    recall: Option<Box<Recall>>,
    is_there: bool,
}

/// What is done once they are there.
#[derive(Debug)]
pub enum Then {
    /// Whoever is rung goes on ringing.
    Wait,
    /// Somebody who picked up takes the place.
    TakePlace(LegId),
    /// The party that asked leaves its two calls to the others.
    Join(Box<(Far, Attempt)>),
    /// Somebody who calls takes the place.
    LetIn(Box<(LegId, Abilities, Start)>),
    /// The transfer has failed, and the two talk on.
    TalkOn,
}

impl Coming {
    fn new(leg: LegId, moves: Moves) -> Coming {
        let recall = (moves == Moves::ByCall).then(Box::default);
        Coming { leg, exchange: None, again: None, recall, is_there: false }
    }

    fn has_begun(&self) -> bool {
        self.is_there || self.exchange.is_some() || self.recall().is_some_and(Recall::has_begun)
    }

    /// The other call by which it comes.
    pub fn recall(&self) -> Option<&Recall> {
        self.recall.as_deref()
    }

    /// The same, to be changed.
    pub fn recall_mut(&mut self) -> Option<&mut Recall> {
        self.recall.as_deref_mut()
    }

    /// It has come by the other call, whose leg this is. That leg, and whether the first is over.
    pub fn came_by_call(&mut self, leg: LegId) -> Option<(Box<Leg>, bool)> {
        let came = self.recall.take()?.came()?;
        (self.leg, self.is_there) = (leg, true);
        Some(came)
    }
}

impl Fetching {
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let again = self.coming.iter().filter_map(|c| c.again).min();
        (!self.are_there()).then(|| again.map_or(self.until, |again| again.min(self.until)))
    }

    fn are_there(&self) -> bool {
        self.coming.iter().all(|c| c.is_there)
    }

    /// Those on their way, and those who are there.
    pub fn coming(&self) -> impl Iterator<Item = &Coming> {
        self.coming.iter()
    }

    /// The same, to be changed.
    pub fn coming_mut(&mut self) -> impl Iterator<Item = &mut Coming> {
        self.coming.iter_mut()
    }

    /// What is done once they are there.
    pub fn then(&self) -> &Then {
        &self.then
    }

    fn has_begun(&self) -> bool {
        self.coming.iter().any(Coming::has_begun)
    }
}

impl Call {
    /// Whether the parties can be brought to the relay, or are there.
    pub(super) fn can_come(&self) -> bool {
        let State::Direct(_) = &self.state else { return true };
        self.both().all(|leg| self.leg(leg).is_some_and(|l| l.abilities.moves != Moves::Never))
    }

    /// Readies both parties of a direct call for the relay, of which neither is told. Whether they have speech that passes.
    pub(super) fn expect_to_come(&mut self) -> bool {
        let parties: Vec<LegId> = self.both().collect();
        let (State::Direct(_), [one, other]) = (&self.state, parties.as_slice()) else { return true };
        let [far, near] = [*other, *one].map(|leg| self.offered_by(leg));
        let is_ready = |call: &mut Call, leg, far: &[_]| call.leg_mut(leg).is_some_and(|l| l.begin_anew(far));
        is_ready(self, *one, &far) & is_ready(self, *other, &near)
    }

    fn offered_by(&self, leg: LegId) -> Vec<Codec> {
        self.leg(leg).map(|l| l.offered_codecs().to_vec()).unwrap_or_default()
    }

    /// What a party speaks: with our end, or, until it is there, with the other party.
    pub(super) fn spoken_by(&self, leg: LegId) -> Vec<Codec> {
        let with_us = self.leg(leg).filter(|l| l.remote.is_some()).map(Leg::passing);
        with_us.unwrap_or_else(|| self.offered_by(leg))
    }

    /// The parties on their way.
    pub(super) fn fetching(&self) -> Option<&Fetching> {
        self.transfer.as_deref()?.fetching.as_deref()
    }

    /// The same, to be changed.
    pub(super) fn fetching_mut(&mut self) -> Option<&mut Fetching> {
        self.transfer.as_deref_mut()?.fetching.as_deref_mut()
    }

    /// The party of this leg, if it is on its way.
    pub(super) fn coming(&mut self, leg: LegId) -> Option<&mut Coming> {
        self.fetching_mut()?.coming.iter_mut().find(|c| c.leg == leg)
    }

    /// Whether the party that stays is still to be fetched.
    pub(super) fn needs_fetching(&self) -> bool {
        matches!(self.state, State::Direct(_)) && !self.fetching().is_some_and(Fetching::are_there)
    }

    /// Fetches the party that stays, and then does this.
    pub(super) fn fetch(&mut self, now: Instant, then: Then) {
        let Some(stays) = self.staying() else { return };
        match self.fetching_mut() {
            Some(fetching) => fetching.then = then,
            None => {
                self.expect_to_come();
                info!(call = %self.id, leg = %stays, "is to come to the relay");
                let fetching = Fetching { coming: Vec::new(), until: now + PATIENCE, then };
                if let Some(transfer) = self.transfer.as_deref_mut() {
                    transfer.fetching = Some(Box::new(fetching));
                }
                self.expect(stays);
                self.offer_pictures_anew(stays);
            }
        }
        self.apply();
        self.ask_to_come(now);
        self.go_on(now);
    }

    /// A party is to be offered the pictures of whoever waits for it, if it had some with the other.
    fn offer_pictures_anew(&mut self, leg: LegId) {
        if self.described_pictures(leg).is_empty() {
            return;
        }
        let codecs = self.pictures_of_who_waits();
        if let Some(known) = self.leg_mut(leg) {
            let codecs = known.pictures_to_offer(&codecs);
            known.pictures = (!codecs.is_empty()).then(|| known.pictures_of(codecs));
        }
    }

    /// The formats of pictures of a party that talks directly, as it last described them: none once it is on its way.
    pub(super) fn described_pictures(&self, leg: LegId) -> Vec<Codec> {
        if !matches!(self.state, State::Direct(_)) {
            return Vec::new();
        }
        self.leg(leg).and_then(Leg::offered).map(formats_of_pictures).unwrap_or_default()
    }

    /// The formats of pictures of whoever waits until a party is there.
    pub(super) fn pictures_of_who_waits(&self) -> Vec<Codec> {
        // What has answered shows the first format of its answer.
        let shown = |leg| {
            let pictures = self.leg(leg).and_then(|l| l.pictures.as_ref());
            pictures.and_then(|p| p.taken().first().cloned()).into_iter().collect()
        };
        match self.fetching().map(|f| &f.then) {
            Some(Then::TakePlace(newcomer)) => shown(*newcomer),
            Some(Then::LetIn(parts)) if parts.1.video => {
                parts.2.offer.as_ref().map(|o| formats_of_pictures(&o.description)).unwrap_or_default()
            }
            Some(Then::TalkOn) => self.staying().map(shown).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// A party is on its way from here on.
    fn expect(&mut self, leg: LegId) {
        let Some(moves) = self.leg(leg).map(|l| l.abilities.moves) else { return };
        if let Some(fetching) = self.fetching_mut() {
            fetching.coming.push(Coming::new(leg, moves));
        }
        if moves == Moves::ByCall {
            self.outputs.push_back(Output::Recall(leg));
        }
    }

    /// The party that asked has left: whoever is left hears nobody by the direct way.
    pub(super) fn fetch_who_is_left(&mut self, now: Instant) {
        if matches!(self.state, State::Direct(_)) && self.fetching().is_none() {
            self.fetch(now, Then::Wait);
        }
    }

    /// Makes the offers that are due and whose end is laid.
    pub(in crate::call) fn ask_to_come(&mut self, now: Instant) {
        let State::Direct(direct) = &self.state else { return };
        let is_negotiating = direct.is_negotiating();
        let Some(fetching) = self.fetching_mut() else { return };
        let is_due = |c: &&mut Coming| c.recall.is_none() && !c.has_begun() && c.again.is_none_or(|again| again <= now);
        let mut due = Vec::new();
        for coming in fetching.coming.iter_mut().filter(is_due) {
            coming.again = is_negotiating.then(|| now + AGAIN);
            due.push(coming.leg);
        }
        for leg in due.into_iter().filter(|_| !is_negotiating) {
            let offer = self.leg_mut(leg).and_then(|l| l.offer(Direction::SendRecv));
            let Some((exchange, description)) = offer else { continue };
            if let Some(coming) = self.coming(leg) {
                coming.exchange = Some(exchange);
            }
            self.say(leg, Signal::Offer(Offer { exchange, description }));
        }
    }

    /// A party of a direct call says something: what of it is not about its way to the relay.
    pub(in crate::call) fn hear_coming(&mut self, now: Instant, leg: LegId, signal: Signal) -> Option<Signal> {
        if !self.fetching().is_some_and(Fetching::has_begun) {
            return Some(signal);
        }
        let coming = self.coming(leg).map(|c| (c.exchange, c.is_there));
        match (coming, signal) {
            (Some((Some(open), _)), Signal::Answer(answer)) if answer.exchange == open => {
                if !answer.provisional {
                    self.came(now, leg, &answer.description);
                }
            }
            (Some((Some(open), _)), Signal::Refuse { exchange, cause }) if exchange == open => {
                self.will_not_come(now, leg, cause);
            }
            (Some((_, true)), signal @ (Signal::Offer(_) | Signal::Answer(_) | Signal::Refuse { .. })) => {
                self.hear_in_session(now, leg, signal);
            }
            (Some(_), Signal::Candidates(candidates)) => self.order_candidates(leg, candidates),
            (_, Signal::Offer(Offer { exchange, .. })) => {
                self.say(leg, Signal::Refuse { exchange, cause: Cause::Glare })
            }
            (None, Signal::Candidates(_)) => {}
            (_, signal) => return Some(signal),
        }
        None
    }

    /// A party has answered the offer of our end.
    fn came(&mut self, now: Instant, leg: LegId, description: &Description) {
        let Some(known) = self.leg_mut(leg) else { return };
        if !known.take_answer(description, false) || !known.speaks() {
            return self
                .refuse_media(now, "the answer to the offer of the relay has no speech that was offered".into());
        }
        self.take_pictures(leg, description);
        if let Some(coming) = self.coming(leg) {
            (coming.exchange, coming.is_there) = (None, true);
        }
        self.say(leg, Signal::Path(MediaPath::Relayed));
        self.has_come(now, leg);
    }

    /// A party is there.
    pub(super) fn has_come(&mut self, now: Instant, leg: LegId) {
        info!(call = %self.id, %leg, "has come to the relay");
        self.apply();
        self.go_on(now);
    }

    /// Whether a party of a direct call is to come to the relay, and has not been told of our end: it talks on without it.
    pub(in crate::call) fn has_no_end_yet(&self, leg: LegId) -> bool {
        self.fetching().is_some_and(|f| f.coming.iter().any(|c| c.leg == leg && !c.has_begun()))
    }

    /// A party of a direct call does not come to the relay, or cannot.
    pub(in crate::call) fn will_not_come(&mut self, now: Instant, leg: LegId, cause: Cause) {
        if let Some(known) = self.leg_mut(leg) {
            known.exchange = Exchange::Stable;
        }
        let Some(coming) = self.coming(leg) else { return };
        coming.exchange = None;
        if cause == Cause::Glare && coming.recall.is_none() {
            coming.again = Some(now + AGAIN);
            return;
        }
        info!(call = %self.id, %leg, %cause, "does not come to the relay");
        self.transfer_failed(now, Hangup::new(cause));
    }

    /// Does what was to be done once all are there, if they are.
    fn go_on(&mut self, now: Instant) {
        let Some(fetching) = self.fetching_mut().filter(|f| f.are_there()) else { return };
        match std::mem::replace(&mut fetching.then, Then::Wait) {
            Then::Wait => {}
            Then::TakePlace(newcomer) => self.take_place(now, newcomer),
            Then::Join(parts) => self.join(now, parts.0, parts.1),
            Then::LetIn(parts) => self.let_in(now, parts.0, parts.1, parts.2),
            Then::TalkOn => {
                self.transfer = None;
                self.is_relayed_from_here();
                if let [one, other] = self.both().collect::<Vec<_>>().as_slice() {
                    self.agree_anew(now, *one, *other);
                }
                self.apply();
                self.level_pictures();
            }
        }
    }

    /// The relay carries the media of what was a direct call.
    pub(super) fn is_relayed_from_here(&mut self) {
        if matches!(self.state, State::Direct(_)) {
            self.state = State::Talking;
            self.ledger.path(MediaPath::Relayed, Some(WHY));
        }
    }

    /// The transfer has failed: if the party that stays has left the direct way, the one that asked follows it. Whether
    /// that is so.
    pub(super) fn goes_back(&mut self, now: Instant) -> bool {
        let is_direct = matches!(self.state, State::Direct(_));
        let Some(transfer) = self.transfer.as_deref_mut().filter(|_| is_direct) else { return false };
        let place = transfer.place;
        let Some(fetching) = transfer.fetching.as_mut().filter(|f| f.has_begun()) else { return false };
        let is_lost = fetching.coming().filter_map(Coming::recall).any(Recall::is_lost);
        if transfer.has_left || is_lost || matches!(transfer.step, Step::GoingBack) {
            return false;
        }
        (fetching.then, fetching.until) = (Then::TalkOn, now + PATIENCE);
        (transfer.step, transfer.wish) = (Step::GoingBack, None);
        info!(call = %self.id, leg = %place, "follows the other to the relay");
        self.expect(place);
        let far = self.staying().map(|stays| self.spoken_by(stays)).unwrap_or_default();
        if let Some(known) = self.leg_mut(place) {
            known.begin_anew(&far);
        }
        self.offer_pictures_anew(place);
        self.apply();
        self.ask_to_come(now);
        true
    }

    /// Whether a transfer that fails leaves two parties who do not hear each other.
    pub(super) fn is_torn(&self) -> bool {
        let is_torn = |t: &super::Move| t.has_left || matches!(t.step, Step::GoingBack);
        self.transfer.as_deref().is_some_and(is_torn) || self.has_lost_one()
    }

    /// Somebody who calls to take a place, and waits until the party that stays is there, is turned away.
    pub(super) fn turn_away(&mut self, hangup: &Hangup) {
        let Some(fetching) = self.fetching_mut().filter(|f| matches!(f.then, Then::LetIn(_))) else { return };
        if let Then::LetIn(parts) = std::mem::replace(&mut fetching.then, Then::Wait) {
            self.outputs.push_back(Output::Say(parts.0, Signal::Hangup(hangup.clone())));
        }
    }

    /// A leg that is none of the call's hangs up: it may be of somebody who waits to take a place.
    pub(in crate::call) fn comes_no_more(&mut self, now: Instant, leg: LegId) {
        let Some(fetching) = self.fetching_mut() else { return };
        if matches!(&fetching.then, Then::LetIn(parts) if parts.0 == leg) {
            fetching.then = Then::Wait;
            self.transfer_failed(now, Hangup::new(Cause::Cancelled));
        }
    }

    /// Time has passed.
    pub(super) fn fetching_timeout(&mut self, now: Instant) {
        let Some(fetching) = self.fetching().filter(|f| f.deadline().is_some_and(|at| at <= now)) else { return };
        if fetching.until <= now {
            let cause = if self.is_recalling() { Cause::NoAnswer } else { Cause::Timeout };
            self.drop_seconds(Cause::Cancelled);
            return self.transfer_failed(now, Hangup::new(cause));
        }
        self.ask_to_come(now);
    }

    /// What the relay is wanted to do for those who come.
    pub(in crate::call) fn coming_legs(&self) -> Vec<GraphLeg> {
        let coming = self.fetching().into_iter().flat_map(Fetching::coming);
        let in_graph = |coming: &Coming| match coming.recall() {
            Some(recall) => self.second_in_graph(recall),
            None => self.leg(coming.leg).map(|leg| self.graph_leg(leg, None, None)),
        };
        let silent = |leg| GraphLeg { hears: Source::Nothing, answered: false, keeps_sending: false, ..leg };
        coming.filter_map(in_graph).map(silent).collect()
    }
}

fn formats_of_pictures(description: &Description) -> Vec<Codec> {
    let shown = description.streams.iter().find(|s| s.kind == Kind::Video && s.accepted);
    shown.map(|s| s.codecs.clone()).unwrap_or_default()
}
