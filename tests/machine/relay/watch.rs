//! A silence becomes one sentence within three seconds, whatever its cause, and its end a word.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, LegSpec, RelayEvent, RemoteEnd, SealKind, Source};
use patchcord::rtp::Profile;

use super::browser::Browser;
use super::peers::Keys;
use super::world::{Speaker, World, at, legs, phone, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const B_SOCKET: SocketId = SocketId(4);
const FRAME: Duration = Duration::from_millis(20);
/// Within which a silence is to be told.
const LIMIT: Duration = Duration::from_secs(3);

fn codecs() -> Vec<Codec> {
    vec![Codec::pcmu(), Codec::new(13, "CN", 8000, 1)]
}

/// A call of a telephone of this kind, and a plain one on the other side.
fn call(spec: LegSpec, remote: RemoteEnd) -> World {
    let mut world = World::new();
    let (a, b) = legs();
    let one = GraphLeg { spec, ..plain_leg(a, Some(remote), &codecs(), Source::Leg(b)) };
    world.apply(1, &[one, plain_leg(b, Some(phone(B, &codecs())), &codecs(), Source::Leg(a))]);
    world
}

fn plain() -> World {
    call(LegSpec::PHONE, phone(A, &codecs()))
}

/// The sentence on the first leg that comes within this time, and when.
fn sentence(world: &mut World, within: Duration) -> Option<(String, Duration)> {
    let start = world.now;
    while world.now < start + within {
        world.pass(FRAME);
        let silent = world.take_events().into_iter().find_map(|event| match event {
            RelayEvent::Silent { leg, why, .. } if leg == legs().0 => Some(why),
            _ => None,
        });
        if let Some(why) = silent {
            return Some((why, world.now - start));
        }
    }
    None
}

/// The sentence that comes in time while B speaks.
fn told(world: &mut World) -> String {
    sentence(world, LIMIT).expect("a sentence in time").0
}

fn say(world: &mut World, from: &str, speaker: &mut Speaker, count: usize) {
    for _ in 0..count {
        let packet = speaker.next(&[7; 160]);
        world.arrive(A_SOCKET, at(from), &packet);
        world.pass(FRAME);
    }
}

#[test]
fn a_peer_that_sends_nothing_is_named_with_what_was_sent_to_it() {
    let mut world = plain();
    let mut speaker = Speaker::new(8, 0, 160);
    for _ in 0..100 {
        world.arrive(B_SOCKET, at(B), &speaker.next(&[7; 160]));
        world.pass(FRAME);
    }
    let why = told(&mut world);
    let expected = "the phone at 203.0.113.1:4000 sends nothing: no RTP for 2.5 s after the answer; \
                    we sent 100 packets to it";
    assert_eq!(why, expected);
}

#[test]
fn a_silence_that_begins_in_the_middle_is_told_and_so_is_its_end() {
    let mut world = plain();
    let mut speaker = Speaker::new(4, 0, 160);
    say(&mut world, A, &mut speaker, 20);
    let (why, after) = sentence(&mut world, LIMIT).expect("a sentence");
    assert!(why.contains("no RTP for 2.5 s after the last packet") && after >= Duration::from_secs(2), "{why}");
    assert_eq!(sentence(&mut world, LIMIT * 4), None, "once");
    say(&mut world, A, &mut speaker, 3);
    let is_over = |e: &&RelayEvent| matches!(e, RelayEvent::Audible { leg, .. } if *leg == legs().0);
    assert_eq!(world.take_events().iter().filter(is_over).count(), 1);
    assert!(sentence(&mut world, LIMIT).is_some(), "and the next silence again");
}

#[test]
fn a_peer_that_said_with_noise_that_it_will_be_silent_is_left_alone_and_one_that_only_might_is_not() {
    let mut world = plain();
    let mut speaker = Speaker::new(4, 0, 160);
    say(&mut world, A, &mut speaker, 20);
    speaker.payload_type = 13;
    say(&mut world, A, &mut speaker, 1);
    assert_eq!(sentence(&mut world, Duration::from_secs(12)), None);
    let (why, _) = sentence(&mut world, LIMIT + LIMIT).expect("but not for ever");
    assert!(why.contains("no RTP for 15 s after the last packet"), "{why}");
    speaker.payload_type = 0;
    say(&mut world, A, &mut speaker, 20);
    world.take_events();
    assert!(told(&mut world).contains("for 2.5 s"));
}

#[test]
fn packets_from_elsewhere_and_of_other_formats_are_in_the_sentence() {
    let mut world = plain();
    say(&mut world, "198.51.100.66:9", &mut Speaker::new(5, 0, 160), 20);
    let why = told(&mut world);
    assert!(
        why.ends_with("; 20 packets came from 198.51.100.66:9, which was not described, and were dropped"),
        "{why}"
    );

    let mut world = plain();
    say(&mut world, A, &mut Speaker::new(5, 96, 160), 20);
    let why = told(&mut world);
    assert!(why.ends_with("; 20 came with payload type 96, which was not agreed on"), "{why}");
}

fn keyed() -> (World, Keys, RemoteEnd) {
    let keys = Keys::new(Profile::AesCm128HmacSha1_80, 1);
    let mut words = phone(A, &codecs());
    words.transport.seal = keys.words();
    words.is_offer = true;
    (call(LegSpec { seal: SealKind::Sdes, ..LegSpec::PHONE }, words.clone()), keys, words)
}

fn say_sealed(world: &mut World, keys: &mut Keys, speaker: &mut Speaker, count: usize) -> usize {
    world.take_sent();
    for _ in 0..count {
        let mut packet = speaker.next(&[7; 160]);
        let length = packet.len();
        packet.resize(length + 32, 0);
        let length = keys.outward.protect_rtp(&mut packet, length).expect("room");
        world.arrive(A_SOCKET, at(A), &packet[..length]);
        world.pass(FRAME);
    }
    world.take_rtp(at(B)).len()
}

#[test]
fn packets_under_another_key_are_in_the_sentence() {
    let (mut world, _, _) = keyed();
    let mut wrong = Keys::new(Profile::AesCm128HmacSha1_80, 99);
    assert_eq!(say_sealed(&mut world, &mut wrong, &mut Speaker::new(5, 0, 160), 20), 0);
    let why = told(&mut world);
    assert!(why.ends_with("; 20 could not be opened with the SRTP key that was agreed on"), "{why}");
}

#[test]
fn a_key_is_used_no_longer_than_it_was_described_for_and_a_new_one_is_taken() {
    let (_, mut keys, mut words) = keyed();
    let with_lifetime = |keys: &Keys| match keys.words() {
        patchcord::model::Seal::Sdes(mut sdes) => {
            let line = format!("{}|2^4|1:4", sdes.cryptos[0].expose());
            // Without a key identifier in the packets the line has the lifetime alone.
            sdes.cryptos = [patchcord::model::Crypto::new(line.trim_end_matches("|1:4"))].into();
            patchcord::model::Seal::Sdes(sdes)
        }
        other => other,
    };
    words.transport.seal = with_lifetime(&keys);
    let spec = LegSpec { seal: SealKind::Sdes, ..LegSpec::PHONE };
    let mut world = call(spec, words.clone());
    let mut speaker = Speaker::new(4, 0, 160);
    assert_eq!(say_sealed(&mut world, &mut keys, &mut speaker, 20), 16, "2^4 packets");
    let why = told(&mut world);
    assert!(why.contains("came under an SRTP key that has protected as many packets as it may"), "{why}");

    let (a, b) = legs();
    let again = |words: &RemoteEnd| {
        let one = GraphLeg { spec, ..plain_leg(a, Some(words.clone()), &codecs(), Source::Leg(b)) };
        [one, plain_leg(b, Some(phone(B, &codecs())), &codecs(), Source::Leg(a))]
    };
    words.codecs.truncate(1);
    world.apply(2, &again(&words));
    assert_eq!(say_sealed(&mut world, &mut keys, &mut speaker, 3), 0, "said again, it is as used up");
    let mut fresh = Keys::new(Profile::AesCm128HmacSha1_80, 50);
    words.transport.seal = with_lifetime(&fresh);
    world.apply(3, &again(&words));
    assert_eq!(say_sealed(&mut world, &mut fresh, &mut speaker, 3), 3);
}

#[test]
fn a_handshake_and_checks_that_do_not_finish_are_named() {
    let world = World::new();
    let browser = Browser::new(world.now, at(A), true);
    let mut words = browser.words(&codecs());
    assert!(told(&mut call(LegSpec::BROWSER, words.clone())).starts_with("ICE with the browser did not finish: "));
    words.transport.ice = None;
    words.transport.address = Some(at(A));
    let spec = LegSpec { seal: SealKind::Dtls, ..LegSpec::PHONE };
    let why = told(&mut call(spec, words));
    let expected = "DTLS with the phone at 203.0.113.1:4000 did not finish within 2.5 s: \
                    we opened the handshake and wait for its answer";
    assert_eq!(why, expected);
}
