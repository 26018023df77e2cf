//! What strangers send, and what is written for them.
#![allow(clippy::unwrap_used)]

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::jingle::{MAX_CONTENTS, Transport};
use super::rtp::{Info, Of};
use super::*;

fn element(text: &str) -> Element {
    text.parse().unwrap()
}

fn jingle(attributes: &str, inside: &str) -> Option<Jingle> {
    Jingle::read(&element(&format!("<jingle xmlns='{}' {attributes}>{inside}</jingle>", ns::JINGLE)))
}

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

#[test]
fn an_unknown_action_is_read_so_that_it_can_be_refused_and_a_session_without_a_name_is_not() {
    assert_eq!(jingle("action='session-dance' sid='1'", "").unwrap().action, Action::Other("session-dance".into()));
    assert_eq!(jingle("action='session-info'", ""), None);
    assert_eq!(jingle("sid='1'", ""), None);
    assert_eq!(jingle(&format!("action='session-info' sid='{}'", "x".repeat(257)), ""), None);
}

#[test]
fn a_content_without_a_creator_is_the_initiators_and_one_without_a_name_is_nobodys() {
    let read = jingle("action='content-modify' sid='1'", "<content name='a' senders='odd'/>").unwrap();
    assert_eq!((read.contents[0].creator, read.contents[0].senders), (Creator::Initiator, None));
    assert_eq!(jingle("action='content-modify' sid='1'", "<content creator='initiator'/>"), None);
}

#[test]
fn a_session_of_more_contents_than_anybody_has_is_not_read() {
    let contents = |n: usize| (0..n).map(|n| format!("<content name='{n}'/>")).collect::<String>();
    assert!(jingle("action='content-add' sid='1'", &contents(MAX_CONTENTS)).is_some());
    assert!(jingle("action='content-add' sid='1'", &contents(MAX_CONTENTS + 1)).is_none());
}

#[test]
fn an_initiator_that_is_no_jid_is_nobody() {
    let read = jingle("action='session-info' sid='1' initiator='@' responder='a@b/c'", "").unwrap();
    assert_eq!((read.initiator, read.responder), (None, Some(jid("a@b/c"))));
}

#[test]
fn a_session_may_have_several_groups() {
    let group = |semantics: &str| {
        format!("<group xmlns='{}' semantics='{semantics}'><content name='a'/></group>", ns::GROUPING)
    };
    let read = jingle("action='session-initiate' sid='1'", &(group("BUNDLE") + &group("FID"))).unwrap();
    assert_eq!(read.groups.len(), 2);
    assert_eq!(jingle_again(&read), read);
}

fn jingle_again(jingle: &Jingle) -> Jingle {
    Jingle::read(&jingle.write()).unwrap()
}

#[test]
fn a_reason_nobody_knows_has_a_name_and_is_not_passed_on() {
    let reason = "<reason><text>so</text><bored xmlns='urn:x'/><tired/></reason>";
    let reason = jingle("action='session-terminate' sid='1'", reason).unwrap().reason.unwrap();
    assert_eq!(reason, Reason::with_text(Condition::Other("tired".into()), "so"));
    let parent = Element::builder("p", "urn:x").append(reason.write()).build();
    assert_eq!(Reason::of(&parent).unwrap().condition, Condition::GeneralError);
    let empty = jingle("action='session-terminate' sid='1'", "<reason/>").unwrap().reason.unwrap();
    assert_eq!(empty.condition.name(), "undefined");
}

#[test]
fn every_reason_survives_being_written() {
    let simple = [
        Condition::Busy,
        Condition::Cancel,
        Condition::ConnectivityError,
        Condition::Decline,
        Condition::Expired,
        Condition::FailedApplication,
        Condition::FailedTransport,
        Condition::GeneralError,
        Condition::Gone,
        Condition::IncompatibleParameters,
        Condition::MediaError,
        Condition::SecurityError,
        Condition::Success,
        Condition::Timeout,
        Condition::UnsupportedApplications,
        Condition::UnsupportedTransports,
        Condition::AlternativeSession(None),
        Condition::AlternativeSession(Some("b84tkkwlmb48kgfb".into())),
    ];
    for condition in simple {
        let mut terminate = Jingle::new(Action::SessionTerminate, "1");
        terminate.reason = Some(Reason::with_text(condition, "words"));
        assert_eq!(jingle_again(&terminate), terminate);
    }
}

#[test]
fn what_is_said_of_a_call_is_read_and_what_is_unknown_is_noticed() {
    let inside = format!("<mute xmlns='{0}' creator='responder' name='a'/><hold xmlns='{0}'/>", ns::RTP_INFO);
    let read = jingle("action='session-info' sid='1'", &inside).unwrap();
    let mute = Info::Mute(Of { creator: Some(Creator::Responder), name: Some("a".into()) });
    assert_eq!((&read.info[..], read.unknown), (&[mute, Info::Hold][..], false));
    assert_eq!(jingle_again(&read), read);
    let dtmf = jingle("action='session-info' sid='1'", "<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='7'/>").unwrap();
    assert!(dtmf.unknown && dtmf.info.is_empty());
}

#[test]
fn a_transport_we_do_not_know_has_a_namespace() {
    let inside =
        "<content name='a'><transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'><candidate/></transport></content>";
    let read = jingle("action='session-initiate' sid='1'", inside).unwrap();
    assert!(matches!(&read.contents[0].transport, Some(Transport::Other(name)) if name.contains("raw-udp")));
}

#[test]
fn every_word_about_a_call_that_may_come_survives_being_written() {
    let reason = || Some(Reason::with_text(Condition::Busy, "Busy"));
    for word in [
        Word::Propose { media: vec!["audio".into(), "video".into()] },
        Word::Ringing,
        Word::Proceed,
        Word::Accept,
        Word::Reject { reason: None, tie_break: false },
        Word::Reject { reason: reason(), tie_break: true },
        Word::Retract { reason: reason(), tie_break: true },
        Word::Finish { reason: reason(), migrated: Some("2".into()) },
    ] {
        let word = JingleMessage::new("1", word);
        let message = Message::of_call(&jid("a@b/c"), &jid("d@e"), "id", &word);
        assert!(message.child("store", ns::HINTS).is_some());
        let Stanza::Message(read) = read(message.write()) else { panic!("a message") };
        assert_eq!(read.jingle_message(), Some(word));
        assert_eq!(read, message);
    }
}

#[test]
fn receipts_and_delays_are_seen() {
    let (romeo, juliet) = (jid("romeo@montague.lit/orchard"), jid("juliet@capulet.lit"));
    let asking = Message::chat(&romeo, &juliet, "7").asking_receipt().with(Element::bare("delay", ns::DELAY));
    assert!(asking.asks_receipt() && asking.is_delayed());
    let receipt = Message::receipt(&juliet, &romeo, "8", "7");
    assert_eq!((receipt.received().as_deref(), receipt.asks_receipt()), (Some("7"), false));
}

#[test]
fn a_message_of_an_unknown_type_is_a_message() {
    let Stanza::Message(message) =
        read(element("<message xmlns='jabber:client' type='bogus'><body>x</body></message>"))
    else {
        panic!("a message")
    };
    assert_eq!((message.kind, message.body().as_deref()), (MessageKind::Normal, Some("x")));
}

#[test]
fn an_error_is_not_answered_and_any_other_message_from_somebody_is() {
    let (romeo, juliet) = (jid("romeo@montague.lit/orchard"), jid("juliet@capulet.lit"));
    let message = Message::of_text(&romeo, &juliet, "7", "Art thou not Romeo?");
    let error = message.error(&StanzaError::item_not_found()).unwrap();
    assert_eq!((error.to.as_ref(), error.id.as_deref(), error.kind), (Some(&romeo), Some("7"), MessageKind::Error));
    let Stanza::Message(heard) = read(error.write()) else { panic!("a message") };
    assert_eq!(heard.stanza_error(), Some(StanzaError::item_not_found()));
    assert_eq!(error.error(&StanzaError::item_not_found()), None);
}

#[test]
fn the_errors_of_jingle_stand_beside_those_of_stanzas() {
    use JingleCondition::*;
    let request = Iq::set(&jid("a@b/c"), &jid("d@e/f"), "1", Jingle::new(Action::SessionInfo, "s").write());
    for (condition, beside) in [
        (OutOfOrder, DefinedCondition::UnexpectedRequest),
        (TieBreak, DefinedCondition::Conflict),
        (UnknownSession, DefinedCondition::ItemNotFound),
        (UnsupportedInfo, DefinedCondition::FeatureNotImplemented),
    ] {
        let answer = request.error(StanzaError::jingle(condition).with_text("why"));
        assert_eq!((answer.to.as_ref(), answer.from.as_ref()), (request.from.as_ref(), request.to.as_ref()));
        let Stanza::Iq(Iq { kind: IqKind::Error(error), .. }) = read(answer.write()) else { panic!("an error") };
        assert_eq!((error.jingle, error.condition, error.text.as_deref()), (Some(condition), beside, Some("why")));
    }
}

#[test]
fn presence_says_what_its_sender_can() {
    let presence = element(
        "<presence xmlns='jabber:client' from='a@b/c'><priority> 5 </priority>
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>",
    );
    let Stanza::Presence(presence) = read(presence) else { panic!("a presence") };
    assert_eq!((presence.kind, presence.priority()), (PresenceKind::Available, 5));
    assert_eq!(presence.caps().unwrap().node, "urn:x");
}
