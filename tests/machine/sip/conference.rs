//! A peer that is the focus of a conference: the subscription beside the session, and the list that is heard.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Address, Cause, Hangup, Roster, Signal};
use patchcord::sip::message::{Header, Message, Name, Request, Response, Uri};

use super::net::{Net, address, media};

const A: usize = 0;
const FOCUS: &str = "10.0.0.9:5060";
const ROOM: &str = "<sip:600@10.0.0.9:5060>;isfocus";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A call to a peer that answers with this `Contact`.
fn called(seed: u64, contact: &str) -> (Net, LegId) {
    let mut net = Net::with_script(seed, |_| {});
    let leg = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let ok = Response::to(&net.request("INVITE"), 200)
        .with_to_tag("theirs")
        .with(Header::new(Name::Contact, contact))
        .with_body("application/sdp", SDP);
    net.inject(address(FOCUS), A, ok);
    net.run_ms(20);
    net.take_heard(A);
    (net, leg)
}

/// The same, whose SUBSCRIBE is answered.
fn subscribed(seed: u64) -> (Net, LegId) {
    let (mut net, leg) = called(seed, ROOM);
    accept(&mut net, 3600);
    (net, leg)
}

fn accept(net: &mut Net, expires: u32) {
    let ok = Response::to(&net.request("SUBSCRIBE"), 200)
        .with_to_tag("focus")
        .with(Header::new(Name::Contact, "<sip:600@10.0.0.9:5060>;isfocus"))
        .with(Header::of(Name::Expires, expires));
    net.inject(address(FOCUS), A, ok);
    net.run_ms(20);
}

/// A NOTIFY within the dialog of the last SUBSCRIBE.
fn notify(net: &Net, cseq: u32, state: &str, body: &str) -> Request {
    let subscribe = net.request("SUBSCRIBE");
    let to = subscribe.headers.get(&Name::From).unwrap().as_str().to_owned();
    let target = subscribe.headers.contacts().unwrap().list()[0].uri.clone();
    let request = Request::new(patchcord::sip::message::Method::NOTIFY, target)
        .with(Header::new(
            Name::Via,
            format!("SIP/2.0/UDP {FOCUS};branch=z9hG4bK{}n{cseq}", subscribe.headers.call_id().unwrap()),
        ))
        .with(Header::of(Name::MaxForwards, 70))
        .with(Header::new(Name::From, "<sip:600@10.0.0.9>;tag=focus"))
        .with(Header::new(Name::To, to))
        .with(Header::new(Name::CallId, subscribe.headers.call_id().unwrap()))
        .with_cseq(cseq)
        .with(Header::new(Name::Contact, "<sip:600@10.0.0.9:5060>"))
        .with(Header::new(Name::Event, "conference"))
        .with(Header::new(Name::SubscriptionState, state));
    if body.is_empty() { request } else { request.with_body("application/conference-info+xml", body.to_owned()) }
}

fn info(version: u32, state: &str, users: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
         entity=\"sip:600@10.0.0.9\" state=\"{state}\" version=\"{version}\"><users state=\"{state}\">{users}</users>\
         </conference-info>"
    )
}

fn user(name: &str, state: &str) -> String {
    format!(
        "<user entity=\"sip:{name}@example.org\" state=\"{state}\"><display-text>{name}</display-text>\
         <endpoint entity=\"sip:{name}@192.0.2.1\"><status>connected</status></endpoint></user>"
    )
}

/// Tells, and gives the status of the answer.
fn tell(net: &mut Net, cseq: u32, state: &str, body: &str) -> u16 {
    let request = notify(net, cseq, state, body);
    net.inject(address(FOCUS), A, request);
    net.run_ms(300);
    let status = net.mail.iter().rev().find_map(|(_, m)| match m {
        Message::Response(r) if r.headers.cseq().is_ok_and(|c| c.method.as_str() == "NOTIFY") => Some(r.code()),
        _ => None,
    });
    status.expect("every NOTIFY is answered")
}

/// The lists heard since last asked, as the names in them.
fn lists(net: &mut Net) -> Vec<String> {
    let names = |r: &Roster| r.members.iter().map(|m| m.name.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let heard = net.take_heard(A);
    heard.iter().filter_map(|(_, s)| if let Signal::Roster(r) = s { Some(names(r)) } else { None }).collect()
}

/// The SUBSCRIBEs that came, each once.
fn subscribes(net: &Net) -> Vec<Request> {
    let of = |m: &Message| match m {
        Message::Request(r) if r.method.as_str() == "SUBSCRIBE" => Some(r.clone()),
        _ => None,
    };
    let mut all: Vec<Request> = net.mail.iter().filter_map(|(_, m)| of(m)).collect();
    let place = |r: &Request| (r.headers.call_id().unwrap().to_string(), r.headers.cseq().unwrap().number);
    all.dedup_by_key(|r| place(r));
    all
}

#[test]
fn a_focus_is_asked_who_is_there_in_a_dialog_of_its_own_and_another_peer_is_not() {
    let (net, _) = called(1, "<sip:600@10.0.0.9:5060>");
    assert!(subscribes(&net).is_empty());
    let (net, _) = called(2, ROOM);
    let (invite, subscribe) = (net.request("INVITE"), net.request("SUBSCRIBE"));
    assert_eq!(subscribe.uri, "sip:600@10.0.0.9:5060".parse::<Uri>().unwrap());
    let header = |name| subscribe.headers.get(&name).unwrap().as_str().to_owned();
    assert_eq!(header(Name::Event), "conference");
    assert_eq!(header(Name::Accept), "application/conference-info+xml");
    assert_eq!(header(Name::Expires), "3600");
    assert_ne!(subscribe.headers.call_id().unwrap(), invite.headers.call_id().unwrap());
    assert_ne!(subscribe.headers.from().unwrap().tag(), invite.headers.from().unwrap().tag());
    assert_eq!(subscribe.headers.to().unwrap().tag(), None);
}

#[test]
fn the_list_is_whole_each_time_and_follows_what_the_focus_tells_of_changes() {
    let (mut net, _) = subscribed(3);
    let first = info(1, "full", &(user("ann", "full") + &user("bob", "full")));
    assert_eq!(tell(&mut net, 1, "active;expires=3600", &first), 200);
    tell(&mut net, 2, "active", &info(2, "partial", &user("cat", "full")));
    tell(&mut net, 3, "active", &info(3, "partial", "<user entity=\"sip:bob@example.org\" state=\"deleted\"/>"));
    assert_eq!(lists(&mut net), ["ann bob", "ann bob cat", "ann cat"]);
    // What was told before says nothing new.
    assert_eq!(tell(&mut net, 4, "active", &first), 200);
    assert_eq!(lists(&mut net), Vec::<String>::new());
}

#[test]
fn a_notify_that_comes_before_the_answer_to_its_subscribe_counts_too() {
    let (mut net, leg) = called(4, ROOM);
    assert_eq!(tell(&mut net, 1, "active;expires=60", &info(0, "full", &user("ann", "full"))), 200);
    assert_eq!(lists(&mut net), ["ann"]);
    accept(&mut net, 60);
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(20);
    assert_eq!(net.request("SUBSCRIBE").headers.to().unwrap().tag(), Some("focus"));
}

#[test]
fn after_a_version_that_is_missing_the_whole_state_is_asked_for_and_counts_whatever_its_number() {
    let (mut net, _) = subscribed(5);
    tell(&mut net, 1, "active", &info(2, "full", &user("ann", "full")));
    let before = subscribes(&net).len();
    tell(&mut net, 2, "active", &info(4, "partial", &user("bob", "full")));
    tell(&mut net, 3, "active", &info(5, "partial", &user("cat", "full")));
    net.run(Duration::from_secs(3));
    assert_eq!(subscribes(&net).len(), before + 1, "asked once");
    assert_eq!(lists(&mut net), ["ann"]);
    accept(&mut net, 3600);
    tell(&mut net, 4, "active", &info(5, "full", &(user("ann", "full") + &user("cat", "full"))));
    tell(&mut net, 5, "active", &info(6, "partial", &user("dan", "full")));
    assert_eq!(lists(&mut net), ["ann cat", "ann cat dan"]);
}

#[test]
fn a_focus_that_knows_no_such_package_costs_the_list_and_not_the_call() {
    for (seed, status) in [(6, 489), (7, 481), (8, 403), (9, 405)] {
        let (mut net, leg) = called(seed, ROOM);
        let refusal = Response::to(&net.request("SUBSCRIBE"), status).with_to_tag("focus");
        net.inject(address(FOCUS), A, refusal);
        net.run(Duration::from_secs(60));
        assert_eq!(net.words(A), Vec::<String>::new(), "{status}");
        assert_eq!(subscribes(&net).len(), 1, "{status}");
        net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
        net.run_ms(20);
        assert_eq!(subscribes(&net).len(), 1, "{status}: there is nothing to end");
        assert_eq!(net.request("BYE").uri, "sip:600@10.0.0.9:5060".parse::<Uri>().unwrap());
    }
}

#[test]
fn a_subscription_is_made_again_before_it_ends_and_ended_with_the_call() {
    let (mut net, leg) = called(10, ROOM);
    accept(&mut net, 200);
    net.run(Duration::from_secs(141));
    let all = subscribes(&net);
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].headers.call_id().unwrap(), all[0].headers.call_id().unwrap());
    assert_eq!(all[1].headers.to().unwrap().tag(), Some("focus"));
    accept(&mut net, 200);
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(20);
    assert_eq!(net.request("SUBSCRIBE").headers.expires().unwrap(), Some(0));
    accept(&mut net, 0);
    let bye = Response::to(&net.request("BYE"), 200);
    net.inject(address(FOCUS), A, bye);
    assert_eq!(tell(&mut net, 9, "terminated;reason=timeout", ""), 200);
    net.assert_all_forgotten();
}

#[test]
fn a_subscription_that_the_focus_deactivates_is_begun_anew_and_one_that_it_ends_empties_the_list() {
    let (mut net, _) = subscribed(11);
    tell(&mut net, 1, "active", &info(7, "full", &user("ann", "full")));
    net.run(Duration::from_secs(3));
    let first = net.request("SUBSCRIBE");
    tell(&mut net, 2, "terminated;reason=deactivated", "");
    let second = net.request("SUBSCRIBE");
    assert_ne!(second.headers.call_id().unwrap(), first.headers.call_id().unwrap());
    accept(&mut net, 3600);
    tell(&mut net, 1, "active", &info(0, "full", &(user("ann", "full") + &user("bob", "full"))));
    tell(&mut net, 2, "terminated;reason=noresource", "");
    assert_eq!(lists(&mut net), ["ann", "ann bob", ""]);
}

#[test]
fn what_is_no_notify_of_the_package_is_refused_and_changes_nothing() {
    let (mut net, _) = subscribed(12);
    tell(&mut net, 1, "active", &info(1, "full", &user("ann", "full")));
    let mut foreign = notify(&net, 2, "active", "");
    foreign.headers.set(Header::new(Name::Event, "presence"));
    net.inject(address(FOCUS), A, foreign);
    net.run_ms(50);
    assert!(net.ladder().contains(&"1>9 489 NOTIFY".to_owned()));
    assert_eq!(tell(&mut net, 3, "active", "<conference-info"), 400);
    assert_eq!(tell(&mut net, 4, "active", &info(2, "full", &"<a>".repeat(40))), 413);
    let mut other = notify(&net, 5, "active", "x");
    other.headers.set(Header::new(Name::ContentType, "text/plain"));
    net.inject(address(FOCUS), A, other);
    net.run_ms(50);
    assert!(net.ladder().contains(&"1>9 415 NOTIFY".to_owned()));
    assert_eq!(lists(&mut net), ["ann"]);
}

#[test]
fn lists_are_told_at_most_four_times_a_second_and_the_last_one_is() {
    let (mut net, _) = subscribed(13);
    for version in 1..=20 {
        let name = format!("u{version}");
        let request = notify(&net, version, "active", &info(version, "full", &user(&name, "full")));
        net.inject(address(FOCUS), A, request);
        net.run_ms(20);
    }
    net.run_ms(500);
    let lists = lists(&mut net);
    assert!((2..=3).contains(&lists.len()), "{lists:?}");
    assert_eq!(lists.last().unwrap(), "u20");
}

#[test]
fn a_pin_behind_the_number_of_a_telephone_is_taken_off_whether_its_comma_is_escaped_or_not() {
    for (seed, dialled) in [(14, "600,,1234%23"), (15, "600%2C%2C1234%23"), (16, "600")] {
        let mut net = Net::with_script(seed, |_| {});
        let invite = Request::new(
            patchcord::sip::message::Method::INVITE,
            format!("sip:{dialled}@10.0.0.1").parse::<Uri>().unwrap(),
        )
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP {FOCUS};branch=z9hG4bKi{seed}")))
        .with(Header::of(Name::MaxForwards, 70))
        .with(Header::new(Name::From, "<sip:bob@10.0.0.9>;tag=b"))
        .with(Header::new(Name::To, "<sip:600@10.0.0.1>"))
        .with(Header::new(Name::CallId, "c"))
        .with(Header::new(Name::Contact, "<sip:bob@10.0.0.9:5060>"))
        .with_cseq(1)
        .with_body("application/sdp", SDP);
        net.inject(address(FOCUS), A, invite);
        let heard = net.take_heard(A);
        let Some((_, Signal::Start(start))) = heard.first() else { panic!("{dialled}: {heard:?}") };
        assert_eq!(start.to, Address::here("600"));
        let keys: patchcord::model::Keys = if seed == 16 { "" } else { ",,1234#" }.parse().unwrap();
        assert!(start.about.keys == keys, "{dialled}");
        assert!(!format!("{start:?}").contains("1234"));
    }
}
