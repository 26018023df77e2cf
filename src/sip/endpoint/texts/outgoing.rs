//! A MESSAGE that goes out (RFC 3428 §4): to a telephone that has registered, or through a trunk.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info};

use super::PLAIN;
use crate::model::{Cause, Text as Written, TextId, Undelivered};
use crate::sip::endpoint::{Endpoint, Output, ResolveId};
use crate::sip::flow::{Flow, Transport};
use crate::sip::hear;
use crate::sip::locate::{Located, SHUNNED_FOR, Wish};
use crate::sip::message::{Header, Method, Name, NameAddr, Request, Response, Text, Uri};
use crate::sip::say::{self, Caller};
use crate::sip::session::calling::Destination;
use crate::sip::session::proof::Proof;
use crate::sip::transaction::Tell;
use crate::sip::wire::{Owner, SAFE_DATAGRAM, VIA_ROOM, Wire};

/// How long a trunk's name may take to be looked up.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(10);
/// RFC 3261 §8.1.1.6
const HOPS: u8 = 70;

/// Waits for its answer, or for the address to send it to.
#[derive(Debug)]
pub struct Outgoing {
    text: Written,
    uri: Uri,
    /// The ways there that have not been tried.
    flows: VecDeque<Flow>,
    host: Option<Wish>,
    routes: Vec<NameAddr>,
    tag: String,
    call_id: Text,
    cseq: u32,
    addresses: Option<(Caller, NameAddr)>,
    proof: Proof,
    sent: Option<(Request, Flow)>,
}

impl Endpoint {
    /// Delivers a message; [`Output::Delivered`] tells what became of it.
    pub fn send_text(&mut self, now: Instant, text: Written) {
        if self.texts.is_full() || self.wire.transactions.is_full() {
            return self.undelivered(text.id, Undelivered::new(Cause::Congestion));
        }
        let destination = match self.destination(text.contact.as_ref(), text.trunk.as_deref(), &text.to) {
            Ok(destination) => destination,
            Err(hangup) => return self.undelivered(text.id, Undelivered::new(hangup.cause)),
        };
        let Destination { uri, flows, host, routes, .. } = destination;
        let (tag, call_id) = (self.wire.tag(), self.wire.call_id());
        let (addresses, proof) = (None, Proof::default());
        let outgoing = Outgoing { text, uri, flows, host, routes, tag, call_id, cseq: 0, addresses, proof, sent: None };
        let number = self.texts.mint();
        self.texts.outgoing.insert(number, outgoing);
        self.try_next(now, number, Undelivered::new(Cause::Unavailable));
    }

    fn undelivered(&mut self, id: TextId, failure: Undelivered) {
        info!(number = id.number, cause = %failure.cause, "a message is not delivered");
        self.wire.outputs.push_back(Output::Delivered(id, Err(failure)));
    }

    /// Sends it on the next way, or ends with how the last one went.
    fn try_next(&mut self, now: Instant, number: u64, last: Undelivered) {
        let Some(outgoing) = self.texts.outgoing.get_mut(&number) else { return };
        let result = if let Some(flow) = self.wire.shun.take_next(now, &mut outgoing.flows) {
            outgoing.send(now, &mut self.wire, number, flow)
        } else if let Some(wish) = outgoing.host.take() {
            self.texts.due.set(number, Some(now + RESOLVE_PATIENCE));
            self.wire.outputs.push_back(Output::Resolve { id: ResolveId::Text(number), wish });
            Ok(())
        } else {
            Err(last)
        };
        if let Err(failure) = result {
            self.end_text(number, Err(failure));
        }
    }

    fn end_text(&mut self, number: u64, result: Result<(), Undelivered>) {
        self.texts.due.set(number, None);
        let Some(outgoing) = self.texts.outgoing.remove(&number) else { return };
        match result {
            Ok(()) => self.wire.outputs.push_back(Output::Delivered(outgoing.text.id, Ok(()))),
            Err(failure) => self.undelivered(outgoing.text.id, failure),
        }
    }

    pub(in crate::sip::endpoint) fn handle_text_resolved(&mut self, now: Instant, number: u64, found: &Located) {
        let Some(outgoing) = self.texts.outgoing.get_mut(&number).filter(|o| o.sent.is_none()) else { return };
        self.texts.due.set(number, None);
        outgoing.flows = self.wire.flows_to(found);
        self.try_next(now, number, Undelivered::new(Cause::Unavailable));
    }

    pub(super) fn give_up_resolving(&mut self, number: u64) {
        self.end_text(number, Err(Undelivered::new(Cause::Unavailable)));
    }

    /// A response came to a MESSAGE of ours.
    pub(in crate::sip::endpoint) fn handle_text_response(&mut self, now: Instant, number: u64, response: &Response) {
        let Some(outgoing) = self.texts.outgoing.get_mut(&number) else { return };
        match response.code() {
            100..=199 => {}
            200..=299 => {
                debug!(number, "a message is delivered");
                self.end_text(number, Ok(()));
            }
            401 | 407 => {
                let result = outgoing.prove(now, &mut self.wire, number, response);
                if let Err(failure) = result {
                    self.end_text(number, Err(failure));
                }
            }
            // RFC 3263 §4.3: a server that is down or full does not speak for the next.
            503 => {
                if let Some((_, flow)) = &outgoing.sent {
                    self.wire.shun.failed(now, flow, response.headers.retry_after().unwrap_or(SHUNNED_FOR));
                }
                self.try_next(now, number, failure(response));
            }
            _ => self.end_text(number, Err(failure(response))),
        }
    }

    /// The transaction of a MESSAGE of ours ended without a response.
    pub(in crate::sip::endpoint) fn handle_text_failure(&mut self, now: Instant, number: u64, tell: Tell) {
        match tell {
            Tell::TransportFailed => self.try_next(now, number, Undelivered::new(Cause::Network)),
            // Whoever wrote it has been told that it took too long: it is not tried once more.
            _ => self.end_text(number, Err(Undelivered::new(Cause::Timeout))),
        }
    }
}

impl Outgoing {
    fn send(&mut self, now: Instant, wire: &mut Wire, number: u64, flow: Flow) -> Result<(), Undelivered> {
        self.cseq += 1;
        let (caller, to) = match self.addresses.take() {
            Some(addresses) => addresses,
            None => self.addresses(wire, &flow),
        };
        // RFC 3428 §4: no Contact.
        let mut request = Request::new(Method::MESSAGE, self.uri.clone())
            .with(Header::of(Name::MaxForwards, HOPS))
            .with(Header::of(Name::From, caller.from.clone().with_tag(&self.tag)))
            .with(Header::of(Name::To, &to))
            .with(Header::new(Name::CallId, &self.call_id))
            .with_cseq(self.cseq)
            .with(Header::new(Name::UserAgent, &wire.config.agent));
        for route in &self.routes {
            request.headers.push(Header::of(Name::Route, route));
        }
        for header in caller.identity.iter().chain(self.proof.headers()) {
            request.headers.push(header.clone());
        }
        self.addresses = Some((caller, to));
        let kind = if self.text.body.is_ascii() { PLAIN } else { "text/plain;charset=UTF-8" };
        let request = request.with_body(kind, Bytes::copy_from_slice(self.text.body.as_bytes()));
        // RFC 3428 §8: nothing slows messages down as a session would, so one may not be longer than a packet.
        let length = request.to_bytes().len() + VIA_ROOM;
        let is_datagram = wire.way_of(&request, flow).transport == Transport::Udp;
        if is_datagram && length > SAFE_DATAGRAM {
            let room = SAFE_DATAGRAM.saturating_sub(length - self.text.body.len());
            let why = format!("The message is too long for a telephone: it may have {room} bytes.");
            return Err(Undelivered { cause: Cause::NotSupported, why: Some(why) });
        }
        wire.request(now, request.clone(), flow, Owner::Text(number));
        self.sent = Some((request, flow));
        Ok(())
    }

    fn addresses(&self, wire: &Wire, flow: &Flow) -> (Caller, NameAddr) {
        let Written { from, to, trunk, .. } = &self.text;
        match trunk.as_ref().and_then(|name| wire.config.trunks.get(name)) {
            Some(trunk) => (say::caller_for_trunk(from, trunk), NameAddr::new(say::uri_at_trunk(to, trunk))),
            None => (say::caller_for_user(from, flow, wire), say::callee_for_user(to, flow, wire)),
        }
    }

    /// Sends it again with the proof that is asked for (RFC 3261 §22.2).
    fn prove(&mut self, now: Instant, wire: &mut Wire, number: u64, response: &Response) -> Result<(), Undelivered> {
        let Some((request, flow)) = self.sent.take() else { return Err(Undelivered::new(Cause::AuthFailed)) };
        let trunk = self.text.trunk.as_ref().and_then(|name| wire.config.trunks.get(name));
        if self.proof.take(response, &request, trunk, &mut wire.dice) {
            return self.send(now, wire, number, flow);
        }
        let why = "The other side asks for a password that the gateway does not have.";
        Err(Undelivered { cause: Cause::AuthFailed, why: Some(why.into()) })
    }
}

fn failure(response: &Response) -> Undelivered {
    let cause = match response.code() {
        488 | 606 => Cause::NotSupported,
        413 | 513 => {
            let why = "The message is too long for the other side.";
            return Undelivered { cause: Cause::NotSupported, why: Some(why.into()) };
        }
        _ => hear::failure(response).cause,
    };
    Undelivered::new(cause)
}
