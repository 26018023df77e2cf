//! A MESSAGE that comes in (RFC 3428 §7): from its request to its only response.

use std::time::Instant;

use tracing::{debug, info};

use super::{PATIENCE, PLAIN};
use crate::base::Pii;
use crate::model::{Address, Cause, LONGEST_TEXT, Text as Written, TextId, Undelivered};
use crate::sip::cause;
use crate::sip::endpoint::receive::Named;
use crate::sip::endpoint::{Endpoint, Output, admission};
use crate::sip::flow::Flow;
use crate::sip::hear;
use crate::sip::message::{Header, Name, Request, Response, Text, reason_phrase};
use crate::sip::transaction::TransactionId;

/// Waits for what becomes of it.
#[derive(Debug)]
pub struct Incoming {
    request: Request,
    transaction: TransactionId,
}

impl Endpoint {
    /// A MESSAGE, outside of dialogs or within one.
    pub(in crate::sip::endpoint) fn take_text(
        &mut self,
        now: Instant,
        request: Request,
        flow: Flow,
        named: &Named,
        in_dialog: bool,
    ) {
        if self.texts.is_full() || self.wire.transactions.is_full() {
            let response = Response::to(&request, 503).with(Header::of(Name::RetryAfter, 5));
            return self.wire.respond_stateless(flow, response);
        }
        let (entry, asserted) = match self.door(now, &request, &flow, &named.via) {
            Ok(door) => door,
            Err(response) => return self.wire.respond_stateless(flow, *response),
        };
        let transaction = self.serve(&request, flow, named);
        let addressed =
            if in_dialog { self.addressed(&request, &flow) } else { self.check(&request, &flow).map(|c| c.0) };
        let (to, body) = match addressed.and_then(|to| Ok((to, read(&request)?))) {
            Ok(read) => read,
            Err(response) => return self.refuse_request(now, transaction, *response),
        };
        let number = self.texts.mint();
        let id = TextId { adapter: self.adapter, number };
        let from = self.caller(&request, &flow, &entry, asserted);
        debug!(number, from = %Pii(&from.address), to = %Pii(&to), "a message comes in");
        self.texts.incoming.insert(number, Incoming { request, transaction });
        self.texts.due.set(number, Some(now + PATIENCE));
        let text = Written { id, entry, from, to, contact: None, trunk: None, body };
        self.wire.outputs.push_back(Output::Text(Box::new(text)));
    }

    /// To whom a MESSAGE within a dialog is: its Request-URI is our own contact, and says nothing.
    fn addressed(&self, request: &Request, flow: &Flow) -> Result<Address, Box<Response>> {
        if let Some(unsupported) = admission::unsupported(request) {
            return Err(Box::new(unsupported));
        }
        let to = request.headers.to().ok().and_then(|to| hear::dialled(&to.uri, flow, &self.wire));
        to.ok_or_else(|| Box::new(Response::to(request, 404).with_reason("Not Found - the To header names nobody")))
    }

    /// What became of a message that [`Output::Text`] gave out.
    pub fn text_delivered(&mut self, now: Instant, id: TextId, result: Result<(), Undelivered>) {
        let Some(Incoming { request, transaction }) = self.texts.incoming.remove(&id.number) else { return };
        self.texts.due.set(id.number, None);
        let response = match result {
            Ok(()) => Response::to(&request, 200),
            Err(failure) => refusal(&request, &failure),
        };
        self.refuse_request(now, transaction, response);
    }

    pub(super) fn give_up_incoming(&mut self, now: Instant, number: u64) {
        if self.texts.incoming.contains_key(&number) {
            info!(number, "nobody told what became of a message");
            let id = TextId { adapter: self.adapter, number };
            self.text_delivered(now, id, Err(Undelivered::new(Cause::Timeout)));
        }
    }
}

/// What is written, or the response that says why it cannot be taken.
fn read(request: &Request) -> Result<String, Box<Response>> {
    let refuse = |status: u16| Box::new(Response::to(request, status));
    let is_plain = match request.headers.content_type() {
        Ok(Some(kind)) => {
            let charset = kind.params.text("charset").unwrap_or_default();
            let is_readable = ["", "utf-8", "us-ascii"].iter().any(|c| charset.eq_ignore_ascii_case(c));
            kind.media_type == PLAIN && is_readable
        }
        // RFC 2045 §5.2
        Ok(None) => true,
        Err(_) => return Err(refuse(400)),
    };
    if !is_plain || request.headers.has(&Name::ContentEncoding) {
        return Err(Box::new(Response::to(request, 415).with(accept())));
    }
    if request.body.len() > LONGEST_TEXT {
        return Err(refuse(413));
    }
    let body = String::from_utf8(request.body.to_vec()).map_err(|_| {
        Box::new(Response::to(request, 415).with(accept()).with_reason("Unsupported Media Type - not UTF-8"))
    })?;
    if body.is_empty() {
        return Err(Box::new(Response::to(request, 400).with_reason("Bad Request - nothing is written")));
    }
    Ok(body)
}

fn accept() -> Header {
    Header::new(Name::Accept, Text::fixed("text/plain;charset=utf-8"))
}

fn refusal(request: &Request, failure: &Undelivered) -> Response {
    let status = match failure.cause {
        Cause::MediaIncompatible => 415,
        // 501 and 491 speak of the method and of the session.
        Cause::NotSupported => 488,
        Cause::Glare => 480,
        other => cause::row(other).status,
    };
    let response = Response::to(request, status);
    let words: String = failure.sentence().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let reason = format!("{} - {words}", reason_phrase(&response.status));
    let response = response.with_reason(reason);
    if status == 415 { response.with(accept()) } else { response }
}
