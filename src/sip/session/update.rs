//! UPDATE within a session that is up (RFC 3311): the peer's, with an offer or without, and ours, which refresh the session
//! (RFC 4028 §7.4) and have no body. A peer that does not take UPDATE gets an INVITE with the description that stands.

use tracing::{debug, info};

use super::change::Theirs;
use super::confirmed::{Confirmed, refusal, success};
use super::timer::Due;
use super::{At, Stage, abilities, glare};
use crate::model::{Cause, Hangup, Offer, Signal};
use crate::sip::cause;
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Method, Name, Request, Response, Text};
use crate::sip::transaction::{Tell, TransactionId};
use crate::sip::wire::Purpose;

/// What stands in the way of an offer of the peer's outside an INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InTheWay {
    /// An offer of ours waits for its answer.
    Ours,
    /// An offer of the peer's does.
    Theirs,
}

impl InTheWay {
    /// How the offer is answered (RFC 3311 §5.2).
    pub(super) fn answer(self, at: &mut At<'_>, request: &Request) -> Response {
        match self {
            InTheWay::Ours => Response::to(request, 491),
            InTheWay::Theirs => {
                let after = at.wire.dice.below(10);
                Response::to(request, 500).with(Header::of(Name::RetryAfter, after))
            }
        }
    }
}

/// The offer in the body of a request, or how a body that is none is answered.
pub(super) fn offer_in(request: &Request) -> Result<Option<crate::model::Description>, Box<Response>> {
    match hear::body(&request.headers, &request.body) {
        Body::Empty => Ok(None),
        Body::Description(description) => Ok(Some(*description)),
        Body::Broken(error) => {
            let words = format!("Not Acceptable Here - {error}");
            Err(Box::new(refusal(request, Cause::MediaIncompatible).with_reason(words)))
        }
        Body::Foreign => {
            let accept = Header::new(Name::Accept, Text::fixed(hear::SDP));
            Err(Box::new(Response::to(request, 415).with(accept)))
        }
    }
}

impl Confirmed {
    /// What the session timer wants done.
    pub(super) fn wake_timer(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        match self.timer.handle_timeout(at.now) {
            Some(Due::Refresh) => self.refresh_session(at),
            Some(Due::Over { interval }) => {
                let seconds = interval.as_secs();
                let sentence = format!("the session was not refreshed in time: it lasts {seconds} s (RFC 4028)");
                return self.fail(at, cause::hangup(Cause::Timeout, sentence));
            }
            None => {}
        }
        Stage::Confirmed(self)
    }

    fn refresh_session(&mut self, at: &mut At<'_>) {
        if self.update.is_under_way() || !self.is_quiet() {
            // What is under way is a refresh itself, or comes first.
            return self.timer.retry(at.now, None);
        }
        self.update.begin();
        match at.leg.takes_update {
            true => self.send_update(at),
            false => self.send_unchanged(at),
        }
    }

    /// Whether no UPDATE of ours is under way.
    pub(super) fn update_is_idle(&self) -> bool {
        !self.update.is_under_way()
    }

    pub(super) fn send_update(&mut self, at: &mut At<'_>) {
        debug!(leg = %at.leg.id, "refreshes the session");
        let contact = at.wire.contact(&self.flow, &self.dialog.target);
        let mut request = self.dialog.request(Method::UPDATE).with(contact);
        let own = Header::new(Name::UserAgent, &at.wire.config.agent);
        let headers = abilities(&self.timer).into_iter().chain(self.timer.wishes()).chain([own]);
        let identity = self.identity.headers().cloned();
        for header in headers.chain(identity) {
            request.headers.push(header);
        }
        self.identity.goes_out();
        self.update.send(at, (&self.dialog, self.flow), request, Purpose::Update);
    }

    pub(super) fn handle_update_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: &Response,
    ) -> Stage {
        if response.is_provisional() {
            return Stage::Confirmed(self);
        }
        let Some(request) = self.update.take(transaction) else { return Stage::Confirmed(self) };
        match response.code() {
            200..=299 => {
                self.dialog.refresh_target(&response.headers);
                self.timer.heard(at.now, &response.headers);
                self.tell_identity(at);
            }
            401 | 407 => match self.update.prove(at, &request, response) {
                true => self.send_update(at),
                false => self.timer.retry(at.now, None),
            },
            405 | 501 => {
                at.leg.takes_update = false;
                self.refresh_session(at);
            }
            422 if self.timer.raise(response) => self.send_update(at),
            // RFC 3261 §12.2.1.2: the dialog is gone on the other side.
            408 | 481 => {
                let hangup = hear::failure(response);
                return self.fail(at, Hangup { cause: Cause::Timeout, ..hangup });
            }
            491 => {
                let wait = glare::wait(self.dialog.owns_call_id, &mut at.wire.dice);
                self.timer.retry(at.now, Some(wait));
            }
            status => {
                info!(leg = %at.leg.id, status, "a refresh of the session was refused");
                self.timer.retry(at.now, response.headers.retry_after());
            }
        }
        Stage::Confirmed(self)
    }

    /// An UPDATE of ours ended without a response.
    pub(super) fn handle_update_failure(mut self: Box<Self>, at: &mut At<'_>, tell: Tell) -> Stage {
        if !self.update.give_up() {
            return Stage::Confirmed(self);
        }
        let hangup = match tell {
            Tell::TransportFailed => cause::hangup(Cause::Network, "the peer could not be reached any more"),
            _ => cause::hangup(Cause::Timeout, "the peer did not answer a refresh of the session within 32 s"),
        };
        self.fail(at, hangup)
    }

    /// The peer's UPDATE. One with an offer waits for the call, which answers at once.
    pub(super) fn hear_update(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
    ) -> Stage {
        let offer = match self.timer.refuse(&request) {
            Some(refusal) => Err(Box::new(refusal)),
            None => offer_in(&request),
        };
        let offer = match (offer, self.in_the_way(at)) {
            (Ok(Some(_)), Some(way)) => Err(Box::new(way.answer(at, &request))),
            (offer, _) => offer,
        };
        match offer {
            Err(response) => {
                at.respond(transaction, *response);
            }
            Ok(None) => {
                self.dialog.refresh_target(&request.headers);
                self.hear_identity(at, &request);
                let response = success(at, &request, &self.flow, &mut self.timer);
                at.respond(transaction, response);
            }
            Ok(Some(description)) => {
                self.dialog.refresh_target(&request.headers);
                self.hear_identity(at, &request);
                self.yield_ours(at);
                let exchange = at.leg.media.exchanges.offer_heard();
                self.theirs = Some(Theirs { transaction, request: Box::new(request), exchange });
                at.hear(Signal::Offer(Offer { exchange, description }));
            }
        }
        Stage::Confirmed(self)
    }

    fn in_the_way(&self, at: &At<'_>) -> Option<InTheWay> {
        let exchanges = &at.leg.media.exchanges;
        if exchanges.awaits_answer().is_some() {
            return Some(InTheWay::Ours);
        }
        (exchanges.owes_answer().is_some() || self.theirs.is_some()).then_some(InTheWay::Theirs)
    }
}
