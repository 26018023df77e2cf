//! Calls to IM clients.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{Candidate, CandidateHost, CandidateKind, CandidateProtocol, Candidates, Cause, Mid, Signal};

use super::*;

fn candidates(mid: &str, port: u16) -> Signal {
    let candidate = Candidate {
        foundation: "1".into(),
        component: 1,
        protocol: CandidateProtocol::Udp,
        priority: 2_130_706_431,
        host: CandidateHost::Ip([192, 0, 2, 1].into()),
        port,
        kind: CandidateKind::Host,
        related: None,
        rest: "generation 0".into(),
    };
    let mid = Some(Mid(mid.into()));
    Signal::Candidates(Candidates { mid, ufrag: None, candidates: vec![candidate], more: true })
}

#[test]
fn an_account_is_proposed_to_and_the_device_that_takes_the_call_gets_the_session() {
    let mut rig = Rig::new();
    let leg = rig.dial("romeo@montague.lit", offer());
    let presences = rig.presences();
    assert!(presences.iter().any(|p| p.attr("to") == Some("romeo@montague.lit")), "{presences:?}");
    let propose = rig.sent().remove(0);
    assert_eq!(words(&propose), "propose audio +store");
    assert_eq!(
        (propose.attr("from"), propose.attr("to"), propose.attr("type")),
        (Some(OURS), Some("romeo@montague.lit"), Some("chat"))
    );
    let sid = sid_of(&propose);
    assert_eq!((sid.len(), &sid[14..15]), (36, "4"), "a UUID of version 4: {sid}");

    rig.word("ringing", &sid);
    rig.word("ringing", &sid);
    assert_eq!(rig.heard(), ["Progress Ringing"]);
    rig.say(leg, candidates("0", 5000));
    assert!(rig.words().is_empty());
    rig.word("proceed", &sid);
    let initiate = rig.sent().remove(0);
    assert_eq!(words(&initiate), "session-initiate 0 <group/>");
    assert_eq!(initiate.attr("to"), Some(PEER));
    let text = String::from(&initiate);
    assert!(text.contains("5000") && text.contains("actpass") && text.contains(&format!("'{OURS}'")), "{text}");

    rig.say(leg, candidates("0", 5001));
    let info = rig.sent().remove(0);
    assert_eq!(words(&info), "transport-info 0");
    let text = String::from(&info);
    assert!(text.contains("ufrag='4ZcD'") && text.contains("pwd=") && text.contains("5001"), "{text}");

    rig.answer_to(&initiate, "result", "");
    let id = rig.jingle("session-accept", &sid, &content("0", "active"));
    assert_eq!(rig.words(), [format!("result {id}")]);
    let (_, Signal::Answer(answer)) = rig.signals.remove(0) else { panic!() };
    assert_eq!((answer.exchange, answer.provisional), (ExchangeId::said(1), false));
    assert_eq!(answer.description.streams[0].mid, Some(Mid("0".into())));
    assert_eq!(rig.heard(), ["Accept"]);

    rig.say(leg, hangup(Cause::Normal));
    assert_eq!(rig.words(), ["session-terminate success", "finish success +store"]);
    assert!(rig.heard().is_empty());
}

#[test]
fn each_medium_is_proposed_once() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer_with_video());
    assert_eq!(rig.words(), ["propose audio video +store"]);
}

#[test]
fn an_answer_has_the_slots_of_the_offer_whatever_the_client_leaves_out() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer_with_video());
    let sid = sid_of(&rig.sent()[0]);
    rig.word("proceed", &sid);
    rig.jingle("session-accept", &sid, &content("0", "active"));
    let (_, Signal::Answer(answer)) = rig.signals.remove(0) else { panic!() };
    let accepted: Vec<bool> = answer.description.streams.iter().map(|s| s.accepted).collect();
    assert_eq!(accepted, [true, false]);
}

#[test]
fn a_client_that_rings_without_a_word_counts_as_ringing_after_two_seconds() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer());
    rig.advance(Duration::from_secs(1));
    assert!(rig.heard().is_empty());
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.heard(), ["Progress Ringing"]);
    rig.advance(Duration::from_secs(115));
    assert!(rig.heard().is_empty(), "it rings as long as the call wants");
}

#[test]
fn a_receipt_of_the_proposal_counts_as_ringing() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer());
    let propose = rig.sent().remove(0);
    assert!(propose.children().any(|c| c.name() == "request"));
    let id = propose.attr("id").unwrap();
    rig.message_from("tybalt@capulet.lit/x", &format!("<received xmlns='urn:xmpp:receipts' id='{id}'/>"));
    assert!(rig.heard().is_empty());
    rig.message(&format!("<received xmlns='urn:xmpp:receipts' id='{id}'/>"));
    assert_eq!(rig.heard(), ["Progress Ringing"]);
}

#[test]
fn a_refused_proposal_ends_the_call_with_its_cause() {
    for (inner, cause) in [
        ("", "busy"),
        ("<reason xmlns='urn:xmpp:jingle:1'><busy/></reason>", "busy"),
        ("<reason xmlns='urn:xmpp:jingle:1'><decline/></reason>", "declined"),
        ("<reason xmlns='urn:xmpp:jingle:1'><timeout/></reason>", "no-answer"),
        ("<reason xmlns='urn:xmpp:jingle:1'><expired/></reason><tie-break/>", "busy"),
    ] {
        let mut rig = Rig::new();
        rig.dial("romeo@montague.lit", offer());
        let sid = sid_of(&rig.sent()[0]);
        rig.message(&format!("<reject xmlns='urn:xmpp:jingle-message:0' id='{sid}'>{inner}</reject>"));
        assert_eq!(rig.heard(), [format!("Hangup {cause}")], "{inner}");
        assert!(rig.words().is_empty());
    }
}

#[test]
fn a_proposal_that_comes_back_ends_the_call_with_its_cause() {
    for (condition, cause) in [
        ("service-unavailable", "unavailable"),
        ("recipient-unavailable", "unavailable"),
        ("remote-server-not-found", "unavailable"),
        ("remote-server-timeout", "unavailable"),
        ("item-not-found", "not-found"),
        ("forbidden", "forbidden"),
    ] {
        let mut rig = Rig::new();
        rig.dial("romeo@montague.lit", offer());
        let propose = rig.sent().remove(0);
        let error = format!("<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
        rig.answer_to(&propose, "error", &error);
        assert_eq!(rig.heard(), [format!("Hangup {cause}")]);
        assert!(rig.words().is_empty());
    }
}

#[test]
fn a_call_given_up_before_a_device_took_it_is_retracted() {
    for (cause, expected) in [
        (Cause::Cancelled, "retract cancel +store"),
        (Cause::AnsweredElsewhere, "retract cancel +store"),
        (Cause::NoAnswer, "retract timeout +store"),
    ] {
        let mut rig = Rig::new();
        let leg = rig.dial("romeo@montague.lit", offer());
        rig.sent();
        rig.say(leg, hangup(cause));
        assert_eq!(rig.words(), [expected]);
        rig.advance(Duration::from_secs(600));
        assert!(rig.words().is_empty() && rig.heard().is_empty());
    }
}

#[test]
fn a_second_device_that_takes_the_call_is_told_that_it_is_too_late() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer());
    let sid = sid_of(&rig.sent()[0]);
    rig.word("proceed", &sid);
    rig.word("proceed", &sid);
    assert_eq!(rig.words(), ["session-initiate 0 <group/>"], "the same device twice is one device");
    let proceed = format!("<proceed xmlns='urn:xmpp:jingle-message:0' id='{sid}'/>");
    rig.message_from("romeo@montague.lit/balcony", &proceed);
    let terminate = rig.sent().remove(0);
    assert_eq!(words(&terminate), "session-terminate cancel");
    assert_eq!(terminate.attr("to"), Some("romeo@montague.lit/balcony"));
    rig.jingle("session-accept", &sid, &content("0", "active"));
    assert_eq!(rig.heard(), ["Answer", "Accept"]);
}

#[test]
fn a_device_that_is_dialled_itself_gets_the_session_directly() {
    let mut rig = Rig::new();
    let leg = rig.dial(PEER, offer());
    let initiate = rig.sent().remove(0);
    assert_eq!(words(&initiate), "session-initiate 0 <group/>");
    let sid = sid_of(&initiate);
    rig.jingle("session-info", &sid, "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>");
    assert_eq!(rig.heard(), ["Progress Ringing"]);
    rig.say(leg, hangup(Cause::Cancelled));
    assert_eq!(rig.words()[1..], ["session-terminate cancel"]);
}

#[test]
fn an_account_whose_devices_take_no_proposals_gets_the_session_directly() {
    let mut rig = Rig::new();
    rig.stanza(&format!("<presence xmlns='jabber:client' from='{PEER}' to='+15550002@phone.example.org'/>"));
    let query = rig.raw().into_iter().find(|s| s.name() == "iq").unwrap();
    let features = ["urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle:transports:ice-udp:1"];
    let features: String = features.iter().map(|f| format!("<feature var='{f}'/>")).collect();
    rig.answer_to(
        &query,
        "result",
        &format!("<query xmlns='http://jabber.org/protocol/disco#info'>{features}</query>"),
    );
    rig.dial("romeo@montague.lit", offer());
    let initiate = rig.sent().remove(0);
    assert_eq!((words(&initiate), initiate.attr("to")), ("session-initiate 0 <group/>".into(), Some(PEER)));
}

#[test]
fn an_error_to_the_session_ends_the_call_and_none_to_what_follows_does() {
    let error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let mut rig = Rig::new();
    rig.dial(PEER, offer());
    let initiate = rig.sent().remove(0);
    rig.answer_to(&initiate, "error", error);
    assert_eq!(rig.heard(), ["Hangup unavailable"]);

    let (leg, _) = rig.called_up();
    for signal in [Signal::Hold(true), Signal::Mute(true), candidates("0", 5002)] {
        rig.say(leg, signal);
        let request = rig.sent().remove(0);
        rig.answer_to(&request, "error", error);
        assert!(rig.heard().is_empty());
    }
    rig.say(leg, Signal::Hold(false));
    let request = rig.sent().remove(0);
    let gone = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><unknown-session xmlns='urn:xmpp:jingle:errors:1'/></error>";
    rig.answer_to(&request, "error", gone);
    assert_eq!(rig.heard(), ["Hangup network"]);
}

#[test]
fn a_session_that_gives_no_sign_of_life_is_given_up_and_one_that_only_rings_is_not() {
    let mut rig = Rig::new();
    rig.dial(PEER, offer());
    rig.sent();
    rig.advance(Duration::from_secs(31));
    assert_eq!(rig.heard(), ["Hangup timeout"]);
    assert_eq!(rig.words(), ["session-terminate timeout"]);

    rig.dial(PEER, offer());
    let sid = sid_of(&rig.sent()[0]);
    rig.jingle("session-info", &sid, "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>");
    rig.advance(Duration::from_secs(100));
    assert_eq!(rig.heard(), ["Progress Ringing"]);

    rig.dial(PEER, offer());
    let initiate = rig.sent().remove(1);
    rig.answer_to(&initiate, "result", "");
    rig.advance(Duration::from_secs(100));
    assert!(rig.heard().is_empty());
}

#[test]
fn a_callee_that_hangs_up_says_why() {
    for (inner, cause) in [
        ("<reason><busy/></reason>", "busy"),
        ("<reason><decline/></reason>", "declined"),
        ("<reason><unsupported-applications/></reason>", "media-incompatible"),
        ("<reason><connectivity-error/></reason>", "network"),
        ("", "declined"),
    ] {
        let mut rig = Rig::new();
        rig.dial("romeo@montague.lit", offer());
        let sid = sid_of(&rig.sent()[0]);
        rig.word("proceed", &sid);
        rig.sent();
        let id = rig.jingle("session-terminate", &sid, inner);
        assert_eq!(rig.heard(), [format!("Hangup {cause}")]);
        let words = rig.words();
        assert_eq!(words[0], format!("result {id}"));
        assert!(words[1].starts_with("finish"), "{words:?}");
    }
}

#[test]
fn nobody_is_called_by_a_connection_that_is_down_or_for_other_domains_or_in_a_circle() {
    let mut rig = Rig::new();
    for (contact, cause) in [("no jid @", "bad-number"), ("alice@phone.example.org", "loop"), (OURS, "loop")] {
        rig.dial(contact, offer());
        assert_eq!(rig.heard(), [format!("Hangup {cause}")], "{contact}");
    }
    rig.down();
    rig.dial("romeo@montague.lit", offer());
    assert_eq!(rig.heard(), ["Hangup unavailable"]);
}

#[test]
fn of_two_proposals_that_cross_the_lower_goes_on() {
    for (theirs, goes_on) in [("00000000-low", true), ("zzzzzzzz-high", false)] {
        let mut rig = Rig::new();
        rig.dial("romeo@montague.lit", offer());
        rig.sent();
        rig.propose(theirs);
        if goes_on {
            assert_eq!(rig.heard(), ["Hangup busy", "Start"]);
            assert_eq!(rig.words(), ["retract expired tie-break +store"]);
        } else {
            assert!(rig.heard().is_empty());
            assert_eq!(rig.words(), ["reject expired tie-break +store"]);
        }
    }
}

#[test]
fn of_two_sessions_that_begin_at_once_the_lower_goes_on() {
    for (theirs, goes_on) in [("00000000-low", true), ("zzzzzzzz-high", false)] {
        let mut rig = Rig::new();
        rig.dial(PEER, offer());
        let ours = rig.sent().remove(0);
        let id = rig.jingle("session-initiate", theirs, DINO_AUDIO);
        if goes_on {
            assert_eq!(rig.heard(), ["Start with offer"]);
            assert_eq!(rig.words(), [format!("result {id}")]);
            let tie = "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><tie-break xmlns='urn:xmpp:jingle:errors:1'/></error>";
            rig.answer_to(&ours, "error", tie);
            assert_eq!(rig.heard(), ["Hangup busy"]);
        } else {
            assert!(rig.heard().is_empty());
            assert_eq!(rig.words(), ["error conflict tie-break"]);
        }
    }
}
