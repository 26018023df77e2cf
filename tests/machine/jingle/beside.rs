//! A second call to a client that is in one with somebody of ours, which is to take the place of that one.

use std::time::Duration;

use patchcord::model::{About, Replaces};

use super::*;

/// The call rings the party of `first` once more, from somebody else.
fn call_beside(rig: &mut Rig, first: LegId) -> LegId {
    let leg = rig.mint();
    let start = Start {
        entry: Entry::Open,
        from: Party::new(Address::here("+15550003")),
        to: Address::at("romeo", "montague.lit"),
        contact: None,
        trunk: None,
        offer: Some(Offer { exchange: ExchangeId::said(1), description: offer() }),
        hops_left: 70,
        about: About { replaces: Some(Replaces::Leg(first)), ..About::default() },
    };
    rig.say(leg, Signal::Start(Box::new(start)));
    rig.say(leg, Signal::Path(MediaPath::Relayed));
    leg
}

/// What was sent by whom to whom.
fn between(stanza: &Element) -> (&str, &str) {
    (stanza.attr("from").unwrap(), stanza.attr("to").unwrap())
}

const OTHER: &str = "+15550003@phone.example.org/patchcord";

#[test]
fn an_account_that_began_by_a_proposal_is_proposed_to_again_and_the_first_session_stays_up() {
    let mut rig = Rig::new();
    let (first, _) = rig.called_up();
    let second = call_beside(&mut rig, first);
    let propose = rig.sent().remove(0);
    assert_eq!((words(&propose).as_str(), between(&propose)), ("propose audio +store", (OTHER, "romeo@montague.lit")));
    let sid = sid_of(&propose);
    rig.message_to(OTHER, &format!("<proceed xmlns='urn:xmpp:jingle-message:0' id='{sid}'/>"));
    let initiate = rig.sent().remove(0);
    assert_eq!((words(&initiate).as_str(), between(&initiate)), ("session-initiate 0 <group/>", (OTHER, PEER)));
    rig.answer_to(&initiate, "result", "");
    rig.jingle_from(PEER, OTHER, "session-accept", &sid, &content("0", "active"));
    let heard: Vec<_> = rig.signals.iter().map(|(leg, _)| *leg).collect();
    assert_eq!((heard, rig.heard()), (vec![second, second], vec!["Answer".into(), "Accept".into()]));
    rig.sent();
    rig.say(first, hangup(Cause::Normal));
    assert_eq!(rig.words(), ["session-terminate success", "finish success +store"]);
}

#[test]
fn a_device_that_began_a_session_directly_gets_the_second_directly_too() {
    let mut rig = Rig::new();
    let first = directly_up(&mut rig);
    call_beside(&mut rig, first);
    let initiate = rig.sent().remove(0);
    assert_eq!((words(&initiate).as_str(), between(&initiate)), ("session-initiate 0 <group/>", (OTHER, PEER)));
}

#[test]
fn a_client_that_is_busy_with_the_first_call_before_it_rings_is_relieved_of_it_and_called_again() {
    for by_message in [true, false] {
        let mut rig = Rig::new();
        let first = if by_message { rig.up_call() } else { directly_up(&mut rig) };
        let second = call_beside(&mut rig, first);
        let begin = rig.sent().remove(0);
        let sid = sid_of(&begin);
        if by_message {
            rig.message_to(OTHER, &format!("<reject xmlns='urn:xmpp:jingle-message:0' id='{sid}'/>"));
        } else {
            let busy = "<reason><busy/></reason>";
            rig.answer_to(&begin, "result", "");
            rig.jingle_from(PEER, OTHER, "session-terminate", &sid, busy);
        }
        let signals: Vec<_> = rig.signals.drain(..).map(|(leg, signal)| (leg, name(&signal))).collect();
        assert_eq!(signals, [(first, "Hangup normal".to_owned())], "the second call goes on");
        let sent = rig.sent();
        let told: Vec<_> = sent.iter().map(words).filter(|w| !w.starts_with("result")).collect();
        let again = sent.last().unwrap();
        let (expected, to) = match by_message {
            true => (
                vec!["session-terminate success", "finish success +store", "propose audio +store"],
                "romeo@montague.lit",
            ),
            false => (vec!["session-terminate success", "session-initiate 0 <group/>"], PEER),
        };
        assert_eq!((told, between(again)), (expected.iter().map(|w| (*w).to_owned()).collect(), (OTHER, to)));
        let sid_again = sid_of(again);
        assert_ne!(sid_again, sid);
        if by_message {
            rig.message_to(OTHER, &format!("<proceed xmlns='urn:xmpp:jingle-message:0' id='{sid_again}'/>"));
        }
        rig.sent();
        rig.jingle_from(PEER, OTHER, "session-accept", &sid_again, &content("0", "active"));
        let signals: Vec<_> = rig.signals.drain(..).map(|(leg, signal)| (leg, name(&signal))).collect();
        assert_eq!(signals, [(second, "Answer".to_owned()), (second, "Accept".to_owned())]);
    }
}

/// A session that the client began without a proposal, and that is up.
fn directly_up(rig: &mut Rig) -> LegId {
    rig.jingle("session-initiate", SID, DINO_AUDIO);
    let (first, start) = rig.started();
    rig.say(first, Signal::Answer(answer(start.offer.unwrap().exchange, &["audio"])));
    rig.say(first, Signal::Accept);
    rig.sent();
    first
}

#[test]
fn a_person_who_refuses_the_second_call_keeps_the_first() {
    for (rings, reason) in [(true, "<busy/>"), (false, "<decline/>")] {
        let mut rig = Rig::new();
        let first = rig.up_call();
        let second = call_beside(&mut rig, first);
        let sid = sid_of(&rig.sent()[0]);
        if rings {
            rig.advance(Duration::from_secs(3));
            assert_eq!(rig.heard(), ["Progress Ringing"]);
        }
        let reason = format!("<reason xmlns='urn:xmpp:jingle:1'>{reason}</reason>");
        rig.message_to(OTHER, &format!("<reject xmlns='urn:xmpp:jingle-message:0' id='{sid}'>{reason}</reject>"));
        assert!(matches!(rig.signals.as_slice(), [(leg, Signal::Hangup(_))] if *leg == second), "{:?}", rig.signals);
        assert!(rig.words().is_empty());
    }
}

#[test]
fn a_client_that_is_busy_when_the_first_call_is_over_is_not_called_again() {
    let mut rig = Rig::new();
    let first = rig.up_call();
    let second = call_beside(&mut rig, first);
    let sid = sid_of(&rig.sent()[0]);
    rig.jingle("session-terminate", SID, "<reason><success/></reason>");
    rig.signals.clear();
    rig.sent();
    rig.message_to(OTHER, &format!("<reject xmlns='urn:xmpp:jingle-message:0' id='{sid}'/>"));
    let signals: Vec<_> = rig.signals.drain(..).map(|(leg, signal)| (leg, name(&signal))).collect();
    assert_eq!(signals, [(second, "Hangup busy".to_owned())]);
    assert!(rig.words().is_empty());
}

#[test]
fn nobody_is_called_beside_a_call_that_is_not_up() {
    let mut rig = Rig::new();
    let first = rig.dial("romeo@montague.lit", offer());
    rig.sent();
    call_beside(&mut rig, first);
    assert_eq!(rig.heard(), ["Hangup unavailable"]);
    assert!(rig.words().is_empty());
}
