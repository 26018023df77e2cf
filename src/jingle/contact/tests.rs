#![allow(clippy::unwrap_used)]

mod discovery;
mod presence;
mod prompt;

use super::*;
use crate::base::Secret;
use crate::jingle::config::Security;
use crate::jingle::stanza::{Stanza, read};
use crate::model::User;

const LINE: ConnectionId = ConnectionId(0);
const OURS: &str = "phone.example.org";

/// The contacts of one connection, with its clock and what left.
struct Scene {
    contacts: Contacts,
    directory: Directory,
    now: Instant,
    out: VecDeque<Output>,
}

fn component() -> Login {
    Login::Component { domain: OURS.to_owned(), secret: Secret::new("secret") }
}

fn client() -> Login {
    let jid = BareJid::new("gateway@example.org").unwrap();
    Login::Client { jid, password: Secret::new("secret"), inbound: Address::here("alice") }
}

fn connection(login: Login, subscribe: bool) -> Connection {
    Connection {
        name: "xmpp".to_owned(),
        login,
        server: None,
        security: Security::Plain,
        ca: None,
        domains: Vec::new(),
        subscribe,
        video: true,
    }
}

fn directory() -> Directory {
    let user = |jid: Option<&str>| User {
        password: Secret::new("secret"),
        display: None,
        number: None,
        jid: jid.map(str::to_owned),
    };
    Directory { users: [("alice".to_owned(), user(None)), ("Bob".to_owned(), user(Some("bob@m.lit")))].into() }
}

impl Scene {
    fn new(connection: Connection, kept: &[(&str, &str)]) -> Scene {
        let pair = |(account, ours): &(&str, &str)| (BareJid::new(account).unwrap(), BareJid::new(ours).unwrap());
        let kept = [(LINE, kept.iter().map(pair).collect())].into();
        let contacts = Contacts::new(&Config { connections: vec![connection], ..Config::default() }, kept);
        Scene { contacts, directory: directory(), now: Instant::now(), out: VecDeque::new() }
    }

    /// A component that is up.
    fn component() -> Scene {
        let mut scene = Scene::new(connection(component(), false), &[]);
        scene.up(OURS);
        scene
    }

    fn up(&mut self, jid: &str) -> Vec<String> {
        let jid = Jid::new(jid).unwrap();
        self.contacts.up(self.now, LINE, &jid, false, &self.directory, &mut self.out);
        self.said()
    }

    /// What left, each as XML.
    fn said(&mut self) -> Vec<String> {
        let stanza = |output| match output {
            Output::Send { stanza, .. } => {
                String::from(&stanza).replace('"', "'").replace(" xmlns='jabber:client'", "")
            }
            Output::Keep { subscribers, .. } => {
                let pairs: Vec<String> = subscribers.iter().map(|(who, ours)| format!("{who}>{ours}")).collect();
                format!("keep {}", pairs.join(" "))
            }
            other => panic!("{other:?}"),
        };
        self.out.drain(..).map(stanza).collect()
    }

    fn hear(&mut self, stanza: &str) -> Vec<String> {
        let element: Element = stanza.replacen(' ', " xmlns='jabber:client' ", 1).parse().unwrap();
        match read(element) {
            Stanza::Presence(presence) => {
                self.contacts.presence(self.now, LINE, &presence, &self.directory, &mut self.out)
            }
            Stanza::Iq(iq) => {
                if !self.contacts.answered(LINE, &iq) {
                    self.contacts.asked(LINE, &iq, &self.directory, &mut self.out);
                }
            }
            other => panic!("{other:?}"),
        }
        self.said()
    }

    fn ask(&mut self, to: &str, payload: &str) -> String {
        let kind = if payload.contains("prompt") { "set" } else { "get" };
        let said = self.hear(&format!("<iq type='{kind}' id='1' from='romeo@m.lit/x' to='{to}'>{payload}</iq>"));
        assert_eq!(said.len(), 1, "{said:?}");
        said.into_iter().next().unwrap()
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.contacts.handle_timeout(self.now, &self.directory, &mut self.out);
        self.said()
    }
}

const DISCO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";

/// The hash in a presence.
fn ver(presence: &str) -> String {
    let (_, rest) = presence.split_once("ver=").unwrap_or_else(|| panic!("{presence} has no caps"));
    rest[1..].chars().take_while(|c| *c != '\'').collect()
}

/// Features as Dino shows them, with their true hash.
fn dino(features: &[&str]) -> (String, String) {
    let features: String = features.iter().map(|f| format!("<feature var='{f}'/>")).collect();
    let query = "<query xmlns='http://jabber.org/protocol/disco#info'>";
    let info = format!("{query}<identity category='client' type='pc' name='Dino'/>{features}</query>");
    let result = xmpp_parsers::disco::DiscoInfoResult::try_from(info.parse::<Element>().unwrap()).unwrap();
    let data = xmpp_parsers::caps::compute_disco(&result);
    let hash = xmpp_parsers::caps::hash_caps(&data, xmpp_parsers::hashes::Algo::Sha_1).unwrap();
    (info, hash.to_base64())
}

fn presence(from: &str, ver: &str) -> String {
    format!(
        "<presence from='{from}' to='alice@phone.example.org'><priority>5</priority>\
         <c xmlns='http://jabber.org/protocol/caps' node='https://dino.im' hash='sha-1' ver='{ver}'/></presence>"
    )
}

fn result(question: &str, from: &str, info: &str) -> String {
    let question: Element = question.replacen("<iq", "<iq xmlns='jabber:client'", 1).parse().unwrap();
    let (id, to) = (question.attr("id").unwrap(), question.attr("from").unwrap());
    format!("<iq type='result' id='{id}' from='{from}' to='{to}'>{info}</iq>")
}
