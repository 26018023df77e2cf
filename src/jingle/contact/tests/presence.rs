//! Who sees whom: subscriptions, presence, and what is kept of them.

use super::*;

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
