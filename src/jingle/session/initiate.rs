//! Session-initiate and session-accept, both ways.

use std::time::Instant;

use tracing::info;

use super::requests::Asked;
use super::{Ends, Leg, Said, Stage};
use crate::base::ExchangeId;
use crate::jingle::config::INITIATE_PATIENCE;
use crate::jingle::stanza::{Action, Condition, Creator, Jingle, JingleCondition, Reason, StanzaError};
use crate::model::{Answer, Cause, Detail, Hangup, Offer, Signal};

impl Leg {
    /// A session that we begin with a device directly, without a proposal.
    pub fn initiate_directly(now: Instant, ends: Ends, offer: Offer, out: &mut Said) -> Leg {
        let mut leg = Leg::new(ends, false, Creator::Initiator, Stage::Ended);
        leg.initiate(now, offer, out);
        leg
    }

    /// Begins the session with the device that took the call.
    pub(super) fn initiate(&mut self, now: Instant, offer: Offer, out: &mut Said) {
        let Offer { exchange, description } = offer;
        let mut jingle = Jingle::new(Action::SessionInitiate, &self.ends.sid);
        jingle.initiator = Some(self.ends.ours.clone());
        self.media.say_first_offer(description, &mut jingle);
        self.stage = Stage::Initiated { exchange, until: Some(now + INITIATE_PATIENCE), rings: false };
        self.request(jingle, Asked::Initiate, out);
    }

    /// A session that the peer begins directly, without a proposal, and its offer.
    ///
    /// # Errors
    /// Why the offer is nothing for us.
    pub fn initiated(ends: Ends, jingle: &Jingle) -> Result<(Leg, Offer), Condition> {
        let exchange = ExchangeId::heard(1);
        let stage = Stage::Offered { exchange, answer: None, accepted: false, rings: false };
        let mut leg = Leg::new(ends, false, Creator::Responder, stage);
        leg.exchanges_heard = 1;
        leg.media.hear_contents(jingle)?;
        let description = leg.media.theirs.clone();
        Ok((leg, Offer { exchange, description }))
    }

    /// The session begins that the peer had proposed.
    pub(super) fn hear_initiate(&mut self, jingle: &Jingle, out: &mut Said) -> Result<(), StanzaError> {
        let Stage::Proceeding { exchange, .. } = self.stage else {
            return Err(StanzaError::jingle(JingleCondition::OutOfOrder));
        };
        self.stage = Stage::Offered { exchange, answer: None, accepted: false, rings: false };
        match self.media.hear_contents(jingle) {
            Ok(_) => {
                let description = self.media.theirs.clone();
                out.signals.push(Signal::Offer(Offer { exchange, description }));
            }
            Err(condition) => self.refuse_media(condition, out),
        }
        Ok(())
    }

    /// Ends the session for its contents, with the word that says what is wrong with them.
    fn refuse_media(&mut self, condition: Condition, out: &mut Said) {
        info!(leg = %self.ends.id, ?condition, "nothing in the session is for us");
        let detail = Detail { text: Some("no media in common".into()), ..Detail::default() };
        let hangup = Hangup { cause: Cause::MediaIncompatible, detail: Some(detail) };
        let mut jingle = Jingle::new(Action::SessionTerminate, &self.ends.sid);
        jingle.reason = Some(Reason::new(condition));
        self.request(jingle, Asked::Other, out);
        self.finish(&hangup, out);
        self.stage = Stage::Ended;
        out.signals.push(Signal::Hangup(hangup));
    }

    /// The call answers the offer that opened the session; kept until the call accepts too.
    pub(super) fn say_first_answer(&mut self, answer: Answer, out: &mut Said) {
        let Stage::Offered { exchange, answer: kept, .. } = &mut self.stage else { return };
        if *exchange == answer.exchange {
            let mut description = answer.description;
            for candidates in self.early.drain(..) {
                super::transport::merge(&mut description, &self.media, candidates);
            }
            *kept = Some(Box::new(description));
            self.accept_if_ready(out);
        }
    }

    /// The call accepts.
    pub(super) fn say_accept(&mut self, out: &mut Said) {
        if let Stage::Offered { accepted, .. } = &mut self.stage {
            *accepted = true;
            self.accept_if_ready(out);
        }
    }

    fn accept_if_ready(&mut self, out: &mut Said) {
        let Stage::Offered { answer, accepted: true, .. } = &mut self.stage else { return };
        let Some(answer) = answer.take() else { return };
        let mut jingle = Jingle::new(Action::SessionAccept, &self.ends.sid);
        jingle.responder = Some(self.ends.ours.clone());
        self.media.say_first_answer(*answer, &mut jingle);
        if jingle.contents.is_empty() {
            // XEP-0166 §7.2.8: an accept accepts something.
            return self.hang_up(&Hangup::new(Cause::MediaIncompatible), out);
        }
        self.stage = Stage::Active;
        self.request(jingle, Asked::Accept, out);
    }

    /// The peer accepts.
    pub(super) fn hear_accept(&mut self, jingle: &Jingle, out: &mut Said) -> Result<(), StanzaError> {
        let Stage::Initiated { exchange, .. } = self.stage else {
            return Err(StanzaError::jingle(JingleCondition::OutOfOrder));
        };
        self.media.hear_first_answer(jingle);
        if !self.media.theirs.streams.iter().any(|s| s.accepted) {
            self.refuse_media(Condition::IncompatibleParameters, out);
            return Ok(());
        }
        self.stage = Stage::Active;
        let description = self.media.theirs.clone();
        out.signals.push(Signal::Answer(Answer { exchange, description, provisional: false }));
        out.signals.extend(self.early.drain(..).map(Signal::Candidates));
        out.signals.push(Signal::Accept);
        Ok(())
    }

    /// Whether ours goes on of two sessions that both sides begin at once (XEP-0166 §7.2.16: the lower one).
    pub fn wins_tie(&self, sid: &str) -> bool {
        matches!(self.stage, Stage::Initiated { .. }) && *self.ends.sid < *sid
    }
}
