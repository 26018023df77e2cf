//! Conferences: changes one by one add up to what the whole state says.

use std::collections::BTreeMap;

use patchcord::sip::conference::document::Document;
use patchcord::sip::conference::roster::{Conference, Taken};
use proptest::prelude::*;

/// What happens in a room: a member comes or changes, or leaves.
#[derive(Debug, Clone)]
enum Event {
    Is { who: u8, muted: bool, whole: bool },
    Leaves(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..6u8, any::<bool>(), any::<bool>()).prop_map(|(who, muted, whole)| Event::Is { who, muted, whole }),
        1 => (0..6u8).prop_map(Event::Leaves),
    ]
}

fn user(who: u8, muted: bool, state: &str) -> String {
    let status = if muted { "recvonly" } else { "sendrecv" };
    format!(
        "<user entity=\"sip:u{who}@example.org\" state=\"{state}\"><display-text>u{who}</display-text>\
         <endpoint entity=\"sip:u{who}@192.0.2.1\" state=\"{state}\"><status>connected</status>\
         <media id=\"1\"><type>audio</type><status>{status}</status></media></endpoint></user>"
    )
}

fn document(version: u32, state: &str, users: &str) -> Document {
    let text = format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" state=\"{state}\" version=\"{version}\">\
         <users state=\"{state}\">{users}</users></conference-info>"
    );
    Document::read(text.as_bytes()).expect("a document")
}

/// Who is there and whether muted, in the order of names.
fn seen(conference: &Conference) -> Vec<(String, bool)> {
    let roster = conference.roster("", None);
    let mut seen: Vec<_> = roster.members.into_iter().map(|m| (m.name.unwrap_or_default(), m.muted)).collect();
    seen.sort();
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_one_by_one_add_up_to_the_whole_state(events in proptest::collection::vec(event(), 0..40)) {
        let mut conference = Conference::default();
        prop_assert_eq!(conference.take(document(0, "full", "")), Taken::Merged);
        let mut truth = BTreeMap::new();
        for (version, event) in (1..).zip(&events) {
            let users = match *event {
                Event::Is { who, muted, whole } => {
                    truth.insert(who, muted);
                    user(who, muted, if whole { "full" } else { "partial" })
                }
                Event::Leaves(who) => {
                    truth.remove(&who);
                    format!("<user entity=\"sip:u{who}@example.org\" state=\"deleted\"/>")
                }
            };
            prop_assert_eq!(conference.take(document(version, "partial", &users)), Taken::Merged);
            // What comes again is of no use.
            prop_assert_eq!(conference.take(document(version, "partial", "")), Taken::Stale);
        }
        let expected: Vec<_> = truth.iter().map(|(who, muted)| (format!("u{who}"), *muted)).collect();
        prop_assert_eq!(seen(&conference), expected.clone());
        let all: String = truth.iter().map(|(who, muted)| user(*who, *muted, "full")).collect();
        let version = u32::try_from(events.len()).unwrap() + 7;
        prop_assert_eq!(conference.take(document(version, "full", &all)), Taken::Merged);
        prop_assert_eq!(seen(&conference), expected);
    }
}
