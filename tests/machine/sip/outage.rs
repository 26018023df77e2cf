//! The outage drill: a carrier's server dies while calls are set up, and what the caller sees, after how many seconds.

use std::net::SocketAddr;
use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Cause, Hangup, Signal};
use patchcord::sip::message::{Header, Message, Name, Request, Response};
use patchcord::sip::{Flow, Transport};

use super::net::{Net, address, media};

const A: usize = 0;
const FIRST: &str = "10.0.0.9:5060";
const SECOND: &str = "10.0.0.8:5060";

/// A gateway whose trunk has two servers, both played by the test.
fn two_servers(seed: u64) -> Net {
    let mut net = Net::with_script(seed, |trunk| trunk.address = "two.example.org".parse().unwrap());
    net.run_ms(0);
    net
}

/// The requests of that method that were sent to an address, and when.
fn sent(net: &Net, method: &str, to: &str) -> Vec<(Duration, Request)> {
    let to: SocketAddr = address(to);
    let all = net.sent.iter().filter(|(_, _, remote, _)| *remote == to);
    let requests = all.filter_map(|(at, _, _, message)| match message {
        Message::Request(request) if request.method.as_str() == method => Some((*at, request.clone())),
        _ => None,
    });
    requests.collect()
}

fn reply(net: &mut Net, from: &str, invite: &Request, status: u16) {
    let contact = format!("<sip:callee@{from}>");
    let tag = if from == FIRST { "one" } else { "two" };
    let response = Response::to(invite, status).with_to_tag(tag).with(Header::new(Name::Contact, contact));
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 2000 RTP/AVP 0\r\n";
    let response = if status == 200 { response.with_body("application/sdp", sdp) } else { response };
    net.inject(address(from), A, response);
}

fn assert_same_request_in_a_new_transaction(first: &Request, second: &Request) {
    for name in [Name::CallId, Name::CSeq, Name::From, Name::To] {
        assert_eq!(first.headers.get(&name), second.headers.get(&name), "{name}");
    }
    assert_eq!(first.uri, second.uri);
    assert_ne!(first.headers.via().unwrap().branch(), second.headers.via().unwrap().branch());
}

fn hang_up(net: &mut Net, leg: LegId) {
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
}

#[test]
fn a_server_that_says_nothing_is_left_for_the_next_after_four_seconds() {
    let mut net = two_servers(1);
    let leg = net.call(A, Some(media(1000)));
    net.run_ms(3990);
    assert!(sent(&net, "INVITE", SECOND).is_empty());
    net.run_ms(20);
    let (first, second) = (sent(&net, "INVITE", FIRST), sent(&net, "INVITE", SECOND));
    assert_eq!(second[0].0 - first[0].0, Duration::from_secs(4));
    assert_same_request_in_a_new_transaction(&first[0].1, &second[0].1);
    reply(&mut net, SECOND, &second[0].1, 180);
    net.run_ms(1000);
    reply(&mut net, SECOND, &second[0].1, 200);
    net.run_ms(30_000);
    assert_eq!(net.words(A), ["Ringing", "answer 2000", "accept"], "of the first server the caller hears nothing");
    assert_eq!(sent(&net, "INVITE", FIRST).len(), first.len(), "what was left is not repeated");
    hang_up(&mut net, leg);
    net.run_ms(20);
    let bye = sent(&net, "BYE", SECOND).remove(0).1;
    net.inject(address(SECOND), A, Response::to(&bye, 200));
    net.assert_all_forgotten();
}

#[test]
fn a_server_that_comes_too_late_is_cancelled_or_acknowledged_and_ended() {
    for status in [180, 200] {
        let mut net = two_servers(2);
        net.call(A, Some(media(1000)));
        net.run_ms(4010);
        let first = sent(&net, "INVITE", FIRST).remove(0).1;
        let second = sent(&net, "INVITE", SECOND).remove(0).1;
        reply(&mut net, SECOND, &second, 200);
        for _ in 0..2 {
            reply(&mut net, FIRST, &first, status);
        }
        net.run_ms(100);
        let expected: &[(&str, usize)] =
            if status == 180 { &[("CANCEL", 1), ("BYE", 0)] } else { &[("CANCEL", 0), ("ACK", 2), ("BYE", 1)] };
        for (method, times) in expected {
            assert_eq!(sent(&net, method, FIRST).len(), *times, "{status} {method}");
        }
        assert_eq!(net.words(A), ["answer 2000", "accept"]);
        assert!(sent(&net, "BYE", SECOND).is_empty(), "the call goes on");
    }
}

#[test]
fn where_no_server_says_anything_the_caller_knows_after_thirty_two_seconds() {
    let mut net = two_servers(3);
    net.call(A, Some(media(1000)));
    net.run_ms(31_990);
    assert!(net.words(A).is_empty());
    net.run_ms(20);
    assert_eq!(net.words(A), ["hangup timeout"]);
    net.assert_all_forgotten();
}

#[test]
fn a_server_without_a_process_is_left_at_once_and_tried_last_for_a_minute() {
    let mut net = two_servers(4);
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let local = net.ends[A].address;
    let first = Flow { transport: Transport::Udp, local, remote: address(FIRST) };
    let now = net.now;
    net.ends[A].endpoint.handle_unreachable(now, first);
    net.run_ms(20);
    let (at, second) = sent(&net, "INVITE", SECOND).remove(0);
    assert!(at < Duration::from_millis(100), "{at:?}");
    assert_same_request_in_a_new_transaction(&sent(&net, "INVITE", FIRST)[0].1, &second);
    reply(&mut net, SECOND, &second, 486);
    net.run_ms(1000);
    assert_eq!(net.words(A), ["hangup busy"]);
    for (wait_s, expected) in [(30, SECOND), (40, FIRST)] {
        net.run(Duration::from_secs(wait_s));
        net.sent.clear();
        net.call(A, Some(media(1000)));
        net.run_ms(20);
        let invite = sent(&net, "INVITE", expected).pop().expect(expected).1;
        reply(&mut net, expected, &invite, 486);
    }
}

#[test]
fn a_server_that_was_heard_is_not_left_because_of_icmp() {
    let mut net = two_servers(5);
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = sent(&net, "INVITE", FIRST).remove(0).1;
    reply(&mut net, FIRST, &invite, 180);
    let first = Flow { transport: Transport::Udp, local: net.ends[A].address, remote: address(FIRST) };
    let now = net.now;
    net.ends[A].endpoint.handle_unreachable(now, first);
    net.run(Duration::from_secs(20));
    assert_eq!(net.words(A), ["Ringing"]);
    assert!(sent(&net, "INVITE", SECOND).is_empty());
}

#[test]
fn a_server_that_is_full_is_left_at_once_and_for_as_long_as_it_says() {
    let mut net = two_servers(6);
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = sent(&net, "INVITE", FIRST).remove(0).1;
    let full = Response::to(&invite, 503).with_to_tag("x").with(Header::new(Name::RetryAfter, "20"));
    net.inject(address(FIRST), A, full);
    net.run_ms(20);
    let (at, second) = sent(&net, "INVITE", SECOND).remove(0);
    assert!(at < Duration::from_millis(100), "{at:?}");
    assert_same_request_in_a_new_transaction(&invite, &second);
    reply(&mut net, SECOND, &second, 503);
    net.run_ms(20);
    assert_eq!(net.words(A).len(), 1, "both are full: the call ends, and says so");
    for (wait_s, expected) in [(10, SECOND), (15, FIRST)] {
        net.run(Duration::from_secs(wait_s));
        net.sent.clear();
        net.call(A, Some(media(1000)));
        net.run_ms(20);
        let invite = sent(&net, "INVITE", expected).pop().expect(expected).1;
        reply(&mut net, expected, &invite, 486);
    }
}

#[test]
fn whoever_hangs_up_while_a_server_is_silent_calls_no_other() {
    let mut net = two_servers(7);
    let leg = net.call(A, Some(media(1000)));
    net.run_ms(1000);
    hang_up(&mut net, leg);
    net.run_ms(10_000);
    assert!(sent(&net, "INVITE", SECOND).is_empty());
    net.assert_all_forgotten();
}

#[test]
fn while_the_name_service_is_down_known_servers_are_called() {
    let mut net = two_servers(8);
    net.names_down = true;
    net.run(Duration::from_secs(3600));
    net.sent.clear();
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    assert_eq!(sent(&net, "INVITE", FIRST).len(), 1, "at once");
}
