//! The pitfalls of gateways that touch Jingle, each in its own words.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{Cause, Contact, Description, Direction, Offer, Signal, Start};

use super::*;

fn said(n: u32, description: Description) -> Signal {
    Signal::Offer(Offer { exchange: ExchangeId::said(n), description })
}

fn senders(stanza: &Element) -> Option<String> {
    let content = stanza.children().next()?.children().find(|c| c.name() == "content")?;
    content.attr("senders").map(str::to_owned)
}

/// The session's offer as the call holds it, with a direction.
fn turned(description: &Description, direction: Direction) -> Description {
    let mut turned = description.clone();
    turned.streams[0].direction = direction;
    turned
}

// 1. Jingle `senders` is by role, SDP direction is by speaker.

#[test]
fn a_hold_by_direction_has_the_role_of_the_holder_as_senders_whoever_began_the_session() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    let ours = answer(ExchangeId::heard(1), &["audio"]).description;
    rig.say(leg, said(1, turned(&ours, Direction::SendOnly)));
    assert_eq!(senders(&rig.sent()[0]).as_deref(), Some("responder"), "the client began it");

    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    rig.say(leg, said(2, turned(&offer(), Direction::SendOnly)));
    assert_eq!(senders(&rig.sent()[0]).as_deref(), Some("initiator"), "we began it");
}

#[test]
fn the_roles_of_a_session_stay_when_the_peer_is_the_one_who_offers() {
    let mut rig = Rig::new();
    let (_, sid) = rig.called_up();
    for (senders, direction) in [
        ("initiator", Direction::RecvOnly),
        ("responder", Direction::SendOnly),
        ("none", Direction::Inactive),
        ("both", Direction::SendRecv),
    ] {
        rig.jingle("content-modify", &sid, &format!("<content creator='initiator' name='0' senders='{senders}'/>"));
        let (leg, Signal::Offer(heard)) = rig.signals.remove(0) else { panic!() };
        assert_eq!(heard.description.streams[0].direction, direction, "{senders}");
        let mut reply = offer();
        reply.streams[0].direction = direction.reversed();
        rig.sent();
        let answer = Answer { exchange: heard.exchange, description: reply, provisional: false };
        rig.say(leg, Signal::Answer(answer));
        assert!(rig.words().is_empty(), "an answer that takes it as it is needs no word");
    }
}

// 2. Hold meaning.

#[test]
fn hold_is_a_word_and_never_senders_none() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    rig.say(leg, said(2, turned(&offer(), Direction::Inactive)));
    assert!(rig.words().is_empty(), "Dino refuses content-modify none");
    assert_eq!(rig.heard(), ["Answer"]);
    rig.say(leg, Signal::Hold(true));
    rig.say(leg, Signal::Hold(true));
    rig.say(leg, Signal::Hold(false));
    assert_eq!(rig.words(), ["session-info <hold/>", "session-info <active/>"]);
}

#[test]
fn an_offer_without_candidates_is_no_hold() {
    let mut rig = Rig::new();
    rig.jingle("session-initiate", "s", &content("audio", "actpass"));
    let (_, start) = rig.started();
    assert_eq!(start.offer.unwrap().description.streams[0].direction, Direction::SendRecv);
}

// 3. m= line slots versus named contents.

#[test]
fn slots_only_grow_names_are_unique_for_ever_and_jingle_has_exactly_the_live_contents() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.say(leg, direct());
    let mut mids: Vec<Vec<String>> = Vec::new();
    let steps = [
        ("content-add", content("video", "actpass"), vec!["audio", "video"]),
        ("content-remove", "<content creator='initiator' name='video'/>".into(), vec!["audio", "-video"]),
        ("content-add", content("video", "actpass"), vec!["audio", "-video", "video-2"]),
        ("content-remove", "<content creator='initiator' name='audio'/>".into(), vec!["-audio", "-video", "video-2"]),
    ];
    for (at, (action, inner, names)) in steps.iter().enumerate() {
        rig.jingle(action, SID, inner);
        let (_, Signal::Offer(heard)) = rig.signals.remove(0) else { panic!("{action}") };
        let streams = &heard.description.streams;
        let live: Vec<String> = names.iter().map(|n| n.trim_start_matches('-').to_owned()).collect();
        let heard_mids: Vec<String> = streams.iter().map(|s| s.mid.clone().unwrap().0).collect();
        assert_eq!(heard_mids, live);
        let accepted: Vec<bool> = streams.iter().map(|s| s.accepted).collect();
        let expected: Vec<bool> = names.iter().map(|n| !n.starts_with('-')).collect();
        assert_eq!(accepted, expected, "{action}");
        if let Some(before) = mids.last() {
            assert!(heard_mids.starts_with(before), "slots stay");
        }
        mids.push(heard_mids);
        rig.sent();
        rig.say(leg, Signal::Answer(answer(heard.exchange, names)));
        let words = rig.words();
        match *action {
            "content-add" => assert_eq!(words, ["content-accept video"], "step {at}: only what was added"),
            _ => assert!(words.is_empty(), "step {at}: {words:?}"),
        }
    }
    // What we add from here on has a slot behind all of these, and a name that none of them had.
    let mut more = answer(ExchangeId::heard(9), &["-audio", "-video", "video-2", "audio"]).description;
    more.streams[3].mid = Some(patchcord::model::Mid("audio".into()));
    rig.say(leg, said(1, more));
    let add = rig.sent().remove(0);
    assert_eq!(words(&add), "content-add audio-2");
}

#[test]
fn a_call_that_removes_and_adds_streams_says_so_content_by_content() {
    let mut rig = Rig::new();
    let (leg, sid) = rig.called_up();
    rig.say(leg, said(2, offer_with_video()));
    rig.jingle("content-accept", &sid, &content("1", "active"));
    let add = rig.sent().remove(0);
    rig.answer_to(&add, "result", "");
    assert_eq!(rig.heard(), ["Answer"]);
    let mut less = offer_with_video();
    less.streams[1].accepted = false;
    rig.say(leg, said(3, less));
    let remove = rig.sent().remove(0);
    assert_eq!(words(&remove), "content-remove 1");
    rig.answer_to(&remove, "result", "");
    let (_, Signal::Answer(answer)) = rig.signals.remove(0) else { panic!() };
    assert_eq!(answer.description.streams.len(), 2);
    assert!(!answer.description.streams[1].accepted);
}

// 6. Offerless INVITE: Jingle has no offerless initiate.

#[test]
fn a_call_without_an_offer_begins_no_session() {
    let mut rig = Rig::new();
    let leg = patchcord::base::LegMint::said(AdapterId(3)).mint();
    let start = Start {
        entry: Entry::Open,
        from: Party::new(Address::here("+15550002")),
        to: Address::at("romeo", "montague.lit"),
        contact: Some(Contact(PEER.into())),
        trunk: None,
        offer: None,
        hops_left: 70,
        about: Default::default(),
    };
    rig.say(leg, Signal::Start(Box::new(start)));
    assert_eq!(rig.heard(), ["Hangup not-supported"]);
    assert!(rig.words().is_empty());
}

#[test]
fn a_session_that_is_up_has_no_word_that_asks_for_an_offer() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.say(leg, Signal::Solicit(ExchangeId::heard(5)));
    assert_eq!(rig.heard(), ["Refuse not-supported"]);
}

// 7. DTLS roles.

#[test]
fn an_answer_says_active_or_passive_whatever_the_call_says() {
    use patchcord::model::{Seal, Setup};
    for (offered, said, expected) in [
        ("actpass", Setup::ActPass, "active"),
        ("actpass", Setup::Passive, "passive"),
        ("active", Setup::ActPass, "passive"),
        ("passive", Setup::ActPass, "active"),
    ] {
        let mut rig = Rig::new();
        rig.jingle("session-initiate", "s", &content("audio", offered));
        let (leg, _) = rig.started();
        let mut reply = answer(ExchangeId::heard(1), &["audio"]);
        if let Seal::Dtls { setup, .. } = &mut reply.description.streams[0].transport.seal {
            *setup = said;
        }
        rig.say(leg, Signal::Answer(reply));
        rig.say(leg, Signal::Accept);
        let accept = String::from(&rig.sent()[1]);
        assert!(accept.contains(&format!("setup='{expected}'")), "{offered} {said:?}: {accept}");
    }
}

// 8. ICE roles and lite.

#[test]
fn candidates_before_session_accept_are_kept_and_not_answered_with_out_of_order() {
    let mut rig = Rig::new();
    rig.dial("romeo@montague.lit", offer());
    let sid = sid_of(&rig.sent()[0]);
    rig.word("proceed", &sid);
    rig.sent();
    for port in 7000..7003 {
        let id = rig.jingle("transport-info", &sid, &candidate("0", "ufr0", Some(port)));
        assert_eq!(rig.words(), [format!("result {id}")]);
    }
    assert!(rig.heard().is_empty());
    rig.jingle("session-accept", &sid, &content("0", "active"));
    assert_eq!(rig.heard(), ["Answer", "Candidates 1", "Candidates 1", "Candidates 1", "Accept"]);
}

#[test]
fn candidates_without_end_before_session_accept_are_kept_up_to_a_limit() {
    let mut rig = Rig::new();
    rig.dial(PEER, offer());
    let sid = sid_of(&rig.sent()[0]);
    for port in 0..1000 {
        rig.jingle("transport-info", &sid, &candidate("0", "ufr0", Some(1024 + port)));
    }
    rig.jingle("session-accept", &sid, &content("0", "active"));
    assert_eq!(rig.heard().iter().filter(|s| *s == "Candidates 1").count(), 128);
}

#[test]
fn candidates_of_the_caller_pass_before_the_answer_and_those_of_ours_go_with_it() {
    let mut rig = Rig::new();
    let leg = rig.offered();
    rig.jingle("transport-info", SID, &candidate("audio", "JX8n", Some(7000)));
    assert_eq!(rig.heard(), ["Candidates 1"]);
    rig.sent();
    let mut reply = answer(ExchangeId::heard(1), &["audio"]);
    rig.say(leg, Signal::Answer(reply.clone()));
    let ice = reply.description.streams[0].transport.ice.as_mut().unwrap();
    let ufrag = ice.ufrag.clone();
    let (_, start) = {
        rig.jingle("session-initiate", "other", DINO_AUDIO);
        rig.started()
    };
    let found = start.offer.unwrap().description.streams.remove(0).transport.ice.unwrap().candidates;
    rig.sent();
    rig.say(
        leg,
        Signal::Candidates(patchcord::model::Candidates {
            mid: None,
            ufrag: Some(ufrag),
            candidates: found,
            more: true,
        }),
    );
    assert!(rig.words().is_empty(), "nobody knows our credentials yet");
    rig.say(leg, Signal::Accept);
    let accept = rig.sent().remove(0);
    assert_eq!(words(&accept), "session-accept audio");
    assert!(String::from(&accept).contains("44097"), "{}", String::from(&accept));
}

#[test]
fn nothing_says_ice_lite_and_each_content_has_its_own_credentials() {
    let mut rig = Rig::new();
    let mut offer = offer_with_video();
    offer.groups.clear();
    let ice = offer.streams[1].transport.ice.as_mut().unwrap();
    (ice.ufrag, ice.lite) = ("vide".into(), true);
    rig.dial(PEER, offer);
    let text = String::from(&rig.sent()[0]);
    assert!(text.contains("ufrag='4ZcD'") && text.contains("ufrag='vide'") && !text.contains("lite"), "{text}");
}

// 10. Identity.

#[test]
fn a_caller_who_wants_no_name_calls_as_nobody() {
    let mut rig = Rig::new();
    let leg = patchcord::base::LegMint::said(AdapterId(3)).mint();
    let start = Start {
        entry: Entry::Open,
        from: Party { private: true, display: Some("Alice".into()), ..Party::new(Address::here("+15550002")) },
        to: Address::at("romeo", "montague.lit"),
        contact: None,
        trunk: None,
        offer: Some(Offer { exchange: ExchangeId::said(1), description: offer() }),
        hops_left: 70,
        about: Default::default(),
    };
    rig.say(leg, Signal::Start(Box::new(start)));
    let all: String = rig.raw().iter().map(String::from).collect();
    assert!(all.contains("anonymous@phone.example.org/patchcord"), "{all}");
    assert!(!all.contains("15550002") && !all.contains("Alice"), "{all}");
}

// 11. Crossings.

#[test]
fn a_retract_that_crosses_our_proceed_ends_the_call_once() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, _) = rig.started();
    rig.say(leg, Signal::Solicit(ExchangeId::heard(1)));
    rig.word("retract", SID);
    assert_eq!(rig.words(), ["proceed +store"]);
    assert_eq!(rig.heard(), ["Hangup cancelled"]);
    rig.word("retract", SID);
    rig.advance(Duration::from_secs(40));
    assert!(rig.words().is_empty() && rig.heard().is_empty());
}

#[test]
fn our_retract_that_crosses_their_proceed_begins_no_session() {
    let mut rig = Rig::new();
    let leg = rig.dial("romeo@montague.lit", offer());
    let sid = sid_of(&rig.sent()[0]);
    rig.say(leg, hangup(Cause::Cancelled));
    rig.word("proceed", &sid);
    rig.word("reject", &sid);
    assert_eq!(rig.words(), ["retract cancel +store"]);
    rig.advance(Duration::from_secs(40));
    assert!(rig.words().is_empty() && rig.heard().is_empty());
}

#[test]
fn a_session_accept_that_crosses_our_terminate_is_an_unknown_session() {
    let mut rig = Rig::new();
    let leg = rig.dial(PEER, offer());
    let sid = sid_of(&rig.sent()[0]);
    rig.say(leg, hangup(Cause::Cancelled));
    assert_eq!(rig.words(), ["session-terminate cancel"]);
    rig.jingle("session-accept", &sid, &content("0", "active"));
    assert_eq!(rig.words(), ["error item-not-found unknown-session"]);
    assert!(rig.heard().is_empty());
}

#[test]
fn a_session_terminate_sent_twice_is_acknowledged_twice_and_ends_the_call_once() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    let first = rig.jingle("session-terminate", SID, "<reason><success/></reason>");
    let second = rig.jingle("session-terminate", SID, "<reason><success/></reason>");
    rig.say(leg, hangup(Cause::Normal));
    assert_eq!(rig.heard(), ["Hangup normal"]);
    assert_eq!(rig.words(), [format!("result {first}"), "finish success +store".into(), format!("result {second}")]);
    rig.advance(Duration::from_secs(40));
    assert!(rig.words().is_empty() && rig.heard().is_empty());
}

#[test]
fn two_session_terminates_that_cross_are_both_acknowledged() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.say(leg, hangup(Cause::Normal));
    rig.sent();
    let id = rig.jingle("session-terminate", SID, "<reason><success/></reason>");
    assert_eq!(rig.words(), [format!("result {id}")]);
    assert!(rig.heard().is_empty());
}

#[test]
fn a_finish_without_a_terminate_ends_the_call_too() {
    let mut rig = Rig::new();
    rig.up_call();
    rig.word("finish", SID);
    assert_eq!(rig.heard(), ["Hangup normal"]);
    rig.word("finish", SID);
    assert!(rig.heard().is_empty());
}

#[test]
fn a_replayed_propose_with_a_delay_rings_nobody() {
    let mut rig = Rig::new();
    let delay = "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>";
    rig.message(&format!("{}{delay}<request xmlns='urn:xmpp:receipts'/>", propose(SID, &["audio"])));
    assert!(rig.heard().is_empty() && rig.words().is_empty());
}

#[test]
fn a_request_is_acknowledged_first_and_whatever_the_other_world_does() {
    let mut rig = Rig::new();
    let id = rig.jingle("session-initiate", "s", DINO_AUDIO);
    assert_eq!(rig.words(), [format!("result {id}")], "before the call has said a word");
    let (leg, _) = rig.started();
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(leg, Signal::Accept);
    rig.sent();
    let steps = [
        ("content-add", content("video", "actpass")),
        ("content-modify", "<content creator='initiator' name='audio' senders='initiator'/>".to_owned()),
        ("transport-info", candidate("audio", "JX8n", Some(9))),
        ("description-info", content("audio", "actpass")),
        ("session-terminate", String::new()),
    ];
    for (action, inner) in steps {
        let id = rig.jingle(action, "s", &inner);
        assert_eq!(rig.words()[0], format!("result {id}"), "{action}");
    }
}

#[test]
fn an_unknown_session_is_said_to_be_unknown() {
    let mut rig = Rig::new();
    for action in ["session-accept", "session-info", "transport-info", "session-terminate", "content-add", "x-y"] {
        rig.jingle(action, "nobody-knows", "");
        assert_eq!(rig.words(), ["error item-not-found unknown-session"], "{action}");
    }
    rig.stanza(&format!(
        "<iq xmlns='jabber:client' from='{PEER}' to='{OURS}' type='set' id='b'><jingle xmlns='urn:xmpp:jingle:1'/></iq>"
    ));
    assert_eq!(rig.words(), ["error bad-request"]);
}
