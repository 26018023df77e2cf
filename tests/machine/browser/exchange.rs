//! Offers and answers in a call, from either side and from both at once.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{Cause, Signal};
use serde_json::json;

use super::{OFFER, Rig, answer, offer};

#[test]
fn a_clients_new_offer_is_answered() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    let (_, Signal::Offer(heard)) = rig.signal() else { panic!("no offer") };
    assert_eq!(heard.exchange, ExchangeId::heard(2));
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    assert_eq!(rig.frame(alice)["code"], "wrong-state");
    rig.say(leg, answer(ExchangeId::heard(1), false));
    assert!(rig.is_quiet(), "an answer to another exchange means nothing");
    rig.say(leg, answer(heard.exchange, false));
    let frame = rig.frame(alice);
    assert_eq!((&frame["type"], &frame["final"]), (&json!("answer"), &json!(true)));
}

#[test]
fn a_provisional_answer_in_a_connected_call_is_made_final_by_a_frame() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    rig.signals();
    rig.say(leg, answer(ExchangeId::heard(2), true));
    assert_eq!(rig.frame(alice)["final"], false);
    rig.say(leg, answer(ExchangeId::heard(2), false));
    assert_eq!(rig.frame(alice)["final"], true);
}

#[test]
fn a_clients_offer_that_is_refused_is_rolled_back() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    rig.signals();
    rig.say(leg, Signal::Refuse { exchange: ExchangeId::heard(2), cause: Cause::Glare });
    let frame = rig.frame(alice);
    assert_eq!((&frame["code"], &frame["call"]), (&json!("offer-refused"), &json!("1")));
    assert_eq!(frame["cause"], "glare", "so that the page knows to offer again");
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    assert!(matches!(rig.signal().1, Signal::Offer(o) if o.exchange == ExchangeId::heard(3)));
}

#[test]
fn the_gateways_offer_is_answered_refused_or_given_up() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.say(leg, offer(1));
    assert_eq!(rig.frame(alice)["type"], "offer");
    rig.send(alice, &json!({"type": "answer", "call": "1", "sdp": OFFER}));
    assert_eq!(rig.signals(), [answer(ExchangeId::said(1), false)]);

    rig.say(leg, offer(2));
    rig.send(alice, &json!({"type": "refuse", "call": "1"}));
    assert_eq!(rig.signals(), [Signal::Refuse { exchange: ExchangeId::said(2), cause: Cause::NotSupported }]);

    rig.say(leg, offer(3));
    rig.advance(Duration::from_secs(30));
    assert_eq!(rig.signals(), [Signal::Refuse { exchange: ExchangeId::said(3), cause: Cause::Timeout }]);
    rig.frames(alice);
    rig.send(alice, &json!({"type": "answer", "call": "1", "sdp": OFFER}));
    assert_eq!(rig.frame(alice)["code"], "wrong-state");
}

#[test]
fn when_both_offer_at_once_the_client_gives_way() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.say(leg, offer(1));
    rig.frames(alice);
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    assert!(rig.is_quiet(), "the client's offer crossed ours and is dropped without a word");
    rig.send(alice, &json!({"type": "answer", "call": "1", "sdp": OFFER}));
    assert_eq!(rig.signals(), [answer(ExchangeId::said(1), false)]);
    rig.send(alice, &json!({"type": "offer", "call": "1", "sdp": OFFER}));
    assert!(matches!(rig.signal().1, Signal::Offer(_)));

    // While the client's offer is open the gateway does not offer on top of it.
    rig.say(leg, offer(2));
    assert_eq!(rig.signals(), [Signal::Refuse { exchange: ExchangeId::said(2), cause: Cause::Glare }]);
}

#[test]
fn an_offer_before_the_call_is_answered_makes_the_provisional_answer_final_first() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let (leg, exchange) = rig.call(alice, "1");
    rig.say(leg, answer(exchange, true));
    rig.frames(alice);
    rig.say(leg, offer(1));
    let frames = rig.frames(alice);
    assert_eq!((&frames[0]["type"], &frames[0]["final"]), (&json!("answer"), &json!(true)));
    assert_eq!(frames[1]["type"], "offer");
}

#[test]
fn a_browser_cannot_be_asked_to_offer() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.say(leg, Signal::Solicit(ExchangeId::said(4)));
    assert_eq!(rig.signals(), [Signal::Refuse { exchange: ExchangeId::said(4), cause: Cause::NotSupported }]);
}
