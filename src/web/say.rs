//! Signals, as what a client is told in a call.

use std::time::Instant;

use super::error::{FrameError, FrameErrorCode};
use super::exchange::State;
use super::frame::{CallName, CandidateLines};
use super::leg::{Caller, Leg, Said, Stage};
use super::to_page::{Figures, RosterFrame, Sides, ToPage, TransferState};
use crate::model::{Answer, CallStats, Candidates, Cause, LegStats, Offer, Progress, Signal, Transferring};
use crate::sdp;

impl Leg {
    /// Tells the client.
    pub fn say(&mut self, now: Instant, signal: Signal, out: &mut Said) {
        let call = self.name.clone();
        match signal {
            Signal::Progress(progress) => self.say_progress(progress, out),
            Signal::Answer(answer) => self.say_answer(answer, out),
            Signal::Accept => self.say_accept(now, out),
            Signal::Offer(offer) => self.say_offer(now, offer, out),
            Signal::Refuse { exchange, cause } => {
                if self.exchange.awaits(exchange) {
                    self.exchange.settle();
                    let error = FrameError::new(FrameErrorCode::OfferRefused, cause.sentence());
                    out.frames.push(ToPage::Error(error.in_call(Some(call)).because(cause).about("offer")));
                }
            }
            // A browser makes no offer that it is asked for: the protocol has no word for it.
            Signal::Solicit(exchange) => {
                out.signals.push(Signal::Refuse { exchange, cause: Cause::NotSupported });
            }
            Signal::Candidates(candidates) => {
                out.frames.push(ToPage::Candidates { call, lines: lines(&candidates) });
            }
            Signal::Hold(on) => {
                self.on_hold = on;
                out.frames.push(ToPage::Hold { call, on });
            }
            Signal::Record(on) => {
                self.recorded = Some(on);
                out.frames.push(ToPage::Record { call, on });
            }
            Signal::Transferring(how) => out.frames.push(transferring(call, how)),
            Signal::Connected(party) => {
                let Caller { address, display } = Caller::of(party);
                out.frames.push(ToPage::Connected { call, with: address.clone(), display: display.clone() });
                self.is_with(Caller { address, display });
            }
            Signal::Mute(on) => out.frames.push(ToPage::Mute { call, on }),
            Signal::Dtmf(dtmf) => {
                let duration_ms = u64::try_from(dtmf.duration.as_millis()).unwrap_or(u64::MAX);
                out.frames.push(ToPage::Dtmf { call, digit: dtmf.digit, duration_ms });
            }
            Signal::Path(path) => {
                self.media = Some(path);
                out.frames.push(ToPage::Media { call, path });
            }
            Signal::Roster(roster) => {
                let roster = RosterFrame::from(*roster);
                self.roster = Some(roster.clone()).filter(|r| !r.members.is_empty());
                out.frames.push(ToPage::Roster { call, roster: Box::new(roster) });
            }
            Signal::Named(ids) => {
                // One half is enough to find the call by, and the person's own stays while others come and go.
                if let Some(session_id) = ids.own.filter(|own| self.session_id.replace(*own) != Some(*own)) {
                    out.frames.push(ToPage::Named { call, session_id });
                }
            }
            Signal::UserToUser(words) => out.frames.push(ToPage::UserToUser { call, data: words.0 }),
            Signal::Notice(text) => out.frames.push(ToPage::Notice { call, text }),
            Signal::Stats(stats) => out.frames.push(ToPage::Stats { call, legs: sides(&stats) }),
            Signal::Hangup(hangup) => self.end(hangup, out),
            // A leg is opened once; a page has no word for the rest.
            Signal::Start(_)
            | Signal::Redirect(_)
            | Signal::TakesDigits(_)
            | Signal::Refresh
            | Signal::Transfer(_)
            | Signal::AskStats
            | Signal::Lost
            | Signal::Back => {}
        }
    }

    fn say_progress(&mut self, progress: Progress, out: &mut Said) {
        let Stage::Calling { told, .. } = &mut self.stage else { return };
        if told.replace(progress) != Some(progress) {
            let Progress { stage, early_media } = progress;
            out.frames.push(ToPage::Progress { call: self.name.clone(), stage, early_media });
        }
    }

    /// An answer that repeats what the client has as its provisional one is not said again: `accepted` makes
    /// that the final one.
    fn say_answer(&mut self, answer: Answer, out: &mut Said) {
        if !self.exchange.awaits(answer.exchange) {
            return;
        }
        let calling = matches!(self.stage, Stage::Calling { .. });
        let has_it =
            matches!(self.exchange.state(), State::HaveLocalPranswer(_)) && self.describer.repeats(&answer.description);
        if has_it && (calling || answer.provisional) {
            return;
        }
        let sdp = self.describer.write(answer.description).to_owned();
        out.frames.push(ToPage::Answer { call: self.name.clone(), sdp, r#final: !answer.provisional });
        if answer.provisional {
            self.exchange.say_pranswer(answer.exchange);
        } else {
            self.exchange.settle();
        }
    }

    fn say_accept(&mut self, now: Instant, out: &mut Said) {
        if let Stage::Calling { .. } = self.stage {
            if let State::HaveLocalPranswer(_) = self.exchange.state() {
                self.exchange.settle();
            }
            self.stage = Stage::Connected { since: now };
            out.frames.push(ToPage::Accepted { call: self.name.clone() });
        }
    }

    fn say_offer(&mut self, now: Instant, offer: Offer, out: &mut Said) {
        if let (Stage::Calling { .. }, State::HaveLocalPranswer(_), Some(sdp)) =
            (&self.stage, self.exchange.state(), self.describer.last())
        {
            // JSEP takes no offer on top of a provisional answer.
            out.frames.push(ToPage::Answer { call: self.name.clone(), sdp: sdp.to_owned(), r#final: true });
            self.exchange.settle();
        }
        if self.exchange.say_offer(now, offer.exchange) {
            let sdp = self.describer.write(offer.description).to_owned();
            out.frames.push(ToPage::Offer { call: self.name.clone(), sdp });
        } else {
            out.signals.push(Signal::Refuse { exchange: offer.exchange, cause: Cause::Glare });
        }
    }
}

fn transferring(call: CallName, how: Transferring) -> ToPage {
    let (state, cause) = match how {
        Transferring::Trying(crate::model::Stage::Ringing) => (TransferState::Ringing, None),
        Transferring::Trying(_) => (TransferState::Trying, None),
        Transferring::Done => (TransferState::Done, None),
        Transferring::Failed(cause) | Transferring::Refused(cause) => (TransferState::Failed, Some(cause)),
    };
    ToPage::Transferring { call, state, cause, text: cause.map(|c| c.sentence().to_owned()) }
}

fn lines(candidates: &Candidates) -> CandidateLines {
    CandidateLines {
        candidates: candidates.candidates.iter().map(sdp::candidate::write).collect(),
        mid: candidates.mid.as_ref().map(|m| m.0.clone()),
        ufrag: candidates.ufrag.clone(),
        done: !candidates.more,
    }
}

fn sides(stats: &CallStats) -> Sides {
    Sides { you: figures(&stats.you), them: stats.them.as_ref().map(figures) }
}

fn figures(stats: &LegStats) -> Figures {
    Figures {
        codec: stats.codec.clone(),
        packets_in: stats.packets_in,
        packets_out: stats.packets_out,
        lost_in: stats.lost_in,
        lost_out: stats.lost_out,
        jitter_ms: stats.jitter_ms,
        rtt_ms: stats.rtt_ms,
        mos: stats.mos,
        mos_lately: stats.mos_lately,
    }
}
