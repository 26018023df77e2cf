//! Changes of a session that is up: re-INVITEs in both directions (RFC 3261 §14), one at a time.
//!
//! ```text
//!            say            491                    other
//!   Idle ───────▶ Sent ───────────▶ Backoff   Sent ───────▶ Idle, told
//!    ▲             │ 2xx: ACK          │ wait over
//!    └─────────────┘◀──────────────────┘ sent again
//! ```
//!
//! An offer that waits after a 491 is for a session as it was: when the peer's own change comes first, it is given back to
//! the call, which answers the peer and makes it anew if there is still something to say.

use std::time::Instant;

use tracing::{debug, info};

use super::confirmed::{Confirmed, refusal, success};
use super::glare::{self, GLARE_LIMIT};
use super::proof::Proof;
use super::unacknowledged::Unacknowledged;
use super::update::offer_in;
use super::{At, Stage, abilities, broken};
use crate::base::ExchangeId;
use crate::model::{Answer, Cause, Offer, Signal};
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Method, Name, Request, Response};
use crate::sip::transaction::{Tell, TransactionId};
use crate::sip::wire::Purpose;
use crate::sip::{cause, say};

/// A change that the call wishes.
#[derive(Debug, Clone)]
pub enum Wish {
    /// This offer.
    Offer(Offer),
    /// An offer of the peer's, by an INVITE without one.
    Solicit(ExchangeId),
    /// Nothing, but that the session goes on: our description once more, in an exchange that the call knows nothing of.
    Refresh(ExchangeId),
}

impl Wish {
    fn exchange(&self) -> ExchangeId {
        match self {
            Wish::Offer(offer) => offer.exchange,
            Wish::Solicit(exchange) | Wish::Refresh(exchange) => *exchange,
        }
    }
}

/// Changes of ours: one under way, and the last wish of the call behind it.
#[derive(Debug, Default)]
pub struct Ours {
    state: State,
    next: Option<Wish>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Sent {
        wish: Wish,
        transaction: TransactionId,
        request: Box<Request>,
        glares: u32,
    },
    Backoff {
        wish: Wish,
        until: Instant,
        glares: u32,
    },
}

impl Ours {
    /// Whether no INVITE of ours is under way.
    pub fn is_idle(&self) -> bool {
        !matches!(self.state, State::Sent { .. })
    }

    /// When the wait after a glare is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Backoff { until, .. } => Some(until),
            State::Idle | State::Sent { .. } => None,
        }
    }
}

/// A re-INVITE or an UPDATE of the peer's that waits for the call.
#[derive(Debug)]
pub struct Theirs {
    /// Its transaction.
    pub transaction: TransactionId,
    /// It.
    pub request: Box<Request>,
    /// The exchange that it opens or asks for.
    pub exchange: ExchangeId,
}

impl Confirmed {
    pub(super) fn say_offer(&mut self, at: &mut At<'_>, offer: Offer) {
        // The offer that the peer's INVITE without one has asked for.
        if self.theirs.is_some() && at.leg.media.exchanges.owes_answer().is_none() {
            return self.offer_in_answer(at, &offer);
        }
        self.wish(at, Wish::Offer(offer));
    }

    pub(super) fn say_solicit(&mut self, at: &mut At<'_>, exchange: ExchangeId) {
        self.wish(at, Wish::Solicit(exchange));
    }

    fn wish(&mut self, at: &mut At<'_>, wish: Wish) {
        // A newer wish replaces one that still waits.
        if let State::Backoff { wish: waiting, .. } = &mut self.ours.state {
            *waiting = wish;
            return;
        }
        self.ours.next = Some(wish);
        self.next_change(at);
    }

    /// Whether no change is under way or waits.
    pub(super) fn is_quiet(&self) -> bool {
        let is_idle = matches!(self.ours.state, State::Idle) && self.ours.next.is_none();
        is_idle && self.unacknowledged.is_none() && self.theirs.is_none() && self.owed_ack.is_none()
    }

    /// Refreshes the session by an INVITE; nothing stands in its way.
    pub(super) fn send_unchanged(&mut self, at: &mut At<'_>) {
        debug!(leg = %at.leg.id, "refreshes the session by an INVITE");
        self.proof = Proof::default();
        let exchange = at.leg.media.exchanges.name_heard();
        self.send(at, Wish::Refresh(exchange), 0);
    }

    /// The peer's change comes before an offer of ours that waits: that goes back to the call.
    pub(super) fn yield_ours(&mut self, at: &mut At<'_>) {
        let waiting = match std::mem::take(&mut self.ours.state) {
            State::Backoff { wish: Wish::Offer(offer), .. } => Some(offer),
            other => {
                self.ours.state = other;
                None
            }
        };
        let next = match self.ours.next.take() {
            Some(Wish::Offer(offer)) => Some(offer),
            other => {
                self.ours.next = other;
                None
            }
        };
        for Offer { exchange, .. } in waiting.into_iter().chain(next) {
            debug!(leg = %at.leg.id, "the peer's change comes first");
            at.hear(Signal::Refuse { exchange, cause: Cause::Glare });
        }
    }

    /// Sends the next change, if there is one and nothing stands in its way.
    pub(super) fn next_change(&mut self, at: &mut At<'_>) {
        let idle = matches!(self.ours.state, State::Idle);
        let free = self.unacknowledged.is_none() && self.theirs.is_none() && self.owed_ack.is_none();
        if idle
            && free
            && let Some(wish) = self.ours.next.take()
        {
            self.proof = Proof::default();
            self.send(at, wish, 0);
        } else {
            self.tell_identity(at);
        }
    }

    fn send(&mut self, at: &mut At<'_>, wish: Wish, glares: u32) {
        let contact = at.wire.contact(&self.flow, &self.dialog.target);
        let mut request = self.dialog.request(Method::INVITE).with(contact);
        request.headers.push(Header::new(Name::UserAgent, &at.wire.config.agent));
        let mine = abilities(&self.timer).into_iter().chain(self.timer.wishes());
        let identity = self.identity.headers().cloned();
        for header in mine.chain(identity).chain(self.proof.headers().cloned()) {
            request.headers.push(header);
        }
        self.identity.goes_out();
        let body = match &wish {
            Wish::Offer(offer) => {
                let lean = say::lean(&offer.description, at.trunk());
                Some(at.leg.media.write(&lean, &self.flow))
            }
            Wish::Refresh(_) => at.leg.media.unchanged(&self.flow),
            Wish::Solicit(_) => None,
        };
        if let Some(body) = body {
            at.leg.media.exchanges.offer_said(wish.exchange());
            request = request.with_body(hear::SDP, body);
        }
        let owner = at.owner(Purpose::Reinvite);
        let hop = self.dialog.next_hop(self.flow);
        let transaction = at.wire.request(at.now, request.clone(), hop, owner);
        self.ours.state = State::Sent { wish, transaction, request: Box::new(request), glares };
    }

    pub(super) fn wake_change(&mut self, at: &mut At<'_>) {
        match std::mem::take(&mut self.ours.state) {
            State::Backoff { wish, until, glares } if until <= at.now => {
                if self.theirs.is_some() || self.unacknowledged.is_some() {
                    // The peer came first; ours follows when its change is done.
                    self.ours.next.get_or_insert(wish);
                } else {
                    self.send(at, wish, glares);
                }
            }
            other => self.ours.state = other,
        }
    }

    pub(super) fn handle_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: Response,
    ) -> Stage {
        let is_current = matches!(&self.ours.state, State::Sent { transaction: t, .. } if *t == transaction);
        if !is_current {
            at.late_reinvite(transaction, &response, Some(&self.dialog));
            return Stage::Confirmed(self);
        }
        if response.is_provisional() {
            return Stage::Confirmed(self);
        }
        let State::Sent { wish, request, glares, .. } = std::mem::take(&mut self.ours.state) else {
            return Stage::Confirmed(self);
        };
        match response.code() {
            200..=299 => return self.changed(at, &wish, &response),
            401 | 407 => {
                if at.prove(&mut self.proof, &request, &response) {
                    self.send(at, wish, glares);
                    return Stage::Confirmed(self);
                }
                self.refused(at, &wish, Cause::AuthFailed);
            }
            422 if self.timer.raise(&response) => {
                self.send(at, wish, glares);
                return Stage::Confirmed(self);
            }
            491 if glares < GLARE_LIMIT => {
                at.leg.media.exchanges.close();
                let until = at.now + glare::wait(self.dialog.owns_call_id, &mut at.wire.dice);
                debug!(leg = %at.leg.id, "glare; tries again later");
                let wish = self.ours.next.take().unwrap_or(wish);
                self.ours.state = State::Backoff { wish, until, glares: glares + 1 };
                return Stage::Confirmed(self);
            }
            // RFC 3261 §12.2.1.2: the dialog is gone on the other side.
            408 | 481 => {
                let hangup = hear::failure(&response);
                return self.fail(at, crate::model::Hangup { cause: Cause::Timeout, ..hangup });
            }
            _ => self.refused(at, &wish, hear::failure(&response).cause),
        }
        self.next_change(at);
        Stage::Confirmed(self)
    }

    fn refused(&mut self, at: &mut At<'_>, wish: &Wish, cause: Cause) {
        info!(leg = %at.leg.id, %cause, "our change of the session was refused");
        at.leg.media.exchanges.close();
        if let Wish::Refresh(_) = wish {
            return self.timer.retry(at.now, None);
        }
        at.hear(Signal::Refuse { exchange: wish.exchange(), cause });
    }

    fn changed(mut self: Box<Self>, at: &mut At<'_>, wish: &Wish, response: &Response) -> Stage {
        self.dialog.refresh_target(&response.headers);
        self.timer.heard(at.now, &response.headers);
        let cseq = response.headers.cseq().map(|c| c.number).unwrap_or(self.dialog.local_seq);
        let description = match hear::body(&response.headers, &response.body) {
            Body::Description(description) => *description,
            Body::Empty | Body::Broken(_) | Body::Foreign => {
                at.acknowledge(&self.dialog, cseq, None, self.flow);
                return self.fail(at, broken("the answer to our change of the session cannot be understood"));
            }
        };
        match wish {
            Wish::Offer(offer) => {
                at.acknowledge(&self.dialog, cseq, None, self.flow);
                at.leg.media.settle();
                let exchange = offer.exchange;
                at.hear(Signal::Answer(Answer { exchange, description, provisional: false }));
                self.next_change(at);
            }
            Wish::Refresh(_) => {
                at.acknowledge(&self.dialog, cseq, None, self.flow);
                at.leg.media.settle();
                if at.leg.media.is_news(&description) {
                    // The peer has used the refresh for a change of its own, whose answer it has: the call is told as if
                    // it had been offered, and what it answers goes nowhere.
                    let exchange = at.leg.media.exchanges.name_heard();
                    at.hear(Signal::Offer(Offer { exchange, description }));
                }
                self.next_change(at);
            }
            Wish::Solicit(exchange) => {
                self.owed_ack = Some(cseq);
                at.leg.media.exchanges.offer_heard_as(*exchange);
                at.hear(Signal::Offer(Offer { exchange: *exchange, description }));
            }
        }
        Stage::Confirmed(self)
    }

    /// A change of ours ended without a response.
    pub(super) fn handle_failure(self: Box<Self>, at: &mut At<'_>, tell: Tell) -> Stage {
        if !matches!(self.ours.state, State::Sent { .. }) {
            return Stage::Confirmed(self);
        }
        let hangup = match tell {
            Tell::TransportFailed => cause::hangup(Cause::Network, "the peer could not be reached any more"),
            _ => cause::hangup(Cause::Timeout, "the peer did not answer a change of the session within 32 s"),
        };
        self.fail(at, hangup)
    }

    pub(super) fn hear_reinvite(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
    ) -> Stage {
        let answer_is_out = self.unacknowledged.is_some() && at.leg.media.exchanges.awaits_answer().is_some();
        // RFC 3261 §14.2
        if !self.ours.is_idle() {
            at.respond(transaction, Response::to(&request, 491));
            return Stage::Confirmed(self);
        }
        if self.theirs.is_some() || self.owed_ack.is_some() || answer_is_out {
            let after = at.wire.dice.below(10);
            at.respond(transaction, Response::to(&request, 500).with(Header::of(Name::RetryAfter, after)));
            return Stage::Confirmed(self);
        }
        let offer = self.timer.refuse(&request).map_or_else(|| offer_in(&request), |refusal| Err(Box::new(refusal)));
        let description = match offer {
            Ok(description) => description,
            Err(response) => {
                at.respond(transaction, *response);
                return Stage::Confirmed(self);
            }
        };
        // A peer that goes on has had our 2xx, though its ACK was lost.
        self.unacknowledged = None;
        self.dialog.refresh_target(&request.headers);
        self.hear_identity(at, &request);
        at.respond(transaction, Response::to(&request, 100));
        self.yield_ours(at);
        let exchanges = &mut at.leg.media.exchanges;
        let (exchange, signal) = match description {
            Some(description) => {
                let exchange = exchanges.offer_heard();
                (exchange, Signal::Offer(Offer { exchange, description }))
            }
            None => {
                let exchange = exchanges.name_heard();
                (exchange, Signal::Solicit(exchange))
            }
        };
        self.theirs = Some(Theirs { transaction, request: Box::new(request), exchange });
        at.hear(signal);
        Stage::Confirmed(self)
    }

    /// The answer to a change of the peer's, or to the offer in a 2xx of its.
    pub(super) fn say_answer(mut self: Box<Self>, at: &mut At<'_>, answer: Answer) -> Stage {
        if at.leg.media.exchanges.owes_answer() != Some(answer.exchange) || answer.provisional {
            debug!(leg = %at.leg.id, "an answer to no open offer; left out");
            return Stage::Confirmed(self);
        }
        let body = at.leg.media.write(&answer.description, &self.flow);
        at.leg.media.settle();
        if let Some(cseq) = self.owed_ack.take() {
            at.acknowledge(&self.dialog, cseq, Some(body), self.flow);
            self.next_change(at);
        } else if let Some(theirs) = self.theirs.take() {
            self.accept_theirs(at, &theirs, body);
        }
        Stage::Confirmed(self)
    }

    fn offer_in_answer(&mut self, at: &mut At<'_>, offer: &Offer) {
        let Some(theirs) = self.theirs.take() else { return };
        let lean = say::lean(&offer.description, at.trunk());
        at.leg.media.exchanges.offer_said(offer.exchange);
        let body = at.leg.media.write(&lean, &self.flow);
        self.accept_theirs(at, &theirs, body);
    }

    fn accept_theirs(&mut self, at: &mut At<'_>, theirs: &Theirs, body: bytes::Bytes) {
        let response = success(at, &theirs.request, &self.flow, &mut self.timer).with_body(hear::SDP, body);
        let bytes = at.respond(theirs.transaction, response);
        if theirs.request.method != Method::INVITE {
            return self.next_change(at);
        }
        let cseq = theirs.request.headers.cseq().map(|c| c.number).unwrap_or_default();
        self.unacknowledged = Some(Unacknowledged::new(at.now, cseq, bytes, &at.wire.config.timers));
    }

    pub(super) fn say_refuse(mut self: Box<Self>, at: &mut At<'_>, exchange: ExchangeId, cause: Cause) -> Stage {
        let owed = at.leg.media.exchanges.owes_answer() == Some(exchange);
        if owed && self.owed_ack.is_some() {
            return self.refuse_first_offer(at, cause);
        }
        match self.theirs.take() {
            Some(theirs) if theirs.exchange == exchange => {
                if owed {
                    at.leg.media.exchanges.close();
                }
                at.respond(theirs.transaction, refusal(&theirs.request, cause));
                self.next_change(at);
            }
            other => self.theirs = other,
        }
        Stage::Confirmed(self)
    }
}
