//! A lost socket, and a page that comes back.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{Cause, Hangup, Progress, Signal, Stage};
use serde_json::json;

use super::{OFFER, Rig, answer, offer, start};

const GRACE: Duration = Duration::from_secs(30);

#[test]
fn calls_outlive_a_lost_socket_and_are_listed_to_the_page_that_comes_back() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    assert_eq!((&welcome["user"], &welcome["display"]), (&json!("alice"), &json!("Alice")));
    assert_eq!((&welcome["version"], &welcome["resume_within"]), (&json!(1), &json!(30)));
    assert_eq!((&welcome["calls"], &welcome["ice_servers"]), (&json!([]), &json!([])));
    let up = rig.connected(alice, "up");
    rig.say(up, Signal::Hold(true));
    let (out, _) = rig.call(alice, "out");
    rig.say(out, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
    rig.frames(alice);
    let (_, incoming) = rig.ring(alice);
    rig.advance(Duration::from_secs(5));

    rig.close(alice);
    assert_eq!(rig.signals(), [Signal::Lost, Signal::Lost, Signal::Lost]);
    assert!(rig.bound.is_empty());
    rig.advance(GRACE - Duration::from_millis(1));
    let (again, second) = rig.come_back(&welcome);
    assert_eq!(rig.signals(), [Signal::Back, Signal::Back, Signal::Back]);
    assert_eq!(rig.bound.len(), 1);
    assert_eq!(
        second["calls"],
        json!([
            {"call": "g1", "from": "+15550123", "display": "Carol", "to": "alice", "state": "incoming", "held": false,
                "on_hold": false, "since_ms": 34_999, "sdp": incoming["sdp"]},
            {"call": "out", "to": "+15550100", "state": "ringing", "held": false, "on_hold": false, "since_ms": 34_999},
            {"call": "up", "to": "+15550100", "state": "connected", "held": false, "on_hold": true, "since_ms": 34_999},
        ])
    );
    rig.send(again, &json!({"type": "hangup", "call": "up"}));
    assert_eq!(rig.signal(), (up, Signal::Hangup(Hangup::new(Cause::Normal))));
}

#[test]
fn who_does_not_come_back_in_time_hangs_up() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    rig.connected(alice, "up");
    rig.call(alice, "out");
    rig.ring(alice);
    rig.close(alice);
    rig.signals();
    rig.advance(GRACE);
    let ends: Vec<Signal> = [Cause::Unavailable, Cause::Cancelled, Cause::Network]
        .into_iter()
        .map(|c| Signal::Hangup(Hangup::new(c)))
        .collect();
    assert_eq!(rig.signals(), ends);
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    assert_eq!(rig.frame(conn)["code"], "cannot-resume");
    assert_eq!(rig.closed, [(conn, 1008)]);
    assert_eq!(rig.endpoint.poll_timeout(), None, "nothing is left of it");
}

#[test]
fn who_leaves_on_purpose_hangs_up_at_once_and_cannot_come_back() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    rig.connected(alice, "up");
    rig.call(alice, "out");
    rig.ring(alice);
    rig.leave(alice);
    let ends: Vec<Signal> = [Cause::Unavailable, Cause::Cancelled, Cause::Normal]
        .into_iter()
        .map(|c| Signal::Hangup(Hangup::new(c)))
        .collect();
    assert_eq!(rig.signals(), ends);
    assert!(rig.bound.is_empty());
    assert_eq!(rig.endpoint.poll_timeout(), None, "nothing is left of it");
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    assert_eq!(rig.frame(conn)["code"], "cannot-resume");
}

#[test]
fn an_old_socket_that_is_closed_on_purpose_after_it_was_replaced_ends_nothing() {
    let mut rig = Rig::new();
    let (old, welcome) = rig.sign_in("alice");
    rig.connected(old, "1");
    let (_, second) = rig.come_back(&welcome);
    rig.signals();
    rig.leave(old);
    assert!(rig.signals().is_empty());
    rig.come_back(&second);
}

#[test]
fn a_resume_token_is_good_once_and_each_welcome_brings_a_new_one() {
    let mut rig = Rig::new();
    let (first, welcome) = rig.sign_in("alice");
    rig.close(first);
    let (second, again) = rig.come_back(&welcome);
    let thief = rig.connect();
    rig.send(thief, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    assert_eq!(rig.frame(thief)["code"], "cannot-resume");
    rig.close(second);
    rig.come_back(&again);
}

#[test]
fn a_page_that_comes_back_before_its_old_socket_is_known_to_be_lost_replaces_it() {
    let mut rig = Rig::new();
    let (old, welcome) = rig.sign_in("alice");
    let leg = rig.connected(old, "1");
    let (new, second) = rig.come_back(&welcome);
    assert_eq!(rig.closed, [(old, 4000)]);
    assert_eq!(rig.signals(), [Signal::Lost, Signal::Back]);
    assert_eq!(second["calls"][0]["call"], "1");
    assert_eq!(rig.bound.len(), 1);
    rig.send(old, &json!({"type": "hangup", "call": "1"}));
    rig.close(old);
    assert!(rig.is_quiet(), "the old socket has no say any more");
    rig.say(leg, Signal::Hold(true));
    assert_eq!(rig.frame(new)["type"], "hold");
}

#[test]
fn what_ended_meanwhile_is_told_after_the_welcome() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.close(alice);
    rig.say(leg, Signal::Hold(true));
    rig.say(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    let frames = rig.frames(conn);
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0]["calls"], json!([]));
    assert_eq!((&frames[1]["type"], &frames[1]["call"]), (&json!("ended"), &json!("1")));
}

#[test]
fn an_offer_of_the_gateway_that_was_under_way_is_void() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.say(leg, offer(1));
    rig.frames(alice);
    rig.close(alice);
    let refused = Signal::Refuse { exchange: ExchangeId::said(1), cause: Cause::Network };
    assert_eq!(rig.signals(), [refused, Signal::Lost]);
    let (again, _) = rig.come_back(&welcome);
    rig.signals();
    rig.send(again, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    assert!(matches!(rig.signal().1, Signal::Offer(o) if o.exchange == ExchangeId::heard(2)));
}

#[test]
fn a_reloaded_page_offers_anew_before_the_call_is_answered() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let (leg, first) = rig.call(alice, "1");
    rig.close(alice);
    rig.say(leg, answer(first, true));
    let (again, _) = rig.come_back(&welcome);
    rig.signals();
    rig.send(again, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    let (_, Signal::Offer(second)) = rig.signal() else { panic!("no offer") };
    rig.say(leg, answer(first, false));
    assert!(rig.is_quiet(), "nobody waits for the first answer any more");
    rig.say(leg, answer(second.exchange, true));
    assert_eq!(rig.frame(again)["final"], false);
    rig.say(leg, Signal::Accept);
    assert_eq!(rig.frame(again)["type"], "accepted");
}

#[test]
fn an_incoming_call_can_be_answered_by_the_page_that_comes_back() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let (leg, _) = rig.ring(alice);
    rig.close(alice);
    let (again, second) = rig.come_back(&welcome);
    rig.signals();
    assert!(second["calls"][0]["sdp"].is_string());
    rig.send(again, &json!({"type": "answer", "call": "g1", "sdp": OFFER}));
    assert_eq!(rig.signals, [(leg, answer(ExchangeId::said(1), false)), (leg, Signal::Accept)]);
}

#[test]
fn a_lost_page_does_not_ring() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let contact = rig.bound[0].contact.clone();
    rig.close(alice);
    let leg = patchcord::base::LegMint::said(patchcord::base::AdapterId(2)).mint();
    rig.say(leg, start(contact));
    assert_eq!(rig.signal(), (leg, Signal::Hangup(Hangup::new(Cause::Unavailable))));
}

#[test]
fn a_user_who_is_taken_out_of_the_directory_keeps_its_calls_and_can_make_none() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.endpoint.set_directory(&std::sync::Arc::default());
    rig.send(alice, &json!({"type": "mute", "call": "1", "on": true}));
    assert_eq!(rig.signal(), (leg, Signal::Mute(true)));
    rig.send(alice, &json!({"type": "call", "call": "2", "to": "bob", "sdp": OFFER}));
    assert_eq!(rig.frame(alice)["code"], "bad-token");
    assert_eq!(rig.closed, [(alice, 1008)]);
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    assert_eq!(rig.frame(conn)["code"], "cannot-resume");
}
