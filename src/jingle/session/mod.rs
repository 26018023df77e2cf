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
//! and answer ([`exchange`], [`change`]), who is which content ([`media`]), who holds whom, whether the stream is up.
//!
//! What a peer does not answer is not the end of a call: clients leave requests unanswered that they do not know.
//! A peer whose resource goes offline (`unavailable`) is not gone either: it may resume its stream, and the media
//! does not depend on it; a peer that is gone for good is found out by its media.

pub mod cause;
pub mod change;
pub mod exchange;
pub mod hear;
pub mod initiate;
pub mod media;
pub mod propose;
pub mod say;
pub mod transport;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tracing::{debug, info};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use crate::base::{ExchangeId, LegId};
use crate::jingle::stanza::{Action, Creator, Iq, Jingle, JingleMessage, Message, StanzaError, Word};
use crate::model::{Candidates, Cause, Description, Hangup, Offer, Progress, Signal, Stage as Ring};
use exchange::Exchange;
use media::Media;

/// The most requests of one call whose answers are told apart; later answers to older ones mean nothing.
const MAX_ASKED: usize = 64;
/// The most candidates of one call that wait for the description they belong to.
const MAX_EARLY: usize = 128;
/// How long a call lives whose stream is lost.
pub const LOST_PATIENCE: Duration = Duration::from_secs(120);
/// How long after that the peer, whose stream was lost too, may take to come back.
pub const RETURN_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const PING_EVERY: Duration = Duration::from_secs(2);
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

/// What a request of ours was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
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
    /// The stream is lost, and when the call ends by that.
    lost: Option<Instant>,
    /// The stream is back, and the peer has not said yet that the session is.
    doubt: Option<Doubt>,
}

/// A server that was away has lost its clients too, and they come back in their own time.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// How long a peer that is not there may still come back.
    until: Instant,
    /// When it is asked again.
    next: Option<Instant>,
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
            lost: None,
            doubt: None,
        }
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

    /// The stream is lost.
    pub fn lose(&mut self, now: Instant, out: &mut Said) {
        if self.lost.is_none() && !self.has_ended() {
            self.lost = Some(now + LOST_PATIENCE);
            self.doubt = None;
            out.signals.push(Signal::Lost);
        }
    }

    /// The stream is there again; `resumed`: and lost nothing meanwhile.
    pub fn come_back(&mut self, now: Instant, resumed: bool, out: &mut Said) {
        if self.lost.take().is_none() {
            return;
        }
        out.signals.push(Signal::Back);
        if !resumed && matches!(self.stage, Stage::Active | Stage::Initiated { .. }) {
            // The peer may have ended it while nobody could tell us.
            self.doubt = Some(Doubt { until: now + RETURN_PATIENCE, next: None });
            self.ping(out);
        }
    }

    /// XEP-0166 §6.8: an empty session-info asks whether the session is there.
    fn ping(&mut self, out: &mut Said) {
        self.request(Jingle::new(Action::SessionInfo, &self.ends.sid), Asked::Ping, out);
    }

    /// Nobody answers a ping but the peer's server.
    fn hear_peer_away(&mut self, now: Instant, out: &mut Said) {
        match &mut self.doubt {
            Some(doubt) if now < doubt.until => doubt.next = Some(now + PING_EVERY),
            _ => self.be_hung_up(Hangup::new(Cause::Network), out),
        }
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
        if let Some(doubt) = &mut self.doubt
            && doubt.next.is_some_and(|next| next <= now)
        {
            doubt.next = None;
            if !self.has_ended() {
                self.ping(out);
            }
        }
    }

    /// The peer rings, or may be taken to.
    fn hear_ringing(&mut self, out: &mut Said) {
        let tells = match &mut self.stage {
            Stage::Proposing { rings, .. } => rings.take().is_some(),
            Stage::Initiated { rings, .. } => !std::mem::replace(rings, true),
            _ => false,
        };
        if tells {
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
        out.signals.push(Signal::Hangup(hangup));
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

    /// Says a word of message initiation: to the peer's account, so that all its devices hear it, or to the device that
    /// proposed the call and is told that it rings or may proceed (Dino takes that at its full JID alone).
    fn message(&mut self, word: Word, out: &mut Said) -> u32 {
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
    fn request(&mut self, jingle: Jingle, asked: Asked, out: &mut Said) -> u32 {
        let (number, name) = self.name();
        out.stanzas.push(Iq::set(&self.ends.ours, &self.ends.peer, &name, jingle.write()).write());
        self.ask(number, asked);
        number
    }

    fn ask(&mut self, number: u32, asked: Asked) {
        if self.asked.len() >= MAX_ASKED {
            self.asked.pop_first();
        }
        self.asked.insert(number, asked);
    }

    fn name(&mut self) -> (u32, String) {
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
