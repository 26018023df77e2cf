//! REFER (RFC 3515) and INVITE with `Replaces` (RFC 3891), from a peer that the test plays.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Address, Cause, Hangup, Replaces, Signal, Stage, Transfer, Transferring};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response};

use super::calls::talking;
use super::net::Net;

const A: usize = 0;
const B: usize = 1;

/// A request of B's within its call with A.
fn within(net: &Net, method: Method, number: u32) -> Request {
    let dialog = net.ends[B].endpoint.dialogs().next().expect("B is in a call").clone();
    let mut dialog = patchcord::sip::dialog::Dialog { local_seq: number, ..dialog };
    let mut request = dialog.request(method);
    let via = format!("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK-refer-{number}");
    request.headers.prepend(Header::new(Name::Via, via));
    request.headers.push(Header::new(Name::Contact, "<sip:b@10.0.0.2>"));
    request
}

fn refer(net: &mut Net, number: u32, to: &str) {
    let request = within(net, Method::REFER, number).with(Header::new(Name::ReferTo, to));
    net.inject("10.0.0.2:5060".parse().unwrap(), A, request);
}

/// What A answered last.
fn status(net: &Net) -> u16 {
    let last = net.sent.iter().rev().find_map(|(_, from, _, m)| match m {
        Message::Response(response) if from.to_string() == "10.0.0.1:5060" => Some(response.code()),
        _ => None,
    });
    last.expect("A answers")
}

/// The NOTIFYs of A: the event, the state, the status.
fn notifies(net: &Net) -> Vec<(String, String, String)> {
    let requests = net.sent.iter().filter_map(|(.., m)| match m {
        Message::Request(request) if request.method == Method::NOTIFY => Some(request),
        _ => None,
    });
    let told = requests.map(|r| {
        let header = |name: Name| r.headers.get(&name).unwrap().to_string();
        assert_eq!(header(Name::ContentType), "message/sipfrag;version=2.0");
        let body = String::from_utf8_lossy(&r.body).trim().to_owned();
        (header(Name::Event), header(Name::SubscriptionState), body)
    });
    let mut told: Vec<_> = told.collect();
    told.dedup();
    told
}

fn bodies(net: &Net) -> Vec<String> {
    notifies(net).into_iter().map(|(_, _, body)| body).collect()
}

/// B, which knows nothing of NOTIFY without a REFER of its own, answers those of A as a telephone does.
fn play_notified(net: &mut Net) {
    net.filter = Box::new(|_, m| match m {
        Message::Request(r) => r.method == Method::NOTIFY,
        Message::Response(_) => false,
    });
}

fn answer_notify(net: &mut Net, status: u16) {
    let last = net.sent.iter().rev().find_map(|(.., m)| match m {
        Message::Request(r) if r.method == Method::NOTIFY => Some(r.clone()),
        _ => None,
    });
    let response = Response::to(&last.expect("a NOTIFY"), status);
    net.inject("10.0.0.2:5060".parse().unwrap(), A, response);
}

fn say(net: &mut Net, leg: LegId, how: Transferring) {
    net.say(A, leg, Signal::Transferring(how));
}

#[test]
fn a_refer_is_taken_and_notifies_tell_how_it_goes_one_after_the_other() {
    let mut net = Net::pair(40);
    let (a, _) = talking(&mut net);
    play_notified(&mut net);
    refer(&mut net, 10, "<sip:carol@10.0.0.1>");
    assert_eq!(status(&net), 202);
    let wish = Transfer { to: Address::here("carol"), replaces: None, by: None, user_to_user: Default::default() };
    assert_eq!(net.take_heard(A).last(), Some(&(a, Signal::Transfer(wish))));
    say(&mut net, a, Transferring::Trying(Stage::Trying));
    say(&mut net, a, Transferring::Trying(Stage::Ringing));
    assert_eq!(bodies(&net), ["SIP/2.0 100 Trying"], "the next waits until this one is answered");
    answer_notify(&mut net, 200);
    answer_notify(&mut net, 200);
    say(&mut net, a, Transferring::Done);
    let expected = [
        ("refer", "active;expires=300", "SIP/2.0 100 Trying"),
        ("refer", "active;expires=300", "SIP/2.0 180 Ringing"),
        ("refer", "terminated;reason=noresource", "SIP/2.0 200 OK"),
    ];
    let told: Vec<_> = notifies(&net);
    let told: Vec<_> = told.iter().map(|(e, s, b)| (e.as_str(), s.as_str(), b.as_str())).collect();
    assert_eq!(told, expected);
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert!(!net.ladder().iter().any(|l| l.ends_with("BYE")), "the BYE waits for the last word");
    answer_notify_again(&mut net);
    assert!(net.ladder().iter().any(|l| l == "1>2 BYE"));
}

/// The last NOTIFY, which the ladder has taken with it, is said again by its timer and answered.
fn answer_notify_again(net: &mut Net) {
    net.run_ms(600);
    answer_notify(net, 200);
}

#[test]
fn a_peer_that_never_answers_a_notify_gets_its_bye_two_seconds_later() {
    let mut net = Net::pair(41);
    let (a, _) = talking(&mut net);
    play_notified(&mut net);
    refer(&mut net, 10, "<sip:carol@10.0.0.1>");
    say(&mut net, a, Transferring::Done);
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run(Duration::from_millis(1900));
    assert!(!net.ladder().iter().any(|l| l.ends_with("BYE")));
    net.run(Duration::from_millis(200));
    assert!(net.ladder().iter().any(|l| l == "1>2 BYE"));
    net.assert_all_forgotten();
}

#[test]
fn a_transfer_that_fails_is_told_by_its_status_and_another_may_follow_by_its_number() {
    let mut net = Net::pair(42);
    let (a, _) = talking(&mut net);
    play_notified(&mut net);
    refer(&mut net, 10, "<sip:carol@10.0.0.1>");
    refer(&mut net, 11, "<sip:dora@10.0.0.1>");
    assert_eq!(status(&net), 491, "one at a time");
    say(&mut net, a, Transferring::Failed(Cause::Busy));
    answer_notify(&mut net, 200);
    refer(&mut net, 12, "<sip:dora@10.0.0.1>");
    assert_eq!(status(&net), 202);
    say(&mut net, a, Transferring::Failed(Cause::Forbidden));
    let told = notifies(&net);
    assert_eq!(told[0].2, "SIP/2.0 486 Busy Here");
    assert_eq!((told[1].0.as_str(), told[1].2.as_str()), ("refer;id=13", "SIP/2.0 403 Forbidden"));
}

#[test]
fn who_wishes_not_to_be_told_is_not_told() {
    let mut net = Net::pair(43);
    let (a, _) = talking(&mut net);
    let request = within(&net, Method::REFER, 10).with(Header::new(Name::ReferTo, "<sip:carol@10.0.0.1>"));
    net.inject("10.0.0.2:5060".parse().unwrap(), A, request.with(Header::new("Refer-Sub", "false")));
    assert_eq!(status(&net), 202);
    say(&mut net, a, Transferring::Trying(Stage::Ringing));
    say(&mut net, a, Transferring::Done);
    assert!(bodies(&net).is_empty());
}

#[test]
fn what_a_refer_cannot_ask_for_is_refused_by_its_own_status() {
    let mut net = Net::pair(44);
    let (_, _) = talking(&mut net);
    net.take_heard(A);
    for (number, to, expected) in [
        (10, "<http://example.org>", 416),
        (11, "<sip:carol@10.0.0.1;method=BYE>", 603),
        (12, "<sip:a@10.0.0.1>, <sip:b@10.0.0.1>", 400),
        (13, "<sip:a@10.0.0.1", 400),
        (14, "<sip:10.0.0.1>", 404),
        (15, "<sip:carol@10.0.0.1?Replaces=x>", 400),
    ] {
        refer(&mut net, number, to);
        assert_eq!(status(&net), expected, "{to}");
    }
    assert!(net.words(A).is_empty(), "the call is not disturbed");
    let mut outside = within(&net, Method::REFER, 16).with(Header::new(Name::ReferTo, "<sip:carol@10.0.0.1>"));
    outside.headers.set(Header::new(Name::CallId, "another"));
    net.inject("10.0.0.2:5060".parse().unwrap(), A, outside.clone());
    assert_eq!(status(&net), 481);
    outside.headers.set(Header::new(Name::CallId, "yet-another"));
    outside.headers.set(Header::new(Name::To, "<sip:a@10.0.0.1>"));
    outside.headers.set(Header::new(Name::Via, "SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK-outside"));
    net.inject("10.0.0.2:5060".parse().unwrap(), A, outside);
    assert_eq!(status(&net), 403, "nobody is sent anywhere from outside a call");
}

#[test]
fn a_refer_from_outside_its_call_is_taken_if_it_names_the_call_comes_by_its_way_and_wishes_not_to_be_told() {
    let mut net = Net::pair(47);
    let (a, _) = talking(&mut net);
    net.take_heard(A);
    let named = replaces(&net).replace("to-tag", "remote-tag").replace("from-tag", "local-tag");
    let stranger = named.replace("local-tag=", "local-tag=x");
    let outside = |net: &mut Net, number: u32, from: &str, targets: &[&str], is_silent: bool| {
        let mut request = within(net, Method::REFER, number).with(Header::new(Name::ReferTo, "<sip:carol@10.0.0.1>"));
        request.headers.set(Header::new(Name::CallId, format!("outside-{number}")));
        request.headers.set(Header::new(Name::To, "<sip:a@10.0.0.1>"));
        request.headers.push(Header::new(Name::Require, "tdialog"));
        for target in targets {
            request.headers.push(Header::new("Target-Dialog", *target));
        }
        if is_silent {
            request.headers.push(Header::new("Refer-Sub", "false"));
        }
        net.inject(from.parse().unwrap(), A, request);
        status(net)
    };
    let peer = "10.0.0.2:5060";
    assert_eq!(outside(&mut net, 20, peer, &[&named], false), 403, "nobody could be told how it goes");
    assert_eq!(outside(&mut net, 21, "10.0.0.9:5060", &[&named], true), 403, "it comes by another way");
    assert_eq!(outside(&mut net, 22, peer, &[&stranger], true), 481, "one tag is not enough");
    assert_eq!(outside(&mut net, 23, peer, &[&named, &named], true), 400);
    assert_eq!(outside(&mut net, 24, peer, &["nothing"], true), 400);
    assert!(net.words(A).is_empty(), "the call is not disturbed");
    assert_eq!(outside(&mut net, 25, peer, &[&named], true), 202);
    let wish = Transfer { to: Address::here("carol"), replaces: None, by: None, user_to_user: Default::default() };
    assert_eq!(net.take_heard(A), [(a, Signal::Transfer(wish))]);
    say(&mut net, a, Transferring::Done);
    assert!(bodies(&net).is_empty());
}

/// The dialog of A's leg as B names it to A: the tags as A, the target, sees them.
fn replaces(net: &Net) -> String {
    let dialog = net.ends[A].endpoint.dialogs().next().expect("A is in a call");
    let ours = dialog.local.to_string();
    let ours = ours.split("tag=").nth(1).unwrap().to_owned();
    let theirs = dialog.remote_tag.clone().unwrap();
    format!("{};to-tag={ours};from-tag={theirs}", dialog.call_id.as_str())
}

#[test]
fn an_attended_transfer_names_our_own_leg_or_a_call_elsewhere() {
    let mut net = Net::pair(45);
    let (a, _) = talking(&mut net);
    let escaped = replaces(&net).replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
    refer(&mut net, 10, &format!("<sip:carol@10.0.0.1?Replaces={escaped}>"));
    let heard = net.take_heard(A).pop().unwrap().1;
    let Signal::Transfer(wish) = heard else { panic!("{heard:?}") };
    assert_eq!(wish.replaces, Some(Replaces::Leg(a)));
    say(&mut net, a, Transferring::Failed(Cause::Busy));
    net.run_ms(100);
    refer(&mut net, 12, "<sip:carol@10.0.0.1?Replaces=1%40x%3Bto-tag%3D2%3Bfrom-tag%3D3>");
    let heard = net.take_heard(A).pop().unwrap().1;
    let Signal::Transfer(wish) = heard else { panic!("{heard:?}") };
    assert_eq!(wish.replaces, Some(Replaces::Elsewhere("1@x;to-tag=2;from-tag=3".into())));
}

fn invite(net: &mut Net, branch: &str, replaces: &[&str]) {
    let uri: patchcord::sip::message::Uri = "sip:alice@10.0.0.1".parse().unwrap();
    let mut request = Request::new(Method::INVITE, uri)
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK-{branch}")))
        .with(Header::new(Name::From, "<sip:carol@10.0.0.2>;tag=carol"))
        .with(Header::new(Name::To, "<sip:alice@10.0.0.1>"))
        .with(Header::new(Name::CallId, branch))
        .with(Header::new(Name::Contact, "<sip:carol@10.0.0.2>"))
        .with(Header::new(Name::MaxForwards, "70"))
        .with(Header::new(Name::Require, "replaces"))
        .with_cseq(1);
    for value in replaces {
        request.headers.push(Header::new(Name::Replaces, *value));
    }
    net.inject("10.0.0.2:5060".parse().unwrap(), A, request);
}

#[test]
fn an_invite_with_replaces_names_the_leg_whose_place_it_takes() {
    let mut net = Net::pair(46);
    let (a, b) = talking(&mut net);
    net.take_heard(A);
    let ours = replaces(&net);
    invite(&mut net, "one", &[&ours]);
    let start = net.take_heard(A).into_iter().find_map(|(_, s)| match s {
        Signal::Start(start) => Some(start),
        _ => None,
    });
    assert_eq!(start.unwrap().about.replaces, Some(Replaces::Leg(a)));
    invite(&mut net, "two", &["nothing;to-tag=1;from-tag=2"]);
    assert_eq!(status(&net), 481);
    let stranger = ours.replace("from-tag=", "from-tag=x");
    invite(&mut net, "three", &[&stranger]);
    assert_eq!(status(&net), 481, "one tag is not enough");
    invite(&mut net, "four", &[&ours, &ours]);
    assert_eq!(status(&net), 400);
    let early = format!("{ours};early-only");
    invite(&mut net, "five", &[&early]);
    assert_eq!(status(&net), 486);
    net.say(B, b, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(100);
    invite(&mut net, "six", &[&ours]);
    assert!([481, 603].contains(&status(&net)), "it is over");
}
