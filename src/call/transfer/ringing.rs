//! Those who are rung to take a place: attempts in sequence, the branches of each at once.

use std::collections::VecDeque;
use std::time::Instant;

use tracing::info;

use super::Step;
use crate::base::LegId;
use crate::call::dialling::{LONGEST_RING, rank};
use crate::call::keys::knows_digits;
use crate::call::leg::{Leg, Who};
use crate::call::negotiate;
use crate::call::plan::{Attempt, Branch};
use crate::call::two_party::{CONNECT_PATIENCE, Call};
use crate::model::{
    About, Along, Answer, Cause, Detail, Direction, Entry, Hangup, MediaPath, MediaPolicy, Offer, Progress, Signal,
    Sound, Stage, Start, Tone, Transferring,
};

/// The attempt that is being made.
#[derive(Debug)]
pub struct Ringing {
    /// When the next one is due.
    pub deadline: Instant,
    attempts: VecDeque<Attempt>,
    /// The target, as the dialplan names it.
    target: String,
    /// Branches that wait for their end of the relay.
    waiting: Vec<(LegId, Branch)>,
    /// The one whose early media the party that stays hears.
    pub early: Option<LegId>,
    /// Somebody rings.
    pub rings: bool,
    /// What the party that stays hears then.
    pub ring_back: Sound,
    /// The best that a branch ended with.
    best: Option<Hangup>,
}

impl Call {
    /// Rings those whom the dialplan found, one attempt after the other.
    pub(super) fn ring_newcomers(&mut self, now: Instant, attempts: Vec<Attempt>, ring_back: Option<Sound>) {
        let own = self.services.ring_back.clone();
        let ringing = Ringing {
            deadline: now,
            attempts: attempts.into(),
            target: String::new(),
            waiting: Vec::new(),
            early: None,
            rings: false,
            ring_back: ring_back.or(own).unwrap_or(Sound::Tone(Tone::Ringing)),
            best: None,
        };
        if let Some(transfer) = &mut self.transfer {
            transfer.step = Step::Ringing(ringing);
        }
        self.ring_next(now, Hangup::new(Cause::Unavailable));
    }

    fn ringing(&mut self) -> Option<&mut Ringing> {
        match self.transfer.as_deref_mut().map(|t| &mut t.step) {
            Some(Step::Ringing(ringing)) => Some(ringing),
            _ => None,
        }
    }

    fn ring_next(&mut self, now: Instant, last: Hangup) {
        let Some(ringing) = self.ringing() else { return };
        while ringing.attempts.front().is_some_and(|attempt| !attempt.follows(&last)) {
            ringing.attempts.pop_front();
        }
        let Some(attempt) = ringing.attempts.pop_front() else { return self.transfer_failed(now, last) };
        let Attempt { target, media, ring, branches, .. } = attempt;
        info!(call = %self.id, target, "is to take over");
        let mut failure = Hangup::new(Cause::Unavailable);
        let (mut waiting, mut legs) = (Vec::new(), Vec::new());
        for branch in branches {
            match self.newcomer(&branch) {
                _ if media == MediaPolicy::Direct => {
                    failure = incompatible("the dialplan wants the media to go directly")
                }
                Ok(leg) => {
                    waiting.push((branch.leg, branch));
                    legs.push(leg);
                }
                Err(why) => failure = incompatible(&why),
            }
        }
        if legs.is_empty() {
            return self.ring_next(now, failure);
        }
        let Some(transfer) = self.transfer.as_deref_mut() else { return };
        transfer.newcomers = legs;
        if let Step::Ringing(ringing) = &mut transfer.step {
            ringing.deadline = now + ring.min(LONGEST_RING);
            (ringing.target, ringing.waiting, ringing.early, ringing.best) = (target, waiting, None, None);
        }
        self.apply();
    }

    /// The leg of somebody who is to talk to the party that stays, in what that party speaks already.
    fn newcomer(&self, branch: &Branch) -> Result<Leg, String> {
        let Some(stays) = self.staying().and_then(|leg| self.leg(leg)) else { return Err("nobody stays".into()) };
        let mut leg = Leg::new(branch.leg, branch.abilities, branch.abilities.offers);
        leg.who = Who::called(branch);
        let spoken = stays.spoken();
        leg.set_codecs(negotiate::for_callee(&spoken, leg.spec));
        if !knows_digits(&stays.abilities, &stays.codecs) || !branch.abilities.keys.has_events() {
            leg.leave_out_events();
        }
        if leg.codecs.is_empty() {
            return Err(negotiate::mismatch(&spoken, &negotiate::translatable()));
        }
        let shown = match stays.pictures.as_ref().and_then(|pictures| pictures.codec()) {
            Some(codec) => vec![codec.clone()],
            None if self.fetching().is_none() && stays.abilities.video => self.described_pictures(stays.id),
            None => Vec::new(),
        };
        if branch.abilities.video {
            let codecs = leg.pictures_to_offer(&shown);
            leg.pictures = (!codecs.is_empty()).then(|| leg.pictures_of(codecs));
        }
        Ok(leg)
    }

    /// Our end for somebody is laid: the call goes out.
    pub(super) fn newcomer_ready(&mut self, leg: LegId) {
        let Some(ringing) = self.ringing() else { return };
        let Some(at) = ringing.waiting.iter().position(|(l, _)| *l == leg) else { return };
        let (_, branch) = ringing.waiting.swap_remove(at);
        let Some(transfer) = self.transfer.as_deref() else { return };
        let replaces = transfer.wish.as_ref().and_then(|w| w.replaces.clone());
        let user_to_user = transfer.wish.as_ref().map(|w| w.user_to_user.0.clone()).unwrap_or_default();
        let along = Along { user_to_user, location: None };
        let referred_by = self.leg(transfer.place).map(|l| l.who.party.clone());
        let hops_left = self.hops_left;
        // A trunk carries the call for whoever wished it; everybody else sees whom it is from.
        let stays = self.staying().and_then(|s| self.leg(s)).map(|l| l.who.party.clone());
        let from = stays.filter(|_| branch.trunk.is_none()).unwrap_or(branch.from);
        let session_id = self.staying().and_then(|stays| self.half_of(stays));
        let Some(known) = self.leg_mut(leg) else { return };
        let Some((exchange, description)) = known.offer(Direction::SendRecv) else { return };
        known.is_open = true;
        let start = Start {
            entry: Entry::Open,
            from,
            to: branch.to,
            contact: branch.contact,
            trunk: branch.trunk,
            offer: Some(Offer { exchange, description }),
            hops_left,
            about: About { replaces, referred_by, session_id, along, ..About::default() },
        };
        info!(call = %self.id, %leg, "calls");
        self.say(leg, Signal::Start(Box::new(start)));
        self.say(leg, Signal::Path(MediaPath::Relayed));
    }

    /// Somebody who may take the place says something.
    pub(in crate::call) fn hear_newcomer(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match signal {
            Signal::Progress(progress) => self.newcomer_gets_on(leg, progress),
            Signal::Answer(answer) if self.ringing().is_some() => self.newcomer_answered(now, leg, &answer),
            Signal::Accept => self.newcomer_accepted(now, leg),
            Signal::Redirect(_) => self.newcomer_ended(now, leg, Hangup::new(Cause::NotSupported)),
            Signal::Hangup(hangup) => self.newcomer_ended(now, leg, hangup),
            other => self.hear_in_session(now, leg, other),
        }
    }

    fn newcomer_gets_on(&mut self, leg: LegId, progress: Progress) {
        let Some(ringing) = self.ringing() else { return };
        if progress.early_media {
            ringing.early = Some(leg);
        }
        let begins = progress.stage == Stage::Ringing && !std::mem::replace(&mut ringing.rings, true);
        if begins {
            self.tell_asker(Transferring::Trying(Stage::Ringing));
        }
        self.apply();
    }

    fn newcomer_answered(&mut self, now: Instant, leg: LegId, answer: &Answer) {
        let Some(known) = self.leg_mut(leg) else { return };
        let takes = known.take_answer(&answer.description, answer.provisional) && known.speaks();
        if !takes {
            return self.newcomer_refused(now, leg, incompatible("the answer has no speech that we offered"));
        }
        self.take_pictures(leg, &answer.description);
        self.apply();
    }

    /// Hangs up on somebody who was rung.
    fn newcomer_refused(&mut self, now: Instant, leg: LegId, hangup: Hangup) {
        self.say(leg, Signal::Hangup(hangup.clone()));
        self.newcomer_ended(now, leg, hangup);
    }

    fn newcomer_accepted(&mut self, now: Instant, winner: LegId) {
        let Some(known) = self.leg(winner) else { return };
        if known.remote.is_none() {
            return self.newcomer_refused(now, winner, incompatible("picked up without an answer to the offer"));
        }
        let is_up = Call::is_up(known);
        let Some(transfer) = self.transfer.as_deref_mut() else { return };
        let Step::Ringing(ringing) = &transfer.step else { return };
        let target = ringing.target.clone();
        let losers: Vec<LegId> = transfer.newcomers.iter().map(|n| n.id).filter(|n| *n != winner).collect();
        transfer.step = Step::Connecting { deadline: now + CONNECT_PATIENCE, target };
        for loser in losers {
            self.say(loser, Signal::Hangup(Hangup::new(Cause::AnsweredElsewhere)));
        }
        if let Some(transfer) = self.transfer.as_deref_mut() {
            transfer.newcomers.retain(|n| n.id == winner);
        }
        self.apply();
        if is_up {
            self.take_place(now, winner);
        }
    }

    /// Packets can flow to somebody who was rung.
    pub(in crate::call) fn newcomer_connected(&mut self, now: Instant, leg: LegId) {
        if self.transfer.as_deref().is_some_and(|t| matches!(t.step, Step::Connecting { .. })) {
            self.take_place(now, leg);
        }
    }

    /// Somebody who might have taken the place will not.
    pub(in crate::call) fn newcomer_ended(&mut self, now: Instant, leg: LegId, hangup: Hangup) {
        let Some(transfer) = self.transfer.as_deref_mut() else { return };
        transfer.newcomers.retain(|n| n.id != leg);
        let Step::Ringing(ringing) = &mut transfer.step else { return self.transfer_failed(now, hangup) };
        ringing.early.take_if(|early| *early == leg);
        let better = match ringing.best.take() {
            Some(best) if rank(best.cause) <= rank(hangup.cause) => best,
            _ => hangup,
        };
        if !transfer.newcomers.is_empty() {
            ringing.best = Some(better);
            return self.apply();
        }
        if better.cause.is_retryable() {
            return self.ring_next(now, better);
        }
        self.transfer_failed(now, better);
    }

    pub(super) fn newcomers_rang_long_enough(&mut self, now: Instant) {
        self.drop_newcomers(Cause::NoAnswer);
        self.ring_next(now, Hangup::new(Cause::NoAnswer));
    }
}

fn incompatible(why: &str) -> Hangup {
    let detail = Some(Detail { text: Some(why.to_owned()), ..Detail::default() });
    Hangup { cause: Cause::MediaIncompatible, detail }
}
