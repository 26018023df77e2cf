//! Speech from each format to each other, between two telephones.

use std::f64::consts::TAU;
use std::time::Duration;

use super::world::{CALL, Sent, Speaker, World, at, legs, phone, plain_leg};
use patchcord::media::codec::{Decoder, Encoder, Speech};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, RelayCommand, RelayEvent, Source};
use patchcord::rtp::event::Event;
use proptest::prelude::*;

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const FRAME: Duration = Duration::from_millis(20);
const TONE_HZ: f64 = 1000.0;
pub const HEIGHT: f64 = 8000.0;

fn opus() -> Codec {
    Codec { parameters: Some("minptime=10;useinbandfec=1".into()), ..Codec::new(111, "opus", 48_000, 2) }
}

fn g722() -> Codec {
    Codec::new(9, "G722", 8000, 1)
}

pub fn all() -> [Codec; 4] {
    [opus(), g722(), Codec::pcmu(), Codec::pcma()]
}

fn legs_of(codecs_a: &[Codec], codecs_b: &[Codec]) -> [GraphLeg; 2] {
    let (a, b) = legs();
    [
        plain_leg(a, Some(phone(A, codecs_a)), codecs_a, Source::Leg(b)),
        plain_leg(b, Some(phone(B, codecs_b)), codecs_b, Source::Leg(a)),
    ]
}

/// Somebody who whistles, on leg A if nothing else is said.
pub struct Whistler {
    pub speaker: Speaker,
    encoder: Encoder,
    tone_hz: f64,
    rate: usize,
    sent: usize,
}

impl Whistler {
    fn new(codec: &Codec) -> Whistler {
        Whistler::at_pitch(codec, TONE_HZ)
    }

    pub fn at_pitch(codec: &Codec, tone_hz: f64) -> Whistler {
        let speech = Speech::of(codec).unwrap();
        let rate = speech.rate_hz().unwrap_or(16_000);
        Whistler {
            speaker: Speaker::new(99, codec.payload_type, codec.clock_hz / 50),
            encoder: Encoder::new(speech, rate, codec.parameters.as_deref()).unwrap(),
            tone_hz,
            rate: rate as usize,
            sent: 0,
        }
    }

    pub fn next(&mut self) -> Vec<u8> {
        let samples = self.rate / 50;
        let frame: Vec<i16> = (self.sent..self.sent + samples)
            .map(|n| (HEIGHT * (TAU * self.tone_hz * n as f64 / self.rate as f64).sin()) as i16)
            .collect();
        self.sent += samples;
        let mut payload = [0; 1500];
        let length = self.encoder.encode(&frame, &mut payload).unwrap();
        self.speaker.next(&payload[..length])
    }

    fn whistle(&mut self, world: &mut World, packets: usize) {
        for _ in 0..packets {
            let packet = self.next();
            world.arrive(A_SOCKET, at(A), &packet);
            world.pass(FRAME);
        }
    }
}

/// What the telephone hears, at the rate of its format.
pub fn listen(packets: &[Sent], codec: &Codec) -> (Vec<i16>, f64) {
    let speech = Speech::of(codec).unwrap();
    let rate = speech.rate_hz().unwrap_or(16_000);
    let mut decoder = Decoder::new(speech, rate).unwrap();
    let mut heard = Vec::new();
    for packet in packets {
        assert_eq!(packet.fields().payload_type, codec.payload_type);
        assert!(decoder.decode(packet.payload(), &mut heard));
    }
    (heard, f64::from(rate))
}

/// The height of a whistle of that pitch, and by how many decibels it stands out.
pub fn whistle_in(samples: &[i16], rate: f64, tone_hz: f64) -> (f64, f64) {
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * tone_hz * n as f64 / rate;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
        power += f64::from(*sample).powi(2);
    }
    let count = samples.len() as f64;
    let height = 2.0 * (re * re + im * im).sqrt() / count;
    let wanted = height * height / 2.0;
    (height, 10.0 * (wanted / (power / count - wanted).max(1e-9)).log10())
}

/// One source, no number left out, and timestamps in step with the time.
pub fn assert_unbroken(packets: &[Sent], clock_hz: u32) {
    let first = &packets[0];
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 > 0);
        let moved = f64::from(after.timestamp.wrapping_sub(first.fields().timestamp)) / f64::from(clock_hz);
        let passed = (pair[1].at - first.at).as_secs_f64();
        assert!((moved - passed).abs() < 0.011, "the timestamp moved by {moved} s in {passed} s");
    }
}

#[test]
fn a_whistle_keeps_its_pitch_and_its_level_from_each_format_to_each() {
    for (from, to) in all().iter().flat_map(|from| all().map(|to| (from.clone(), to))) {
        let mut world = World::new();
        world.apply(1, &legs_of(std::slice::from_ref(&from), std::slice::from_ref(&to)));
        Whistler::new(&from).whistle(&mut world, 75);
        let packets = world.take_rtp(at(B));
        assert!((72..=75).contains(&packets.len()), "{} to {}: {}", from.name, to.name, packets.len());
        assert_unbroken(&packets, to.clock_hz);
        let (heard, rate) = listen(&packets, &to);
        let steady = &heard[rate as usize / 2..rate as usize / 2 * 2];
        let (height, clean) = whistle_in(steady, rate, TONE_HZ);
        let level = 20.0 * (height / HEIGHT).log10();
        assert!(level.abs() < 1.5, "{} to {}: {level} dB", from.name, to.name);
        assert!(clean > 12.0, "{} to {}: noise only {clean} dB down", from.name, to.name);
    }
}

#[test]
fn formats_that_both_have_pass_untouched_and_without_a_delay() {
    let both = [opus(), Codec::pcmu()];
    let mut world = World::new();
    world.apply(1, &legs_of(&both, &both));
    let packet = Whistler::new(&opus()).next();
    world.arrive(A_SOCKET, at(A), &packet);
    let out = world.take_rtp(at(B));
    assert_eq!((out.len(), out[0].payload()), (1, &packet[12..]));
}

#[test]
fn a_tenth_of_the_packets_lost_leaves_no_hole_in_what_goes_out() {
    for (from, to) in [(opus(), Codec::pcma()), (Codec::pcma(), opus()), (g722(), Codec::pcmu())] {
        let mut world = World::new();
        world.apply(1, &legs_of(std::slice::from_ref(&from), std::slice::from_ref(&to)));
        let mut whistler = Whistler::new(&from);
        for n in 0..200 {
            let packet = whistler.next();
            if n % 10 != 6 {
                world.arrive(A_SOCKET, at(A), &packet);
            }
            world.pass(FRAME);
        }
        let packets = world.take_rtp(at(B));
        assert!(packets.len() >= 197, "{}", packets.len());
        assert_unbroken(&packets, to.clock_hz);
        let (heard, rate) = listen(&packets, &to);
        let (height, _) = whistle_in(&heard[rate as usize..rate as usize * 3], rate, TONE_HZ);
        assert!(height > HEIGHT * 0.7, "{} to {}: {height}", from.name, to.name);
    }
}

#[test]
fn keys_pass_amid_speech_of_another_format_under_one_identity() {
    let mut world = World::new();
    let codecs_a = [opus(), Codec::telephone_event(110, 48_000)];
    let codecs_b = [Codec::pcma(), Codec::telephone_event(101, 8000)];
    world.apply(1, &legs_of(&codecs_a, &codecs_b));
    let mut whistler = Whistler::new(&opus());
    whistler.whistle(&mut world, 20);
    let key_at = whistler.speaker.timestamp;
    for n in 1..=8u16 {
        let event = Event { code: 7, end: n >= 6, volume: 10, duration: 960 * n.min(6) };
        let keys = Speaker { payload_type: 110, step: 0, timestamp: key_at, ..whistler.speaker };
        let packet = { keys }.next(&event.to_bytes());
        whistler.speaker.sequence = whistler.speaker.sequence.wrapping_add(1);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
    }
    whistler.speaker.timestamp = key_at.wrapping_add(8 * 960);
    whistler.whistle(&mut world, 20);
    let out = world.take_rtp(at(B));
    let events: Vec<_> = out.iter().filter(|s| s.fields().payload_type == 101).collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|s| s.fields().timestamp == events[0].fields().timestamp));
    assert!(events[0].fields().marker && !events[1].fields().marker);
    assert_eq!(u16::from_be_bytes([events[7].payload()[2], events[7].payload()[3]]), 960);
    for pair in out.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
        assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 >= 0);
    }
    let (first, last) = (&out[0], &out[out.len() - 1]);
    let moved = last.fields().timestamp.wrapping_sub(first.fields().timestamp) / 8;
    assert!(u128::from(moved).abs_diff((last.at - first.at).as_millis()) <= 10, "{moved} ms");
    let told = world.take_events().into_iter().filter(|e| matches!(e, RelayEvent::Dtmf { digit: '7', .. })).count();
    assert_eq!(told, 1);
}

#[test]
fn a_digit_of_our_own_waits_for_no_speech_and_keeps_the_numbers() {
    let mut world = World::new();
    let codecs_b = [Codec::pcma(), Codec::telephone_event(101, 8000)];
    world.apply(1, &legs_of(&[opus()], &codecs_b));
    let (_, leg) = legs();
    let mut whistler = Whistler::new(&opus());
    whistler.whistle(&mut world, 10);
    world.order(RelayCommand::Dtmf { call: CALL, leg, digit: '5', duration: Duration::from_millis(100) });
    whistler.whistle(&mut world, 30);
    let out = world.take_rtp(at(B));
    let digits: Vec<_> = out.iter().filter(|s| s.fields().payload_type == 101).collect();
    assert_eq!(digits.iter().filter(|s| s.payload()[1] & 0x80 != 0).count(), 3);
    for pair in out.windows(2) {
        assert_eq!(pair[1].fields().sequence, pair[0].fields().sequence.wrapping_add(1));
        assert!(pair[1].fields().timestamp.wrapping_sub(pair[0].fields().timestamp) as i32 >= 0);
    }
    assert!(out.len() >= 30);
}

#[test]
fn a_hold_and_a_change_of_format_leave_the_identity_unbroken() {
    let mut world = World::new();
    let graph = legs_of(&[opus(), Codec::pcma()], &[Codec::pcma()]);
    world.apply(1, &graph);
    Whistler::new(&opus()).whistle(&mut world, 20);
    Whistler::new(&Codec::pcma()).whistle(&mut world, 20);
    Whistler::new(&opus()).whistle(&mut world, 20);
    let mut held = graph.clone();
    held[1].hears = Source::Nothing;
    world.apply(2, &held);
    let before = world.take_rtp(at(B));
    Whistler::new(&opus()).whistle(&mut world, 50);
    assert_eq!(world.sent.iter().filter(|s| s.is_rtp() && s.to == at(B)).count(), 0);
    world.apply(3, &graph);
    Whistler::new(&opus()).whistle(&mut world, 20);
    let packets: Vec<Sent> = before.into_iter().chain(world.take_rtp(at(B))).collect();
    assert!(packets.len() > 70);
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
        assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 > 0);
    }
}

#[test]
fn a_silent_source_does_not_stop_what_goes_out_and_a_passing_leg_has_no_tick() {
    let mut world = World::new();
    world.apply(1, &legs_of(&[opus()], &[Codec::pcma()]));
    Whistler::new(&opus()).whistle(&mut world, 10);
    world.take_sent();
    world.pass(Duration::from_secs(10));
    assert_eq!(world.take_rtp(at(B)).len(), 500);
    let mut passing = World::new();
    passing.apply(1, &legs_of(&[opus()], &[opus()]));
    Whistler::new(&opus()).whistle(&mut passing, 10);
    passing.take_sent();
    passing.pass(Duration::from_secs(10));
    assert_eq!(passing.take_rtp(at(B)).len(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    /// The next packet comes so many milliseconds after the last.
    Packet(u8),
    /// One is lost.
    Loss,
    /// The next two change places.
    Swap,
    /// The one before comes once more.
    Again,
    /// The telephone begins anew: another source with other numbers.
    Restart(u32, u16, u32),
    /// It speaks its other format.
    Switch,
    /// It presses a key.
    Key,
    /// It falls silent for so many milliseconds.
    Pause(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0u8..45).prop_map(Step::Packet),
        3 => Just(Step::Loss),
        2 => Just(Step::Swap),
        1 => Just(Step::Again),
        1 => (any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(a, b, c)| Step::Restart(a, b, c)),
        1 => Just(Step::Switch),
        1 => Just(Step::Key),
        1 => (0u16..3000).prop_map(Step::Pause),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_comes_in_one_unbroken_stream_goes_out(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        let keys = Codec::telephone_event(101, 8000);
        let codecs_a = [g722(), Codec::pcmu(), keys.clone()];
        world.apply(1, &legs_of(&codecs_a, &[opus(), keys]));
        let (mut speaker, mut last) = (Speaker::new(1, 9, 160), Vec::new());
        for step in steps {
            match step {
                Step::Packet(after) => {
                    world.pass(Duration::from_millis(after.into()));
                    last = speaker.next(&[0x5a; 160]);
                    world.arrive(A_SOCKET, at(A), &last);
                }
                Step::Loss => drop(speaker.next(&[])),
                Step::Swap => {
                    let (one, other) = (speaker.next(&[1; 160]), speaker.next(&[2; 160]));
                    world.arrive(A_SOCKET, at(A), &other);
                    world.arrive(A_SOCKET, at(A), &one);
                }
                Step::Again => world.arrive(A_SOCKET, at(A), &last),
                Step::Restart(ssrc, sequence, timestamp) => {
                    speaker = Speaker { ssrc, sequence, timestamp, ..speaker };
                }
                Step::Switch => speaker.payload_type = if speaker.payload_type == 9 { 0 } else { 9 },
                Step::Key => {
                    for n in 1..=5u16 {
                        let event = Event { code: 3, end: n == 5, volume: 10, duration: 160 * n };
                        let mut key = Speaker { payload_type: 101, step: 0, ..speaker };
                        let packet = key.next(&event.to_bytes());
                        world.arrive(A_SOCKET, at(A), &packet);
                        world.pass(FRAME);
                        speaker = Speaker { payload_type: speaker.payload_type, step: 160, ..key };
                    }
                    speaker.timestamp = speaker.timestamp.wrapping_add(5 * 160);
                }
                Step::Pause(millis) => world.pass(Duration::from_millis(millis.into())),
            }
        }
        world.pass(Duration::from_millis(500));
        let out = world.take_rtp(at(B));
        for pair in out.windows(2) {
            let (before, after) = (pair[0].fields(), pair[1].fields());
            prop_assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
            prop_assert!(after.timestamp.wrapping_sub(before.timestamp) as i32 >= 0);
        }
        let speech: Vec<&Sent> = out.iter().filter(|s| s.fields().payload_type == 111).collect();
        for pair in speech.windows(2) {
            prop_assert!(pair[1].fields().timestamp != pair[0].fields().timestamp);
            prop_assert!(pair[1].at - pair[0].at >= Duration::from_millis(19) || pair[1].at == pair[0].at);
        }
    }
}
