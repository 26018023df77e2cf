//! The registrar, on the wire and in time.

use std::time::Duration;

use patchcord::model::Signal;
use patchcord::sip::Transport;
use patchcord::sip::message::{Header, Name, Request, Response};

use super::doors::{home, last, prove, request};
use super::net::{Net, address, media};

const PHONE: &str = "203.0.113.7:40000";

fn register(cseq: u32, contact: &str, expires: Option<u32>) -> Request {
    let mut register = request("REGISTER", "sip:example.org", cseq);
    register.headers.set(Header::new(Name::To, "<sip:alice@example.org>"));
    register.headers.remove(&Name::Contact);
    if !contact.is_empty() {
        register.headers.push(Header::new(Name::Contact, contact));
    }
    if let Some(expires) = expires {
        register.headers.push(Header::of(Name::Expires, expires));
    }
    register
}

/// Registers with a challenge in between; the final response.
fn send(net: &mut Net, from: &str, cseq: u32, change: impl Fn(u32) -> Request) -> Response {
    net.inject(address(from), 0, change(cseq));
    assert_eq!(last(net).1.code(), 401);
    let again = prove(net, &change(cseq + 1), "alice", "wonder");
    net.inject(address(from), 0, again);
    last(net).1
}

fn contacts(response: &Response) -> Vec<String> {
    response.headers.elements(&Name::Contact).map(str::to_owned).collect()
}

const OWN: &str = "<sip:alice@192.168.1.5:5060>";

#[test]
fn a_phone_registers_refreshes_and_signs_out() {
    let mut net = home(|_| {});
    let response = send(&mut net, PHONE, 1, |n| register(n, OWN, Some(120)));
    assert_eq!((response.code(), contacts(&response)), (200, vec![format!("{OWN};expires=120")]));
    let bound = net.ends[0].bound.clone();
    assert_eq!((bound.len(), bound[0].user.as_str()), (1, "alice"));
    net.run(Duration::from_secs(50));
    let response = send(&mut net, PHONE, 3, |n| register(n, "", None));
    assert_eq!(contacts(&response), [format!("{OWN};expires=70")], "a query changes nothing");
    send(&mut net, PHONE, 5, |n| register(n, OWN, Some(120)));
    assert_eq!(net.ends[0].bound, bound, "a refresh is the same binding");
    let response = send(&mut net, PHONE, 7, |n| register(n, OWN, Some(0)));
    assert_eq!((response.code(), contacts(&response).len(), net.ends[0].bound.len()), (200, 0, 0));
}

#[test]
fn a_binding_expires_by_itself() {
    let mut net = home(|_| {});
    send(&mut net, PHONE, 1, |n| register(n, "<sip:alice@192.168.1.5:5060>;expires=60", Some(3000)));
    net.run(Duration::from_secs(59));
    assert_eq!(net.ends[0].bound.len(), 1);
    net.run(Duration::from_secs(2));
    assert!(net.ends[0].bound.is_empty());
    assert_eq!(net.ends[0].endpoint.poll_timeout(), None);
}

#[test]
fn a_call_to_a_registered_phone_goes_to_where_it_registered_from() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut net = home(|_| {});
        net.inject_by(transport, address(PHONE), 0, register(1, OWN, Some(60)).to_bytes());
        let again = prove(&net, &register(2, OWN, Some(60)), "alice", "wonder");
        net.inject_by(transport, address(PHONE), 0, again.to_bytes());
        let contact = net.ends[0].bound[0].contact.clone();
        let leg = net.call_start(0, |start| {
            start.trunk = None;
            start.contact = Some(contact);
            start.to = patchcord::model::Address::here("alice");
            start.from.address = patchcord::model::Address::here("bob");
            start.offer = Some(patchcord::model::Offer { exchange: super::net::said(0), description: media(1000) });
        });
        net.run_ms(20);
        let (flow, _) = net.mail.last().unwrap();
        assert_eq!((flow.local, flow.transport), (address(PHONE), transport));
        let invite = net.request("INVITE");
        assert_eq!(invite.uri.to_string(), "sip:alice@192.168.1.5:5060");
        assert_eq!(invite.headers.to().unwrap().uri.to_string(), "sip:alice@example.org");
        assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:bob@example.org");
        net.inject_by(transport, address(PHONE), 0, Response::to(&invite, 486).with_to_tag("x").to_bytes());
        let heard = net.take_heard(0);
        assert!(matches!(&heard[..], [(l, Signal::Hangup(_))] if *l == leg));
    }
}

#[test]
fn several_phones_of_a_user_are_bound_up_to_a_limit_and_a_star_signs_all_out() {
    let mut net = home(|config| config.registrar.contacts_per_user = 2);
    for n in 0..2u32 {
        let contact = format!("<sip:alice@192.168.1.{n}>;q=0.{n}");
        let response = send(&mut net, PHONE, n * 2 + 1, |c| register(c, &contact, Some(60)));
        assert_eq!(contacts(&response).len(), n as usize + 1);
    }
    let response = send(&mut net, PHONE, 11, |c| register(c, "<sip:alice@192.168.1.9>", Some(60)));
    assert_eq!((response.code(), net.ends[0].bound.len()), (403, 2));
    let response = send(&mut net, PHONE, 13, |c| register(c, "*", Some(60)));
    assert_eq!((response.code(), net.ends[0].bound.len()), (400, 2), "a star expires at once or not at all");
    let response = send(&mut net, PHONE, 15, |c| register(c, "*", Some(0)));
    assert_eq!((response.code(), net.ends[0].bound.len()), (200, 0));
}

#[test]
fn too_short_is_refused_and_too_long_is_cut() {
    let mut net = home(|_| {});
    let response = send(&mut net, PHONE, 1, |n| register(n, OWN, Some(5)));
    assert_eq!((response.code(), response.headers.min_expires().unwrap()), (423, Some(30)));
    let response = send(&mut net, PHONE, 3, |n| register(n, OWN, Some(999_999)));
    assert_eq!(contacts(&response), [format!("{OWN};expires=3600")]);
    let response = send(&mut net, PHONE, 5, |n| register(n, OWN, None));
    assert_eq!(contacts(&response), [format!("{OWN};expires=300")]);
}

#[test]
fn an_older_request_does_not_undo_a_later_one() {
    let mut net = home(|_| {});
    send(&mut net, PHONE, 9, |n| register(n, OWN, Some(60)));
    let response = send(&mut net, PHONE, 3, |n| register(n, OWN, Some(0)));
    assert_eq!((response.code(), net.ends[0].bound.len()), (500, 1));
}

#[test]
fn nobody_registers_somebody_else_but_a_user_may_by_its_number() {
    let mut net = home(|_| {});
    let with_to = |to: &'static str| {
        move |n| {
            let mut register = register(n, OWN, Some(60));
            register.headers.set(Header::new(Name::To, to));
            register
        }
    };
    assert_eq!(send(&mut net, PHONE, 1, with_to("<sip:bob@example.org>")).code(), 403);
    assert!(net.ends[0].bound.is_empty());
    assert_eq!(send(&mut net, PHONE, 3, with_to("<sip:+15550123@example.org>")).code(), 200);
    assert_eq!(net.ends[0].bound[0].user, "alice");
}

#[test]
fn a_phone_that_comes_from_elsewhere_is_bound_there_and_a_broken_connection_unbinds_it() {
    let mut net = home(|_| {});
    send(&mut net, PHONE, 1, |n| register(n, OWN, Some(60)));
    let before = net.ends[0].bound.clone();
    send(&mut net, "203.0.113.7:41000", 3, |n| register(n, OWN, Some(60)));
    assert_eq!(net.ends[0].bound.len(), 1);
    assert_ne!(net.ends[0].bound, before);
    let tcp = |net: &mut Net, request: Request| net.inject_by(Transport::Tcp, address(PHONE), 0, request.to_bytes());
    tcp(&mut net, register(5, "<sip:alice@192.168.1.5;transport=tcp>", Some(60)));
    let again = prove(&net, &register(6, "<sip:alice@192.168.1.5;transport=tcp>", Some(60)), "alice", "wonder");
    tcp(&mut net, again);
    assert_eq!(net.ends[0].bound.len(), 2);
    let flow =
        patchcord::sip::Flow { transport: Transport::Tcp, local: address("10.0.0.1:5060"), remote: address(PHONE) };
    let now = net.now;
    net.ends[0].endpoint.handle_transport_error(now, flow, None);
    net.run_ms(1);
    assert_eq!(net.ends[0].bound.len(), 1);
}

#[test]
fn who_is_taken_out_of_the_directory_is_signed_out() {
    let mut net = home(|_| {});
    send(&mut net, PHONE, 1, |n| register(n, OWN, Some(60)));
    net.ends[0].endpoint.set_directory(std::sync::Arc::default());
    net.run_ms(1);
    assert!(net.ends[0].bound.is_empty());
}

#[test]
fn a_device_that_comes_back_by_another_way_takes_its_own_place() {
    let mut net = home(|_| {});
    let contact = |host: &str| {
        format!("<sip:x@{host}.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:805b434b>\";expires=120")
    };
    let outbound =
        |n: u32, host: &str| register(n, &contact(host), None).with(Header::new(Name::Supported, "path, outbound"));
    let response = send(&mut net, PHONE, 1, |n| outbound(n, "first"));
    assert_eq!(response.headers.require().collect::<Vec<_>>(), ["outbound"]);
    assert!(contacts(&response)[0].contains("+sip.instance=\"<urn:uuid:805b434b>\""), "{:?}", contacts(&response));
    let response = send(&mut net, "203.0.113.9:50000", 3, |n| outbound(n, "second"));
    assert_eq!((contacts(&response).len(), net.ends[0].bound.len()), (1, 1));
    assert!(net.ends[0].bound[0].contact.0.contains("203.0.113.9:50000"), "{:?}", net.ends[0].bound);
    let response = send(&mut net, PHONE, 5, |n| register(n, OWN, Some(120)));
    assert_eq!((contacts(&response).len(), response.headers.require().count()), (2, 0), "another device is another");
}
