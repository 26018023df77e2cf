//! All numbers of an account registered at once (RFC 6140).

use patchcord::model::{Address, Entry, Signal};
use patchcord::sip::Transport;
use patchcord::sip::config::{NumberFormat, Trunk};
use patchcord::sip::message::{Header, Name, Request};

use super::doors::request;
use super::net::{Net, address};
use super::trunks::{self, answer};

fn registering(change: impl Fn(&mut Trunk)) -> Net {
    trunks::registering(|trunk| {
        trunk.user = Some("pbx".into());
        trunk.profile.bulk = true;
        change(trunk);
    })
}

fn value(request: &Request, name: &Name) -> String {
    request.headers.get(name).map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_bulk_registration_names_our_address_without_a_number_and_requires_that_it_is_understood() {
    let net = registering(|_| {});
    let register = net.request("REGISTER");
    assert_eq!(value(&register, &Name::Contact), "<sip:10.0.0.1:5060;bnc>;expires=600");
    assert_eq!((value(&register, &Name::Require), value(&register, &Name::ProxyRequire)), ("gin".into(), "gin".into()));
    assert_eq!(value(&register, &Name::Supported), "path");
    let usual = registering(|trunk| trunk.profile.bulk = false).request("REGISTER");
    assert!(!usual.headers.has(&Name::Require) && !value(&usual, &Name::Contact).contains("bnc"));
}

#[test]
fn what_is_granted_to_the_contact_without_a_number_counts() {
    let mut net = registering(|_| {});
    answer(&mut net, 200, &[(Name::Contact, "<sip:10.0.0.1:5060;bnc>;expires=120"), (Name::Expires, "3600")]);
    let count = |net: &Net| {
        net.sent.iter().filter(|(_, _, _, m)| m.headers().cseq().unwrap().method.as_str() == "REGISTER").count()
    };
    let before = count(&net);
    net.run(std::time::Duration::from_secs(100));
    assert!(count(&net) > before, "it is refreshed before the 120 s are over");
}

#[test]
fn a_call_to_any_number_of_a_bulk_registration_is_the_trunks_by_its_request_uri() {
    let mut net = registering(|trunk| trunk.profile.number_format = NumberFormat::Plain);
    let call = |net: &mut Net, from: &str, number: &str, cseq: u32| {
        let mut invite = request("INVITE", &format!("sip:{number}@10.0.0.1:5060"), cseq);
        invite.headers.set(Header::new(Name::To, "<sip:main@carrier>"));
        invite.headers.set(Header::new(Name::CallId, format!("call{cseq}")));
        net.inject_by(Transport::Udp, address(from), 0, invite.to_bytes());
        net.take_heard(0).into_iter().find_map(|(_, signal)| match signal {
            Signal::Start(start) => Some((start.entry, start.to)),
            _ => None,
        })
    };
    answer(&mut net, 200, &[]);
    for (cseq, number) in [(1, "4930123456"), (2, "+4930123499")] {
        let (entry, to) = call(&mut net, "10.0.0.9:5099", number, cseq).expect("a call");
        let expected = format!("+{}", number.trim_start_matches('+'));
        assert_eq!((entry, to), (Entry::Trunk("peer".into()), Address::here(expected)));
    }
    assert_eq!(call(&mut net, "10.0.0.66:5060", "4930123456", 3), None, "whoever else calls is asked for a password");
}

#[test]
fn a_carrier_that_does_not_know_bulk_registrations_is_left_alone_for_a_while() {
    let mut net = registering(|_| {});
    answer(&mut net, 420, &[(Name::Unsupported, "gin")]);
    let sent = net.sent.len();
    net.run(std::time::Duration::from_secs(14));
    assert_eq!(net.sent.len(), sent, "it waits at least 15 s");
    net.run(std::time::Duration::from_secs(20));
    assert!(net.sent.len() > sent);
}
