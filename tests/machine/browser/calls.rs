//! Whole calls, and each frame of the table.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{
    Address, Answer, Attestation, CallStats, Candidates, Cause, Contact, Description, Detail, Diversion,
    DiversionReason, Dtmf, Entry, Hangup, Identity, LegStats, MediaPath, Mid, Party, Progress, Signal, Stage,
    UserToUser, Verstat,
};
use patchcord::sdp;
use serde_json::{Value, json};

use super::{OFFER, Rig, answer, description, start};

const CANDIDATE: &str = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host";

#[test]
fn a_call_names_its_caller_by_number_and_name_and_carries_the_offer() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "+1 555 0100", "sdp": OFFER, "later": [1]}));
    let (leg, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    assert_eq!(leg.adapter(), patchcord::base::AdapterId(2));
    assert_eq!(start.entry, Entry::User("alice".into()));
    assert_eq!(start.from.address, Address::here("+15550111"));
    assert_eq!(start.from.display.as_deref(), Some("Alice"));
    assert_eq!(start.to, Address::here("+1 555 0100"));
    assert_eq!(start.hops_left, 70);
    assert_eq!(start.offer.map(|o| o.description), Some(description()));

    let (bob, _) = rig.sign_in("bob");
    rig.send(bob, &json!({"type": "call", "call": "1", "to": "alice", "sdp": OFFER}));
    let (_, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    assert_eq!(start.from.address, Address::here("bob"));
}

#[test]
fn a_call_out_is_told_step_by_step_and_ends_by_the_other_side() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, exchange) = rig.call(alice, "1");
    rig.say(leg, answer(exchange, true));
    let frame = rig.frame(alice);
    assert_eq!((&frame["type"], &frame["call"], &frame["final"]), (&json!("answer"), &json!("1"), &json!(false)));
    assert_eq!(sdp::read(frame["sdp"].as_str().unwrap()).unwrap().audio().unwrap().codecs.len(), 8);

    rig.say(leg, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
    rig.say(leg, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
    assert_eq!(rig.frame(alice), json!({"type": "progress", "call": "1", "stage": "ringing", "early_media": false}));

    rig.say(leg, answer(exchange, false));
    assert!(rig.is_quiet(), "the last answer says what the provisional one said");
    rig.say(leg, Signal::Accept);
    assert_eq!(rig.frame(alice), json!({"type": "accepted", "call": "1"}));

    let detail = Detail { sip_status: None, q850: Some(16), text: Some("Normal".into()), ..Detail::default() };
    rig.say(leg, Signal::Hangup(Hangup { cause: Cause::Normal, detail: Some(detail) }));
    assert_eq!(
        rig.frame(alice),
        json!({"type": "ended", "call": "1", "cause": "normal", "text": "The call has ended.",
            "detail": {"q850": 16, "text": "Normal"}})
    );
    rig.say(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert!(rig.is_quiet());
}

#[test]
fn a_last_answer_that_differs_is_said_with_the_next_version() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, exchange) = rig.call(alice, "1");
    rig.say(leg, answer(exchange, true));
    let first = rig.frame(alice);
    let mut changed = description();
    changed.streams[0].codecs.truncate(1);
    let changed = patchcord::model::Answer { exchange, description: changed, provisional: false };
    rig.say(leg, Signal::Answer(changed));
    let second = rig.frame(alice);
    assert_eq!(second["final"], true);
    assert_eq!(version(&second["sdp"]), version(&first["sdp"]) + 1);
}

fn version(sdp: &serde_json::Value) -> u64 {
    let line = sdp.as_str().unwrap().lines().find(|l| l.starts_with("o=")).unwrap();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_whole_call_from_sign_in_to_hang_up_takes_few_frames_and_bytes() {
    let mut rig = Rig::new();
    let token = rig.token("web");
    let conn = rig.connect();
    let mut sent = Vec::new();
    let mut got = Vec::new();
    let mut send = |rig: &mut Rig, frame: serde_json::Value| {
        sent.push(frame.to_string());
        rig.send(conn, &frame);
    };
    send(&mut rig, json!({"type": "hello", "version": 1, "token": token}));
    send(&mut rig, json!({"type": "call", "call": "k3v9x0q2", "to": "+15550100", "sdp": OFFER}));
    let (leg, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    let exchange = start.offer.unwrap().exchange;
    rig.say(leg, answer(exchange, true));
    send(
        &mut rig,
        json!({"type": "candidates", "call": "k3v9x0q2", "candidates": [CANDIDATE, CANDIDATE], "done": true}),
    );
    for (stage, early_media) in
        [(Stage::Trying, false), (Stage::Ringing, false), (Stage::Session, true), (Stage::Session, true)]
    {
        rig.say(leg, Signal::Progress(Progress { stage, early_media }));
    }
    rig.say(leg, answer(exchange, false));
    rig.say(leg, Signal::Accept);
    send(&mut rig, json!({"type": "hangup", "call": "k3v9x0q2"}));
    got.extend(rig.frames(conn).iter().map(serde_json::Value::to_string));
    assert!(got.last().unwrap().contains("\"ended\""));
    let frames = sent.len() + got.len();
    let bytes: usize = sent.iter().chain(&got).map(String::len).sum();
    assert!(frames <= 20, "{frames} frames");
    assert!(bytes <= 10_000, "{bytes} bytes");
}

#[test]
fn an_incoming_call_rings_and_is_picked_up() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, frame) = rig.ring(alice);
    assert_eq!(frame["type"], "incoming");
    assert_eq!((&frame["call"], &frame["from"]), (&json!("g1"), &json!("+15550123")));
    assert_eq!((&frame["display"], &frame["to"]), (&json!("Carol"), &json!("alice")));
    assert!(sdp::read(frame["sdp"].as_str().unwrap()).is_ok());

    rig.send(alice, &json!({"type": "ringing", "call": "g1"}));
    rig.send(alice, &json!({"type": "ringing", "call": "g1"}));
    let ringing = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
    assert_eq!(rig.signal(), (leg, ringing));

    rig.send(alice, &json!({"type": "answer", "call": "g1", "sdp": OFFER}));
    assert_eq!(rig.signals(), [answer(ExchangeId::said(1), false), Signal::Accept]);
    rig.send(alice, &json!({"type": "hangup", "call": "g1"}));
    assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Normal))));
    assert_eq!(rig.frame(alice)["type"], "ended");
}

#[test]
fn a_page_is_told_whether_the_callers_number_is_proven() {
    let proven = Identity { verstat: Verstat::Passed, attestation: Some(Attestation::A), why: None };
    let not = Identity { verstat: Verstat::Failed, attestation: None, why: Some("the certificate has expired".into()) };
    let all = [
        (Some(proven), json!("TN-Validation-Passed"), json!("A")),
        (Some(not), json!("TN-Validation-Failed"), Value::Null),
        (None, Value::Null, Value::Null),
    ];
    for (identity, verstat, attestation) in all {
        let mut rig = Rig::new();
        let (alice, welcome) = rig.sign_in("alice");
        let leg = rig.said.mint();
        let Signal::Start(mut start) = start(rig.bound[0].contact.clone()) else { unreachable!() };
        start.about.identity = identity;
        rig.say(leg, Signal::Start(start));
        let frame = rig.frame(alice);
        assert_eq!((&frame["verstat"], &frame["attestation"]), (&verstat, &attestation));
        rig.close(alice);
        let call = rig.come_back(&welcome).1["calls"][0].clone();
        assert_eq!((&call["verstat"], &call["attestation"]), (&verstat, &attestation));
    }
}

#[test]
fn a_caller_who_does_not_want_to_be_named_is_not_named() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let contact = rig.bound[0].contact.clone();
    let Signal::Start(mut private) = start(contact) else { panic!("no start") };
    private.from.private = true;
    let leg = patchcord::base::LegMint::said(patchcord::base::AdapterId(2)).mint();
    rig.say(leg, Signal::Start(private));
    let frame = rig.frame(alice);
    assert_eq!((&frame["from"], &frame["display"]), (&json!("anonymous"), &json!(null)));
}

#[test]
fn hanging_up_means_what_the_state_of_the_call_says() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for (wish, cause) in [
        (json!(null), Cause::Declined),
        (json!("declined"), Cause::Declined),
        (json!("unwanted"), Cause::Unwanted),
        (json!("busy"), Cause::Busy),
        (json!("normal"), Cause::Declined),
        (json!("whatever"), Cause::Declined),
    ] {
        let (leg, frame) = rig.ring(alice);
        rig.send(alice, &json!({"type": "hangup", "call": frame["call"], "cause": wish}));
        assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(cause))));
        assert_eq!(rig.frame(alice)["cause"], cause.name());
    }
    let (leg, _) = rig.call(alice, "1");
    rig.send(alice, &json!({"type": "hangup", "call": "1", "cause": "busy"}));
    assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Cancelled))));
    assert_eq!(rig.frame(alice)["cause"], "cancelled");
}

#[test]
fn every_page_of_a_user_is_bound_while_it_is_there() {
    let mut rig = Rig::new();
    let (first, _) = rig.sign_in("alice");
    let (second, _) = rig.sign_in("alice");
    let users: Vec<&str> = rig.bound.iter().map(|b| b.user.as_str()).collect();
    assert_eq!(users, ["alice", "alice"]);
    assert_ne!(rig.bound[0].contact, rig.bound[1].contact);
    let elder = rig.bound[0].contact.clone();
    rig.close(second);
    assert_eq!(rig.bound.iter().map(|b| &b.contact).collect::<Vec<_>>(), [&elder]);
    rig.close(first);
    assert!(rig.bound.is_empty());
}

#[test]
fn a_call_to_a_page_that_is_gone_ends_at_once() {
    let mut rig = Rig::new();
    let mut mint = patchcord::base::LegMint::said(patchcord::base::AdapterId(2));
    for contact in ["s99", "", "nonsense"] {
        let leg = mint.mint();
        rig.say(leg, start(Contact(contact.into())));
        assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Unavailable))));
    }
}

#[test]
fn a_page_takes_eight_calls_and_is_busy_for_more() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for _ in 0..8 {
        assert_eq!(rig.ring(alice).1["type"], "incoming");
    }
    let contact = rig.bound[0].contact.clone();
    let leg = patchcord::base::LegMint::said(patchcord::base::AdapterId(9)).mint();
    rig.say(leg, start(contact));
    assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Busy))));
}

#[test]
fn candidates_go_both_ways() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, _) = rig.call(alice, "1");
    let lines = json!({"type": "candidates", "call": "1", "candidates": [CANDIDATE], "mid": "0", "ufrag": "4ZcD"});
    rig.send(alice, &lines);
    let candidates = Candidates {
        mid: Some(Mid("0".into())),
        ufrag: Some("4ZcD".into()),
        candidates: vec![sdp::candidate::read(CANDIDATE).unwrap()],
        more: true,
    };
    assert_eq!(rig.signal(), (leg, Signal::Candidates(candidates.clone())));
    rig.say(leg, Signal::Candidates(candidates));
    assert_eq!(rig.frame(alice), lines);

    // What `RTCPeerConnection` gives at the end, and the protocol's own word for it.
    for last in [json!({"candidates": [""]}), json!({"candidates": [], "done": true})] {
        let mut frame = json!({"type": "candidates", "call": "1"});
        frame.as_object_mut().unwrap().extend(last.as_object().unwrap().clone());
        rig.send(alice, &frame);
        let end = Candidates { mid: None, ufrag: None, candidates: vec![], more: false };
        assert_eq!(rig.signal(), (leg, Signal::Candidates(end)));
    }
}

#[test]
fn hold_mute_and_notices_are_told_to_the_other() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    for (word, on, signal) in [("hold", true, Signal::Hold(true)), ("mute", false, Signal::Mute(false))] {
        let frame = json!({"type": word, "call": "1", "on": on});
        rig.send(alice, &frame);
        assert_eq!(rig.signal(), (leg, signal.clone()));
        rig.say(leg, signal);
        assert_eq!(rig.frame(alice), frame);
    }
    rig.say(leg, Signal::Notice("No sound comes from the other side.".into()));
    assert_eq!(rig.frame(alice), json!({"type": "notice", "call": "1", "text": "No sound comes from the other side."}));
}

#[test]
fn digits_are_pressed_one_after_the_other() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    let pressed = |digit, ms| Signal::Dtmf(Dtmf { digit, duration: Duration::from_millis(ms) });
    rig.send(alice, &json!({"type": "dtmf", "call": "1", "digits": "1#D", "duration_ms": 100}));
    assert_eq!(rig.signal(), (leg, pressed('1', 100)));
    rig.advance(Duration::from_millis(159));
    assert!(rig.is_quiet());
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.signals(), [pressed('#', 100)]);
    rig.advance(Duration::from_millis(160));
    assert_eq!(rig.signals(), [pressed('D', 100)]);
    rig.advance(Duration::from_secs(1));
    rig.send(alice, &json!({"type": "dtmf", "call": "1", "digits": "*"}));
    assert_eq!(rig.signals(), [pressed('*', 160)]);

    rig.say(leg, pressed('5', 90));
    assert_eq!(rig.frame(alice), json!({"type": "dtmf", "call": "1", "digit": "5", "duration_ms": 90}));
}

#[test]
fn figures_are_asked_for_and_told_for_each_side() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.send(alice, &json!({"type": "stats", "call": "1"}));
    assert_eq!(rig.signal(), (leg, Signal::AskStats));
    let you =
        LegStats { codec: Some("opus".into()), packets_in: 7, lost_out: 1, rtt_ms: Some(12.5), ..LegStats::default() };
    rig.say(leg, Signal::Stats(Box::new(CallStats { you, them: None })));
    assert_eq!(
        rig.frame(alice),
        json!({"type": "stats", "call": "1", "legs": {"you": {"codec": "opus", "packets_in": 7, "packets_out": 0,
            "lost_in": 0, "lost_out": 1, "jitter_ms": 0.0, "rtt_ms": 12.5}}})
    );
}

#[test]
fn every_cause_has_its_name_and_sentence_on_the_wire() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for cause in Cause::ALL {
        let (leg, _) = rig.call(alice, "1");
        rig.say(leg, Signal::Hangup(Hangup::new(cause)));
        let frame = rig.frame(alice);
        assert_eq!(frame, json!({"type": "ended", "call": "1", "cause": cause.name(), "text": cause.sentence()}));
    }
}

#[test]
fn a_page_is_told_which_way_the_media_go_and_a_page_that_comes_back_again() {
    for (path, word) in [(MediaPath::Direct, "direct"), (MediaPath::Relayed, "relayed")] {
        let mut rig = Rig::new();
        let (alice, welcome) = rig.sign_in("alice");
        let (leg, _) = rig.call(alice, "1");
        rig.say(leg, Signal::Path(path));
        assert_eq!(rig.frame(alice), json!({"type": "media", "call": "1", "path": word}));
        rig.close(alice);
        let (_, second) = rig.come_back(&welcome);
        assert_eq!(second["calls"][0]["media"], word);
    }
}

/// The same description as Chromium's, with pictures on a transport of their own.
fn with_video() -> String {
    let (session, audio) = OFFER.split_at(OFFER.find("m=audio").expect("a stream"));
    let transport: String = audio
        .split_inclusive("\r\n")
        .filter(|l| ["c=", "a=ice", "a=fingerprint", "a=setup", "a=rtcp-mux"].iter().any(|name| l.starts_with(name)))
        .collect();
    let session = session.replace("a=group:BUNDLE 0\r\n", "");
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
    format!(
        "{session}{audio}{video}{}a=mid:1\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n",
        transport.replace("4ZcD", "5YdE")
    )
}

#[test]
fn offers_and_answers_with_several_streams_pass_whole_in_both_directions() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "bob", "sdp": with_video()}));
    let (leg, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    let offer = start.offer.expect("an offer");
    let ufrags = |d: &Description| -> Vec<String> {
        d.streams.iter().filter_map(|s| s.transport.ice.as_ref().map(|i| i.ufrag.clone())).collect()
    };
    assert_eq!(ufrags(&offer.description), ["4ZcD", "5YdE"]);
    let answer = Answer { exchange: offer.exchange, description: offer.description.clone(), provisional: false };
    rig.say(leg, Signal::Answer(answer));
    let said = sdp::read(rig.frame(alice)["sdp"].as_str().expect("a description")).expect("a description");
    assert_eq!(ufrags(&said), ["4ZcD", "5YdE"]);
    assert_eq!(said.streams[0].header_extensions, offer.description.streams[0].header_extensions);
    assert_eq!(said.streams[0].sources, offer.description.streams[0].sources);
    assert!(said.groups.is_empty());
}

#[test]
fn candidates_of_the_other_side_pass_before_its_answer() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, _) = rig.call(alice, "1");
    let line = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0";
    rig.say(
        leg,
        Signal::Candidates(Candidates {
            mid: Some(Mid("1".into())),
            ufrag: Some("5YdE".into()),
            candidates: vec![sdp::candidate::read(line).expect("a candidate")],
            more: true,
        }),
    );
    assert_eq!(
        rig.frame(alice),
        json!({"type": "candidates", "call": "1", "candidates": [line], "mid": "1", "ufrag": "5YdE"})
    );
}

#[test]
fn a_page_is_told_whom_a_call_that_was_sent_on_was_meant_for_but_nobody_who_wishes_not_to_be_named() {
    let sent_on = |private: bool| {
        let mut rig = Rig::new();
        let (alice, _) = rig.sign_in("alice");
        let (contact, leg) = (rig.bound[0].contact.clone(), rig.said.mint());
        let Signal::Start(mut call) = start(contact) else { panic!("no start") };
        let party = |number: &str, private| Party { private, ..Party::new(Address::here(number)) };
        call.about.diversions = vec![
            Diversion { by: party("+15550177", false), reason: DiversionReason::Busy },
            Diversion { by: party("+15550188", private), reason: DiversionReason::Unconditional },
        ];
        rig.say(leg, Signal::Start(call));
        rig.frame(alice)["meant_for"].clone()
    };
    assert_eq!((sent_on(false), sent_on(true)), (json!("+15550188"), json!("anonymous")));
}

#[test]
fn a_page_hears_the_words_of_who_refuses_before_that_the_call_has_ended() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "+15550100", "sdp": OFFER}));
    let (leg, _) = rig.signal();
    let detail = Detail { words: UserToUser(vec!["back at nine".into()]), ..Detail::default() };
    rig.say(leg, Signal::Hangup(Hangup { cause: Cause::Busy, detail: Some(detail) }));
    let frames = rig.frames(alice);
    let [words, ended] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!(words, &json!({"type": "user-to-user", "call": "1", "data": ["back at nine"]}));
    assert_eq!((&ended["type"], ended.get("detail")), (&json!("ended"), None));
}

#[test]
fn a_page_hears_and_says_words_to_systems_with_calls_answers_and_hang_ups() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let words = ["56a390;encoding=hex", "4869;encoding=hex;purpose=isdn-uui"];
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "+15550100", "sdp": OFFER, "user_to_user": words}));
    let (leg, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    assert_eq!(start.about.along.user_to_user, words);
    rig.say(leg, Signal::UserToUser(UserToUser(vec!["42".into()])));
    assert_eq!(rig.frame(alice), json!({"type": "user-to-user", "call": "1", "data": ["42"]}));
    rig.send(alice, &json!({"type": "user-to-user", "call": "1", "data": ["43"]}));
    assert_eq!(rig.signal(), (leg, Signal::UserToUser(UserToUser(vec!["43".into()]))));

    let (leg, frame) = rig.ring_with(alice, |start| start.about.along.user_to_user = vec![words[0].into()]);
    assert_eq!(frame["user_to_user"], json!([words[0]]));
    rig.close(alice);
    let (alice, welcome) = rig.come_back(&welcome);
    let calls = welcome["calls"].as_array().unwrap();
    let incoming = calls.iter().find(|call| call["state"] == "incoming").unwrap();
    assert_eq!(incoming["user_to_user"], json!([words[0]]));
    assert!(calls.iter().any(|call| call.get("user_to_user").is_none()));
    let _ = leg;

    // They become headers of messages: nothing else gets in by them.
    for data in [
        json!(["a\r\nVia: x"]),
        json!([""]),
        json!(["x".repeat(513)]),
        json!(vec!["x"; 9]),
        json!("x"),
        json!(["\u{e4}"]),
    ] {
        rig.send(alice, &json!({"type": "user-to-user", "call": "1", "data": data}));
        assert_eq!(rig.frame(alice)["code"], "bad-json", "{data}");
    }
}
