//! One call of one IM client: message initiation (XEP-0353) and the session (XEP-0166) that follows it.
//!
//! ```text
//!   propose heard ──▶ Proposed ── Solicit said, `proceed` ──▶ Proceeding ─┐ session-initiate heard
//!   session-initiate heard, directly ─────────────────────────────────────┴──▶ Offered ──┐ Accept said
//!                                                                                        ├──▶ Active ──▶ Ended
//!   Start said ──▶ Proposing ── `proceed` heard ──▶ Initiated ───────────────────────────┘ session-accept heard
//!   Start said, to a client without XEP-0353 ───────────▲
//! ```
//!
//! Every stage ends by a hang-up of either side. Beside the stage, each on its own: changes of the session by offer
//! and answer ([`exchange`], [`change`]), who is which content ([`media`]), who holds whom, who is in the conference at the
//! other end (`list`), whether the stream is up.
//!
//! What a peer does not answer is not the end of a call: clients leave requests unanswered that they do not know.
//! A peer whose resource goes offline (`unavailable`) is not gone either: it may resume its stream, and the media
//! does not depend on it; a peer that is gone for good is found out by its media.

pub mod cause;
pub mod change;
pub mod exchange;
pub mod hear;
pub mod initiate;
mod list;
pub mod lost;
pub mod media;
pub mod propose;
pub mod requests;
pub mod say;
pub mod transport;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tracing::info;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use crate::base::{ExchangeId, LegId};
use crate::jingle::stanza::{Action, Creator, Jingle, Word};
use crate::model::{Candidates, Cause, Description, Hangup, Offer, Progress, Signal, Stage as Ring};
use exchange::Exchange;
use list::List;
use lost::Doubt;
use media::Media;
use requests::Asked;

/// The most candidates of one call that wait for the description they belong to.
const MAX_EARLY: usize = 128;
/// How long a proposal stands that nobody answers. Above the longest ring of any dialplan: Dino rings without a word.
pub const PROPOSE_PATIENCE: Duration = Duration::from_secs(180);
/// When a proposal that came back with no error counts as ringing, for clients that ring without a word.
pub const RINGS_SILENTLY: Duration = Duration::from_secs(2);

/// What a leg wants done.
#[derive(Debug, Default)]
pub struct Said {
    /// To the peer.
    pub stanzas: Vec<Element>,
    /// To the call.
    pub signals: Vec<Signal>,
    /// The peer is in one call at a time: it takes this one if the first is given up.
    pub instead: Option<Box<Beside>>,
}

/// A call that is to take the place of another with the same peer.
#[derive(Debug)]
pub struct Beside {
    /// The leg of that one.
    pub first: LegId,
    /// What is offered.
    pub offer: Offer,
}

/// How far the call is.
#[derive(Debug)]
enum Stage {
    /// The peer proposed a call.
    Proposed {
        /// It was told that it rings.
        rings: bool,
    },
    /// It was told to go on.
    Proceeding {
        /// The exchange of its offer.
        exchange: ExchangeId,
        /// When we wait no longer for the session.
        until: Instant,
    },
    /// We proposed a call.
    Proposing {
        /// What is offered once a device takes the call.
        offer: Box<Offer>,
        /// When we wait no longer.
        until: Instant,
        /// When it counts as ringing.
        rings: Option<Instant>,
    },
    /// We initiated the session.
    Initiated {
        /// The exchange of the offer.
        exchange: ExchangeId,
        /// When we wait no longer for a sign of life; `None` after one.
        until: Option<Instant>,
        /// The call was told that it rings.
        rings: bool,
    },
    /// The peer initiated the session.
    Offered {
        /// The exchange of its offer.
        exchange: ExchangeId,
        /// What the call answered.
        answer: Option<Box<Description>>,
        /// The call accepted.
        accepted: bool,
        /// The peer was told that it rings.
        rings: bool,
    },
    /// Both talk.
    Active,
    /// It is over.
    Ended,
}

/// Whom a call is between, and what it is called.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The leg.
    pub id: LegId,
    /// What our stanzas' names begin with; no other call has it.
    pub tag: String,
    /// The session.
    pub sid: String,
    /// Our full JID in it.
    pub ours: Jid,
    /// The peer: an account until one of its devices is known to take the call.
    pub peer: Jid,
}

/// One call of one IM client.
#[derive(Debug)]
pub struct Leg {
    ends: Ends,
    /// It began by message, and ends so.
    by_message: bool,
    stage: Stage,
    media: Media,
    exchange: Exchange,
    /// How many exchanges the peer has opened.
    exchanges_heard: u32,
    /// Changes of the peer that wait for the one before them.
    waiting: VecDeque<Jingle>,
    /// Candidates that came before the description they belong to.
    early: Vec<Candidates>,
    /// Requests that are not yet answered.
    asked: BTreeMap<u32, Asked>,
    named: u32,
    /// The peer holds us.
    held: bool,
    /// We hold the peer.
    holds: bool,
    /// The peer switched its microphone off.
    muted: bool,
    /// Who is in the conference at the other end.
    list: List,
    /// The stream is lost, and when the call ends by that.
    lost: Option<Instant>,
    /// The stream is back, and the peer has not said yet that the session is.
    doubt: Option<Doubt>,
    /// The call that this one is to take the place of, until the peer rings.
    beside: Option<Box<Beside>>,
}

impl Leg {
    fn new(ends: Ends, by_message: bool, role: Creator, stage: Stage) -> Leg {
        let media = Media::new(role, &ends.tag);
        Leg {
            ends,
            by_message,
            stage,
            media,
            exchange: Exchange::Stable,
            exchanges_heard: 0,
            waiting: VecDeque::new(),
            early: Vec::new(),
            asked: BTreeMap::new(),
            named: 0,
            held: false,
            holds: false,
            muted: false,
            list: List::default(),
            lost: None,
            doubt: None,
            beside: None,
        }
    }

    /// The same, to take the place of another.
    #[must_use]
    pub fn beside(self, beside: Option<Box<Beside>>) -> Leg {
        Leg { beside, ..self }
    }

    /// Whether it began by message.
    pub fn is_by_message(&self) -> bool {
        self.by_message
    }

    /// Whom it is between.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Whether both talk.
    pub fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Active)
    }

    /// Whether it is a proposal of ours, or a session of ours, that the peer has not answered.
    pub fn is_ours_unanswered(&self) -> bool {
        matches!(self.stage, Stage::Proposing { .. } | Stage::Initiated { .. })
    }

    /// When [`Leg::handle_timeout`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Proceeding { until, .. } => Some(*until),
            Stage::Proposing { until, rings, .. } => Some(rings.map_or(*until, |rings| rings.min(*until))),
            Stage::Initiated { until, .. } => *until,
            Stage::Proposed { .. } | Stage::Offered { .. } | Stage::Active | Stage::Ended => None,
        };
        let ping = self.doubt.and_then(|doubt| doubt.next);
        stage.into_iter().chain(self.exchange.deadline()).chain(self.lost).chain(ping).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Said) {
        if self.lost.is_some_and(|until| until <= now) {
            return self.hang_up(&Hangup::new(Cause::Network), out);
        }
        match &mut self.stage {
            Stage::Proceeding { until, .. } if *until <= now => {
                info!(leg = %self.ends.id, "the caller proposed a call and began none");
                return self.hang_up(&Hangup::new(Cause::Timeout), out);
            }
            Stage::Proposing { until, .. } if *until <= now => {
                return self.hang_up(&Hangup::new(Cause::NoAnswer), out);
            }
            Stage::Proposing { rings, .. } if rings.is_some_and(|at| at <= now) => self.hear_ringing(out),
            Stage::Initiated { until: Some(until), .. } if *until <= now => {
                info!(leg = %self.ends.id, "the client gives no sign of life");
                return self.hang_up(&Hangup::new(Cause::Timeout), out);
            }
            _ => {}
        }
        if self.exchange.deadline().is_some_and(|until| until <= now) {
            self.give_up_change(out);
        }
        self.ask_again(now, out);
    }

    /// The peer rings, or may be taken to.
    fn hear_ringing(&mut self, out: &mut Said) {
        let tells = match &mut self.stage {
            Stage::Proposing { rings, .. } => rings.take().is_some(),
            Stage::Initiated { rings, .. } => !std::mem::replace(rings, true),
            _ => false,
        };
        if tells {
            // From here on a person answers, and not a client that has one call at a time.
            self.beside = None;
            out.signals.push(Signal::Progress(Progress { stage: Ring::Ringing, early_media: false }));
        }
    }

    /// Ends the call from our side, and tells both.
    pub fn hang_up(&mut self, hangup: &Hangup, out: &mut Said) {
        if !self.has_ended() {
            self.part(hangup, out);
            out.signals.push(Signal::Hangup(hangup.clone()));
        }
    }

    /// The peer ended the call.
    fn be_hung_up(&mut self, hangup: Hangup, out: &mut Said) {
        if matches!(self.stage, Stage::Initiated { .. } | Stage::Offered { .. } | Stage::Active) {
            self.finish(&hangup, out);
        }
        self.stage = Stage::Ended;
        match self.beside.take().filter(|_| hangup.cause == Cause::Busy) {
            Some(beside) => out.instead = Some(beside),
            None => out.signals.push(Signal::Hangup(hangup)),
        }
    }

    /// Takes leave of the peer in the words of the stage.
    fn part(&mut self, hangup: &Hangup, out: &mut Said) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Proposed { .. } => self.reject(hangup, out),
            // The caller may be about to begin the session: `reject` is what clients know at that point, `finish` is
            // what the XEP has for a call that was to proceed.
            Stage::Proceeding { .. } => {
                self.reject(hangup, out);
                self.finish(hangup, out);
            }
            Stage::Proposing { .. } => {
                let reason = Some(cause::of_retract(hangup));
                self.message(Word::Retract { reason, tie_break: false }, out);
            }
            Stage::Initiated { .. } | Stage::Offered { .. } | Stage::Active => {
                let mut jingle = Jingle::new(Action::SessionTerminate, &self.ends.sid);
                jingle.reason = Some(cause::reason(hangup));
                self.request(jingle, Asked::Other, out);
                self.finish(hangup, out);
            }
            Stage::Ended => {}
        }
    }

    fn reject(&mut self, hangup: &Hangup, out: &mut Said) {
        self.message(Word::Reject { reason: Some(cause::reason(hangup)), tie_break: false }, out);
    }

    /// XEP-0353 §3.7: both say when a call is over, so that their other devices know.
    fn finish(&mut self, hangup: &Hangup, out: &mut Said) {
        if self.by_message {
            self.message(Word::Finish { reason: Some(cause::reason(hangup)), migrated: None }, out);
        }
    }
}
