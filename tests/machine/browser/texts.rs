//! Messages that pages write and read.

use std::time::Duration;

use patchcord::base::AdapterId;
use patchcord::model::{Address, Cause, Entry, LONGEST_TEXT, Party, Text, TextId, Undelivered};
use patchcord::web::ConnId;
use patchcord::web::texts::{MAX_WAITING, TEXTS_A_MINUTE, TOLD_WITHIN};
use serde_json::{Value, json};

use super::Rig;

/// Writes a message and takes what the switch is given.
fn write(rig: &mut Rig, conn: ConnId, id: &str) -> Text {
    rig.send(conn, &json!({"type": "text", "id": id, "to": " xmpp:Bob@Example.ORG ", "body": "Grüße"}));
    rig.written.pop().expect("a message")
}

fn settle(rig: &mut Rig, id: TextId, result: Result<(), Undelivered>) {
    rig.endpoint.delivered(id, result);
    rig.drain();
}

/// A message to the user's first page.
fn deliver(rig: &mut Rig, from: Party) {
    let contact = rig.bound.first().map(|b| b.contact.clone());
    let id = TextId { adapter: AdapterId(9), number: 7 };
    let to = Address::here("alice");
    let text = Text { id, entry: Entry::Open, from, to, contact, trunk: None, body: "Hello".into() };
    rig.endpoint.deliver(text);
    rig.drain();
}

fn error(code: &str, about: &Value) -> bool {
    about["type"] == "error" && about["code"] == code && about["about"] == "text" && about["id"] == "t1"
}

#[test]
fn a_message_goes_to_the_switch_and_the_page_learns_that_it_was_delivered() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let text = write(&mut rig, alice, "t1");
    assert_eq!(
        (text.entry, text.to, text.body.as_str()),
        (Entry::User("alice".into()), Address::at("Bob", "example.org"), "Grüße")
    );
    assert_eq!((text.from.address, text.from.display.as_deref()), (Address::here("+15550111"), Some("Alice")));
    assert!(rig.is_quiet(), "nothing is said before it is known");
    settle(&mut rig, text.id, Ok(()));
    assert_eq!(rig.frame(alice), json!({"type": "text-status", "id": "t1", "delivered": true}));
    settle(&mut rig, text.id, Ok(()));
    assert!(rig.is_quiet(), "and it is said once");
}

#[test]
fn a_message_that_is_not_delivered_says_why() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let text = write(&mut rig, alice, "t1");
    settle(&mut rig, text.id, Err(Undelivered { cause: Cause::NotFound, why: Some("No such account.".into()) }));
    assert_eq!(
        rig.frame(alice),
        json!({"type": "text-status", "id": "t1", "delivered": false, "cause": "not-found", "text": "No such account."})
    );
    let text = write(&mut rig, alice, "t1");
    rig.endpoint.handle_text_overflow(text.id);
    rig.drain();
    assert_eq!(rig.frame(alice)["cause"], "congestion", "the name is free again");
}

#[test]
fn a_message_of_which_nothing_is_heard_is_given_up() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let text = write(&mut rig, alice, "t1");
    rig.advance(TOLD_WITHIN - Duration::from_millis(1));
    assert!(rig.is_quiet());
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.frame(alice)["cause"], "timeout");
    settle(&mut rig, text.id, Ok(()));
    assert!(rig.is_quiet(), "too late");
}

#[test]
fn a_message_reaches_the_page_with_who_wrote_it() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let carol = Party { display: Some("Carol".into()), ..Party::new(Address::at("carol", "example.org")) };
    deliver(&mut rig, carol.clone());
    assert_eq!(
        rig.frame(alice),
        json!({"type": "text", "from": "carol@example.org", "display": "Carol", "body": "Hello"})
    );
    deliver(&mut rig, Party { private: true, ..carol });
    assert_eq!(rig.frame(alice), json!({"type": "text", "from": "anonymous", "body": "Hello"}));
    assert!(rig.delivered.iter().all(|(_, result)| result.is_ok()) && rig.delivered.len() == 2);
}

#[test]
fn a_message_to_a_page_that_is_lost_or_never_was_is_not_delivered() {
    let mut rig = Rig::new();
    deliver(&mut rig, Party::new(Address::here("carol")));
    let (alice, _) = rig.sign_in("alice");
    let bound = rig.bound.clone();
    rig.close(alice);
    rig.bound = bound;
    deliver(&mut rig, Party::new(Address::here("carol")));
    let causes: Vec<_> = rig.delivered.iter().map(|(_, result)| result.clone().unwrap_err().cause).collect();
    assert_eq!(causes, [Cause::Unavailable, Cause::Unavailable]);
}

#[test]
fn what_became_of_a_message_waits_for_a_page_that_is_lost() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let text = write(&mut rig, alice, "t1");
    rig.close(alice);
    settle(&mut rig, text.id, Ok(()));
    let conn = rig.connect();
    rig.send(conn, &json!({"type": "hello", "version": 1, "resume": welcome["resume"]}));
    let frames = rig.frames(conn);
    assert_eq!((&frames[0]["type"], &frames[1]["type"], frames.len()), (&json!("welcome"), &json!("text-status"), 2));
}

#[test]
fn a_message_that_cannot_be_taken_is_an_error_with_its_id() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    let long = "x".repeat(LONGEST_TEXT + 1);
    for (code, to, body) in [("bad-number", "@", "x"), ("bad-json", "bob", ""), ("bad-json", "bob", long.as_str())] {
        rig.send(alice, &json!({"type": "text", "id": "t1", "to": to, "body": body}));
        let frame = rig.frame(alice);
        assert!(error(code, &frame), "{frame}");
    }
    rig.send(alice, &json!({"type": "text", "id": "t 1", "to": "bob", "body": "x"}));
    assert_eq!(rig.frame(alice)["code"], "bad-json");
    rig.send(alice, &json!({"type": "text", "id": "t1", "to": "bob", "body": &long[1..]}));
    assert_eq!(rig.written.len(), 1, "the longest one");
    rig.send(alice, &json!({"type": "text", "id": "t1", "to": "bob", "body": "x"}));
    let frame = rig.frame(alice);
    assert!(error("wrong-state", &frame), "{frame}");
}

#[test]
fn messages_have_a_pace_and_only_so_many_are_under_way() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for n in 0..MAX_WAITING {
        write(&mut rig, alice, &format!("w{n}"));
    }
    rig.send(alice, &json!({"type": "text", "id": "t1", "to": "bob", "body": "x"}));
    let frame = rig.frame(alice);
    assert!(error("too-fast", &frame), "{frame}");

    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    for n in 0..TEXTS_A_MINUTE {
        let text = write(&mut rig, alice, &format!("w{n}"));
        settle(&mut rig, text.id, Ok(()));
        rig.advance(Duration::from_millis(500));
    }
    rig.frames(alice);
    rig.send(alice, &json!({"type": "text", "id": "t1", "to": "bob", "body": "x"}));
    let frame = rig.frame(alice);
    assert!(error("too-fast", &frame), "{frame}");
    rig.advance(Duration::from_secs(30));
    write(&mut rig, alice, "t1");
}
