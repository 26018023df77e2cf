//! Transfers that a trunk is asked for (RFC 5589), and who is at the other end after them (RFC 4916): two endpoints, each
//! the other's trunk.

use patchcord::base::LegId;
use patchcord::model::{Address, Cause, Hangup, Party, Replaces, Signal, Stage, Transfer, Transferring};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response};

use super::calls::talking;
use super::net::{Net, address};

const A: usize = 0;
const B: usize = 1;

fn wish(to: &str) -> Transfer {
    Transfer {
        to: Address::here(to),
        replaces: None,
        by: Some(Party::new(Address::here("+15550111"))),
        user_to_user: Default::default(),
    }
}

fn tell(net: &mut Net, leg: LegId, how: Transferring) {
    net.say(B, leg, Signal::Transferring(how));
    net.run_ms(100);
}

fn heard(net: &mut Net) -> Vec<Transferring> {
    let told = net.take_heard(A).into_iter().filter_map(|(_, s)| match s {
        Signal::Transferring(how) => Some(how),
        _ => None,
    });
    told.collect()
}

fn sent(net: &Net, method: Method) -> Request {
    let found = net.sent.iter().rev().find_map(|(.., m)| match m {
        Message::Request(r) if r.method == method => Some(r.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {method}"))
}

#[test]
fn a_trunk_is_asked_by_refer_and_its_notifies_tell_how_it_goes() {
    let mut net = Net::pair(60);
    let (a, b) = talking(&mut net);
    net.say(A, a, Signal::Transfer(wish("+15550199")));
    net.run_ms(100);
    let refer = sent(&net, Method::REFER);
    let header = |name: Name| refer.headers.get(&name).unwrap().to_string();
    assert_eq!(header(Name::ReferTo), "<sip:+15550199@10.0.0.2:5060>");
    assert!(header(Name::ReferredBy).contains("+15550111"));
    let asked = net.take_heard(B).into_iter().find_map(|(_, s)| match s {
        Signal::Transfer(asked) => Some(asked.to),
        _ => None,
    });
    assert_eq!(asked, Some(Address::here("+15550199")));
    tell(&mut net, b, Transferring::Trying(Stage::Ringing));
    tell(&mut net, b, Transferring::Done);
    let expected = [Transferring::Trying(Stage::Trying), Transferring::Trying(Stage::Ringing), Transferring::Done];
    assert_eq!(heard(&mut net), expected);
}

#[test]
fn a_trunk_that_fails_tells_why_and_may_be_asked_again() {
    let mut net = Net::pair(61);
    let (a, b) = talking(&mut net);
    for cause in [Cause::Busy, Cause::NotFound] {
        net.say(A, a, Signal::Transfer(wish("+15550199")));
        net.run_ms(100);
        tell(&mut net, b, Transferring::Failed(cause));
        assert_eq!(heard(&mut net).last(), Some(&Transferring::Failed(cause)));
    }
}

/// A is answered in place of B, which hears nothing of the REFER.
fn answered(status: u16, more: Option<Header>) -> Vec<Transferring> {
    let mut net = Net::pair(62);
    let (a, _) = talking(&mut net);
    net.filter = Box::new(|_, m| matches!(m, Message::Request(r) if r.method == Method::REFER));
    net.say(A, a, Signal::Transfer(wish("+15550199")));
    let refer = sent(&net, Method::REFER);
    let mut response = Response::to(&refer, status);
    if let Some(header) = more {
        response = response.with(header);
    }
    net.inject(address("10.0.0.2:5060"), A, response);
    heard(&mut net)
}

#[test]
fn a_trunk_that_refuses_is_told_from_one_that_fails_and_one_that_keeps_silent_about_it_is_believed() {
    assert_eq!(answered(405, None), [Transferring::Refused(Cause::NotSupported)]);
    assert_eq!(answered(603, None), [Transferring::Refused(Cause::Declined)]);
    assert_eq!(answered(407, None), [Transferring::Refused(Cause::AuthFailed)]);
    assert_eq!(answered(202, Some(Header::new("Refer-Sub", "false"))), [Transferring::Done]);
    assert_eq!(answered(202, None), [Transferring::Trying(Stage::Trying)]);
}

#[test]
fn a_notify_that_nobody_asked_for_is_of_no_subscription() {
    let mut net = Net::pair(63);
    talking(&mut net);
    let dialog = net.ends[B].endpoint.dialogs().next().unwrap().clone();
    let mut dialog = patchcord::sip::dialog::Dialog { local_seq: 40, ..dialog };
    let mut notify = dialog.request(Method::NOTIFY).with(Header::new(Name::Event, "refer"));
    notify.headers.prepend(Header::new(Name::Via, "SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKnotify"));
    net.inject(address("10.0.0.2:5060"), A, notify);
    assert_eq!(net.ladder().last().map(String::as_str), Some("1>2 481 NOTIFY"));
}

#[test]
fn another_call_of_ours_is_named_as_its_peer_sees_it() {
    let mut net = Net::pair(64);
    let (a, _) = talking(&mut net);
    let dialog = net.ends[A].endpoint.dialogs().next().unwrap().clone();
    // The call itself stands for the other one: what counts is whose tag is which.
    let attended = Transfer { replaces: Some(Replaces::Leg(a)), ..wish("+15550199") };
    net.say(A, a, Signal::Transfer(attended));
    let refer = sent(&net, Method::REFER);
    let local: patchcord::sip::message::NameAddr = dialog.local.parse().unwrap();
    let (theirs, ours) = (dialog.remote_tag.unwrap(), local.tag().unwrap().to_owned());
    let expected = format!("?Replaces={}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}>", dialog.call_id);
    assert!(refer.headers.get(&Name::ReferTo).unwrap().ends_with(&expected), "{refer:?}");
}

#[test]
fn who_is_there_is_told_in_from_by_an_update_and_believed_of_a_trunk_once() {
    let mut net = Net::pair(65);
    let (a, _) = talking(&mut net);
    let carol = Party { display: Some("Carol".into()), ..Party::new(Address::here("+15550777")) };
    for _ in 0..2 {
        net.say(A, a, Signal::Connected(carol.clone()));
        net.run_ms(200);
    }
    let connected: Vec<Party> = net
        .take_heard(B)
        .into_iter()
        .filter_map(|(_, s)| match s {
            Signal::Connected(party) => Some(party),
            _ => None,
        })
        .collect();
    assert_eq!(connected, [carol]);
    assert!(sent(&net, Method::UPDATE).body.is_empty());
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(200);
    assert_eq!(net.words(B), ["hangup normal"], "the dialog is the same");
    net.assert_all_forgotten();
}

#[test]
fn a_party_that_does_not_want_to_be_named_is_told_as_nobody() {
    let mut net = Net::pair(66);
    let (a, _) = talking(&mut net);
    let carol = Party { private: true, ..Party::new(Address::here("+15550777")) };
    net.say(A, a, Signal::Connected(carol));
    net.run_ms(200);
    let update = sent(&net, Method::UPDATE);
    assert!(update.headers.get(&Name::From).unwrap().contains("anonymous.invalid"));
    assert!(!update.headers.iter().any(|h| h.value.contains("15550777")));
}
