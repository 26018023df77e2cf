//! Who may come in, and what is said to those who may not.

use patchcord::base::Secret;
use patchcord::model::{Cause, Directory, Entry, Hangup, Signal, User};
use patchcord::sip::config::{Config, Trunk};
use patchcord::sip::message::{Header, Message, Name, Request, Response, Uri};

use super::net::{Net, address, media};

const PHONE: &str = "10.0.0.7:40000";

pub fn directory() -> Directory {
    let user = |password: &str, number: Option<&str>| User {
        password: Secret::new(password),
        display: Some("Alice A.".into()),
        number: number.map(str::to_owned),
        jid: None,
    };
    let users = [("alice".to_owned(), user("wonder", Some("+15550123"))), ("bob".to_owned(), user("builder", None))];
    Directory { users: users.into() }
}

/// An endpoint with users, at 10.0.0.1:5060.
pub fn home(change: impl FnOnce(&mut Config)) -> Net {
    let mut net = Net::new(1);
    let mut config = Config { domains: vec!["example.org".into()], ..Config::default() };
    change(&mut config);
    net.add("10.0.0.1:5060", config, directory());
    net
}

/// A request as a phone sends it.
pub fn request(method: &str, uri: &str, cseq: u32) -> Request {
    Request::new(method, uri.parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bK{method}{cseq};rport")))
        .with(Header::new(Name::From, "\"Somebody\" <sip:alice@example.org>;tag=f"))
        .with(Header::new(Name::To, format!("<{uri}>")))
        .with(Header::new(Name::CallId, "call-of-the-phone"))
        .with(Header::new(Name::MaxForwards, "70"))
        .with(Header::new(Name::Contact, "<sip:alice@192.168.1.5:5060>"))
        .with_cseq(cseq)
}

fn invite(cseq: u32) -> Request {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    request("INVITE", "sip:600@example.org", cseq).with_body("application/sdp", body)
}

/// The last response that was sent, and where to.
pub fn last(net: &Net) -> (std::net::SocketAddr, Response) {
    match net.sent.last() {
        Some((_, _, to, Message::Response(response))) => (*to, response.clone()),
        _ => panic!("no response"),
    }
}

/// The same request with the proof that the last response asks for.
pub fn prove(net: &Net, request: &Request, user: &str, password: &str) -> Request {
    use patchcord::sip::digest::{self, Account};
    let challenges = digest::challenges(&last(net).1.headers, &Name::WwwAuthenticate);
    let password = Secret::new(password);
    let account = Account { user, password: &password, realm: None };
    let uri = request.uri.to_string();
    let credentials = digest::answer(&challenges, account, &request.method, &uri, 1, "c").unwrap();
    request.clone().with(Header::of(Name::Authorization, credentials))
}

fn start(net: &mut Net) -> patchcord::model::Start {
    match net.take_heard(0).into_iter().next() {
        Some((_, Signal::Start(start))) => *start,
        other => panic!("{other:?} instead of a start"),
    }
}

#[test]
fn a_phone_has_to_prove_its_user_and_is_then_called_by_that_name() {
    let mut net = home(|_| {});
    let phone = address(PHONE);
    net.inject(phone, 0, invite(1));
    let (to, challenge) = last(&net);
    assert_eq!((to, challenge.code()), (phone, 401), "the answer goes where the request came from (RFC 3581)");
    let via = challenge.headers.via().unwrap();
    assert_eq!((via.received(), via.rport()), (Some(phone.ip()), Some(phone.port())));
    let algorithms: Vec<String> = challenge.headers.all(&Name::WwwAuthenticate).map(|h| h.to_string()).collect();
    assert!(algorithms[0].contains("SHA-256") && algorithms[1].contains("MD5"));
    let mut again = prove(&net, &invite(2), "alice", "wonder");
    again.headers.set(Header::new(Name::From, "\"The Boss\" <sip:boss@example.org>;tag=f"));
    net.inject(phone, 0, again);
    assert_eq!(last(&net).1.code(), 100);
    let start = start(&mut net);
    assert_eq!(start.entry, Entry::User("alice".into()));
    assert_eq!((start.from.address.user.as_str(), start.from.display.as_deref()), ("alice", Some("Alice A.")));
    assert_eq!((start.to.user.as_str(), start.to.domain), ("600", None));
    assert!(start.offer.is_some());
}

#[test]
fn baresip_1_gives_up_at_a_challenge_it_does_not_know_so_it_is_shown_md5_alone() {
    let mut net = home(|_| {});
    let mut first = invite(1);
    first.headers.set(Header::new(Name::UserAgent, "baresip v1.0.0 (x86_64/linux)"));
    net.inject(address(PHONE), 0, first);
    let challenge = last(&net).1;
    let algorithms: Vec<String> = challenge.headers.all(&Name::WwwAuthenticate).map(|h| h.to_string()).collect();
    assert!(algorithms.len() == 1 && algorithms[0].contains("MD5"), "{algorithms:?}");
}

#[test]
fn a_wrong_password_is_challenged_again_and_after_twenty_the_address_is_not_listened_to() {
    let mut net = home(|_| {});
    let phone = address(PHONE);
    net.inject(phone, 0, invite(1));
    for n in 2..22 {
        assert_eq!(last(&net).1.code(), 401, "{n}");
        let wrong = prove(&net, &invite(n), "alice", "wrong");
        net.inject(phone, 0, wrong);
    }
    net.inject(phone, 0, invite(30));
    assert_eq!(last(&net).1.code(), 403);
    net.inject(address("10.0.0.6:5060"), 0, invite(31));
    assert_eq!(last(&net).1.code(), 401, "others are heard");
    net.run(std::time::Duration::from_secs(61));
    net.inject(phone, 0, invite(32));
    assert_eq!(last(&net).1.code(), 401, "and so is the address a minute later");
    assert!(net.take_heard(0).is_empty());
}

#[test]
fn a_trunk_is_known_by_its_address_and_its_asserted_identity_is_believed() {
    for (believes, expected) in [(false, "alice"), (true, "+4930123")] {
        let mut net = home(|config| {
            let mut trunk = Trunk::at("10.0.0.7".parse().unwrap());
            trunk.asserted_identity = believes;
            config.trunks.insert("carrier".into(), trunk);
        });
        let identity = Header::new(Name::PAssertedIdentity, "\"Name\" <sip:+4930123@carrier.example.net>");
        net.inject(address(PHONE), 0, invite(1).with(identity).with(Header::new(Name::Privacy, "id")));
        let start = start(&mut net);
        assert_eq!(start.entry, Entry::Trunk("carrier".into()));
        assert_eq!((start.from.address.user.as_str(), start.from.address.domain), (expected, None));
        assert!(start.from.private);
    }
}

#[test]
fn an_open_door_asks_nobody() {
    let mut net = home(|config| config.open = true);
    net.inject(address(PHONE), 0, invite(1));
    assert_eq!(start(&mut net).entry, Entry::Open);
}

fn open_door(change: impl FnOnce(&mut Request)) -> Response {
    let mut net = home(|config| config.open = true);
    let mut request = invite(1);
    change(&mut request);
    net.inject(address(PHONE), 0, request);
    assert!(net.take_heard(0).is_empty());
    last(&net).1
}

#[test]
fn an_invite_that_cannot_be_served_is_told_why() {
    let status = |change: fn(&mut Request)| open_door(change).code();
    assert_eq!(status(|r| r.headers.set(Header::new(Name::MaxForwards, "0"))), 483);
    assert_eq!(status(|r| r.uri = "sips:600@example.org".parse().unwrap()), 416);
    assert_eq!(status(|r| r.uri = "mailto:600@example.org".parse().unwrap()), 416);
    assert_eq!(status(|r| r.uri = "sip:example.org".parse().unwrap()), 404);
    assert_eq!(status(|r| r.headers.remove(&Name::Contact)), 400);
    assert_eq!(status(|r| r.headers.set(Header::new(Name::To, "<sip:600@example.org>;tag=gone"))), 481);
    assert_eq!(status(|r| r.body = "nonsense".into()), 488);
    let media_type = open_door(|r| r.headers.set(Header::new(Name::ContentType, "text/plain")));
    assert_eq!((media_type.code(), media_type.headers.get(&Name::Accept).unwrap().as_str()), (415, "application/sdp"));
    let required = open_door(|r| r.headers.push(Header::new(Name::Require, "precondition")));
    assert_eq!((required.code(), required.headers.get(&Name::Unsupported).unwrap().as_str()), (420, "precondition"));
}

#[test]
fn the_same_invite_by_two_ways_is_served_once() {
    let mut net = home(|config| config.open = true);
    net.inject(address(PHONE), 0, invite(1));
    let mut other = invite(1);
    other.headers.set(Header::new(Name::Via, "SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKother"));
    net.inject(address("10.0.0.8:5060"), 0, other);
    assert_eq!(last(&net).1.code(), 482);
    assert_eq!(net.take_heard(0).len(), 1);
    net.inject(address(PHONE), 0, invite(1));
    assert_eq!(last(&net).1.code(), 100, "the first way again: what was said last");
}

#[test]
fn requests_outside_calls_are_answered_each_in_its_way() {
    let mut net = home(|_| {});
    for (method, status) in
        [("OPTIONS", 200), ("BYE", 481), ("CANCEL", 481), ("INFO", 405), ("SUBSCRIBE", 489), ("FROBNICATE", 501)]
    {
        net.inject(address(PHONE), 0, request(method, "sip:example.org", 1));
        let (_, response) = last(&net);
        assert_eq!(response.code(), status, "{method}");
        assert!(response.headers.to().unwrap().tag().is_some(), "{method}");
        if matches!(status, 200 | 405 | 501) {
            assert_eq!(
                response.headers.get(&Name::Allow).unwrap().as_str(),
                "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, PRACK, UPDATE, REFER"
            );
        }
    }
    let before = net.sent.len();
    net.inject(address(PHONE), 0, request("ACK", "sip:example.org", 9));
    assert_eq!(net.sent.len(), before, "an ACK of nothing gets no answer");
}

#[test]
fn a_malformed_request_is_told_so() {
    let mut net = home(|_| {});
    let text = invite(1).to_bytes();
    let text = String::from_utf8_lossy(&text).replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    net.inject_by(patchcord::sip::Transport::Udp, address(PHONE), 0, text.into());
    let (to, response) = last(&net);
    assert_eq!((to, response.code()), (address(PHONE), 400));
}

#[test]
fn a_call_from_a_phone_behind_a_nat_is_ended_at_the_address_it_came_from() {
    let mut net = home(|config| config.open = true);
    let phone = address("203.0.113.7:40000");
    net.inject(phone, 0, invite(1));
    let leg = net.incoming(0);
    super::calls::answer(&mut net, 0, leg, 2000, false);
    net.say(0, leg, Signal::Accept);
    let ok = last(&net).1;
    let mut ack = request("ACK", "sip:patchcord@10.0.0.1:5060", 1);
    ack.headers.set(Header::new(Name::To, ok.headers.get(&Name::To).unwrap()));
    ack.headers.set(Header::new(Name::Via, "SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKack;rport"));
    net.inject(phone, 0, ack);
    net.say(0, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    let (_, _, to, Message::Request(bye)) = net.sent.last().unwrap() else { panic!("no BYE") };
    assert_eq!((*to, bye.uri.to_string().as_str()), (phone, "sip:alice@192.168.1.5:5060"));
}

#[test]
fn which_caller_a_trunk_is_shown_is_the_trunk_s_policy() {
    let shown = |change: fn(&mut Trunk), private: bool| {
        let mut net = Net::with_script(2, change);
        net.call_start(0, |start| {
            start.from.display = Some("Alice".into());
            start.from.private = private;
            start.offer = Some(patchcord::model::Offer { exchange: super::net::said(0), description: media(1000) });
        });
        net.run_ms(20);
        let invite = net.request("INVITE");
        assert!(invite.to_bytes().len() < 1300, "fits into one datagram");
        let value = |name: Name| invite.headers.get(&name).map(|v| v.to_string()).unwrap_or_default();
        let from = value(Name::From);
        (from.split(";tag=").next().unwrap().to_owned(), value(Name::PAssertedIdentity), value(Name::Privacy))
    };
    let (from, identity, privacy) = shown(|_| {}, false);
    assert_eq!(from, "Alice <sip:+15550111@10.0.0.9>");
    assert_eq!((identity.as_str(), privacy.as_str()), ("", ""));
    let own = |trunk: &mut Trunk| {
        trunk.caller = patchcord::sip::config::CallerPolicy::OwnNumber;
        trunk.number = Some("+4930999".into());
        trunk.from_domain = Some("us.example.net".into());
        trunk.asserted_identity = true;
    };
    let (from, identity, _) = shown(own, false);
    assert_eq!(from, "Alice <sip:+4930999@us.example.net>");
    assert_eq!(identity, "Alice <sip:+4930999@us.example.net>");
    let (from, identity, privacy) = shown(own, true);
    assert_eq!(from, "Anonymous <sip:anonymous@anonymous.invalid>");
    assert_eq!((identity.as_str(), privacy.as_str()), ("Alice <sip:+4930999@us.example.net>", "id"));
}
