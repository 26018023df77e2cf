//! Changes of a session that is up: contents added, removed and turned round, ICE restarted; both ways.
//!
//! The model knows whole offers and answers, Jingle words about single contents. An offer of the call is said as what
//! differs from the description before; a word of the peer is heard as an offer with everything that stays.

use std::collections::BTreeSet;
use std::time::Instant;

use tracing::{debug, info};

use super::cause;
use super::exchange::{ANSWER_WITHIN, Exchange, Heard, MAX_WAITING, RESTART_WITHIN, Said as SaidChange};
use super::media::{self, Difference, MAX_SLOTS};
use super::requests::Asked;
use super::{Leg, Said, Stage};
use crate::base::ExchangeId;
use crate::jingle::config::IQ_PATIENCE;
use crate::jingle::contents::direction;
use crate::jingle::stanza::{
    Action, Condition, Content, Creator, DefinedCondition, ErrorType, Jingle, JingleCondition, Reason, StanzaError,
};
use crate::model::{Answer, Cause, Hangup, Offer, Signal};

/// What a word of the peer changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub added: Vec<usize>,
    pub restarted: Vec<usize>,
    pub other: bool,
}

/// The peer changes something.
impl Leg {
    /// content-add, -modify, -remove, or a transport-info that restarts ICE.
    pub(super) fn hear_change(&mut self, jingle: Jingle, out: &mut Said) -> Result<(), StanzaError> {
        match (&self.stage, &self.exchange) {
            (Stage::Active, Exchange::Stable) => self.open_change(&jingle, out),
            (Stage::Active, Exchange::Said(said)) => {
                if jingle.action == Action::TransportInfo && !said.restarted.is_empty() {
                    self.hear_restarted(&jingle, out);
                    return Ok(());
                }
                if self.ties(&jingle, said) {
                    // XEP-0166 §7.2.16: the initiator's wish prevails.
                    if self.media.role == Creator::Initiator {
                        return Err(StanzaError::jingle(JingleCondition::TieBreak));
                    }
                    self.fail_change(Cause::Glare, out);
                    self.open_change(&jingle, out);
                    return Ok(());
                }
                return self.let_wait(jingle);
            }
            (Stage::Active, Exchange::Heard(_)) => return self.let_wait(jingle),
            // XEP-0167 §6.5: before the session is accepted a party may take out what it does not want.
            (Stage::Offered { .. }, _) if jingle.action == Action::ContentRemove => self.withdraw(&jingle),
            (Stage::Initiated { .. }, _) if jingle.action == Action::ContentRemove => {}
            _ => return Err(StanzaError::jingle(JingleCondition::OutOfOrder)),
        }
        Ok(())
    }

    fn let_wait(&mut self, jingle: Jingle) -> Result<(), StanzaError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(StanzaError::new(ErrorType::Wait, DefinedCondition::ResourceConstraint));
        }
        self.waiting.push_back(jingle);
        Ok(())
    }

    /// Whether the peer wishes what we wish at the same moment.
    fn ties(&self, jingle: &Jingle, said: &SaidChange) -> bool {
        match jingle.action {
            Action::ContentAdd => !said.added.is_empty(),
            Action::ContentModify => {
                jingle.contents.iter().any(|c| self.media.live(c).is_some_and(|at| said.turned.contains(&at)))
            }
            _ => false,
        }
    }

    fn withdraw(&mut self, jingle: &Jingle) {
        for content in &jingle.contents {
            if let Some(at) = self.media.live(content) {
                self.media.remove(at);
            }
        }
    }

    fn open_change(&mut self, jingle: &Jingle, out: &mut Said) {
        let before = self.media.theirs.clone();
        let mut change = Change::default();
        match jingle.action {
            Action::ContentAdd => match self.media.hear_contents(jingle) {
                Ok(added) => change.added = added,
                Err(condition) => return self.reject_contents(jingle.contents.clone(), condition, out),
            },
            Action::ContentModify => jingle.contents.iter().for_each(|c| self.hear_senders(c, &mut change)),
            Action::ContentRemove => {
                for content in &jingle.contents {
                    if let Some(at) = self.media.live(content) {
                        self.media.remove(at);
                        change.other = true;
                    }
                }
                if !self.media.theirs.streams.iter().any(|s| s.accepted) {
                    // XEP-0166 §7.2.5: nothing is left.
                    return self.hang_up(&Hangup::new(Cause::Normal), out);
                }
            }
            _ => jingle.contents.iter().for_each(|c| self.take_restart(c, &mut change)),
        }
        let Change { added, restarted, other } = change;
        if added.is_empty() && restarted.is_empty() && !other {
            return;
        }
        self.exchanges_heard = self.exchanges_heard.saturating_add(1);
        let exchange = ExchangeId::heard(self.exchanges_heard);
        self.exchange = Exchange::Heard(Heard { exchange, before, added, restarted });
        out.signals.push(Signal::Offer(Offer { exchange, description: self.media.theirs_as_offer() }));
    }

    fn hear_senders(&mut self, content: &Content, change: &mut Change) {
        let (Some(at), Some(senders)) = (self.media.live(content), content.senders) else { return };
        let their_role = self.media.role.other();
        let (Some(known), Some(stream)) = (self.media.senders.get_mut(at), self.media.theirs.streams.get_mut(at))
        else {
            return;
        };
        if *known != senders {
            *known = senders;
            stream.direction = direction::read(senders, their_role);
            change.other = true;
        }
    }

    fn reject_contents(&mut self, contents: Vec<Content>, condition: Condition, out: &mut Said) {
        let mut reject = Jingle::new(Action::ContentReject, &self.ends.sid);
        reject.contents = contents.into_iter().map(|c| Content::new(c.creator, &c.name)).collect();
        reject.reason = Some(Reason::new(condition));
        self.request(reject, Asked::Other, out);
    }

    /// The call answers what the peer changed.
    pub(super) fn say_answer(&mut self, answer: Answer, out: &mut Said) {
        if answer.provisional {
            return;
        }
        let Some(heard) = self.exchange.take_heard(answer.exchange) else { return };
        let ours = self.media.fit_answer(answer.description);
        let is_accepted = |at: &usize| ours.streams.get(*at).is_some_and(|s| s.accepted);
        let (accepted, rejected): (Vec<usize>, Vec<usize>) = heard.added.iter().copied().partition(is_accepted);
        if !accepted.is_empty() {
            let mut accept = Jingle::new(Action::ContentAccept, &self.ends.sid);
            self.media.say_answer(&ours, &accepted).put(&mut accept);
            self.request(accept, Asked::Other, out);
        }
        if !rejected.is_empty() {
            self.reject_contents(self.media.bare(&rejected), Condition::UnsupportedApplications, out);
            rejected.iter().for_each(|at| self.media.remove(*at));
        }
        let is_new = |at: &usize| {
            ours.streams.get(*at).and_then(media::credentials)
                != self.media.ours.streams.get(*at).and_then(media::credentials)
        };
        let restarted: Vec<usize> = heard.restarted.iter().copied().filter(is_new).collect();
        if let Some(credentials) = self.say_credentials(&ours, &restarted) {
            self.request(credentials, Asked::Other, out);
            self.say_described_candidates(&ours, &restarted, out);
        }
        let stayed = (0..ours.streams.len()).filter(|at| !heard.added.contains(at));
        let turned = self.media.turn(&ours, stayed);
        self.say_senders(turned, out);
        self.media.ours = ours;
        self.next_change(out);
    }

    fn say_senders(&mut self, contents: Vec<Content>, out: &mut Said) -> Option<u32> {
        if contents.is_empty() {
            return None;
        }
        let mut modify = Jingle::new(Action::ContentModify, &self.ends.sid);
        modify.contents = contents;
        Some(self.request(modify, Asked::Change, out))
    }

    /// The call refuses what the peer changed: the session stays as it was. What the peer removed is gone all the
    /// same.
    pub(super) fn say_refusal(&mut self, exchange: ExchangeId, why: Cause, out: &mut Said) {
        let Some(heard) = self.exchange.take_heard(exchange) else { return };
        debug!(leg = %self.ends.id, %why, "the change is refused");
        if !heard.added.is_empty() {
            let reason = cause::reason(&Hangup::new(why));
            self.reject_contents(self.media.bare(&heard.added), reason.condition, out);
            heard.added.iter().for_each(|at| self.media.remove(*at));
        }
        for (stream, before) in self.media.theirs.streams.iter_mut().zip(heard.before.streams) {
            if stream.accepted {
                *stream = before;
            }
        }
        let ours = self.media.ours.clone();
        let contents = self.media.turn(&ours, 0..ours.streams.len());
        self.say_senders(contents, out);
        self.next_change(out);
    }

    /// The next of the peer's changes that waited.
    fn next_change(&mut self, out: &mut Said) {
        while self.exchange.is_stable() && matches!(self.stage, Stage::Active) {
            let Some(jingle) = self.waiting.pop_front() else { return };
            self.open_change(&jingle, out);
        }
    }
}

/// The call changes something.
impl Leg {
    /// The call offers: what differs from our last description is said, content by content.
    pub(super) fn say_offer(&mut self, now: Instant, offer: Offer, out: &mut Said) {
        let Offer { exchange, description: offer } = offer;
        let refuse = |cause| Signal::Refuse { exchange, cause };
        if !matches!(self.stage, Stage::Active) || !self.exchange.is_stable() {
            return out.signals.push(refuse(Cause::Glare));
        }
        if offer.streams.len() > MAX_SLOTS || offer.streams.len() < self.media.slots.0.len() {
            return out.signals.push(refuse(Cause::NotSupported));
        }
        let Difference { added, removed, restarted } = Difference::between(&self.media.ours, &offer);
        let slots = self.media.slots.clone();
        let senders = self.media.senders.clone();
        self.media.name_slots(&offer, &added);
        for (at, stream) in offer.streams.iter().enumerate() {
            match self.media.theirs.streams.get_mut(at) {
                None => self.media.theirs.streams.push(media::refused(stream)),
                Some(known) if added.contains(&at) => *known = media::refused(stream),
                Some(_) => {}
            }
        }
        let mut unacknowledged = BTreeSet::new();
        if !added.is_empty() {
            let mut add = Jingle::new(Action::ContentAdd, &self.ends.sid);
            self.media.say_offer(&offer, &added).put(&mut add);
            unacknowledged.insert(self.request(add, Asked::Change, out));
        }
        if !removed.is_empty() {
            unacknowledged.insert(self.say_removed(&removed, out));
        }
        let stayed: Vec<usize> = (0..offer.streams.len()).filter(|at| !added.contains(at)).collect();
        let turns = self.media.turn(&offer, stayed);
        let turned = turns.iter().filter_map(|c| self.media.live(c)).collect();
        unacknowledged.extend(self.say_senders(turns, out));
        if let Some(credentials) = self.say_credentials(&offer, &restarted) {
            unacknowledged.insert(self.request(credentials, Asked::Change, out));
            self.say_described_candidates(&offer, &restarted, out);
        }
        let patience = match (added.is_empty(), restarted.is_empty()) {
            (false, _) => ANSWER_WITHIN,
            (true, false) => RESTART_WITHIN,
            (true, true) => IQ_PATIENCE,
        };
        self.exchange = Exchange::Said(SaidChange {
            exchange,
            offer,
            slots,
            senders,
            added: added.into_iter().collect(),
            turned,
            restarted: restarted.into_iter().collect(),
            unacknowledged,
            until: now + patience,
        });
        self.settle_if_answered(out);
    }

    fn say_removed(&mut self, slots: &[usize], out: &mut Said) -> u32 {
        let mut remove = Jingle::new(Action::ContentRemove, &self.ends.sid);
        remove.contents = self.media.bare(slots);
        self.request(remove, Asked::Change, out)
    }

    /// The peer accepts or rejects contents that we added.
    pub(super) fn hear_change_answered(&mut self, jingle: &Jingle, out: &mut Said) -> Result<(), StanzaError> {
        let Exchange::Said(said) = &mut self.exchange else {
            // Some reject in this way what they leave out of their accept.
            let is_early = matches!(self.stage, Stage::Initiated { .. }) && jingle.action == Action::ContentReject;
            return if is_early { Ok(()) } else { Err(StanzaError::jingle(JingleCondition::OutOfOrder)) };
        };
        let slots = &self.media.slots;
        let answered = jingle.contents.iter().filter_map(|c| slots.position(c.creator, &c.name));
        let answered: Vec<usize> = answered.filter(|at| said.added.contains(at)).collect();
        if answered.is_empty() {
            return Err(StanzaError::jingle(JingleCondition::OutOfOrder));
        }
        said.added.retain(|at| !answered.contains(at));
        if jingle.action == Action::ContentAccept {
            self.media.hear_answer(jingle, &said.offer, &answered);
        }
        self.settle_if_answered(out);
        Ok(())
    }

    fn hear_restarted(&mut self, jingle: &Jingle, out: &mut Said) {
        let mut change = Change::default();
        jingle.contents.iter().for_each(|c| self.take_restart(c, &mut change));
        if let Exchange::Said(said) = &mut self.exchange {
            said.restarted.retain(|at| !change.restarted.contains(at));
        }
        self.settle_if_answered(out);
    }

    /// The peer acknowledges part of our change.
    pub(super) fn change_acknowledged(&mut self, number: u32, out: &mut Said) {
        if let Exchange::Said(said) = &mut self.exchange {
            said.unacknowledged.remove(&number);
        }
        self.settle_if_answered(out);
    }

    /// The peer answers part of our change with an error.
    pub(super) fn change_failed(&mut self, number: u32, error: &StanzaError, out: &mut Said) {
        let is_open = matches!(&self.exchange, Exchange::Said(said) if said.unacknowledged.contains(&number));
        if is_open {
            let why = match error.jingle {
                Some(JingleCondition::TieBreak) => Cause::Glare,
                _ => cause::of_error(error).cause,
            };
            self.fail_change(why, out);
            self.next_change(out);
        }
    }

    /// The peer has taken too long. Requests that it left unanswered count as done; contents that it neither accepted
    /// nor rejected are taken back.
    pub(super) fn give_up_change(&mut self, out: &mut Said) {
        let Exchange::Said(said) = &mut self.exchange else { return };
        info!(leg = %self.ends.id, "the client leaves a change unanswered");
        said.unacknowledged.clear();
        let unanswered: Vec<usize> = std::mem::take(&mut said.added).into_iter().collect();
        if said.restarted.is_empty() {
            if !unanswered.is_empty() {
                self.say_removed(&unanswered, out);
            }
            self.settle_if_answered(out);
        } else {
            self.fail_change(Cause::NotSupported, out);
            self.next_change(out);
        }
    }

    /// Our change is refused: the session stays as it was.
    fn fail_change(&mut self, cause: Cause, out: &mut Said) {
        let Some(said) = self.exchange.take_said() else { return };
        self.media.theirs.streams.truncate(said.slots.0.len());
        self.media.slots = said.slots;
        self.media.senders = said.senders;
        self.early.clear();
        out.signals.push(Signal::Refuse { exchange: said.exchange, cause });
    }

    /// The peer has said all it has to say to our change: that is its answer.
    fn settle_if_answered(&mut self, out: &mut Said) {
        if !matches!(&self.exchange, Exchange::Said(said) if said.is_answered()) {
            return;
        }
        let Some(said) = self.exchange.take_said() else { return };
        let mut ours = said.offer;
        for (at, stream) in ours.streams.iter_mut().enumerate() {
            let Some(theirs) = self.media.theirs.streams.get_mut(at) else { continue };
            if !stream.accepted {
                self.media.remove(at);
            } else if !theirs.accepted {
                *stream = media::refused(stream);
            } else if said.slots.0.get(at) == self.media.slots.0.get(at) {
                theirs.direction = stream.direction.reversed();
            }
        }
        self.media.ours = ours;
        let description = self.media.theirs.clone();
        out.signals.push(Signal::Answer(Answer { exchange: said.exchange, description, provisional: false }));
        out.signals.extend(self.early.drain(..).map(Signal::Candidates));
        self.next_change(out);
    }
}
