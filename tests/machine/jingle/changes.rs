//! Changes of sessions that are up: contents, directions, ICE, hold and mute.

use std::time::Duration;

use patchcord::base::ExchangeId;
use patchcord::model::{Cause, Description, Direction, Mid, Offer, Signal};

use super::*;

const HELD: &str = "<hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>";

fn said(n: u32, description: Description) -> Signal {
    Signal::Offer(Offer { exchange: ExchangeId::said(n), description })
}

fn next_offer(rig: &mut Rig) -> Offer {
    let (_, Signal::Offer(offer)) = rig.signals.remove(0) else { panic!() };
    offer
}

fn next_answer(rig: &mut Rig) -> patchcord::model::Answer {
    let (_, Signal::Answer(answer)) = rig.signals.remove(0) else { panic!() };
    answer
}

fn shape(description: &Description) -> Vec<(String, bool)> {
    let mid = |m: &Option<Mid>| m.as_ref().map(|m| m.0.clone()).unwrap_or_default();
    description.streams.iter().map(|s| (mid(&s.mid), s.accepted)).collect()
}

#[test]
fn a_content_that_the_peer_adds_is_an_offer_and_the_answer_accepts_or_rejects_it() {
    for (name, expected) in
        [("video", "content-accept video"), ("-video", "content-reject video unsupported-applications")]
    {
        let mut rig = Rig::new();
        let leg = rig.up_call();
        let id = rig.jingle("content-add", SID, &content("video", "actpass"));
        assert_eq!(rig.words(), [format!("result {id}")]);
        let offer = next_offer(&mut rig);
        assert_eq!(offer.exchange, ExchangeId::heard(2));
        assert_eq!(shape(&offer.description), [("audio".into(), true), ("video".into(), true)]);
        rig.say(leg, direct());
        rig.say(leg, Signal::Answer(answer(offer.exchange, &["audio", name])));
        assert_eq!(rig.words(), [expected]);
    }
}

#[test]
fn a_change_that_the_call_refuses_leaves_the_session_as_it_was() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.jingle("content-add", SID, &content("video", "actpass"));
    let offer = next_offer(&mut rig);
    rig.sent();
    rig.say(leg, Signal::Refuse { exchange: offer.exchange, cause: Cause::MediaIncompatible });
    assert_eq!(rig.words(), ["content-reject video incompatible-parameters"]);
    rig.jingle("content-modify", SID, "<content creator='initiator' name='audio' senders='initiator'/>");
    let offer = next_offer(&mut rig);
    rig.sent();
    rig.say(leg, Signal::Refuse { exchange: offer.exchange, cause: Cause::NotSupported });
    assert_eq!(rig.words(), ["content-modify audio"], "back to both");
}

#[test]
fn another_content_that_comes_while_one_is_open_waits_for_it() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.jingle("content-add", SID, &content("video", "actpass"));
    let first = next_offer(&mut rig);
    rig.jingle("content-modify", SID, "<content creator='initiator' name='audio' senders='initiator'/>");
    assert_eq!(rig.words().len(), 2, "both are acknowledged at once");
    assert!(rig.heard().is_empty());
    rig.say(leg, Signal::Answer(answer(first.exchange, &["audio", "video"])));
    assert_eq!(rig.words(), ["content-accept video"]);
    let second = next_offer(&mut rig);
    assert_eq!(second.exchange, ExchangeId::heard(3));
    assert_eq!(second.description.streams[0].direction, Direction::SendOnly);
    for _ in 0..8 {
        rig.jingle("content-modify", SID, "<content creator='initiator' name='audio' senders='both'/>");
    }
    rig.sent();
    rig.jingle("content-modify", SID, "<content creator='initiator' name='audio' senders='both'/>");
    assert_eq!(rig.words(), ["error resource-constraint"]);
}

#[test]
fn a_content_that_we_add_is_answered_by_the_peer_s_accept_or_reject() {
    for (accepts, expected) in [(true, true), (false, false)] {
        let mut rig = Rig::new();
        let (leg, sid) = rig.called_up();
        rig.say(leg, said(2, offer_with_video()));
        let add = rig.sent().remove(0);
        assert_eq!(words(&add), "content-add 1 <group/>");
        rig.answer_to(&add, "result", "");
        assert!(rig.heard().is_empty());
        match accepts {
            true => {
                rig.jingle("transport-info", &sid, &candidate("1", "ufr1", Some(7000)));
                rig.jingle("content-accept", &sid, &content("1", "active"));
            }
            false => {
                rig.jingle("content-reject", &sid, "<content creator='initiator' name='1'/>");
            }
        }
        let answer = next_answer(&mut rig);
        assert_eq!(answer.exchange, ExchangeId::said(2));
        assert_eq!(shape(&answer.description), [("0".into(), true), ("1".into(), expected)]);
        assert_eq!(rig.heard(), if accepts { vec!["Candidates 1"] } else { vec![] });
    }
}

#[test]
fn a_content_that_the_peer_leaves_unanswered_is_taken_back() {
    let mut rig = Rig::new();
    let (leg, sid) = rig.called_up();
    rig.say(leg, said(2, offer_with_video()));
    rig.sent();
    rig.advance(Duration::from_secs(31));
    assert_eq!(rig.words(), ["content-remove 1"]);
    assert_eq!(shape(&next_answer(&mut rig).description), [("0".into(), true), ("1".into(), false)]);
    rig.jingle("content-accept", &sid, &content("1", "active"));
    assert_eq!(rig.words(), ["error unexpected-request out-of-order"]);
}

#[test]
fn a_peer_that_does_not_know_how_to_add_contents_refuses_the_offer() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    rig.say(leg, said(2, offer_with_video()));
    let add = rig.sent().remove(0);
    let error = "<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    rig.answer_to(&add, "error", error);
    assert_eq!(rig.heard(), ["Refuse not-supported"]);
    rig.say(leg, said(3, offer_with_video()));
    assert_eq!(rig.words(), ["content-add 1 <group/>"], "the next offer starts from the same session");
}

#[test]
fn when_both_add_contents_at_once_the_initiator_s_goes_on() {
    // We are the initiator.
    let mut rig = Rig::new();
    let (leg, sid) = rig.called_up();
    rig.say(leg, said(2, offer_with_video()));
    rig.sent();
    rig.jingle("content-add", &sid, &content_by("responder", "video", "actpass"));
    assert_eq!(rig.words(), ["error conflict tie-break"]);
    assert!(rig.heard().is_empty());

    // The peer is.
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.say(leg, said(1, offer_with_video()));
    let add = rig.sent().remove(0);
    let id = rig.jingle("content-add", SID, &content("video", "actpass"));
    assert_eq!(rig.words(), [format!("result {id}")]);
    assert_eq!(rig.heard(), ["Refuse glare", "Offer"]);
    let tie = "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><tie-break xmlns='urn:xmpp:jingle:errors:1'/></error>";
    rig.answer_to(&add, "error", tie);
    assert!(rig.heard().is_empty(), "it is refused once");
}

#[test]
fn an_offer_of_the_call_that_crosses_one_of_the_peer_is_refused_as_glare() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.jingle("content-add", SID, &content("video", "actpass"));
    rig.heard();
    rig.say(leg, said(1, offer_with_video()));
    assert_eq!(rig.heard(), ["Refuse glare"]);
}

#[test]
fn a_direction_that_changes_is_a_content_modify_and_its_acknowledgement_the_answer() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    let mut sendonly = offer();
    sendonly.streams[0].direction = Direction::SendOnly;
    rig.say(leg, said(2, sendonly));
    let modify = rig.sent().remove(0);
    assert_eq!(words(&modify), "content-modify 0");
    assert!(String::from(&modify).contains("senders='initiator'"));
    assert!(rig.heard().is_empty());
    rig.answer_to(&modify, "result", "");
    assert_eq!(next_answer(&mut rig).description.streams[0].direction, Direction::RecvOnly);
}

#[test]
fn a_request_that_is_never_acknowledged_counts_as_done() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    let mut sendonly = offer();
    sendonly.streams[0].direction = Direction::SendOnly;
    rig.say(leg, said(2, sendonly));
    rig.advance(Duration::from_secs(16));
    assert_eq!(rig.heard(), ["Answer"]);
}

#[test]
fn an_offer_that_changes_nothing_the_peer_knows_is_answered_at_once() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    rig.say(leg, said(2, offer()));
    assert!(rig.words().is_empty());
    assert_eq!(rig.heard(), ["Answer"]);
}

#[test]
fn ice_is_restarted_by_other_credentials_and_answered_by_the_peer_s() {
    let mut rig = Rig::new();
    let (leg, sid) = rig.called_up();
    let mut restart = offer();
    let ice = restart.streams[0].transport.ice.as_mut().unwrap();
    (ice.ufrag, ice.pwd) = ("newu".into(), "newpassword-newpassword".into());
    rig.say(leg, said(2, restart.clone()));
    let info = rig.sent().remove(0);
    assert_eq!(words(&info), "transport-info 0");
    assert!(String::from(&info).contains("newu") && !String::from(&info).contains("<candidate"));
    rig.answer_to(&info, "result", "");
    assert!(rig.heard().is_empty(), "a client that only acknowledges it has not restarted");
    rig.jingle("transport-info", &sid, &candidate("0", "theirnew", None));
    let answer = next_answer(&mut rig);
    assert_eq!(answer.description.streams[0].transport.ice.as_ref().unwrap().ufrag, "theirnew");

    // Dino acknowledges, and does nothing.
    restart.streams[0].transport.ice.as_mut().unwrap().ufrag = "again".into();
    rig.say(leg, said(3, restart));
    rig.advance(Duration::from_secs(9));
    assert_eq!(rig.heard(), ["Refuse not-supported"]);
}

#[test]
fn a_peer_restarts_ice_by_credentials_without_candidates() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    let id = rig.jingle("transport-info", SID, &candidate("audio", "theirnew", None));
    assert_eq!(rig.words(), [format!("result {id}")]);
    let offer = next_offer(&mut rig);
    let ice = offer.description.streams[0].transport.ice.as_ref().unwrap();
    assert_eq!((ice.ufrag.as_str(), ice.candidates.len()), ("theirnew", 0));
    let mut reply = answer(offer.exchange, &["audio"]);
    let ours = reply.description.streams[0].transport.ice.as_mut().unwrap();
    (ours.ufrag, ours.pwd) = ("ournew".into(), "ournewpassword-ournewpass".into());
    rig.say(leg, Signal::Answer(reply));
    let info = rig.sent().remove(0);
    assert_eq!(words(&info), "transport-info audio");
    assert!(String::from(&info).contains("ournew"));
}

#[test]
fn hold_and_mute_are_words_of_their_own_both_ways() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    rig.jingle("session-info", SID, HELD);
    rig.jingle("session-info", SID, HELD);
    rig.jingle("session-info", SID, ACTIVE);
    rig.jingle("session-info", SID, "<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='initiator' name='audio'/>");
    rig.jingle("session-info", SID, "<unmute xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>");
    rig.jingle("session-info", SID, "<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>");
    rig.jingle("session-info", SID, ACTIVE);
    rig.jingle("session-info", SID, HELD);
    rig.jingle("session-info", SID, "<unhold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>");
    let heard =
        ["Hold true", "Hold false", "Mute true", "Mute false", "Mute true", "Mute false", "Hold true", "Hold false"];
    assert_eq!(rig.heard(), heard);
    rig.sent();
    for (signal, expected) in [
        (Signal::Hold(true), "session-info <hold/>"),
        (Signal::Hold(false), "session-info <active/>"),
        (Signal::Mute(true), "session-info <mute/>"),
        (Signal::Mute(false), "session-info <unmute/>"),
    ] {
        rig.say(leg, signal);
        let info = rig.sent().remove(0);
        assert_eq!(words(&info), expected);
        if expected.contains("mute") {
            let word = info.children().next().unwrap().children().next().unwrap();
            assert_eq!((word.attr("creator"), word.attr("name")), (Some("initiator"), Some("audio")));
        }
    }
}

#[test]
fn a_digit_has_no_word_and_is_not_pretended() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    let dtmf = patchcord::model::Dtmf { digit: '5', duration: Duration::from_millis(100) };
    rig.say(leg, Signal::Dtmf(dtmf));
    assert!(rig.words().is_empty() && rig.heard().is_empty());
}

#[test]
fn a_ping_is_answered_and_an_unknown_word_is_unsupported() {
    let mut rig = Rig::new();
    rig.up_call();
    let id = rig.jingle("session-info", SID, "");
    assert_eq!(rig.words(), [format!("result {id}")]);
    rig.jingle("session-info", SID, "<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='5'/>");
    assert_eq!(rig.words(), ["error feature-not-implemented unsupported-info"]);
    rig.jingle("transport-replace", SID, "<content creator='initiator' name='audio'/>");
    assert_eq!(rig.words()[1], "transport-reject audio");
    rig.jingle("security-info", SID, "");
    assert_eq!(rig.words(), ["error feature-not-implemented"]);
    rig.jingle("session-accept", SID, &content("audio", "active"));
    assert_eq!(rig.words(), ["error unexpected-request out-of-order"]);
    rig.jingle("session-initiate", SID, &content("audio", "actpass"));
    assert_eq!(rig.words(), ["error unexpected-request out-of-order"]);
    assert!(rig.heard().is_empty());
}

#[test]
fn removing_the_last_content_ends_the_session() {
    let mut rig = Rig::new();
    rig.up_call();
    let id = rig.jingle("content-remove", SID, "<content creator='initiator' name='audio'/>");
    assert_eq!(
        rig.words(),
        [format!("result {id}"), "session-terminate success".into(), "finish success +store".into()]
    );
    assert_eq!(rig.heard(), ["Hangup normal"]);
}
