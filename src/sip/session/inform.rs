//! An INFO of ours (RFC 6086 §4.2.1, without a package): one is under way at a time, and proves who we are if it must.
//!
//! ```text
//!            send                  2xx
//!   Idle ───────────▶ Sent ─────────────────────▶ Idle: it is taken
//!                      │ 401, 407: with proof
//!                      ├ any other status, silence: Idle, it is refused
//!                      └ 481: the dialog is gone
//! ```
//!
//! What is told, and what a refusal means, is for whoever tells it: [`keys`](super::keys), [`refresh`](super::refresh).

use bytes::Bytes;

use super::confirmed::Confirmed;
use super::within::Within;
use super::{At, Stage};
use crate::model::{Cause, Hangup};
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::hear;
use crate::sip::message::{Header, Method, Name, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::{About, Purpose};

/// The status that stands for no response at all (RFC 3261 §8.1.3.1).
const SILENCE: u16 = 408;

/// What is told: a type and a body of that type.
pub(super) type Body = (&'static str, Bytes);

/// What became of an INFO.
enum Told {
    /// It is not over.
    Pending,
    /// It is taken.
    Taken,
    /// It is refused by this status.
    Refused(u16),
    /// RFC 3261 §12.2.1.2: the dialog is gone on the other side.
    Gone,
}

/// The INFOs of one subject.
#[derive(Debug, Default)]
pub(super) struct Inform {
    within: Within,
    body: Option<Body>,
}

impl Inform {
    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.within.is_under_way()
    }

    /// Sends one; what was proven before is forgotten.
    pub(super) fn send(&mut self, at: &mut At<'_>, (dialog, flow): (&mut Dialog, Flow), about: About, body: Body) {
        self.within.begin();
        self.send_again(at, (dialog, flow), about, body);
    }

    /// Sends one in place of another, with the same proof.
    pub(super) fn send_again(
        &mut self,
        at: &mut At<'_>,
        (dialog, flow): (&mut Dialog, Flow),
        about: About,
        body: Body,
    ) {
        let mut request = dialog.request(Method::INFO);
        request.headers.push(Header::new(Name::UserAgent, &at.wire.config.agent));
        let (content_type, content) = body.clone();
        self.body = Some(body);
        self.within.send(at, (dialog, flow), request.with_body(content_type, content), Purpose::Info(about));
    }

    fn handle_response(
        &mut self,
        at: &mut At<'_>,
        way: (&mut Dialog, Flow),
        about: About,
        (transaction, response): (TransactionId, &Response),
    ) -> Told {
        if response.is_provisional() {
            return Told::Pending;
        }
        let Some(request) = self.within.take(transaction) else { return Told::Pending };
        match response.code() {
            200..=299 => Told::Taken,
            status @ (401 | 407) => {
                let Some(body) = self.body.take().filter(|_| self.within.prove(at, &request, response)) else {
                    return Told::Refused(status);
                };
                self.send_again(at, way, about, body);
                Told::Pending
            }
            481 => Told::Gone,
            status => Told::Refused(status),
        }
    }
}

impl Confirmed {
    fn inform(&mut self, about: About) -> (&mut Inform, (&mut Dialog, Flow)) {
        let inform = match about {
            About::Key => &mut self.keys.inform,
            About::Refresh => &mut self.refreshing.inform,
        };
        (inform, (&mut self.dialog, self.flow))
    }

    pub(super) fn handle_info_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        about: About,
        transaction: TransactionId,
        response: &Response,
    ) -> Stage {
        let (inform, way) = self.inform(about);
        match inform.handle_response(at, way, about, (transaction, response)) {
            Told::Pending => {}
            Told::Taken => self.info_is_over(at, about, None),
            Told::Refused(status) => self.info_is_over(at, about, Some(status)),
            Told::Gone => {
                let hangup = hear::failure(response);
                return self.fail(at, Hangup { cause: Cause::Timeout, ..hangup });
            }
        }
        Stage::Confirmed(self)
    }

    /// An INFO of ours ended without a response. A telephone that keeps silent at an INFO may talk all the same.
    pub(super) fn handle_info_failure(mut self: Box<Self>, at: &mut At<'_>, about: About) -> Stage {
        if self.inform(about).0.within.give_up() {
            self.info_is_over(at, about, Some(SILENCE));
        }
        Stage::Confirmed(self)
    }

    fn info_is_over(&mut self, at: &mut At<'_>, about: About, refused: Option<u16>) {
        match (about, refused) {
            (About::Key, None) => self.next_key(at),
            (About::Key, Some(status)) => self.key_is_refused(at, status),
            (About::Refresh, None) => {}
            (About::Refresh, Some(status)) => self.refresh_is_refused(at, status),
        }
    }
}
