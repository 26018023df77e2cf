//! Every recorded stanza and every example of the XEPs, said by a stranger to the endpoint: whom it answers, and as whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, Dice, Secret};
use patchcord::jingle::config::{Config, Connection, ConnectionId, Login, Security};
use patchcord::jingle::endpoint::{Endpoint, Input, Kept, Output};
use patchcord::model::{Directory, User};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::minidom::rxml::Namespace;

use crate::jingle::{examples, flows};

const OURS: &str = "phone.example.org";
const LINE: ConnectionId = ConnectionId(0);
const STRANGER: &str = "mallory@elsewhere.example/x";

fn endpoint(now: Instant) -> Endpoint {
    let connection = Connection {
        name: "im".into(),
        login: Login::Component { domain: OURS.into(), secret: Secret::new("x") },
        server: None,
        security: Security::Plain,
        ca: None,
        domains: Vec::new(),
        subscribe: true,
        video: true,
    };
    let alice = User { password: Secret::new("x"), display: None, number: None, jid: Some("alice@example.org".into()) };
    let directory = Arc::new(Directory { users: [("alice".to_owned(), alice)].into() });
    let subscriber = ("romeo@montague.lit".parse().unwrap(), format!("alice@{OURS}").parse().unwrap());
    let kept: Kept = BTreeMap::from([(LINE, vec![subscriber])]);
    let config = Config { connections: vec![connection], ..Config::default() };
    let mut endpoint = Endpoint::new(AdapterId(4), config, directory, kept, Dice::for_test(1));
    endpoint.handle(now, Input::Up { connection: LINE, jid: Jid::new(OURS).unwrap(), resumed: false });
    endpoint.handle_timeout(now);
    while endpoint.poll_output().is_some() {}
    endpoint
}

fn with(stanza: &Element, from: &str, to: &str) -> Element {
    let mut copy = stanza.clone();
    for (name, value) in [("from", from), ("to", to)] {
        copy.set_attr(Namespace::NONE, name.try_into().unwrap(), value);
    }
    copy
}

/// What leaves within a minute.
fn sent(endpoint: &mut Endpoint, now: &mut Instant) -> Vec<Element> {
    let mut all = Vec::new();
    for _ in 0..60 {
        endpoint.handle_timeout(*now);
        while let Some(output) = endpoint.poll_output() {
            if let Output::Send { stanza, .. } = output {
                all.push(stanza);
            }
        }
        *now += Duration::from_secs(1);
    }
    all
}

fn stanzas() -> Vec<(String, Element)> {
    let all = flows().into_iter().chain(examples());
    let all = all.flat_map(|(name, stanzas)| stanzas.into_iter().map(move |stanza| (name.clone(), stanza)));
    all.filter(|(_, s)| ["iq", "message", "presence"].contains(&s.name()) && s.has_ns("jabber:client")).collect()
}

#[test]
fn whatever_a_stranger_says_nobody_else_hears_of_it() {
    let all = stanzas();
    assert!(all.len() > 500, "{}", all.len());
    let mut now = Instant::now();
    for to in ["alice@phone.example.org/patchcord", "+15550100@phone.example.org", OURS, "alice@other.example", "@@"] {
        let mut endpoint = endpoint(now);
        for (name, stanza) in &all {
            let stanza = with(stanza, STRANGER, to);
            endpoint.handle(now, Input::Stanza { connection: LINE, stanza });
            for answer in sent(&mut endpoint, &mut now) {
                let jid = |name: &str| answer.attr(name).map(|jid| Jid::new(jid).unwrap());
                let text = String::from(&answer);
                assert_eq!(jid("to").unwrap().to_bare().as_str(), "mallory@elsewhere.example", "{name}: {text}");
                let is_ours = jid("from").is_none_or(|from| from.domain().as_str() == OURS);
                assert!(is_ours || to == "alice@other.example", "{name}: {text}");
            }
        }
    }
}

#[test]
fn every_request_of_a_stranger_has_exactly_one_answer() {
    let mut now = Instant::now();
    let mut endpoint = endpoint(now);
    let mut requests = 0;
    for (name, stanza) in stanzas() {
        let is_request = matches!(stanza.attr("type"), Some("get" | "set"));
        if stanza.name() != "iq" || !is_request || stanza.attr("id").is_none_or(str::is_empty) {
            continue;
        }
        requests += 1;
        let stanza = with(&stanza, STRANGER, "alice@phone.example.org/patchcord");
        let id = stanza.attr("id").map(str::to_owned);
        endpoint.handle(now, Input::Stanza { connection: LINE, stanza });
        let is_answer =
            |s: &Element| s.attr("id").map(str::to_owned) == id && matches!(s.attr("type"), Some("result" | "error"));
        let answers = sent(&mut endpoint, &mut now).into_iter().filter(is_answer).count();
        assert_eq!(answers, 1, "{name}: {id:?}");
    }
    assert!(requests > 200, "{requests}");
}
