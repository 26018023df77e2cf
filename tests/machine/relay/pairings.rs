//! Every kind of leg to every other, and what keys in descriptions may and may not do.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{
    Codec, GraphLeg, LegSpec, LegStats, RelayCommand, RelayEvent, RemoteEnd, Seal, SealKind, Source,
};
use patchcord::rtp::Profile;

use super::peers::{Keys, Peer, Sort};
use super::world::{CALL, Speaker, World, at, legs, phone, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const B_SOCKET: SocketId = SocketId(4);

fn codecs() -> Vec<Codec> {
    vec![Codec::pcmu(), Codec::telephone_event(101, 8000)]
}

fn graph(a: (LegSpec, Option<RemoteEnd>), b: (LegSpec, Option<RemoteEnd>)) -> [GraphLeg; 2] {
    let (one, other) = legs();
    [
        GraphLeg { spec: a.0, ..plain_leg(one, a.1, &codecs(), Source::Leg(other)) },
        GraphLeg { spec: b.0, ..plain_leg(other, b.1, &codecs(), Source::Leg(one)) },
    ]
}

fn stats(world: &mut World) -> [LegStats; 2] {
    world.order(RelayCommand::Stats(CALL));
    let found = world.take_events().into_iter().find_map(|event| match event {
        RelayEvent::Stats { legs, .. } => Some(legs),
        _ => None,
    });
    found.expect("figures").try_into().expect("two legs")
}

/// A offers, B answers, and each says five packets.
fn talk(a: Sort, b: Sort) {
    let mut world = World::new();
    let a_socket = A_SOCKET;
    let b_socket = if a.has_ice() { A_SOCKET } else { B_SOCKET };
    let mut one = Peer::new(&world, a, at(A), a_socket);
    let mut other = Peer::new(&world, b, at(B), b_socket);
    let offer = one.offer(&codecs());
    world.apply(1, &graph((a.spec(), Some(offer.clone())), (b.spec(), None)));
    let (end_a, end_b) = (world.ready(legs().0), world.ready(legs().1));
    one.hear(&world, &end_a);
    let answer = other.answer(&world, &end_b, &codecs());
    world.apply(2, &graph((a.spec(), Some(offer)), (b.spec(), Some(answer))));
    for _ in 0..60 {
        one.pass(&mut world, Duration::from_millis(5));
        other.pass(&mut world, Duration::from_millis(5));
    }
    let (mut from_a, mut from_b) = (Speaker::new(4, 0, 160), Speaker::new(5, 0, 160));
    let (mut heard_a, mut heard_b) = (Vec::new(), Vec::new());
    for n in 0..10u8 {
        one.say(&mut world, from_a.next(&[n; 160]));
        other.say(&mut world, from_b.next(&[100 + n; 160]));
        heard_b.extend(other.heard(&mut world));
        heard_a.extend(one.heard(&mut world));
        one.pass(&mut world, Duration::from_millis(10));
        other.pass(&mut world, Duration::from_millis(10));
    }
    assert_eq!(heard_b, (0..10).map(|n| vec![n; 160]).collect::<Vec<_>>(), "{a:?} to {b:?}");
    assert_eq!(heard_a, (100..110).map(|n| vec![n; 160]).collect::<Vec<_>>(), "{b:?} to {a:?}");
    let seals = stats(&mut world).map(|leg| leg.seal);
    assert_eq!(seals, [Some(a.seal()), Some(b.seal())]);
    world.order(RelayCommand::Remove(CALL));
    let removed = world.take_events().into_iter().find_map(|event| match event {
        RelayEvent::Removed { legs, .. } => Some(legs.into_iter().map(|leg| leg.seal).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(removed, Some(seals.to_vec()), "the last figures say it too");
}

#[test]
fn every_kind_of_leg_hears_every_other_and_is_heard() {
    for a in Sort::ALL {
        for b in Sort::ALL.into_iter().filter(|b| b.can_answer()) {
            talk(a, b);
        }
    }
}

fn sdes() -> LegSpec {
    LegSpec { seal: SealKind::Sdes, ..LegSpec::PHONE }
}

/// A telephone with keys that calls a plain one.
struct Scene {
    world: World,
    keys: Keys,
    offer: RemoteEnd,
    speaker: Speaker,
}

impl Scene {
    fn new() -> Scene {
        let keys = Keys::new(Profile::AesCm128HmacSha1_80, 1);
        let mut offer = phone(A, &codecs());
        offer.transport.seal = keys.words();
        offer.is_offer = true;
        let mut scene = Scene { world: World::new(), keys, offer, speaker: Speaker::new(4, 0, 160) };
        scene.apply(1);
        let end = scene.world.ready(legs().0);
        scene.keys.hear(&end);
        scene
    }

    fn apply(&mut self, revision: u32) {
        let b = (LegSpec::PHONE, Some(phone(B, &codecs())));
        self.world.apply(revision, &graph((sdes(), Some(self.offer.clone())), b));
    }

    /// How many of so many packets from there reach B.
    fn say(&mut self, from: &str, count: usize) -> usize {
        for _ in 0..count {
            let mut packet = self.speaker.next(&[7; 160]);
            let length = packet.len();
            packet.resize(length + 32, 0);
            let length = self.keys.outward.protect_rtp(&mut packet, length).expect("room");
            self.world.arrive(A_SOCKET, at(from), &packet[..length]);
        }
        self.world.take_rtp(at(B)).len()
    }

    fn refused(&mut self) -> u64 {
        stats(&mut self.world)[0].refused
    }
}

#[test]
fn a_wrong_key_is_refused_and_counted_and_moves_nothing() {
    let mut scene = Scene::new();
    let right = std::mem::replace(&mut scene.keys, Keys::new(Profile::AesCm128HmacSha1_80, 99));
    assert_eq!(scene.say(A, 20) + scene.say("203.0.113.1:6000", 20), 0);
    assert_eq!(scene.refused(), 40);
    let plain = scene.speaker.next(&[7; 160]);
    scene.world.arrive(A_SOCKET, at(A), &plain);
    assert_eq!((scene.world.take_rtp(at(B)).len(), scene.refused()), (0, 41), "a packet without protection");
    scene.keys = right;
    assert_eq!(scene.say("203.0.113.1:6002", 5), 5, "the key proves who sends from another port");
    assert_eq!(scene.say(A, 5), 0, "and then nobody else is heard");
}

#[test]
fn an_offer_said_again_keeps_the_keys_and_the_roll_over_counters() {
    let mut scene = Scene::new();
    let before = scene.world.ready(legs().0).transport.seal;
    assert_eq!(scene.say(A, 20), 20, "the sequence numbers roll over");
    scene.offer.codecs.truncate(1);
    scene.apply(2);
    assert_eq!(scene.world.ready(legs().0).transport.seal, before);
    assert_eq!(scene.say(A, 20), 20);
}

#[test]
fn a_new_key_of_the_peer_leaves_ours_as_it_is() {
    let mut scene = Scene::new();
    assert_eq!(scene.say(A, 3), 3);
    let before = scene.world.ready(legs().0).transport.seal;
    scene.keys.key[0] ^= 1;
    scene.keys.outward = super::peers::srtp(Profile::AesCm128HmacSha1_80, &scene.keys.key);
    assert_eq!(scene.say(A, 1), 0);
    scene.offer.transport.seal = scene.keys.words();
    scene.apply(2);
    assert_eq!(scene.world.ready(legs().0).transport.seal, before);
    assert_eq!(scene.say(A, 3), 3);
}

#[test]
fn a_peer_that_may_do_without_keys_is_spoken_to_in_plain_rtp_and_one_that_must_not_is_not() {
    for (seal, is_heard) in [(SealKind::Opportunistic, true), (SealKind::Sdes, false)] {
        let mut world = World::new();
        let spec = LegSpec { seal, ..LegSpec::PHONE };
        let b = (LegSpec::PHONE, Some(phone(B, &codecs())));
        world.apply(1, &graph((spec, None), b.clone()));
        let Seal::Sdes(offered) = world.ready(legs().0).transport.seal else { panic!("keys") };
        assert_eq!((offered.cryptos.len(), offered.optional), (2, is_heard));
        world.apply(2, &graph((spec, Some(phone(A, &codecs()))), b));
        let packet = Speaker::new(4, 0, 160).next(&[7; 160]);
        world.arrive(A_SOCKET, at(A), &packet);
        assert_eq!(world.take_rtp(at(B)).len(), usize::from(is_heard));
        let failed = world
            .take_events()
            .into_iter()
            .any(|e| matches!(e, RelayEvent::Failed { why, .. } if why.contains("plain RTP")));
        assert_eq!(failed, !is_heard);
        assert_eq!(stats(&mut world)[0].seal.as_deref(), is_heard.then_some("plain"));
    }
}

#[test]
fn rtcp_of_a_leg_with_keys_is_protected_on_its_own_port() {
    let mut scene = Scene::new();
    scene.world.arrive(B_SOCKET, at(B), &Speaker::new(8, 0, 160).next(&[1; 160]));
    scene.say(A, 5);
    scene.world.take_sent();
    scene.world.pass(Duration::from_secs(12));
    let reports: Vec<_> =
        scene.world.take_sent().into_iter().filter(|s| s.to == at("203.0.113.1:4001") && !s.is_rtp()).collect();
    assert!(!reports.is_empty());
    let inward = scene.keys.inward.as_mut().expect("keys");
    for report in reports {
        assert_eq!(report.socket, SocketId(3));
        let mut bytes = report.bytes;
        assert!(inward.unprotect_rtcp(&mut bytes).is_ok());
    }
}
