//! UPDATE within a session that is up (RFC 3311).

use patchcord::model::{Answer, Cause, Direction, Offer, Signal};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response, Uri};

use super::calls::talking;
use super::net::{Net, media, media_with, said};

const A: usize = 0;
const B: usize = 1;

/// An UPDATE of the peer's within the dialog of A, with an offer at that port or without one: how it is answered at once.
fn update(net: &mut Net, cseq: u32, port: Option<u16>) -> Option<u16> {
    let dialog = net.ends[A].endpoint.dialogs().next().expect("a dialog");
    let mut request = Request::new(Method::UPDATE, "sip:patchcord@10.0.0.1:5060".parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKupdate{cseq}")))
        .with(Header::new(Name::From, &dialog.remote))
        .with(Header::new(Name::To, &dialog.local))
        .with(Header::new(Name::CallId, &dialog.call_id))
        .with(Header::new(Name::Contact, "<sip:moved@10.0.0.2:5060>"))
        .with_cseq(cseq);
    if let Some(port) = port {
        let body = "v=0\r\no=- 1 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio PORT RTP/AVP 0\r\n";
        request = request.with_body("application/sdp", body.replace("PORT", &port.to_string()));
    }
    let from = net.ends[B].address;
    let before = net.sent.len();
    net.inject(from, A, request);
    (net.sent.len() > before).then(|| last(net).code())
}

fn last(net: &Net) -> Response {
    let last = net.sent.iter().rev().find_map(|(.., m)| match m {
        Message::Response(response) => Some(response.clone()),
        Message::Request(_) => None,
    });
    last.expect("a response")
}

fn answer(net: &mut Net, leg: patchcord::base::LegId, at: u16) {
    let exchange = net.ends[A].heard.iter().rev().find_map(|(_, s)| match s {
        Signal::Offer(offer) => Some(offer.exchange),
        _ => None,
    });
    let exchange = exchange.expect("an offer");
    net.say(A, leg, Signal::Answer(Answer { exchange, description: media(at), provisional: false }));
}

#[test]
fn an_offer_in_an_update_is_answered_in_its_2xx_and_waits_for_no_ack() {
    let mut net = Net::pair(1);
    let (a, _) = talking(&mut net);
    update(&mut net, 50, Some(7000));
    assert_eq!(net.ends[A].heard.len(), 1);
    answer(&mut net, a, 1002);
    assert_eq!(net.words(A), ["offer 7000"]);
    let ok = last(&net);
    assert_eq!(ok.code(), 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("m=audio 1002"));
    assert_eq!(net.ladder(), ["1>2 200 UPDATE sdp"]);
    let dialog = net.ends[A].endpoint.dialogs().next().unwrap();
    assert_eq!(dialog.target.to_string(), "sip:moved@10.0.0.2:5060", "the target is refreshed");
    net.take_heard(A);
    update(&mut net, 51, Some(7002));
    assert_eq!(net.words(A), ["offer 7002"], "the next one waits for nothing");
}

#[test]
fn an_update_without_an_offer_is_answered_at_once_and_the_call_hears_nothing() {
    let mut net = Net::pair(2);
    talking(&mut net);
    assert_eq!(update(&mut net, 50, None), Some(200));
    assert_eq!(net.ladder(), ["1>2 200 UPDATE"]);
    assert!(net.words(A).is_empty());
}

#[test]
fn an_update_meets_491_while_our_offer_is_open_and_500_while_its_own_is() {
    let mut net = Net::pair(3);
    let (a, _) = talking(&mut net);
    net.say(A, a, Signal::Offer(Offer { exchange: said(1), description: media_with(1000, Direction::SendOnly) }));
    assert_eq!(update(&mut net, 50, Some(7000)), Some(491));
    assert_eq!(update(&mut net, 51, None), Some(200), "a refresh without an offer is in nobody's way");
    assert!(net.words(A).is_empty());

    let mut net = Net::pair(4);
    talking(&mut net);
    update(&mut net, 50, Some(7000));
    assert_eq!(update(&mut net, 51, Some(7002)), Some(500));
    assert!(last(&net).headers.retry_after().is_some_and(|after| after.as_secs() < 10));
    assert_eq!(net.words(A), ["offer 7000"]);
}

#[test]
fn a_refused_offer_leaves_the_session_as_it_was() {
    let mut net = Net::pair(5);
    let (a, _) = talking(&mut net);
    update(&mut net, 50, Some(7000));
    let Some((_, Signal::Offer(offer))) = net.ends[A].heard.last().cloned() else { panic!("no offer") };
    net.say(A, a, Signal::Refuse { exchange: offer.exchange, cause: Cause::MediaIncompatible });
    assert_eq!(last(&net).code(), 488);
    net.take_heard(A);
    update(&mut net, 51, Some(7002));
    answer(&mut net, a, 1004);
    assert_eq!((last(&net).code(), net.words(A)), (200, vec!["offer 7002".to_owned()]));
}
