//! The session is up (RFC 3261 §12.2, §13.3.1.4, §15).

use std::time::Instant;

use tracing::{debug, warn};

use super::change::{Ours, Theirs};
use super::identity::Identity;
use super::keys::Keys;
use super::proof::Proof;
use super::refer::Referred;
use super::referring::Referring;
use super::refresh::Refreshing;
use super::timer::SessionTimer;
use super::unacknowledged::{Due, Unacknowledged};
use super::within::Within;
use super::{At, Stage, abilities, broken};
use crate::model::{Answer, Cause, Hangup, Signal};
use crate::sip::dialog::{Dialog, OutOfOrder};
use crate::sip::flow::Flow;
use crate::sip::hear::{self, Body};
use crate::sip::info::{self, Info};
use crate::sip::message::{Header, Method, Name, Request, Response, Text};
use crate::sip::refresh::{self, Control};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::ALLOW;
use crate::sip::{cause, say};

/// The session is up.
#[derive(Debug)]
pub struct Confirmed {
    /// The dialog.
    pub dialog: Dialog,
    /// The way by which the dialog's messages came last.
    pub(super) flow: Flow,
    /// Our last 2xx, until its ACK comes.
    pub(super) unacknowledged: Option<Unacknowledged>,
    /// The number of an INVITE of ours whose 2xx brought an offer: its ACK waits for the call's answer.
    pub(super) owed_ack: Option<u32>,
    /// Changes of ours.
    pub(super) ours: Ours,
    /// A change of the peer's that waits for the call.
    pub(super) theirs: Option<Theirs>,
    /// Proof for the change under way.
    pub(super) proof: Proof,
    /// Keys that the peer is told of.
    pub(super) keys: Keys,
    /// Whole pictures that the peer is asked for.
    pub(super) refreshing: Refreshing,
    /// How long the session lasts unless it is refreshed.
    pub(super) timer: SessionTimer,
    /// An UPDATE of ours.
    pub(super) update: Within,
    /// The call hung up before the ACK came; the callee's side may not say BYE until then (RFC 3261 §15).
    pub(super) hangup: Option<Hangup>,
    /// What the peer asked for, until it is told how that went.
    pub(super) referred: Option<Referred>,
    /// It has asked for something before.
    pub(super) has_referred: bool,
    /// What the peer is asked for.
    pub(super) referring: Referring,
    /// Who is at the other end, and at the peer's, since the session began.
    pub(super) identity: Identity,
}

impl Confirmed {
    /// We called, and the ACK is out.
    pub fn new(dialog: Dialog, flow: Flow, timer: SessionTimer) -> Confirmed {
        Confirmed {
            dialog,
            flow,
            unacknowledged: None,
            owed_ack: None,
            ours: Ours::default(),
            theirs: None,
            proof: Proof::default(),
            keys: Keys::default(),
            refreshing: Refreshing::default(),
            timer,
            update: Within::default(),
            hangup: None,
            referred: None,
            has_referred: false,
            referring: Referring::default(),
            identity: Identity::default(),
        }
    }

    /// We called without an offer, and the ACK waits for the answer to theirs.
    pub fn owing_ack(dialog: Dialog, flow: Flow, cseq: u32, timer: SessionTimer) -> Confirmed {
        Confirmed { owed_ack: Some(cseq), ..Confirmed::new(dialog, flow, timer) }
    }

    /// We were called, and our 2xx is out.
    pub fn awaiting_ack(dialog: Dialog, flow: Flow, waiting: Unacknowledged, timer: SessionTimer) -> Confirmed {
        Confirmed { unacknowledged: Some(waiting), ..Confirmed::new(dialog, flow, timer) }
    }

    /// Whether the INVITE that opened the session has its ACK.
    pub(super) fn is_settled(&self) -> bool {
        self.unacknowledged.is_none() && self.owed_ack.is_none()
    }

    pub(super) fn say(mut self: Box<Self>, at: &mut At<'_>, signal: Signal) -> Stage {
        match signal {
            Signal::Offer(offer) => self.say_offer(at, offer),
            Signal::Solicit(exchange) => self.say_solicit(at, exchange),
            Signal::Answer(answer) => return self.say_answer(at, answer),
            Signal::Refuse { exchange, cause } => return self.say_refuse(at, exchange, cause),
            Signal::Dtmf(dtmf) => self.say_key(at, dtmf),
            Signal::Refresh => self.say_refresh(at),
            Signal::Transferring(how) => self.say_transferring(at, how),
            Signal::Transfer(wish) => self.say_transfer(at, &wish),
            Signal::Connected(party) => self.say_connected(at, &party),
            Signal::Hangup(hangup) => return self.say_hangup(at, hangup),
            // All that a telephone has no word for.
            _ => debug!(leg = %at.leg.id, "has no word on this wire; left out"),
        }
        Stage::Confirmed(self)
    }

    fn say_hangup(mut self: Box<Self>, at: &mut At<'_>, hangup: Hangup) -> Stage {
        if self.unacknowledged.is_some() || self.keeps_last_words(at.now) {
            self.hangup = Some(hangup);
            return Stage::Confirmed(self);
        }
        self.end(at, &hangup)
    }

    /// Ends the session by a BYE of ours.
    pub(super) fn end(mut self: Box<Self>, at: &mut At<'_>, hangup: &Hangup) -> Stage {
        self.terminate_theirs(at);
        if let Some(cseq) = self.owed_ack {
            at.acknowledge(&self.dialog, cseq, None, self.flow);
        }
        at.bye(self.dialog, self.flow, hangup)
    }

    /// RFC 3261 §15.1.2: what waits for an answer when the session ends gets 487.
    fn terminate_theirs(&mut self, at: &mut At<'_>) {
        if let Some(theirs) = self.theirs.take() {
            at.respond(theirs.transaction, Response::to(&theirs.request, 487));
        }
    }

    /// Ends the session by a BYE of ours and tells the call why.
    pub(super) fn fail(self: Box<Self>, at: &mut At<'_>, hangup: Hangup) -> Stage {
        let stage = self.end(at, &hangup);
        at.hear(Signal::Hangup(hangup));
        stage
    }

    pub(super) fn handle_request(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
        flow: Flow,
    ) -> Stage {
        if !self.takes(at, transaction, &request) {
            return Stage::Confirmed(self);
        }
        self.flow = flow;
        if request.method == Method::BYE {
            at.respond(transaction, Response::to(&request, 200));
            self.terminate_theirs(at);
            at.hear_words(&request.headers);
            at.hear(Signal::Hangup(hear::bye(&request.headers)));
            return at.ended(Some(self.dialog), self.flow);
        }
        if request.method == Method::INVITE {
            return self.hear_reinvite(at, transaction, request);
        }
        if request.method == Method::PRACK {
            at.answer_late_prack(transaction, &request);
            return Stage::Confirmed(self);
        }
        if request.method == Method::NOTIFY {
            self.hear_notify(at, transaction, &request);
            return Stage::Confirmed(self);
        }
        if request.method == Method::UPDATE {
            return self.hear_update(at, transaction, request);
        }
        answer_common(at, transaction, &request);
        Stage::Confirmed(self)
    }

    /// Whether a request is the next one of its dialog; otherwise it is answered.
    pub(super) fn takes(&mut self, at: &mut At<'_>, transaction: TransactionId, request: &Request) -> bool {
        let number = request.headers.cseq().map(|c| c.number).unwrap_or_default();
        let Err(order) = self.dialog.take_cseq(number) else { return true };
        let status = if order == OutOfOrder::Stale { 500 } else { 482 };
        at.respond(transaction, Response::to(request, status));
        false
    }

    /// The ACK of a 2xx of ours.
    pub(super) fn handle_ack(mut self: Box<Self>, at: &mut At<'_>, ack: &Request, flow: Flow) -> Stage {
        let number = ack.headers.cseq().map(|c| c.number).unwrap_or_default();
        if self.unacknowledged.as_ref().is_none_or(|u| u.cseq != number) {
            return Stage::Confirmed(self);
        }
        self.unacknowledged = None;
        self.flow = flow;
        if let Some(hangup) = self.hangup.take() {
            return self.end(at, &hangup);
        }
        if let Some(exchange) = at.leg.media.exchanges.awaits_answer()
            && self.ours.is_idle()
        {
            // Our offer went out in the 2xx, and its answer is in the ACK or nowhere.
            match hear::body(&ack.headers, &ack.body) {
                Body::Description(description) => {
                    at.leg.media.settle();
                    let description = *description;
                    at.hear(Signal::Answer(Answer { exchange, description, provisional: false }));
                }
                Body::Empty => return self.fail(at, broken("the caller's ACK brought no answer to our offer")),
                Body::Broken(_) | Body::Foreign => {
                    return self.fail(at, broken("the answer in the caller's ACK cannot be understood"));
                }
            }
        }
        self.next_change(at);
        self.next_key(at);
        Stage::Confirmed(self)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let unacknowledged = self.unacknowledged.as_ref().map(Unacknowledged::poll_timeout);
        let last_words = self.referred.as_ref().and_then(Referred::poll_timeout);
        let deadlines = [unacknowledged, self.ours.poll_timeout(), self.timer.poll_timeout(), last_words];
        deadlines.into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        match self.unacknowledged.as_mut().and_then(|u| u.handle_timeout(at.now)) {
            Some(Due::Repeat(bytes)) => {
                debug!(leg = %at.leg.id, "no ACK yet; says the 200 again");
                at.wire.transmit(self.flow, bytes);
            }
            Some(Due::GiveUp { times }) => {
                let contact = at.wire.contact(&self.flow, &self.dialog.target).value;
                let sentence = format!(
                    "the 200 OK was sent {times} times and no ACK came; our Contact was {contact}, \
                     check that the peer can reach it"
                );
                warn!(leg = %at.leg.id, sentence);
                self.unacknowledged = None;
                let hangup = self.hangup.take().unwrap_or_else(|| cause::hangup(Cause::Timeout, sentence));
                return self.fail(at, hangup);
            }
            None => {}
        }
        if let Some(hangup) = self.last_words_are_over(at.now) {
            return self.end(at, &hangup);
        }
        self.wake_change(at);
        self.wake_timer(at)
    }

    /// The call refuses the offer that came in the 2xx to our INVITE without one: nothing was agreed.
    pub(super) fn refuse_first_offer(self: Box<Self>, at: &mut At<'_>, cause: Cause) -> Stage {
        tracing::info!(leg = %at.leg.id, %cause, "the callee's offer is refused");
        self.fail(at, Hangup::new(cause))
    }
}

/// Answers what is the same in every session: INFO, OPTIONS, and all that we do not do.
pub(super) fn answer_common(at: &mut At<'_>, transaction: TransactionId, request: &Request) {
    let response = if request.method == Method::INFO {
        answer_info(at, request)
    } else if request.method == Method::OPTIONS {
        crate::sip::endpoint::options(request)
    } else {
        crate::sip::endpoint::not_allowed(request)
    };
    at.respond(transaction, response);
}

fn answer_info(at: &mut At<'_>, request: &Request) -> Response {
    // RFC 6086 §4.2.2: a package that nobody has agreed to.
    if request.headers.has(&"Info-Package".into()) {
        let none = Header::new("Recv-Info", "nil");
        return Response::to(request, 469).with_reason("Bad Info Package").with(none);
    }
    if request.body.is_empty() {
        return Response::to(request, 200);
    }
    if is_control(&request.headers) {
        return answer_control(at, request);
    }
    match info::read(&request.headers, &request.body) {
        Info::Digit(dtmf) => {
            at.hear(Signal::Dtmf(dtmf));
            Response::to(request, 200)
        }
        Info::Flash => {
            debug!(leg = %at.leg.id, "a hook flash, which means nothing here");
            Response::to(request, 200)
        }
        Info::Garbled => Response::to(request, 400).with_reason("Bad Request - the body names no key"),
        Info::Foreign => Response::to(request, 415).with(Header::new(Name::Accept, Text::fixed(info::ACCEPT))),
    }
}

fn is_control(headers: &crate::sip::message::Headers) -> bool {
    headers.content_type().is_ok_and(|t| t.is_some_and(|t| t.media_type.eq_ignore_ascii_case(refresh::TYPE)))
}

/// RFC 5168 §5: the request is taken as soon as it is understood; the whole picture follows in the media.
fn answer_control(at: &mut At<'_>, request: &Request) -> Response {
    match refresh::read(&request.body) {
        Control::Refresh => at.hear(Signal::Refresh),
        Control::Other => debug!(leg = %at.leg.id, "says what it could not do for our pictures"),
        Control::Garbled => {
            return Response::to(request, 400).with_reason("Bad Request - the body is no media control");
        }
    }
    Response::to(request, 200)
}

/// The 2xx of a change, which refreshes the session too.
pub(super) fn success(at: &At<'_>, request: &Request, flow: &Flow, timer: &mut SessionTimer) -> Response {
    let mut response = Response::to(request, 200).with(at.wire.contact(flow, &request.uri));
    for header in abilities(timer).into_iter().chain(timer.answer(at.now, &request.headers)) {
        response.headers.push(header);
    }
    for header in request.headers.iter().filter(|h| h.name == Name::RecordRoute) {
        response.headers.push(header.clone());
    }
    response
}

/// A refusal of a change.
pub(super) fn refusal(request: &Request, cause: Cause) -> Response {
    let hangup = Hangup::new(cause);
    let status = match cause {
        Cause::MediaIncompatible => 488,
        Cause::Glare => 491,
        _ => cause::final_status(&hangup),
    };
    let mut response = Response::to(request, status);
    if status != 491 {
        for reason in say::reasons(&hangup) {
            response.headers.push(reason);
        }
    }
    if status == 405 {
        response.headers.push(Header::new(Name::Allow, Text::fixed(ALLOW)));
    }
    response
}
