//! Registrations by which the carrier calls us on the flow that they came by (RFC 5626).

use std::time::Duration;

use bytes::Bytes;
use patchcord::sip::config::Trunk;
use patchcord::sip::message::{Header, Message, Name, NameAddr, Request, Response};
use patchcord::sip::trunk::keep_alive::PING;
use patchcord::sip::{Flow, Transport};
use patchcord::stun;

use super::net::{Net, address, media};
use super::trunks::{self, answer};

const KEPT: (Name, &str) = (Name::Require, "outbound");

fn registering(change: impl Fn(&mut Trunk)) -> Net {
    trunks::registering(|trunk| {
        trunk.profile.outbound = true;
        change(trunk);
    })
}

fn contact(request: &Request) -> NameAddr {
    request.headers.contacts().unwrap().list()[0].clone()
}

fn supported(request: &Request) -> Vec<String> {
    request.headers.supported().map(str::to_owned).collect()
}

/// How many different REGISTERs were sent.
fn rounds(net: &Net) -> usize {
    let numbers = net.sent.iter().filter_map(|(_, _, _, message)| match message {
        Message::Request(r) if r.method.as_str() == "REGISTER" => Some(r.headers.cseq().unwrap().number),
        _ => None,
    });
    numbers.max().unwrap_or_default() as usize
}

#[test]
fn a_registration_says_which_device_and_flow_it_is_of_the_same_after_a_new_start() {
    let mut net = registering(|_| {});
    let first = net.request("REGISTER");
    assert_eq!(supported(&first), ["outbound", "path"]);
    let instance = contact(&first).params.get("+sip.instance").unwrap().to_owned();
    assert!(instance.starts_with("\"<urn:uuid:") && instance.ends_with(">\""), "{instance}");
    assert_eq!(contact(&first).params.get("reg-id"), Some("1"));
    answer(&mut net, 200, &[KEPT]);
    net.ends[0].endpoint.leave(net.now);
    net.run_ms(20);
    let last = contact(&net.request("REGISTER"));
    let params = ["+sip.instance", "reg-id", "expires"].map(|name| last.params.get(name));
    assert_eq!(params, [Some(instance.as_str()), Some("1"), Some("0")], "it signs the same flow off");
    let again = registering(|trunk| trunk.profile.expires_s = 900).request("REGISTER");
    assert_eq!(contact(&again).params.get("+sip.instance"), Some(instance.as_str()));
    let usual = trunks::registering(|_| {}).request("REGISTER");
    assert!(!contact(&usual).params.has("reg-id") && !contact(&usual).params.has("+sip.instance"));
    assert_eq!(supported(&usual), ["path"]);
}

#[test]
fn a_first_hop_that_keeps_no_flows_is_registered_by_without_and_a_later_one_asked_again() {
    let mut net = registering(|_| {});
    answer(&mut net, 439, &[]);
    let plain = net.request("REGISTER");
    assert_eq!((supported(&plain), rounds(&net)), (vec!["path".to_owned()], 2), "at once");
    assert!(!contact(&plain).params.has("reg-id") && !contact(&plain).params.has("+sip.instance"));
    answer(&mut net, 200, &[(Name::Expires, "120")]);
    net.run(Duration::from_secs(90));
    let refresh = net.request("REGISTER");
    assert_eq!((supported(&refresh), rounds(&net)), (vec!["path".to_owned()], 3), "a refresh asks for no more");
    net.run(Duration::from_secs(300));
    assert_eq!(supported(&net.request("REGISTER")), ["outbound", "path"], "what has run out is begun anew");
}

#[test]
fn a_439_to_who_asks_for_no_flow_is_a_failure_like_any_other() {
    let mut net = registering(|_| {});
    answer(&mut net, 439, &[]);
    answer(&mut net, 439, &[]);
    net.run(Duration::from_secs(14));
    assert_eq!(rounds(&net), 2, "it waits at least 15 s");
    net.run(Duration::from_secs(17));
    assert_eq!(rounds(&net), 3);
}

const SEEN: &str = "203.0.113.7:5060";

/// One that is registered, and called by its flow.
fn kept(change: impl Fn(&mut Trunk), timer: &str) -> Net {
    let mut net = registering(change);
    // A name is asked for first.
    while net.mail.is_empty() {
        net.run_ms(100);
    }
    let flow = net.mail.last().unwrap().0;
    say(&mut net, Flow { local: flow.remote, remote: flow.local, ..flow }, &[KEPT, (Name::FlowTimer, timer)]);
    net
}

/// The carrier says yes to the last REGISTER, by that flow.
fn say(net: &mut Net, flow: Flow, headers: &[(Name, &str)]) {
    let mut response = Response::to(&net.request("REGISTER"), 200).with_to_tag("carrier");
    for (name, value) in headers {
        response.headers.push(Header::new(name.clone(), *value));
    }
    net.inject_by(flow.transport, flow.remote, 0, response.to_bytes());
    net.run_ms(20);
}

/// Lets time pass until something is said to keep a flow alive.
fn next(net: &mut Net, within_s: u64) -> (Flow, Bytes) {
    let before = net.keep_alives.len();
    for _ in 0..within_s * 10 {
        if net.keep_alives.len() > before {
            break;
        }
        net.run_ms(100);
    }
    let (_, flow, bytes) = net.keep_alives.get(before).cloned().expect("a keep-alive");
    (flow, bytes)
}

/// The carrier answers a question by STUN: who asks is seen there.
fn see(net: &mut Net, flow: Flow, question: &[u8], seen: &str) {
    let response = stun::seen_at(question, address(seen)).unwrap();
    let now = net.now;
    net.ends[0].endpoint.handle_stun(now, flow, &stun::Message::parse(&response).unwrap());
    net.run_ms(20);
}

#[test]
fn a_flow_by_udp_is_kept_by_stun_between_the_addresses_of_the_registration_as_often_as_the_carrier_wants_it() {
    let mut net = kept(|_| {}, "10");
    let registered = net.now;
    for _ in 0..20 {
        let (flow, question) = next(&mut net, 11);
        assert_eq!(
            (flow.transport, flow.local, flow.remote),
            (Transport::Udp, address("10.0.0.1:5060"), address("10.0.0.9:5060"))
        );
        see(&mut net, flow, &question, SEEN);
    }
    assert!((160..=203).contains(&(net.now - registered).as_secs()), "each after 8 to 10 s");
    assert_eq!((rounds(&net), net.closed.len()), (1, 0), "it is well");
}

#[test]
fn a_flow_by_udp_that_nobody_answers_on_any_more_is_made_again_by_another_registration() {
    let mut net = kept(|trunk| trunk.address = "two.example.org".parse().unwrap(), "10");
    let (flow, question) = next(&mut net, 11);
    see(&mut net, flow, &question, SEEN);
    next(&mut net, 11);
    let asked = net.keep_alives.len();
    net.run(Duration::from_secs(39));
    assert_eq!((rounds(&net), net.keep_alives.len()), (1, asked + 6), "seven questions, and it waits for the last");
    net.run(Duration::from_secs(2));
    assert_eq!(rounds(&net), 2, "after a second");
    let (new, _) = net.mail.last().unwrap().clone();
    assert_ne!(new.local, flow.remote, "the other address of the trunk has its turn");
    say(&mut net, Flow { local: new.remote, remote: new.local, ..new }, &[KEPT]);
    assert_eq!(next(&mut net, 30).0.remote, new.local, "and is kept from here on");
}

#[test]
fn an_agent_that_is_seen_at_another_address_registers_again_at_once() {
    let mut net = kept(|_| {}, "10");
    let (flow, question) = next(&mut net, 11);
    see(&mut net, flow, &question, SEEN);
    let (_, question) = next(&mut net, 11);
    see(&mut net, Flow { remote: address("10.0.0.66:5060"), ..flow }, &question, "203.0.113.7:9");
    net.run(Duration::from_millis(300));
    assert_eq!(rounds(&net), 1, "who else answers is not heard");
    see(&mut net, flow, &question, "203.0.113.7:31000");
    net.run(Duration::from_secs(2));
    assert_eq!(rounds(&net), 2);
    answer(&mut net, 200, &[KEPT, (Name::FlowTimer, "10")]);
    let (_, question) = next(&mut net, 11);
    see(&mut net, flow, &question, "203.0.113.7:31000");
    net.run(Duration::from_secs(3));
    assert_eq!(rounds(&net), 2, "that address is the flow's from here on");
}

#[test]
fn a_connection_on_which_a_ping_is_not_answered_is_let_go_and_another_one_registered_by() {
    let mut net = kept(|trunk| trunk.transport = Transport::Tcp, "10");
    let (flow, ping) = next(&mut net, 11);
    assert_eq!((flow.transport, ping.as_ref()), (Transport::Tcp, PING));
    let now = net.now;
    net.ends[0].endpoint.handle_pong(now, flow);
    let (_, _) = next(&mut net, 11);
    net.run(Duration::from_millis(9_800));
    assert_eq!((rounds(&net), net.closed.len()), (1, 0));
    net.run(Duration::from_millis(300));
    assert_eq!(net.closed, [flow], "after ten seconds");
    net.run(Duration::from_secs(1));
    assert_eq!(rounds(&net), 2);
}

#[test]
fn flows_that_never_lived_are_made_again_ever_more_rarely() {
    let mut net = kept(|_| {}, "10");
    let mut times = vec![net.now];
    for round in 2..8 {
        while rounds(&net) < round {
            net.run(Duration::from_secs(1));
        }
        times.push(net.now);
        net.run_ms(100);
        answer(&mut net, 200, &[KEPT, (Name::FlowTimer, "10"), (Name::Expires, "86400")]);
    }
    // 8 to 10 s to the first question, 39.5 s for all of them.
    let waits: Vec<u64> = times.windows(2).map(|two| (two[1] - two[0]).as_secs().saturating_sub(49)).collect();
    assert!((13..=32).contains(&waits[0]), "15 to 30 s: {waits:?}");
    assert!((400..=1_000).contains(&waits[5]), "up to 960 s: {waits:?}");
}

#[test]
fn a_carrier_that_does_not_say_that_it_calls_by_the_flow_is_registered_at_as_ever() {
    let mut net = registering(|_| {});
    answer(&mut net, 200, &[(Name::FlowTimer, "10")]);
    net.run(Duration::from_secs(300));
    assert!(net.keep_alives.is_empty() && rounds(&net) == 1);
    let mut plain = trunks::registering(|_| {});
    answer(&mut plain, 200, &[KEPT]);
    plain.run(Duration::from_secs(300));
    assert!(plain.keep_alives.is_empty(), "who has not asked is not called by a flow");
}

#[test]
fn the_contact_of_a_call_says_that_it_is_to_be_reached_by_the_flow_as_long_as_that_is_kept() {
    let mut net = registering(|_| {});
    let target = |net: &mut Net| {
        net.call(0, Some(media(40_000)));
        net.run_ms(20);
        contact(&net.request("INVITE")).uri.to_string()
    };
    assert_eq!(target(&mut net), "sip:patchcord@10.0.0.1:5060");
    answer(&mut net, 200, &[KEPT, (Name::FlowTimer, "10")]);
    assert_eq!(target(&mut net), "sip:patchcord@10.0.0.1:5060;ob");
    net.run(Duration::from_secs(52));
    assert_eq!(target(&mut net), "sip:patchcord@10.0.0.1:5060", "it has failed");
}

#[test]
fn who_has_signed_off_keeps_no_flow() {
    let mut net = kept(|_| {}, "10");
    net.ends[0].endpoint.leave(net.now);
    net.run_ms(20);
    answer(&mut net, 200, &[]);
    net.run(Duration::from_secs(60));
    assert!(net.keep_alives.is_empty());
}
