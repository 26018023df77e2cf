//! Dialogs (RFC 3261 §12): who the two are to each other, and how a request within finds the other.

use super::flow::{Flow, Transport};
use super::message::{BadHeader, Header, Method, Name, NameAddr, Request, Response, Text, Uri};

/// The most hops that a route may have; a peer's longer one is an attack or a loop.
pub const ROUTES_LIMIT: usize = 32;
/// What requests of ours may pass (RFC 3261 §8.1.1.6), where no call's own count goes on.
pub const MAX_FORWARDS: u8 = 70;

/// A dialog, early or confirmed.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// The `Call-ID`.
    pub call_id: Text,
    /// Our own address with our tag, as it stands in `From` of our requests.
    pub local: Text,
    /// The peer's address with its tag, as it stands in `To` of our requests.
    pub remote: Text,
    /// The peer's tag; RFC 2543 peers may have none.
    pub remote_tag: Option<String>,
    /// The peer's own address for requests, from its `Contact`.
    pub target: Uri,
    /// The proxies that wished to stay on the way, nearest first.
    pub routes: Vec<NameAddr>,
    /// The number of our last request.
    pub local_seq: u32,
    /// The number of the peer's last request.
    pub remote_seq: Option<u32>,
    /// Whether we chose the `Call-ID`, which decides who waits longer after a glare (RFC 3261 §14.1).
    pub owns_call_id: bool,
    /// Requests go back the way by which the peer's came, whatever its `Contact` says: for telephones, which
    /// register from behind NATs that they know nothing of.
    pub symmetric: bool,
    /// The peer is the focus of a conference: its `Contact` says `isfocus` (RFC 3840 §9, RFC 4579 §5.1).
    pub is_focus: bool,
}

/// What is wrong with a request's place in its dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfOrder {
    /// The number is below the last one: 500 (RFC 3261 §12.2.2).
    Stale,
    /// The number is the last one, on another branch: 482 (RFC 3261 §8.2.2.2).
    Again,
}

fn too_many_routes(name: Name) -> BadHeader {
    BadHeader { name, what: "has too many hops" }
}

impl Dialog {
    /// The dialog that an INVITE opens with us as its server (RFC 3261 §12.1.1).
    ///
    /// # Errors
    /// The header that is missing or unreadable: the INVITE is answered with 400.
    pub fn as_server(invite: &Request, local_tag: &str) -> Result<Dialog, BadHeader> {
        let from = invite.headers.from()?;
        let to = invite.headers.to()?.with_tag(local_tag);
        let contacts = invite.headers.contacts()?;
        let contact = contacts.list().first().ok_or(BadHeader { name: Name::Contact, what: "is missing" })?;
        let routes = invite.headers.record_routes()?;
        if routes.len() > ROUTES_LIMIT {
            return Err(too_many_routes(Name::RecordRoute));
        }
        Ok(Dialog {
            call_id: invite.headers.call_id()?.apart(),
            local: to.to_string().into(),
            remote: invite.headers.get(&Name::From).map(Text::apart).unwrap_or_default(),
            remote_tag: from.tag().map(str::to_owned),
            target: contact.uri.clone(),
            routes,
            local_seq: 0,
            remote_seq: Some(invite.headers.cseq()?.number),
            owns_call_id: false,
            symmetric: false,
            is_focus: is_focus(contact),
        })
    }

    /// The dialog that a response to our INVITE opens (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// The header that is unreadable.
    pub fn as_client(invite: &Request, response: &Response) -> Result<Dialog, BadHeader> {
        let to = response.headers.to()?;
        let mut routes = response.headers.record_routes()?;
        if routes.len() > ROUTES_LIMIT {
            return Err(too_many_routes(Name::RecordRoute));
        }
        routes.reverse();
        // RFC 3261 §12.1.1 asks for a Contact; without one the address that was asked for has to do.
        let contacts = response.headers.contacts()?;
        let contact = contacts.list().first();
        let target = contact.map_or_else(|| invite.uri.clone(), |contact| contact.uri.clone());
        Ok(Dialog {
            call_id: invite.headers.call_id()?.clone(),
            local: invite.headers.get(&Name::From).cloned().unwrap_or_default(),
            remote: response.headers.get(&Name::To).map(Text::apart).unwrap_or_default(),
            remote_tag: to.tag().map(str::to_owned),
            target,
            routes,
            local_seq: invite.headers.cseq()?.number,
            remote_seq: None,
            owns_call_id: true,
            symmetric: false,
            is_focus: contact.is_some_and(is_focus),
        })
    }

    /// Whether a request from that tag is the peer's.
    pub fn is_peer(&self, tag: Option<&str>) -> bool {
        self.remote_tag.as_deref() == tag
    }

    /// Takes the number of a request that came.
    ///
    /// # Errors
    /// [`OutOfOrder`] says how to answer instead.
    pub fn take_cseq(&mut self, number: u32) -> Result<(), OutOfOrder> {
        match self.remote_seq {
            Some(last) if number < last => Err(OutOfOrder::Stale),
            Some(last) if number == last => Err(OutOfOrder::Again),
            _ => {
                self.remote_seq = Some(number);
                Ok(())
            }
        }
    }

    /// The peer's `Contact` in a re-INVITE or its 2xx replaces the target (RFC 3261 §12.2.1.2, §12.2.2).
    pub fn refresh_target(&mut self, headers: &super::message::Headers) {
        if let Ok(contacts) = headers.contacts()
            && let Some(contact) = contacts.list().first()
        {
            self.target = contact.uri.clone();
            self.is_focus = is_focus(contact);
        }
    }

    /// The next request within the dialog, without `Via` (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        self.numbered(method, self.local_seq)
    }

    /// The ACK of a 2xx: the number of its INVITE (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Request {
        self.numbered(Method::ACK, cseq)
    }

    fn numbered(&self, method: Method, cseq: u32) -> Request {
        let loose = self.routes.first().is_none_or(is_loose);
        let uri = match self.routes.first() {
            // RFC 3261 §12.2.1.1: a strict router is put into the Request-URI, the target at the end.
            Some(strict) if !loose => match strict.uri.clone() {
                Uri::Sip(uri) => Uri::Sip(uri.for_request_line()),
                other => other,
            },
            _ => match self.target.clone() {
                Uri::Sip(uri) => Uri::Sip(uri.for_request_line()),
                other => other,
            },
        };
        let mut request = Request::new(method, uri)
            .with(Header::of(Name::MaxForwards, MAX_FORWARDS))
            .with(Header::new(Name::From, &self.local))
            .with(Header::new(Name::To, &self.remote))
            .with(Header::new(Name::CallId, &self.call_id))
            .with_cseq(cseq);
        for route in self.routes.iter().skip(usize::from(!loose)) {
            request.headers.push(Header::of(Name::Route, route));
        }
        if !loose {
            request.headers.push(Header::of(Name::Route, NameAddr::new(self.target.clone())));
        }
        request
    }

    /// Where a request within the dialog goes: the first route or the target if it is an address that can
    /// be reached, else the way by which the dialog's messages came.
    ///
    /// Names are not looked up: the peer that we talk to answers for them. A private address in the
    /// `Contact` of a peer with a public one is its side of a NAT.
    pub fn next_hop(&self, came_by: Flow) -> Flow {
        if came_by.transport.is_reliable() || (self.symmetric && self.routes.is_empty()) {
            return came_by;
        }
        let hop = self.routes.first().map_or(&self.target, |r| &r.uri);
        let Uri::Sip(uri) = hop else { return came_by };
        let Some(ip) = uri.host.ip() else { return came_by };
        let same_wire = uri.transport().is_none_or(|t| Transport::by_word(t) == Some(came_by.transport));
        let same_family = ip.is_ipv4() == came_by.remote.is_ipv4();
        let behind_nat = is_private(ip) && !is_private(came_by.remote.ip());
        if uri.secure || !same_wire || !same_family || behind_nat || ip.is_unspecified() {
            return came_by;
        }
        let port = uri.port.unwrap_or(super::config::DEFAULT_PORT);
        Flow { remote: std::net::SocketAddr::new(ip, port), ..came_by }
    }
}

fn is_focus(contact: &NameAddr) -> bool {
    contact.params.has("isfocus")
}

fn is_loose(route: &NameAddr) -> bool {
    route.uri.sip().is_some_and(|u| u.params.has("lr"))
}

/// Whether an address means something on one site only.
fn is_private(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CAME_BY: &str = "udp:10.0.0.1:5060-10.0.0.2:5060";

    /// A dialog that an INVITE with these headers opens with us as its server.
    fn dialog(contact: &str, record_route: &str) -> Dialog {
        let mut invite = Request::new(Method::INVITE, "sip:us@10.0.0.1".parse::<Uri>().unwrap())
            .with(Header::new(Name::From, "Bob <sip:bob@example.org>;tag=theirs"))
            .with(Header::new(Name::To, "<sip:us@10.0.0.1>"))
            .with(Header::new(Name::CallId, "c"))
            .with(Header::new(Name::Contact, contact))
            .with_cseq(7);
        if !record_route.is_empty() {
            invite.headers.push(Header::new(Name::RecordRoute, record_route));
        }
        Dialog::as_server(&invite, "ours").unwrap()
    }

    fn routes(request: &Request) -> Vec<String> {
        request.headers.elements(&Name::Route).map(str::to_owned).collect()
    }

    #[test]
    fn a_request_names_both_tags_and_counts_from_one() {
        let mut dialog = dialog("<sip:bob@10.0.0.2>", "");
        let first = dialog.request(Method::BYE);
        assert_eq!(first.headers.get(&Name::From).unwrap().as_str(), "<sip:us@10.0.0.1>;tag=ours");
        assert_eq!(first.headers.get(&Name::To).unwrap().as_str(), "Bob <sip:bob@example.org>;tag=theirs");
        assert_eq!(first.uri.to_string(), "sip:bob@10.0.0.2");
        let numbers = [first, dialog.request(Method::BYE), dialog.ack(1)].map(|r| r.headers.cseq().unwrap().number);
        assert_eq!(numbers, [1, 2, 1]);
    }

    #[test]
    fn a_loose_router_is_visited_with_the_target_in_the_request_line() {
        let mut dialog = dialog("<sip:bob@10.0.0.2>", "<sip:10.0.0.3;lr>, <sip:10.0.0.4:5070;lr>");
        let request = dialog.request(Method::BYE);
        assert_eq!(request.uri.to_string(), "sip:bob@10.0.0.2");
        assert_eq!(routes(&request), ["<sip:10.0.0.3;lr>", "<sip:10.0.0.4:5070;lr>"]);
        assert_eq!(dialog.next_hop(CAME_BY.parse().unwrap()).remote.to_string(), "10.0.0.3:5060");
    }

    #[test]
    fn a_strict_router_stands_in_the_request_line_and_the_target_at_the_end() {
        let mut dialog = dialog("<sip:bob@10.0.0.2>", "<sip:old@10.0.0.3>, <sip:10.0.0.4;lr>");
        let request = dialog.request(Method::BYE);
        assert_eq!(request.uri.to_string(), "sip:old@10.0.0.3");
        assert_eq!(routes(&request), ["<sip:10.0.0.4;lr>", "<sip:bob@10.0.0.2>"]);
        assert_eq!(dialog.next_hop(CAME_BY.parse().unwrap()).remote.to_string(), "10.0.0.3:5060");
    }

    #[test]
    fn numbers_only_rise() {
        let mut dialog = dialog("<sip:bob@10.0.0.2>", "");
        assert_eq!(dialog.take_cseq(7), Err(OutOfOrder::Again));
        assert_eq!(dialog.take_cseq(6), Err(OutOfOrder::Stale));
        assert_eq!(dialog.take_cseq(20), Ok(()));
        assert_eq!(dialog.take_cseq(19), Err(OutOfOrder::Stale));
    }

    #[test]
    fn a_request_goes_to_the_contact_if_it_can_be_reached_and_else_back_the_way() {
        let hop =
            |contact: &str, came_by: &str| dialog(contact, "").next_hop(came_by.parse().unwrap()).remote.to_string();
        assert_eq!(hop("<sip:bob@10.0.0.9:5070>", CAME_BY), "10.0.0.9:5070");
        assert_eq!(hop("<sip:bob@10.0.0.9>", CAME_BY), "10.0.0.9:5060");
        for contact in
            ["<sip:bob@pc.example.org>", "<sip:bob@10.0.0.9;transport=tcp>", "<tel:+15550100>", "<sip:bob@[::1]>"]
        {
            assert_eq!(hop(contact, CAME_BY), "10.0.0.2:5060", "{contact}");
        }
        let public = "udp:198.51.100.1:5060-203.0.113.2:40000";
        assert_eq!(hop("<sip:bob@192.168.1.5>", public), "203.0.113.2:40000", "its side of a NAT");
        assert_eq!(hop("<sip:bob@203.0.113.9>", public), "203.0.113.9:5060");
        let tcp = "tcp:10.0.0.1:5060-10.0.0.2:33333";
        assert_eq!(hop("<sip:bob@10.0.0.9;transport=tcp>", tcp), "10.0.0.2:33333", "on the connection there is");
        let telephone = Dialog { symmetric: true, ..dialog("<sip:bob@10.0.0.9>", "") };
        assert_eq!(telephone.next_hop(CAME_BY.parse().unwrap()).remote.to_string(), "10.0.0.2:5060");
    }

    #[test]
    fn an_invite_without_a_contact_or_with_too_many_hops_opens_no_dialog() {
        let mut invite = Request::new(Method::INVITE, "sip:us@10.0.0.1".parse::<Uri>().unwrap())
            .with(Header::new(Name::From, "<sip:bob@example.org>;tag=t"))
            .with(Header::new(Name::To, "<sip:us@10.0.0.1>"))
            .with(Header::new(Name::CallId, "c"))
            .with_cseq(1);
        assert_eq!(Dialog::as_server(&invite, "o").unwrap_err().name, Name::Contact);
        invite.headers.push(Header::new(Name::Contact, "<sip:bob@10.0.0.2>"));
        for _ in 0..=ROUTES_LIMIT {
            invite.headers.push(Header::new(Name::RecordRoute, "<sip:10.0.0.3;lr>"));
        }
        assert_eq!(Dialog::as_server(&invite, "o").unwrap_err().name, Name::RecordRoute);
    }
}
