//! Finding somebody who answers: attempts in sequence, the branches of each at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::keys::{Reach, knows_digits};
use super::leg::{Leg, Who};
use super::negotiate;
use super::path::{self, Path};
use super::plan::{Attempt, Branch, Step};
use super::two_party::{Call, State};
use crate::base::LegId;
use crate::model::{
    Abilities, About, Answer, Cause, Codec, Detail, Hangup, LegSpec, MediaPath, Offer, Progress, Seal, SealKind,
    Signal, Stage, Start,
};

/// How long the caller rings at most whatever the dialplan says: below ISUP's T9 of 120 to 180 s
/// (Q.764), after which a telephone network gives up by itself.
pub const LONGEST_RING: Duration = Duration::from_secs(115);

/// The attempt that is being made.
#[derive(Debug)]
pub struct Dialling {
    /// When the next one is due.
    pub deadline: Instant,
    /// The branch whose early media the caller hears.
    pub early: Option<LegId>,
    /// A callee rings, and the caller hears the dialplan's sound for that.
    pub rings_back: bool,
    /// Branches that wait for their end of the relay before they can be opened.
    waiting: Vec<(LegId, Branch)>,
    /// The best that a branch ended with.
    best: Option<Hangup>,
}

impl Dialling {
    /// Whether a branch waits for the relay.
    pub fn awaits_relay(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Call {
    /// Makes the next attempt, or ends the call with how the last one went.
    pub(super) fn next_attempt(&mut self, now: Instant, last: Hangup) {
        self.callees.clear();
        while self.attempts.front().is_some_and(|attempt| !attempt.follows(&last)) {
            self.attempts.pop_front();
        }
        let Some(attempt) = self.attempts.pop_front() else {
            self.ledger.explain_failure(&last);
            return self.finish(now, last);
        };
        self.ledger.target(&attempt.target);
        if attempt.step != Step::Devices {
            self.diverted.attempt(&last);
        }
        if attempt.branches.is_empty() {
            info!(call = %self.id, target = attempt.target, "nobody is signed in there");
            return self.next_attempt(now, Hangup::new(Cause::Unavailable));
        }
        let branches: Vec<Abilities> = attempt.branches.iter().map(|b| b.abilities).collect();
        let caller = path::Caller {
            abilities: &self.caller.abilities,
            offer: self.caller.offered(),
            is_relayed: self.revision > 0,
            has_sounds: self.services.ring_back.is_some() || self.services.announcement.is_some(),
            has_keys: !self.pressing.is_empty(),
            has_ears: self.services.record.is_some() || self.services.fork.is_some(),
        };
        match path::choose(attempt.media, caller, &branches) {
            Ok(Path::Direct) => self.ring_directly(now, attempt),
            Ok(Path::Relayed { why }) => {
                info!(call = %self.id, target = attempt.target, why, "the media go through the relay");
                self.ledger.path(MediaPath::Relayed, Some(why));
                self.ring_all(now, attempt);
            }
            Err(why) => {
                let text = Some(format!("the dialplan wants the media to go directly, but {why}"));
                let detail = Some(Detail { text, ..Detail::default() });
                self.next_attempt(now, Hangup { cause: Cause::MediaIncompatible, detail });
            }
        }
    }

    fn ring_directly(&mut self, now: Instant, attempt: Attempt) {
        self.ledger.path(MediaPath::Direct, None);
        self.tell(Progress { stage: Stage::Trying, early_media: false });
        let deadline = now + attempt.ring.min(LONGEST_RING);
        for branch in attempt.branches.into_iter().take(1) {
            self.dial_direct(branch, deadline);
        }
    }

    /// Rings every branch once the relay has laid a leg for it.
    fn ring_all(&mut self, now: Instant, attempt: Attempt) {
        let mut waiting = Vec::new();
        let mut mismatch = None;
        self.settle_caller();
        self.callees.reserve_exact(attempt.branches.len());
        for branch in attempt.branches {
            match self.callee_leg(&branch) {
                Ok(leg) => {
                    waiting.push((branch.leg, branch));
                    self.callees.push(leg);
                }
                Err(why) => mismatch = Some(why),
            }
        }
        if let (true, Some(why)) = (waiting.is_empty(), mismatch) {
            return self.refuse_media(now, why);
        }
        let deadline = now + attempt.ring.min(LONGEST_RING);
        self.state =
            State::Dialling(Dialling { deadline, early: None, rings_back: false, waiting, best: attempt.before });
        self.tell(Progress { stage: Stage::Trying, early_media: false });
        self.prepare_caller();
        self.apply();
    }

    fn callee_leg(&self, branch: &Branch) -> Result<Leg, String> {
        let Abilities { offers, .. } = branch.abilities;
        let mut leg = Leg::new(branch.leg, branch.abilities, offers);
        leg.who = Who::called(branch);
        leg.set_codecs(if self.late_offer {
            negotiate::everything(offers)
        } else {
            negotiate::for_callee(self.spoken_by_caller(), offers)
        });
        // Events are offered if some digit can come of it: one of the caller's, or one that the caller is told of.
        let knows_digits = self.late_offer || knows_digits(&self.caller.abilities, self.caller.offered_codecs());
        if !knows_digits || !branch.abilities.keys.has_events() {
            leg.leave_out_events();
        }
        if leg.codecs.is_empty() {
            return Err(negotiate::mismatch(self.caller.offered_codecs(), &negotiate::translatable()));
        }
        leg.pictures = self.callee_pictures(branch, &mut leg);
        Ok(leg)
    }

    /// What is offered on: what the caller offered, or what it has been answered.
    fn spoken_by_caller(&self) -> &[Codec] {
        if self.is_settled() { &self.caller.codecs } else { self.caller.offered_codecs() }
    }

    /// What the caller may send before anybody answered: all that is offered on.
    fn prepare_caller(&mut self) {
        if !self.late_offer && self.caller.codecs.is_empty() {
            let Some(first) = self.callees.first() else { return };
            let digits_otherwise = !Reach::of(&first.abilities, false, &first.codecs).is_none();
            let codecs = negotiate::for_caller(self.caller.offered_codecs(), &first.codecs, digits_otherwise);
            self.caller.set_codecs(codecs);
        }
        self.prepare_pictures();
    }

    pub(super) fn ready_while_dialling(&mut self, leg: LegId) {
        if leg == self.caller.id {
            if self.caller.abilities.early_answer && !self.late_offer {
                self.answer_early();
            }
            self.begin_ring_back();
            return;
        }
        let State::Dialling(dialling) = &mut self.state else { return };
        let Some(at) = dialling.waiting.iter().position(|(l, _)| *l == leg) else { return };
        let (_, branch) = dialling.waiting.swap_remove(at);
        let (hops_left, entry) = (self.hops_left, self.entry.clone());
        let about = self.known_of(&branch);
        self.aim_pictures();
        let offer = self.leg_mut(leg).and_then(|l| l.offer(crate::model::Direction::SendRecv));
        let Some((exchange, description)) = offer else { return };
        let start = Start {
            entry,
            from: branch.from,
            to: branch.to,
            contact: branch.contact,
            trunk: branch.trunk,
            offer: Some(Offer { exchange, description }),
            hops_left,
            about,
        };
        if let Some(leg) = self.leg_mut(leg) {
            leg.is_open = true;
        }
        info!(call = %self.id, %leg, "calls");
        self.say(leg, Signal::Start(Box::new(start)));
        self.say(leg, Signal::Path(MediaPath::Relayed));
    }

    /// What a callee is told of the call besides the name that it is shown. What is known of one number is not true of
    /// another.
    pub(super) fn known_of(&self, branch: &Branch) -> About {
        let (session_id, along) = (self.half_of(self.caller.id), self.along.clone());
        let about = About { session_id, along, ..self.diverted.about(branch) };
        if branch.from.address != self.caller.who.party.address {
            return about;
        }
        About { identity: self.identity.clone(), passports: self.passports.clone(), ..about }
    }

    pub(super) fn hear_branch(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match signal {
            Signal::Progress(progress) => {
                if progress.stage != Stage::Trying {
                    self.tell_name(self.caller.id, leg);
                }
                if progress.early_media {
                    self.early_media_of(leg);
                } else if progress.stage == Stage::Ringing {
                    self.ring_back();
                }
                self.tell_of(leg, progress);
            }
            Signal::Answer(answer) => self.branch_answered(now, leg, answer),
            Signal::Accept => self.branch_accepted(now, leg),
            Signal::Redirect(_) => self.branch_ended(now, leg, Hangup::new(Cause::NotSupported)),
            Signal::Hangup(hangup) => {
                let hangup = self.with_words(leg, hangup);
                self.branch_ended(now, leg, hangup);
            }
            other => self.hear_in_session(now, leg, other),
        }
    }

    fn early_media_of(&mut self, leg: LegId) {
        if let State::Dialling(dialling) = &mut self.state {
            dialling.early = Some(leg);
        }
        self.apply();
    }

    /// The branch said what it takes; the caller's answer follows from it.
    fn branch_answered(&mut self, now: Instant, leg: LegId, answer: Answer) {
        let Some(branch) = self.leg_mut(leg) else { return };
        if !branch.take_answer(&answer.description, answer.provisional) {
            let hangup = Hangup::new(Cause::MediaIncompatible);
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.branch_ended(now, leg, hangup);
        }
        let taken = branch.remote.as_ref().map(|r| r.codecs.clone()).unwrap_or_default();
        let digits_otherwise = !branch.reach().is_none();
        let speaks = branch.speaks();
        let codecs = match self.late_offer || self.is_settled() {
            true => self.caller.codecs.clone(),
            false => Arc::new(negotiate::for_caller(self.caller.offered_codecs(), &taken, digits_otherwise)),
        };
        if !speaks || codecs.is_empty() {
            let theirs = answer.description.audio().map_or(&[][..], |s| &s.codecs);
            let ours = if self.late_offer { &self.caller.codecs } else { self.caller.offered_codecs() };
            let text = Some(negotiate::mismatch(ours, theirs));
            let detail = Some(Detail { text, ..Detail::default() });
            let hangup = Hangup { cause: Cause::MediaIncompatible, detail };
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.branch_ended(now, leg, hangup);
        }
        self.caller.codecs = codecs;
        self.take_pictures(leg, &answer.description);
        // A browser answers in an order of its own: what the caller is answered with is what both speak.
        let is_shared = |c: &&Codec| c.is_speech() && taken.iter().any(|t| t.is_same_format(c));
        let shared = self.caller.codecs.iter().find(is_shared);
        self.ledger.codec(shared.or_else(|| taken.iter().find(|c| c.is_speech())));
        // With one branch its answer is the caller's; with several, it is the winner's that counts.
        let is_only = self.callees.len() == 1;
        if is_only {
            self.settle_pictures(leg);
        }
        self.apply();
        if answer.provisional && is_only && !self.late_offer {
            self.answer_early();
        }
    }

    fn branch_accepted(&mut self, now: Instant, leg: LegId) {
        if self.callees.iter().any(|c| c.id == leg && c.remote.is_some()) {
            self.answering(now, leg);
        } else {
            let hangup = Hangup::new(Cause::MediaIncompatible);
            self.ledger.why("the callee picked up without an answer to the offer".into());
            self.say(leg, Signal::Hangup(hangup.clone()));
            self.branch_ended(now, leg, hangup);
        }
    }

    pub(super) fn branch_ended(&mut self, now: Instant, leg: LegId, hangup: Hangup) {
        self.callees.retain(|c| c.id != leg);
        let State::Dialling(dialling) = &mut self.state else { return };
        if dialling.early == Some(leg) {
            dialling.early = None;
        }
        let better = match dialling.best.take() {
            Some(best) if rank(best.cause) <= rank(hangup.cause) => best,
            _ => hangup,
        };
        if !self.callees.is_empty() {
            dialling.best = Some(better);
            return self.apply();
        }
        self.attempt_failed(now, better);
    }

    /// Nobody of the attempt is left.
    pub(super) fn attempt_failed(&mut self, now: Instant, hangup: Hangup) {
        let next = self.attempts.front_mut();
        if let Some(devices) = next.filter(|next| next.step == Step::Devices && next.follows(&hangup)) {
            devices.before = Some(hangup.clone());
            self.next_attempt(now, hangup);
        } else if hangup.cause.is_retryable() {
            self.next_attempt(now, hangup);
        } else {
            self.ledger.explain_failure(&hangup);
            self.finish(now, hangup);
        }
    }

    pub(super) fn ring_time_is_over(&mut self, now: Instant) {
        let legs: Vec<LegId> = self.callees.iter().map(|c| c.id).collect();
        for leg in legs {
            self.say(leg, Signal::Hangup(Hangup::new(Cause::NoAnswer)));
        }
        self.next_attempt(now, Hangup::new(Cause::NoAnswer));
    }

    /// Whether media can flow on a leg whose peer has answered: it is a telephone's, with plain RTP and nothing to wait for, or
    /// one that was offered keys and has taken none (RFC 8643 §3.1), or the relay has said so.
    pub(super) fn is_up(leg: &Leg) -> bool {
        let plain = LegSpec { ipv6: leg.spec.ipv6, ..LegSpec::PHONE };
        let open = LegSpec { seal: SealKind::Opportunistic, ..plain };
        let has_no_keys = || leg.remote.as_ref().is_some_and(|remote| remote.transport.seal == Seal::Plain);
        leg.connected || leg.spec == plain || (leg.spec == open && has_no_keys())
    }
}

/// Which of several failures the caller is told: what a person decided before what a device or the way did
/// (RFC 3261 §16.7 step 6, by meaning instead of by number).
pub fn rank(cause: Cause) -> u8 {
    match cause {
        Cause::Declined | Cause::Unwanted | Cause::Blocked => 0,
        Cause::Busy => 1,
        Cause::NoAnswer => 2,
        Cause::Forbidden | Cause::BadNumber | Cause::NotFound => 3,
        Cause::MediaIncompatible | Cause::NotSupported | Cause::IdentityRejected | Cause::AuthFailed => 4,
        Cause::Loop => 5,
        _ => 6,
    }
}
