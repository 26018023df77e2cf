//! Keys of a keypad as tones in speech: heard, kept from the other side, and said.

use std::time::Duration;

use super::world::{CALL, Sent, Speaker, World, at, legs, phone, plain_leg};
use patchcord::media::codec::{Decoder, Encoder, Speech};
use patchcord::media::dtmf::detect::{Detector, RATE_HZ};
use patchcord::media::dtmf::tones::Tones;
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, Dtmf, GraphKeys, GraphLeg, RelayCommand, RelayEvent, Source};
use patchcord::rtp::event::Key;

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const FRAME: Duration = Duration::from_millis(20);

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

fn g722() -> Codec {
    Codec::new(9, "G722", 8000, 1)
}

fn all() -> [Codec; 4] {
    [opus(), g722(), Codec::pcmu(), Codec::pcma()]
}

/// A says its keys in tones, and B is told of keys so if that is said.
fn legs_of(codec_a: &Codec, codecs_b: &[Codec], says_tones: bool) -> [GraphLeg; 2] {
    let (a, b) = legs();
    let codecs_a = std::slice::from_ref(codec_a);
    let mut legs = [
        plain_leg(a, Some(phone(A, codecs_a)), codecs_a, Source::Leg(b)),
        plain_leg(b, Some(phone(B, codecs_b)), codecs_b, Source::Leg(a)),
    ];
    legs[0].keys = GraphKeys { hears_tones: !says_tones, says_tones: false };
    legs[1].keys = GraphKeys { hears_tones: false, says_tones };
    legs
}

/// A telephone on leg A that plays what it is given.
struct Phone {
    speaker: Speaker,
    encoder: Encoder,
    rate_hz: u32,
}

impl Phone {
    fn new(codec: &Codec) -> Phone {
        let speech = Speech::of(codec).unwrap();
        let rate_hz = speech.rate_hz().unwrap_or(16_000);
        let speaker = Speaker::new(99, codec.payload_type, codec.clock_hz / 50);
        Phone { speaker, encoder: Encoder::new(speech, rate_hz, None).unwrap(), rate_hz }
    }

    fn say(&mut self, world: &mut World, samples: &[i16]) {
        for frame in samples.chunks_exact(self.rate_hz as usize / 50) {
            let mut payload = [0; 1500];
            let length = self.encoder.encode(frame, &mut payload).unwrap();
            let packet = self.speaker.next(&payload[..length]);
            world.arrive(A_SOCKET, at(A), &packet);
            world.pass(FRAME);
        }
    }

    /// A hum that is no key, softly.
    fn hum(&mut self, world: &mut World, ms: u32) {
        let samples = ms * self.rate_hz / 1000;
        let wave = |n| 2000.0 * (std::f64::consts::TAU * 300.0 * f64::from(n) / f64::from(self.rate_hz)).sin();
        let hum: Vec<i16> = (0..samples).map(|n| wave(n) as i16).collect();
        self.say(world, &hum);
    }

    /// Keys of this length, beginning `offset_ms` into a packet.
    fn press(&mut self, world: &mut World, keys: &str, ms: u64, offset_ms: u32) {
        let mut tones = Tones::new(self.rate_hz);
        for key in keys.chars() {
            assert!(tones.press(key, Duration::from_millis(ms)));
        }
        let mut samples = vec![0; (offset_ms * self.rate_hz / 1000) as usize];
        let mut frame = vec![0; self.rate_hz as usize / 50];
        while !tones.is_over() {
            tones.fill(&mut frame);
            samples.extend_from_slice(&frame);
        }
        samples.resize(samples.len().next_multiple_of(frame.len()), 0);
        self.say(world, &samples);
    }
}

/// What somebody hears of packets, at 8000 Hz.
fn listen(packets: &[Sent], codec: &Codec) -> Vec<i16> {
    let mut decoder = Decoder::new(Speech::of(codec).unwrap(), RATE_HZ).unwrap();
    let mut heard = Vec::new();
    for packet in packets.iter().filter(|p| p.fields().payload_type == codec.payload_type) {
        assert!(decoder.decode(packet.payload(), &mut heard));
    }
    heard
}

fn keys_in(samples: &[i16]) -> Vec<Dtmf> {
    let (mut detector, mut keys) = (Detector::default(), Vec::new());
    detector.hear(samples, |key| keys.extend(if let Key::Released(dtmf) = key { Some(dtmf) } else { None }));
    keys
}

fn told(world: &mut World) -> (String, Vec<Dtmf>) {
    let (mut pressed, mut released) = (String::new(), Vec::new());
    for event in world.take_events() {
        match event {
            RelayEvent::Pressed { leg, digit, .. } if leg == legs().0 => pressed.push(digit),
            RelayEvent::Dtmf { leg, digit, duration, .. } if leg == legs().0 => released.push(Dtmf { digit, duration }),
            _ => {}
        }
    }
    (pressed, released)
}

#[test]
fn tones_in_speech_are_told_once_each_with_their_duration_whatever_the_formats() {
    for codec_a in all() {
        for codec_b in all() {
            let mut world = World::new();
            world.apply(1, &legs_of(&codec_a, std::slice::from_ref(&codec_b), false));
            let mut phone = Phone::new(&codec_a);
            phone.hum(&mut world, 400);
            phone.press(&mut world, "0123456789*#ABCD", 100, 7);
            phone.hum(&mut world, 400);
            let (pressed, released) = told(&mut world);
            assert_eq!(pressed, "0123456789*#ABCD", "{} to {}", codec_a.name, codec_b.name);
            assert_eq!(released.iter().map(|d| d.digit).collect::<String>(), pressed);
            for dtmf in released {
                assert!(dtmf.duration.abs_diff(Duration::from_millis(100)) < Duration::from_millis(20), "{dtmf:?}");
            }
            let heard = listen(&world.take_rtp(at(B)), &codec_b);
            assert!(keys_in(&heard).is_empty(), "{} to {}: no tone that passes is a key", codec_a.name, codec_b.name);
        }
    }
}

#[test]
fn of_a_tone_that_is_told_at_most_20_ms_pass_and_speech_around_it_stays() {
    let mut longest = 0;
    for offset in 0..20 {
        let mut world = World::new();
        world.apply(1, &legs_of(&Codec::pcmu(), &[Codec::pcmu()], false));
        let mut phone = Phone::new(&Codec::pcmu());
        phone.press(&mut world, "5", 200, offset);
        let heard = listen(&world.take_rtp(at(B)), &Codec::pcmu());
        let loud = heard.chunks(8).filter(|ms| ms.iter().any(|s| s.unsigned_abs() > 100)).count();
        longest = longest.max(loud);
        phone.hum(&mut world, 200);
        let after = listen(&world.take_rtp(at(B)), &Codec::pcmu());
        assert!(after.chunks(80).all(|c| c.iter().any(|s| s.unsigned_abs() > 1500)), "the hum is there at once");
    }
    assert!(longest <= 20, "{longest} ms");
}

#[test]
fn a_tone_during_which_the_telephone_falls_silent_is_over() {
    let mut world = World::new();
    world.apply(1, &legs_of(&Codec::pcmu(), &[Codec::pcmu()], false));
    let mut phone = Phone::new(&Codec::pcmu());
    let mut tones = Tones::new(8000);
    tones.press('8', Duration::from_secs(1));
    let mut frame = [0; 160];
    for _ in 0..10 {
        tones.fill(&mut frame);
        phone.say(&mut world, &frame);
    }
    assert_eq!(told(&mut world).0, "8");
    world.pass(Duration::from_millis(400));
    let released = told(&mut world).1;
    assert_eq!(released.iter().map(|d| d.digit).collect::<String>(), "8");
}

#[test]
fn nobody_listens_for_tones_where_that_is_not_wanted() {
    let mut world = World::new();
    world.apply(1, &legs_of(&Codec::pcmu(), &[Codec::pcmu()], true));
    let mut phone = Phone::new(&Codec::pcmu());
    phone.press(&mut world, "123", 100, 0);
    assert_eq!(told(&mut world).0, "");
    let heard = listen(&world.take_rtp(at(B)), &Codec::pcmu());
    assert_eq!(keys_in(&heard).len(), 3, "they pass as they are");
}

#[test]
fn lost_packets_in_a_tone_do_not_make_two_keys_of_it() {
    let mut world = World::new();
    world.apply(1, &legs_of(&Codec::pcmu(), &[Codec::pcmu()], false));
    let mut phone = Phone::new(&Codec::pcmu());
    let mut tones = Tones::new(8000);
    tones.press('6', Duration::from_millis(400));
    let mut frame = [0; 160];
    for number in 0..40 {
        tones.fill(&mut frame);
        if number == 9 {
            phone.speaker.next(&[0; 160]);
            world.pass(FRAME);
        } else {
            phone.say(&mut world, &frame);
        }
    }
    assert_eq!(told(&mut world).1.len(), 1);
}

#[test]
fn digits_that_are_ordered_go_out_as_tones_in_place_of_speech_in_one_unbroken_stream() {
    for codec_a in all() {
        for codec_b in all() {
            let mut world = World::new();
            world.apply(1, &legs_of(&codec_a, std::slice::from_ref(&codec_b), true));
            let (_, leg) = legs();
            let mut phone = Phone::new(&codec_a);
            phone.hum(&mut world, 300);
            for digit in ['1', '#', 'D', '1'] {
                world.order(RelayCommand::Dtmf { call: CALL, leg, digit, duration: Duration::from_millis(100) });
            }
            phone.hum(&mut world, 1200);
            let out = world.take_rtp(at(B));
            let way = format!("{} to {}", codec_a.name, codec_b.name);
            let keys = keys_in(&listen(&out, &codec_b));
            assert_eq!(keys.iter().map(|d| d.digit).collect::<String>(), "1#D1", "{way}");
            for dtmf in &keys {
                let off = dtmf.duration.abs_diff(Duration::from_millis(100));
                assert!(off < Duration::from_millis(20), "{way}: {keys:?}");
            }
            for pair in out.windows(2) {
                let (before, after) = (pair[0].fields(), pair[1].fields());
                assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)), "{way}");
                let moved = after.timestamp.wrapping_sub(before.timestamp) as f64 / f64::from(codec_b.clock_hz);
                let passed = (pair[1].at - pair[0].at).as_secs_f64();
                assert!(moved > 0.0 && (moved - passed).abs() < 0.041, "{way}: {moved} s in {passed} s");
            }
        }
    }
}

#[test]
fn a_digit_for_a_leg_that_is_silent_goes_out_as_a_tone_all_the_same_and_is_at_least_70_ms_long() {
    let mut world = World::new();
    world.apply(1, &legs_of(&Codec::pcmu(), &[Codec::pcma()], true));
    let (_, leg) = legs();
    for digit in ['9', 'x'] {
        world.order(RelayCommand::Dtmf { call: CALL, leg, digit, duration: Duration::ZERO });
    }
    world.pass(Duration::from_millis(400));
    let keys = keys_in(&listen(&world.take_rtp(at(B)), &Codec::pcma()));
    assert_eq!(keys.iter().map(|d| d.digit).collect::<String>(), "9");
    assert!(keys[0].duration >= Duration::from_millis(60));
}
