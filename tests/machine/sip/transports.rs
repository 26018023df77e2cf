//! By which transport a request goes, and what its transport says of who sent it.

use std::time::Duration;

use patchcord::model::{Cause, Codec, Entry, Signal};
use patchcord::sip::Transport;
use patchcord::sip::config::TrunkTls;
use patchcord::sip::message::{Header, Message, Name, Request};

use super::doors::{home, last, prove, request};
use super::net::{Net, address, media};

const PHONE: &str = "203.0.113.7:40000";

/// The requests of this method that were sent, as their `Via` says by what and their `Contact` from where.
fn sent(net: &Net, method: &str) -> Vec<(String, String)> {
    let requests = net.sent.iter().filter_map(|(_, _, _, message)| match message {
        Message::Request(request) if request.method.as_str() == method => Some(request),
        _ => None,
    });
    requests.map(|r| (r.headers.via().unwrap().transport.to_string(), contact_of(r))).collect()
}

fn contact_of(request: &Request) -> String {
    request.headers.get(&Name::Contact).map(ToString::to_string).unwrap_or_default()
}

/// An offer that fits into no datagram.
fn long_offer() -> patchcord::model::Description {
    let mut offer = media(4000);
    let codec =
        |n: u8| Codec { payload_type: n, parameters: Some("x".repeat(200)), ..offer.streams[0].codecs[0].clone() };
    offer.streams[0].codecs = (96..103).map(codec).collect();
    offer
}

#[test]
fn what_is_too_long_for_a_datagram_goes_by_tcp_to_a_trunk_that_takes_it_so() {
    for (takes, offer, by) in [(true, long_offer(), "TCP"), (false, long_offer(), "UDP"), (true, media(4000), "UDP")] {
        let mut net = Net::with_script(7, |trunk| trunk.tcp_for_large = takes);
        net.call(0, Some(offer));
        net.run(Duration::from_millis(100));
        let invites = sent(&net, "INVITE");
        assert_eq!((invites.len(), invites[0].0.as_str()), (1, by), "takes TCP: {takes}");
        assert!(!invites[0].1.contains("transport="), "what is short comes by UDP: {}", invites[0].1);
    }
}

#[test]
fn a_message_that_is_too_long_for_a_datagram_goes_by_tcp_to_a_trunk_that_takes_it_so() {
    let mut net = Net::with_script(7, |trunk| trunk.tcp_for_large = true);
    net.write(0, |text| text.body = "long ".repeat(400));
    net.run(Duration::from_millis(100));
    assert_eq!(sent(&net, "MESSAGE")[0].0, "TCP");
    let mut net = Net::with_script(7, |_| {});
    net.write(0, |text| text.body = "long ".repeat(400));
    assert_eq!(net.ends[0].delivered[0].1.as_ref().unwrap_err().cause, Cause::NotSupported);
}

#[test]
fn a_trunk_by_tls_is_known_by_tls_alone() {
    for (by, is_known) in [(Transport::Tls, true), (Transport::Tcp, false), (Transport::Udp, false)] {
        let mut net = Net::with_script(7, |trunk| {
            trunk.transport = Transport::Tls;
            trunk.tls = TrunkTls::default();
        });
        let invite = request("INVITE", "sip:600@10.0.0.1", 1);
        net.inject_by(by, address("10.0.0.9:5060"), 0, Message::Request(invite).to_bytes());
        let entered = net.take_heard(0).into_iter().any(|(_, signal)| match signal {
            Signal::Start(start) => start.entry == Entry::Trunk("peer".into()),
            _ => false,
        });
        assert_eq!(entered, is_known, "{by:?}");
    }
}

#[test]
fn a_browser_at_the_address_of_a_trunk_is_not_the_trunk() {
    let mut net = Net::with_script(7, |_| {});
    let mut invite = request("INVITE", "sip:600@10.0.0.1", 1);
    invite.headers.set(Header::new(Name::Via, "SIP/2.0/WS 10.0.0.9;branch=z9hG4bK1"));
    net.inject_by(Transport::Ws, address("10.0.0.9:5060"), 0, Message::Request(invite).to_bytes());
    assert_eq!(last(&net).1.code(), 401);
}

/// A device that has registered by this transport with this contact.
fn registered(by: Transport, contact: &str) -> Net {
    let mut net = home(|_| {});
    let register = |n: u32| {
        let mut register = request("REGISTER", "sip:example.org", n);
        register.headers.set(Header::new(Name::To, "<sip:alice@example.org>"));
        register.headers.set(Header::new(Name::Contact, contact));
        register
    };
    net.inject_by(by, address(PHONE), 0, Message::Request(register(1)).to_bytes());
    let again = prove(&net, &register(2), "alice", "wonder");
    net.inject_by(by, address(PHONE), 0, Message::Request(again).to_bytes());
    assert_eq!(last(&net).1.code(), 200);
    net
}

#[test]
fn a_device_is_called_on_the_connection_that_it_registered_by_and_told_how_to_come_back() {
    for (by, own, asked, ours) in [
        (Transport::Udp, "<sip:a@192.168.1.5>", "sip:a@192.168.1.5", "<sip:patchcord@10.0.0.1:5060>"),
        (
            Transport::Tls,
            "<sip:a@192.168.1.5;transport=tls>",
            "sip:a@192.168.1.5;transport=tls",
            "<sip:patchcord@10.0.0.1:5060;transport=tls>",
        ),
        (Transport::Tls, "<sips:a@192.168.1.5>", "sips:a@192.168.1.5", "<sips:patchcord@10.0.0.1:5060>"),
        (
            Transport::Ws,
            "<sip:a@x.invalid;transport=ws>",
            "sip:a@x.invalid;transport=ws",
            "<sip:patchcord@10.0.0.1:5060;transport=ws>",
        ),
        (
            Transport::Wss,
            "<sip:a@x.invalid;transport=ws>",
            "sip:a@x.invalid;transport=ws",
            "<sip:patchcord@10.0.0.1:5060;transport=ws>",
        ),
    ] {
        let mut net = registered(by, own);
        let device = net.ends[0].bound[0].contact.clone();
        net.call_start(0, |start| {
            start.trunk = None;
            start.contact = Some(device);
        });
        net.run(Duration::from_millis(100));
        let (_, _, to, message) = net.sent.iter().rev().find(|(_, _, _, m)| matches!(m, Message::Request(_))).unwrap();
        let Message::Request(invite) = message else { unreachable!() };
        assert_eq!((to.to_string().as_str(), invite.uri.to_string().as_str()), (PHONE, asked));
        assert_eq!(invite.headers.via().unwrap().transport.to_string(), by.via_word());
        assert_eq!(contact_of(invite), ours, "{by:?}");
    }
}
