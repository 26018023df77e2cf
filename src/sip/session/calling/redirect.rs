//! The callee is elsewhere: redirections (RFC 3261 §8.1.3.4, §21.3).

use tracing::info;

use super::{Calling, hear};
use crate::model::{Cause, Hangup};
use crate::sip::cause;
use crate::sip::config::DEFAULT_PORT;
use crate::sip::flow::{Flow, Transport};
use crate::sip::locate::Wish;
use crate::sip::message::{Host, NameAddr, Response, SipUri, Uri};
use crate::sip::session::{At, Stage};
use crate::sip::wire::Wire;

/// How many redirections of one call are followed (RFC 3261 §8.1.3.4 leaves the number to us).
pub const REDIRECTS_LIMIT: usize = 5;

impl Calling {
    /// A 3xx: its contacts are tried after each other, those of highest preference first.
    pub(super) fn redirect(mut self: Box<Self>, at: &mut At<'_>, response: &Response) -> Stage {
        let failure = hear::failure(response);
        let contacts = response.headers.contacts();
        let mut contacts: Vec<&NameAddr> = contacts.as_ref().map_or(&[][..], |c| c.list()).iter().collect();
        contacts.sort_by_key(|c| {
            let q: f32 = c.params.get("q").and_then(|q| q.parse().ok()).unwrap_or(1.0);
            -(q.clamp(0.0, 1.0) * 1000.0) as i32
        });
        if !self.visited.contains(&self.destination.uri) {
            self.visited.push(self.destination.uri.clone());
        }
        for contact in contacts {
            let uri = match contact.uri.clone() {
                Uri::Sip(uri) => Uri::Sip(uri.for_request_line()),
                other => other,
            };
            if !self.visited.contains(&uri) && !self.redirected.contains(&uri) {
                self.redirected.push_back(uri);
            }
        }
        self.destination.flows.clear();
        self.destination.routes.clear();
        self.destination.others.clear();
        self.try_next(at, failure)
    }

    pub(super) fn follow(mut self: Box<Self>, at: &mut At<'_>, uri: Uri, last: Hangup) -> Stage {
        let at_limit = self.visited.len() > REDIRECTS_LIMIT;
        let reachable = match &uri {
            Uri::Sip(sip) if !at_limit => {
                let transport = match sip.transport().map(Transport::by_word) {
                    // RFC 3261 §26.2.2: nothing but TLS, whatever else is written.
                    _ if sip.secure => Some(None),
                    None => Some(None),
                    Some(named) => named.filter(|t| !t.is_websocket()).map(Some),
                };
                let flow = self.flow();
                // An address of ours would be a call to ourselves, past the dialplan.
                let elsewhere = flow.is_none_or(|f| !is_us(at.wire, sip, &f));
                transport.filter(|_| elsewhere).map(|transport| {
                    let (host, secure) = (plain(&sip.host), sip.secure);
                    Wish { host, port: sip.port, transport, secure }
                })
            }
            _ => None,
        };
        let Some(wish) = reachable else {
            if at_limit {
                let sentence = format!("redirected more than {REDIRECTS_LIMIT} times");
                return self.fail(at, cause::hangup(Cause::Loop, sentence));
            }
            return self.try_next(at, last);
        };
        info!(leg = %at.leg.id, "redirected");
        match wish.at_once() {
            Some(located) => self.destination.flows = at.wire.flows_to(&located),
            None => self.destination.host = Some(wish),
        }
        self.visited.push(uri.clone());
        self.destination.uri = uri;
        self.try_next(at, last)
    }
}

fn plain(host: &Host) -> String {
    host.ip().map_or_else(|| host.to_string(), |ip| ip.to_string())
}

fn is_us(wire: &Wire, uri: &SipUri, flow: &Flow) -> bool {
    let port = uri.port.unwrap_or(if uri.secure { 5061 } else { DEFAULT_PORT });
    wire.is_ours(&uri.host, flow)
        && (uri.host.ip().is_none() || wire.config.listen.iter().any(|l| l.address.port() == port))
}
