//! What the peer says in a session, as signals.

use xmpp_parsers::jid::Jid;

use super::cause::{self, Ended};
use super::requests::Asked;
use super::{Leg, Said, Stage};
use crate::jingle::stanza::rtp::{Info, Of};
use crate::jingle::stanza::{Action, Creator, Jingle, JingleCondition, StanzaError};
use crate::model::{Cause, Kind, Signal};

impl Leg {
    /// The peer says something in the session. What is not an error is acknowledged by the caller, before anything in
    /// `out` is done.
    ///
    /// # Errors
    /// What is wrong with it; nothing has changed by it.
    pub fn hear(&mut self, from: &Jid, jingle: Jingle, out: &mut Said) -> Result<(), StanzaError> {
        if *from != self.ends.peer || self.has_ended() {
            return Err(StanzaError::jingle(JingleCondition::UnknownSession));
        }
        if let Stage::Initiated { until, .. } = &mut self.stage {
            *until = None;
        }
        let has_begun = matches!(self.stage, Stage::Initiated { .. } | Stage::Offered { .. } | Stage::Active);
        match jingle.action {
            Action::SessionInitiate => self.hear_initiate(&jingle, out),
            Action::SessionTerminate => {
                self.hear_terminate(&jingle, out);
                Ok(())
            }
            _ if !has_begun => Err(StanzaError::jingle(JingleCondition::OutOfOrder)),
            Action::SessionAccept => self.hear_accept(&jingle, out),
            Action::SessionInfo => self.hear_info(&jingle, out),
            Action::TransportInfo => self.hear_transport(jingle, out),
            Action::ContentAdd | Action::ContentModify | Action::ContentRemove => self.hear_change(jingle, out),
            Action::ContentAccept | Action::ContentReject => self.hear_change_answered(&jingle, out),
            // XEP-0167 §7: for information; the formats stay as they were negotiated.
            Action::DescriptionInfo => Ok(()),
            Action::TransportReplace => {
                // XEP-0166 §7.2.14: refused by a word of its own.
                let mut reject = Jingle::new(Action::TransportReject, &self.ends.sid);
                reject.contents = jingle.contents;
                self.request(reject, Asked::Other, out);
                Ok(())
            }
            Action::TransportAccept | Action::TransportReject => Err(StanzaError::jingle(JingleCondition::OutOfOrder)),
            Action::SecurityInfo | Action::Other(_) => Err(StanzaError::not_implemented()),
        }
    }

    fn hear_terminate(&mut self, jingle: &Jingle, out: &mut Said) {
        let (ended, silent) = match (&self.stage, self.media.role) {
            (Stage::Active, _) => (Ended::Talking, Cause::Normal),
            (_, Creator::Initiator) => (Ended::ByCallee, Cause::Declined),
            (_, Creator::Responder) => (Ended::ByCaller, Cause::Cancelled),
        };
        self.be_hung_up(cause::hangup(jingle.reason.as_ref(), ended, silent), out);
    }

    fn hear_info(&mut self, jingle: &Jingle, out: &mut Said) -> Result<(), StanzaError> {
        // XEP-0166 §6.8: one without a payload is a ping.
        if jingle.unknown && jingle.info.is_empty() {
            return Err(StanzaError::jingle(JingleCondition::UnsupportedInfo));
        }
        for info in &jingle.info {
            match info {
                Info::Ringing => self.hear_ringing(out),
                Info::Hold => self.hear_hold(true, out),
                // XEP-0167 §8.1: back from hold, or from mute.
                Info::Active => {
                    self.hear_hold(false, out);
                    self.hear_mute(false, out);
                }
                Info::Mute(of) if self.is_audio(of) => self.hear_mute(true, out),
                Info::Unmute(of) if self.is_audio(of) => self.hear_mute(false, out),
                // A camera that is switched off is seen.
                Info::Mute(_) | Info::Unmute(_) => {}
            }
        }
        Ok(())
    }

    fn hear_hold(&mut self, on: bool, out: &mut Said) {
        if matches!(self.stage, Stage::Active) && std::mem::replace(&mut self.held, on) != on {
            out.signals.push(Signal::Hold(on));
        }
    }

    fn hear_mute(&mut self, on: bool, out: &mut Said) {
        if matches!(self.stage, Stage::Active) && std::mem::replace(&mut self.muted, on) != on {
            out.signals.push(Signal::Mute(on));
        }
    }

    /// Whether a word about a content is about the microphone: it names no content, or one of audio.
    fn is_audio(&self, of: &Of) -> bool {
        let Some(name) = &of.name else { return true };
        let slot = self.media.slots.position(of.creator.unwrap_or(Creator::Initiator), name);
        let stream = slot.and_then(|at| self.media.theirs.streams.get(at).or(self.media.ours.streams.get(at)));
        stream.is_none_or(|s| s.kind == Kind::Audio)
    }
}
