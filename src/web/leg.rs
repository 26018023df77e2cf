//! One call of one browser.
//!
//! ```text
//!   call ──▶ Calling ──── Accept said ───┐
//!                                        ▼          hang-up on either side
//!                                     Connected ──────────────────────────▶ Ended
//!                                        ▲
//!   Start said ──▶ Incoming ── answer ───┘
//! ```
//! What runs beside it is apart: the [`Exchange`] of offers and answers, the [`Keypad`], who holds whom.
//! `hear.rs` has what the client says, `say.rs` what is said to it.

use std::time::Instant;

use super::describe::Describer;
use super::error::FrameErrorCode;
use super::exchange::Exchange;
use super::frame::CallName;
use super::keypad::Keypad;
use super::to_page::{EndDetail, LiveCall, LiveState, Proof, RosterFrame, ToPage};
use crate::base::{ExchangeId, LegId};
use crate::model::{self, Cause, Hangup, MediaPath, Party, Progress, SessionUuid, Signal};

/// How far the call is.
#[derive(Debug)]
pub enum Stage {
    /// The client calls.
    Calling {
        /// Since when.
        since: Instant,
        /// What it was last told of the callee.
        told: Option<Progress>,
    },
    /// The client is called.
    Incoming {
        /// Since when.
        since: Instant,
        /// The page said that it rings.
        rings: bool,
    },
    /// Both talk.
    Connected {
        /// Since when.
        since: Instant,
    },
    /// It is over.
    Ended,
}

/// Whom the call is with.
#[derive(Debug)]
pub enum Whom {
    /// What the client dialled.
    Called(String),
    /// Who calls, and whom.
    CalledBy {
        /// Who.
        from: Caller,
        /// What they dialled.
        to: String,
        /// Whether the number is theirs.
        proof: Proof,
        /// Whom the call was meant for before others sent it on.
        meant_for: Option<String>,
        /// What the caller's system says to the client's.
        words: Vec<String>,
    },
}

/// Who calls or writes, as far as a page is told.
#[derive(Debug)]
pub struct Caller {
    pub(super) address: String,
    pub(super) display: Option<String>,
}

impl Caller {
    pub(super) fn of(party: Party) -> Caller {
        if party.private {
            // RFC 3323 §4.1.1.3: the name of somebody who does not want to be named.
            return Caller { address: "anonymous".to_owned(), display: None };
        }
        Caller { address: party.address.to_string(), display: party.display }
    }
}

/// What a leg wants said, to its client and to the call.
#[derive(Debug, Default)]
pub struct Said {
    /// To the client.
    pub frames: Vec<ToPage>,
    /// To the call.
    pub signals: Vec<Signal>,
}

/// What is wrong with a frame.
#[derive(Debug)]
pub struct Wrong {
    /// The code.
    pub code: FrameErrorCode,
    /// A sentence.
    pub text: String,
}

impl Wrong {
    pub(super) fn state(text: &str) -> Wrong {
        Wrong { code: FrameErrorCode::WrongState, text: text.to_owned() }
    }

    pub(super) fn sdp(error: &crate::sdp::SdpError) -> Wrong {
        Wrong { code: FrameErrorCode::BadSdp, text: error.to_string() }
    }
}

/// One call of one browser.
#[derive(Debug)]
pub struct Leg {
    pub(super) id: LegId,
    pub(super) name: CallName,
    pub(super) stage: Stage,
    pub(super) exchange: Exchange,
    pub(super) describer: Describer,
    pub(super) keypad: Keypad,
    /// This client put the other on hold.
    pub(super) held: bool,
    /// The other put this client on hold.
    pub(super) on_hold: bool,
    /// Whether the talk is recorded; `None` where it cannot be.
    pub(super) recorded: Option<bool>,
    /// Who is in the conference at the other end, if it is one.
    pub(super) roster: Option<RosterFrame>,
    /// The name of the call, once the client was told.
    pub(super) session_id: Option<SessionUuid>,
    /// Which way the media go, once the client was told.
    pub(super) media: Option<MediaPath>,
    whom: Whom,
}

impl Leg {
    /// A call that the client makes, and the exchange that its offer opens.
    pub fn calling(now: Instant, id: LegId, name: CallName, to: String, describer: Describer) -> (Leg, ExchangeId) {
        let (exchange, first) = Exchange::heard();
        let stage = Stage::Calling { since: now, told: None };
        (Leg::new(id, name, stage, exchange, describer, Whom::Called(to)), first)
    }

    /// A call to the client, and the frame that tells it.
    pub fn incoming(
        now: Instant,
        id: LegId,
        name: CallName,
        start: model::Start,
        mut describer: Describer,
    ) -> Option<(Leg, ToPage)> {
        let offer = start.offer?;
        let (from, to) = (Caller::of(start.from), start.to.to_string());
        let proof = Proof::of(start.about.identity.as_ref());
        let meant_for = start.about.diversions.into_iter().next_back().map(|first| Caller::of(first.by).address);
        let words = start.about.along.user_to_user;
        let frame = ToPage::Incoming {
            call: name.clone(),
            from: from.address.clone(),
            display: from.display.clone(),
            to: to.clone(),
            meant_for: meant_for.clone(),
            proof,
            user_to_user: words.clone(),
            sdp: describer.write(offer.description).to_owned(),
        };
        let stage = Stage::Incoming { since: now, rings: false };
        let whom = Whom::CalledBy { from, to, proof, meant_for, words };
        Some((Leg::new(id, name, stage, Exchange::said(offer.exchange), describer, whom), frame))
    }

    fn new(id: LegId, name: CallName, stage: Stage, exchange: Exchange, describer: Describer, whom: Whom) -> Leg {
        let keypad = Keypad::default();
        Leg {
            id,
            name,
            stage,
            exchange,
            describer,
            keypad,
            held: false,
            on_hold: false,
            recorded: None,
            roster: None,
            session_id: None,
            media: None,
            whom,
        }
    }

    /// The other end is somebody else from here on.
    pub(super) fn is_with(&mut self, other: Caller) {
        match &mut self.whom {
            Whom::Called(to) => *to = other.address,
            Whom::CalledBy { from, .. } => *from = other,
        }
    }

    /// The leg.
    pub fn id(&self) -> LegId {
        self.id
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Ends the leg from this side.
    pub fn hang_up(&mut self, cause: Cause, out: &mut Said) {
        let hangup = Hangup::new(cause);
        out.signals.push(Signal::Hangup(hangup.clone()));
        self.end(hangup, out);
    }

    pub(super) fn end(&mut self, hangup: Hangup, out: &mut Said) {
        let words = hangup.detail.as_ref().map(|detail| detail.words.0.clone()).filter(|words| !words.is_empty());
        out.frames.extend(words.map(|data| ToPage::UserToUser { call: self.name.clone(), data }));
        out.frames.push(ToPage::Ended {
            call: self.name.clone(),
            cause: hangup.cause,
            text: hangup.cause.sentence().to_owned(),
            detail: hangup.detail.map(EndDetail::from).filter(|detail| *detail != EndDetail::default()),
        });
        self.stage = Stage::Ended;
    }

    /// The client is gone for good; `up`: why a call that is up ends by that.
    pub fn abandon(&mut self, up: Cause, out: &mut Said) {
        let cause = match self.stage {
            Stage::Calling { .. } => Cause::Cancelled,
            Stage::Incoming { .. } => Cause::Unavailable,
            Stage::Connected { .. } => up,
            Stage::Ended => return,
        };
        self.hang_up(cause, out);
    }

    /// The socket of the client is lost.
    pub fn lose(&mut self, out: &mut Said) {
        if let Some(exchange) = self.exchange.void() {
            out.signals.push(Signal::Refuse { exchange, cause: Cause::Network });
        }
        out.signals.push(Signal::Lost);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Said) {
        if let Some(exchange) = self.exchange.handle_timeout(now) {
            out.signals.push(Signal::Refuse { exchange, cause: Cause::Timeout });
        }
        while let Some(dtmf) = self.keypad.next(now) {
            out.signals.push(Signal::Dtmf(dtmf));
        }
    }

    /// When [`Leg::handle_timeout`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        self.exchange.deadline().into_iter().chain(self.keypad.deadline()).min()
    }

    /// The call, for a client that comes back.
    pub fn live(&self, now: Instant) -> Option<LiveCall> {
        let (state, since) = match self.stage {
            Stage::Calling { since, told: Some(Progress { stage: model::Stage::Ringing, .. }) } => {
                (LiveState::Ringing, since)
            }
            Stage::Calling { since, .. } => (LiveState::Calling, since),
            Stage::Incoming { since, .. } => (LiveState::Incoming, since),
            Stage::Connected { since } => (LiveState::Connected, since),
            Stage::Ended => return None,
        };
        let (from, display, to, proof, meant_for, user_to_user) = match &self.whom {
            Whom::Called(to) => (None, None, Some(to.clone()), Proof::default(), None, Vec::new()),
            Whom::CalledBy { from, to, proof, meant_for, words } => {
                let to = (state == LiveState::Incoming).then(|| to.clone());
                let from_name = from.display.clone();
                (Some(from.address.clone()), from_name, to, *proof, meant_for.clone(), words.clone())
            }
        };
        let sdp = (state == LiveState::Incoming).then(|| self.describer.last().map(str::to_owned)).flatten();
        Some(LiveCall {
            call: self.name.clone(),
            from,
            display,
            to,
            proof,
            meant_for,
            user_to_user,
            state,
            held: self.held,
            on_hold: self.on_hold,
            recorded: self.recorded,
            roster: self.roster.clone(),
            session_id: self.session_id,
            media: self.media,
            since_ms: u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX),
            sdp,
        })
    }
}
