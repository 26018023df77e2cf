//! REGISTER on the wire (RFC 3261 §10.3).

use std::time::Instant;

use tracing::{debug, info};

use super::Endpoint;
use super::admission::{Proven, unsupported};
use crate::base::Pii;
use crate::sip::flow::Flow;
use crate::sip::message::{Contacts, Header, Name, NameAddr, Request, Response, Via};
use crate::sip::registrar::{CONTACTS_PER_REQUEST, Refused, Register, Wish};

impl Endpoint {
    pub(super) fn register(&mut self, now: Instant, request: &Request, flow: Flow, via: &Via) {
        let user = match self.prove(now, request, &flow) {
            Proven::User(user) => user,
            Proven::Not(response) => return self.wire.respond_stateless(flow, response),
        };
        let transaction = self.serve(request, flow, via);
        let response = self.registered(now, request, flow, &user);
        let tag = self.wire.tag();
        self.wire.respond(now, transaction, response.with_to_tag(&tag));
    }

    fn registered(&mut self, now: Instant, request: &Request, flow: Flow, user: &str) -> Response {
        if let Some(unsupported) = unsupported(request) {
            return unsupported;
        }
        // RFC 3261 §10.3 step 4: the address-of-record has to be the sender's own.
        let wanted = request.headers.to().ok().and_then(|to| to.uri.user().map(|u| u.into_owned()));
        let number = self.directory.users.get(user).and_then(|u| u.number.as_deref());
        if !wanted.as_deref().is_some_and(|w| w == user || Some(w) == number) {
            info!(user = %Pii(user), "may not register somebody else");
            return Response::to(request, 403);
        }
        let wish = match request.headers.contacts() {
            Ok(Contacts::Star) => Wish::RemoveAll,
            Ok(Contacts::List(list)) if list.len() > CONTACTS_PER_REQUEST => {
                return Response::to(request, 400).with_reason("Bad Request - too many contacts");
            }
            Ok(Contacts::List(list)) => Wish::Contacts(list),
            Err(error) => return Response::to(request, 400).with_reason(format!("Bad Request - {error}")),
        };
        let (Ok(call_id), Ok(cseq)) = (request.headers.call_id(), request.headers.cseq()) else {
            return Response::to(request, 400);
        };
        let expires_s = request.headers.expires().ok().flatten();
        let register = Register { user, call_id, cseq: cseq.number, expires_s, wish, flow };
        match self.registrar.register(now, register) {
            Ok(changes) => {
                debug!(user = %Pii(user), changes = changes.len(), "registers");
                self.tell_changes(changes);
                self.list(now, request, user)
            }
            Err(refused) => {
                info!(user = %Pii(user), why = %refused, "may not register so");
                refusal(request, refused)
            }
        }
    }

    /// The 200 lists all contacts, not only those of the request (RFC 3261 §10.3 step 8).
    fn list(&self, now: Instant, request: &Request, user: &str) -> Response {
        let mut response = Response::to(request, 200);
        for granted in self.registrar.contacts(now, user) {
            let mut contact = NameAddr::new(granted.uri.clone());
            contact.params.set("expires", granted.expires_s.to_string());
            if let Some(q) = granted.q {
                contact.params.set("q", q);
            }
            response.headers.push(Header::of(Name::Contact, contact));
        }
        response
    }
}

fn refusal(request: &Request, refused: Refused) -> Response {
    match refused {
        Refused::BadStar => Response::to(request, 400).with_reason("Bad Request - * stands alone with Expires: 0"),
        Refused::TooBrief { min_s } => Response::to(request, 423).with(Header::of(Name::MinExpires, min_s)),
        Refused::Stale => {
            Response::to(request, 500).with_reason("Server Internal Error - older than the last REGISTER")
        }
        Refused::TooMany => Response::to(request, 403).with_reason("Forbidden - too many devices"),
    }
}
