//! One call, several branches and addresses: forks, redirections, challenges.

use std::time::Duration;

use patchcord::model::{Cause, Hangup, Signal};
use patchcord::sip::digest::{Algorithm, Challenge};
use patchcord::sip::message::{Header, Message, Name, Request, Response};

use super::net::{Net, address, media};

const A: usize = 0;
const PEER: &str = "10.0.0.9:5060";

fn sdp(port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

fn reply(invite: &Request, status: u16, tag: &str, port: Option<u16>) -> Response {
    let response = Response::to(invite, status)
        .with_to_tag(tag)
        .with(Header::new(Name::Contact, format!("<sip:{tag}@10.0.0.9:5060>")));
    match port {
        Some(port) => response.with_body("application/sdp", sdp(port)),
        None => response,
    }
}

fn requests(net: &mut Net) -> Vec<(String, String)> {
    let sent = std::mem::take(&mut net.sent);
    sent.iter()
        .filter_map(|(.., m)| match m {
            Message::Request(r) => {
                let tag = r.headers.to().unwrap().tag().unwrap_or_default().to_owned();
                Some((r.method.as_str().to_owned(), tag))
            }
            Message::Response(_) => None,
        })
        .collect()
}

#[test]
fn of_a_forked_call_the_first_answer_wins_and_the_others_are_acknowledged_and_ended() {
    let mut net = Net::with_script(1, |_| {});
    let a = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let peer = address(PEER);
    for (status, tag, port) in [
        (180, "one", None),
        (183, "two", Some(2)),
        (183, "one", Some(1)),
        (183, "one", Some(1)),
        (180, "one", None),
        (200, "one", None),
        (200, "two", Some(2)),
        (200, "one", None),
        (200, "two", Some(2)),
    ] {
        net.inject(peer, A, reply(&invite, status, tag, port));
    }
    assert_eq!(
        net.words(A),
        [
            "Ringing",
            "early answer 2",
            "Session with media",
            "early answer 1",
            "Session with media",
            "Session with media",
            "Ringing with media",
            "answer 1",
            "accept"
        ]
    );
    let ours = |m: &str, t: &str| (m.to_owned(), t.to_owned());
    assert_eq!(
        requests(&mut net),
        [
            ours("INVITE", ""),
            ours("ACK", "one"),
            ours("ACK", "two"),
            ours("BYE", "two"),
            ours("ACK", "one"),
            ours("ACK", "two")
        ]
    );
    net.run_ms(20);
    let ack = net.request("ACK");
    assert_eq!(ack.uri.to_string(), "sip:two@10.0.0.9:5060", "each ACK goes to its own branch");
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(requests(&mut net), [ours("BYE", "one")]);
}

#[test]
fn a_2xx_after_the_call_is_gone_still_gets_its_ack_and_bye() {
    let mut net = Net::with_script(2, |_| {});
    let a = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, reply(&invite, 200, "one", Some(1)));
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.ladder();
    net.inject(address(PEER), A, reply(&invite, 200, "one", Some(1)));
    net.inject(address(PEER), A, reply(&invite, 200, "two", Some(1)));
    assert_eq!(net.ladder(), ["1>9 ACK", "1>9 ACK", "1>9 BYE"]);
}

#[test]
fn an_answer_without_media_ends_the_call_with_a_sentence() {
    let mut net = Net::with_script(3, |_| {});
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, reply(&invite, 200, "one", None));
    assert_eq!(net.words(A), ["hangup media-incompatible"]);
    assert_eq!(net.ladder()[1..], ["1>9 ACK", "1>9 BYE"]);
}

#[test]
fn an_ack_and_a_bye_follow_the_record_route_and_the_contact() {
    let mut net = Net::with_script(4, |_| {});
    let a = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let answer = reply(&invite, 200, "one", Some(1))
        .with(Header::new(Name::RecordRoute, "<sip:10.0.0.8;lr>, <sip:10.0.0.9;lr>"))
        .with(Header::new(Name::RecordRoute, "<sip:10.0.0.7:5070;lr>"));
    net.inject(address(PEER), A, answer);
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    for (_, _, to, message) in &net.sent[1..] {
        let Message::Request(request) = message else { unreachable!() };
        assert_eq!(to.to_string(), "10.0.0.7:5070");
        assert_eq!(request.uri.to_string(), "sip:one@10.0.0.9:5060");
        let routes: Vec<String> = request.headers.elements(&Name::Route).map(str::to_owned).collect();
        assert_eq!(routes, ["<sip:10.0.0.7:5070;lr>", "<sip:10.0.0.9;lr>", "<sip:10.0.0.8;lr>"]);
    }
    assert_eq!(net.sent.len(), 3);
}

#[test]
fn redirections_are_followed_best_first_and_a_circle_is_not() {
    let mut net = Net::with_script(5, |_| {});
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let moved = Response::to(&invite, 302)
        .with_to_tag("r")
        .with(Header::new(Name::Contact, "<sip:second@10.0.0.9:5060>;q=0.2, <sip:first@10.0.0.9:5061>;q=0.9"))
        .with(Header::new(Name::Contact, "<tel:+15550123>"));
    net.inject(address(PEER), A, moved);
    net.run_ms(20);
    let first = net.request("INVITE");
    assert_eq!(first.uri.to_string(), "sip:first@10.0.0.9:5061");
    assert_eq!(first.headers.get(&Name::CallId), invite.headers.get(&Name::CallId));
    assert_eq!(first.headers.get(&Name::From), invite.headers.get(&Name::From));
    assert_eq!(first.headers.cseq().unwrap().number, 2);
    let back = format!("<{}>", invite.uri);
    net.inject(
        address("10.0.0.9:5061"),
        A,
        Response::to(&first, 301).with_to_tag("s").with(Header::new(Name::Contact, back)),
    );
    net.run_ms(20);
    let second = net.request("INVITE");
    assert_eq!(second.uri.to_string(), "sip:second@10.0.0.9:5060", "back to the start is a circle");
    net.inject(address(PEER), A, reply(&second, 486, "t", None));
    assert_eq!(net.words(A), ["hangup busy"]);
}

#[test]
fn after_five_redirections_the_call_ends_as_a_loop() {
    let mut net = Net::with_script(6, |_| {});
    net.call(A, Some(media(1000)));
    for n in 0..6 {
        net.run_ms(20);
        let invite = net.request("INVITE");
        let contact = Header::new(Name::Contact, format!("<sip:next{n}@10.0.0.9:5060>"));
        net.inject(address(PEER), A, Response::to(&invite, 302).with_to_tag("r").with(contact));
    }
    assert_eq!(net.words(A), ["hangup loop"]);
    let invites = net.ladder().iter().filter(|l| *l == "1>9 INVITE sdp").count();
    assert_eq!(invites, 6, "the first and five that were followed");
}

#[test]
fn a_redirection_to_ourselves_or_to_no_sip_address_is_not_followed() {
    for contact in ["<sip:bob@10.0.0.1:5060>", "<mailto:bob@example.org>", "<sips:bob@10.0.0.9>"] {
        let mut net = Net::with_script(7, |_| {});
        net.call(A, Some(media(1000)));
        net.run_ms(20);
        let invite = net.request("INVITE");
        let contact = Header::new(Name::Contact, contact);
        net.inject(address(PEER), A, Response::to(&invite, 302).with_to_tag("r").with(contact));
        assert_eq!(net.words(A), ["hangup unavailable"]);
    }
}

#[test]
fn a_redirection_to_a_name_is_looked_up() {
    let mut net = Net::with_script(8, |_| {});
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let contact = Header::new(Name::Contact, "<sip:bob@other.example.org:5080>");
    net.inject(address(PEER), A, Response::to(&invite, 302).with_to_tag("r").with(contact));
    net.run_ms(20);
    assert_eq!(net.mail.last().unwrap().0.local, address("10.0.0.8:5080"));
}

#[test]
fn a_trunk_with_a_name_is_looked_up_before_the_first_call() {
    let mut net = Net::with_script(9, |trunk| trunk.address = "peer.example.org".parse().unwrap());
    net.run_ms(1);
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    assert_eq!(net.request("INVITE").uri.to_string(), "sip:+15550100@peer.example.org");
}

fn challenge(nonce: &str, algorithm: Algorithm, stale: bool) -> Header {
    let realm = "carrier".to_owned();
    let challenge = Challenge { realm, nonce: nonce.into(), opaque: None, stale, algorithm, auth: true };
    Header::of(Name::ProxyAuthenticate, challenge)
}

fn with_account(trunk: &mut patchcord::sip::config::Trunk) {
    trunk.user = Some("me".into());
    trunk.password = Some(patchcord::base::Secret::new("secret"));
}

#[test]
fn a_407_is_answered_with_the_strongest_hash_and_the_next_number() {
    let mut net = Net::with_script(10, with_account);
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let refused = Response::to(&invite, 407)
        .with_to_tag("p")
        .with(challenge("n1", Algorithm::Md5, false))
        .with(challenge("n1", Algorithm::Sha256, false));
    net.inject(address(PEER), A, refused);
    net.run_ms(20);
    let again = net.request("INVITE");
    assert_eq!(again.headers.cseq().unwrap().number, 2);
    for name in [Name::CallId, Name::From, Name::To] {
        assert_eq!(again.headers.get(&name), invite.headers.get(&name), "{name}");
    }
    assert_ne!(again.headers.via().unwrap().branch(), invite.headers.via().unwrap().branch());
    let proof = again.headers.get(&Name::ProxyAuthorization).unwrap();
    assert!(proof.contains("algorithm=SHA-256") && proof.contains("nc=00000001"), "{proof}");
    assert!(proof.contains(&format!("uri=\"{}\"", again.uri)), "{proof}");
    assert_eq!(net.ladder(), ["1>9 INVITE sdp", "1>9 ACK", "1>9 INVITE sdp"]);
}

#[test]
fn wrong_credentials_are_tried_twice_and_a_stale_nonce_does_not_count() {
    let mut net = Net::with_script(11, with_account);
    net.call(A, Some(media(1000)));
    for (nonce, stale) in [("n1", false), ("n2", true), ("n3", false), ("n4", false)] {
        net.run_ms(20);
        assert!(net.words(A).is_empty(), "{nonce}");
        let invite = net.request("INVITE");
        let refused = Response::to(&invite, 407).with_to_tag("p").with(challenge(nonce, Algorithm::Md5, stale));
        net.inject(address(PEER), A, refused);
    }
    assert_eq!(net.ladder().iter().filter(|l| *l == "1>9 INVITE sdp").count(), 4);
    let heard = net.take_heard(A);
    let Some((_, Signal::Hangup(hangup))) = heard.last() else { panic!("no hang-up") };
    assert_eq!(hangup.cause, Cause::AuthFailed);
    assert!(hangup.detail.as_ref().unwrap().text.as_ref().unwrap().contains("did not accept"));
}

#[test]
fn without_credentials_a_challenge_ends_the_call() {
    let mut net = Net::with_script(12, |_| {});
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(
        address(PEER),
        A,
        Response::to(&invite, 407).with_to_tag("p").with(challenge("n", Algorithm::Md5, false)),
    );
    assert_eq!(net.words(A), ["hangup auth-failed"]);
}

#[test]
fn a_challenged_bye_is_said_again_with_proof() {
    let mut net = Net::with_script(13, with_account);
    let a = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, reply(&invite, 200, "one", Some(1)));
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(20);
    let bye = net.request("BYE");
    net.inject(address(PEER), A, Response::to(&bye, 407).with(challenge("n", Algorithm::Md5, false)));
    net.run_ms(20);
    let again = net.request("BYE");
    assert!(again.headers.has(&Name::ProxyAuthorization));
    assert_eq!(again.headers.cseq().unwrap().number, bye.headers.cseq().unwrap().number + 1);
    net.inject(address(PEER), A, Response::to(&again, 200));
    net.assert_all_forgotten();
}

#[test]
fn a_cancel_without_an_end_is_given_up_after_32_seconds() {
    let mut net = Net::with_script(14, |_| {});
    let a = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, reply(&invite, 180, "one", None));
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Cancelled)));
    net.run_ms(20);
    let cancel = net.request("CANCEL");
    net.inject(address(PEER), A, Response::to(&cancel, 200));
    net.run(Duration::from_secs(31));
    assert!(!net.ends[A].endpoint.is_idle());
    net.assert_all_forgotten();
}
