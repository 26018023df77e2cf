//! What a client says in a call, as signals.

use std::time::Instant;

use super::error::FrameErrorCode;
use super::exchange::Heard;
use super::frame::{CandidateLines, Sdp, TransferWish, Verb};
use super::leg::{Leg, Said, Stage, Wrong};
use crate::base::LegId;
use crate::model::{self, Address, Answer, Candidates, Cause, Mid, Offer, Progress, Replaces, Signal, Transfer};
use crate::sdp;

impl Leg {
    /// The client says something in the call.
    ///
    /// # Errors
    /// What is wrong with it; the call stays as it was.
    pub fn hear(&mut self, now: Instant, verb: Verb, out: &mut Said) -> Result<(), Wrong> {
        let connected = matches!(self.stage, Stage::Connected { .. });
        let incoming = matches!(self.stage, Stage::Incoming { .. });
        match verb {
            Verb::Ringing => self.hear_ringing(out)?,
            Verb::Answer(answer) => self.hear_answer(now, &answer, out)?,
            Verb::Offer(_) if incoming => {
                return Err(Wrong::state("an incoming call is answered before it is offered"));
            }
            Verb::Offer(offer) => self.hear_offer(&offer, out)?,
            Verb::Refuse if incoming => return Err(Wrong::state("an incoming call is refused by hangup")),
            Verb::Refuse => {
                let exchange = self.exchange.hear_answer().ok_or_else(|| Wrong::state("no offer waits"))?;
                out.signals.push(Signal::Refuse { exchange, cause: Cause::NotSupported });
            }
            Verb::Candidates(lines) => hear_candidates(lines, out)?,
            Verb::Hold(_) if !connected => return Err(Wrong::state("only a connected call is held")),
            Verb::Hold(switch) => {
                self.held = switch.on;
                out.signals.push(Signal::Hold(switch.on));
            }
            Verb::Record(_) if !connected => return Err(Wrong::state("only a connected call is recorded")),
            Verb::Record(switch) => out.signals.push(Signal::Record(switch.on)),
            Verb::Transfer(wish) => self.hear_transfer(&wish, None, out)?,
            Verb::Mute(switch) => out.signals.push(Signal::Mute(switch.on)),
            Verb::Dtmf(_) if incoming => return Err(Wrong::state("the call is not yet answered")),
            Verb::Dtmf(digits) => {
                if !self.keypad.press(digits) {
                    let text = "more than 64 digits wait; none of these is taken".to_owned();
                    return Err(Wrong { code: FrameErrorCode::TooFast, text });
                }
                self.handle_timeout(now, out);
            }
            Verb::Stats => out.signals.push(Signal::AskStats),
            Verb::UserToUser(words) => out.signals.push(Signal::UserToUser(words.data.0)),
            Verb::Hangup(wish) => self.hear_hangup(wish.cause.as_deref(), out),
        }
        Ok(())
    }

    /// The client wishes that the other be connected with somebody else; `beside`: its call with whoever that is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hear_transfer(&mut self, wish: &TransferWish, beside: Option<LegId>, out: &mut Said) -> Result<(), Wrong> {
        if !matches!(self.stage, Stage::Connected { .. }) {
            return Err(Wrong::state("only a connected call is transferred"));
        }
        let to: Address =
            wish.to.parse().map_err(|e| Wrong { code: FrameErrorCode::BadNumber, text: format!("{e}") })?;
        let replaces = beside.map(Replaces::Leg);
        out.signals.push(Signal::Transfer(Transfer { to, replaces, by: None, user_to_user: Default::default() }));
        Ok(())
    }

    fn hear_ringing(&mut self, out: &mut Said) -> Result<(), Wrong> {
        let Stage::Incoming { rings, .. } = &mut self.stage else {
            return Err(Wrong::state("only an incoming call rings"));
        };
        if !std::mem::replace(rings, true) {
            out.signals.push(Signal::Progress(Progress { stage: model::Stage::Ringing, early_media: false }));
        }
        Ok(())
    }

    fn hear_answer(&mut self, now: Instant, answer: &Sdp, out: &mut Said) -> Result<(), Wrong> {
        let description = sdp::read(&answer.sdp).map_err(|e| Wrong::sdp(&e))?;
        let exchange = self.exchange.hear_answer().ok_or_else(|| Wrong::state("no offer waits for an answer"))?;
        out.signals.push(Signal::Answer(Answer { exchange, description, provisional: false }));
        if let Stage::Incoming { .. } = self.stage {
            out.signals.push(Signal::Accept);
            self.stage = Stage::Connected { since: now };
        }
        Ok(())
    }

    fn hear_offer(&mut self, offer: &Sdp, out: &mut Said) -> Result<(), Wrong> {
        let description = sdp::read(&offer.sdp).map_err(|e| Wrong::sdp(&e))?;
        match self.exchange.hear_offer() {
            Heard::Opens(exchange) => out.signals.push(Signal::Offer(Offer { exchange, description })),
            // The client has our offer by now, and rolls its own back.
            Heard::Glare => {}
            Heard::Early => return Err(Wrong::state("the offer before this is not yet answered")),
        }
        Ok(())
    }

    fn hear_hangup(&mut self, wish: Option<&str>, out: &mut Said) {
        let cause = match (&self.stage, wish.and_then(Cause::by_name)) {
            (Stage::Incoming { .. }, Some(cause @ (Cause::Busy | Cause::Unwanted))) => cause,
            (Stage::Incoming { .. }, _) => Cause::Declined,
            (Stage::Calling { .. }, _) => Cause::Cancelled,
            (Stage::Connected { .. } | Stage::Ended, _) => Cause::Normal,
        };
        self.hang_up(cause, out);
    }
}

/// The candidates that can be read are passed on, whatever is wrong with others.
fn hear_candidates(lines: CandidateLines, out: &mut Said) -> Result<(), Wrong> {
    let mut candidates = Vec::with_capacity(lines.candidates.len());
    let mut wrong = None;
    // W3C WebRTC §4.8.1: an empty candidate is the end of a generation's candidates.
    let ends = lines.done || lines.candidates.iter().any(String::is_empty);
    for line in lines.candidates.iter().filter(|l| !l.is_empty()) {
        match sdp::candidate::read(line) {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => wrong = wrong.or(Some(Wrong::sdp(&error))),
        }
    }
    if ends || !candidates.is_empty() {
        out.signals.push(Signal::Candidates(Candidates {
            mid: lines.mid.map(Mid),
            ufrag: lines.ufrag,
            candidates,
            more: !ends,
        }));
    }
    wrong.map_or(Ok(()), Err)
}
