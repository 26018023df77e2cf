//! Browsers' legs whole: ICE, DTLS, SRTP. And DTLS without ICE.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, IceMode, LegSpec, RelayEvent, RemoteEnd, Seal, SealKind, Setup, Source};
use patchcord::rtp::Packet;

use super::browser::Browser;
use super::world::{CALL, Speaker, World, at, legs, phone, plain_leg};

const PHONE: &str = "203.0.113.2:5000";
const HOME: &str = "198.51.100.7:60000";
const RELOADED: &str = "198.51.100.7:61000";
const PHONE_SOCKET: SocketId = SocketId(2);
const FRAME: Duration = Duration::from_millis(20);

fn codecs() -> Vec<Codec> {
    vec![Codec::pcmu(), Codec::telephone_event(101, 8000)]
}

fn graph(remote: Option<RemoteEnd>, spec: LegSpec) -> [GraphLeg; 2] {
    let (a, b) = legs();
    [
        GraphLeg { spec, ..plain_leg(a, remote, &codecs(), Source::Leg(b)) },
        plain_leg(b, Some(phone(PHONE, &codecs())), &codecs(), Source::Leg(a)),
    ]
}

fn call(loses: fn(usize) -> bool) -> (World, Browser) {
    let mut world = World::new();
    let mut browser = Browser::new(world.now, at(HOME), true);
    browser.loses = loses;
    world.apply(1, &graph(Some(browser.words(&codecs())), LegSpec::BROWSER));
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    (world, browser)
}

fn setup_of(world: &mut World) -> Setup {
    match world.ready(legs().0).transport.seal {
        Seal::Dtls { setup, .. } => setup,
        other => panic!("{other:?}"),
    }
}

fn speak_to_browser(world: &mut World, browser: &mut Browser, speaker: &mut Speaker, count: usize) {
    for _ in 0..count {
        let packet = speaker.next(&[0xd5; 160]);
        world.arrive(PHONE_SOCKET, at(PHONE), &packet);
        browser.exchange(world);
        browser.pass(world, FRAME);
    }
}

fn is_connected(world: &mut World) -> bool {
    let (leg, call) = (legs().0, CALL);
    world.events.contains(&RelayEvent::Connected { call, leg })
}

#[test]
fn a_browser_and_a_phone_hear_each_other_within_a_quarter_of_a_second() {
    let (mut world, mut browser) = call(|_| false);
    assert_eq!(setup_of(&mut world), Setup::Active);
    browser.pass(&mut world, Duration::from_millis(250));
    assert!(is_connected(&mut world));
    let mut speaker = Speaker::new(4, 0, 160);
    browser.say(&mut world, speaker.next(&[7; 160]));
    let out = world.take_rtp(at(PHONE));
    assert_eq!((out.len(), out[0].payload()), (1, &[7; 160][..]));
    speak_to_browser(&mut world, &mut browser, &mut Speaker::new(5, 0, 160), 5);
    assert_eq!(browser.heard.len(), 5);
    assert!(browser.heard.iter().all(|p| Packet::parse(p).is_some_and(|p| p.payload() == [0xd5; 160])));
}

#[test]
fn a_lossy_line_is_connected_too() {
    for loses in [|n| n % 3 == 1, |n: usize| n.is_multiple_of(2), |n| n < 6] as [fn(usize) -> bool; 3] {
        let (mut world, mut browser) = call(loses);
        browser.pass(&mut world, Duration::from_secs(9));
        assert!(is_connected(&mut world));
    }
}

#[test]
fn a_browser_with_another_certificate_than_described_fails_and_is_never_heard() {
    let (mut world, mut browser) = call(|_| false);
    let described = browser.words(&codecs());
    browser.certificate = Some(patchcord::media::leg::Certificate::generate().expect("a certificate"));
    browser.dtls = None;
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    assert_ne!(browser.words(&codecs()), described);
    browser.pass(&mut world, Duration::from_secs(2));
    assert!(!is_connected(&mut world));
    let failed = world.take_events().into_iter().find_map(|event| match event {
        RelayEvent::Failed { why, .. } => Some(why),
        _ => None,
    });
    assert!(failed.is_some_and(|why| why.starts_with("DTLS with the browser did not finish: ")));
}

#[test]
fn an_ice_restart_makes_no_new_handshake_and_keeps_the_numbers() {
    let (mut world, mut browser) = call(|_| false);
    browser.pass(&mut world, Duration::from_millis(300));
    let mut speaker = Speaker::new(5, 0, 160);
    speak_to_browser(&mut world, &mut browser, &mut speaker, 5);
    let handshake = browser.dtls_datagrams;
    browser.restart(world.now, at(RELOADED));
    world.apply(2, &graph(Some(browser.words(&codecs())), LegSpec::BROWSER));
    assert_eq!(setup_of(&mut world), Setup::Active);
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    browser.pass(&mut world, Duration::from_millis(300));
    speak_to_browser(&mut world, &mut browser, &mut speaker, 5);
    assert_eq!(browser.dtls_datagrams, handshake);
    let heard: Vec<_> =
        browser.heard.iter().filter_map(|p| Packet::parse(p)).map(|p| (p.ssrc(), p.sequence())).collect();
    assert_eq!(heard.len(), 10);
    assert!(heard.windows(2).all(|w| w[1] == (w[0].0, w[0].1.wrapping_add(1))));
}

#[test]
fn a_reloaded_page_makes_a_new_association_and_hears_the_same_source_go_on() {
    let (mut world, mut browser) = call(|_| false);
    browser.pass(&mut world, Duration::from_millis(300));
    let mut speaker = Speaker::new(5, 0, 160);
    speak_to_browser(&mut world, &mut browser, &mut speaker, 5);
    let before = browser.heard.last().and_then(|p| Packet::parse(p).map(|p| p.fields())).expect("a packet");
    browser.reload(world.now, at(RELOADED));
    world.apply(2, &graph(Some(browser.words(&codecs())), LegSpec::BROWSER));
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    speak_to_browser(&mut world, &mut browser, &mut speaker, 25);
    let after = browser.heard.first().and_then(|p| Packet::parse(p).map(|p| p.fields())).expect("a packet");
    assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
    assert!(after.marker);
    let moved = after.timestamp.wrapping_sub(before.timestamp);
    let lost = 25 - browser.heard.len() as u32;
    assert_eq!(moved, (lost + 1) * 160, "{lost} packets were not sent while there were no keys");
    assert!((1..=15).contains(&lost), "{lost}");
    browser.say(&mut world, Speaker::new(6, 0, 160).next(&[3; 160]));
    assert_eq!(world.take_rtp(at(PHONE)).len(), 1);
}

#[test]
fn our_offer_is_actpass_and_the_role_follows_from_the_answer() {
    for (answered, expected) in [(Setup::Active, Setup::Passive), (Setup::Passive, Setup::Active)] {
        let mut world = World::new();
        world.apply(1, &graph(None, LegSpec::BROWSER));
        assert_eq!(setup_of(&mut world), Setup::ActPass);
        let browser = Browser::new(world.now, at(HOME), true);
        let mut words = browser.words(&codecs());
        words.is_offer = false;
        if let Seal::Dtls { setup, .. } = &mut words.transport.seal {
            *setup = answered;
        }
        world.apply(2, &graph(Some(words.clone()), LegSpec::BROWSER));
        assert_eq!(setup_of(&mut world), expected);
        // A later offer that allows both changes nothing.
        words.is_offer = true;
        if let Seal::Dtls { setup, .. } = &mut words.transport.seal {
            *setup = Setup::ActPass;
        }
        world.apply(3, &graph(Some(words), LegSpec::BROWSER));
        assert_eq!(setup_of(&mut world), expected);
    }
}

#[test]
fn dtls_works_without_ice_at_the_described_address_and_behind_a_nat() {
    for described in [HOME, "192.168.7.7:4444"] {
        dtls_without_ice(described);
    }
}

fn dtls_without_ice(described: &str) {
    let mut world = World::new();
    let mut browser = Browser::new(world.now, at(HOME), true);
    browser.wire = SocketId(2);
    let mut words = browser.words(&codecs());
    words.transport.ice = None;
    words.transport.address = Some(at(described));
    words.is_offer = false;
    if let Seal::Dtls { setup, .. } = &mut words.transport.seal {
        *setup = Setup::Active;
    }
    let spec = LegSpec { ice: IceMode::None, seal: SealKind::Dtls, ipv6: false };
    world.apply(1, &graph(Some(words), spec));
    let end = world.ready(legs().0);
    browser.hear_dtls(world.now, &end);
    browser.target = end.transport.address;
    browser.pass(&mut world, Duration::from_millis(300));
    assert!(is_connected(&mut world));
    browser.say(&mut world, Speaker::new(4, 0, 160).next(&[7; 160]));
    assert_eq!(world.take_rtp(at(PHONE)).len(), 1);
    // From here on its media goes to where the handshake came from.
    let packet = Speaker::new(5, 0, 160).next(&[1; 160]);
    world.arrive(SocketId(4), at(PHONE), &packet);
    browser.exchange(&mut world);
    assert_eq!(browser.heard.len(), 1);
}

#[test]
fn forged_dtls_and_srtp_from_strangers_do_no_harm() {
    let (mut world, mut browser) = call(|_| false);
    for n in 0..50u8 {
        world.arrive(super::world::SHARED, at(RELOADED), &[22, 254, 253, 0, 0, n, 0, 0, 0, 0, 0, 0, 1, n]);
        world.arrive(super::world::SHARED, at(HOME), &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, n, 0, 2, 2, 40]);
    }
    browser.pass(&mut world, Duration::from_millis(300));
    assert!(is_connected(&mut world));
    let packet = Speaker::new(4, 0, 160).next(&[7; 160]);
    world.arrive(super::world::SHARED, at(HOME), &packet);
    assert_eq!(world.take_rtp(at(PHONE)).len(), 0, "a packet that is not sealed");
}
