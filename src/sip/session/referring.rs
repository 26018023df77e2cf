//! A REFER of ours (RFC 3515, RFC 5589): a trunk that knows how is asked to take its party somewhere else by itself, and
//! tells by NOTIFYs how that goes.
//!
//! ```text
//!          REFER              2xx                 NOTIFY with a final status
//!   Idle ─────────▶ Sent ─────────────▶ Awaited ─────────────────────────────▶ Idle
//!                    │ │ 2xx, Refer-Sub: false (RFC 4488): it is done, as far as we are ever told
//!                    │ └ 401, 407: with proof
//!                    └── refused: the call takes the party there itself
//! ```

use tracing::{debug, info};

use super::confirmed::Confirmed;
use super::refer::is_silent;
use super::within::Within;
use super::{At, Stage};
use crate::model::{Cause, Hangup, Replaces, Signal, Stage as Got, Transfer, Transferring};
use crate::sip::along;
use crate::sip::cause;
use crate::sip::hear;
use crate::sip::message::{Header, Method, Name, NameAddr, Request, Response, Uri};
use crate::sip::replaces;
use crate::sip::say;
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Purpose;

/// The longest status line in a NOTIFY that is looked at.
const LONGEST_LINE: usize = 256;

/// A REFER of ours.
#[derive(Debug, Default)]
pub struct Referring {
    within: Within,
    /// The number of the REFER whose outcome is waited for.
    awaited: Option<u32>,
}

impl Confirmed {
    /// The peer is asked to go there by itself.
    pub(super) fn say_transfer(&mut self, at: &mut At<'_>, wish: &Transfer) {
        let is_busy = self.referring.within.is_under_way() || self.referring.awaited.is_some();
        let headers = destination(at, wish).filter(|_| !is_busy && self.is_settled());
        let Some(headers) = headers else { return at.hear(refused(Cause::NotSupported)) };
        info!(leg = %at.leg.id, attended = wish.replaces.is_some(), "asks its party to go somewhere else");
        self.referring.within.begin();
        self.refer(at, headers);
    }

    fn refer(&mut self, at: &mut At<'_>, headers: Vec<Header>) {
        let contact = at.wire.contact(&self.flow, &self.dialog.target);
        let mut request = self.dialog.request(Method::REFER).with(contact);
        request.headers.push(Header::new(Name::UserAgent, &at.wire.config.agent));
        for header in headers {
            request.headers.push(header);
        }
        self.referring.awaited = Some(self.dialog.local_seq);
        self.referring.within.send(at, (&self.dialog, self.flow), request, Purpose::Refer);
    }

    pub(super) fn handle_refer_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: &Response,
    ) -> Stage {
        if response.is_provisional() {
            return Stage::Confirmed(self);
        }
        let Some(request) = self.referring.within.take(transaction) else { return Stage::Confirmed(self) };
        match response.code() {
            200..=299 if is_silent(&response.headers) => {
                self.referring.awaited = None;
                at.hear(Signal::Transferring(Transferring::Done));
            }
            200..=299 => at.hear(Signal::Transferring(Transferring::Trying(Got::Trying))),
            401 | 407 => {
                if self.referring.within.prove(at, &request, response) {
                    let said = [Name::ReferTo, Name::ReferredBy, Name::Supported];
                    let kept = request.headers.iter().filter(|h| said.contains(&h.name)).cloned().collect();
                    self.refer(at, kept);
                    return Stage::Confirmed(self);
                }
                self.will_not_go(at, Cause::AuthFailed);
            }
            // RFC 3261 §12.2.1.2: the dialog is gone on the other side.
            481 => {
                let hangup = hear::failure(response);
                return self.fail(at, Hangup { cause: Cause::Timeout, ..hangup });
            }
            status => {
                info!(leg = %at.leg.id, status, "will not go somewhere else by itself");
                self.will_not_go(at, hear::failure(response).cause);
            }
        }
        Stage::Confirmed(self)
    }

    /// A REFER of ours ended without a response.
    pub(super) fn handle_refer_failure(mut self: Box<Self>, at: &mut At<'_>) -> Stage {
        if self.referring.within.give_up() {
            self.will_not_go(at, Cause::Timeout);
        }
        Stage::Confirmed(self)
    }

    fn will_not_go(&mut self, at: &mut At<'_>, cause: Cause) {
        self.referring.awaited = None;
        at.hear(refused(cause));
    }

    /// A NOTIFY of how a transfer goes that we asked for (RFC 3515 §2.4.4); any other is of a subscription that is not
    /// there.
    pub(super) fn hear_notify(&mut self, at: &mut At<'_>, transaction: TransactionId, request: &Request) {
        let (package, id) = event(request);
        let is_ours = self.referring.awaited.is_some_and(|number| id.is_none_or(|id| id == number));
        if !package.eq_ignore_ascii_case("refer") || !is_ours {
            at.respond(transaction, Response::to(request, 481));
            return;
        }
        let state = request.headers.get(&Name::SubscriptionState).map(|s| s.as_str()).unwrap_or_default();
        let is_last = state.split(';').next().is_some_and(|s| s.trim().eq_ignore_ascii_case("terminated"));
        let status = fragment(&request.body);
        at.respond(transaction, Response::to(request, if status.is_some() || is_last { 200 } else { 400 }));
        debug!(leg = %at.leg.id, status, is_last, "tells how the transfer goes");
        let how = match status {
            Some(200..=299) => Transferring::Done,
            Some(status @ 300..) => Transferring::Failed(cause::of_status(status, None)),
            // Whoever ends the subscription without a word of the end knows no more than we.
            _ if is_last => Transferring::Failed(Cause::Timeout),
            Some(180) => Transferring::Trying(Got::Ringing),
            Some(183) => Transferring::Trying(Got::Session),
            Some(_) => Transferring::Trying(Got::Trying),
            None => return,
        };
        if !matches!(how, Transferring::Trying(_)) {
            self.referring.awaited = None;
        }
        at.hear(Signal::Transferring(how));
    }
}

fn refused(cause: Cause) -> Signal {
    Signal::Transferring(Transferring::Refused(cause))
}

/// Where the peer is to go, and who wishes it; `None` if that cannot be said on its wire.
fn destination(at: &At<'_>, wish: &Transfer) -> Option<Vec<Header>> {
    let trunk = at.trunk()?;
    let Uri::Sip(uri) = say::uri_at_trunk(&wish.to, trunk) else { return None };
    let uri = match &wish.replaces {
        None => uri,
        Some(Replaces::Elsewhere(dialog)) => uri.with_header("Replaces", dialog),
        Some(Replaces::Leg(_)) => return None,
    };
    let words = wish.user_to_user.0.iter().filter(|_| trunk.profile.user_to_user);
    let uri = words.fold(uri, |uri, value| uri.with_header(along::USER_TO_USER, value));
    let mut headers = vec![Header::of(Name::ReferTo, NameAddr::new(uri))];
    if let Some(by) = &wish.by {
        // RFC 3892 §2: as the trunk knows whoever calls by it.
        headers.push(Header::of(Name::ReferredBy, say::caller_for_trunk(by, trunk).from));
    }
    headers.push(Header::new(Name::Supported, format!("{}, {}", replaces::OPTION, replaces::NO_SUBSCRIPTION)));
    Some(headers)
}

/// The package of a NOTIFY, and the number of the REFER that it belongs to, if it names one.
fn event(request: &Request) -> (&str, Option<u32>) {
    let value = request.headers.get(&Name::Event).map(|e| e.as_str()).unwrap_or_default();
    let (package, params) = value.split_once(';').unwrap_or((value, ""));
    let id = params.split(';').filter_map(|p| p.split_once('=')).find(|(n, _)| n.trim().eq_ignore_ascii_case("id"));
    (package.trim(), id.and_then(|(_, number)| number.trim().parse().ok()))
}

/// The status of a `message/sipfrag` (RFC 3420).
fn fragment(body: &[u8]) -> Option<u16> {
    let line = body.split(|b| *b == b'\r' || *b == b'\n').find(|line| !line.is_empty())?;
    let line = std::str::from_utf8(line.get(..LONGEST_LINE.min(line.len()))?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.eq_ignore_ascii_case("SIP/2.0"))?;
    words.next()?.parse().ok().filter(|status| (100..700).contains(status))
}

#[cfg(test)]
mod tests {
    use super::fragment;

    #[test]
    fn the_status_of_a_fragment_is_read_and_nothing_else_is_one() {
        for (body, status) in [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("\r\nSIP/2.0 180 Ringing", Some(180)),
            ("SIP/2.0 100", Some(100)),
            ("", None),
            ("SIP/2.0", None),
            ("HTTP/1.1 200 OK", None),
            ("SIP/2.0 99999 x", None),
            ("SIP/2.0 007 x", None),
        ] {
            assert_eq!(fragment(body.as_bytes()), status, "{body:?}");
        }
        assert_eq!(fragment(&[0xff, 0xfe]), None);
    }
}
