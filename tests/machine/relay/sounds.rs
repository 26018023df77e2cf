//! Tones and sounds that the relay plays, as the peers of its legs hear them.

use std::f64::consts::TAU;
use std::time::Duration;

use super::peers::{Peer, Sort};
use super::world::{CALL, Sent, Speaker, World, at, legs, phone, plain_leg};
use patchcord::base::LegId;
use patchcord::media::codec::{Decoder, Speech};
use patchcord::media::shard::SocketId;
use patchcord::media::sound::{Library, Samples, WIDE_HZ, Zone};
use patchcord::media::tap::TapKey;
use patchcord::model::{
    Codec, Graph, GraphLeg, Play, RelayCommand, RelayEvent, Sound, Source, Tap, TapEnd, TapId, Tone,
};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const B_SOCKET: SocketId = SocketId(4);
const SECOND: Duration = Duration::from_secs(1);

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

fn all() -> [Codec; 4] {
    [opus(), Codec::new(9, "G722", 8000, 1), Codec::pcmu(), Codec::pcma()]
}

fn tone(hz: f64, samples: u32) -> Vec<i16> {
    (0..samples).map(|n| (8000.0 * (TAU * hz * f64::from(n) / f64::from(WIDE_HZ)).sin()) as i16).collect()
}

/// A world whose library has the sound `music`: 440 Hz for a second and then 700 Hz for another.
fn world() -> World {
    let world = World::new();
    let mut library = Library::new(Zone::Europe);
    let music: Vec<i16> = [tone(440.0, WIDE_HZ), tone(700.0, WIDE_HZ)].concat();
    assert!(library.add("music", Samples::new(music, Duration::ZERO)));
    world.sounds.set(library.into());
    world
}

fn play(sound: Sound, repeats: bool) -> Source {
    Source::Play(Play { sound, repeats })
}

fn music(repeats: bool) -> Source {
    play(Sound::Named("music".into()), repeats)
}

fn leg(id: LegId, codec: &Codec, hears: Source) -> GraphLeg {
    plain_leg(id, Some(phone(A, std::slice::from_ref(codec))), std::slice::from_ref(codec), hears)
}

/// What a peer with one format hears, at 8 kHz or, if the format is wider, at 16.
fn decoded<'p>(payloads: impl Iterator<Item = &'p [u8]>, codec: &Codec) -> (Vec<i16>, f64) {
    let speech = Speech::of(codec).unwrap();
    let rate = speech.rate_hz().unwrap_or(WIDE_HZ);
    let mut decoder = Decoder::new(speech, rate).unwrap();
    let mut heard = Vec::new();
    for payload in payloads {
        assert!(decoder.decode(payload, &mut heard));
    }
    (heard, f64::from(rate))
}

/// The frequency in a stretch of samples, by its zero crossings; 0 in silence.
fn hertz(samples: &[i16], rate: f64) -> f64 {
    if samples.iter().all(|s| s.unsigned_abs() < 200) {
        return 0.0;
    }
    let crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    crossings as f64 * rate / samples.len() as f64
}

/// One source, no number left out, and timestamps in step with the time.
fn assert_unbroken(packets: &[Sent], clock_hz: u32) {
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let moved = f64::from(after.timestamp.wrapping_sub(before.timestamp)) / f64::from(clock_hz);
        let passed = (pair[1].at - pair[0].at).as_secs_f64();
        assert!((moved - passed).abs() < 0.011, "the timestamp moved by {moved} s in {passed} s");
    }
}

#[test]
fn a_ringing_tone_goes_out_in_every_format_a_packet_each_20_ms_for_a_second_and_four_seconds_of_silence() {
    for codec in all() {
        let mut world = world();
        let (a, _) = legs();
        world.apply(1, &[leg(a, &codec, play(Sound::Tone(Tone::Ringing), true))]);
        world.pass(6 * SECOND);
        let sent = world.take_rtp(at(A));
        assert!((299..=301).contains(&sent.len()), "{} packets of {}", sent.len(), codec.name);
        assert!(sent[0].fields().marker && sent[1..].iter().all(|s| !s.fields().marker));
        assert!(sent.iter().all(|s| s.fields().payload_type == codec.payload_type));
        assert_unbroken(&sent, codec.clock_hz);
        let (heard, rate) = decoded(sent.iter().map(Sent::payload), &codec);
        let second = |n: f64| &heard[(n * rate) as usize..((n + 0.8) * rate) as usize];
        for n in [0.1, 5.1] {
            let found = hertz(second(n), rate);
            assert!((found - 425.0).abs() < 5.0, "{found} Hz in {}", codec.name);
        }
        for n in [1.1, 2.0, 3.0, 4.0] {
            assert_eq!(hertz(second(n), rate), 0.0, "{}", codec.name);
        }
    }
}

#[test]
fn a_sound_reaches_every_kind_of_peer() {
    for sort in Sort::ALL {
        let mut world = world();
        let (a, _) = legs();
        let codec = Codec::pcma();
        let mut peer = Peer::new(&world, sort, at(A), SocketId(2));
        let wanted = |remote| GraphLeg {
            spec: sort.spec(),
            ..plain_leg(a, Some(remote), std::slice::from_ref(&codec), music(true))
        };
        world.apply(1, &[wanted(peer.offer(std::slice::from_ref(&codec)))]);
        let end = world.ready(a);
        peer.hear(&world, &end);
        peer.pass(&mut world, 3 * SECOND);
        let payloads = peer.heard(&mut world);
        let (heard, rate) = decoded(payloads.iter().map(Vec::as_slice), &codec);
        assert!(heard.len() as f64 > 2.0 * rate, "{sort:?}: {} samples", heard.len());
        let found = hertz(&heard[(0.1 * rate) as usize..(0.9 * rate) as usize], rate);
        assert!((found - 440.0).abs() < 5.0, "{found} Hz at {sort:?}: it begins when the peer can hear it");
    }
}

#[test]
fn a_sound_that_repeats_goes_on_while_graphs_say_the_same_and_another_begins_at_its_beginning() {
    let mut world = world();
    let (a, _) = legs();
    let codec = Codec::pcma();
    world.apply(1, &[leg(a, &codec, music(true))]);
    world.pass(SECOND * 3 / 2);
    world.apply(2, &[GraphLeg { receives: false, ..leg(a, &codec, music(true)) }]);
    world.pass(SECOND);
    world.apply(3, &[leg(a, &codec, play(Sound::Tone(Tone::Busy), true))]);
    world.pass(SECOND);
    let sent = world.take_rtp(at(A));
    assert_unbroken(&sent, 8000);
    let (heard, rate) = decoded(sent.iter().map(Sent::payload), &codec);
    let found = |from: f64| hertz(&heard[(from * rate) as usize..((from + 0.4) * rate) as usize], rate).round() as i32;
    let near = |from: f64, wanted: i32| assert!((found(from) - wanted).abs() < 6, "{} Hz at {from} s", found(from));
    near(0.1, 440);
    near(1.05, 700);
    near(1.55, 700);
    near(2.05, 440);
    near(2.55, 425);
    near(3.05, 0);
    assert!(!world.take_events().iter().any(|e| matches!(e, RelayEvent::Played { .. })));
}

#[test]
fn a_sound_that_is_played_once_is_told_to_be_over_once_and_is_not_played_again() {
    let mut world = world();
    let (a, _) = legs();
    let codec = Codec::pcmu();
    world.apply(1, &[leg(a, &codec, music(false))]);
    world.pass(Duration::from_millis(1950));
    let is_played = |event: &RelayEvent| *event == RelayEvent::Played { call: CALL, leg: a };
    assert!(!world.take_events().iter().any(is_played));
    world.pass(SECOND);
    assert_eq!(world.take_events().iter().filter(|e| is_played(e)).count(), 1);
    assert_eq!(world.take_rtp(at(A)).len(), 100);
    world.apply(2, &[GraphLeg { answered: false, ..leg(a, &codec, music(false)) }]);
    world.pass(SECOND);
    assert!(world.take_rtp(at(A)).is_empty());
    assert!(!world.take_events().iter().any(is_played));
}

#[test]
fn a_sound_that_is_not_there_is_silence_and_over_at_once_if_it_is_played_once() {
    let mut world = world();
    let (a, _) = legs();
    let unknown = |repeats| play(Sound::Named("nobody".into()), repeats);
    world.apply(1, &[leg(a, &Codec::pcma(), unknown(true))]);
    world.pass(SECOND);
    let sent = world.take_rtp(at(A));
    assert!(sent.len() >= 50);
    assert!(sent.iter().all(|s| s.payload().iter().all(|octet| *octet == 0xd5)));
    world.apply(2, &[leg(a, &Codec::pcma(), unknown(false))]);
    assert!(world.take_events().contains(&RelayEvent::Played { call: CALL, leg: a }));
}

#[test]
fn nothing_of_a_sound_is_lost_while_the_peer_does_not_listen() {
    let mut world = world();
    let (a, _) = legs();
    let deaf = GraphLeg { sends: false, ..leg(a, &Codec::pcma(), music(false)) };
    world.apply(1, &[deaf]);
    world.pass(5 * SECOND);
    assert!(world.take_rtp(at(A)).is_empty());
    world.apply(2, &[leg(a, &Codec::pcma(), music(false))]);
    world.pass(5 * SECOND);
    assert_eq!(world.take_rtp(at(A)).len(), 100);
    assert!(world.take_events().contains(&RelayEvent::Played { call: CALL, leg: a }));
}

#[test]
fn one_unbroken_stream_goes_out_over_a_tone_the_talk_a_hold_with_music_and_the_talk_again() {
    for (codec_a, codec_b) in [(Codec::pcma(), Codec::pcma()), (opus(), Codec::pcma()), (opus(), opus())] {
        let mut world = world();
        let (a, b) = legs();
        let [list_a, list_b] = [[codec_a.clone()], [codec_b.clone()]];
        let talking = |hears| {
            [
                plain_leg(a, Some(phone(A, &list_a)), &list_a, hears),
                plain_leg(b, Some(phone(B, &list_b)), &list_b, Source::Nothing),
            ]
        };
        let mut b_speaks = Speaker::new(5, codec_b.payload_type, codec_b.clock_hz / 50);
        // A frame of silence, of Opus and of A-law.
        let silence = if codec_b == opus() { vec![0xf8, 0xff, 0xfe] } else { vec![0xd5; 160] };
        let stages = [play(Sound::Tone(Tone::Ringing), true), Source::Leg(b), music(true), Source::Leg(b)];
        for (revision, hears) in (1..).zip(stages) {
            world.apply(revision, &talking(hears));
            for _ in 0..60 {
                world.arrive(B_SOCKET, at(B), &b_speaks.next(&silence));
                world.pass(Duration::from_millis(20));
            }
        }
        let sent = world.take_rtp(at(A));
        assert!(sent.len() > 230, "{} packets", sent.len());
        assert_unbroken(&sent, codec_a.clock_hz);
        let markers = sent.iter().filter(|s| s.fields().marker).count();
        assert_eq!(markers, 4, "each of the four begins a talk spurt");
    }
}

/// How much of a stretch of samples is the tone, from 0 to 1.
fn share(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let (mut re, mut im, mut power) = (0.0, 0.0, 1.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * n as f64 / rate;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
        power += f64::from(*sample).powi(2);
    }
    2.0 * (re * re + im * im) / samples.len() as f64 / power
}

#[test]
fn what_a_fork_says_is_heard_over_the_other_party_by_whom_it_is_said_to() {
    for codec in [Codec::pcma(), opus()] {
        let mut world = world();
        let (a, b) = legs();
        let list = [codec.clone()];
        let tap = TapId(3);
        let party = |id, address: &str, other| plain_leg(id, Some(phone(address, &list)), &list, Source::Leg(other));
        let to = TapEnd::WebSocket { url: "ws://192.0.2.9/".into(), rate_hz: 16_000 };
        world.order(RelayCommand::Apply(Graph {
            call: CALL,
            revision: 1,
            legs: vec![party(a, A, b), party(b, B, a)],
            taps: vec![Tap { id: tap, legs: [Some(a), Some(b)], to }],
        }));
        let [to_a, to_b] = world.shard.mouths(TapKey { call: CALL, tap }).expect("somebody who speaks").clone();
        assert_eq!(to_a.say(&tone(500.0, 2 * WIDE_HZ)), 0);
        let speech = Speech::of(&codec).unwrap();
        let rate = speech.rate_hz().unwrap_or(WIDE_HZ);
        let mut encoder = patchcord::media::codec::Encoder::new(speech, rate, None).unwrap();
        let mut b_speaks = Speaker::new(5, codec.payload_type, codec.clock_hz / 50);
        let whistle = tone(1000.0 * f64::from(WIDE_HZ) / f64::from(rate), 4 * rate);
        for frame in whistle.chunks_exact(rate as usize / 50) {
            let mut payload = [0; 1500];
            let length = encoder.encode(frame, &mut payload).unwrap();
            world.arrive(B_SOCKET, at(B), &b_speaks.next(&payload[..length]));
            world.pass(Duration::from_millis(20));
        }
        let sent = world.take_sent();
        let to = |address: &str| -> Vec<Sent> {
            sent.iter().filter(|s| s.to == at(address) && s.is_rtp()).cloned().collect()
        };
        let heard_by_a = to(A);
        assert_unbroken(&heard_by_a, codec.clock_hz);
        let (heard, rate) = decoded(heard_by_a.iter().map(Sent::payload), &codec);
        let second = |from: f64| &heard[(from * rate) as usize..((from + 0.8) * rate) as usize];
        for (from, said, whistled) in [(0.5, 0.5, 0.5), (2.9, 0.0, 1.0)] {
            let found = (share(second(from), 500.0, rate), share(second(from), 1000.0, rate));
            let near = (found.0 - said).abs() < 0.1 && (found.1 - whistled).abs() < 0.1;
            assert!(near, "{found:?} at {from} s in {}", codec.name);
        }
        assert!(to(B).is_empty(), "nothing was said to B");
        drop(to_b);
    }
}
