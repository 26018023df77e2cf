//! Provisional responses that must arrive (RFC 3262), and what early dialogs may do then (RFC 3311, RFC 6228, RFC 5009).

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Answer, Cause, Hangup, Progress, Signal, Stage};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response, Uri};

use super::net::{Net, address, media};

const A: usize = 0;
const PEER: &str = "10.0.0.9:5060";

fn sdp(port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

/// A caller that insists on reliable provisional responses: its leg, once it has called.
fn caller(net: &mut Net, offer: bool) -> LegId {
    let mut invite = Request::new(Method::INVITE, "sip:+15550100@10.0.0.1:5060".parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKinvite")))
        .with(Header::new(Name::From, "<sip:+15550111@10.0.0.9>;tag=theirs"))
        .with(Header::new(Name::To, "<sip:+15550100@10.0.0.1>"))
        .with(Header::new(Name::CallId, "reliable"))
        .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
        .with(Header::new(Name::Require, "100rel"))
        .with_cseq(1);
    if offer {
        invite = invite.with_body("application/sdp", sdp(9000));
    }
    net.inject(address(PEER), A, invite);
    net.ladder();
    net.incoming(A)
}

/// A request of the caller's within its early dialog.
fn within(net: &Net, method: Method, cseq: u32) -> Request {
    let dialog = net.ends[A].endpoint.dialogs().next().expect("a dialog");
    Request::new(method.clone(), "sip:patchcord@10.0.0.1:5060".parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bK{method}{cseq}")))
        .with(Header::new(Name::From, &dialog.remote))
        .with(Header::new(Name::To, &dialog.local))
        .with(Header::new(Name::CallId, &dialog.call_id))
        .with_cseq(cseq)
}

fn prack(net: &Net, cseq: u32, rseq: u32) -> Request {
    within(net, Method::PRACK, cseq).with(Header::new(Name::RAck, format!("{rseq} 1 INVITE")))
}

/// The number of the last provisional response that was sent.
fn rseq(net: &Net) -> u32 {
    let last = net.sent.iter().rev().find_map(|(.., m)| match m {
        Message::Response(response) => response.headers.rseq().filter(|_| response.headers.requires("100rel")),
        Message::Request(_) => None,
    });
    last.expect("a reliable response")
}

fn ringing() -> Signal {
    Signal::Progress(Progress { stage: Stage::Ringing, early_media: false })
}

#[test]
fn what_must_arrive_is_repeated_until_its_prack_and_the_next_waits_for_it() {
    let mut net = Net::with_script(1, |_| {});
    let leg = caller(&mut net, true);
    net.say(A, leg, ringing());
    let first = rseq(&net);
    net.run(Duration::from_secs(4));
    assert_eq!(net.ladder(), ["1>9 180 INVITE"; 4], "at once, and after 0.5, 1.5 and 3.5 s");
    super::calls::answer(&mut net, A, leg, 2000, true);
    assert!(net.ladder().is_empty(), "the second waits");
    let wrong = prack(&net, 2, first + 1);
    net.inject(address(PEER), A, wrong);
    let right = prack(&net, 3, first);
    net.inject(address(PEER), A, right);
    let second = rseq(&net);
    assert_eq!(net.ladder(), ["1>9 481 PRACK", "1>9 200 PRACK", "1>9 183 INVITE sdp"]);
    assert_eq!(second, first + 1);
    // The call is accepted, and the 200 waits until the answer in the 183 has arrived.
    super::calls::answer(&mut net, A, leg, 2000, false);
    net.say(A, leg, Signal::Accept);
    assert!(net.ladder().is_empty());
    let last = prack(&net, 4, second);
    net.inject(address(PEER), A, last);
    assert_eq!(net.ladder(), ["1>9 200 PRACK", "1>9 200 INVITE"], "the answer is not said twice");
    let ack = within(&net, Method::ACK, 1);
    net.inject(address(PEER), A, ack);
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(net.ladder(), ["1>9 BYE"]);
}

#[test]
fn a_caller_that_sends_no_prack_hears_504_after_32_seconds() {
    let mut net = Net::with_script(2, |_| {});
    let leg = caller(&mut net, true);
    net.say(A, leg, ringing());
    net.run(Duration::from_millis(31_900));
    assert_eq!(net.ladder().len(), 7);
    net.take_heard(A);
    net.run(Duration::from_millis(200));
    assert_eq!(net.words(A), ["hangup timeout"]);
    assert_eq!(net.ladder(), ["1>9 504 INVITE"]);
}

#[test]
fn a_2xx_does_not_wait_for_what_describes_nothing_and_its_late_prack_is_still_answered() {
    let mut net = Net::with_script(3, |_| {});
    let leg = caller(&mut net, true);
    net.say(A, leg, ringing());
    let rseq = rseq(&net);
    super::calls::answer(&mut net, A, leg, 2000, false);
    net.say(A, leg, Signal::Accept);
    let late = prack(&net, 2, rseq);
    net.inject(address(PEER), A, late);
    let again = prack(&net, 3, rseq);
    net.inject(address(PEER), A, again);
    assert_eq!(net.ladder(), ["1>9 180 INVITE", "1>9 200 INVITE sdp", "1>9 200 PRACK", "1>9 481 PRACK"]);
}

#[test]
fn a_caller_without_an_offer_waits_without_a_word_until_there_is_one_for_it() {
    let mut net = Net::with_script(4, |_| {});
    let leg = caller(&mut net, false);
    net.say(A, leg, ringing());
    net.run(Duration::from_secs(2));
    assert!(net.ladder().is_empty());
    let offer = patchcord::model::Offer { exchange: super::net::said(0), description: media(2000) };
    net.say(A, leg, Signal::Offer(offer));
    net.say(A, leg, Signal::Accept);
    assert_eq!(net.ladder(), ["1>9 200 INVITE sdp"]);
}

#[test]
fn a_caller_may_change_its_media_before_the_answer_once_the_first_answer_has_arrived() {
    let mut net = Net::with_script(5, |_| {});
    let leg = caller(&mut net, true);
    super::calls::answer(&mut net, A, leg, 2000, true);
    net.take_heard(A);
    let number = rseq(&net);
    let early = within(&net, Method::UPDATE, 2).with_body("application/sdp", sdp(9002));
    net.inject(address(PEER), A, early);
    assert_eq!(net.ladder(), ["1>9 183 INVITE sdp", "1>9 500 UPDATE"], "its first offer is not answered for sure");
    // A PRACK may bring an offer too.
    let change = prack(&net, 3, number).with_body("application/sdp", sdp(9004));
    net.inject(address(PEER), A, change);
    for (method, port) in [("PRACK", 9004), ("UPDATE", 9006)] {
        if method == "UPDATE" {
            let update = within(&net, Method::UPDATE, 4).with_body("application/sdp", sdp(port));
            net.inject(address(PEER), A, update);
        }
        let heard = net.take_heard(A);
        let [(_, Signal::Offer(offer))] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(super::net::port(&offer.description), port);
        net.say(
            A,
            leg,
            Signal::Answer(Answer { exchange: offer.exchange, description: media(2002), provisional: false }),
        );
        assert_eq!(net.ladder(), [format!("1>9 200 {method} sdp")]);
    }
    net.say(A, leg, Signal::Accept);
    assert_eq!(net.ladder(), ["1>9 200 INVITE"]);
}

/// A response of the scripted callee's.
fn reply(invite: &Request, status: u16, tag: &str, rseq: Option<u32>, port: Option<u16>) -> Response {
    let mut response = Response::to(invite, status)
        .with_to_tag(tag)
        .with(Header::new(Name::Contact, format!("<sip:{tag}@10.0.0.9:5060>")));
    if let Some(rseq) = rseq {
        response = response.with(Header::new(Name::Require, "100rel")).with(Header::of(Name::RSeq, rseq));
    }
    match port {
        Some(port) => response.with_body("application/sdp", sdp(port)),
        None => response,
    }
}

/// A call to the scripted callee: its leg and its INVITE.
fn calling(seed: u64, with_offer: bool) -> (Net, LegId, Request) {
    let mut net = Net::with_script(seed, |_| {});
    let leg = net.call(A, with_offer.then(|| media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.ladder();
    (net, leg, invite)
}

#[test]
fn reliable_responses_are_acknowledged_once_each_and_in_their_order() {
    let (mut net, leg, invite) = calling(11, true);
    assert!(invite.headers.supports("100rel") && invite.headers.supports("199"));
    let peer = address(PEER);
    for (status, rseq, port) in
        [(180, 7, None), (180, 7, None), (183, 9, Some(1)), (183, 8, Some(2)), (183, 8, Some(2)), (180, 9, None)]
    {
        net.inject(peer, A, reply(&invite, status, "one", Some(rseq), port));
    }
    assert_eq!(
        net.words(A),
        ["Ringing", "early answer 2", "Session with media", "Ringing with media"],
        "what comes out of order is not looked at"
    );
    net.run_ms(20);
    let pracks: Vec<String> = net
        .mail
        .iter()
        .filter_map(|(_, m)| match m {
            Message::Request(r) if r.method == Method::PRACK => Some(r),
            _ => None,
        })
        .map(|r| format!("{} {} {}", r.uri, r.headers.get(&Name::RAck).unwrap(), r.headers.cseq().unwrap().number))
        .collect();
    let to = "sip:one@10.0.0.9:5060";
    assert_eq!(pracks, [format!("{to} 7 1 INVITE 2"), format!("{to} 8 1 INVITE 3"), format!("{to} 9 1 INVITE 4")]);
    net.inject(peer, A, reply(&invite, 200, "one", None, None));
    assert_eq!(net.words(A), ["answer 2", "accept"]);
    net.run_ms(20);
    assert_eq!(net.request("ACK").headers.cseq().unwrap().number, 1);
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(20);
    assert_eq!(net.request("BYE").headers.cseq().unwrap().number, 5, "the numbers go on");
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_its_prack() {
    let (mut net, leg, invite) = calling(12, false);
    net.inject(address(PEER), A, reply(&invite, 183, "one", Some(3), Some(9000)));
    let heard = net.take_heard(A);
    let Some((_, Signal::Offer(offer))) = heard.first() else { panic!("{heard:?}") };
    assert!(net.ladder().is_empty(), "the PRACK waits for the answer");
    let answer = Answer { exchange: offer.exchange, description: media(1000), provisional: false };
    net.say(A, leg, Signal::Answer(answer));
    assert_eq!(net.ladder(), ["1>9 PRACK sdp"]);
    net.inject(address(PEER), A, reply(&invite, 200, "one", None, None));
    assert_eq!(net.words(A), ["accept"]);
    assert_eq!(net.ladder(), ["1>9 ACK"]);
}

/// An UPDATE of the scripted callee's within one of its early dialogs, and how it is answered at once.
fn update(net: &mut Net, invite: &Request, tag: &str, cseq: u32, port: u16) -> Option<u16> {
    let to = invite.headers.get(&Name::To).unwrap();
    let request = Request::new(Method::UPDATE, "sip:patchcord@10.0.0.1:5060".parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKupdate{cseq}{tag}")))
        .with(Header::new(Name::From, format!("{to};tag={tag}")))
        .with(Header::new(Name::To, invite.headers.get(&Name::From).unwrap()))
        .with(Header::new(Name::CallId, invite.headers.get(&Name::CallId).unwrap()))
        .with(Header::new(Name::Contact, "<sip:moved@10.0.0.9:5060>"))
        .with_cseq(cseq)
        .with_body("application/sdp", sdp(port));
    let before = net.sent.len();
    net.inject(address(PEER), A, request);
    match net.sent.get(before) {
        Some((.., Message::Response(response))) => Some(response.code()),
        _ => None,
    }
}

#[test]
fn a_callee_may_change_its_media_before_it_answers_once_its_first_answer_is_acknowledged() {
    let (mut net, leg, invite) = calling(13, true);
    net.inject(address(PEER), A, reply(&invite, 180, "one", Some(1), None));
    assert_eq!(update(&mut net, &invite, "one", 1, 9002), Some(491), "our offer is not answered yet");
    assert_eq!(update(&mut net, &invite, "other", 1, 9002), Some(481));
    net.inject(address(PEER), A, reply(&invite, 183, "one", Some(2), Some(9000)));
    net.take_heard(A);
    assert_eq!(update(&mut net, &invite, "one", 2, 9004), None);
    assert_eq!(update(&mut net, &invite, "one", 3, 9006), Some(500), "one at a time");
    let heard = net.take_heard(A);
    let [(_, Signal::Offer(offer))] = heard.as_slice() else { panic!("{heard:?}") };
    net.ladder();
    let answer = Answer { exchange: offer.exchange, description: media(1002), provisional: false };
    net.say(A, leg, Signal::Answer(answer));
    assert_eq!(net.ladder(), ["1>9 200 UPDATE sdp"]);
    net.inject(address(PEER), A, reply(&invite, 200, "one", None, Some(9000)));
    assert_eq!(net.words(A), ["answer 9004", "accept"], "what was changed is not changed back");
}

#[test]
fn a_branch_that_is_over_gives_the_media_back_to_the_one_before_it() {
    let (mut net, _, invite) = calling(14, true);
    for (status, tag, port) in [(183, "one", Some(1)), (183, "two", Some(2)), (199, "two", None), (199, "one", None)] {
        net.inject(address(PEER), A, reply(&invite, status, tag, None, port));
    }
    assert_eq!(
        net.words(A),
        [
            "early answer 1",
            "Session with media",
            "early answer 2",
            "Session with media",
            "early answer 1",
            "Trying with media",
            "Trying"
        ]
    );
    net.inject(address(PEER), A, reply(&invite, 200, "three", None, Some(3)));
    assert_eq!(net.words(A), ["answer 3", "accept"]);
}

#[test]
fn a_network_that_says_there_is_no_early_media_is_believed() {
    let (mut net, _, invite) = calling(15, true);
    let said =
        |value: &'static str| reply(&invite, 183, "one", None, Some(1)).with(Header::new("P-Early-Media", value));
    for value in ["inactive", "sendonly, inactive", "recvonly;x=y", "gated"] {
        net.inject(address(PEER), A, said(value));
    }
    assert_eq!(
        net.words(A),
        ["early answer 1", "Session", "Session with media", "Session", "Session with media"],
        "where nothing is said, a description is taken for media"
    );
}
