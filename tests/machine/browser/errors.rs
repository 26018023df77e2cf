//! Each row of the table of errors; and that no frame reaches another connection's call.

use std::time::Duration;

use patchcord::model::{Cause, Hangup, Signal};
use patchcord::web::Config;
use patchcord::web::error::FrameErrorCode;
use serde_json::{Value, json};

use super::{OFFER, Rig};

fn code(frame: &Value) -> &str {
    assert_eq!(frame["type"], "error", "{frame}");
    assert!(frame["text"].as_str().is_some_and(|t| !t.is_empty()), "{frame}");
    frame["code"].as_str().unwrap()
}

#[test]
fn what_is_no_frame_is_named_and_harms_nothing() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    let deep = "[".repeat(1000);
    for (text, expected) in [
        ("", "bad-json"),
        ("{", "bad-json"),
        ("[]", "bad-json"),
        ("null", "bad-json"),
        (deep.as_str(), "bad-json"),
        ("{}", "bad-json"),
        (r#"{"type":1}"#, "bad-json"),
        (r#"{"type":"teapot"}"#, "unknown-type"),
        (r#"{"type":"answer","call":"1"}"#, "bad-json"),
        (r#"{"type":"answer","call":"1","sdp":7}"#, "bad-json"),
        (r#"{"type":"hangup"}"#, "bad-json"),
        (r#"{"type":"hangup","call":1}"#, "bad-json"),
        (r#"{"type":"hangup","call":"with space"}"#, "bad-json"),
        (r#"{"type":"hangup","call":""}"#, "bad-json"),
        (r#"{"type":"hangup","call":"123456789012345678901234567890123"}"#, "bad-json"),
        (r#"{"type":"hold","call":"1","on":"yes"}"#, "bad-json"),
        (r#"{"type":"dtmf","call":"1","digits":""}"#, "bad-json"),
        (r#"{"type":"dtmf","call":"1","digits":"12x"}"#, "bad-json"),
        (r#"{"type":"dtmf","call":"1","digits":"000000000000000000000000000000000"}"#, "bad-json"),
        (r#"{"type":"dtmf","call":"1","digits":"1","duration_ms":39}"#, "bad-json"),
        (r#"{"type":"candidates","call":"1"}"#, "bad-json"),
        (r#"{"type":"call","call":"g1","to":"bob","sdp":""}"#, "bad-json"),
    ] {
        rig.send_text(alice, text);
        assert_eq!(code(&rig.frame(alice)), expected, "{text}");
    }
    assert!(rig.signals().is_empty() && rig.closed.is_empty());
    rig.advance(Duration::from_secs(1));
    rig.send(alice, &json!({"type": "mute", "call": "1", "on": true}));
    assert_eq!(rig.signal(), (leg, Signal::Mute(true)));
}

#[test]
fn an_error_says_which_call_and_which_frame_it_is_about() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.send(alice, &json!({"type": "hold", "call": "7", "on": 1}));
    let frame = rig.frame(alice);
    assert_eq!((&frame["call"], &frame["about"]), (&json!("7"), &json!("hold")));
    rig.send(alice, &json!({"type": "x".repeat(1000)}));
    assert_eq!(rig.frame(alice)["about"].as_str().unwrap().len(), 32);
}

#[test]
fn errors_before_the_welcome_close_the_connection() {
    let mut rig = Rig::new();
    let used = rig.token("alice");
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "token": used}));
    rig.frames(conn);
    let old = rig.token("alice");
    rig.advance(Duration::from_secs(60));
    let stranger = rig.token("mallory");
    for (frame, expected) in [
        (json!({"type": "hello", "version": 2, "token": "x"}), "bad-version"),
        (json!({"type": "call", "call": "1", "to": "bob", "sdp": OFFER}), "not-signed-in"),
        (json!({"type": "hangup", "call": "1"}), "not-signed-in"),
        (json!({"type": "hello", "version": 1, "token": "x"}), "bad-token"),
        (json!({"type": "hello", "version": 1, "token": used}), "bad-token"),
        (json!({"type": "hello", "version": 1, "token": old}), "bad-token"),
        (json!({"type": "hello", "version": 1, "token": stranger}), "bad-token"),
        (json!({"type": "hello", "version": 1}), "bad-token"),
        (json!({"type": "hello", "version": 1, "resume": "x"}), "cannot-resume"),
        (json!({"type": "hello", "version": 1, "resume": ""}), "cannot-resume"),
    ] {
        let conn = rig.connect();
        rig.send(conn, &frame);
        assert_eq!(code(&rig.frame(conn)), expected, "{frame}");
        assert_eq!(rig.closed.pop(), Some((conn, 1008)), "{frame}");
        rig.send(conn, &frame);
        assert!(rig.is_quiet(), "what follows is not looked at");
    }
}

#[test]
fn a_client_that_says_nothing_for_ten_seconds_is_closed() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let silent = rig.connect();
    rig.send_text(silent, "nonsense");
    rig.advance(Duration::from_millis(9_999));
    assert!(rig.closed.is_empty());
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.closed, [(silent, 1008)]);
    rig.send(alice, &json!({"type": "hello", "version": 1, "token": ""}));
    assert_eq!(code(&rig.frame(alice)), "wrong-state");
}

#[test]
fn a_frame_over_the_limit_closes_with_1009() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (bob, _) = rig.sign_in("bob");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "bob", "sdp": "x".repeat(65_536)}));
    assert_eq!(code(&rig.frame(alice)), "too-large");
    rig.endpoint.handle_oversized(rig.now, bob);
    rig.send_text(bob, "{}");
    assert_eq!(code(&rig.frame(bob)), "too-large");
    assert_eq!(rig.closed, [(alice, 1009), (bob, 1009)]);
    assert!(rig.bound.is_empty());
}

#[test]
fn a_call_with_something_wrong_is_no_call() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for (to, sdp, expected) in [
        ("", OFFER, "bad-number"),
        ("bob@", OFFER, "bad-number"),
        ("a\nb", OFFER, "bad-number"),
        ("bob", "", "bad-sdp"),
        ("bob", "v=0\r\nm=audio nonsense", "bad-sdp"),
    ] {
        rig.send(alice, &json!({"type": "call", "call": "1", "to": to, "sdp": sdp}));
        let frame = rig.frame(alice);
        assert_eq!(code(&frame), expected, "{to:?} {sdp:?}");
        assert_eq!((&frame["call"], &frame["about"]), (&json!("1"), &json!("call")));
    }
    rig.call(alice, "1");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "bob", "sdp": OFFER}));
    assert_eq!(code(&rig.frame(alice)), "duplicate-call");
    for n in 2..=8 {
        rig.call(alice, &n.to_string());
    }
    rig.send(alice, &json!({"type": "call", "call": "9", "to": "bob", "sdp": OFFER}));
    assert_eq!(code(&rig.frame(alice)), "too-many-calls");
    assert!(rig.is_quiet());
}

#[test]
fn frames_that_make_no_sense_now_change_nothing() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.call(alice, "out");
    rig.ring(alice);
    rig.connected(alice, "up");
    for (kind, call) in [
        ("ringing", "out"),
        ("ringing", "up"),
        ("answer", "out"),
        ("answer", "up"),
        ("offer", "out"),
        ("offer", "g1"),
        ("refuse", "out"),
        ("refuse", "g1"),
        ("refuse", "up"),
        ("hold", "out"),
        ("hold", "g1"),
        ("dtmf", "g1"),
    ] {
        rig.send(alice, &json!({"type": kind, "call": call, "sdp": OFFER, "on": true, "digits": "1"}));
        assert_eq!(code(&rig.frame(alice)), "wrong-state", "{kind} {call}");
        assert!(rig.is_quiet(), "{kind} {call}");
    }
    rig.send(alice, &json!({"type": "answer", "call": "g1", "sdp": "nonsense"}));
    assert_eq!(code(&rig.frame(alice)), "bad-sdp");
    assert!(rig.is_quiet());
    rig.send(alice, &json!({"type": "answer", "call": "g1", "sdp": OFFER}));
    assert_eq!(rig.signals().len(), 2, "the incoming call still waits to be answered");
}

#[test]
fn a_bad_candidate_is_named_and_the_good_ones_pass() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    let lines = ["candidate:nonsense", "candidate:1 1 udp 1 192.0.2.7 50000 typ host"];
    rig.send(alice, &json!({"type": "candidates", "call": "1", "candidates": lines}));
    assert_eq!(code(&rig.frame(alice)), "bad-sdp");
    let (heard, Signal::Candidates(candidates)) = rig.signal() else { panic!("no candidates") };
    assert_eq!((heard, candidates.candidates.len()), (leg, 1));
}

#[test]
fn more_than_fifty_frames_a_second_are_dropped_and_it_is_told_once_a_second() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.connected(alice, "1");
    rig.advance(Duration::from_secs(1));
    for second in 0..2 {
        for _ in 0..80 {
            rig.send(alice, &json!({"type": "mute", "call": "1", "on": true}));
        }
        assert_eq!(rig.signals().len(), 50, "second {second}");
        assert_eq!(code(&rig.frame(alice)), "too-fast");
        rig.advance(Duration::from_secs(1));
    }
    for expected in [None, None, Some("too-fast")] {
        let frame = json!({"type": "dtmf", "call": "1", "digits": "0123456789012345678901234567890"});
        rig.send(alice, &frame);
        assert_eq!(rig.frames(alice).first().map(code), expected);
    }
}

#[test]
fn a_call_for_which_there_is_no_room_says_congestion() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, _) = rig.call(alice, "1");
    rig.overflow(leg, true);
    let frame = rig.frame(alice);
    assert_eq!((code(&frame), &frame["call"], &frame["about"]), ("congestion", &json!("1"), &json!("call")));
    rig.send(alice, &json!({"type": "hangup", "call": "1"}));
    assert_eq!(code(&rig.frame(alice)), "no-such-call");

    let leg = rig.connected(alice, "2");
    rig.overflow(leg, false);
    assert_eq!(rig.frame(alice)["cause"], "congestion");
    assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Congestion))));
}

#[test]
fn no_frame_of_one_connection_reaches_a_call_of_another() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    let (ringing, _) = rig.ring(alice);
    let (mallory, _) = rig.sign_in("bob");
    for call in ["1", "g1"] {
        for kind in ["ringing", "answer", "offer", "refuse", "candidates", "hold", "mute", "dtmf", "stats", "hangup"] {
            let frame = json!({"type": kind, "call": call, "sdp": OFFER, "on": true, "digits": "1", "candidates": []});
            rig.send(mallory, &frame);
            assert_eq!(code(&rig.frame(mallory)), "no-such-call", "{kind}");
            assert!(rig.is_quiet(), "{kind}");
        }
    }
    // The same name on another connection is another call.
    let own = rig.connected(mallory, "1");
    rig.send(mallory, &json!({"type": "hangup", "call": "1"}));
    assert_eq!(rig.signal().0, own);
    rig.frames(mallory);
    rig.endpoint.handle_oversized(rig.now, mallory);
    rig.close(mallory);
    rig.advance(Duration::from_secs(31));
    rig.signals();
    rig.say(leg, Signal::Hold(true));
    rig.say(ringing, Signal::Hangup(Hangup::new(Cause::Cancelled)));
    assert_eq!(rig.frames(alice).len(), 2);
}

#[test]
fn connections_have_a_limit() {
    let mut rig = Rig::with(Config { max_connections: 2, ..Config::default() });
    let (first, _) = rig.sign_in("alice");
    rig.sign_in("alice");
    let third = rig.connect();
    assert_eq!(rig.closed, [(third, 1013)]);
    rig.close(third);
    rig.close(first);
    rig.sign_in("alice");
}

#[test]
fn the_document_tells_of_every_error() {
    let document = include_str!("../../../docs/browser-protocol.md");
    for code in FrameErrorCode::ALL {
        let name = serde_json::to_value(code).unwrap();
        assert!(document.contains(&format!("| `{}` |", name.as_str().unwrap())), "{name}");
    }
}
