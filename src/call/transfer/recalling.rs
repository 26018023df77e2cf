//! A party of a direct call whose wire has no word for another end is called anew, beside the call that it is in.
//!
//! ```text
//!   is to come ──▶ its end is laid ──▶ it is rung ──accepts──▶ the second leg is the party's, the first is hung up
//!                                        │ refuses, does not answer
//!                                        └──▶ they talk on by the first: nothing has changed
//! ```
//!
//! Until it accepts, the two talk on by the first leg. A party that is in one call at a time gives up the first by itself, or
//! its adapter does so for it: then the call waits for the second, and is over if that comes to nothing.

use std::time::Instant;

use tracing::{debug, info};

use super::Step;
use super::fetching::{Coming, Then};
use crate::base::LegId;
use crate::call::leg::{Leg, Who};
use crate::call::negotiate;
use crate::call::two_party::{Call, Output};
use crate::model::{
    About, Address, Answer, Cause, Codec, Detail, Direction, Entry, GraphLeg, Hangup, MediaPath, Offer, Party, Play,
    Progress, Replaces, Signal, Sound, Source, Stage, Start, Tone,
};

/// A party that is called anew.
#[derive(Debug, Default)]
pub struct Recall {
    /// The leg of the other call, once it has one.
    second: Option<Box<Leg>>,
    /// The first is over.
    is_alone: bool,
}

impl Recall {
    /// Whether the first leg is left.
    pub fn has_begun(&self) -> bool {
        self.is_alone
    }

    /// The second leg, which is the party's from here on, and whether the first is over.
    pub fn came(self) -> Option<(Box<Leg>, bool)> {
        let is_alone = self.is_alone;
        self.second.map(|second| (second, is_alone))
    }

    /// Whether neither leg is there.
    pub fn is_lost(&self) -> bool {
        self.is_alone && self.second.is_none()
    }
}

impl Call {
    fn recalls(&self) -> impl Iterator<Item = &Recall> {
        self.fetching().into_iter().flat_map(|f| f.coming()).filter_map(Coming::recall)
    }

    /// The second leg of a party that is called anew.
    pub(in crate::call) fn second_leg(&self, leg: LegId) -> Option<&Leg> {
        self.recalls().filter_map(|r| r.second.as_deref()).find(|second| second.id == leg)
    }

    /// The same, to be changed.
    pub(in crate::call) fn second_leg_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        let recalls = self.fetching_mut()?.coming_mut().filter_map(Coming::recall_mut);
        recalls.filter_map(|r| r.second.as_deref_mut()).find(|second| second.id == leg)
    }

    /// Whether it is such a leg.
    pub(in crate::call) fn is_second(&self, leg: LegId) -> bool {
        self.second_leg(leg).is_some()
    }

    /// The first leg of the party that this second one is of.
    fn first_of(&self, second: LegId) -> Option<LegId> {
        let is_it = |c: &&Coming| c.recall().and_then(|r| r.second.as_ref()).is_some_and(|s| s.id == second);
        self.fetching()?.coming().find(is_it).map(|c| c.leg)
    }

    /// Whether the party that stays is to be rung and has not accepted.
    pub(super) fn is_recalling(&self) -> bool {
        self.recalls().next().is_some()
    }

    /// Whether a party that is to come is not to be had any more.
    pub(super) fn has_lost_one(&self) -> bool {
        self.recalls().any(Recall::is_lost)
    }

    /// The party of a leg may be called anew on `second`, in answer to [`Output::Recall`].
    pub fn recall(&mut self, first: LegId, second: LegId) {
        let Some(known) = self.leg(first) else { return };
        let mut leg = Leg::new(second, known.abilities, known.abilities.offers);
        leg.who = Who { entry: known.who.entry.clone(), party: known.who.party.clone() };
        leg.set_codecs(negotiate::for_callee(&self.heard_by_the_fetched(first), leg.spec));
        if !leg.abilities.keys.has_events() {
            leg.leave_out_events();
        }
        if leg.abilities.video && !self.described_pictures(first).is_empty() {
            let codecs = leg.pictures_to_offer(&self.pictures_of_who_waits());
            leg.pictures = (!codecs.is_empty()).then(|| leg.pictures_of(codecs));
        }
        let recall = self.coming(first).and_then(Coming::recall_mut).filter(|r| r.second.is_none());
        let Some(recall) = recall else { return };
        info!(leg = %first, %second, "is called anew");
        recall.second = Some(Box::new(leg));
        self.apply();
    }

    /// What the one may speak whom a party that comes is to hear.
    fn heard_by_the_fetched(&self, leg: LegId) -> Vec<Codec> {
        let far = match self.fetching().map(|f| f.then()) {
            Some(Then::TakePlace(newcomer)) => self.leg(*newcomer).map(Leg::passing),
            _ => self.other(leg).map(|other| self.spoken_by(other)),
        };
        // Of whom nothing is known yet has been offered what the party spoke with the one that has left.
        let own = || self.leg(leg).map(Leg::spoken).unwrap_or_default();
        far.filter(|codecs| !codecs.is_empty()).unwrap_or_else(own)
    }

    /// Whom a party that comes is to talk to.
    fn whom_the_fetched_hears(&self) -> Option<Party> {
        let transfer = self.transfer.as_deref()?;
        match self.fetching()?.then() {
            Then::TakePlace(newcomer) => self.leg(*newcomer).map(|l| l.who.party.clone()),
            Then::Join(parts) => Some(parts.0.party.clone()),
            Then::LetIn(parts) => Some(parts.2.from.clone()),
            Then::Wait => transfer.wish.as_ref().map(|wish| Party::new(wish.to.clone())),
            Then::TalkOn => self.leg(transfer.place).map(|l| l.who.party.clone()),
        }
    }

    /// Our end of a second leg is laid: the party is rung.
    pub(in crate::call) fn second_ready(&mut self, leg: LegId) {
        let Some(first) = self.first_of(leg) else { return };
        let from = self.whom_the_fetched_hears().unwrap_or_else(|| Party::new(Address::here("anonymous")));
        let referred_by = self.transfer.as_deref().and_then(|t| self.leg(t.place)).map(|l| l.who.party.clone());
        let (hops_left, session_id) = (self.hops_left, self.half_of(first));
        let Some(known) = self.second_leg_mut(leg).filter(|l| !l.is_open) else { return };
        let to = known.who.party.address.clone();
        let Some((exchange, description)) = known.offer(Direction::SendRecv) else { return };
        known.is_open = true;
        let start = Start {
            entry: Entry::Open,
            from,
            to,
            contact: None,
            trunk: None,
            offer: Some(Offer { exchange, description }),
            hops_left,
            about: About { replaces: Some(Replaces::Leg(first)), referred_by, session_id, ..About::default() },
        };
        info!(call = %self.id, %leg, %first, "calls");
        self.say(leg, Signal::Start(Box::new(start)));
        self.say(leg, Signal::Path(MediaPath::Relayed));
    }

    /// A party that is called anew says something on its second leg.
    pub(in crate::call) fn hear_second(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match signal {
            Signal::Progress(Progress { stage: Stage::Ringing, .. }) => self.second_rings(),
            Signal::Answer(answer) => self.second_answered(now, leg, &answer),
            Signal::Accept => self.second_accepted(now, leg),
            Signal::Candidates(candidates) => self.order_candidates(leg, candidates),
            Signal::Redirect(_) => self.second_refused(now, leg, Hangup::new(Cause::NotSupported)),
            Signal::Hangup(hangup) => self.second_ended(now, leg, hangup),
            other => debug!(call = %self.id, %leg, ?other, "means nothing before it is accepted"),
        }
    }

    /// Whoever waits for the party is told that it rings.
    fn second_rings(&mut self) {
        let Some(Then::LetIn(parts)) = self.fetching().map(|f| f.then()) else { return };
        let (waits, rings) = (parts.0, Progress { stage: Stage::Ringing, early_media: false });
        self.outputs.push_back(Output::Say(waits, Signal::Progress(rings)));
    }

    fn second_answered(&mut self, now: Instant, leg: LegId, answer: &Answer) {
        let Some(known) = self.second_leg_mut(leg) else { return };
        if !known.take_answer(&answer.description, answer.provisional) || !known.speaks() {
            return self.second_refused(now, leg, incompatible("the answer has no speech that we offered"));
        }
        self.take_pictures(leg, &answer.description);
        self.apply();
    }

    /// The party has accepted: its second leg takes the place of its first.
    fn second_accepted(&mut self, now: Instant, leg: LegId) {
        let Some(first) = self.first_of(leg) else { return };
        if !self.second_leg(leg).is_some_and(Leg::speaks) {
            return self.second_refused(now, leg, incompatible("picked up without an answer to the offer"));
        }
        let Some((second, is_alone)) = self.coming(first).and_then(|coming| coming.came_by_call(leg)) else { return };
        if let Some(transfer) = self.transfer.as_deref_mut().filter(|t| t.place == first) {
            transfer.place = leg;
        }
        match self.callees.iter_mut().find(|c| c.id == first) {
            Some(callee) => *callee = *second,
            None if self.caller.id == first => self.caller = *second,
            None => {}
        }
        if !is_alone {
            self.outputs.push_back(Output::Say(first, Signal::Hangup(Hangup::new(Cause::Normal))));
        }
        self.forget_leg(first);
        self.has_come(now, leg);
    }

    /// A party of a direct call hangs up: one that is called anew gives up the first call for the second, or is about to
    /// refuse it. Whether it is such a one.
    pub(super) fn first_ends(&mut self, leg: LegId) -> bool {
        let Some(recall) = self.coming(leg).and_then(Coming::recall_mut).filter(|r| r.second.is_some()) else {
            return false;
        };
        recall.is_alone = true;
        info!(call = %self.id, %leg, "has left the first call, and is rung by the second");
        if let Some(known) = self.leg_mut(leg) {
            known.is_open = false;
        }
        true
    }

    fn second_refused(&mut self, now: Instant, leg: LegId, hangup: Hangup) {
        self.say(leg, Signal::Hangup(hangup.clone()));
        self.second_ended(now, leg, hangup);
    }

    /// A party does not take the second call, or the relay has no room for it.
    pub(in crate::call) fn second_ended(&mut self, now: Instant, leg: LegId, hangup: Hangup) {
        let Some(first) = self.first_of(leg) else { return };
        if let Some(recall) = self.coming(first).and_then(Coming::recall_mut) {
            recall.second = None;
        }
        self.will_not_come(now, first, hangup.cause);
    }

    /// Nobody is rung a second time any more. One that had left the first call for it is gone.
    pub(super) fn drop_seconds(&mut self, cause: Cause) {
        let Some(fetching) = self.fetching_mut() else { return };
        let recalls = fetching.coming_mut().filter_map(Coming::recall_mut);
        let seconds: Vec<Leg> = recalls.filter_map(|r| r.second.take()).map(|second| *second).collect();
        for leg in seconds.into_iter().filter(|l| l.is_open) {
            self.outputs.push_back(Output::Say(leg.id, Signal::Hangup(Hangup::new(cause))));
        }
    }

    /// What somebody who has picked up hears while the party that stays is rung.
    pub(super) fn heard_while_recalling(&self) -> Option<Source> {
        let ring_back = || self.services.ring_back.clone().unwrap_or(Sound::Tone(Tone::Ringing));
        let has_picked_up = self.transfer.as_deref().is_some_and(|t| matches!(t.step, Step::Connecting { .. }));
        (has_picked_up && self.is_recalling()).then(|| Source::Play(Play { sound: ring_back(), repeats: true }))
    }

    /// What the relay is wanted to do for the second leg of a party.
    pub(super) fn second_in_graph(&self, recall: &Recall) -> Option<GraphLeg> {
        recall.second.as_deref().map(|leg| self.graph_leg(leg, None, None))
    }
}

fn incompatible(why: &str) -> Hangup {
    let detail = Some(Detail { text: Some(why.to_owned()), ..Detail::default() });
    Hangup { cause: Cause::MediaIncompatible, detail }
}
