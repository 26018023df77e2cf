//! Registrations by which the carrier calls us on the flow that they came by (RFC 5626).

use std::time::Duration;

use patchcord::sip::config::Trunk;
use patchcord::sip::message::{Message, Name, NameAddr, Request};

use super::net::Net;
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
