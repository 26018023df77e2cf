//! REGISTER on the wire (RFC 3261 §10.3).

use std::time::Instant;

use tracing::{debug, info};

use super::Endpoint;
use super::admission::{Proven, unsupported_beside};
use crate::base::Pii;
use crate::sip::endpoint::receive::Named;
use crate::sip::flow::Flow;
use crate::sip::message::{Contacts, Header, Name, NameAddr, Request, Response, SipUri, Uri};
use crate::sip::registrar::{CONTACTS_PER_REQUEST, Outbound, Refused, Register, Wish, gr_of};

/// RFC 5626 §12.
const OUTBOUND: &str = "outbound";
/// RFC 5627 §11.2.
const GRUU: &str = "gruu";
/// What a REGISTER may require beside what any request may.
const EXTENSIONS: [&str; 3] = ["path", OUTBOUND, GRUU];
/// The most proxies of a `Path`.
const PATH_LIMIT: usize = 8;
/// How often a device is to show that its connection lives (RFC 5626 §4.4.1), in seconds.
const FLOW_TIMER_S: u32 = 120;

impl Endpoint {
    pub(super) fn register(&mut self, now: Instant, request: &Request, flow: Flow, named: &Named) {
        let user = match self.prove(now, request, &flow) {
            Proven::User(user) => user,
            Proven::Not(response) => return self.wire.respond_stateless(flow, response),
        };
        let response = self.registered(now, request, flow, &user);
        self.answer(now, flow, request, named, response);
    }

    fn registered(&mut self, now: Instant, request: &Request, flow: Flow, user: &str) -> Response {
        if let Some(unsupported) = unsupported_beside(request, &EXTENSIONS) {
            return unsupported;
        }
        let Some(path) = path_of(request) else {
            return Response::to(request, 400).with_reason("Bad Request - the Path cannot be read");
        };
        if lacks_outbound(request) {
            return Response::to(request, 439).with_reason("First Hop Lacks Outbound Support");
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
        let register = Register { user, call_id, cseq: cseq.number, expires_s, wish, flow, path };
        match self.registrar.register(now, register) {
            Ok(changes) => {
                debug!(user = %Pii(user), changes = changes.len(), "registers");
                self.tell_changes(changes);
                self.list(now, request, &flow, user)
            }
            Err(refused) => {
                info!(user = %Pii(user), why = %refused, "may not register so");
                refusal(request, refused)
            }
        }
    }

    /// The instances that may be told GRUUs, if whoever registers knows them, and a fresh temporary one for each.
    fn aliases(&mut self, now: Instant, request: &Request, user: &str) -> Vec<(String, String)> {
        if !request.headers.supported().any(|tag| tag.eq_ignore_ascii_case(GRUU)) {
            return Vec::new();
        }
        let granted = self.registrar.contacts(now, user);
        let instances = granted.iter().filter_map(|granted| granted.instance).filter(|i| gr_of(i).is_some());
        let mut instances: Vec<String> = instances.map(str::to_owned).collect();
        instances.sort();
        instances.dedup();
        let (registrar, dice) = (&mut self.registrar, &mut self.wire.dice);
        instances.into_iter().filter_map(|i| registrar.alias(user, &i, dice).map(|alias| (i, alias))).collect()
    }

    /// The 200 lists all contacts, not only those of the request (RFC 3261 §10.3 step 8).
    fn list(&mut self, now: Instant, request: &Request, flow: &Flow, user: &str) -> Response {
        let mut response = Response::to(request, 200);
        let aliases = self.aliases(now, request, user);
        for granted in self.registrar.contacts(now, user) {
            let mut contact = NameAddr::new(granted.uri.clone());
            contact.params.set("expires", granted.expires_s.to_string());
            if let Some(q) = granted.q {
                contact.params.set("q", q);
            }
            if let Some(Outbound { instance, reg_id }) = granted.outbound {
                contact.params.set("+sip.instance", instance);
                contact.params.set("reg-id", reg_id);
            }
            if let Some((instance, alias)) = aliases.iter().find(|(known, _)| granted.instance == Some(known.as_str()))
                && let Some(gr) = gr_of(instance)
            {
                let gruu = SipUri::new(self.wire.domain(flow)).with_user(user).with_param("gr", gr);
                contact.params.set("pub-gruu", format!("\"{gruu}\""));
                let mut temporary = SipUri::new(self.wire.domain(flow)).with_user(alias);
                temporary.params.flag("gr");
                contact.params.set("temp-gruu", format!("\"{temporary}\""));
                // What is not said beside a registration of its own tells which device it is of.
                if granted.outbound.is_none() {
                    contact.params.set("+sip.instance", granted.instance.unwrap_or_default());
                }
            }
            response.headers.push(Header::of(Name::Contact, contact));
        }
        // RFC 3327 §5.3: the device is told by which way it will be called.
        for proxy in request.headers.elements(&Name::Path) {
            response.headers.push(Header::new(Name::Path, proxy.to_owned()));
        }
        if asks_for_outbound(request) {
            // RFC 5626 §6: whoever asked for it is told that calls come by this flow.
            response.headers.push(Header::new(Name::Require, OUTBOUND));
            if flow.transport.is_reliable() {
                response.headers.push(Header::of(Name::FlowTimer, FLOW_TIMER_S));
            }
        }
        response
    }
}

/// The proxies of a `Path`, nearest first; `None` if one cannot be read, or there are too many.
fn path_of(request: &Request) -> Option<Vec<Uri>> {
    let path: Option<Vec<Uri>> =
        request.headers.elements(&Name::Path).map(|hop| Some(hop.parse::<NameAddr>().ok()?.uri)).collect();
    path.filter(|path| path.len() <= PATH_LIMIT)
}

/// RFC 5626 §6: a device that means to be called by its flow has come by a proxy that does not keep flows.
fn lacks_outbound(request: &Request) -> bool {
    let is_first_hop = request.headers.elements(&Name::Via).count() < 2;
    let path = request.headers.elements(&Name::Path).filter_map(|hop| hop.parse::<NameAddr>().ok());
    let keeps = path.last().is_some_and(|edge| matches!(&edge.uri, Uri::Sip(uri) if uri.params.get("ob").is_some()));
    asks_for_outbound(request) && !is_first_hop && !keeps
}

fn asks_for_outbound(request: &Request) -> bool {
    let contacts = request.headers.contacts();
    request.headers.supported().any(|tag| tag.eq_ignore_ascii_case(OUTBOUND))
        && contacts.is_ok_and(|contacts| contacts.list().iter().any(|contact| Outbound::of(contact).is_some()))
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
