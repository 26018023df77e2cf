//! Keys that the peer is told of: an INFO each, one after the other, for a later one may not overtake an earlier.
//!
//! ```text
//!            say                 2xx: the next one
//!   Idle ───────────▶ Sent ───────────────────────▶ Idle
//!                      │ 401, 407: with proof   415: as the bare key
//!                      └ 405, 501, silence: the peer takes none, and the call is told so
//! ```

use std::collections::VecDeque;

use tracing::{debug, info};

use super::confirmed::Confirmed;
use super::proof::Proof;
use super::{At, Stage};
use crate::model::{Cause, Dtmf, Hangup, Signal};
use crate::sip::hear;
use crate::sip::info::{BARE, RELAY, relay};
use crate::sip::message::{Header, Method, Name, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Purpose;

/// Keys that wait until those before them are answered for; more are left out.
pub const MAX_WAITING: usize = 32;

/// The keys of one session.
#[derive(Debug, Default)]
pub struct Keys {
    waiting: VecDeque<Dtmf>,
    sent: Option<Sent>,
    /// The peer takes the bare key alone.
    is_bare: bool,
    proof: Proof,
}

#[derive(Debug)]
struct Sent {
    dtmf: Dtmf,
    transaction: TransactionId,
    request: Box<Request>,
}

impl Confirmed {
    /// The call says a key.
    pub(super) fn say_key(&mut self, at: &mut At<'_>, dtmf: Dtmf) {
        if self.keys.waiting.len() >= MAX_WAITING {
            return debug!(leg = %at.leg.id, "too many keys wait; one is left out");
        }
        self.keys.waiting.push_back(dtmf);
        self.next_key(at);
    }

    /// Sends the next key, if there is one and none is under way. Before the ACK of our 2xx the peer may not know of
    /// the session.
    pub(super) fn next_key(&mut self, at: &mut At<'_>) {
        if self.keys.sent.is_some() || self.unacknowledged.is_some() {
            return;
        }
        if let Some(dtmf) = self.keys.waiting.pop_front() {
            self.keys.proof = Proof::default();
            self.send_key(at, dtmf);
        }
    }

    fn send_key(&mut self, at: &mut At<'_>, dtmf: Dtmf) {
        let mut request = self.dialog.request(Method::INFO);
        request.headers.push(Header::new(Name::UserAgent, &at.wire.config.agent));
        for header in self.keys.proof.headers() {
            request.headers.push(header.clone());
        }
        let request = match self.keys.is_bare {
            true => request.with_body(BARE, dtmf.digit.to_string()),
            false => request.with_body(RELAY, relay(dtmf)),
        };
        let owner = at.owner(Purpose::Key);
        let hop = self.dialog.next_hop(self.flow);
        let transaction = at.wire.request(at.now, request.clone(), hop, owner);
        self.keys.sent = Some(Sent { dtmf, transaction, request: Box::new(request) });
    }

    pub(super) fn handle_key_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: &Response,
    ) -> Stage {
        if response.is_provisional() {
            return Stage::Confirmed(self);
        }
        let Some(sent) = self.keys.sent.take_if(|s| s.transaction == transaction) else {
            return Stage::Confirmed(self);
        };
        match response.code() {
            200..=299 => {}
            401 | 407 => {
                let trunk = at.leg.trunk.as_ref().and_then(|name| at.wire.config.trunks.get(name));
                if self.keys.proof.take(response, &sent.request, trunk, &mut at.wire.dice) {
                    self.send_key(at, sent.dtmf);
                    return Stage::Confirmed(self);
                }
                self.takes_no_keys(at, response.code());
            }
            415 if !self.keys.is_bare => {
                self.keys.is_bare = true;
                self.send_key(at, sent.dtmf);
                return Stage::Confirmed(self);
            }
            405 | 408 | 415 | 469 | 501 => self.takes_no_keys(at, response.code()),
            // RFC 3261 §12.2.1.2: the dialog is gone on the other side.
            481 => {
                let hangup = hear::failure(response);
                return self.fail(at, Hangup { cause: Cause::Timeout, ..hangup });
            }
            status => info!(leg = %at.leg.id, status, "a key was refused"),
        }
        self.next_key(at);
        Stage::Confirmed(self)
    }

    /// A key of ours ended without a response. A telephone that keeps silent at an INFO may talk all the same.
    pub(super) fn handle_key_failure(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        if self.keys.sent.take().is_some() {
            self.takes_no_keys(at, 408);
        }
        Stage::Confirmed(self)
    }

    fn takes_no_keys(&mut self, at: &mut At<'_>, status: u16) {
        info!(leg = %at.leg.id, status, "takes no keys by INFO");
        self.keys.waiting.clear();
        at.leg.takes_info = false;
        at.hear(Signal::TakesDigits(false));
    }
}

impl At<'_> {
    /// Notes whether the peer takes INFO, where it says what it takes; the call is told when that is news.
    pub(super) fn note_allow(&mut self, allow: Option<Vec<Method>>) {
        let Some(allow) = allow else { return };
        let takes = allow.contains(&Method::INFO);
        if std::mem::replace(&mut self.leg.takes_info, takes) != takes {
            self.hear(Signal::TakesDigits(takes));
        }
    }
}
