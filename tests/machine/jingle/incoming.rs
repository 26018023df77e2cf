//! Calls from IM clients.

use std::time::Duration;

use patchcord::base::{ExchangeId, Secret};
use patchcord::jingle::config::Login;
use patchcord::model::{Address, Cause, Entry, Party, Progress, Signal, Stage};
use xmpp_parsers::jid::BareJid;

use super::*;

fn ringing() -> Signal {
    Signal::Progress(Progress { stage: Stage::Ringing, early_media: false })
}

#[test]
fn keys_behind_a_number_are_no_part_of_whom_a_client_calls() {
    let mut rig = Rig::new();
    let propose = propose(SID, &["audio"]);
    rig.stanza(&format!(
        "<message xmlns='jabber:client' from='{PEER}' to='600,,1234#@phone.example.org' type='chat' id='m1'>{propose}</message>"
    ));
    let (_, start) = rig.started();
    assert_eq!(start.to, Address::here("600"));
    assert!(start.about.keys == ",,1234#".parse().unwrap());
}

#[test]
fn a_call_that_is_turned_away_before_anybody_looked_at_it_is_told_that_there_are_too_many() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, _) = rig.started();
    rig.say(leg, Signal::Hangup(Hangup::new(Cause::Congestion)));
    let reject = rig.sent().remove(0);
    assert_eq!(words(&reject), "reject general-error +store");
    assert!(String::from(&reject).contains(Cause::Congestion.sentence()));
    rig.jingle("session-initiate", "other", DINO_AUDIO);
    let (leg, start) = rig.started();
    assert!(start.offer.is_some());
    rig.words();
    rig.say(leg, Signal::Hangup(Hangup::new(Cause::Congestion)));
    assert_eq!(rig.words(), ["session-terminate general-error"]);
}

#[test]
fn a_proposed_call_is_asked_for_its_offer_answered_and_hung_up() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, start) = rig.started();
    assert_eq!(start.offer, None);
    assert_eq!(start.entry, Entry::Account("romeo@montague.lit".into()));
    assert_eq!(start.from, Party::new(Address::at("romeo", "montague.lit")));
    assert_eq!(start.to, Address::here("+15550002"));
    assert!(rig.words().is_empty());

    rig.say(leg, Signal::Solicit(ExchangeId::heard(1)));
    let proceed = rig.sent().remove(0);
    assert_eq!(words(&proceed), "proceed +store");
    assert_eq!((proceed.attr("from"), proceed.attr("to")), (Some(OURS), Some(PEER)));

    let id = rig.jingle("session-initiate", SID, DINO_AUDIO);
    assert_eq!(rig.words(), [format!("result {id}")]);
    let (_, Signal::Offer(offer)) = rig.signals.remove(0) else { panic!() };
    assert_eq!(offer.exchange, ExchangeId::heard(1));
    assert_eq!(offer.description.streams.len(), 1);

    rig.say(leg, ringing());
    assert_eq!(rig.words(), ["session-info <ringing/>"]);
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    assert!(rig.words().is_empty());
    rig.say(leg, Signal::Accept);
    let accept = rig.sent().remove(0);
    assert_eq!(words(&accept), "session-accept audio");
    let jingle = accept.children().next().unwrap();
    assert_eq!((jingle.attr("responder"), jingle.attr("initiator")), (Some(OURS), None));

    let id = rig.jingle("session-terminate", SID, "<reason><success/></reason>");
    assert_eq!(rig.words(), [format!("result {id}"), "finish success +store".into()]);
    assert_eq!(rig.heard(), ["Hangup normal"]);
}

#[test]
fn the_answer_of_a_relayed_call_has_one_speech_codec_with_its_digits_and_says_active() {
    let mut rig = Rig::new();
    let leg = rig.offered();
    rig.say(leg, Signal::Path(MediaPath::Relayed));
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(leg, Signal::Accept);
    let accept = String::from(&rig.sent()[0]);
    assert_eq!(accept.matches("<payload-type").count(), 2, "{accept}");
    assert!(accept.contains("opus") && accept.contains("telephone-event"), "{accept}");
    assert!(accept.contains("setup=\"active\"") || accept.contains("setup='active'"), "{accept}");
    assert!(!accept.contains("<group") && !accept.contains("encryption"), "{accept}");
}

#[test]
fn the_answer_of_a_direct_call_passes_with_all_its_codecs() {
    let mut rig = Rig::new();
    let leg = rig.offered();
    rig.say(leg, direct());
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(leg, Signal::Accept);
    assert_eq!(String::from(&rig.sent()[0]).matches("<payload-type").count(), 8);
}

#[test]
fn an_early_answer_is_held_until_the_call_is_accepted() {
    let mut rig = Rig::new();
    let leg = rig.offered();
    rig.say(leg, Signal::Answer(Answer { provisional: true, ..answer(ExchangeId::heard(1), &["audio"]) }));
    rig.say(leg, Signal::Progress(Progress { stage: Stage::Session, early_media: true }));
    assert!(rig.words().is_empty());
    rig.say(leg, Signal::Accept);
    assert_eq!(rig.words(), ["session-accept audio"]);
}

#[test]
fn an_accept_waits_for_its_answer() {
    let mut rig = Rig::new();
    let leg = rig.offered();
    rig.say(leg, Signal::Accept);
    assert!(rig.words().is_empty());
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    assert_eq!(rig.words(), ["session-accept audio"]);
}

#[test]
fn ringing_before_the_session_is_a_word_of_message_initiation() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, _) = rig.started();
    rig.say(leg, ringing());
    rig.say(leg, ringing());
    assert_eq!(rig.words(), ["ringing +store"]);
}

#[test]
fn a_proposal_is_refused_with_the_reason_of_the_cause() {
    for (cause, expected) in [
        (Cause::Busy, "reject busy +store"),
        (Cause::Declined, "reject decline +store"),
        (Cause::NotFound, "reject gone +store"),
        (Cause::NoAnswer, "reject timeout +store"),
        (Cause::Forbidden, "reject security-error +store"),
    ] {
        let mut rig = Rig::new();
        rig.propose(SID);
        let (leg, _) = rig.started();
        rig.say(leg, hangup(cause));
        assert_eq!(rig.words(), [expected]);
        assert!(rig.heard().is_empty());
        let id = rig.jingle("session-initiate", SID, DINO_AUDIO);
        assert_eq!(rig.words(), ["error item-not-found unknown-session"], "{id}");
    }
}

#[test]
fn a_retracted_call_stops_ringing() {
    for solicited in [false, true] {
        let mut rig = Rig::new();
        rig.propose(SID);
        let (leg, _) = rig.started();
        if solicited {
            rig.say(leg, Signal::Solicit(ExchangeId::heard(1)));
        }
        rig.sent();
        // Another device of the caller may say it.
        let word = format!("<retract xmlns='urn:xmpp:jingle-message:0' id='{SID}'/>");
        rig.message_from("romeo@montague.lit/balcony", &word);
        assert_eq!(rig.heard(), ["Hangup cancelled"]);
        assert!(rig.words().is_empty());
    }
}

#[test]
fn a_caller_who_proposes_and_begins_no_session_is_given_up() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let (leg, _) = rig.started();
    rig.say(leg, Signal::Solicit(ExchangeId::heard(1)));
    rig.sent();
    rig.advance(Duration::from_secs(29));
    assert!(rig.heard().is_empty());
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.heard(), ["Hangup timeout"]);
    assert_eq!(rig.words(), ["reject timeout +store", "finish timeout +store"]);
}

#[test]
fn a_receipt_is_sent_where_it_is_asked_for() {
    let mut rig = Rig::new();
    rig.message(&format!("{}<request xmlns='urn:xmpp:receipts'/>", propose(SID, &["audio", "video"])));
    let receipt = rig.sent().remove(0);
    assert_eq!(words(&receipt), "received +store");
    assert_eq!(receipt.children().next().unwrap().attr("id"), Some("m1"));
    assert_eq!((receipt.attr("from"), receipt.attr("to")), (Some(OURS), Some(PEER)));
    rig.started();
}

#[test]
fn the_caller_gets_our_presence() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let presences = rig.presences();
    assert!(presences.iter().any(|p| p.attr("from") == Some(OURS) && p.attr("to") == Some(PEER)), "{presences:?}");
}

#[test]
fn the_same_proposal_again_and_one_for_files_ring_nobody() {
    let mut rig = Rig::new();
    rig.propose(SID);
    rig.started();
    rig.propose(SID);
    rig.message("<propose xmlns='urn:xmpp:jingle-message:0' id='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/></propose>");
    assert!(rig.heard().is_empty() && rig.words().is_empty());
    let word = format!("<retract xmlns='urn:xmpp:jingle-message:0' id='{SID}'/>");
    rig.message(&word);
    assert_eq!(rig.heard(), ["Hangup cancelled"]);
    rig.propose(SID);
    assert!(rig.heard().is_empty(), "nor when the first is over");
}

#[test]
fn a_direct_session_brings_its_offer_at_once() {
    let mut rig = Rig::new();
    let id = rig.jingle("session-initiate", "direct-1", DINO_AUDIO);
    assert_eq!(rig.words(), [format!("result {id}")]);
    let (leg, start) = rig.started();
    assert_eq!(start.offer.map(|o| o.exchange), Some(ExchangeId::heard(1)));
    rig.say(leg, ringing());
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(leg, Signal::Accept);
    assert_eq!(rig.words(), ["session-info <ringing/>", "session-accept audio"]);
    rig.say(leg, hangup(Cause::Normal));
    assert_eq!(rig.words(), ["session-terminate success"], "no word of message initiation where none was before");
}

#[test]
fn a_session_of_files_is_acknowledged_and_refused_in_its_own_words() {
    let mut rig = Rig::new();
    let content = "<content creator='initiator' name='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>\
                   <transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='x' block-size='1'/></content>";
    let id = rig.jingle("session-initiate", "file", content);
    assert_eq!(rig.words(), [format!("result {id}"), "session-terminate unsupported-applications".into()]);
    assert!(rig.heard().is_empty());
    let audio = "<content creator='initiator' name='a'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>\
                 <transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'/></content>";
    let id = rig.jingle("session-initiate", "raw", audio);
    assert_eq!(rig.words(), [format!("result {id}"), "session-terminate unsupported-transports".into()]);
}

#[test]
fn a_user_of_the_directory_calls_as_that_user() {
    let mut rig = Rig::new();
    rig.message_from("juliet@capulet.lit/phone", &propose(SID, &["audio"]));
    let (_, start) = rig.started();
    assert_eq!(start.entry, Entry::User("juliet".into()));
    assert_eq!(start.from.display.as_deref(), Some("Juliet"));
}

#[test]
fn video_that_the_answer_refuses_is_left_out_of_the_accept() {
    let mut rig = Rig::new();
    let both = format!("{}{}", content("audio", "actpass"), content("video", "actpass"));
    rig.jingle("session-initiate", "av", &both);
    let (leg, start) = rig.started();
    assert_eq!(start.offer.unwrap().description.streams.len(), 2);
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio", "-video"])));
    rig.say(leg, Signal::Accept);
    assert_eq!(rig.words()[1..], ["session-accept audio"]);
}

#[test]
fn nobody_speaks_in_the_call_of_another() {
    let mut rig = Rig::new();
    let leg = rig.up_call();
    for (from, to) in [
        ("tybalt@capulet.lit/x", OURS),
        ("romeo@montague.lit/balcony", OURS),
        (PEER, "+15559999@phone.example.org/patchcord"),
    ] {
        rig.jingle_from(from, to, "session-terminate", SID, "<reason><success/></reason>");
        assert_eq!(rig.words(), ["error item-not-found unknown-session"], "{from} {to}");
    }
    rig.message_from("tybalt@capulet.lit/x", &format!("<finish xmlns='urn:xmpp:jingle-message:0' id='{SID}'/>"));
    assert!(rig.heard().is_empty());
    rig.say(leg, hangup(Cause::Normal));
    assert_eq!(rig.words(), ["session-terminate success", "finish success +store"]);
}

#[test]
fn another_device_of_a_client_s_own_account_takes_the_call() {
    for (word, from, cause) in
        [("proceed", "gw@example.org/phone", "answered-elsewhere"), ("reject", "gw@example.org/phone", "cancelled")]
    {
        let login = Login::Client {
            jid: BareJid::new("gw@example.org").unwrap(),
            password: Secret::new("x"),
            inbound: Address::here("reception"),
        };
        let mut rig = Rig::with(login, "gw@example.org/patchcord");
        let proposal = propose(SID, &["audio"]);
        rig.stanza(&format!(
            "<message xmlns='jabber:client' from='{PEER}' to='gw@example.org' type='chat' id='a'>{proposal}</message>"
        ));
        let (_, start) = rig.started();
        assert_eq!(start.to, Address::here("reception"));
        let copy = |outer: &str| {
            format!(
                "<message xmlns='jabber:client' from='{outer}' to='gw@example.org/patchcord'><sent xmlns='urn:xmpp:carbons:2'>\
                 <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='{from}' to='{PEER}' type='chat'>\
                 <{word} xmlns='urn:xmpp:jingle-message:0' id='{SID}'/></message></forwarded></sent></message>"
            )
        };
        rig.stanza(&copy("mallory@example.org"));
        assert!(rig.heard().is_empty(), "only our own account can copy its messages to us");
        rig.stanza(&copy("gw@example.org"));
        assert_eq!(rig.heard(), [format!("Hangup {cause}")]);
        assert!(rig.words().is_empty());
    }
}

#[test]
fn a_connection_has_as_many_calls_as_it_may_and_says_so_to_the_next() {
    use patchcord::jingle::endpoint::calls::MAX_CALLS;
    let mut rig = Rig::new();
    for n in 0..MAX_CALLS {
        rig.message_from(&format!("m{n}@montague.lit/orchard"), &propose(&format!("s{n}"), &["audio"]));
    }
    let (first, _) = rig.started();
    assert_eq!(rig.signals.len(), MAX_CALLS - 1);
    rig.sent();
    rig.propose("one-more");
    assert_eq!(rig.words(), ["reject general-error +store"]);
    rig.jingle("session-initiate", "directly", DINO_AUDIO);
    assert_eq!(rig.words(), ["error resource-constraint"]);
    rig.heard();
    rig.dial("romeo@montague.lit", offer());
    assert_eq!(rig.heard(), ["Hangup congestion"]);
    rig.say(first, hangup(Cause::Busy));
    rig.propose("another");
    assert_eq!(rig.heard(), ["Start"]);
}

#[test]
fn an_account_has_as_many_calls_as_it_may_and_the_others_have_theirs() {
    use patchcord::jingle::endpoint::calls::MAX_CALLS_BEGUN;
    let mut rig = Rig::new();
    for n in 0..MAX_CALLS_BEGUN {
        rig.message_from(&format!("romeo@montague.lit/r{}", n % 3), &propose(&format!("s{n}"), &["audio"]));
    }
    let (first, _) = rig.started();
    assert_eq!(rig.heard().len(), MAX_CALLS_BEGUN - 1);
    rig.sent();
    rig.message_from("romeo@montague.lit/another", &propose("one-more", &["audio"]));
    assert_eq!(rig.words(), ["reject general-error +store"]);
    rig.jingle("session-initiate", "directly", DINO_AUDIO);
    assert_eq!(rig.words(), ["error resource-constraint"]);
    rig.message_from("tybalt@capulet.lit/x", &propose("other", &["audio"]));
    assert_eq!(rig.heard(), ["Start"], "only of another account");
    rig.say(first, hangup(Cause::Busy));
    rig.sent();
    rig.propose("after-one-ended");
    assert_eq!(rig.heard(), ["Start"]);
    rig.dial("romeo@montague.lit", offer());
    assert!(rig.heard().is_empty(), "it is called all the same");
}

#[test]
fn an_account_that_begins_calls_too_fast_rings_nobody_until_the_minute_is_over() {
    use patchcord::jingle::endpoint::pace::{MAX_BEGUN, PACE_WINDOW};
    let mut rig = Rig::new();
    for n in 0..MAX_BEGUN {
        let sid = format!("s{n}");
        rig.propose(&sid);
        rig.word("retract", &sid);
        assert_eq!(rig.heard(), ["Start", "Hangup cancelled"]);
    }
    rig.sent();
    rig.propose("too-fast");
    assert_eq!(rig.words(), ["reject general-error +store"]);
    rig.jingle("session-initiate", "directly", DINO_AUDIO);
    assert_eq!(rig.words(), ["error resource-constraint"]);
    assert!(rig.heard().is_empty());
    rig.message_from("tybalt@capulet.lit/x", &propose("other", &["audio"]));
    assert_eq!(rig.heard(), ["Start"]);
    rig.advance(PACE_WINDOW);
    rig.sent();
    rig.propose("in-time");
    assert_eq!(rig.heard(), ["Start"]);
}

#[test]
fn a_proposal_of_an_account_without_a_device_rings_nobody() {
    let mut rig = Rig::new();
    rig.message_from("romeo@montague.lit", &propose(SID, &["audio"]));
    assert!(rig.heard().is_empty() && rig.words().is_empty());
    rig.propose(SID);
    assert_eq!(rig.heard(), ["Start"], "the device itself is heard");
}

#[test]
fn a_second_call_of_the_same_account_is_a_call_of_its_own() {
    let mut rig = Rig::new();
    rig.up_call();
    rig.message_from("romeo@montague.lit/balcony", &propose("second", &["audio"]));
    assert_eq!(rig.heard(), ["Start"]);
    assert!(rig.words().is_empty());
}
