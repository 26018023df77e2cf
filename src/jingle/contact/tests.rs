#![allow(clippy::unwrap_used)]

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
        let contacts = Contacts::new(&Config { connections: vec![connection] }, kept);
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

#[test]
fn whoever_subscribes_is_granted_it_and_sees_a_number_that_can_be_called() {
    let mut scene = Scene::component();
    let said = scene.hear("<presence type='subscribe' from='romeo@m.lit' to='+15550100@phone.example.org'/>");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("type='subscribed'") && said[0].contains("to='romeo@m.lit'"), "{}", said[0]);
    assert!(said[1].contains("from='+15550100@phone.example.org/patchcord'"), "{}", said[1]);
    assert!(said[1].contains("http://jabber.org/protocol/caps") && !said[1].contains("type="), "{}", said[1]);
    assert_eq!(scene.wait(KEEP_EVERY), ["keep romeo@m.lit>+15550100@phone.example.org"]);
    // Said again it changes nothing that is kept.
    let again = scene.hear("<presence type='subscribe' from='romeo@m.lit/x' to='+15550100@phone.example.org'/>");
    assert_eq!(again.len(), 2);
    assert!(scene.wait(KEEP_EVERY).is_empty());
}

#[test]
fn subscribers_are_kept_at_most_once_a_second_however_often_they_change() {
    let mut scene = Scene::component();
    for _ in 0..10 {
        scene.hear("<presence type='subscribe' from='romeo@m.lit' to='alice@phone.example.org'/>");
        scene.hear("<presence type='unsubscribe' from='romeo@m.lit' to='alice@phone.example.org'/>");
    }
    assert_eq!(scene.contacts.poll_timeout(), Some(scene.now + KEEP_EVERY));
    assert_eq!(scene.wait(KEEP_EVERY), ["keep "]);
}

#[test]
fn whoever_we_subscribed_to_is_asked_for_its_devices_again_after_a_reconnect() {
    let kept = [("romeo@m.lit", "alice@phone.example.org"), ("romeo@m.lit", "+15550100@phone.example.org")];
    for (subscribe, probes) in [(true, 1), (false, 0)] {
        let mut scene = Scene::new(connection(component(), subscribe), &kept);
        scene.up(OURS);
        let said = scene.wait(Duration::ZERO);
        assert_eq!(said.iter().filter(|s| s.contains("type='probe'")).count(), probes, "{said:?}");
        assert_eq!(said.len(), 2 + probes);
    }
}

#[test]
fn we_subscribe_in_return_only_if_told_to() {
    let subscribe = "<presence type='subscribe' from='romeo@m.lit' to='+15550100@phone.example.org'/>";
    let mut scene = Scene::new(connection(component(), true), &[]);
    scene.up(OURS);
    assert!(scene.hear(subscribe).iter().any(|s| s.contains("type='subscribe'")));
    assert!(!Scene::component().hear(subscribe).iter().any(|s| s.contains("type='subscribe'")));
}

#[test]
fn whoever_is_nobody_grants_nothing() {
    let mut scene = Scene::component();
    for nobody in ["carol", r"\5cx"] {
        for kind in ["subscribe", "probe"] {
            let said = scene.hear(&format!("<presence type='{kind}' from='romeo@m.lit' to='{nobody}@{OURS}'/>"));
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].contains("type='unsubscribed'"), "{}", said[0]);
        }
    }
    assert!(scene.hear("<presence type='subscribe' from='romeo@m.lit' to='alice@other.example'/>").is_empty());
}

#[test]
fn a_probe_is_answered_with_the_presence_to_whoever_asks() {
    let mut scene = Scene::component();
    let said = scene.hear("<presence type='probe' from='romeo@m.lit' to='alice@phone.example.org'/>");
    assert!(said[0].contains("from='alice@phone.example.org/patchcord'"), "{}", said[0]);
    assert_eq!(scene.wait(KEEP_EVERY), ["keep romeo@m.lit>alice@phone.example.org"]);
    let again = scene.hear("<presence type='probe' from='romeo@m.lit' to='alice@phone.example.org'/>");
    assert_eq!(again, said);
}

#[test]
fn whoever_unsubscribes_is_forgotten() {
    let mut scene = Scene::new(connection(component(), false), &[("romeo@m.lit", "+15550100@phone.example.org")]);
    scene.up(OURS);
    let said = scene.hear("<presence type='unsubscribe' from='romeo@m.lit' to='+15550100@phone.example.org'/>");
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("type='unsubscribed'"), "{}", said[0]);
    assert!(said[1].contains("type='unavailable'"), "{}", said[1]);
    assert_eq!(scene.wait(KEEP_EVERY), ["keep "]);
}

#[test]
fn after_every_reconnect_all_subscribers_get_the_presence_again_in_bursts() {
    let jid = |n: usize| (format!("user{n}@m.lit"), format!("+1555010{}@{OURS}", n % 7));
    let kept: Vec<(String, String)> = (0..BURST * 2 + 1).map(jid).collect();
    let kept: Vec<(&str, &str)> = kept.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    let mut scene = Scene::new(connection(component(), false), &kept);
    for _ in 0..2 {
        assert!(scene.up(OURS).is_empty());
        assert_eq!(scene.contacts.poll_timeout(), Some(scene.now));
        assert_eq!(scene.wait(Duration::ZERO).len(), BURST);
        assert!(scene.wait(PACE / 2).is_empty());
        assert_eq!(scene.wait(PACE).len(), BURST);
        assert_eq!(scene.wait(PACE).len(), 1);
        assert_eq!(scene.contacts.poll_timeout(), None);
        scene.contacts.down(LINE);
    }
    scene.contacts.up(scene.now, LINE, &Jid::new(OURS).unwrap(), true, &scene.directory, &mut scene.out);
    assert_eq!(scene.contacts.poll_timeout(), None, "a resumed stream has lost nothing");
}

#[test]
fn subscribers_see_a_component_go_and_those_of_an_account_are_told_by_its_server() {
    let mut scene = Scene::new(connection(component(), false), &[("romeo@m.lit", "+15550100@phone.example.org")]);
    let leave = |scene: &mut Scene| {
        scene.contacts.leave(&mut scene.out);
        scene.said()
    };
    assert!(leave(&mut scene).is_empty(), "nothing can be sent on a stream that is down");
    scene.up(OURS);
    let gone = leave(&mut scene).join("");
    assert!(gone.contains("type='unavailable'") && gone.contains("to='romeo@m.lit'"), "{gone}");
    assert!(gone.contains("from='+15550100@phone.example.org/patchcord'"), "{gone}");

    let mut scene = Scene::new(connection(client(), true), &[("romeo@m.lit", "gateway@example.org")]);
    scene.up("gateway@example.org/patchcord");
    assert!(leave(&mut scene).is_empty());
}

#[test]
fn subscribers_of_another_domain_are_not_kept() {
    let mut scene = Scene::new(connection(component(), false), &[("romeo@m.lit", "+15550100@other.example")]);
    scene.up(OURS);
    assert_eq!(scene.contacts.poll_timeout(), None);
}

#[test]
fn one_hash_stands_for_all_numbers_one_for_all_users_and_one_for_the_gateway() {
    let mut scene = Scene::component();
    let mut probe = |ours: &str| {
        let said = scene.hear(&format!("<presence type='probe' from='romeo@m.lit' to='{ours}'/>"));
        ver(said.last().unwrap())
    };
    let number = probe("+15550100@phone.example.org");
    assert_eq!(probe("112@phone.example.org"), number);
    assert_eq!(probe(r"x\40sip.example@phone.example.org"), number);
    let user = probe("alice@phone.example.org");
    assert_eq!(probe("bob@phone.example.org"), user, "the name in the directory is Bob");
    let host = probe("phone.example.org");
    assert!(number != user && user != host && number != host);
}

#[test]
fn the_hash_is_that_of_the_answer_to_disco_info() {
    let mut scene = Scene::component();
    for ours in ["+15550100@phone.example.org", "alice@phone.example.org", "phone.example.org"] {
        let said = scene.hear(&format!("<presence type='probe' from='romeo@m.lit' to='{ours}'/>"));
        let presence: Element =
            said.last().unwrap().replacen("<presence", "<presence xmlns='jabber:client'", 1).parse().unwrap();
        let Stanza::Presence(presence) = read(presence) else { panic!("a presence") };
        let caps = presence.caps().unwrap();
        let query = Element::from(xmpp_parsers::caps::query_caps(caps.clone()));
        let answer = scene.ask(&format!("{ours}/patchcord"), &String::from(&query));
        let answer: Element = answer.replacen("<iq", "<iq xmlns='jabber:client'", 1).parse().unwrap();
        let info = answer.children().next().unwrap();
        assert_eq!(info.attr("node"), query.attr("node"));
        let info = xmpp_parsers::disco::DiscoInfoResult::try_from(info.clone()).unwrap();
        let hash = xmpp_parsers::caps::hash_caps(&xmpp_parsers::caps::compute_disco(&info), caps.hash).unwrap();
        assert_eq!(hash.hash, caps.ver, "{ours}");
    }
}

#[test]
fn a_number_has_what_the_clients_seen_demand_and_no_video() {
    let mut scene = Scene::component();
    let number = scene.ask("+15550100@phone.example.org/patchcord", DISCO);
    let user = scene.ask("alice@phone.example.org", DISCO);
    for answer in [&number, &user] {
        assert!(answer.contains("category='client'") && answer.contains("type='phone'"), "{answer}");
        for feature in [ns::JINGLE, ns::RTP, ns::RTP_AUDIO, ns::ICE_UDP, ns::DTLS, ns::JINGLE_MESSAGE, ns::RECEIPTS] {
            assert!(answer.contains(&format!("'{feature}'")), "{feature} in {answer}");
        }
        assert!(!answer.contains(ns::BATCH_FEATURE), "we trickle");
    }
    assert!(!number.contains(ns::RTP_VIDEO) && user.contains(ns::RTP_VIDEO));
    let host = scene.ask(OURS, DISCO);
    assert!(host.contains("'pstn'") && host.contains("'sip'") && host.contains("jabber:iq:gateway"), "{host}");
    assert!(!host.contains(ns::JINGLE), "nobody calls the gateway itself");
}

#[test]
fn video_is_shown_only_where_the_connection_shows_it() {
    let mut scene = Scene::new(Connection { video: false, ..connection(component(), false) }, &[]);
    scene.up(OURS);
    assert!(!scene.ask("alice@phone.example.org", DISCO).contains(ns::RTP_VIDEO));
}

#[test]
fn the_prompt_takes_a_number_and_gives_a_jid() {
    let mut scene = Scene::component();
    assert!(scene.ask(OURS, "<query xmlns='jabber:iq:gateway'/>").contains("<prompt>"));
    let mut jid = |text: &str| {
        let said = scene.ask(OURS, &format!("<query xmlns='jabber:iq:gateway'><prompt>{text}</prompt></query>"));
        match said.split_once("<jid>") {
            Some((_, rest)) => rest.split('<').next().unwrap().to_owned(),
            None if said.contains("not-acceptable") => "not-acceptable".to_owned(),
            None => said,
        }
    };
    for (text, expected) in [
        ("+1 (555) 01-00", "+15550100@phone.example.org"),
        ("tel:+1-555-0100", "+15550100@phone.example.org"),
        ("112", "112@phone.example.org"),
        ("Alice", "not-acceptable"),
        ("alice", "alice@phone.example.org"),
        ("BOB", "bob@phone.example.org"),
        ("sip:bob%40home@sip.example.net", r"bob\40home\40sip.example.net@phone.example.org"),
        ("sips:bob@sip.example.net", "not-acceptable"),
        ("carol", "not-acceptable"),
        ("+1", "not-acceptable"),
        ("+0301234567", "not-acceptable"),
        ("+1234567890123456", "not-acceptable"),
        ("bob@not a domain", "not-acceptable"),
        ("", "not-acceptable"),
    ] {
        let expected = if text == "Alice" { "alice@phone.example.org" } else { expected };
        assert_eq!(jid(text), expected, "{text}");
    }
}

#[test]
fn every_request_is_answered() {
    let mut scene = Scene::component();
    let answer = |payload: &str, to: &str, scene: &mut Scene| scene.ask(to, payload);
    let ping = answer("<ping xmlns='urn:xmpp:ping'/>", "alice@phone.example.org", &mut scene);
    assert_eq!(ping, "<iq from='alice@phone.example.org' id='1' to='romeo@m.lit/x' type='result'/>");
    let version = answer("<query xmlns='jabber:iq:version'/>", OURS, &mut scene);
    assert!(version.contains("<name>Patchcord</name>"), "{version}");
    let unknown = answer("<vCard xmlns='vcard-temp'/>", "alice@phone.example.org", &mut scene);
    assert!(unknown.contains("service-unavailable"), "{unknown}");
    let nobody = answer(DISCO, "carol@phone.example.org", &mut scene);
    assert!(nobody.contains("item-not-found"), "{nobody}");
    let other = answer("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", OURS, &mut scene);
    assert!(other.contains("item-not-found"), "{other}");
    let elsewhere = answer(DISCO, "alice@other.example", &mut scene);
    assert!(elsewhere.contains("item-not-found"), "{elsewhere}");
}

#[test]
fn nobody_asks_who_the_users_are() {
    let items = Scene::component().ask(OURS, "<query xmlns='http://jabber.org/protocol/disco#items'/>");
    assert!(!items.contains("alice") && items.contains("type='result'"), "{items}");
}

#[test]
fn whoever_calls_or_is_called_gets_the_presence_and_is_asked_what_it_can() {
    let mut scene = Scene::component();
    let call = |to: &str, scene: &mut Scene| {
        let ours = Address::here("+15550100");
        scene.contacts.called(LINE, &ours, &Jid::new(to).unwrap(), &scene.directory, &mut scene.out);
        scene.said()
    };
    let said = call("romeo@m.lit", &mut scene);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("to='romeo@m.lit'") && said[0].contains("/caps"), "{}", said[0]);
    let said = call("romeo@m.lit/x", &mut scene);
    assert!(said[1].contains("disco#info"), "{}", said[1]);
    assert_eq!(call("romeo@m.lit/x", &mut scene).len(), 1, "asked once");
}

#[test]
fn while_one_of_ours_is_on_the_phone_its_subscribers_see_it() {
    let kept = [("romeo@m.lit", "alice@phone.example.org"), ("romeo@m.lit", "+15550100@phone.example.org")];
    let mut scene = Scene::new(connection(component(), false), &kept);
    scene.up(OURS);
    scene.wait(Duration::ZERO);
    let alice = Address::here("alice");
    for _ in 0..2 {
        scene.contacts.call_began(scene.now, LINE, &alice);
    }
    let said = scene.wait(PACE);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("<show>dnd</show><status>On the phone</status>"), "{}", said[0]);
    scene.contacts.call_ended(scene.now, LINE, &alice);
    assert!(scene.wait(PACE).is_empty(), "she is in another");
    scene.contacts.call_ended(scene.now, LINE, &alice);
    let said = scene.wait(PACE);
    assert!(said.len() == 1 && !said[0].contains("dnd"), "{said:?}");
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

#[test]
fn what_a_peer_can_is_asked_once_for_all_who_show_the_same_caps() {
    let mut scene = Scene::component();
    let (info, ver) = dino(&[ns::JINGLE, ns::RTP, ns::ICE_UDP, ns::DTLS, ns::JINGLE_MESSAGE]);
    let asked = scene.hear(&presence("romeo@m.lit/dino", &ver));
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains(&format!("https://dino.im#{ver}")), "{}", asked[0]);
    assert!(scene.hear(&result(&asked[0], "romeo@m.lit/dino", &info)).is_empty());
    assert!(scene.hear(&presence("juliet@c.lit/dino", &ver)).is_empty());
    for account in ["romeo@m.lit", "juliet@c.lit"] {
        let resources = scene.contacts.peer(LINE, &BareJid::new(account).unwrap());
        let features = resources[0].features.unwrap();
        assert!(resources[0].priority == 5 && features.calls && features.proposals && features.dtls, "{resources:?}");
        assert!(!features.video && !features.grouping);
    }
    scene.hear("<presence type='unavailable' from='romeo@m.lit/dino' to='alice@phone.example.org'/>");
    assert!(scene.contacts.peer(LINE, &BareJid::new("romeo@m.lit").unwrap()).is_empty());
}

#[test]
fn a_peer_that_lies_about_its_hash_speaks_for_itself_alone() {
    let mut scene = Scene::component();
    let (_, honest) = dino(&[ns::JINGLE_MESSAGE]);
    let (lie, _) = dino(&[]);
    let asked = scene.hear(&presence("mallory@m.lit/x", &honest));
    scene.hear(&result(&asked[0], "mallory@m.lit/x", &lie));
    assert_eq!(scene.hear(&presence("romeo@m.lit/dino", &honest)).len(), 1, "asked itself");
}

#[test]
fn nobody_answers_for_somebody_else() {
    let mut scene = Scene::component();
    let (info, ver) = dino(&[ns::JINGLE_MESSAGE]);
    let asked = scene.hear(&presence("romeo@m.lit/dino", &ver));
    scene.hear(&result(&asked[0], "mallory@m.lit/x", &info));
    assert_eq!(scene.contacts.peer(LINE, &BareJid::new("romeo@m.lit").unwrap())[0].features, None);
}

#[test]
fn a_peer_that_refuses_to_say_what_it_can_can_nothing() {
    let mut scene = Scene::component();
    let asked = scene.hear("<presence from='romeo@m.lit/x' to='alice@phone.example.org'/>");
    let error = result(&asked[0], "romeo@m.lit/x", "<error type='cancel'/>").replace("'result'", "'error'");
    assert!(scene.hear(&error).is_empty());
    let jid = FullJid::new("romeo@m.lit/x").unwrap();
    assert_eq!(scene.contacts.features(LINE, &jid), Some(Features::default()));
}

#[test]
fn a_crowd_of_peers_is_bounded_and_the_longest_unheard_forgotten() {
    let mut scene = Scene::component();
    for n in 0..=peers::MAX_ACCOUNTS {
        scene.hear(&format!("<presence from='user{n}@m.lit/x' to='alice@phone.example.org'/>"));
    }
    assert!(scene.contacts.peer(LINE, &BareJid::new("user0@m.lit").unwrap()).is_empty());
    assert_eq!(scene.contacts.peer(LINE, &BareJid::new("user1@m.lit").unwrap()).len(), 1);
    for n in 0..=peers::MAX_RESOURCES {
        scene.hear(&format!("<presence from='user1@m.lit/{n}' to='alice@phone.example.org'/>"));
    }
    assert_eq!(scene.contacts.peer(LINE, &BareJid::new("user1@m.lit").unwrap()).len(), peers::MAX_RESOURCES);
}

#[test]
fn an_account_cannot_subscribe_to_every_number_there_is() {
    let mut scene = Scene::component();
    let mut last = Vec::new();
    for n in 0..=subscribers::MAX_OF_ACCOUNT {
        let to = format!("+1555{n:07}@phone.example.org");
        last = scene.hear(&format!("<presence type='subscribe' from='romeo@m.lit' to='{to}'/>"));
    }
    assert!(last.len() == 1 && last[0].contains("unsubscribed"), "{last:?}");
}

#[test]
fn a_client_shows_itself_and_asks_for_its_servers_stun_and_turn() {
    let mut scene = Scene::new(connection(client(), false), &[]);
    let said = scene.up("gateway@example.org/abc");
    assert!(said[0].starts_with("<presence>") && said[0].contains("/caps"), "{}", said[0]);
    assert!(said[1].contains("urn:xmpp:extdisco:2") && said[1].contains("to='example.org'"), "{}", said[1]);
    let services = "<services xmlns='urn:xmpp:extdisco:2'>\
         <service type='stun' host='192.0.2.1' port='13478' transport='udp'/>\
         <service type='turn' host='192.0.2.1' username='u' password='p' restricted='1' expires='2026-11-23T07:13:05Z'/>\
         <service type='turn' host='192.0.2.1' port='none'/><service type='radio' host='x'/><odd/></services>";
    scene.hear(&result(&said[1], "example.org", services));
    let services = scene.contacts.external_services(LINE);
    assert_eq!(services.len(), 2);
    assert_eq!((services[0].port, services[1].port, services[1].username.as_deref()), (13478, 3478, Some("u")));
    assert!(!format!("{services:?}").contains("\"p\""), "the password is not shown");
}

#[test]
fn a_client_lets_people_subscribe_only_if_told_to() {
    let subscribe = "<presence type='subscribe' from='romeo@m.lit' to='gateway@example.org'/>";
    for (told, answers) in [(false, 0), (true, 2)] {
        let mut scene = Scene::new(connection(client(), told), &[]);
        scene.up("gateway@example.org/abc");
        assert_eq!(scene.hear(subscribe).len(), answers);
    }
}

#[test]
fn nothing_is_said_where_the_stream_is_down() {
    let mut scene = Scene::component();
    scene.contacts.down(LINE);
    assert!(scene.hear("<presence type='subscribe' from='romeo@m.lit' to='alice@phone.example.org'/>").is_empty());
    assert!(scene.hear(&format!("<iq type='get' id='1' from='romeo@m.lit/x' to='{OURS}'>{DISCO}</iq>")).is_empty());
}

#[test]
fn the_captured_subscription_and_the_button_matrix_meet_a_contact() {
    // fixtures/jingle/component-subscription.xml and dino-component-callbutton-matrix.xml: what the user's side sent.
    let mut scene = Scene::component();
    let said = scene.hear(
        "<presence to='+15550019@phone.example.org' id='8449673a72394401bc18a51d631f166c' xml:lang='en' \
         from='alice@localhost' type='subscribe'/>",
    );
    assert!(said[0].contains("subscribed"), "{}", said[0]);
    let info = scene.hear(
        "<iq to='+15550002@phone.example.org/gw' from='alice@localhost/dino.alice' xml:lang='en' \
         id='18e6c876-fd25-4663-8de9-cbf3fd963f8b' type='get'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    for needed in [ns::JINGLE, ns::RTP, ns::ICE_UDP, ns::JINGLE_MESSAGE] {
        assert!(info[0].contains(needed), "{needed}");
    }
}
