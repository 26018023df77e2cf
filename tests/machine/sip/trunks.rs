//! What is done at a carrier besides calling: registering, asking whether it is there, telling it who calls.

use std::time::Duration;

use patchcord::base::Secret;
use patchcord::model::{Address, Entry, Signal};
use patchcord::sip::config::{IdentityForm, NumberFormat, Trunk};
use patchcord::sip::message::{Header, Message, Name, Request, Response, Uri};

use super::net::{Net, address, media};

const CARRIER: &str = "10.0.0.9:5060";
const SHA256: &str = "Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";
const MD5: &str = "Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"";

/// A gateway that has an account at the carrier, and registers there.
pub fn registering(change: impl Fn(&mut Trunk)) -> Net {
    let mut net = Net::with_script(1, |trunk| {
        trunk.user = Some("account".into());
        trunk.password = Some(Secret::new("right"));
        trunk.profile.register = true;
        change(trunk);
    });
    net.run_ms(20);
    net
}

/// The carrier answers the last REGISTER.
pub fn answer(net: &mut Net, status: u16, headers: &[(Name, &str)]) {
    let mut response = Response::to(&net.request("REGISTER"), status);
    for (name, value) in headers {
        response.headers.push(Header::new(name.clone(), *value));
    }
    net.inject(address(CARRIER), 0, response.with_to_tag("carrier"));
    net.run_ms(20);
}

fn expires(request: &Request) -> u32 {
    request.headers.expires().unwrap().unwrap()
}

fn contact(request: &Request) -> Uri {
    request.headers.contacts().unwrap().list()[0].uri.clone()
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().unwrap().number
}

/// The times of the first sending of each REGISTER, in seconds.
fn rounds(net: &Net) -> Vec<u64> {
    let mut seen = 0;
    let mut times = Vec::new();
    for (at, _, _, message) in &net.sent {
        if let Message::Request(request) = message
            && request.method.as_str() == "REGISTER"
            && cseq(request) > seen
        {
            seen = cseq(request);
            times.push(at.as_secs());
        }
    }
    times
}

#[test]
fn a_trunk_is_registered_at_with_the_strongest_proof_it_asks_for_and_again_before_that_runs_out() {
    let mut net = registering(|_| {});
    let first = net.request("REGISTER");
    assert_eq!((first.uri.to_string().as_str(), expires(&first)), ("sip:10.0.0.9:5060", 600));
    assert_eq!(first.headers.to().unwrap().uri.to_string(), "sip:account@10.0.0.9");
    assert!(!first.headers.has(&Name::Authorization));
    answer(&mut net, 401, &[(Name::WwwAuthenticate, MD5), (Name::WwwAuthenticate, SHA256)]);
    let second = net.request("REGISTER");
    assert_eq!((cseq(&second), second.headers.call_id().unwrap()), (2, first.headers.call_id().unwrap()));
    let proof = second.headers.get(&Name::Authorization).unwrap().to_string();
    assert!(proof.contains("SHA-256") && proof.contains("username=\"account\""), "{proof}");
    let granted = format!("<{}>;expires=120", contact(&second));
    answer(&mut net, 200, &[(Name::Contact, granted.as_str()), (Name::Expires, "3600")]);
    net.run(Duration::from_secs(50));
    assert_eq!(rounds(&net).len(), 2, "too early to ask again");
    net.run(Duration::from_secs(40));
    let refresh = net.request("REGISTER");
    assert_eq!((cseq(&refresh), contact(&refresh)), (3, contact(&first)), "well before the 120 s are over");
}

#[test]
fn a_nonce_that_is_too_old_is_replaced_and_a_time_that_is_too_short_corrected() {
    let mut net = registering(|_| {});
    answer(&mut net, 401, &[(Name::WwwAuthenticate, MD5)]);
    let newer = format!("{}, stale=true", MD5.replace("n1", "n2"));
    answer(&mut net, 401, &[(Name::WwwAuthenticate, newer.as_str())]);
    let third = net.request("REGISTER");
    assert!(third.headers.get(&Name::Authorization).unwrap().contains("nonce=\"n2\""));
    answer(&mut net, 423, &[(Name::MinExpires, "1800")]);
    let fourth = net.request("REGISTER");
    assert_eq!((cseq(&fourth), expires(&fourth)), (4, 1800));
}

#[test]
fn a_password_that_is_not_taken_is_not_tried_on_and_on() {
    let mut net = registering(|_| {});
    for _ in 0..3 {
        answer(&mut net, 401, &[(Name::WwwAuthenticate, MD5)]);
    }
    assert_eq!(rounds(&net).len(), 3);
    net.run(Duration::from_secs(14));
    assert_eq!(rounds(&net).len(), 3, "it waits at least 15 s");
    net.run(Duration::from_secs(17));
    assert_eq!(rounds(&net).len(), 4, "and no more than 30 s");
}

#[test]
fn a_carrier_that_does_not_answer_is_asked_ever_more_rarely_but_never_given_up() {
    let mut net = registering(|_| {});
    net.run(Duration::from_secs(6 * 3600));
    let gaps: Vec<u64> = rounds(&net).windows(2).map(|two| two[1] - two[0]).collect();
    assert!((47..=63).contains(&gaps[0]), "32 s for the request, then 15 to 30: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 1832), "never longer than half an hour: {gaps:?}");
    assert!(gaps.len() < 30 && gaps.last().is_some_and(|gap| *gap >= 900), "{gaps:?}");
}

#[test]
fn a_wait_that_the_carrier_asks_for_is_kept() {
    let mut net = registering(|_| {});
    answer(&mut net, 503, &[(Name::RetryAfter, "300")]);
    net.run(Duration::from_secs(298));
    assert_eq!(rounds(&net).len(), 1);
    net.run(Duration::from_secs(5));
    assert_eq!(rounds(&net).len(), 2);
}

fn invite(uri: &Uri, to: &str, call: u32) -> Request {
    let text = format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK{call}\r\nFrom: <sip:4989555111@carrier>;tag=t\r\n\
         To: <{to}>\r\nCall-ID: c{call}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@10.0.0.9>\r\nMax-Forwards: 9\r\n\
         P-Asserted-Identity: <sip:4989555222@carrier>\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::read_datagram(text.into()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!("a request was written"),
    }
}

#[test]
fn a_call_to_the_contact_is_the_trunks_from_any_port_and_is_for_the_number_in_its_to() {
    let mut net = registering(|trunk| {
        trunk.same_port = true;
        trunk.number = Some("+49301000".into());
        trunk.profile.number_format = NumberFormat::Plain;
    });
    answer(&mut net, 200, &[]);
    let contact = contact(&net.request("REGISTER"));
    let calls = [("sip:4930123456@carrier", "+4930123456"), ("sip:account@carrier", "+49301000")];
    for (call, (to, expected)) in (1..).zip(calls) {
        net.inject(address("10.0.0.9:5099"), 0, invite(&contact, to, call));
        let heard = net.take_heard(0);
        let Some((_, Signal::Start(start))) = heard.into_iter().find(|(_, s)| matches!(s, Signal::Start(_))) else {
            panic!("no call to {to}")
        };
        assert_eq!((start.entry, start.to), (Entry::Trunk("peer".into()), Address::here(expected)));
        assert_eq!(start.from.address, Address::here("+4989555111"), "who is asserted is not believed of this trunk");
    }
    net.inject(address("10.0.0.66:5060"), 0, invite(&contact, "sip:4930123456@carrier", 3));
    assert!(net.take_heard(0).is_empty(), "whoever else knows the contact is asked for a password");
}

#[test]
fn who_leaves_signs_off() {
    let mut net = registering(|_| {});
    answer(&mut net, 200, &[]);
    net.ends[0].endpoint.leave(net.now);
    assert!(net.ends[0].endpoint.is_leaving());
    net.run_ms(20);
    let last = net.request("REGISTER");
    assert_eq!((expires(&last), last.headers.contacts().unwrap().list()[0].params.get("expires")), (0, Some("0")));
    answer(&mut net, 401, &[(Name::WwwAuthenticate, MD5)]);
    assert!(net.request("REGISTER").headers.has(&Name::Authorization));
    answer(&mut net, 200, &[]);
    assert!(!net.ends[0].endpoint.is_leaving());
}

#[test]
fn requests_go_by_the_proxy_and_then_by_the_route_that_the_registrar_names() {
    let mut net = registering(|trunk| {
        trunk.address = "carrier.example.net".parse().unwrap();
        trunk.profile.proxy = Some(CARRIER.parse().unwrap());
    });
    let register = net.request("REGISTER");
    assert_eq!(register.uri.to_string(), "sip:carrier.example.net");
    assert_eq!(register.headers.get(&Name::Route).unwrap().as_str(), "<sip:10.0.0.9:5060;lr>");
    net.call(0, Some(media(40_000)));
    net.run_ms(20);
    let before = net.request("INVITE");
    assert_eq!(before.uri.to_string(), "sip:+15550100@carrier.example.net");
    assert_eq!(before.headers.get(&Name::Route).unwrap().as_str(), "<sip:10.0.0.9:5060;lr>");
    answer(&mut net, 200, &[(Name::ServiceRoute, "<sip:home@10.0.0.9;lr>, <sip:10.0.0.10;lr>")]);
    net.call(0, Some(media(40_000)));
    net.run_ms(20);
    let routes: Vec<String> = net.request("INVITE").headers.elements(&Name::Route).map(str::to_owned).collect();
    assert_eq!(routes, ["<sip:home@10.0.0.9;lr>", "<sip:10.0.0.10;lr>"]);
}

#[test]
fn a_trunk_that_does_not_answer_is_passed_over_at_once_until_it_answers() {
    let mut net = Net::with_script(1, |trunk| trunk.profile.health = Some(Duration::from_secs(30)));
    net.run(Duration::from_secs(9));
    let asked = net.now;
    net.call(0, Some(media(40_000)));
    assert_eq!((net.words(0), net.now), (vec!["hangup unavailable".to_owned()], asked));
    net.run(Duration::from_secs(22));
    let response = Response::to(&net.request("OPTIONS"), 404).with_to_tag("carrier");
    net.inject(address(CARRIER), 0, response);
    net.call(0, Some(media(40_000)));
    net.run_ms(20);
    assert!(net.words(0).is_empty() && net.request("INVITE").uri.user().is_some(), "any answer is one");
}

fn called_with(change: impl Fn(&mut Trunk), private: bool) -> Request {
    let mut net = Net::with_script(1, change);
    net.call_start(0, |start| start.from.private = private);
    net.run_ms(20);
    net.request("INVITE")
}

#[test]
fn each_trunk_is_told_who_calls_in_its_own_way_and_a_hidden_caller_only_behind_privacy() {
    let forms = [
        (IdentityForm::Pai, Name::PAssertedIdentity),
        (IdentityForm::Ppi, Name::PPreferredIdentity),
        (IdentityForm::Rpid, Name::RemotePartyId),
    ];
    for private in [false, true] {
        for (form, name) in &forms {
            let invite = called_with(|trunk| trunk.profile.identity = Some(*form), private);
            let said = invite.headers.get(name).unwrap().to_string();
            assert!(said.starts_with("<sip:+15550111@10.0.0.9>"), "{said}");
            assert_eq!(invite.headers.has(&Name::Privacy), private);
            assert_eq!(invite.headers.from().unwrap().uri.to_string().contains("15550111"), !private);
            for (_, other) in forms.iter().filter(|(f, _)| f != form) {
                assert!(!invite.headers.has(other));
            }
        }
        let plain = called_with(|_| {}, private);
        assert!(forms.iter().all(|(_, name)| !plain.headers.has(name)), "untold unless the trunk is trusted with it");
        assert_eq!(String::from_utf8_lossy(&plain.to_bytes()).contains("15550111"), !private);
    }
}

#[test]
fn numbers_are_written_as_the_trunk_wants_them() {
    let invite = called_with(|trunk| trunk.profile.number_format = NumberFormat::Zeros, false);
    assert_eq!(invite.uri.to_string(), "sip:0015550100@10.0.0.9:5060");
    assert_eq!(invite.headers.from().unwrap().uri.user().unwrap(), "0015550111");
}
