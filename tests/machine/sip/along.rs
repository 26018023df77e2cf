//! What calls carry along: words of users (RFC 7433), and where a caller is (RFC 6442).

use std::sync::Arc;

use patchcord::model::{
    Address, Along, Cause, Detail, Document, Hangup, Location, Offer, Progress, Signal, Stage, Transfer, UserToUser,
};
use patchcord::sip::config::{Config, Trunk};
use patchcord::sip::hear::{self, Body};
use patchcord::sip::message::{Header, Message, Name, Request};
use patchcord::sip::multipart;

use super::calls::answer;
use super::doors::{home, last, prove, request};
use super::net::{Net, address, media};

const WORDS: [&str; 2] = ["56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar", "48656c6c6f;encoding=hex"];

fn user_to_user() -> Name {
    "User-to-User".into()
}

/// What a call is heard to carry along.
fn along(net: &mut Net) -> Along {
    let start = net.take_heard(0).into_iter().find_map(|(_, signal)| match signal {
        Signal::Start(start) => Some(start),
        _ => None,
    });
    start.expect("a call").about.along
}

/// An INVITE with words of users: two headers, and one that is too long.
fn talkative() -> Request {
    let mut invite = request("INVITE", "sip:600@example.org", 1);
    for value in [WORDS[0], WORDS[1], &"0".repeat(513)] {
        invite.headers.push(Header::new(user_to_user(), value));
    }
    invite
}

#[test]
fn words_of_users_are_heard_from_our_users_and_trusted_trunks_and_dropped_of_anybody_else() {
    for trusted in [true, false] {
        let mut net = Net::with_script(1, |trunk| trunk.profile.user_to_user = trusted);
        net.inject(address("10.0.0.9:5060"), 0, talkative());
        let expected: &[&str] = if trusted { &WORDS } else { &[] };
        assert_eq!(along(&mut net).user_to_user, expected, "a trunk");
    }
    let mut open = Net::new(1);
    open.add("10.0.0.1:5060", Config { open: true, ..Config::default() }, Default::default());
    open.inject(address("10.0.0.9:5060"), 0, talkative());
    assert!(along(&mut open).user_to_user.is_empty(), "a stranger");
    let mut net = home(|_| {});
    let phone = address("10.0.0.7:40000");
    net.inject(phone, 0, talkative());
    let mut proven = prove(&net, &talkative(), "alice", "wonder");
    proven.headers.set(Header::new(Name::CSeq, "2 INVITE"));
    net.inject(phone, 0, proven);
    assert_eq!(along(&mut net).user_to_user, WORDS, "a user");
}

/// The INVITE of a call to the trunk that carries this along.
fn carried(along: &Along, change: impl Fn(&mut Trunk)) -> Request {
    let mut net = Net::with_script(1, change);
    net.call_start(0, |start| {
        start.about.along = along.clone();
        start.offer = Some(Offer { exchange: patchcord::base::ExchangeId::said(0), description: media(1000) });
    });
    net.run_ms(20);
    net.request("INVITE")
}

#[test]
fn words_of_users_go_on_to_trusted_trunks_alone() {
    let along = Along { user_to_user: WORDS.map(str::to_owned).to_vec(), location: None };
    let told = carried(&along, |trunk| trunk.profile.user_to_user = true);
    assert_eq!(told.headers.all(&user_to_user()).map(ToString::to_string).collect::<Vec<_>>(), WORDS);
    let silent = carried(&along, |_| {});
    assert!(!silent.headers.has(&user_to_user()));
}

#[test]
fn a_location_goes_on_with_the_documents_that_it_names_and_the_description_is_still_found() {
    let document = Document {
        headers: vec![("Content-Type".into(), "application/pidf+xml".into()), ("Content-ID".into(), "<a@b>".into())],
        content: vec![0xff, b'\r', b'\n', 0, b'-', b'-'],
    };
    let location = Location {
        values: vec!["<cid:a@b>".into(), "<https://lis.example.org/1>".into()],
        routing: Some("no".into()),
        documents: vec![document],
    };
    let invite = carried(&Along { location: Some(Arc::new(location.clone())), ..Along::default() }, |_| {});
    assert!(matches!(hear::body(&invite.headers, &invite.body), Body::Description(_)));
    let kind = invite.headers.content_type().unwrap().unwrap();
    assert_eq!(multipart::parts(&invite.body, &kind.params.text("boundary").unwrap()).len(), 2);
    // Whoever hears it has it whole.
    let mut net = Net::with_script(1, |_| {});
    let mut heard = invite.clone();
    heard.headers.set(Header::new(Name::Via, "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKheard"));
    net.inject(address("10.0.0.9:5060"), 0, heard);
    assert!(along(&mut net).location.is_some_and(|heard| *heard == location));
    // A part that no value names stays behind, and so do parts without any value.
    for (value, expected) in [("<cid:other@b>", Some(0)), ("<https://lis.example.org/1>", Some(0)), ("", None)] {
        let mut net = Net::with_script(1, |_| {});
        let mut changed = invite.clone();
        changed.headers.set(Header::new(Name::Via, "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKchanged"));
        changed.headers.remove(&"Geolocation".into());
        if !value.is_empty() {
            changed.headers.push(Header::new("Geolocation", value));
        }
        net.inject(address("10.0.0.9:5060"), 0, Message::Request(changed));
        assert_eq!(along(&mut net).location.map(|location| location.documents.len()), expected, "{value}");
    }
}

#[test]
fn an_invite_that_says_where_its_caller_is_and_describes_nothing_is_an_invite_without_an_offer() {
    const PIDF: &str = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>";
    let located = || request("INVITE", "sip:600@example.org", 1).with(Header::new("Geolocation", "<cid:here@b>"));
    let part = |media_type: &str, more: &str| {
        format!("--x\r\nContent-Type: {media_type}\r\nContent-ID: <here@b>\r\n{more}\r\n{PIDF}\r\n")
    };
    let several =
        |parts: &[String]| located().with_body("multipart/mixed;boundary=x", format!("{}--x--\r\n", parts.concat()));
    let alone = located().with(Header::new("Content-ID", "<here@b>")).with_body("application/pidf+xml", PIDF);
    let optional = "Content-Disposition: render; handling=Optional\r\n";
    let isup = part("application/isup", optional).replace("here@b", "isup@b");
    for invite in
        [several(&[part("application/pidf+xml", "")]), several(&[part("application/pidf+xml", ""), isup]), alone]
    {
        let mut net = Net::with_script(1, |_| {});
        net.inject(address("10.0.0.9:5060"), 0, invite);
        let heard = net.take_heard(0);
        let [(_, Signal::Start(start)), ..] = heard.as_slice() else { panic!("{heard:?}") };
        assert!(start.offer.is_none());
        let location = start.about.along.location.as_ref().expect("where the caller is");
        assert_eq!(location.documents.iter().map(|d| d.content.as_slice()).collect::<Vec<_>>(), [PIDF.as_bytes()]);
    }
    // What its sender insists on and nobody here can read is told so.
    for wrong in [several(&[part("application/isup", "")]), several(&[])] {
        let mut net = Net::with_script(1, |_| {});
        net.inject(address("10.0.0.9:5060"), 0, wrong);
        assert_eq!(last(&net).1.code(), 415);
    }
}

#[test]
fn a_call_with_a_priority_goes_through_without_it_and_one_that_requires_it_is_refused() {
    let urgent = || talkative().with(Header::new("Resource-Priority", "ets.0"));
    let mut net = Net::with_script(1, |_| {});
    net.inject(address("10.0.0.9:5060"), 0, urgent());
    assert!(matches!(net.take_heard(0).as_slice(), [(_, Signal::Start(_)), ..]));
    let mut net = Net::with_script(1, |_| {});
    net.inject(address("10.0.0.9:5060"), 0, urgent().with(Header::new(Name::Require, "resource-priority")));
    let refused = last(&net).1;
    assert_eq!(refused.code(), 420);
    assert_eq!(refused.headers.get(&Name::Unsupported).unwrap().as_str(), "resource-priority");
    assert!(net.take_heard(0).is_empty());
}

/// What the system of a party is heard to say.
fn words(net: &mut Net, end: usize) -> Vec<Vec<String>> {
    let heard = net.take_heard(end).into_iter();
    let of = |signal| if let Signal::UserToUser(words) = signal { Some(words.0) } else { None };
    heard.filter_map(|(_, signal)| of(signal)).collect()
}

fn word(text: &str) -> UserToUser {
    UserToUser(vec![text.into()])
}

#[test]
fn words_of_users_go_with_answers_byes_and_referrals_between_those_who_are_trusted_with_them_alone() {
    for trusted in [true, false] {
        let as_told = |said: &str| if trusted { vec![vec![said.to_owned()]] } else { Vec::new() };
        let mut net = Net::pair_with(3, |trunk| trunk.profile.user_to_user = trusted);
        let a = net.call(0, Some(media(1000)));
        net.run_ms(30);
        let b = net.incoming(1);
        net.say(1, b, Signal::UserToUser(word(WORDS[0])));
        answer(&mut net, 1, b, 2000, false);
        net.say(1, b, Signal::Accept);
        net.run_ms(100);
        let heard = net.take_heard(0);
        let place = |wanted: fn(&Signal) -> bool| heard.iter().position(|(_, signal)| wanted(signal));
        let accepted = place(|signal| matches!(signal, Signal::Accept)).expect("an acceptance");
        let told = place(|signal| *signal == Signal::UserToUser(UserToUser(vec![WORDS[0].into()])));
        assert_eq!(told.is_some_and(|told| told < accepted), trusted);

        let wish = Transfer { to: Address::here("+15550199"), replaces: None, by: None, user_to_user: word(WORDS[1]) };
        net.say(0, a, Signal::Transfer(wish));
        net.run_ms(100);
        let referred = net.take_heard(1).into_iter().find_map(|(_, signal)| match signal {
            Signal::Transfer(wish) => Some(wish.user_to_user.0),
            _ => None,
        });
        assert_eq!(referred.expect("a REFER"), as_told(WORDS[1]).concat());

        net.say(0, a, Signal::UserToUser(word("62;encoding=hex")));
        net.say(0, a, Signal::Hangup(Hangup::new(Cause::Normal)));
        net.run_ms(100);
        assert_eq!(words(&mut net, 1), as_told("62;encoding=hex"));
    }
}

#[test]
fn words_of_users_that_a_stranger_says_with_its_answer_or_bye_are_dropped() {
    let mut net = Net::with_script(4, |_| {});
    net.call(0, Some(media(1000)));
    net.run_ms(20);
    let peer = address("10.0.0.9:5060");
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let ok = patchcord::sip::message::Response::to(&net.request("INVITE"), 200)
        .with_to_tag("theirs")
        .with(Header::new(Name::Contact, "<sip:10.0.0.9>"))
        .with(Header::new(user_to_user(), WORDS[0]))
        .with_body("application/sdp", sdp);
    net.inject(peer, 0, ok);
    let heard = net.take_heard(0);
    assert!(heard.iter().any(|(_, signal)| matches!(signal, Signal::Accept)));
    assert!(!heard.iter().any(|(_, signal)| matches!(signal, Signal::UserToUser(_))));
}

fn ringing() -> Signal {
    Signal::Progress(Progress { stage: Stage::Ringing, early_media: false })
}

/// The words that an end has heard, and what came behind each of them.
fn words_before(net: &mut Net, end: usize) -> Vec<(String, Signal)> {
    let heard = net.take_heard(end);
    let pairs = heard.iter().zip(heard.iter().skip(1));
    let of = |((_, said), (_, next)): (&(_, Signal), &(_, Signal))| match said {
        Signal::UserToUser(words) => Some((words.0.concat(), next.clone())),
        _ => None,
    };
    pairs.filter_map(of).collect()
}

#[test]
fn words_of_users_go_with_ringing_and_with_refusals_between_those_who_are_trusted_with_them_alone() {
    for trusted in [true, false] {
        let mut net = Net::pair_with(3, |trunk| trunk.profile.user_to_user = trusted);
        net.call(0, Some(media(1000)));
        net.run_ms(30);
        let b = net.incoming(1);
        net.say(1, b, ringing());
        net.run_ms(30);
        assert_eq!(words_before(&mut net, 0), []);
        // Other words are a reason to say again that it rings, and none are not.
        net.say(1, b, Signal::UserToUser(word(WORDS[0])));
        net.say(1, b, ringing());
        net.say(1, b, ringing());
        net.run_ms(30);
        let expected = if trusted { vec![(WORDS[0].to_owned(), ringing())] } else { Vec::new() };
        assert_eq!(words_before(&mut net, 0), expected);
        let detail = Detail { words: word(WORDS[1]), ..Detail::default() };
        net.say(1, b, Signal::Hangup(Hangup { cause: Cause::Busy, detail: Some(detail) }));
        net.run_ms(100);
        let refused = words_before(&mut net, 0);
        assert_eq!(
            refused.iter().map(|(words, _)| words.as_str()).collect::<Vec<_>>(),
            &WORDS[1..][..usize::from(trusted)]
        );
        assert!(refused.iter().all(|(_, next)| matches!(next, Signal::Hangup(Hangup { cause: Cause::Busy, .. }))));
    }
}

#[test]
fn words_of_users_are_said_to_no_caller_who_is_not_trusted_with_them() {
    for trusted in [true, false] {
        let mut net = Net::with_script(1, |trunk| trunk.profile.user_to_user = trusted);
        net.inject(address("10.0.0.9:5060"), 0, request("INVITE", "sip:600@example.org", 1));
        let leg = net.incoming(0);
        net.say(0, leg, Signal::UserToUser(word(WORDS[0])));
        net.say(0, leg, ringing());
        let rings = last(&net).1;
        assert_eq!((rings.code(), rings.headers.has(&user_to_user())), (180, trusted));
        let detail = Detail { words: word(WORDS[1]), ..Detail::default() };
        net.say(0, leg, Signal::Hangup(Hangup { cause: Cause::Declined, detail: Some(detail) }));
        let refused = last(&net).1;
        assert_eq!((refused.code(), refused.headers.has(&user_to_user())), (603, trusted));
    }
}

#[test]
fn words_with_a_refusal_that_is_not_the_last_word_are_not_taken_for_those_of_the_next_server() {
    let peers = "10.0.0.9:5060";
    let mut net = Net::with_script(4, |trunk| trunk.profile.user_to_user = true);
    net.call(0, Some(media(1000)));
    net.run_ms(20);
    let full = patchcord::sip::message::Response::to(&net.request("INVITE"), 503)
        .with_to_tag("theirs")
        .with(Header::new(user_to_user(), WORDS[0]));
    net.inject(address(peers), 0, full);
    assert!(words(&mut net, 0).is_empty());
}

#[test]
fn a_caller_that_insists_on_provisional_responses_hears_words_with_them_and_without_an_offer_with_the_answer() {
    for has_offer in [true, false] {
        let mut net = Net::with_script(1, |trunk| trunk.profile.user_to_user = true);
        let invite = request("INVITE", "sip:600@example.org", 1).with(Header::new(Name::Require, "100rel"));
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let invite = if has_offer { invite.with_body("application/sdp", sdp) } else { invite };
        net.inject(address("10.0.0.9:5060"), 0, invite);
        let leg = net.incoming(0);
        net.say(0, leg, Signal::UserToUser(word(WORDS[0])));
        net.say(0, leg, ringing());
        let rings = last(&net).1;
        let expected = if has_offer { (180, Some(WORDS[0])) } else { (100, None) };
        assert_eq!((rings.code(), rings.headers.get(&user_to_user()).map(|value| value.as_str())), expected);
        let said = |net: &Net| last(net).1.headers.get(&user_to_user()).map(ToString::to_string);
        if !has_offer {
            let exchange = patchcord::base::ExchangeId::said(0);
            net.say(0, leg, Signal::Offer(Offer { exchange, description: media(1000) }));
            net.say(0, leg, Signal::Accept);
            assert_eq!((last(&net).1.code(), said(&net).as_deref()), (200, Some(WORDS[0])));
        }
    }
}
