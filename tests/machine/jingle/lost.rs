//! Streams that come and go.

use std::time::Duration;

use patchcord::base::{ExchangeId, Secret};
use patchcord::jingle::config::Login;
use patchcord::model::{Address, Cause, Signal};
use xmpp_parsers::jid::BareJid;

use super::*;

#[test]
fn a_call_that_is_up_survives_a_lost_stream_and_what_was_said_meanwhile_follows() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.down();
    assert_eq!(rig.heard(), ["Lost"]);
    rig.down();
    rig.say(leg, Signal::Hold(true));
    assert!(rig.words().is_empty() && rig.heard().is_empty());
    rig.advance(Duration::from_secs(60));
    rig.up("phone.example.org", false);
    assert_eq!(rig.heard(), ["Back"]);
    let sent = rig.sent();
    let said: Vec<String> = sent.iter().map(words).collect();
    assert_eq!(said, ["session-info <hold/>", "session-info"], "and asks whether the session is still there");
    rig.answer_to(&sent[1], "result", "");
    assert!(rig.heard().is_empty());
    rig.advance(Duration::from_secs(600));
    assert!(rig.heard().is_empty());
}

#[test]
fn a_session_that_the_peer_ended_meanwhile_is_over() {
    let mut rig = Rig::new();
    rig.up_call();
    rig.down();
    rig.up("phone.example.org", false);
    rig.heard();
    let ping = rig.sent().remove(0);
    let gone = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><unknown-session xmlns='urn:xmpp:jingle:errors:1'/></error>";
    rig.answer_to(&ping, "error", gone);
    assert_eq!(rig.heard(), ["Hangup network"]);
}

#[test]
fn a_peer_that_lost_its_stream_too_is_asked_until_it_is_back_or_has_had_its_time() {
    let away = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let mut rig = Rig::new();
    rig.up_call();
    rig.down();
    rig.up("phone.example.org", false);
    rig.heard();
    let ping = rig.sent().remove(0);
    rig.answer_to(&ping, "error", away);
    rig.advance(Duration::from_secs(2));
    let again = rig.sent().remove(0);
    assert_eq!(words(&again), "session-info");
    rig.answer_to(&again, "result", "");
    rig.advance(Duration::from_secs(600));
    assert_eq!((rig.heard(), rig.words()), (vec![], vec![]));

    rig.down();
    rig.up("phone.example.org", false);
    rig.heard();
    for _ in 0..31 {
        let ping = rig.sent().remove(0);
        rig.answer_to(&ping, "error", away);
        rig.advance(Duration::from_secs(2));
    }
    assert_eq!(rig.heard(), ["Hangup network"]);
}

#[test]
fn a_stream_that_is_resumed_lost_nothing_and_asks_nothing() {
    let mut rig = Rig::new();
    rig.up_call();
    rig.down();
    rig.up("phone.example.org", true);
    assert_eq!(rig.heard(), ["Lost", "Back"]);
    assert!(rig.words().is_empty());
}

#[test]
fn a_call_whose_stream_stays_away_ends_and_its_peer_is_told_when_there_is_a_stream_again() {
    let mut rig = Rig::new();
    rig.up_call();
    rig.down();
    rig.advance(Duration::from_secs(119));
    assert_eq!(rig.heard(), ["Lost"]);
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.heard(), ["Hangup network"]);
    assert!(rig.words().is_empty());
    rig.up("phone.example.org", false);
    assert_eq!(rig.words(), ["session-terminate connectivity-error", "finish connectivity-error +store"]);
}

#[test]
fn what_ends_a_call_is_kept_when_more_waits_than_there_is_room_for() {
    let mut rig = Rig::new();
    let first = rig.up_call();
    rig.jingle("session-initiate", "other", DINO_AUDIO);
    let (other, _) = rig.started();
    rig.say(other, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(other, Signal::Accept);
    rig.sent();
    rig.down();
    rig.say(first, hangup(Cause::Normal));
    for n in 0..1100 {
        rig.say(other, Signal::Hold(n % 2 == 0));
    }
    rig.up("phone.example.org", false);
    let words = rig.words();
    assert_eq!(words[..2], ["session-terminate success", "finish success +store"]);
    assert_eq!(words.len(), 1024 + 1, "and the question whether the other is there");
}

#[test]
fn a_client_that_comes_back_by_another_name_cannot_go_on_with_its_calls() {
    let login = Login::Client {
        jid: BareJid::new("gw@example.org").unwrap(),
        password: Secret::new("x"),
        inbound: Address::here("reception"),
    };
    let mut rig = Rig::with(login, "gw@example.org/patchcord");
    rig.jingle_from(PEER, "gw@example.org/patchcord", "session-initiate", "s", DINO_AUDIO);
    rig.started();
    rig.down();
    rig.up("gw@example.org/other", false);
    assert_eq!(rig.heard(), ["Lost", "Hangup network"]);
}

#[test]
fn a_client_asks_for_copies_of_what_its_other_devices_say() {
    let login = Login::Client {
        jid: BareJid::new("gw@example.org").unwrap(),
        password: Secret::new("x"),
        inbound: Address::here("reception"),
    };
    let mut rig = Rig::with(login, "gw@example.org/patchcord");
    rig.down();
    rig.up("gw@example.org/patchcord", false);
    let sent = rig.sent();
    assert!(sent.iter().any(|s| s.children().any(|c| c.is("enable", "urn:xmpp:carbons:2"))), "{sent:?}");
    rig.down();
    rig.up("gw@example.org/patchcord", true);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_device_that_goes_offline_in_a_call_is_not_gone_yet() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.stanza(&format!("<presence xmlns='jabber:client' type='unavailable' from='{PEER}' to='{OURS}'/>"));
    assert!(rig.heard().is_empty());
    rig.say(leg, hangup(Cause::Normal));
    assert_eq!(rig.words(), ["session-terminate success", "finish success +store"]);
}

#[test]
fn a_call_that_the_switch_has_no_room_for_ends() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, _) = rig.started();
    rig.handle(Input::Overflow(leg));
    assert_eq!(rig.words(), ["reject general-error +store"]);
}
