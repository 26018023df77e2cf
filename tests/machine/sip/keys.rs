//! Keys of a keypad by INFO.

use std::time::Duration;

use patchcord::model::{Dtmf, Signal};
use patchcord::sip::message::{Header, Message, Method, Name, Response};

use super::calls::talking;
use super::net::Net;

const A: usize = 0;
const B: usize = 1;

fn key(digit: char, ms: u64) -> Signal {
    Signal::Dtmf(Dtmf { digit, duration: Duration::from_millis(ms) })
}

/// The INFOs that A has sent: their numbers, types and bodies.
fn infos(net: &Net) -> Vec<(u32, String, String)> {
    let from = net.ends[A].address;
    let requests =
        net.sent.iter().filter(|(_, sender, ..)| *sender == from).filter_map(|(.., message)| match message {
            Message::Request(request) if request.method == Method::INFO => Some(request),
            _ => None,
        });
    requests
        .map(|r| {
            let content = r.headers.content_type().unwrap().unwrap().media_type;
            (r.headers.cseq().unwrap().number, content, String::from_utf8_lossy(&r.body).into_owned())
        })
        .collect()
}

#[test]
fn keys_that_the_call_says_go_out_as_infos_one_after_the_other_and_are_heard_in_their_order() {
    let mut net = Net::pair(20);
    let (a, b) = talking(&mut net);
    for digit in ['1', '#', 'D'] {
        net.say(A, a, key(digit, 120));
    }
    net.say(B, b, key('0', 40));
    assert_eq!(infos(&net).len(), 1, "the second waits for the answer to the first");
    net.run_ms(200);
    assert_eq!(net.words(B), ["digit 1 120", "digit # 120", "digit D 120"]);
    assert_eq!(net.words(A), ["digit 0 40"], "both ways");
    let sent = infos(&net);
    assert_eq!(sent[1].1, "application/dtmf-relay");
    assert_eq!(sent[1].2, "Signal=#\r\nDuration=120\r\n");
    assert!(sent.windows(2).all(|two| two[0].0 + 1 == two[1].0), "{sent:?}");
}

#[test]
fn an_info_that_is_lost_is_said_again_and_its_key_is_heard_once() {
    let mut net = Net::pair(21);
    let (a, _) = talking(&mut net);
    // The first INFO and the first answer to it are lost.
    let (mut requests, mut responses) = (0, 0);
    net.filter = Box::new(move |_, message| match message {
        Message::Request(request) if request.method == Method::INFO => {
            requests += 1;
            requests == 1
        }
        Message::Response(response) if response.headers.cseq().is_ok_and(|c| c.method == Method::INFO) => {
            responses += 1;
            responses == 1
        }
        _ => false,
    });
    net.say(A, a, key('5', 100));
    net.say(A, a, key('6', 100));
    net.run(Duration::from_secs(5));
    assert_eq!(net.words(B), ["digit 5 100", "digit 6 100"]);
}

/// Makes B's side answer every INFO with a status, but for those of a type that it takes.
fn refusing(net: &mut Net, a: patchcord::base::LegId, status: u16, taken: Option<&str>, digits: &str) {
    let (b_address, taken) = (net.ends[B].address, taken.map(str::to_owned));
    // What A sends is kept from B, and the test answers.
    net.filter = Box::new(|_, m| matches!(m, Message::Request(r) if r.method == Method::INFO));
    for digit in digits.chars() {
        net.say(A, a, key(digit, 100));
    }
    for _ in 0..8 {
        let before = net.sent.len();
        let open = net.sent.iter().filter_map(|(.., m)| match m {
            Message::Request(r) if r.method == Method::INFO => Some(r.clone()),
            _ => None,
        });
        let Some(request) = open.last() else { return };
        let content = request.headers.content_type().unwrap().unwrap().media_type;
        let status = if taken.as_deref() == Some(content.as_str()) { 200 } else { status };
        net.inject(b_address, A, Response::to(&request, status));
        if net.sent.len() == before {
            return;
        }
    }
}

#[test]
fn a_peer_that_takes_the_bare_key_alone_is_told_so_from_then_on() {
    let mut net = Net::pair(22);
    let (a, _) = talking(&mut net);
    refusing(&mut net, a, 415, Some("application/dtmf"), "12");
    let sent: Vec<_> = infos(&net).into_iter().map(|(_, content, body)| (content, body)).collect();
    let relay = ("application/dtmf-relay".to_owned(), "Signal=1\r\nDuration=100\r\n".to_owned());
    let bare = |key: &str| ("application/dtmf".to_owned(), key.to_owned());
    assert_eq!(sent, [relay, bare("1"), bare("2")]);
    assert!(net.words(A).is_empty());
}

#[test]
fn a_peer_that_refuses_infos_is_known_to_take_none_and_stays_in_the_call() {
    for status in [405, 415, 469, 501] {
        let mut net = Net::pair(23);
        let (a, _) = talking(&mut net);
        refusing(&mut net, a, status, None, "1234");
        assert_eq!(net.words(A), ["TakesDigits(false)"], "{status}");
        assert!(infos(&net).len() <= 2, "what waited is not said: {status}");
    }
    let mut net = Net::pair(24);
    let (a, _) = talking(&mut net);
    refusing(&mut net, a, 481, None, "1");
    assert_eq!(net.words(A), ["hangup timeout"], "the dialog is gone there");
}

#[test]
fn what_a_peer_says_that_it_takes_is_told_to_the_call() {
    for (allow, told) in [(Some("INVITE, ACK, INFO"), 1), (Some("INVITE, ACK, CANCEL"), 0), (None, 0)] {
        let mut net = Net::with_script(25, |_| {});
        net.call(A, Some(super::net::media(1000)));
        net.run_ms(30);
        let (flow, message) = net.mail.pop().expect("an INVITE");
        let Message::Request(invite) = message else { panic!("no request") };
        let mut ringing = Response::to(&invite, 180);
        ringing.headers.set(Header::new(Name::To, "<sip:x@10.0.0.9>;tag=t"));
        if let Some(allow) = allow {
            ringing.headers.push(Header::new(Name::Allow, allow));
        }
        for _ in 0..2 {
            net.inject(flow.remote, A, ringing.clone());
        }
        let heard = net.take_heard(A);
        let words = heard.iter().filter(|(_, s)| *s == Signal::TakesDigits(true)).count();
        assert_eq!(words, told, "{allow:?}: once");
    }
}
