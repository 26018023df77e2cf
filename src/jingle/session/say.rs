//! Signals of the call, as what the peer is told.

use std::time::Instant;

use super::requests::Asked;
use super::{Leg, Said, Stage};
use crate::jingle::stanza::rtp::{Info, Of};
use crate::jingle::stanza::{Action, Jingle, Word};
use crate::model::{Kind, Progress, Signal, Stage as Ring};

impl Leg {
    /// The call says a signal.
    pub fn say(&mut self, now: Instant, signal: Signal, out: &mut Said) {
        if self.has_ended() {
            return;
        }
        match signal {
            Signal::Progress(Progress { stage: Ring::Ringing, .. }) => self.say_ringing(out),
            Signal::Solicit(exchange) => self.say_solicit(now, exchange, out),
            Signal::Answer(answer) if matches!(self.stage, Stage::Offered { .. }) => {
                self.say_first_answer(answer, out);
            }
            Signal::Answer(answer) => self.say_answer(answer, out),
            Signal::Accept => self.say_accept(out),
            Signal::Offer(offer) => self.say_offer(now, offer, out),
            Signal::Refuse { exchange, cause } => self.say_refusal(exchange, cause, out),
            Signal::Candidates(candidates) => self.say_candidates(candidates, out),
            Signal::Hold(on) => self.say_hold(on, out),
            Signal::Mute(on) => self.say_mute(on, out),
            Signal::Path(path) => self.media.path = path,
            Signal::Roster(list) => self.keep_list(*list),
            Signal::Hangup(hangup) => self.part(&hangup, out),
            // Nothing in Jingle says "trying" or sends elsewhere; no client shows a notice or figures in a call. The
            // call knows by the abilities that there is no word for a digit, nor for a whole picture.
            Signal::Progress(_)
            | Signal::Redirect(_)
            | Signal::Notice(_)
            | Signal::Record(_)
            | Signal::Stats(_)
            | Signal::AskStats
            | Signal::Dtmf(_)
            | Signal::TakesDigits(_)
            | Signal::Refresh
            | Signal::Transfer(_)
            | Signal::Transferring(_)
            | Signal::Connected(_)
            | Signal::Named(_)
            | Signal::UserToUser(_)
            | Signal::Start(_)
            | Signal::Lost
            | Signal::Back => {}
        }
    }

    fn say_ringing(&mut self, out: &mut Said) {
        let is_session = matches!(self.stage, Stage::Offered { .. });
        let (Stage::Proposed { rings } | Stage::Offered { rings, .. }) = &mut self.stage else { return };
        if std::mem::replace(rings, true) {
            return;
        }
        if is_session {
            self.inform(Info::Ringing, out);
        } else {
            self.message(Word::Ringing, out);
        }
    }

    fn say_hold(&mut self, on: bool, out: &mut Said) {
        if matches!(self.stage, Stage::Active) && std::mem::replace(&mut self.holds, on) != on {
            self.inform(if on { Info::Hold } else { Info::Active }, out);
        }
    }

    /// XEP-0167 §8.3: the word names the content, or means all of them.
    fn say_mute(&mut self, on: bool, out: &mut Said) {
        if !matches!(self.stage, Stage::Active) {
            return;
        }
        let is_audio = |at: &usize| self.media.ours.streams.get(*at).is_some_and(|s| s.kind == Kind::Audio);
        let slot = (0..self.media.slots.0.len()).filter(|at| self.media.is_live(*at)).find(is_audio);
        let slot = slot.and_then(|at| self.media.slots.0.get(at));
        let of = Of { creator: slot.map(|s| s.creator), name: slot.map(|s| s.name.clone()) };
        self.inform(if on { Info::Mute(of) } else { Info::Unmute(of) }, out);
    }

    fn inform(&mut self, info: Info, out: &mut Said) {
        let mut jingle = Jingle::new(Action::SessionInfo, &self.ends.sid);
        jingle.info = vec![info];
        self.request(jingle, Asked::Other, out);
    }
}
