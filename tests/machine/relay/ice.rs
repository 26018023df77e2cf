//! Legs with ICE.

use std::sync::Arc;
use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, IceMode, LegSpec, RelayCommand, RelayEvent, SealKind, Source};
use patchcord::rtp::Packet;

use super::browser::Browser;
use super::world::{CALL, SHARED, Speaker, World, at, legs, phone, plain_leg};

pub const PHONE: &str = "203.0.113.2:5000";
pub const HOME: &str = "198.51.100.7:60000";
const CAFE: &str = "198.51.100.200:40000";
const PHONE_SOCKET: SocketId = SocketId(2);
const FRAME: Duration = Duration::from_millis(20);

fn g711() -> Vec<Codec> {
    vec![Codec::pcmu(), Codec::telephone_event(101, 8000)]
}

fn graph(browser: Option<&Browser>, ice: IceMode) -> [GraphLeg; 2] {
    let (a, b) = legs();
    let remote = browser.map(|browser| browser.words(&g711()));
    let spec = LegSpec { ice, seal: SealKind::Plain, ipv6: false };
    let browser = GraphLeg { spec, ..plain_leg(a, remote, &g711(), Source::Leg(b)) };
    [browser, plain_leg(b, Some(phone(PHONE, &g711())), &g711(), Source::Leg(a))]
}

pub fn call(ice: IceMode) -> (World, Browser) {
    let mut world = World::new();
    let mut browser = Browser::new(world.now, at(HOME), false);
    world.apply(1, &graph(Some(&browser), ice));
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    (world, browser)
}

fn speak_to_browser(world: &mut World, browser: &mut Browser, speaker: &mut Speaker, count: usize) {
    for _ in 0..count {
        let packet = speaker.next(&[0xd5; 160]);
        world.arrive(PHONE_SOCKET, at(PHONE), &packet);
        browser.exchange(world);
        browser.pass(world, FRAME);
    }
}

fn failures(world: &mut World) -> Vec<String> {
    let why = |e| match e {
        RelayEvent::Failed { why, .. } => Some(why),
        _ => None,
    };
    world.take_events().into_iter().filter_map(why).collect()
}

#[test]
fn a_lite_leg_is_connected_by_the_browsers_checks_and_media_flows_both_ways() {
    let (mut world, mut browser) = call(IceMode::Lite);
    let ice = world.ready(legs().0).transport.ice.expect("ICE");
    assert!(ice.lite && !ice.more && ice.candidates.len() == 1 && ice.candidates[0].port == 3478);
    browser.pass(&mut world, Duration::from_millis(300));
    let (a, _) = legs();
    assert!(world.take_events().contains(&RelayEvent::Connected { call: CALL, leg: a }));
    let mut speaker = Speaker::new(4, 0, 160);
    browser.say(&mut world, speaker.next(&[7; 160]));
    assert_eq!(world.take_rtp(at(PHONE)).len(), 1);
    speak_to_browser(&mut world, &mut browser, &mut Speaker::new(5, 0, 160), 3);
    assert_eq!(browser.heard.len(), 3);
}

#[test]
fn a_full_leg_checks_by_itself_and_is_connected() {
    let (mut world, mut browser) = call(IceMode::Full);
    assert!(!world.ready(legs().0).transport.ice.expect("ICE").lite);
    browser.pass(&mut world, Duration::from_millis(500));
    let (a, _) = legs();
    assert!(world.take_events().contains(&RelayEvent::Connected { call: CALL, leg: a }));
    world.order(RelayCommand::Stats(CALL));
    let Some(RelayEvent::Stats { legs, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert!(legs[0].rtt_ms.is_some());
}

#[test]
fn checks_that_come_before_the_answer_are_answered_with_it() {
    let mut world = World::new();
    world.apply(1, &graph(None, IceMode::Lite));
    let mut browser = Browser::new(world.now, at(HOME), false);
    let end = world.ready(legs().0);
    browser.hear(world.now, &end);
    browser.pass(&mut world, Duration::from_millis(30));
    assert_eq!(browser.seen, 0);
    world.apply(2, &graph(Some(&browser), IceMode::Lite));
    browser.exchange(&mut world);
    assert!(browser.seen > 0);
}

#[test]
fn what_does_not_come_from_a_proved_address_is_nobodys() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_millis(300));
    let packet = Speaker::new(4, 0, 160).next(&[7; 160]);
    world.arrive(SHARED, at(CAFE), &packet);
    assert_eq!(world.take_rtp(at(PHONE)).len(), 0);
    assert_eq!(world.shard.strangers(), 1);
}

#[test]
fn a_check_with_a_wrong_password_proves_nothing_and_is_not_answered() {
    let (mut world, _) = call(IceMode::Lite);
    let mut thief = Browser::new(world.now, at(CAFE), false);
    let mut end = world.ready(legs().0);
    end.transport.ice.as_mut().expect("ICE").pwd = "another-password-altogether".into();
    thief.hear(world.now, &end);
    thief.pass(&mut world, Duration::from_secs(1));
    assert_eq!((thief.seen, thief.target), (0, None));
}

#[test]
fn a_restart_gives_new_words_and_the_old_path_carries_on_until_the_new_one_is_nominated() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_millis(300));
    let before = world.ready(legs().0);
    let mut speaker = Speaker::new(5, 0, 160);
    speak_to_browser(&mut world, &mut browser, &mut speaker, 5);
    let old = browser.address;
    browser.restart(world.now, at(CAFE));
    world.take_events();
    world.apply(2, &graph(Some(&browser), IceMode::Lite));
    let after = world.ready(legs().0);
    assert_ne!(before.ice().expect("ICE").ufrag, after.ice().expect("ICE").ufrag);
    assert_eq!(before.ssrc, after.ssrc);
    let packet = speaker.next(&[1; 160]);
    world.arrive(PHONE_SOCKET, at(PHONE), &packet);
    assert_eq!(world.take_rtp(old).len(), 1, "still to the old place");
    browser.hear(world.now, &after);
    browser.pass(&mut world, Duration::from_millis(500));
    speak_to_browser(&mut world, &mut browser, &mut speaker, 5);
    let heard: Vec<_> = browser.heard.iter().filter_map(|p| Packet::parse(p)).map(|p| p.sequence()).collect();
    assert_eq!(heard.len(), 10);
    assert_eq!(heard[9].wrapping_sub(heard[0]), 10, "one went to the old place");
    assert_eq!(failures(&mut world), Vec::<String>::new());
}

#[test]
fn a_browser_whose_checks_stay_away_for_less_than_thirty_seconds_keeps_its_path() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_secs(1));
    let mut speaker = Speaker::new(5, 0, 160);
    for seconds in [20, 8] {
        world.pass(Duration::from_secs(seconds));
        world.take_sent();
        let packet = speaker.next(&[1; 160]);
        world.arrive(PHONE_SOCKET, at(PHONE), &packet);
        assert_eq!(world.take_rtp(browser.address).len(), 1);
    }
    assert_eq!(failures(&mut world), Vec::<String>::new());
}

#[test]
fn a_browser_that_checks_no_more_is_told_as_lost_and_gets_nothing_any_more() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_secs(1));
    world.pass(Duration::from_secs(40));
    let why = failures(&mut world);
    assert_eq!(why, ["ICE: the peer stopped answering and sending connectivity checks"]);
    let packet = Speaker::new(5, 0, 160).next(&[1; 160]);
    world.take_sent();
    world.arrive(PHONE_SOCKET, at(PHONE), &packet);
    assert_eq!(world.take_rtp(at(HOME)).len(), 0);
}

#[test]
fn a_peer_that_never_checks_is_named_as_the_reason_of_the_silence() {
    let (mut world, _) = call(IceMode::Lite);
    world.pass(Duration::from_secs(4));
    let why = world.take_events().into_iter().find_map(|e| match e {
        RelayEvent::Silent { leg, why, .. } if leg == legs().0 => Some(why),
        _ => None,
    });
    let said = "ICE with the phone did not finish: no connectivity check arrived at 192.0.2.1:3478";
    assert_eq!(why.as_deref(), Some(said));
}

#[test]
fn a_peer_that_does_not_check_is_taken_at_its_word() {
    for without_ice in [true, false] {
        let mut world = World::new();
        let peer = Browser::new(world.now, at(HOME), false);
        let mut words = peer.words(&g711());
        words.transport.address = Some(at(HOME));
        if without_ice {
            words.transport.ice = None;
        } else {
            words.transport.ice.as_mut().expect("ICE").lite = true;
        }
        let mut legs = graph(None, IceMode::Lite);
        legs[0].remote = Some(Arc::new(words));
        world.apply(1, &legs);
        let (leg, call) = (legs[0].leg, CALL);
        assert!(world.take_events().contains(&RelayEvent::Connected { call, leg }));
        let packet = Speaker::new(5, 0, 160).next(&[1; 160]);
        world.arrive(SHARED, at(HOME), &packet);
        assert_eq!(world.take_rtp(at(PHONE)).len(), 1);
        world.arrive(PHONE_SOCKET, at(PHONE), &packet);
        assert_eq!(world.take_rtp(at(HOME)).len(), 1);
    }
}

#[test]
fn two_browsers_on_the_shared_port_are_told_apart() {
    let mut world = World::new();
    let mut one = Browser::new(world.now, at(HOME), false);
    let mut two = Browser::new(world.now, at(CAFE), false);
    let (a, b) = legs();
    let spec = LegSpec { seal: SealKind::Plain, ..LegSpec::BROWSER };
    world.apply(
        1,
        &[
            GraphLeg { spec, ..plain_leg(a, Some(one.words(&g711())), &g711(), Source::Leg(b)) },
            GraphLeg { spec, ..plain_leg(b, Some(two.words(&g711())), &g711(), Source::Leg(a)) },
        ],
    );
    let (end_a, end_b) = (world.ready(a), world.ready(b));
    one.hear(world.now, &end_a);
    two.hear(world.now, &end_b);
    for _ in 0..60 {
        one.pass(&mut world, Duration::from_millis(5));
        two.pass(&mut world, Duration::from_millis(5));
    }
    one.say(&mut world, Speaker::new(1, 0, 160).next(&[1; 160]));
    two.exchange(&mut world);
    two.say(&mut world, Speaker::new(2, 0, 160).next(&[2; 160]));
    one.exchange(&mut world);
    let payloads = |b: &Browser| b.heard.iter().map(|p| p[12]).collect::<Vec<_>>();
    assert_eq!((payloads(&one), payloads(&two)), (vec![2], vec![1]));
}

#[test]
fn a_leg_on_two_ports_checks_rtcp_by_itself_and_sends_it_there() {
    let mut world = World::new();
    let mut rtp = Browser::new(world.now, at(HOME), false);
    let mut rtcp = Browser::new(world.now, at(CAFE), false);
    let legs_of = |rtp: &Browser| {
        let mut legs = graph(Some(rtp), IceMode::LitePair);
        Arc::make_mut(legs[0].remote.as_mut().expect("an end")).rtcp_mux = false;
        legs
    };
    world.apply(1, &legs_of(&rtp));
    let end = world.ready(legs().0);
    let mut offered = end.transport.ice.clone().expect("ICE").candidates;
    let described: Vec<_> = offered.iter().map(|c| (c.component, c.port)).collect();
    assert_eq!(described, [(1, 20_002), (2, 20_003)]);
    // They see all that comes to them as if it came from one port.
    offered.iter_mut().for_each(|candidate| candidate.port = 3478);
    for (browser, candidate, wire) in [(&mut rtp, &offered[0], 2), (&mut rtcp, &offered[1], 3)] {
        let mut end = end.clone();
        end.transport.ice.as_mut().expect("ICE").candidates = vec![candidate.clone()];
        browser.wire = SocketId(wire);
        browser.hear(world.now, &end);
    }
    for _ in 0..60 {
        rtp.tick(&mut world);
        rtcp.tick(&mut world);
        world.pass(Duration::from_millis(5));
    }
    let mut speaker = Speaker::new(4, 0, 160);
    rtp.say(&mut world, speaker.next(&[7; 160]));
    assert_eq!(world.take_rtp(at(PHONE)).len(), 1);
    for _ in 0..400 {
        let packet = speaker.next(&[0xd5; 160]);
        world.arrive(SocketId(4), at(PHONE), &packet);
        rtp.tick(&mut world);
        rtcp.tick(&mut world);
        world.pass(FRAME);
    }
    assert!(rtp.heard.len() > 390 && rtp.reports.is_empty(), "{} {}", rtp.heard.len(), rtp.reports.len());
    assert!(!rtcp.reports.is_empty() && rtcp.heard.is_empty());

    // Neither port listens to who has not proved itself there.
    world.take_sent();
    world.arrive(SocketId(2), at("198.51.100.9:9"), &speaker.next(&[7; 160]));
    world.arrive(SocketId(3), at("198.51.100.9:9"), &[0x80, 200, 0, 1, 0, 0, 0, 1]);
    world.order(RelayCommand::Stats(CALL));
    let Some(RelayEvent::Stats { legs, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert_eq!(legs[0].refused, 2);
    assert!(world.take_rtp(at(PHONE)).is_empty());
}
