//! What contacts say they can, and what is known of what others can.

use super::*;

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
