//! The name of a call, end to end (RFC 7989).

use patchcord::base::Dice;
use patchcord::model::{Progress, SessionIds, SessionUuid, Signal, Stage};
use patchcord::sip::message::{Header, Message, Name, Request, Response};

use super::net::{Net, address, media};

const THEIRS: &str = "47755a9de7794ba387653f2099600ef2";
const NIL: &str = "00000000000000000000000000000000";

fn half(seed: u64) -> SessionUuid {
    SessionUuid::random(&mut Dice::for_test(seed))
}

/// What every message says the call is called, in the order in which they were sent.
fn names(net: &mut Net) -> Vec<String> {
    let name = |m: &Message| {
        let headers = match m {
            Message::Request(r) => &r.headers,
            Message::Response(r) => &r.headers,
        };
        headers.get(&Name::SessionId).map(ToString::to_string).unwrap_or_default()
    };
    net.sent.drain(..).map(|(_, _, _, m)| name(&m)).collect()
}

/// The halves that an end heard.
fn heard(net: &mut Net, end: usize) -> Vec<Option<SessionUuid>> {
    let of = |signal: &Signal| if let Signal::Named(ids) = signal { Some(ids.own) } else { None };
    net.take_heard(end).iter().filter_map(|(_, signal)| of(signal)).collect()
}

#[test]
fn every_message_of_a_call_has_both_halves_of_its_name_as_far_as_they_are_known() {
    let mut net = Net::pair(1);
    let (a, b) = (half(1), half(2));
    let leg = net.call_start(0, |start| {
        start.offer =
            Some(patchcord::model::Offer { exchange: patchcord::base::ExchangeId::said(0), description: media(1000) });
        start.about.session_id = Some(a);
    });
    net.run_ms(20);
    let start = net.ends[1].heard.iter().find_map(|(_, s)| if let Signal::Start(s) = s { Some(s) } else { None });
    assert_eq!(start.unwrap().about.session_id, Some(a));
    assert_eq!(names(&mut net), [format!("{a};remote={NIL}"), format!("{NIL};remote={a}")]);
    let theirs = net.incoming(1);
    net.say(1, theirs, Signal::Named(SessionIds { own: Some(a), peer: Some(b) }));
    net.say(1, theirs, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
    net.run_ms(20);
    assert_eq!(names(&mut net), [format!("{b};remote={a}")]);
    assert_eq!(heard(&mut net, 0), [Some(b)]);
    net.say(0, leg, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Cancelled)));
    net.run_ms(100);
    let last = names(&mut net);
    let whole = [format!("{a};remote={b}"), format!("{b};remote={a}"), format!("{a};remote={NIL}")];
    assert!(!last.is_empty() && last.iter().all(|n| n.is_empty() || whole.contains(n)), "{last:?}");
    assert!(last.contains(&whole[1]), "the refusal is named: {last:?}");
}

#[test]
fn a_callee_of_the_older_standard_gets_its_one_name_back() {
    for (said, expected, told) in [
        (half(1).to_string(), half(1).to_string(), None),
        (format!("{THEIRS};remote={}", half(1)), format!("{};remote={THEIRS}", half(1)), THEIRS.parse().ok()),
    ] {
        let mut net = Net::with_script(1, |_| {});
        net.call_start(0, |start| {
            start.offer = Some(patchcord::model::Offer {
                exchange: patchcord::base::ExchangeId::said(0),
                description: media(1000),
            });
            start.about.session_id = Some(half(1));
        });
        net.run_ms(20);
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let ok = Response::to(&net.request("INVITE"), 200)
            .with_to_tag("theirs")
            .with(Header::new(Name::Contact, "<sip:10.0.0.9:5060>"))
            .with(Header::new(Name::SessionId, said))
            .with_body("application/sdp", sdp);
        net.inject(address("10.0.0.9:5060"), 0, ok);
        net.run_ms(20);
        let ack: Request = net.request("ACK");
        assert_eq!(ack.headers.get(&Name::SessionId).unwrap().as_str(), expected);
        assert_eq!(heard(&mut net, 0), told.map(Some).into_iter().collect::<Vec<Option<SessionUuid>>>());
    }
}
