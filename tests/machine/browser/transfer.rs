//! A page that transfers its call, and one that is connected with somebody else.

use patchcord::model::{Address, Cause, Party, Replaces, Signal, Stage, Transfer, Transferring};
use serde_json::json;

use super::Rig;

#[test]
fn a_page_transfers_a_call_to_whoever_is_typed_or_to_the_other_end_of_its_second_call() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let first = rig.connected(alice, "1");
    let second = rig.connected(alice, "2");
    rig.send(alice, &json!({"type": "transfer", "call": "1", "to": "+1 555 0100"}));
    let wish = |replaces| {
        Signal::Transfer(Transfer {
            to: Address::here("+1 555 0100"),
            replaces,
            by: None,
            user_to_user: Default::default(),
        })
    };
    assert_eq!(rig.signal(), (first, wish(None)));
    rig.send(alice, &json!({"type": "transfer", "call": "1", "to": "+1 555 0100", "with": "2"}));
    assert_eq!(rig.signal(), (first, wish(Some(Replaces::Leg(second)))));
    for (frame, code) in [
        (json!({"type": "transfer", "call": "1", "to": ""}), "bad-number"),
        (json!({"type": "transfer", "call": "1", "to": "bob", "with": "9"}), "no-such-call"),
        (json!({"type": "transfer", "call": "9", "to": "bob"}), "no-such-call"),
        (json!({"type": "transfer", "call": "1"}), "bad-json"),
    ] {
        rig.send(alice, &frame);
        let error = rig.frame(alice);
        assert_eq!((&error["code"], &error["about"]), (&json!(code), &json!("transfer")), "{frame}");
    }
    assert!(rig.is_quiet());
}

#[test]
fn a_call_that_is_not_answered_is_not_transferred() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.call(alice, "1");
    rig.send(alice, &json!({"type": "transfer", "call": "1", "to": "bob"}));
    assert_eq!(rig.frame(alice)["code"], "wrong-state");
}

#[test]
fn a_page_is_told_how_its_transfer_goes_and_who_the_other_end_is() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    for (how, state) in [
        (Transferring::Trying(Stage::Trying), "trying"),
        (Transferring::Trying(Stage::Ringing), "ringing"),
        (Transferring::Done, "done"),
    ] {
        rig.say(leg, Signal::Transferring(how));
        assert_eq!(rig.frame(alice), json!({"type": "transferring", "call": "1", "state": state}));
    }
    rig.say(leg, Signal::Transferring(Transferring::Failed(Cause::Busy)));
    let failed = json!({"type": "transferring", "call": "1", "state": "failed", "cause": "busy",
        "text": Cause::Busy.sentence()});
    assert_eq!(rig.frame(alice), failed);
    let carol = Party { display: Some("Carol".into()), ..Party::new(Address::here("carol")) };
    rig.say(leg, Signal::Connected(carol));
    let connected = json!({"type": "connected", "call": "1", "with": "carol", "display": "Carol"});
    assert_eq!(rig.frame(alice), connected);
    let hidden = Party { private: true, ..Party::new(Address::here("carol")) };
    rig.say(leg, Signal::Connected(hidden));
    assert_eq!(rig.frame(alice), json!({"type": "connected", "call": "1", "with": "anonymous"}));
}
