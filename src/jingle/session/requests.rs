//! What goes out in a call, and what is answered to it.

use std::time::Instant;

use tracing::debug;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::{Leg, Said, Stage, cause};
use crate::jingle::stanza::{Iq, Jingle, JingleMessage, Message, StanzaError, Word};
use crate::model::{Cause, Hangup};

/// The most requests of one call whose answers are told apart; later answers to older ones mean nothing.
const MAX_ASKED: usize = 64;
/// What a request of ours was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Propose,
    Initiate,
    Accept,
    /// Part of the change that is open, or was.
    Change,
    /// Whether the session is still there.
    Ping,
    /// Nothing hangs on it.
    Other,
}

impl Leg {
    /// Says a word of message initiation: to the peer's account, so that all its devices hear it, or to the device that
    /// proposed the call and is told that it rings or may proceed (Dino takes that at its full JID alone).
    pub(super) fn message(&mut self, word: Word, out: &mut Said) -> u32 {
        let (number, name) = self.name();
        let word = JingleMessage::new(&self.ends.sid, word);
        let is_for_device = matches!(word.word, Word::Ringing | Word::Proceed);
        let to = if is_for_device { self.ends.peer.clone() } else { Jid::from(self.ends.peer.to_bare()) };
        let is_proposal = matches!(word.word, Word::Propose { .. });
        let message = Message::of_call(&self.ends.ours, &to, &name, &word);
        // A receipt is how Conversations says that a device has the proposal.
        let message = if is_proposal { message.asking_receipt() } else { message };
        out.stanzas.push(message.write());
        number
    }

    /// Sends a request to the peer's device.
    pub(super) fn request(&mut self, jingle: Jingle, asked: Asked, out: &mut Said) -> u32 {
        self.ask_to_do(jingle.write(), asked, out)
    }

    /// The same with any payload.
    pub(super) fn ask_to_do(&mut self, payload: Element, asked: Asked, out: &mut Said) -> u32 {
        let (number, name) = self.name();
        out.stanzas.push(Iq::set(&self.ends.ours, &self.ends.peer, &name, payload).write());
        self.ask(number, asked);
        number
    }

    pub(super) fn ask(&mut self, number: u32, asked: Asked) {
        if self.asked.len() >= MAX_ASKED {
            self.asked.pop_first();
        }
        self.asked.insert(number, asked);
    }

    pub(super) fn name(&mut self) -> (u32, String) {
        self.named = self.named.wrapping_add(1);
        (self.named, format!("{}-{}", self.ends.tag, self.named))
    }

    /// A request of ours, or a proposal, is answered: `number` is what its name ends with.
    pub fn hear_answered(&mut self, now: Instant, number: u32, answer: Result<(), StanzaError>, out: &mut Said) {
        let Some(asked) = self.asked.remove(&number) else { return };
        let Err(error) = answer else {
            return self.hear_acknowledged(number, asked, out);
        };
        debug!(leg = %self.ends.id, ?asked, ?error, "the peer answers with an error");
        let is_gone = cause::is_unknown_session(&error);
        match asked {
            Asked::Propose if matches!(self.stage, Stage::Proposing { .. }) => {
                self.be_hung_up(cause::of_error(&error), out);
            }
            Asked::Initiate if matches!(self.stage, Stage::Initiated { .. }) => {
                self.be_hung_up(cause::of_error(&error), out);
            }
            Asked::Accept if !self.has_ended() => self.be_hung_up(cause::of_error(&error), out),
            Asked::Ping if cause::is_away(&error) && !self.has_ended() => self.hear_peer_away(now, out),
            _ if is_gone && !self.has_ended() => self.be_hung_up(Hangup::new(Cause::Network), out),
            Asked::Change => self.change_failed(number, &error, out),
            Asked::Propose | Asked::Initiate | Asked::Accept | Asked::Ping | Asked::Other => {}
        }
    }

    fn hear_acknowledged(&mut self, number: u32, asked: Asked, out: &mut Said) {
        match (asked, &mut self.stage) {
            (Asked::Initiate, Stage::Initiated { until, .. }) => *until = None,
            (Asked::Change, _) => self.change_acknowledged(number, out),
            (Asked::Ping, _) => self.doubt = None,
            _ => {}
        }
    }
}
