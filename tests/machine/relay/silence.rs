//! What a telephone hears while nothing is heard of the other side.

use std::time::Duration;

use super::world::{CALL, Sent, Speaker, World, at, legs, phone, plain_leg};
use patchcord::media::codec::{Decoder, Speech};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, RelayCommand, Source};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const FRAME: Duration = Duration::from_millis(20);

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

fn legs_of(codecs_a: &[Codec], codecs_b: &[Codec]) -> [GraphLeg; 2] {
    let (a, b) = legs();
    [
        plain_leg(a, Some(phone(A, codecs_a)), codecs_a, Source::Leg(b)),
        GraphLeg { keeps_sending: true, ..plain_leg(b, Some(phone(B, codecs_b)), codecs_b, Source::Leg(a)) },
    ]
}

fn world(codecs_a: &[Codec], codecs_b: &[Codec]) -> World {
    let mut world = World::new();
    world.apply(1, &legs_of(codecs_a, codecs_b));
    world
}

fn speak(world: &mut World, speaker: &mut Speaker, packets: usize) {
    for _ in 0..packets {
        let packet = speaker.next(&[0x2a; 160]);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
    }
}

/// One source, no number left out or used twice, timestamps that move on, and in step with the time.
fn assert_unbroken(packets: &[Sent], clock_hz: u32) {
    let first = &packets[0];
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
        assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 > 0);
        let moved = f64::from(after.timestamp.wrapping_sub(first.fields().timestamp)) / f64::from(clock_hz);
        let passed = (pair[1].at - first.at).as_secs_f64();
        assert!((moved - passed).abs() < 0.025, "the timestamp moved by {moved} s in {passed} s");
    }
}

/// How loud packets of G.711 are, in decibels below the overload.
fn level(packets: &[Sent], speech: Speech) -> f64 {
    let (mut decoder, mut samples) = (Decoder::new(speech, 8000).expect("a decoder"), Vec::new());
    for packet in packets {
        assert!(decoder.decode(packet.payload(), &mut samples));
    }
    let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    -10.0 * (power / f64::from(i16::MAX).powi(2)).log10()
}

#[test]
fn a_source_that_just_stops_becomes_soft_noise_in_the_same_stream_until_it_goes_on() {
    for (codec, used) in [(Codec::pcmu(), 0), (Codec::pcma(), 8), (Codec::new(9, "G722", 8000, 1), 9)] {
        let mut world = world(std::slice::from_ref(&codec), std::slice::from_ref(&codec));
        let mut speaker = Speaker::new(9, used, 160);
        speak(&mut world, &mut speaker, 10);
        world.pass(Duration::from_secs(60));
        speaker.timestamp = speaker.timestamp.wrapping_add(60 * 8000);
        let mut packets = world.take_rtp(at(B));
        let filled = packets.len() - 10;
        assert!((2980..=2990).contains(&filled), "{}: {filled}", codec.name);
        assert!(packets.iter().all(|p| p.fields().payload_type == used && p.payload().len() == 160));
        assert_eq!(packets.iter().filter(|p| p.fields().marker).count(), 2);
        if used != 9 {
            let level = level(&packets[10..], Speech::of(&codec).expect("speech"));
            assert!((62.0..75.0).contains(&level), "{}: {level}", codec.name);
        }
        speak(&mut world, &mut speaker, 10);
        let after = world.take_rtp(at(B));
        assert_eq!(after.len(), 10);
        packets.extend(after);
        assert_unbroken(&packets, 8000);
    }
}

#[test]
fn pauses_that_come_and_go_never_take_the_timestamps_away_from_the_time() {
    let mut world = world(&[Codec::pcmu()], &[Codec::pcmu()]);
    let mut speaker = Speaker::new(9, 0, 160);
    for n in 0..500 {
        speak(&mut world, &mut speaker, 3);
        let pause = 40 * (n % 12);
        world.pass(Duration::from_millis(pause + n % 7));
        speaker.timestamp = speaker.timestamp.wrapping_add(pause as u32 * 8);
    }
    let packets = world.take_rtp(at(B));
    let first = &packets[0];
    for pair in packets.windows(2) {
        let moved = pair[1].fields().timestamp.wrapping_sub(first.fields().timestamp) as i32;
        let passed = (pair[1].at - first.at).as_millis() as i32 * 8;
        assert!((moved - passed).abs() < 8 * 60, "the timestamp is at {moved} after {passed}");
    }
}

#[test]
fn a_telephone_that_nobody_speaks_to_hears_a_quiet_room_after_four_seconds() {
    let mut world = world(&[Codec::pcma()], &[Codec::pcma(), Codec::pcmu()]);
    world.pass(Duration::from_secs(10));
    let packets = world.take_rtp(at(B));
    assert!((299..=301).contains(&packets.len()), "{}", packets.len());
    assert_unbroken(&packets, 8000);
    assert_eq!(packets[0].fields().payload_type, 8);
}

#[test]
fn nothing_is_sent_to_a_telephone_that_holds_and_noise_to_one_that_is_held() {
    let mut graph = legs_of(&[Codec::pcmu()], &[Codec::pcmu()]);
    let mut world = World::new();
    world.apply(1, &graph);
    speak(&mut world, &mut Speaker::new(9, 0, 160), 10);
    world.take_sent();
    graph[1].sends = false;
    world.apply(2, &graph);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.take_rtp(at(B)).len(), 0);
    (graph[1].sends, graph[1].hears) = (true, Source::Nothing);
    world.apply(3, &graph);
    world.pass(Duration::from_secs(5));
    assert!(world.take_rtp(at(B)).len() > 230);
}

#[test]
fn a_leg_that_is_not_to_be_filled_passes_pauses_on() {
    let mut graph = legs_of(&[Codec::pcmu()], &[Codec::pcmu()]);
    graph[1].keeps_sending = false;
    let mut world = World::new();
    world.apply(1, &graph);
    speak(&mut world, &mut Speaker::new(9, 0, 160), 10);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.take_rtp(at(B)).len(), 10);
}

#[test]
fn comfort_noise_becomes_noise_as_loud_as_it_says_for_a_peer_without_it() {
    for keeps_sending in [true, false] {
        let mut graph = legs_of(&[Codec::pcmu(), Codec::comfort_noise()], &[Codec::pcma()]);
        graph[1].keeps_sending = keeps_sending;
        let mut world = World::new();
        world.apply(1, &graph);
        let mut speaker = Speaker::new(9, 0, 160);
        speak(&mut world, &mut speaker, 10);
        for loud in [45, 60] {
            let mut noise = Speaker { payload_type: 13, ..speaker };
            let packet = noise.next(&[loud, 120, 140]);
            world.arrive(A_SOCKET, at(A), &packet);
            speaker = Speaker { payload_type: 0, ..noise };
            world.pass(Duration::from_secs(10));
            speaker.timestamp = speaker.timestamp.wrapping_add(80_000 - 160);
        }
        speak(&mut world, &mut speaker, 10);
        let packets = world.take_rtp(at(B));
        assert!((1018..=1021).contains(&packets.len()), "{}", packets.len());
        assert_unbroken(&packets, 8000);
        for (from, wanted) in [(60, 45.0), (560, 60.0)] {
            let level = level(&packets[from..from + 400], Speech::Pcma);
            assert!((level - wanted).abs() < 2.0, "{level} for {wanted}");
        }
    }
}

#[test]
fn comfort_noise_that_nobody_agreed_to_is_understood_and_reaches_speech_of_another_format() {
    let mut world = world(&[Codec::pcmu()], &[Codec::new(9, "G722", 8000, 1)]);
    let mut speaker = Speaker::new(9, 0, 160);
    speak(&mut world, &mut speaker, 50);
    let mut noise = Speaker { payload_type: 13, ..speaker };
    let packet = noise.next(&[40]);
    world.arrive(A_SOCKET, at(A), &packet);
    world.pass(Duration::from_secs(3));
    let packets = world.take_rtp(at(B));
    assert_unbroken(&packets, 8000);
    let (mut decoder, mut samples) = (Decoder::new(Speech::G722, 16_000).expect("a decoder"), Vec::new());
    for packet in &packets[100..] {
        assert!(decoder.decode(packet.payload(), &mut samples));
    }
    let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    let level = 10.0 * (power / f64::from(i16::MAX).powi(2)).log10();
    assert!((level + 40.0).abs() < 2.0, "{level}");
}

#[test]
fn a_peer_that_takes_comfort_noise_gets_it_as_it_comes_and_again_where_it_stays_away() {
    let codecs = [Codec::pcmu(), Codec::comfort_noise()];
    let mut world = world(&codecs, &codecs);
    let mut speaker = Speaker::new(9, 0, 160);
    speak(&mut world, &mut speaker, 10);
    let packet = Speaker { payload_type: 13, ..speaker }.next(&[52, 127]);
    world.arrive(A_SOCKET, at(A), &packet);
    world.pass(Duration::from_secs(4));
    let packets = world.take_rtp(at(B));
    let noise: Vec<&Sent> = packets.iter().filter(|p| p.fields().payload_type == 13).collect();
    assert_eq!((packets.len(), noise.len()), (21, 11));
    assert_eq!((noise[0].payload(), noise[1].payload()), (&[52, 127][..], &[52][..]));
    assert_unbroken(&packets, 8000);
}

#[test]
fn gaps_of_opus_stay_gaps_with_a_word_now_and_then() {
    let mut world = world(&[opus()], &[opus()]);
    let mut speaker = Speaker::new(9, 111, 960);
    for _ in 0..20 {
        let packet = speaker.next(&[0x08, 1, 2, 3, 4, 5]);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(Duration::from_millis(399));
        speaker.timestamp = speaker.timestamp.wrapping_add(19 * 960);
    }
    assert_eq!(world.take_rtp(at(B)).len(), 20, "nothing but what came");
    world.pass(Duration::from_secs(10));
    let packets = world.take_rtp(at(B));
    assert!((24..=25).contains(&packets.len()), "{}", packets.len());
    assert_unbroken(&packets, 48_000);
    assert!(packets.iter().all(|p| Speech::Opus.duration(p.payload()) == Some(960)));
}

#[test]
fn digits_amid_silence_have_their_place_in_the_stream() {
    let codecs = [Codec::pcmu(), Codec::telephone_event(101, 8000)];
    let mut world = world(&codecs, &codecs);
    let (_, leg) = legs();
    speak(&mut world, &mut Speaker::new(9, 0, 160), 5);
    world.pass(Duration::from_secs(1));
    world.order(RelayCommand::Dtmf { call: CALL, leg, digit: '5', duration: Duration::from_millis(100) });
    world.pass(Duration::from_secs(1));
    let packets = world.take_rtp(at(B));
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
        assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 >= 0);
    }
    assert_eq!(packets.iter().filter(|p| p.fields().payload_type == 101 && p.payload()[1] & 0x80 != 0).count(), 3);
}
