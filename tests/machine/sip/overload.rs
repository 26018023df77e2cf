//! What is to be known of requests before they are taken up.

use patchcord::sip::Transport;
use patchcord::sip::message::{Message, Name};
use patchcord::sip::overload::sketch::Sketch;

use super::doors::{home, last, prove, request};
use super::net::address;

#[test]
fn an_invite_that_was_taken_up_is_known_again_by_its_datagram_and_one_that_was_challenged_is_not() {
    let mut net = home(|_| {});
    let phone = address("10.0.0.7:40000");
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let invite = |cseq| request("INVITE", "sip:600@example.org", cseq).with_body("application/sdp", body);
    let first = invite(1);
    net.inject(phone, 0, first.clone());
    let second = prove(&net, &invite(2), "alice", "wonder");
    net.inject(phone, 0, second.clone());
    assert_eq!(last(&net).1.code(), 100);
    for (invite, is_known) in [(first, false), (second, true)] {
        let bytes = invite.to_bytes();
        let sketch = Sketch::read(&bytes).unwrap();
        assert!(sketch.is_new_call());
        let endpoint = &net.ends[0].endpoint;
        assert_eq!((endpoint.has_transaction(&sketch.key()), endpoint.has_request(&invite)), (is_known, is_known));
    }
}

#[test]
fn who_is_turned_away_hears_503_without_a_time_to_come_back_and_nothing_is_remembered() {
    let mut net = home(|_| {});
    let flow = patchcord::sip::Flow {
        transport: Transport::Tcp,
        local: address("10.0.0.1:5060"),
        remote: address("10.0.0.7:40000"),
    };
    let endpoint = &mut net.ends[0].endpoint;
    endpoint.turn_away(flow, request("INVITE", "sip:600@example.org", 1));
    let Some(patchcord::sip::Output::Transmit { bytes, .. }) = endpoint.poll_output() else { panic!("no answer") };
    let Ok(Message::Response(answer)) = Message::read_datagram(bytes) else { panic!("no response") };
    assert_eq!((answer.code(), answer.headers.get(&Name::RetryAfter)), (503, None));
    assert!(answer.headers.to().unwrap().tag().is_some() && endpoint.is_idle());
}
