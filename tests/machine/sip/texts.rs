//! Messages between people (RFC 3428), both ways.

use std::time::Duration;

use patchcord::model::{Address, Answer, Cause, Contact, Entry, LONGEST_TEXT, Offer, Party, Signal, Undelivered};
use patchcord::sip::config::{CallerPolicy, Trunk};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response};

use super::doors::{home, last, prove, request};
use super::net::{Net, address, media, said};

const PHONE: &str = "10.0.0.7:40000";
const PEER: &str = "10.0.0.9:5060";

fn message(cseq: u32) -> Request {
    request("MESSAGE", "sip:bob@example.org", cseq).with_body("text/plain;charset=UTF-8", "Grüße")
}

fn failed(cause: Cause) -> Result<(), Undelivered> {
    Err(Undelivered::new(cause))
}

/// A house whose trunk `carrier` is at the address of the phone, so that nobody has to prove anything.
fn open_house() -> Net {
    home(|config| drop(config.trunks.insert("carrier".into(), Trunk::at("10.0.0.7".parse().unwrap()))))
}

#[test]
fn a_phone_proves_its_user_and_hears_200_only_when_the_message_is_delivered() {
    let mut net = home(|_| {});
    net.inject(address(PHONE), 0, message(1));
    assert_eq!(last(&net).1.code(), 401);
    let proven = prove(&net, &message(2), "alice", "wonder");
    net.inject(address(PHONE), 0, proven.clone());
    assert_eq!(last(&net).1.code(), 401, "nothing is said before it is delivered");
    let text = &net.ends[0].texts[0];
    assert_eq!((&text.entry, &text.from.address), (&Entry::User("alice".into()), &Address::here("alice")));
    assert_eq!((&text.to, text.body.as_str()), (&Address::here("bob"), "Grüße"));
    net.run(Duration::from_secs(20));
    net.inject(address(PHONE), 0, proven);
    assert_eq!(net.ends[0].texts.len(), 1, "a request that comes again is the same message");
    net.delivered(0, Ok(()));
    let (to, response) = last(&net);
    assert_eq!((to, response.code()), (address(PHONE), 200));
    assert!(response.body.is_empty() && !response.headers.has(&Name::Contact), "RFC 3428 §7");
    assert!(response.headers.to().unwrap().tag().is_some());
    net.assert_all_forgotten();
}

#[test]
fn why_a_message_was_not_delivered_is_the_final_response() {
    for (cause, status) in [
        (Cause::NotFound, 404),
        (Cause::Forbidden, 403),
        (Cause::Unavailable, 480),
        (Cause::Congestion, 480),
        (Cause::Declined, 603),
        (Cause::MediaIncompatible, 415),
        (Cause::NotSupported, 488),
        (Cause::Timeout, 504),
        (Cause::ServerError, 500),
        (Cause::Maintenance, 503),
    ] {
        let mut net = open_house();
        net.inject(address(PHONE), 0, message(1));
        assert_eq!(net.ends[0].texts[0].entry, Entry::Trunk("carrier".into()));
        net.delivered(0, failed(cause));
        let response = last(&net).1;
        assert_eq!(response.code(), status, "{cause}");
        assert!(response.reason.ends_with(Undelivered::new(cause).sentence()), "{}", response.reason);
        assert_eq!(response.headers.has(&Name::Accept), status == 415);
    }
    for cause in Cause::ALL {
        let mut net = open_house();
        net.inject(address(PHONE), 0, message(1));
        net.delivered(0, failed(cause));
        let status = last(&net).1.code();
        // RFC 4320 §4.1: a 408 to anything but an INVITE does harm.
        assert!(status >= 400 && ![401, 407, 408, 487, 491, 501].contains(&status), "{cause} {status}");
    }
    let mut net = open_house();
    net.inject(address(PHONE), 0, message(1));
    net.delivered(0, Err(Undelivered { cause: Cause::NotFound, why: Some("No such\r\nX-Header: account.".into()) }));
    assert_eq!(last(&net).1.reason.as_str(), "Not Found - No such  X-Header: account.");
}

#[test]
fn a_message_that_nobody_speaks_of_is_answered_before_its_sender_gives_up() {
    let mut net = open_house();
    net.inject(address(PHONE), 0, message(1));
    net.run(Duration::from_millis(30_999));
    assert_eq!(net.ladder().len(), 0);
    net.run(Duration::from_millis(1));
    assert_eq!(net.ladder(), ["1>7 504 MESSAGE"]);
    net.assert_all_forgotten();
}

#[test]
fn only_plain_text_of_a_bearable_length_is_taken() {
    let with = |kind: &'static str, body: Vec<u8>| request("MESSAGE", "sip:bob@example.org", 1).with_body(kind, body);
    let long = vec![b'a'; LONGEST_TEXT + 1];
    for (request, status) in [
        (with("text/html", b"<b>".to_vec()), 415),
        (with("message/cpim", b"x".to_vec()), 415),
        (with("application/im-iscomposing+xml", b"<x/>".to_vec()), 415),
        (with("text/plain;charset=iso-8859-1", b"Gr\xfc\xdfe".to_vec()), 415),
        (with("text/plain", b"Gr\xfc\xdfe".to_vec()), 415),
        (with("text/plain", b"x".to_vec()).with(Header::new(Name::ContentEncoding, "gzip")), 415),
        (with("text/plain", long), 413),
        (with("text/plain", Vec::new()), 400),
        (with("text/plain", b"x".to_vec()).with(Header::new(Name::Require, "precondition")), 420),
    ] {
        let mut net = open_house();
        net.inject(address(PHONE), 0, request);
        let response = last(&net).1;
        assert_eq!(response.code(), status);
        assert_eq!(response.headers.has(&Name::Accept), status == 415);
        assert!(net.ends[0].texts.is_empty());
    }
    let mut net = open_house();
    net.inject(address(PHONE), 0, with("text/plain", vec![b'a'; LONGEST_TEXT]));
    assert_eq!(net.ends[0].texts.len(), 1);
    let mut plain = request("MESSAGE", "sip:bob@example.org", 2).with_body("text/plain", "without a type");
    plain.headers.remove(&Name::ContentType);
    net.inject(address(PHONE), 0, plain);
    assert_eq!(net.ends[0].texts.len(), 2);
}

#[test]
fn an_account_that_is_written_to_by_its_address_of_ours_is_the_account() {
    let mut net = open_house();
    let uri = "sip:romeo%40montague.lit@example.org";
    net.inject(address(PHONE), 0, request("MESSAGE", uri, 1).with_body("text/plain", "x"));
    assert_eq!(net.ends[0].texts[0].to, Address::at("romeo", "montague.lit"));
    let uri = "sip:romeo@montague.lit";
    net.inject(address(PHONE), 0, request("MESSAGE", uri, 2).with_body("text/plain", "x"));
    assert_eq!(net.ends[0].texts[1].to, Address::at("romeo", "montague.lit"));
}

#[test]
fn a_message_within_a_call_goes_to_the_other_party_of_the_call() {
    let mut net = Net::with_script(1, |_| {});
    let invite = request("INVITE", "sip:bob@10.0.0.1", 1).with_body(
        "application/sdp",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
    );
    net.inject(address(PEER), 0, invite);
    let leg = net.incoming(0);
    let exchange = match &net.ends[0].heard[..] {
        [(_, Signal::Start(start))] => start.offer.as_ref().unwrap().exchange,
        other => panic!("{other:?}"),
    };
    let answer = Answer { exchange, description: media(4000), provisional: false };
    net.say(0, leg, Signal::Answer(answer));
    net.say(0, leg, Signal::Accept);
    let ok = last(&net).1;
    assert_eq!(ok.code(), 200);
    assert!(ok.headers.allow().unwrap().contains(&Method::MESSAGE));
    let mut written = request("MESSAGE", "sip:patchcord@10.0.0.1:5060", 2).with_body("text/plain", "in a call");
    written.headers.set(Header::of(Name::To, ok.headers.to().unwrap()));
    net.inject(address(PEER), 0, written);
    assert_eq!(net.ends[0].texts[0].to, Address::here("bob"));
    net.delivered(0, Ok(()));
    assert_eq!(last(&net).1.code(), 200);
}

/// Registers alice's phone.
fn registered() -> (Net, Contact) {
    let mut net = home(|_| {});
    let register = |cseq| request("REGISTER", "sip:example.org", cseq).with(Header::new(Name::Expires, "300"));
    let own = |mut r: Request| {
        r.headers.set(Header::new(Name::To, "<sip:alice@example.org>"));
        r
    };
    net.inject(address(PEER), 0, own(register(1)));
    let proven = prove(&net, &own(register(2)), "alice", "wonder");
    net.inject(address(PEER), 0, proven);
    let contact = net.ends[0].bound[0].contact.clone();
    net.ladder();
    (net, contact)
}

#[test]
fn a_message_to_a_phone_goes_where_it_has_registered_and_200_delivers_it() {
    let (mut net, contact) = registered();
    let id = net.write(0, |text| {
        text.trunk = None;
        text.contact = Some(contact);
        text.to = Address::here("alice");
        text.from = Party::new(Address::at("romeo", "montague.lit/Orchard"));
        text.body = "Grüße".into();
    });
    net.run_ms(50);
    let sent = net.request("MESSAGE");
    assert_eq!(sent.uri.to_string(), "sip:alice@192.168.1.5:5060");
    let from = sent.headers.from().unwrap();
    assert_eq!(
        from.uri.to_string(),
        "sip:romeo%40montague.lit@example.org",
        "an address of ours, so that answers come"
    );
    assert_eq!(from.display.as_deref(), Some("romeo@montague.lit"));
    assert_eq!(sent.headers.to().unwrap().uri.to_string(), "sip:alice@example.org");
    assert_eq!(sent.headers.content_type().unwrap().unwrap().to_string(), "text/plain;charset=UTF-8");
    assert!(!sent.headers.has(&Name::Contact), "RFC 3428 §4");
    assert_eq!(sent.body.as_ref(), "Grüße".as_bytes());
    assert_eq!(net.ends[0].delivered, []);
    net.inject(address(PEER), 0, Response::to(&sent, 200).with_to_tag("t"));
    assert_eq!(net.ends[0].delivered, [(id, Ok(()))]);
    net.assert_all_forgotten();
    assert_eq!(net.ends[0].delivered.len(), 1);
}

#[test]
fn a_phone_that_is_called_by_an_account_writes_back_to_it_within_the_call() {
    let (mut net, contact) = registered();
    net.call_start(0, |start| {
        (start.trunk, start.contact, start.to) = (None, Some(contact), Address::here("alice"));
        start.from = Party::new(Address::at("romeo", "montague.lit/Orchard"));
        start.offer = Some(Offer { exchange: said(0), description: media(4000) });
    });
    net.run_ms(50);
    let invite = net.request("INVITE");
    let sdp = String::from_utf8_lossy(&invite.body).into_owned();
    let ok = Response::to(&invite, 200).with_to_tag("t").with(Header::new(Name::Contact, "<sip:alice@10.0.0.9>"));
    net.inject(address(PEER), 0, ok.with_body("application/sdp", sdp));
    let in_dialog = |mut request: Request| {
        request.headers.set(Header::new(Name::From, "<sip:alice@example.org>;tag=t"));
        request.headers.set(Header::of(Name::To, invite.headers.from().unwrap()));
        request.headers.set(Header::new(Name::CallId, invite.headers.call_id().unwrap()));
        request.with_body("text/plain", "I hear thee")
    };
    let written = |cseq| in_dialog(request("MESSAGE", "sip:patchcord@10.0.0.1:5060", cseq));
    net.inject(address(PEER), 0, written(10));
    assert_eq!(last(&net).1.code(), 401, "a call proves nobody's password");
    let proven = prove(&net, &written(11), "alice", "wonder");
    net.inject(address(PEER), 0, proven);
    let text = &net.ends[0].texts[0];
    assert_eq!((&text.entry, &text.to), (&Entry::User("alice".into()), &Address::at("romeo", "montague.lit")));
    net.delivered(0, Ok(()));
    assert_eq!(last(&net).1.code(), 200);
}

#[test]
fn a_challenge_of_the_trunk_is_answered_with_its_password_and_a_second_refusal_is_the_end() {
    let with_password = |trunk: &mut Trunk| {
        trunk.user = Some("gateway".into());
        trunk.password = Some(patchcord::base::Secret::new("secret"));
        trunk.caller = CallerPolicy::OwnNumber;
        trunk.number = Some("+4930999".into());
    };
    let mut net = Net::with_script(1, with_password);
    let id = net.write(0, |_| {});
    net.run_ms(50);
    let first = net.request("MESSAGE");
    assert_eq!(first.uri.to_string(), "sip:+15550100@10.0.0.9:5060");
    assert_eq!(first.headers.from().unwrap().uri.user().unwrap(), "+4930999");
    let challenge = || Header::new(Name::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
    net.inject(address(PEER), 0, Response::to(&first, 407).with(challenge()));
    net.run_ms(50);
    let second = net.request("MESSAGE");
    assert!(second.headers.has(&Name::ProxyAuthorization));
    assert_eq!(second.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
    assert_eq!(second.headers.call_id().unwrap(), first.headers.call_id().unwrap());
    net.inject(address(PEER), 0, Response::to(&second, 202));
    assert_eq!(net.ends[0].delivered, [(id, Ok(()))], "202: it is kept for the other side (RFC 3428 §7)");

    let mut net = Net::with_script(1, |_| {});
    net.write(0, |_| {});
    net.run_ms(50);
    let first = net.request("MESSAGE");
    net.inject(address(PEER), 0, Response::to(&first, 407).with(challenge()));
    assert!(matches!(&net.ends[0].delivered[..], [(_, Err(Undelivered { cause: Cause::AuthFailed, .. }))]));
    net.assert_all_forgotten();
}

#[test]
fn what_a_peer_answers_or_does_not_is_told_with_its_cause() {
    for (status, cause) in [
        (404, Cause::NotFound),
        (403, Cause::Forbidden),
        (480, Cause::Unavailable),
        (415, Cause::MediaIncompatible),
        (488, Cause::NotSupported),
        (405, Cause::NotSupported),
        (413, Cause::NotSupported),
        (302, Cause::Unavailable),
        (500, Cause::ServerError),
        (503, Cause::Network),
        (603, Cause::Declined),
    ] {
        let mut net = Net::with_script(1, |_| {});
        net.write(0, |_| {});
        net.run_ms(50);
        let sent = net.request("MESSAGE");
        net.inject(address(PEER), 0, Response::to(&sent, 100));
        assert_eq!(net.ends[0].delivered, []);
        net.inject(address(PEER), 0, Response::to(&sent, status));
        let [(_, Err(failure))] = &net.ends[0].delivered[..] else { panic!("{status}") };
        assert_eq!(failure.cause, cause, "{status}");
        net.assert_all_forgotten();
    }
    let mut net = Net::with_script(1, |_| {});
    let id = net.write(0, |_| {});
    net.run(Duration::from_secs(33));
    assert_eq!(net.ends[0].delivered, [(id, failed(Cause::Timeout))]);
    net.assert_all_forgotten();
}

#[test]
fn a_name_is_looked_up_and_a_trunk_without_an_address_is_unavailable() {
    let at = |name: &'static str| Net::with_script(1, move |trunk| trunk.address = name.parse().unwrap());
    let mut net = at("peer.example.org");
    net.run_ms(1);
    net.write(0, |_| {});
    net.run_ms(50);
    assert_eq!(net.request("MESSAGE").uri.to_string(), "sip:+15550100@peer.example.org");
    let mut net = at("nowhere.example.org");
    net.run_ms(1);
    let id = net.write(0, |_| {});
    assert_eq!(net.ends[0].delivered, [(id, failed(Cause::Unavailable))]);
    let id = net.write(0, |text| text.trunk = Some("none".into()));
    assert_eq!(net.ends[0].delivered[1], (id, failed(Cause::Unavailable)));
    net.assert_all_forgotten();
}

#[test]
fn what_does_not_fit_into_a_datagram_is_not_sent_by_udp() {
    let mut net = Net::with_script(1, |_| {});
    net.write(0, |text| text.body = "a".repeat(1300));
    let [(_, Err(failure))] = &net.ends[0].delivered[..] else { panic!() };
    assert_eq!(failure.cause, Cause::NotSupported);
    let room: usize = failure.sentence().split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    net.write(0, |text| text.body = "a".repeat(room));
    let (_, _, _, Message::Request(sent)) = net.sent.last().unwrap() else { panic!() };
    assert!(sent.to_bytes().len() <= 1300 && room > 600, "{room}");
    let mut net = Net::with_script(1, |trunk| trunk.transport = patchcord::sip::Transport::Tcp);
    net.write(0, |text| text.body = "a".repeat(LONGEST_TEXT));
    assert_eq!((net.ends[0].delivered.len(), net.sent.len()), (0, 1));
}

#[test]
fn two_gateways_write_to_each_other_over_a_lossy_network() {
    for seed in 0..20 {
        let mut net = Net::pair(seed);
        net.loss_percent = 30;
        let id = net.write(0, |text| text.body = "through thick and thin".into());
        for _ in 0..300 {
            net.run_ms(100);
            if !net.ends[1].texts.is_empty() {
                break;
            }
        }
        assert_eq!(net.ends[1].texts.len(), 1, "once, however often it was sent");
        assert_eq!(net.ends[1].texts[0].body, "through thick and thin");
        net.delivered(1, Ok(()));
        net.loss_percent = 0;
        net.run(Duration::from_secs(10));
        assert_eq!(net.ends[0].delivered, [(id, Ok(()))], "seed {seed}");
        net.assert_all_forgotten();
    }
}

#[test]
fn a_trunk_is_told_nothing_of_an_account_but_may_be_told_the_number_of_the_house() {
    let from = |change: fn(&mut Trunk)| {
        let mut net = Net::with_script(1, change);
        let anonymous = Party { private: true, ..Party::new(Address::here("anonymous")) };
        net.write(0, |text| text.from = anonymous);
        net.run_ms(50);
        let sent = net.request("MESSAGE");
        let identity = sent.headers.asserted_identities().unwrap().first().map(|i| i.uri.to_string());
        (sent.headers.from().unwrap().uri.to_string(), identity, sent.headers.privacy().count())
    };
    let nobody = "sip:anonymous@anonymous.invalid";
    assert_eq!(from(|_| {}), (nobody.into(), None, 1));
    assert_eq!(from(|trunk| trunk.asserted_identity = true), (nobody.into(), None, 1));
    let house = "sip:+4930999@10.0.0.9";
    let with_number = |trunk: &mut Trunk| {
        (trunk.caller, trunk.number) = (CallerPolicy::OwnNumber, Some("+4930999".into()));
        trunk.asserted_identity = true;
    };
    assert_eq!(from(with_number), (house.into(), Some(house.into()), 0));
}
