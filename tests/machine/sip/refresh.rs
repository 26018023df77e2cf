//! Wishes for a whole picture by INFO (RFC 5168).

use std::time::Duration;

use patchcord::model::Signal;
use patchcord::sip::message::{Message, Method, Request, Response};

use super::calls::talking;
use super::net::Net;

const A: usize = 0;
const B: usize = 1;

fn infos(net: &Net) -> Vec<Request> {
    let requests = net.sent.iter().filter_map(|(.., message)| match message {
        Message::Request(request) if request.method == Method::INFO => Some(request.clone()),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_wish_for_a_whole_picture_goes_out_as_media_control_and_is_heard_once_a_second_at_most() {
    let mut net = Net::pair(30);
    let (a, b) = talking(&mut net);
    for _ in 0..5 {
        net.say(A, a, Signal::Refresh);
        net.run_ms(100);
    }
    assert_eq!(net.words(B), ["Refresh"]);
    let sent = infos(&net);
    let [info] = sent.as_slice() else { panic!("{} requests", sent.len()) };
    assert_eq!(info.headers.content_type().unwrap().unwrap().media_type, "application/media_control+xml");
    assert!(String::from_utf8_lossy(&info.body).contains("<picture_fast_update>"));
    net.run(Duration::from_secs(1));
    net.say(A, a, Signal::Refresh);
    net.say(B, b, Signal::Refresh);
    net.run_ms(100);
    assert_eq!((net.words(A), net.words(B)), (vec!["Refresh".to_owned()], vec!["Refresh".to_owned()]));
}

#[test]
fn a_peer_that_refuses_it_is_not_asked_again_and_stays_in_the_call() {
    for status in [405, 415, 501, 488] {
        let mut net = Net::pair(31);
        let (a, _) = talking(&mut net);
        let b_address = net.ends[B].address;
        net.filter = Box::new(|_, m| matches!(m, Message::Request(r) if r.method == Method::INFO));
        net.say(A, a, Signal::Refresh);
        let request = infos(&net).pop().expect("an INFO");
        net.inject(b_address, A, Response::to(&request, status));
        net.run(Duration::from_secs(2));
        net.say(A, a, Signal::Refresh);
        net.run_ms(100);
        assert_eq!(infos(&net).len(), 1, "{status}");
        assert!(net.words(A).is_empty(), "{status}");
    }
}
