//! Who is in a conference, for clients that show it (XEP-0298).

use patchcord::model::{Member, MemberState, Roster};

use super::*;

const SHOWS: &str = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:coin:1'/></query>";
const SHOWS_NOT: &str =
    "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:jingle:1'/></query>";

fn member(name: &str) -> Member {
    Member {
        id: format!("sip:{name}@example.org"),
        name: Some(name.into()),
        address: None,
        state: MemberState::Joined,
        muted: false,
        talking: false,
        you: false,
    }
}

fn list(members: Vec<Member>) -> Signal {
    let count = members.len();
    Signal::Roster(Box::new(Roster { subject: Some("Monday".into()), members, count }))
}

/// The question what the client can, if there was one.
fn question(rig: &mut Rig) -> Option<Element> {
    rig.raw().into_iter().find(|s| s.children().any(|c| c.name() == "query"))
}

#[test]
fn a_client_that_shows_lists_is_told_that_it_is_in_a_room_and_who_else_is_and_is_told_each_change_once() {
    let mut rig = Rig::new();
    let (leg, sid) = rig.called_up();
    let you = Member { you: true, ..member("me") };
    let bob = Member { muted: true, ..member("Bob") };
    rig.say(leg, list(vec![you.clone(), bob.clone()]));
    let asked = question(&mut rig).expect("it has never said what it can");
    rig.answer_to(&asked, "result", SHOWS);
    let told = rig.sent();
    assert_eq!(
        told.iter().map(words).collect::<Vec<_>>(),
        ["session-info <conference-info/>", "conference-info <conference-description/> <conference-state/> <users/>",]
    );
    let focus = "<conference-info xmlns='urn:xmpp:coin:1' isfocus='true'/>";
    assert!(String::from(&told[0]).contains(focus), "{}", String::from(&told[0]));
    let document = told[1].children().next().unwrap();
    assert!(document.is("conference-info", "urn:ietf:params:xml:ns:conference-info"));
    let attr = |name| document.attr(name).unwrap();
    assert_eq!(
        [attr("entity"), attr("state"), attr("version"), attr("sid")],
        [&format!("xmpp:{OURS}"), "full", "1", &sid]
    );
    let text = String::from(document);
    let own = format!(
        "<user entity='xmpp:romeo@montague.lit' state='full'><display-text>me</display-text><endpoint entity='xmpp:{PEER}'>"
    );
    assert!(text.contains("<subject>Monday</subject>") && text.contains("<user-count>2</user-count>"), "{text}");
    assert!(text.contains(&own) && text.contains("<status>connected</status>"), "{text}");
    assert!(
        text.contains("<user entity='sip:Bob@example.org'") && text.contains("<status>recvonly</status>"),
        "{text}"
    );

    // Who speaks is no part of such a list.
    rig.say(leg, list(vec![you.clone(), Member { talking: true, ..bob }]));
    assert!(rig.raw().is_empty());
    rig.say(leg, list(vec![you]));
    let told = rig.sent();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].children().next().unwrap().attr("version"), Some("2"));
    // A client that cannot make anything of it after all stays in the call.
    let error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    rig.answer_to(&told[0], "error", error);
    assert!(rig.heard().is_empty());
    // The room's focus says nothing more.
    rig.say(leg, list(vec![]));
    let told = rig.sent();
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["session-info <conference-info/>"]);
    assert!(String::from(&told[0]).contains("isfocus='false'"), "{}", String::from(&told[0]));
}

#[test]
fn a_client_that_does_not_show_lists_is_asked_once_and_told_nothing() {
    let mut rig = Rig::new();
    let (leg, _) = rig.called_up();
    rig.say(leg, list(vec![member("Bob")]));
    let asked = question(&mut rig).unwrap();
    rig.say(leg, list(vec![member("Bob"), member("Carol")]));
    assert!(rig.raw().is_empty(), "one question is enough");
    rig.answer_to(&asked, "result", SHOWS_NOT);
    rig.say(leg, list(vec![]));
    assert!(rig.raw().is_empty());
}

#[test]
fn a_list_that_comes_before_the_talk_is_told_with_it() {
    let mut rig = Rig::new();
    rig.propose(SID);
    let asked = question(&mut rig).expect("a caller is asked what it can");
    rig.answer_to(&asked, "result", SHOWS);
    let (leg, _) = rig.started();
    rig.say(leg, Signal::Solicit(ExchangeId::heard(1)));
    rig.jingle("session-initiate", SID, DINO_AUDIO);
    rig.say(leg, list(vec![member("Bob")]));
    rig.say(leg, list(vec![member("Carol")]));
    rig.sent();
    rig.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
    rig.say(leg, Signal::Accept);
    let told = rig.sent();
    assert_eq!(
        told.iter().map(words).collect::<Vec<_>>(),
        [
            "session-accept audio",
            "session-info <conference-info/>",
            "conference-info <conference-description/> <conference-state/> <users/>",
        ]
    );
    let text = String::from(&told[2]);
    assert!(text.contains("Carol") && !text.contains("Bob"), "{text}");
}
