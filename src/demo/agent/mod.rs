//! The demo trunk's SIP: a user agent server (RFC 3261 §8.2, §13.3) without registration and without trust.
//!
//! ```text
//!   INVITE ──▶ Early ──200──▶ Answered ──BYE either way──▶ Over ──timers──▶ forgotten
//!                └──CANCEL, refusal─────────────────────────┘
//! ```
//! All but INVITE is answered without state (RFC 3261 §8.2.7): the answers follow from the call alone.

mod call;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use self::call::Call;
use super::MAX_CALLS;
use super::answer::Media;
use super::line::Say;
use super::number::{Plot, dialled};
use crate::base::Dice;
use crate::sip::message::{Header, Message, Name, Request, Response, StatusCode};
use crate::sip::transaction::Timers;
use crate::sip::transaction::key::{Parts, ServerKey};

/// What we understand (RFC 3261 §20.5).
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";
/// The `To` tag of answers that belong to no call.
const NO_CALL_TAG: &str = "none";
/// Calls that are kept, with those that are over but whose last messages may still be repeated.
const MAX_KEPT: usize = 4 * MAX_CALLS;

/// Names a call to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallNumber(pub u64);

/// What the agent wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// One message.
        bytes: Bytes,
    },
    /// A call comes in: open a socket for its media, then call [`Agent::handle_ready`].
    Begin {
        /// The call.
        call: CallNumber,
        /// What is to happen.
        plot: Plot,
    },
    /// What was agreed on, first or again.
    Media {
        /// The call.
        call: CallNumber,
        /// The agreement.
        media: Media,
    },
    /// The call is over.
    End {
        /// The call.
        call: CallNumber,
    },
}

/// The user agent.
#[derive(Debug)]
pub struct Agent {
    local: SocketAddr,
    timers: Timers,
    dice: Dice,
    calls: HashMap<CallNumber, Call>,
    next: u64,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// An agent that is reached at `local`.
    pub fn new(local: SocketAddr, dice: Dice) -> Agent {
        let timers = Timers::default();
        Agent { local, timers, dice, calls: HashMap::new(), next: 0, outputs: VecDeque::new() }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: Bytes) {
        match Message::read_datagram(datagram) {
            Ok(Message::Request(mut request)) => {
                request.stamp_source(source);
                self.handle_request(now, source, request);
            }
            Ok(Message::Response(response)) => {
                self.calls.values_mut().for_each(|call| call.handle_response(now, &response));
                self.forget();
            }
            Err(mut malformed) => {
                if let Some(request) = malformed.request_mut() {
                    request.stamp_source(source);
                }
                if let Some(answer) = malformed.answer() {
                    self.send(source, answer.with_to_tag(NO_CALL_TAG).to_bytes());
                }
            }
        }
    }

    fn handle_request(&mut self, now: Instant, source: SocketAddr, request: Request) {
        let Some(key) = server_key(&request) else { return };
        match request.method.as_str() {
            "INVITE" => self.handle_invite(now, source, request, key),
            "ACK" => {
                let outputs = &mut self.outputs;
                self.calls.values_mut().for_each(|call| call.handle_ack(now, &key, &request, outputs));
            }
            "CANCEL" => {
                let Some(cancelled) = parts(&request, ServerKey::of_cancelled) else { return };
                let found = self.calls.values_mut().find(|call| call.has(&cancelled));
                let status = if found.is_some() { StatusCode::OK } else { StatusCode::CallTransactionDoesNotExist };
                let answer = Response::to(&request, status);
                if let Some(call) = found {
                    self.outputs.push_back(send(source, answer.with_to_tag(call.tag()).to_bytes()));
                    call.handle_cancel(now, &mut self.outputs);
                } else {
                    self.send(source, answer.with_to_tag(NO_CALL_TAG).to_bytes());
                }
            }
            "BYE" => {
                let found = self.calls.values_mut().find(|call| call.is_about(&request));
                let status = if found.is_some() { StatusCode::OK } else { StatusCode::CallTransactionDoesNotExist };
                let answer = Response::to(&request, status).with_to_tag(NO_CALL_TAG);
                self.outputs.push_back(send(source, answer.to_bytes()));
                if let Some(call) = found {
                    call.handle_bye(now, &mut self.outputs);
                }
            }
            "OPTIONS" => self.answer(source, &request, StatusCode::OK),
            _ => self.answer(source, &request, StatusCode::MethodNotAllowed),
        }
    }

    fn handle_invite(&mut self, now: Instant, source: SocketAddr, request: Request, key: ServerKey) {
        let outputs = &mut self.outputs;
        if let Some(call) = self.calls.values_mut().find(|call| call.has(&key)) {
            return call.handle_retransmission(&key, outputs);
        }
        if request.headers.to().is_ok_and(|to| to.tag().is_some()) {
            match self.calls.values_mut().find(|call| call.is_about(&request)) {
                Some(call) => call.handle_reinvite(now, source, request, key, outputs),
                None => self.answer(source, &request, StatusCode::CallTransactionDoesNotExist),
            }
            return;
        }
        // RFC 3261 §8.2.2.3: no extension is known, so none may be required.
        let required: Vec<&str> = request.headers.elements(&Name::from("Require")).collect();
        if !required.is_empty() {
            let unsupported = Header::of(Name::from("Unsupported"), required.join(", "));
            let answer = Response::to(&request, StatusCode::BadExtension).with(unsupported);
            return self.send(source, answer.with_to_tag(NO_CALL_TAG).to_bytes());
        }
        let live = self.calls.values().filter(|call| !call.is_over()).count();
        if live >= MAX_CALLS || self.calls.len() >= MAX_KEPT {
            return self.answer(source, &request, StatusCode::ServiceUnavailable);
        }
        let user = request.uri.user().unwrap_or_default();
        let plot = dialled(&user).map_or(Plot::Unknown, |number| number.plot);
        let number = CallNumber(self.next);
        let call = Call::new(number, self.local, source, request, key, self.timers, &mut self.dice);
        match call {
            Ok(call) => {
                self.next += 1;
                self.calls.insert(number, call);
                self.outputs.push_back(Output::Begin { call: number, plot });
            }
            Err(refused) => self.send(source, refused.with_to_tag(NO_CALL_TAG).to_bytes()),
        }
    }

    /// The call's socket for media is open, at this address.
    pub fn handle_ready(&mut self, call: CallNumber, media: SocketAddr) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.handle_ready(media);
        }
    }

    /// The line wants this said.
    pub fn handle_say(&mut self, now: Instant, call: CallNumber, say: Say) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.handle_say(now, say, &mut self.outputs);
        }
        self.forget();
    }

    /// When [`Agent::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.calls.values().filter_map(Call::poll_timeout).min()
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.calls.values_mut().for_each(|call| call.handle_timeout(now, &mut self.outputs));
        self.forget();
    }

    /// What is to be done, first first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn forget(&mut self) {
        self.calls.retain(|_, call| !call.is_forgotten());
    }

    fn answer(&mut self, to: SocketAddr, request: &Request, status: StatusCode) {
        let answer = Response::to(request, status).with(Header::new(Name::Allow, ALLOW));
        self.send(to, answer.with_to_tag(NO_CALL_TAG).to_bytes());
    }

    fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        self.outputs.push_back(send(to, bytes));
    }
}

fn send(to: SocketAddr, bytes: Bytes) -> Output {
    Output::Send { to, bytes }
}

fn server_key(request: &Request) -> Option<ServerKey> {
    parts(request, ServerKey::of)
}

fn parts(request: &Request, key: fn(&Parts<'_>) -> ServerKey) -> Option<ServerKey> {
    let via = request.headers.via().ok()?;
    let from = request.headers.from().ok()?;
    let sent_by = via.port.map_or_else(|| via.host.to_string(), |port| format!("{}:{port}", via.host));
    Some(key(&Parts {
        method: request.method.as_str(),
        uri: &request.uri.to_string(),
        via: request.headers.get(&Name::Via)?.as_str(),
        branch: via.branch(),
        sent_by: &sent_by,
        call_id: request.headers.call_id().ok()?.as_str(),
        from_tag: from.tag().unwrap_or_default(),
        cseq: request.headers.cseq().ok()?.number,
    }))
}
