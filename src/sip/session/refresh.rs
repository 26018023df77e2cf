//! Asking the peer for a whole picture by INFO (RFC 5168).
//!
//! ```text
//!             say                   2xx
//!   Idle ───────────▶ Sent ──────────────────────▶ Idle, and nothing more for a second
//!                      │ 401, 407: with proof
//!                      └ 405, 415, 501, silence …: the peer is not asked again
//! ```

use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::confirmed::Confirmed;
use super::proof::Proof;
use super::{At, Stage};
use crate::model::{Cause, Hangup};
use crate::sip::hear;
use crate::sip::message::{Header, Method, Name, Request, Response};
use crate::sip::refresh::{BODY, TYPE};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Purpose;

/// The least time from one request to the next: a whole picture takes that long to be made, sent and shown.
const PAUSE: Duration = Duration::from_secs(1);

/// What a session asks of its peer's pictures.
#[derive(Debug, Default)]
pub struct Refreshing {
    sent: Option<(TransactionId, Box<Request>)>,
    last: Option<Instant>,
    /// The peer has refused it once.
    is_refused: bool,
    proof: Proof,
}

impl Confirmed {
    /// The call wants a whole picture of the peer. One that is asked for too soon after another comes with that one.
    pub(super) fn say_refresh(&mut self, at: &mut At<'_>) {
        let asking = &mut self.refreshing;
        let is_soon = asking.last.is_some_and(|last| at.now < last + PAUSE);
        if asking.is_refused || asking.sent.is_some() || is_soon || self.unacknowledged.is_some() {
            return;
        }
        asking.last = Some(at.now);
        asking.proof = Proof::default();
        self.send_refresh(at);
    }

    fn send_refresh(&mut self, at: &mut At<'_>) {
        let mut request = self.dialog.request(Method::INFO);
        request.headers.push(Header::new(Name::UserAgent, &at.wire.config.agent));
        for header in self.refreshing.proof.headers() {
            request.headers.push(header.clone());
        }
        let request = request.with_body(TYPE, BODY.to_owned());
        let owner = at.owner(Purpose::Refresh);
        let hop = self.dialog.next_hop(self.flow);
        let transaction = at.wire.request(at.now, request.clone(), hop, owner);
        self.refreshing.sent = Some((transaction, Box::new(request)));
    }

    pub(super) fn handle_refresh_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: &Response,
    ) -> Stage {
        if response.is_provisional() {
            return Stage::Confirmed(self);
        }
        let Some((_, request)) = self.refreshing.sent.take_if(|(sent, _)| *sent == transaction) else {
            return Stage::Confirmed(self);
        };
        match response.code() {
            200..=299 => {}
            401 | 407 => {
                let trunk = at.leg.trunk.as_ref().and_then(|name| at.wire.config.trunks.get(name));
                if self.refreshing.proof.take(response, &request, trunk, &mut at.wire.dice) {
                    self.send_refresh(at);
                } else {
                    self.refuses_refresh(at, response.code());
                }
            }
            // RFC 3261 §12.2.1.2: the dialog is gone on the other side.
            481 => {
                let hangup = hear::failure(response);
                return self.fail(at, Hangup { cause: Cause::Timeout, ..hangup });
            }
            // Not this time.
            491 | 500 | 503 => debug!(leg = %at.leg.id, status = response.code(), "makes no whole picture just now"),
            status => self.refuses_refresh(at, status),
        }
        Stage::Confirmed(self)
    }

    /// A request of ours ended without a response. A telephone that keeps silent at an INFO may talk all the same.
    pub(super) fn handle_refresh_failure(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        if self.refreshing.sent.take().is_some() {
            self.refuses_refresh(at, 408);
        }
        Stage::Confirmed(self)
    }

    fn refuses_refresh(&mut self, at: &mut At<'_>, status: u16) {
        info!(leg = %at.leg.id, status, "takes no wish for a whole picture by INFO");
        self.refreshing.is_refused = true;
    }
}
