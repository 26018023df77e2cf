//! What a focus tells of its conference.

use patchcord::model::MEMBERS_LIMIT;
use patchcord::sip::conference::document::{Document, PARTS_LIMIT, USERS_LIMIT};
use patchcord::sip::conference::roster::Conference;

use crate::shared;

/// Written after RFC 4575 §6: a whole state, and a change of it.
const DOCUMENTS: [&str; 2] = [
    r#"<?xml version="1.0" encoding="UTF-8"?>
<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" xmlns:x="urn:example:x" entity="sips:conf233@example.com" state="full" version="1">
 <conference-description><subject>Agenda: this month's goals</subject></conference-description>
 <conference-state><user-count>2</user-count></conference-state>
 <users>
  <user entity="sip:bob@example.com" state="full"><display-text>Bob Hoskins</display-text>
   <associated-aors><entry><uri>mailto:bob@example.com</uri></entry></associated-aors>
   <endpoint entity="sip:bob@pc33.example.com"><display-text>Bob's Laptop</display-text><status>disconnected</status></endpoint>
  </user>
  <user entity="sip:alice@example.com" state="full"><display-text>Alice</display-text>
   <endpoint entity="sip:4kfk4j392jsu@example.com;grid=433kj4j3u"><status>connected</status><joining-method>dialed-out</joining-method>
    <media id="1"><type>audio</type><label>34567</label><src-id>432424</src-id><status>sendrecv</status><x:talking>true</x:talking></media>
    <call-info><sip><call-id>hsjh8980vhsb78</call-id><from-tag>vav738dvbs</from-tag></sip></call-info>
   </endpoint>
  </user>
 </users>
</conference-info>"#,
    r#"<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sips:conf233@example.com" state="partial" version="2"><users state="partial"><user entity="sip:alice@example.com" state="partial"><endpoint entity="sip:4kfk4j392jsu@example.com;grid=433kj4j3u" state="partial"><media id="1"><type>audio</type><status>recvonly</status></media></endpoint></user><user entity="sip:bob@example.com" state="deleted"/></users></conference-info>"#,
];

/// Whatever the bytes: no panic, and within the limits, alone and after others.
pub fn conference(data: &[u8]) {
    let mut conference = Conference::default();
    let first = Document::read(DOCUMENTS[0].as_bytes()).expect("it is one");
    conference.take(first);
    for _ in 0..2 {
        if let Ok(document) = Document::read(data) {
            let users = document.users.iter().flat_map(|u| &u.users);
            assert!(users.clone().count() <= USERS_LIMIT);
            assert!(users.clone().all(|u| u.endpoints.iter().all(|e| e.media.len() <= PARTS_LIMIT)));
            conference.take(document);
        }
        let roster = conference.roster("hsjh8980vhsb78", None);
        assert!(roster.members.len() <= MEMBERS_LIMIT && roster.members.len() <= roster.count);
        conference.forget_version();
    }
}

#[test]
fn no_document_of_a_focus_does_harm() {
    for (seed, document) in DOCUMENTS.iter().enumerate() {
        assert!(Document::read(document.as_bytes()).is_ok());
        conference(document.as_bytes());
        for damaged in shared::mutations(seed as u64, document.as_bytes(), 5_000) {
            conference(&damaged);
        }
    }
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><conference-info>&a;</conference-info>";
    let deep = "<a>".repeat(20_000);
    let wide = format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" version=\"1\">{}</conference-info>",
        "<a/>".repeat(25_000)
    );
    for hostile in [bomb, &deep, &wide] {
        assert!(Document::read(hostile.as_bytes()).is_err());
        conference(hostile.as_bytes());
    }
}
