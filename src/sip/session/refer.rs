//! A REFER of the peer's (RFC 3515): it is taken, the call does what it asks, and NOTIFYs tell how that goes.
//!
//! ```text
//!             REFER: 202            progress: NOTIFY           the last word: NOTIFY, terminated
//!   (none) ─────────────▶ Referred ─────────────────▶ Referred ─────────────────────────────────▶ (none)
//! ```
//!
//! One that names the session by `Target-Dialog` from outside its dialog (RFC 4538) is taken too, if it wishes not to be told:
//! there is no dialog in which it could be.
//!
//! One NOTIFY is under way at a time, so that none overtakes another. A BYE of ours waits for them, though not for long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::confirmed::Confirmed;
use super::{At, Leg, Stage};
use crate::model::{Hangup, Signal, Stage as Got, Transfer, Transferring};
use crate::sip::cause;
use crate::sip::flow::Flow;
use crate::sip::message::{Header, Headers, Method, Name, Request, Response, StatusCode, reason_phrase};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::{Purpose, Wire};

/// The type of the body of a NOTIFY (RFC 3420).
pub const FRAGMENT: &str = "message/sipfrag;version=2.0";
/// How long the subscription is said to last; it ends with the transfer.
const LASTS: u32 = 300;
/// How long a BYE waits for the last NOTIFY to be answered.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// NOTIFYs that wait; there are not more stages than these.
const MOST_WORDS: usize = 8;

/// What the peer asked for, until it is told how it went.
#[derive(Debug)]
pub struct Referred {
    /// The number of the REFER.
    id: u32,
    /// It is not the dialog's first one: its NOTIFYs must name it.
    is_later: bool,
    /// The peer wishes not to be told (RFC 4488).
    is_silent: bool,
    words: VecDeque<Word>,
    under_way: Option<TransactionId>,
    last: Option<u16>,
    /// When a BYE that waits goes out.
    bye_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Word {
    status: u16,
    is_last: bool,
}

impl Referred {
    fn is_over(&self) -> bool {
        self.words.is_empty() && self.under_way.is_none()
    }

    /// When a BYE that waits goes out.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.bye_at
    }
}

impl Leg {
    /// The peer asks that the other party go somewhere: what that means, or why it is refused.
    pub fn handle_refer(
        &mut self,
        now: Instant,
        wire: &mut Wire,
        (transaction, request, flow): (TransactionId, Request, Flow),
        wish: Result<Transfer, Box<Response>>,
    ) {
        self.step(now, wire, |stage, at| match stage {
            Stage::Confirmed(confirmed) => confirmed.hear_refer(at, (transaction, request, flow), wish),
            stage => {
                at.respond(transaction, Response::to(&request, 481));
                stage
            }
        });
    }

    /// Whether a request came by the way of the session, so that it is of the peer.
    pub fn came_by(&self, flow: &Flow) -> bool {
        let known = match &self.stage {
            Some(Stage::Confirmed(confirmed)) => confirmed.flow,
            _ => return false,
        };
        (known.remote, known.transport) == (flow.remote, flow.transport)
    }

    /// Whether the session is up, so that somebody may take the peer's place.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.stage, Some(Stage::Confirmed(_)))
    }
}

impl Confirmed {
    fn hear_refer(
        mut self: Box<Self>,
        at: &mut At<'_>,
        (transaction, request, flow): (TransactionId, Request, Flow),
        wish: Result<Transfer, Box<Response>>,
    ) -> Stage {
        let is_within = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if is_within {
            if !self.takes(at, transaction, &request) {
                return Stage::Confirmed(self);
            }
            self.flow = flow;
        }
        // RFC 3261 §8.2.6.2: what is not of the dialog is answered with a tag of its own.
        let tag = (!is_within).then(|| at.wire.tag());
        let tagged = |response: Response| match &tag {
            Some(tag) => response.with_to_tag(tag),
            None => response,
        };
        let wish = match wish {
            Ok(wish) => wish,
            Err(response) => {
                at.respond(transaction, tagged(*response));
                return Stage::Confirmed(self);
            }
        };
        if self.referred.is_some() || at.leg.over {
            at.respond(transaction, tagged(Response::to(&request, 491)));
            return Stage::Confirmed(self);
        }
        let is_silent = is_silent(&request.headers);
        let mut response = Response::to(&request, 202).with(at.wire.contact(&self.flow, &self.dialog.target));
        if is_silent {
            response.headers.push(Header::new(REFER_SUB, "false"));
        }
        at.respond(transaction, tagged(response));
        let id = request.headers.cseq().map(|c| c.number).unwrap_or_default();
        let is_later = std::mem::replace(&mut self.has_referred, true);
        let (words, under_way, last, bye_at) = Default::default();
        self.referred = Some(Referred { id, is_later, is_silent, words, under_way, last, bye_at });
        info!(leg = %at.leg.id, attended = wish.replaces.is_some(), "refers the other party to somebody else");
        at.hear(Signal::Transfer(wish));
        Stage::Confirmed(self)
    }

    /// How the transfer goes.
    pub(super) fn say_transferring(&mut self, at: &mut At<'_>, how: Transferring) {
        let Some(referred) = self.referred.as_mut() else { return };
        let (status, is_last) = match how {
            Transferring::Trying(Got::Trying) => (100, false),
            Transferring::Trying(Got::Session) => (183, false),
            Transferring::Trying(Got::Ringing) => (180, false),
            Transferring::Done => (200, true),
            Transferring::Failed(cause) | Transferring::Refused(cause) => {
                (cause::final_status(&Hangup::new(cause)), true)
            }
        };
        let is_news = referred.last.replace(status) != Some(status);
        if is_news && !referred.is_silent && referred.words.len() < MOST_WORDS {
            referred.words.push_back(Word { status, is_last });
        } else if is_last {
            self.referred = None;
        }
        self.next_word(at);
    }

    fn next_word(&mut self, at: &mut At<'_>) {
        let Some(referred) = self.referred.as_mut().filter(|r| r.under_way.is_none()) else { return };
        let Some(Word { status, is_last }) = referred.words.pop_front() else { return };
        let event = if referred.is_later { format!("refer;id={}", referred.id) } else { "refer".to_owned() };
        let state = if is_last { "terminated;reason=noresource".to_owned() } else { format!("active;expires={LASTS}") };
        let notify = self
            .dialog
            .request(Method::NOTIFY)
            .with(at.wire.contact(&self.flow, &self.dialog.target))
            .with(Header::new(Name::Event, event))
            .with(Header::new(Name::SubscriptionState, state))
            .with(Header::new(Name::UserAgent, &at.wire.config.agent))
            .with_body(FRAGMENT, format!("SIP/2.0 {status} {}\r\n", reason_phrase(&StatusCode::from(status))));
        let owner = at.owner(Purpose::Notify);
        let hop = self.dialog.next_hop(self.flow);
        let transaction = at.wire.request(at.now, notify, hop, owner);
        if let Some(referred) = self.referred.as_mut() {
            referred.under_way = Some(transaction);
        }
    }

    /// A NOTIFY of ours is answered with this status, or with none.
    pub(super) fn notified(mut self: Box<Self>, at: &mut At<'_>, status: Option<u16>) -> Stage {
        if status.is_some_and(|s| s < 200) {
            return Stage::Confirmed(self);
        }
        let Some(referred) = self.referred.as_mut() else { return Stage::Confirmed(self) };
        referred.under_way = None;
        if status.is_none_or(|s| s >= 300) {
            debug!(leg = %at.leg.id, status, "does not want to know how the transfer goes");
            referred.words.clear();
            referred.is_silent = true;
        }
        self.next_word(at);
        let is_over = self.referred.as_ref().is_some_and(|r| r.is_over() && r.last.is_some_and(|s| s >= 200));
        if !is_over {
            return Stage::Confirmed(self);
        }
        let waits = self.referred.take().is_some_and(|r| r.bye_at.is_some());
        match self.hangup.take().filter(|_| waits) {
            Some(hangup) => self.end(at, &hangup),
            None => Stage::Confirmed(self),
        }
    }

    /// Whether the peer is to be told something before the session ends: then the end waits.
    pub(super) fn keeps_last_words(&mut self, now: Instant) -> bool {
        match self.referred.as_mut().filter(|r| !r.is_over()) {
            Some(referred) => {
                referred.bye_at.get_or_insert(now + LAST_WORDS);
                true
            }
            None => false,
        }
    }

    /// The session ends, though the peer has not answered the last NOTIFY, if it is time.
    pub(super) fn last_words_are_over(&mut self, now: Instant) -> Option<Hangup> {
        self.referred.take_if(|r| r.bye_at.is_some_and(|at| at <= now))?;
        self.hangup.take()
    }
}

/// Whether whoever refers wishes not to be told, or whoever is referred says that it will not tell.
pub fn is_silent(headers: &Headers) -> bool {
    headers.get(&REFER_SUB.into()).is_some_and(|v| v.trim().eq_ignore_ascii_case("false"))
}

/// RFC 4488 §4
const REFER_SUB: &str = "Refer-Sub";
