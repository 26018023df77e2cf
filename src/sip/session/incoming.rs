//! A peer calls: from its INVITE to our final response (RFC 3261 §13.3, §9.2).

mod early;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info, warn};

use super::change::Theirs;
use super::confirmed::Confirmed;
use super::identity;
use super::reliable::{self, Reliable};
use super::timer::SessionTimer;
use super::unacknowledged::Unacknowledged;
use super::{At, Leg, Stage, abilities};
use crate::base::LegId;
use crate::model::{About, Answer, Cause, Description, Entry, Hangup, Offer, Progress, Signal, Start};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::Admitted;
use crate::sip::flow::Flow;
use crate::sip::message::{Header, Host, Method, Name, NameAddr, Request, Response, SipUri};
use crate::sip::registrar::write_contact;
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Wire;
use crate::sip::{cause, hear, say};

/// How often a provisional response is repeated, so that no proxy on the way gives up (RFC 3261
/// §13.3.1.1).
const PROVISIONAL_EVERY: Duration = Duration::from_secs(60);

/// A peer calls.
#[derive(Debug)]
pub struct Incoming {
    invite: Box<Request>,
    transaction: TransactionId,
    flow: Flow,
    /// The dialog as it will be.
    pub dialog: Dialog,
    /// The description that a provisional response has carried.
    early: Option<Bytes>,
    /// The description for the 2xx.
    last: Option<Bytes>,
    /// The provisional response to repeat, and when.
    repeat: Option<(Response, Instant)>,
    timer: SessionTimer,
    /// The INVITE has an offer.
    has_offer: bool,
    /// Provisional responses, where the caller insists on their arrival.
    reliable: Option<Reliable>,
    /// The answer to the INVITE's offer has arrived, before the 2xx.
    is_agreed: bool,
    /// The call is accepted, and the 2xx waits for a PRACK.
    is_accepted: bool,
    /// A PRACK or an UPDATE with an offer that waits for the call.
    theirs: Option<Theirs>,
}

impl Leg {
    /// Takes an INVITE that may come in.
    pub fn take(
        now: Instant,
        wire: &mut Wire,
        id: LegId,
        admitted: Admitted,
        dialog: Dialog,
        tag: String,
        offer: Option<Description>,
    ) -> Leg {
        let Admitted { invite, transaction, flow, entry, from, to, about, hops_left } = admitted;
        let session_id = wire.names.entry(id).or_default().heard(&invite.headers);
        let about = About { session_id, ..about };
        let mut leg = Leg::new(id, tag, None, wire);
        if let Entry::Trunk(name) = &entry {
            leg.trunk = Some(name.clone());
        }
        leg.is_ours = matches!(entry, Entry::User(_));
        let has_offer = offer.is_some();
        let offer = offer.map(|description| Offer { exchange: leg.media.exchanges.offer_heard(), description });
        let contact = Some(write_contact(&flow, &dialog.target, &[]));
        let start = Start { entry, from, to, contact, trunk: None, offer, hops_left, about };
        let mut at = At { now, wire, leg: &mut leg };
        at.respond(transaction, Response::to(&invite, 100));
        let allow = invite.headers.allow();
        at.leg.changes_from = invite.headers.supports(identity::OPTION);
        at.leg.takes_update = allow.as_ref().is_some_and(|methods| methods.contains(&Method::UPDATE));
        at.hear(Signal::Start(Box::new(start)));
        at.note_allow(allow);
        let invite = Box::new(invite);
        let timer = SessionTimer::new(at.timer_policy());
        let insists = invite.headers.requires(reliable::OPTION);
        let incoming = Incoming {
            invite,
            transaction,
            flow,
            dialog,
            early: None,
            last: None,
            repeat: None,
            timer,
            has_offer,
            reliable: insists.then(|| Reliable::new(&mut at.wire.dice)),
            is_agreed: false,
            is_accepted: false,
            theirs: None,
        };
        leg.stage = Some(Stage::Incoming(Box::new(incoming)));
        leg
    }
}

impl Incoming {
    /// A response within the dialog to be.
    fn response(&self, at: &At<'_>, status: u16) -> Response {
        let mut response = Response::to(&self.invite, status);
        response.headers.set(Header::new(Name::To, &self.dialog.local));
        if status < 300 {
            for header in self.invite.headers.iter().filter(|h| h.name == Name::RecordRoute) {
                response.headers.push(header.clone());
            }
            response.headers.push(at.wire.contact(&self.flow, &self.dialog.target));
            abilities(&self.timer).into_iter().for_each(|header| response.headers.push(header));
        }
        response
    }

    pub(super) fn say(mut self: Box<Self>, at: &mut At<'_>, signal: Signal) -> Stage {
        match signal {
            Signal::Progress(progress) => self.say_progress(at, progress),
            Signal::Answer(answer) => self.say_answer(at, &answer),
            Signal::Offer(offer) => {
                // The offer for an INVITE without one goes into the 2xx.
                at.leg.media.exchanges.offer_said(offer.exchange);
                let lean = say::lean(&offer.description, at.trunk());
                self.last = Some(at.leg.media.write(&lean, &self.flow));
            }
            Signal::Refuse { exchange, cause } => self.refuse_theirs(at, exchange, cause),
            Signal::Accept => return self.accept(at),
            Signal::Redirect(addresses) => return self.say_redirect(at, &addresses),
            Signal::Hangup(hangup) => {
                let mut response = self.response(at, cause::final_status(&hangup));
                for reason in say::reasons(&hangup) {
                    response.headers.push(reason);
                }
                for word in at.words_of(&hangup) {
                    response.headers.push(word);
                }
                if let Some(card) = say::complaints(&hangup, at.wire.config.complaints.as_deref()) {
                    response.headers.push(card);
                }
                if let Some(seconds) = cause::retry_after(hangup.cause).filter(|_| response.code() == 503) {
                    response.headers.push(Header::of(Name::RetryAfter, seconds));
                }
                return self.refuse(at, response);
            }
            _ => debug!(leg = %at.leg.id, "said to a caller that waits; left out"),
        }
        Stage::Incoming(self)
    }

    fn say_progress(&mut self, at: &mut At<'_>, progress: Progress) {
        let status = match progress.stage {
            // The 100 is out already.
            crate::model::Stage::Trying => return,
            crate::model::Stage::Ringing if !progress.early_media => 180,
            crate::model::Stage::Ringing | crate::model::Stage::Session => 183,
        };
        let body = self.early.clone().filter(|_| progress.early_media);
        self.provisional(at, status, body);
    }

    fn say_answer(&mut self, at: &mut At<'_>, answer: &Answer) {
        if self.answer_theirs(at, answer) || self.is_agreed {
            // What has arrived for sure is the answer (RFC 3261 §13.2.1).
            return;
        }
        if at.leg.media.exchanges.owes_answer() != Some(answer.exchange) {
            warn!(leg = %at.leg.id, "an answer to no offer; left out");
            return;
        }
        let body = at.leg.media.write(&answer.description, &self.flow);
        self.last = Some(body.clone());
        if answer.provisional {
            self.early = Some(body.clone());
            self.provisional(at, 183, Some(body));
        }
    }

    fn provisional(&mut self, at: &mut At<'_>, status: u16, body: Option<Bytes>) {
        let mut response = self.response(at, status);
        if let Some(body) = body {
            response = response.with_body(hear::SDP, body);
        }
        let mut is_new =
            self.repeat.as_ref().is_none_or(|(last, _)| last.code() != status || last.body != response.body);
        // A caller that waits without a word hears them with the answer.
        if self.reliable.is_none() || self.has_offer {
            for word in at.take_words() {
                response.headers.push(word);
                is_new = true;
            }
        }
        self.repeat = Some((response.clone(), at.now + PROVISIONAL_EVERY));
        if is_new {
            self.say_provisional(at, response);
        }
    }

    fn say_provisional(&mut self, at: &mut At<'_>, response: Response) {
        match self.reliable {
            Some(_) => self.provisional_reliably(at, response),
            None => drop(at.respond(self.transaction, response)),
        }
    }

    fn accept(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        if self.reliable.as_ref().is_some_and(Reliable::holds_success) {
            self.is_accepted = true;
            return Stage::Incoming(self);
        }
        let Some(body) = self.last.clone() else {
            warn!(leg = %at.leg.id, "accepted without a description of our media");
            at.hear(Signal::Hangup(cause::hangup(Cause::ServerError, "accepted without a description of our media")));
            let response = self.response(at, 500);
            return self.refuse(at, response);
        };
        let mut response = self.response(at, 200);
        if !self.is_agreed {
            if at.leg.media.exchanges.owes_answer().is_some() {
                at.leg.media.settle();
            }
            response = response.with_body(hear::SDP, body);
        }
        for header in self.timer.answer(at.now, &self.invite.headers) {
            response.headers.push(header);
        }
        for word in at.take_words() {
            response.headers.push(word);
        }
        let bytes = at.respond(self.transaction, response);
        let cseq = self.invite.headers.cseq().map(|c| c.number).unwrap_or_default();
        let rseq = self.reliable.as_ref().and_then(Reliable::unacknowledged);
        at.leg.late_prack = rseq.map(|rseq| (rseq, cseq));
        let waiting = Unacknowledged::new(at.now, cseq, bytes, &at.wire.config.timers);
        let mut confirmed = Confirmed::awaiting_ack(self.dialog, self.flow, waiting, self.timer);
        confirmed.theirs = self.theirs;
        Stage::Confirmed(Box::new(confirmed))
    }

    fn say_redirect(self: Box<Self>, at: &mut At<'_>, addresses: &[crate::model::Address]) -> Stage {
        let mut response = self.response(at, 302);
        for address in addresses {
            let host = address.domain.as_deref().map_or_else(|| at.wire.domain(&self.flow), Host::from);
            let uri = SipUri::new(host).with_user(&address.user);
            response.headers.push(Header::of(Name::Contact, NameAddr::new(uri)));
        }
        self.refuse(at, response)
    }

    fn refuse(self: Box<Self>, at: &mut At<'_>, response: Response) -> Stage {
        info!(leg = %at.leg.id, status = response.code(), "refused");
        if let Some(theirs) = &self.theirs {
            at.respond(theirs.transaction, Response::to(&theirs.request, 487));
        }
        at.respond(self.transaction, response);
        at.ended(Some(self.dialog), self.flow)
    }

    /// The caller gave up.
    pub(super) fn handle_cancel(self: Box<Self>, at: &mut At<'_>, cancel: &Request) -> Stage {
        self.end(at, hear::cancel(&cancel.headers))
    }

    fn end(self: Box<Self>, at: &mut At<'_>, hangup: Hangup) -> Stage {
        let response = self.response(at, 487);
        at.hear(Signal::Hangup(hangup));
        self.refuse(at, response)
    }

    /// A request within the early dialog.
    pub(super) fn handle_request(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
    ) -> Stage {
        let number = request.headers.cseq().map(|c| c.number).unwrap_or_default();
        if self.dialog.take_cseq(number).is_err() {
            at.respond(transaction, Response::to(&request, 500));
            return Stage::Incoming(self);
        }
        if request.method == Method::BYE {
            // RFC 3261 §15: a caller may end an early dialog so.
            at.respond(transaction, Response::to(&request, 200));
            let mut hangup = hear::bye(&request.headers);
            if hangup.cause == Cause::Normal {
                hangup.cause = Cause::Cancelled;
            }
            return self.end(at, hangup);
        }
        if request.method == Method::INVITE {
            // RFC 3261 §14.2: the first has no final response yet.
            let after = at.wire.dice.below(10);
            let response = Response::to(&request, 500).with(Header::of(Name::RetryAfter, after));
            at.respond(transaction, response);
            return Stage::Incoming(self);
        }
        if request.method == Method::PRACK {
            return self.hear_prack(at, transaction, request);
        }
        if request.method == Method::UPDATE {
            self.hear_early_offer(at, transaction, request);
            return Stage::Incoming(self);
        }
        super::confirmed::answer_common(at, transaction, &request);
        Stage::Incoming(self)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let reliable = self.reliable.as_ref().and_then(Reliable::poll_timeout);
        self.repeat.as_ref().map(|(_, at)| *at).into_iter().chain(reliable).min()
    }

    pub(super) fn handle_timeout(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        if let Some((response, when)) = self.repeat.take() {
            if when <= at.now {
                // One that has arrived for sure is not said again, but that the call goes on is.
                let is_reliable = self.reliable.is_some();
                let again = if is_reliable { self.response(at, response.code()) } else { response.clone() };
                self.say_provisional(at, again);
                self.repeat = Some((response, at.now + PROVISIONAL_EVERY));
            } else {
                self.repeat = Some((response, when));
            }
        }
        self.wake_reliable(at)
    }
}
