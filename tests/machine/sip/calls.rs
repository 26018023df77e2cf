//! Whole calls between two endpoints, message by message and signal by signal.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Answer, Cause, Detail, Hangup, Offer, Progress, Signal, Stage};
use patchcord::sip::cause;
use patchcord::sip::config::Config;
use patchcord::sip::message::{Header, Message, Method, Name, Response};

use super::net::{Net, address, media, port, said, word};

const A: usize = 0;
const B: usize = 1;

pub fn progress(stage: Stage) -> Signal {
    Signal::Progress(Progress { stage, early_media: false })
}

/// Answers the offer that opened a leg.
pub fn answer(net: &mut Net, end: usize, leg: LegId, at_port: u16, provisional: bool) {
    let start = net.ends[end].heard.iter().find_map(|(l, s)| match s {
        Signal::Start(start) if *l == leg => Some(start.clone()),
        _ => None,
    });
    let exchange = start.expect("a start").offer.expect("an offer").exchange;
    net.say(end, leg, Signal::Answer(Answer { exchange, description: media(at_port), provisional }));
}

/// A call that is up: the legs of A and of B.
pub fn talking(net: &mut Net) -> (LegId, LegId) {
    let a = net.call(A, Some(media(1000)));
    net.run_ms(30);
    let b = net.incoming(B);
    answer(net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.run_ms(100);
    net.ladder();
    net.take_heard(A);
    net.take_heard(B);
    (a, b)
}

fn hangup(cause: Cause) -> Signal {
    Signal::Hangup(Hangup::new(cause))
}

#[test]
fn a_call_rings_is_answered_and_hung_up() {
    let mut net = Net::pair(1);
    let a = net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    net.say(B, b, progress(Stage::Trying));
    net.say(B, b, progress(Stage::Ringing));
    net.run_ms(2000);
    answer(&mut net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.run_ms(1000);
    net.say(A, a, hangup(Cause::Normal));
    net.run_ms(1000);
    assert_eq!(net.words(A), ["Trying", "Ringing", "answer 2000", "accept"]);
    let heard = net.take_heard(B);
    assert_eq!(
        heard.iter().map(|(_, s)| word(s)).collect::<Vec<_>>(),
        ["start 1000", "TakesDigits(true)", "hangup normal"]
    );
    let Signal::Start(start) = &heard[0].1 else { unreachable!() };
    assert_eq!(start.hops_left, 41, "one hop of the 42 is spent");
    assert_eq!((start.from.address.user.as_str(), start.to.user.as_str()), ("+15550111", "+15550100"));
    assert_eq!(start.entry, patchcord::model::Entry::Trunk("peer".into()));
    assert_eq!(
        net.ladder(),
        [
            "1>2 INVITE sdp",
            "2>1 100 INVITE",
            "2>1 180 INVITE",
            "2>1 200 INVITE sdp",
            "1>2 ACK",
            "1>2 BYE",
            "2>1 200 BYE"
        ]
    );
    net.assert_all_forgotten();
}

#[test]
fn the_callee_may_hang_up_too_and_says_why() {
    let mut net = Net::pair(2);
    let (_, b) = talking(&mut net);
    net.say(B, b, hangup(Cause::MediaTimeout));
    net.run_ms(100);
    assert_eq!(net.words(A), ["hangup network"]);
    assert_eq!(net.ladder(), ["2>1 BYE", "1>2 200 BYE"]);
    net.assert_all_forgotten();
}

#[test]
fn both_may_hang_up_at_once_and_nobody_hears_of_it_twice() {
    let mut net = Net::pair(3);
    let (a, b) = talking(&mut net);
    net.say(A, a, hangup(Cause::Normal));
    net.say(B, b, hangup(Cause::Normal));
    net.run_ms(1000);
    assert!(net.words(A).is_empty() && net.words(B).is_empty());
    assert_eq!(net.ladder(), ["1>2 BYE", "2>1 BYE", "2>1 200 BYE", "1>2 200 BYE"]);
    net.assert_all_forgotten();
}

#[test]
fn early_media_is_an_answer_before_the_answer() {
    let mut net = Net::pair(4);
    net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    answer(&mut net, B, b, 2000, true);
    net.say(B, b, Signal::Progress(Progress { stage: Stage::Ringing, early_media: true }));
    net.run_ms(1000);
    net.say(B, b, progress(Stage::Ringing));
    net.run_ms(1000);
    net.say(B, b, Signal::Accept);
    net.run_ms(1000);
    let ladder = net.ladder();
    assert_eq!(
        ladder,
        ["1>2 INVITE sdp", "2>1 100 INVITE", "2>1 183 INVITE sdp", "2>1 180 INVITE", "2>1 200 INVITE sdp", "1>2 ACK"]
    );
    assert_eq!(
        net.words(A),
        ["Trying", "early answer 2000", "Session with media", "Ringing with media", "answer 2000", "accept"],
        "a 180 without a description does not take the early media away"
    );
}

#[test]
fn each_cause_before_the_answer_arrives_by_its_status_and_value() {
    for said in Cause::ALL {
        let mut net = Net::pair(5);
        net.call(A, Some(media(1000)));
        net.run_ms(25);
        let b = net.incoming(B);
        net.say(B, b, hangup(said));
        net.run_ms(1000);
        let row = cause::row(said);
        // A gateway that is full says so of itself, by another status than what it hears of others.
        let status = cause::final_status(&Hangup::new(said));
        let heard = net.take_heard(A);
        let Some((_, Signal::Hangup(heard))) = heard.last() else { panic!("{said}: no hang-up") };
        assert_eq!(heard.cause, cause::of_status(status, Some(row.q850)), "{said}");
        let detail = heard.detail.as_ref().unwrap();
        assert_eq!((detail.sip_status, detail.q850), (Some(status), Some(row.q850)), "{said}");
        assert_eq!(net.ladder()[2..], [format!("2>1 {status} INVITE"), "1>2 ACK".into()], "{said}");
        net.assert_all_forgotten();
    }
}

#[test]
fn the_status_and_value_of_a_far_wire_go_on_word_for_word() {
    let mut net = Net::pair(6);
    net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    let detail =
        Detail { sip_status: Some(410), q850: Some(22), text: Some("moved away".into()), ..Default::default() };
    net.say(B, b, Signal::Hangup(Hangup { cause: Cause::NotFound, detail: Some(detail.clone()) }));
    net.run_ms(1000);
    let heard = net.take_heard(A);
    assert_eq!(heard.last().unwrap().1, Signal::Hangup(Hangup { cause: Cause::NotFound, detail: Some(detail) }));
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut net = Net::pair(7);
    let a = net.call(A, Some(media(1000)));
    net.say(A, a, hangup(Cause::Cancelled));
    assert_eq!(net.ladder(), ["1>2 INVITE sdp"]);
    net.run_ms(1000);
    assert_eq!(
        net.ladder(),
        ["2>1 100 INVITE", "1>2 CANCEL", "2>1 200 CANCEL", "2>1 487 INVITE", "1>2 ACK"],
        "exactly one 487 and one ACK"
    );
    assert!(net.words(A).is_empty());
    assert_eq!(net.words(B), ["start 1000", "hangup cancelled"]);
    net.assert_all_forgotten();
}

#[test]
fn a_cancel_has_the_branch_and_number_of_its_invite_and_no_body() {
    let mut net = Net::pair(8);
    let a = net.call(A, Some(media(1000)));
    net.run_ms(100);
    net.say(A, a, hangup(Cause::AnsweredElsewhere));
    let find = |method: &Method| {
        net.sent.iter().find_map(|(.., m)| match m {
            Message::Request(r) if r.method == *method => Some(r.clone()),
            _ => None,
        })
    };
    let (invite, cancel) = (find(&Method::INVITE).unwrap(), find(&Method::CANCEL).unwrap());
    assert_eq!(cancel.uri, invite.uri);
    for name in [Name::Via, Name::From, Name::To, Name::CallId] {
        assert_eq!(cancel.headers.get(&name), invite.headers.get(&name), "{name}");
    }
    assert_eq!(cancel.headers.cseq().unwrap().number, invite.headers.cseq().unwrap().number);
    assert!(cancel.body.is_empty() && !cancel.headers.has(&Name::Require) && !cancel.headers.has(&Name::Contact));
    let reason = cancel.headers.get(&Name::Reason).unwrap();
    assert_eq!(reason.as_str(), "SIP;cause=200;text=\"Call completed elsewhere\"");
    net.run_ms(1000);
    assert_eq!(net.words(B), ["start 1000", "hangup answered-elsewhere"]);
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut net = Net::pair(9);
    let a = net.call(A, Some(media(1000)));
    net.run_ms(100);
    let b = net.incoming(B);
    net.ladder();
    answer(&mut net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.say(A, a, hangup(Cause::Cancelled));
    net.run_ms(1000);
    let ladder = net.ladder();
    for line in ["2>1 200 INVITE sdp", "1>2 CANCEL", "2>1 200 CANCEL", "1>2 ACK", "1>2 BYE", "2>1 200 BYE"] {
        assert_eq!(ladder.iter().filter(|l| *l == line).count(), 1, "{line} in {ladder:?}");
    }
    assert_eq!(ladder.len(), 6, "{ladder:?}");
    assert_eq!(net.words(A), ["Trying"]);
    assert_eq!(net.words(B).last().unwrap(), "hangup normal");
    net.assert_all_forgotten();
}

#[test]
fn a_2xx_without_an_ack_is_repeated_for_32_seconds_and_then_the_call_ends_with_a_sentence() {
    let mut net = Net::pair(10);
    net.filter = Box::new(|_, m| matches!(m, Message::Request(r) if r.method == Method::ACK));
    net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    answer(&mut net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.run(Duration::from_secs(33));
    let ladder = net.ladder();
    assert_eq!(ladder.iter().filter(|l| *l == "2>1 200 INVITE sdp").count(), 11);
    assert_eq!(ladder.iter().filter(|l| *l == "1>2 ACK").count(), 11, "each 2xx gets its ACK again");
    assert_eq!(ladder.iter().filter(|l| *l == "2>1 BYE").count(), 1);
    let heard = net.take_heard(B);
    let Some((_, Signal::Hangup(hangup))) = heard.last() else { panic!("no hang-up") };
    assert_eq!(hangup.cause, Cause::Timeout);
    let sentence = hangup.detail.as_ref().unwrap().text.as_deref().unwrap();
    assert!(sentence.starts_with("the 200 OK was sent 11 times and no ACK came"), "{sentence}");
    assert!(sentence.contains("10.0.0.2:5060"), "{sentence}");
    net.assert_all_forgotten();
}

#[test]
fn who_hangs_up_before_the_ack_says_bye_after_it() {
    let mut net = Net::pair(11);
    net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    net.ladder();
    answer(&mut net, B, b, 2000, false);
    net.say(B, b, Signal::Accept);
    net.say(B, b, hangup(Cause::Normal));
    net.run_ms(1000);
    assert_eq!(net.ladder(), ["2>1 200 INVITE sdp", "1>2 ACK", "2>1 BYE", "1>2 200 BYE"]);
    assert_eq!(net.words(A).last().unwrap(), "hangup normal");
}

#[test]
fn an_invite_without_an_offer_gets_one_in_the_2xx_and_answers_in_the_ack() {
    let mut net = Net::pair(12);
    let a = net.call(A, None);
    net.run_ms(25);
    let b = net.incoming(B);
    net.say(B, b, progress(Stage::Ringing));
    net.say(B, b, Signal::Offer(Offer { exchange: said(0), description: media(2000) }));
    net.say(B, b, Signal::Accept);
    net.run_ms(700);
    let heard = net.take_heard(A);
    let words: Vec<String> = heard.iter().map(|(_, s)| word(s)).collect();
    assert_eq!(words, ["Trying", "TakesDigits(true)", "Ringing", "offer 2000", "accept"]);
    let Signal::Offer(offer) = &heard[3].1 else { unreachable!() };
    assert_eq!(port(&offer.description), 2000);
    let answer = Answer { exchange: offer.exchange, description: media(1000), provisional: false };
    net.say(A, a, Signal::Answer(answer));
    net.run_ms(1000);
    assert_eq!(net.words(B), ["start", "answer 1000"]);
    assert_eq!(
        net.ladder(),
        ["1>2 INVITE", "2>1 100 INVITE", "2>1 180 INVITE", "2>1 200 INVITE sdp", "2>1 200 INVITE sdp", "1>2 ACK sdp"],
        "the 2xx is repeated until the answer is there"
    );
    net.say(A, a, hangup(Cause::Normal));
    net.assert_all_forgotten();
}

#[test]
fn an_ack_without_the_answer_that_it_owes_ends_the_call_at_once() {
    let mut net = Net::pair(13);
    let a = net.call(A, None);
    net.run_ms(25);
    let b = net.incoming(B);
    net.say(B, b, Signal::Offer(Offer { exchange: said(0), description: media(2000) }));
    net.say(B, b, Signal::Accept);
    net.run_ms(25);
    // A gives up without answering; its ACK is empty.
    net.say(A, a, hangup(Cause::MediaIncompatible));
    net.run_ms(25);
    assert_eq!(net.words(B), ["start", "hangup media-incompatible"]);
    let ladder = net.ladder();
    assert!(ladder.contains(&"1>2 ACK".to_owned()) && ladder.contains(&"2>1 BYE".to_owned()), "{ladder:?}");
}

#[test]
fn the_call_takes_tcp_where_the_trunk_does() {
    let mut net = Net::pair_with(14, |trunk| trunk.transport = patchcord::sip::Transport::Tcp);
    let (a, _) = talking(&mut net);
    net.say(A, a, hangup(Cause::Normal));
    net.run_ms(100);
    assert_eq!(net.words(B), ["hangup normal"]);
    net.assert_all_forgotten();
}

#[test]
fn a_peer_that_is_not_there_ends_the_call_after_32_seconds_or_when_the_network_says_so() {
    let mut net = Net::with_script(15, |_| {});
    net.call(A, Some(media(1000)));
    net.run(Duration::from_secs(31));
    assert!(net.words(A).is_empty());
    net.run(Duration::from_secs(2));
    assert_eq!(net.words(A), ["hangup timeout"]);
    net.call(A, Some(media(1000)));
    let (now, flow) = (net.now, net.mail[0].0);
    let flow = patchcord::sip::Flow { local: flow.remote, remote: flow.local, ..flow };
    net.ends[A].endpoint.handle_transport_error(now, flow, None);
    net.run_ms(1);
    assert_eq!(net.words(A), ["hangup network"]);
    net.assert_all_forgotten();
}

#[test]
fn ringing_is_repeated_every_minute() {
    let mut net = Net::pair(16);
    net.call(A, Some(media(1000)));
    net.run_ms(25);
    let b = net.incoming(B);
    net.say(B, b, progress(Stage::Ringing));
    net.say(B, b, progress(Stage::Ringing));
    net.run(Duration::from_secs(130));
    let ladder = net.ladder();
    assert_eq!(ladder.iter().filter(|l| *l == "2>1 180 INVITE").count(), 3, "{ladder:?}");
}

#[test]
fn a_call_to_nowhere_ends_at_once() {
    let mut net = Net::pair(17);
    net.call_start(A, |start| start.trunk = Some("no such".into()));
    net.call_start(A, |start| start.trunk = None);
    assert_eq!(net.words(A), ["hangup unavailable", "hangup unavailable"]);
    assert!(net.ladder().is_empty());
}

#[test]
fn over_a_network_that_loses_a_third_every_call_still_starts_and_ends_once_on_each_side() {
    for seed in 0..60 {
        let mut net = Net::pair(seed);
        net.loss_percent = 33;
        let a = net.call(A, Some(media(1000)));
        net.run(Duration::from_secs(8));
        let started = net.ends[B].heard.iter().any(|(_, s)| matches!(s, Signal::Start(_)));
        if started {
            let b = net.incoming(B);
            match seed % 4 {
                0 => net.say(B, b, hangup(Cause::Busy)),
                1 => net.say(A, a, hangup(Cause::Cancelled)),
                _ => {
                    answer(&mut net, B, b, 2000, false);
                    net.say(B, b, Signal::Accept);
                    net.run(Duration::from_secs(20));
                    let (end, leg) = if seed % 4 == 2 { (A, a) } else { (B, b) };
                    net.say(end, leg, hangup(Cause::Normal));
                }
            }
        }
        net.run(Duration::from_secs(120));
        for (end, leg) in [(A, Some(a)), (B, None)] {
            let heard = net.take_heard(end);
            let leg = leg.or(heard.first().map(|(l, _)| *l));
            let hangups = heard.iter().filter(|(l, s)| Some(*l) == leg && matches!(s, Signal::Hangup(_))).count();
            assert!(hangups <= 1, "seed {seed}: {hangups} hang-ups");
            assert!(heard.iter().all(|(l, _)| Some(*l) == leg), "seed {seed}: a leg too many");
            if let Some(at) = heard.iter().position(|(_, s)| matches!(s, Signal::Hangup(_))) {
                assert_eq!(at, heard.len() - 1, "seed {seed}: something after the hang-up");
            }
        }
        net.assert_all_forgotten();
    }
}

#[test]
fn where_a_blocked_caller_may_complain_goes_on_or_is_what_the_configuration_says() {
    const CARD: &str = "https://block.example.net/card.jws";
    // A carrier's 608 is heard with its card, and no other word of another purpose or another status.
    for (status, info, expected) in [
        (608, format!("<http://x.example>;purpose=icon, <{CARD}>; Purpose=jwscard"), Some(CARD)),
        (608, format!("<{CARD}>;purpose=card"), None),
        (608, "<http://block.example.net>;purpose=jwscard".to_owned(), None),
        (607, format!("<{CARD}>;purpose=jwscard"), None),
    ] {
        let mut net = Net::with_script(30, |_| {});
        net.call(A, Some(media(1000)));
        net.run_ms(20);
        let refusal = Response::to(&net.request("INVITE"), status)
            .with_to_tag("theirs")
            .with(Header::new(Name::CallInfo, info.as_str()));
        net.inject(address("10.0.0.9:5060"), A, refusal);
        let heard = net.take_heard(A).into_iter().find_map(|(_, signal)| match signal {
            Signal::Hangup(hangup) => hangup.detail.and_then(|detail| detail.complaints),
            _ => None,
        });
        assert_eq!(heard.as_deref(), expected, "{status} {info}");
    }
    let said = |configured: Option<&str>, cause: Cause, detail: Option<Detail>| {
        let mut net = Net::new(31);
        let config = Config { open: true, complaints: configured.map(str::to_owned), ..Config::default() };
        net.add("10.0.0.1:5060", config, Default::default());
        net.inject(address("10.0.0.9:5060"), A, super::doors::request("INVITE", "sip:600@10.0.0.1", 1));
        let leg = net.incoming(A);
        net.say(A, leg, Signal::Hangup(Hangup { cause, detail }));
        let Some((.., Message::Response(response))) = net.sent.last() else { panic!("no response") };
        response.headers.get(&Name::CallInfo).map(ToString::to_string)
    };
    let theirs = Detail { complaints: Some(CARD.into()), ..Detail::default() };
    let ours = "https://example.org/card";
    assert_eq!(said(Some(ours), Cause::Blocked, Some(theirs)), Some(format!("<{CARD}>;purpose=jwscard")));
    assert_eq!(said(Some(ours), Cause::Blocked, None), Some(format!("<{ours}>;purpose=jwscard")));
    assert_eq!(said(None, Cause::Blocked, None), None);
    assert_eq!(said(Some(ours), Cause::Unwanted, None), None);
}
