//! Changes of a session that is up.

use std::time::Duration;

use patchcord::base::{ExchangeId, LegId};
use patchcord::model::{Answer, Cause, Direction, Hangup, Offer, Signal};
use patchcord::sip::message::{Header, Message, Method, Name, Request};

use super::calls::talking;
use super::net::{Net, media, media_with, said};

const A: usize = 0;
const B: usize = 1;

fn offer(net: &mut Net, end: usize, leg: LegId, n: u32, direction: Direction) {
    let description = media_with(1000 + n as u16, direction);
    net.say(end, leg, Signal::Offer(Offer { exchange: said(n), description }));
}

/// The exchange of the last offer that an end heard, or was asked for.
fn open_exchange(net: &Net, end: usize) -> Option<ExchangeId> {
    net.ends[end].heard.iter().rev().find_map(|(_, s)| match s {
        Signal::Offer(offer) => Some(offer.exchange),
        Signal::Solicit(exchange) => Some(*exchange),
        _ => None,
    })
}

fn answer(net: &mut Net, end: usize, leg: LegId, at: u16) {
    let exchange = open_exchange(net, end).expect("an offer");
    net.say(end, leg, Signal::Answer(Answer { exchange, description: media(at), provisional: false }));
}

fn version(message: &Message) -> u64 {
    let text = String::from_utf8_lossy(message.body()).into_owned();
    let origin = text.lines().find_map(|l| l.strip_prefix("o=")).unwrap().to_owned();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn hold_is_an_offer_in_both_directions_and_the_version_rises_by_one_each_time() {
    let mut net = Net::pair(1);
    let a = net.call(A, Some(media(1000)));
    net.run_ms(30);
    let b = net.incoming(B);
    super::calls::answer(&mut net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.run_ms(100);
    for n in 1..=2 {
        let direction = if n == 1 { Direction::SendOnly } else { Direction::SendRecv };
        offer(&mut net, A, a, n, direction);
        net.run_ms(100);
        answer(&mut net, B, b, 2000 + n as u16);
        net.run_ms(100);
    }
    offer(&mut net, B, b, 7, Direction::SendOnly);
    net.run_ms(100);
    answer(&mut net, A, a, 3000);
    net.run_ms(100);
    assert_eq!(net.words(A)[1..], ["answer 2000", "accept", "answer 2001", "answer 2002", "offer 1007"]);
    assert_eq!(net.words(B), ["start 1000", "offer 1001", "offer 1002", "answer 3000"]);
    let of = |net: &Net, host: &str| -> Vec<u64> {
        let mine = net.sent.iter().filter(|(_, from, ..)| from.to_string().starts_with(host));
        mine.filter(|(.., m)| !m.body().is_empty()).map(|(.., m)| version(m)).collect()
    };
    assert_eq!(of(&net, "10.0.0.1"), [1, 2, 3, 4]);
    assert_eq!(of(&net, "10.0.0.2"), [1, 2, 3, 4]);
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.assert_all_forgotten();
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    let mut net = Net::pair(2);
    let (a, b) = talking(&mut net);
    for (n, cause, status) in [(1, Cause::MediaIncompatible, 488), (2, Cause::Forbidden, 403)] {
        offer(&mut net, A, a, n, Direction::SendRecv);
        net.run_ms(100);
        let exchange = open_exchange(&net, B).unwrap();
        net.say(B, b, Signal::Refuse { exchange, cause });
        net.run_ms(100);
        assert_eq!(net.words(A), [format!("refuse {cause}")]);
        assert!(net.ladder().contains(&format!("2>1 {status} INVITE")));
    }
    offer(&mut net, A, a, 3, Direction::SendRecv);
    net.run_ms(100);
    answer(&mut net, B, b, 2003);
    net.run_ms(100);
    assert_eq!(net.words(A), ["answer 2003"]);
}

#[test]
fn changes_of_both_sides_at_once_meet_491_and_both_come_through_twenty_times() {
    let mut net = Net::pair(3);
    let (a, b) = talking(&mut net);
    for n in 1..=20 {
        offer(&mut net, A, a, n, Direction::SendRecv);
        offer(&mut net, B, b, n, Direction::SendRecv);
        net.run_ms(60);
        let ladder = net.ladder();
        let refused = |line: &str| ladder.iter().filter(|l| *l == line).count();
        assert_eq!((refused("1>2 491 INVITE"), refused("2>1 491 INVITE")), (1, 1), "{ladder:?}");
        // Each side answers what it hears, whenever it comes.
        for _ in 0..100 {
            net.run_ms(100);
            for (end, leg) in [(A, a), (B, b)] {
                let heard = net.take_heard(end);
                for (_, signal) in heard {
                    match signal {
                        Signal::Offer(Offer { exchange, .. }) => {
                            let answer = Answer { exchange, description: media(4), provisional: false };
                            net.say(end, leg, Signal::Answer(answer));
                        }
                        // The peer's came first: as the call does, it is made again.
                        Signal::Refuse { exchange, cause: Cause::Glare } => {
                            assert_eq!(exchange, said(n));
                            offer(&mut net, end, leg, n, Direction::SendRecv);
                        }
                        Signal::Answer(answer) => {
                            assert_eq!(answer.exchange, said(n));
                            net.ends[end].bound.push(patchcord::model::Binding {
                                user: "answered".into(),
                                adapter: patchcord::base::AdapterId(9),
                                contact: patchcord::model::Contact(n.to_string()),
                                preference: patchcord::model::PREFERRED,
                            });
                        }
                        other => panic!("round {n}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!((net.ends[A].bound.len(), net.ends[B].bound.len()), (n as usize, n as usize), "round {n}");
        net.ladder();
    }
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.assert_all_forgotten();
}

#[test]
fn the_side_that_chose_the_call_id_waits_longer_after_a_glare() {
    let mut net = Net::pair(4);
    let (a, b) = talking(&mut net);
    offer(&mut net, A, a, 1, Direction::SendRecv);
    offer(&mut net, B, b, 1, Direction::SendRecv);
    let glare = net.now - net.start;
    net.run(Duration::from_secs(5));
    let again = |host: &str| {
        let sent = net.sent.iter().filter(|(at, from, ..)| *at > glare && from.to_string().starts_with(host));
        let mut invites = sent.filter(|(.., m)| matches!(m, Message::Request(r) if r.method == Method::INVITE));
        invites.next().map(|(at, ..)| *at - glare)
    };
    let caller = again("10.0.0.1");
    let callee = again("10.0.0.2").expect("the callee tries again");
    assert!(callee <= Duration::from_millis(2030), "{callee:?}");
    // The callee's change is open by then, so the caller's is the call's to make again.
    assert_eq!(caller, None);
}

#[test]
fn an_offer_that_met_the_peers_goes_back_to_the_call_when_the_peers_comes_first_and_is_not_sent() {
    let mut net = Net::pair(8);
    let (a, b) = talking(&mut net);
    offer(&mut net, A, a, 1, Direction::SendOnly);
    offer(&mut net, B, b, 1, Direction::SendRecv);
    net.run_ms(60);
    net.ladder();
    net.run(Duration::from_secs(3));
    answer(&mut net, A, a, 3000);
    net.run(Duration::from_secs(10));
    assert_eq!(net.words(A), ["refuse glare", "offer 1001"]);
    assert_eq!(net.words(B), ["answer 3000"]);
    let ladder = net.ladder();
    assert!(!ladder.iter().any(|line| line.starts_with("1>2 INVITE")), "{ladder:?}");
    offer(&mut net, A, a, 2, Direction::SendOnly);
    net.run_ms(100);
    answer(&mut net, B, b, 2002);
    net.run_ms(100);
    assert_eq!(net.words(A), ["answer 2002"], "the call makes it again when it likes");
}

#[test]
fn a_change_that_waits_is_replaced_by_a_newer_one() {
    let mut net = Net::pair(5);
    let (a, b) = talking(&mut net);
    offer(&mut net, A, a, 1, Direction::SendRecv);
    offer(&mut net, A, a, 2, Direction::SendOnly);
    offer(&mut net, A, a, 3, Direction::Inactive);
    net.run_ms(100);
    answer(&mut net, B, b, 2001);
    net.run_ms(100);
    answer(&mut net, B, b, 2003);
    net.run_ms(100);
    assert_eq!(net.words(B), ["offer 1001", "offer 1003"]);
    assert_eq!(net.words(A), ["answer 2001", "answer 2003"]);
}

#[test]
fn a_change_without_an_offer_asks_for_one_and_the_ack_answers_it() {
    let mut net = Net::pair(6);
    let (a, b) = talking(&mut net);
    net.say(A, a, Signal::Solicit(said(1)));
    net.run_ms(100);
    assert_eq!(net.words(B), ["solicit"]);
    net.say(B, b, Signal::Offer(Offer { exchange: said(9), description: media(2009) }));
    net.run_ms(100);
    assert_eq!(open_exchange(&net, A), Some(said(1)), "under the name that it was asked for by");
    answer(&mut net, A, a, 1009);
    net.run_ms(100);
    assert_eq!(net.words(A), ["offer 2009"]);
    assert_eq!(net.words(B), ["answer 1009"]);
    assert_eq!(net.ladder(), ["1>2 INVITE", "2>1 100 INVITE", "2>1 200 INVITE sdp", "1>2 ACK sdp"]);
}

#[test]
fn a_digit_in_an_info_is_heard_and_answered() {
    let mut net = Net::pair(7);
    let (_, _) = talking(&mut net);
    // The peer of A is played: an INFO that B's own side never sends.
    let info = |cseq: u32, media_type: &'static str, body: &'static str| {
        let bye = net_request(&net, Method::INFO, cseq);
        bye.with_body(media_type, body)
    };
    let requests = [
        info(10, "application/dtmf-relay", "Signal=5\r\nDuration=250\r\n"),
        info(11, "application/dtmf", "#"),
        info(12, "application/dtmf-relay", "Signal= 10\r\nDuration= 100\r\n"),
        info(13, "application/dtmf-relay", "Signal=hf\r\n"),
        info(14, "application/dtmf-relay", "nonsense"),
        info(15, "application/unknown", "x"),
    ];
    let from = net.ends[B].address;
    for request in requests {
        net.inject(from, A, request);
    }
    assert_eq!(net.words(A), ["digit 5 250", "digit # 160", "digit * 100"]);
    assert_eq!(
        net.ladder(),
        ["1>2 200 INFO", "1>2 200 INFO", "1>2 200 INFO", "1>2 200 INFO", "1>2 400 INFO", "1>2 415 INFO"]
    );
}

#[test]
fn an_info_of_a_package_is_refused_with_469_which_says_that_we_take_none() {
    let mut net = Net::pair(7);
    let (_, _) = talking(&mut net);
    let info = net_request(&net, Method::INFO, 10)
        .with(Header::new("Info-Package", "nurse"))
        .with_body("application/dtmf-relay", "Signal=5\r\nDuration=250\r\n");
    let from = net.ends[B].address;
    net.inject(from, A, info);
    let Some((.., Message::Response(refused))) = net.sent.last() else { panic!("no response") };
    assert_eq!((refused.code(), refused.reason.as_str()), (469, "Bad Info Package"));
    assert_eq!(refused.headers.get(&"Recv-Info".into()).map(|v| v.as_str()), Some("nil"));
    assert!(net.words(A).is_empty(), "no key is heard");
}

/// A request within the dialog of A, as its peer would send it.
fn net_request(net: &Net, method: Method, cseq: u32) -> Request {
    let dialog = net.ends[A].endpoint.dialogs().next().expect("a dialog");
    Request::new(method.clone(), "sip:patchcord@10.0.0.1:5060".parse::<patchcord::sip::message::Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{cseq}")))
        .with(Header::new(Name::From, &dialog.remote))
        .with(Header::new(Name::To, &dialog.local))
        .with(Header::new(Name::CallId, &dialog.call_id))
        .with_cseq(cseq)
}

#[test]
fn requests_within_a_dialog_are_held_to_its_order_and_to_what_we_can() {
    let mut net = Net::pair(8);
    let (_, _) = talking(&mut net);
    let cases = [
        (Method::OPTIONS, 20, 200),
        (Method::INFO, 19, 500),
        (Method::UPDATE, 21, 200),
        ("FROBNICATE".into(), 22, 501),
        (Method::INFO, 22, 482),
        (Method::INVITE, 23, 488),
    ];
    let from = net.ends[B].address;
    for (method, cseq, status) in cases {
        let mut request = net_request(&net, method.clone(), cseq);
        if method == Method::INVITE {
            request = request.with_body("application/sdp", "nonsense");
        }
        net.inject(from, A, request);
        assert_eq!(net.ladder(), [format!("1>2 {status} {method}")]);
    }
    let required = net_request(&net, Method::INVITE, 30).with(Header::new(Name::Require, "precondition, timer, x"));
    net.inject(from, A, required);
    let Some((.., Message::Response(response))) = net.sent.last() else { panic!("no response") };
    assert_eq!(response.code(), 420);
    assert_eq!(response.headers.get(&Name::Unsupported).unwrap().as_str(), "precondition, x");
    assert!(net.words(A).is_empty());
}

#[test]
fn a_bye_with_the_wrong_tag_or_call_id_is_of_no_dialog() {
    let mut net = Net::pair(9);
    let (_, _) = talking(&mut net);
    let from = net.ends[B].address;
    let mut other_tag = net_request(&net, Method::BYE, 40);
    other_tag.headers.set(Header::new(Name::From, "<sip:x@10.0.0.2>;tag=other"));
    let mut other_call = net_request(&net, Method::BYE, 41);
    other_call.headers.set(Header::new(Name::CallId, "other"));
    net.inject(from, A, other_tag);
    net.inject(from, A, other_call);
    assert_eq!(net.ladder(), ["1>2 481 BYE", "1>2 481 BYE"]);
    assert!(net.words(A).is_empty());
    let right = net_request(&net, Method::BYE, 42).with(Header::new(Name::Reason, "Q.850;cause=41;text=\"gone\""));
    net.inject(from, A, right);
    assert_eq!(net.words(A), ["hangup network"]);
}

#[test]
fn a_second_change_of_the_peer_s_waits_until_the_first_is_answered() {
    let mut net = Net::pair(10);
    let (_, _) = talking(&mut net);
    let from = net.ends[B].address;
    let body = "v=0\r\no=- 1 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 7 RTP/AVP 0\r\n";
    for cseq in [50, 51] {
        let contact = Header::new(Name::Contact, "<sip:b@10.0.0.2:5060>");
        let request = net_request(&net, Method::INVITE, cseq).with(contact).with_body("application/sdp", body);
        net.inject(from, A, request);
    }
    assert_eq!(net.words(A), ["offer 7"]);
    assert_eq!(net.ladder(), ["1>2 100 INVITE", "1>2 500 INVITE"]);
    let bye = net_request(&net, Method::BYE, 52);
    net.inject(from, A, bye);
    assert_eq!(net.ladder(), ["1>2 200 BYE", "1>2 487 INVITE"], "what waits when the session ends gets 487");
    assert_eq!(net.words(A), ["hangup normal"]);
}

#[test]
fn a_peer_that_does_not_answer_a_change_has_lost_the_call() {
    let mut net = Net::pair(11);
    let (a, _) = talking(&mut net);
    net.loss_percent = 100;
    offer(&mut net, A, a, 1, Direction::SendRecv);
    net.run(Duration::from_secs(33));
    assert_eq!(net.words(A), ["hangup timeout"]);
}
