//! From a message to whom it concerns (RFC 3261 §8.2, §12.2.2, §17, §18).

use std::time::Instant;

use tracing::debug;

use super::{Endpoint, no_such_event, not_allowed, options};
use crate::base::LegId;
use crate::sip::flow::Flow;
use crate::sip::message::{Malformed, Message, Method, Request, Response, Via};
use crate::sip::session::conference::session_tag;
use crate::sip::transaction::key::{ClientKey, Parts, RequestKey, ServerKey, is_unique};
use crate::sip::transaction::{Tell, TransactionId};
use crate::sip::wire::{Owner, Purpose};

/// What names a request.
#[derive(Debug)]
pub(super) struct Named {
    /// The top Via, which says where the request really came from.
    pub via: Via,
    server: ServerKey,
    request: RequestKey,
}

impl Named {
    fn read(request: &Request, via: Via) -> Option<Named> {
        let (server, request) = with_parts(request, &via, |parts| (ServerKey::of(parts), RequestKey::of(parts)))?;
        Some(Named { via, server, request })
    }
}

impl Endpoint {
    /// A message came by a flow, or what was meant to be one.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Result<Message, Malformed>) {
        match message {
            Ok(Message::Request(mut request)) => {
                let Some(via) = request.stamp_source(flow.remote) else { return };
                self.handle_request(now, flow, request, via);
            }
            Ok(Message::Response(response)) => self.handle_response(now, response),
            Err(mut malformed) => {
                debug!(%flow, why = malformed.why(), "malformed");
                if let Some(request) = malformed.request_mut() {
                    request.stamp_source(flow.remote);
                }
                if let Some(response) = malformed.answer() {
                    self.wire.respond_stateless(flow, response);
                }
            }
        }
    }

    /// Whether a server transaction is alive.
    pub fn has_transaction(&self, key: &ServerKey) -> bool {
        self.wire.transactions.server(key).is_some()
    }

    /// Whether a request has come before: by the same way, or by another (RFC 3261 §8.2.2.2).
    pub fn has_request(&self, request: &Request) -> bool {
        let named = request.headers.via().ok().and_then(|via| Named::read(request, via));
        let transactions = &self.wire.transactions;
        named.is_some_and(|named| {
            transactions.server(&named.server).is_some() || transactions.merged(&named.request).is_some()
        })
    }

    /// Answers a request that there is no time for (RFC 3261 §21.5.4), and does not remember it.
    pub fn turn_away(&mut self, flow: Flow, mut request: Request) {
        request.stamp_source(flow.remote);
        self.wire.respond_stateless(flow, Response::to(&request, 503));
    }

    fn handle_response(&mut self, now: Instant, response: Response) {
        let Ok(cseq) = response.headers.cseq() else { return };
        let key = ClientKey::new(response.headers.branch().unwrap_or_default(), cseq.method.as_str());
        let Some(id) = self.wire.transactions.client(&key) else {
            return debug!(status = response.code(), "a response to nothing");
        };
        let Some(outcome) = self.wire.transactions.handle_response(now, id, &response) else { return };
        if let Some((flow, bytes)) = outcome.send {
            self.wire.transmit(flow, bytes);
        }
        match outcome.tell {
            Some((Owner::Leg(leg, purpose), Tell::Message)) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.handle_response(now, &mut self.wire, id, purpose, response);
                }
                self.drop_gone();
            }
            Some((Owner::Trunk(at, errand), Tell::Message)) => {
                self.trunks.handle_response(now, at, errand, &response, &mut self.wire);
            }
            Some((Owner::Text(number), Tell::Message)) => self.handle_text_response(now, number, &response),
            _ => {}
        }
    }

    fn drop_gone(&mut self) {
        for (user, contact) in std::mem::take(&mut self.wire.gone) {
            let changes = self.registrar.drop_contact(&user, &contact);
            self.tell_changes(changes);
        }
    }

    fn handle_request(&mut self, now: Instant, flow: Flow, request: Request, via: Via) {
        let Some(named) = Named::read(&request, via) else { return };
        let is_ack = request.method == Method::ACK;
        if let Some(id) = self.wire.transactions.server(&named.server) {
            let Some(outcome) = self.wire.transactions.handle_request(now, id, is_ack) else { return };
            if let Some((flow, bytes)) = outcome.send {
                self.wire.transmit(flow, bytes);
            }
            if let Some((Owner::Leg(leg, _), Tell::Message)) = outcome.tell {
                self.acknowledge(now, leg, &request, flow);
            }
            return;
        }
        let leg = self.dialog_of(&request);
        if is_ack {
            if let Some(leg) = leg {
                self.acknowledge(now, leg, &request, flow);
            }
            return;
        }
        if request.method == Method::CANCEL {
            return self.handle_cancel(now, flow, &request, &named);
        }
        if let Some(leg) = leg {
            return self.handle_in_dialog(now, flow, request, &named, leg);
        }
        let has_tag = request.headers.to_tag().is_some();
        // RFC 3261 §8.2.2.2: the same request by another way.
        let merged = self.wire.transactions.merged(&named.request).is_some();
        if has_tag || merged {
            let status = if has_tag { 481 } else { 482 };
            let response = Response::to(&request, status);
            return self.answer(now, flow, &request, &named, response);
        }
        self.handle_out_of_dialog(now, flow, request, &named);
    }

    fn acknowledge(&mut self, now: Instant, leg: LegId, ack: &Request, flow: Flow) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.handle_ack(now, &mut self.wire, ack, flow);
        }
    }

    fn handle_in_dialog(&mut self, now: Instant, flow: Flow, request: Request, named: &Named, leg: LegId) {
        if request.method == Method::MESSAGE {
            return self.take_text(now, request, flow, named, true);
        }
        if request.method == Method::REFER {
            return self.take_refer(now, flow, request, named, leg);
        }
        let transaction = self.serve(&request, flow, named);
        if let Some(response) = super::admission::unsupported(&request) {
            self.wire.respond(now, transaction, response);
            return;
        }
        self.own(transaction, leg);
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.handle_request(now, &mut self.wire, transaction, request, flow);
        }
    }

    /// RFC 3261 §9.2: the CANCEL is answered for itself, then its INVITE.
    fn handle_cancel(&mut self, now: Instant, flow: Flow, cancel: &Request, named: &Named) {
        let parts_key = with_parts(cancel, &named.via, ServerKey::of_cancelled);
        let invite = parts_key.and_then(|key| self.wire.transactions.server(&key));
        let Some(invite) = invite else {
            return self.answer(now, flow, cancel, named, Response::to(cancel, 481));
        };
        let leg = match self.wire.transactions.owner(invite) {
            Some(Owner::Leg(leg, _)) => self.legs.get_mut(&leg),
            _ => None,
        };
        let mut response = Response::to(cancel, 200);
        if let Some(leg) = &leg {
            response = response.with_to_tag(&leg.tag);
        }
        let id = leg.as_ref().map(|l| l.id);
        self.answer(now, flow, cancel, named, response);
        if let Some(leg) = id.and_then(|id| self.legs.get_mut(&id)) {
            leg.handle_cancel(now, &mut self.wire, cancel);
        } else if let Some(held) = self.held.take_transaction(invite) {
            self.refuse_request(now, invite, Response::to(&held.admitted.invite, 487));
        }
    }

    fn handle_out_of_dialog(&mut self, now: Instant, flow: Flow, request: Request, named: &Named) {
        if request.method == Method::INVITE {
            return self.admit(now, request, flow, named);
        }
        if request.method == Method::REGISTER {
            return self.register(now, &request, flow, named);
        }
        if request.method == Method::MESSAGE {
            return self.take_text(now, request, flow, named, false);
        }
        if request.method == Method::REFER {
            return self.take_refer_outside(now, flow, request, named);
        }
        let response = if request.method == Method::OPTIONS {
            super::admission::unsupported(&request).unwrap_or_else(|| options(&request))
        } else if request.method == Method::BYE {
            Response::to(&request, 481)
        } else if request.method == Method::SUBSCRIBE {
            no_such_event(&request)
        } else {
            not_allowed(&request)
        };
        self.answer(now, flow, &request, named, response);
    }

    /// Answers a request at once.
    pub(super) fn answer(&mut self, now: Instant, flow: Flow, request: &Request, named: &Named, response: Response) {
        if self.wire.transactions.is_full() {
            return self.wire.respond_stateless(flow, response);
        }
        let transaction = self.serve(request, flow, named);
        let tag = self.wire.tag();
        self.wire.respond(now, transaction, response.with_to_tag(&tag));
    }

    /// Begins the server transaction of a request.
    pub(super) fn serve(&mut self, request: &Request, flow: Flow, named: &Named) -> TransactionId {
        let keys = (named.server.clone(), named.request.clone());
        self.wire.transactions.start_server(&request.method, keys, flow, Owner::Nobody)
    }

    /// Gives a server transaction to a leg.
    pub(super) fn own(&mut self, transaction: TransactionId, leg: LegId) {
        self.wire.transactions.set_owner(transaction, Owner::Leg(leg, Purpose::Invite));
    }

    /// The leg whose dialog a request is in (RFC 3261 §12.2.2).
    fn dialog_of(&self, request: &Request) -> Option<LegId> {
        let id = *self.tags.get(session_tag(request.headers.to_tag()?))?;
        let call_id = request.headers.call_id().ok()?;
        self.legs.get(&id).filter(|leg| leg.is_dialog(call_id, request.headers.from_tag())).map(|_| id)
    }
}

fn with_parts<T>(request: &Request, via: &Via, run: impl FnOnce(&Parts<'_>) -> T) -> Option<T> {
    use crate::sip::message::Name;
    // Only a branch of old does not name the transaction alone.
    let (uri, top) = match via.branch().is_some_and(is_unique) {
        true => (String::new(), ""),
        false => (request.uri.to_string(), request.headers.elements(&Name::Via).next().unwrap_or_default()),
    };
    let parts = Parts {
        method: request.method.as_str(),
        uri: &uri,
        via: top,
        branch: via.cookie_branch(),
        sent_by: &via.sent_by(),
        call_id: request.headers.call_id().ok()?,
        from_tag: request.headers.from_tag().unwrap_or_default(),
        cseq: request.headers.cseq().ok()?.number,
    };
    Some(run(&parts))
}
