//! The early dialog of a caller (RFC 3262, RFC 3311): provisional responses that must arrive, their PRACKs, and the offers
//! that may come before the call is answered.

use tracing::{debug, warn};

use super::Incoming;
use crate::base::ExchangeId;
use crate::model::{Answer, Cause, Offer, Signal};
use crate::sip::cause;
use crate::sip::hear;
use crate::sip::message::{Request, Response};
use crate::sip::session::change::Theirs;
use crate::sip::session::confirmed::refusal;
use crate::sip::session::reliable::Due;
use crate::sip::session::update::{InTheWay, offer_in};
use crate::sip::session::{At, Stage, abilities};
use crate::sip::transaction::TransactionId;

impl Incoming {
    /// Says a provisional response to a caller that insists on its arrival.
    pub(super) fn provisional_reliably(&mut self, at: &mut At<'_>, response: Response) {
        // RFC 3261 §13.2.1: the first that arrives for sure would have to carry our offer, which there is only when the
        // call is answered.
        if !self.has_offer {
            return debug!(leg = %at.leg.id, "the caller waits without a word: its INVITE has no offer");
        }
        if let Some(reliable) = &mut self.reliable {
            reliable.push(response);
        }
        self.next_reliable(at);
    }

    fn next_reliable(&mut self, at: &mut At<'_>) {
        let Some(response) = self.reliable.as_mut().and_then(|r| r.turn()) else { return };
        let is_described = !response.body.is_empty();
        let bytes = at.respond(self.transaction, response);
        if let Some(reliable) = &mut self.reliable {
            reliable.sent(at.now, bytes, is_described, &at.wire.config.timers);
        }
    }

    pub(super) fn wake_reliable(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        match self.reliable.as_mut().and_then(|r| r.handle_timeout(at.now)) {
            Some(Due::Repeat(bytes)) => at.wire.transmit(self.flow, bytes),
            Some(Due::GiveUp) => {
                let sentence = "the caller asked for reliable provisional responses and sent no PRACK within 32 s";
                warn!(leg = %at.leg.id, sentence);
                at.hear(Signal::Hangup(cause::hangup(Cause::Timeout, sentence)));
                let response = self.response(at, 504);
                return self.refuse(at, response);
            }
            None => {}
        }
        Stage::Incoming(self)
    }

    pub(super) fn hear_prack(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
    ) -> Stage {
        let cseq = self.invite.headers.cseq().map(|c| c.number).unwrap_or_default();
        let rack = request.headers.rack();
        let acknowledged = rack.zip(self.reliable.as_mut()).and_then(|(rack, r)| r.acknowledge(&rack, cseq));
        let Some(is_described) = acknowledged else {
            at.respond(transaction, Response::to(&request, 481));
            return Stage::Incoming(self);
        };
        if is_described {
            at.leg.media.settle();
            self.is_agreed = true;
        }
        self.hear_early_offer(at, transaction, request);
        if self.is_accepted {
            return self.accept(at);
        }
        self.next_reliable(at);
        Stage::Incoming(self)
    }

    /// A PRACK or an UPDATE, with an offer or without.
    pub(super) fn hear_early_offer(&mut self, at: &mut At<'_>, transaction: TransactionId, request: Request) {
        let offer = offer_in(&request);
        // What the INVITE offers is answered first (RFC 3311 §5.1).
        let is_open = at.leg.media.exchanges.owes_answer().is_some() || self.theirs.is_some() || !self.is_agreed;
        match offer {
            Ok(None) => {
                self.dialog.refresh_target(&request.headers);
                let response = self.early_success(at, &request);
                at.respond(transaction, response);
            }
            Ok(Some(_)) if is_open => {
                let response = InTheWay::Theirs.answer(at, &request);
                at.respond(transaction, response);
            }
            Ok(Some(description)) => {
                self.dialog.refresh_target(&request.headers);
                let exchange = at.leg.media.exchanges.offer_heard();
                self.theirs = Some(Theirs { transaction, request: Box::new(request), exchange });
                at.hear(Signal::Offer(Offer { exchange, description }));
            }
            Err(response) => {
                at.respond(transaction, *response);
            }
        }
    }

    fn early_success(&self, at: &At<'_>, request: &Request) -> Response {
        let mut response = Response::to(request, 200).with(at.wire.contact(&self.flow, &self.dialog.target));
        abilities(&self.timer).into_iter().for_each(|header| response.headers.push(header));
        response
    }

    /// The call answers the offer of a PRACK or an UPDATE. `false` if the answer is to another.
    pub(super) fn answer_theirs(&mut self, at: &mut At<'_>, answer: &Answer) -> bool {
        let Some(theirs) = self.theirs.take_if(|t| t.exchange == answer.exchange && !answer.provisional) else {
            return false;
        };
        let body = at.leg.media.write(&answer.description, &self.flow);
        at.leg.media.settle();
        let response = self.early_success(at, &theirs.request).with_body(hear::SDP, body);
        at.respond(theirs.transaction, response);
        true
    }

    pub(super) fn refuse_theirs(&mut self, at: &mut At<'_>, exchange: ExchangeId, cause: Cause) {
        if let Some(theirs) = self.theirs.take_if(|t| t.exchange == exchange) {
            at.leg.media.exchanges.close();
            at.respond(theirs.transaction, refusal(&theirs.request, cause));
        }
    }
}

impl At<'_> {
    /// A PRACK after the final response to its INVITE.
    pub(in crate::sip::session) fn answer_late_prack(&mut self, transaction: TransactionId, request: &Request) {
        let rack = request.headers.rack().map(|rack| (rack.rseq, rack.cseq));
        let awaited = rack.is_some() && std::mem::take(&mut self.leg.late_prack) == rack;
        let status = if awaited { 200 } else { 481 };
        self.respond(transaction, Response::to(request, status));
    }
}
