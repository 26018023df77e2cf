//! Message initiation (XEP-0353), both ways: before there is a session.
//!
//! A proposal from an account that we are in a call with is a call of its own: XEP-0353 §4.2 would let it replace the
//! session that is up, but a number may well be called twice, from two devices or for two people.

use std::time::Instant;

use tracing::{debug, info};
use xmpp_parsers::jid::Jid;

use super::requests::Asked;
use super::{Ends, Leg, PROPOSE_PATIENCE, RINGS_SILENTLY, Said, Stage, cause};
use crate::base::ExchangeId;
use crate::jingle::config::INITIATE_PATIENCE;
use crate::jingle::stanza::{Action, Condition, Creator, Iq, Jingle, Reason, Word};
use crate::model::{Cause, Hangup, Kind, Offer, Signal};
use cause::Ended;

impl Leg {
    /// A call that the peer proposes.
    pub fn proposed(ends: Ends) -> Leg {
        Leg::new(ends, true, Creator::Responder, Stage::Proposed { rings: false })
    }

    /// A call that we propose to an account.
    pub fn propose(now: Instant, ends: Ends, offer: Offer, out: &mut Said) -> Leg {
        let mut media: Vec<String> = Vec::new();
        for stream in offer.description.streams.iter().filter(|s| s.accepted) {
            let kind = match &stream.kind {
                Kind::Audio => "audio",
                Kind::Video => "video",
                Kind::Other(_) => continue,
            };
            if !media.iter().any(|m| m == kind) {
                media.push(kind.to_owned());
            }
        }
        let stage = Stage::Proposing {
            offer: Box::new(offer),
            until: now + PROPOSE_PATIENCE,
            rings: Some(now + RINGS_SILENTLY),
        };
        let mut leg = Leg::new(ends, true, Creator::Initiator, stage);
        let number = leg.message(Word::Propose { media }, out);
        leg.ask(number, Asked::Propose);
        leg
    }

    /// A device has our proposal: it said so, or sent the receipt.
    pub fn hear_receipt(&mut self, number: u32, out: &mut Said) {
        if self.asked.get(&number) == Some(&Asked::Propose) && matches!(self.stage, Stage::Proposing { .. }) {
            self.hear_ringing(out);
        }
    }

    /// The call asks for the offer: the caller shall begin the session.
    pub(super) fn say_solicit(&mut self, now: Instant, exchange: ExchangeId, out: &mut Said) {
        if !matches!(self.stage, Stage::Proposed { .. }) {
            // A session that is up has no word that asks for an offer.
            return out.signals.push(Signal::Refuse { exchange, cause: Cause::NotSupported });
        }
        self.exchanges_heard = 1;
        self.stage = Stage::Proceeding { exchange, until: now + INITIATE_PATIENCE };
        self.message(Word::Proceed, out);
    }

    /// The peer says a word about the call; `from` is the device.
    pub fn hear_word(&mut self, now: Instant, from: &Jid, word: Word, out: &mut Said) {
        match word {
            Word::Ringing => self.hear_ringing(out),
            Word::Proceed => self.hear_proceed(now, from, out),
            Word::Reject { reason, tie_break } => {
                let is_device = *from == self.ends.peer;
                if matches!(self.stage, Stage::Proposing { .. }) || (is_device && self.is_ours_unanswered()) {
                    // In a tie the peer's own proposal goes on: it talks to us, on the other leg.
                    let reason = reason.filter(|_| !tie_break);
                    self.be_hung_up(cause::hangup(reason.as_ref(), Ended::ByCallee, Cause::Busy), out);
                }
            }
            Word::Retract { reason, .. } => {
                let is_theirs =
                    matches!(self.stage, Stage::Proposed { .. } | Stage::Proceeding { .. } | Stage::Offered { .. });
                if is_theirs {
                    self.be_hung_up(cause::hangup(reason.as_ref(), Ended::ByCaller, Cause::Cancelled), out);
                }
            }
            Word::Finish { reason, .. } => self.hear_finish(reason.as_ref(), out),
            // `accept` is for the other devices of the peer, which stop ringing.
            Word::Propose { .. } | Word::Accept => {}
        }
    }

    fn hear_finish(&mut self, reason: Option<&Reason>, out: &mut Said) {
        let (ended, silent) = match self.stage {
            Stage::Proposed { .. } | Stage::Proceeding { .. } | Stage::Offered { .. } => {
                (Ended::ByCaller, Cause::Cancelled)
            }
            Stage::Proposing { .. } | Stage::Initiated { .. } => (Ended::ByCallee, Cause::Declined),
            Stage::Active => (Ended::Talking, Cause::Normal),
            Stage::Ended => return,
        };
        self.be_hung_up(cause::hangup(reason, ended, silent), out);
    }

    /// A device takes the call that we proposed. Several devices are a fork: the first gets the session.
    fn hear_proceed(&mut self, now: Instant, from: &Jid, out: &mut Said) {
        match &self.stage {
            Stage::Proposing { .. } if from.is_full() => {
                let Stage::Proposing { offer, .. } = std::mem::replace(&mut self.stage, Stage::Ended) else { return };
                self.ends.peer = from.clone();
                self.initiate(now, *offer, out);
            }
            Stage::Initiated { .. } | Stage::Active if *from != self.ends.peer && from.is_full() => {
                info!(leg = %self.ends.id, "a second device took the call: it is told that it is too late");
                let mut jingle = Jingle::new(Action::SessionTerminate, &self.ends.sid);
                jingle.reason = Some(Reason::with_text(Condition::Cancel, Cause::AnsweredElsewhere.sentence()));
                let (_, name) = self.name();
                out.stanzas.push(Iq::set(&self.ends.ours, from, &name, jingle.write()).write());
            }
            _ => debug!(leg = %self.ends.id, "a proceed that means nothing here"),
        }
    }

    /// Another device of our own account says a word about a call that the peer proposed: a client login is one
    /// device of several.
    pub fn hear_own_device(&mut self, word: &Word, out: &mut Said) {
        let cause = match (&self.stage, word) {
            (Stage::Proposed { .. } | Stage::Proceeding { .. }, Word::Accept | Word::Proceed) => {
                Cause::AnsweredElsewhere
            }
            // There it was refused for all devices.
            (Stage::Proposed { .. } | Stage::Proceeding { .. }, Word::Reject { .. }) => Cause::Cancelled,
            _ => return,
        };
        self.stage = Stage::Ended;
        out.signals.push(Signal::Hangup(Hangup::new(cause)));
    }

    /// Both sides proposed at once, and the peer's proposal has the lower identifier (XEP-0353 §4.1): ours is over.
    pub fn yield_tie(&mut self, out: &mut Said) {
        if let Stage::Proposing { .. } = self.stage {
            self.stage = Stage::Ended;
            let reason = Some(Reason::with_text(Condition::Expired, "Tie-Break"));
            self.message(Word::Retract { reason, tie_break: true }, out);
            out.signals.push(Signal::Hangup(Hangup::new(Cause::Busy)));
        }
    }
}
