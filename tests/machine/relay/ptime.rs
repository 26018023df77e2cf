//! Packets of other lengths than the usual, both ways.

use std::time::Duration;

use super::world::{Speaker, World, at, legs, phone, plain_leg};
use patchcord::media::codec::{Encoder, Speech};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, Play, RemoteEnd, Sound, Source, Tone};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

fn g722() -> Codec {
    Codec::new(9, "G722", 8000, 1)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn graph(from: &Codec, to: &Codec, wanted: u64, hears: Option<Source>) -> [GraphLeg; 2] {
    let (a, b) = legs();
    let codecs = |codec: &Codec| vec![codec.clone()];
    let listener = RemoteEnd { ptime: Some(ms(wanted)), ..phone(B, &codecs(to)) };
    let hears = hears.unwrap_or(Source::Leg(a));
    [
        plain_leg(a, Some(phone(A, &codecs(from))), &codecs(from), Source::Leg(b)),
        GraphLeg { keeps_sending: true, ..plain_leg(b, Some(listener), &codecs(to), hears) },
    ]
}

/// What B gets, checked to be one stream in packets of that length.
fn assert_packets(world: &mut World, to: &Codec, length: u64, at_least: usize) {
    let packets = world.take_rtp(at(B));
    assert!(packets.len() >= at_least, "{} in {length} ms: {}", to.name, packets.len());
    let step = (length * u64::from(to.clock_hz) / 1000) as u32;
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!((after.ssrc, after.sequence), (before.ssrc, before.sequence.wrapping_add(1)));
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), step, "{} in {length} ms", to.name);
        assert!((pair[1].at - pair[0].at).abs_diff(ms(length)) <= ms(10), "{length} ms");
    }
    let speech = Speech::of(to).expect("speech");
    assert!(packets.iter().all(|packet| speech.duration(packet.payload()) == Some(step)));
}

#[test]
fn speech_that_is_translated_goes_out_in_packets_as_long_as_the_peer_wants() {
    for (from, to) in [(opus(), Codec::pcma()), (Codec::pcmu(), g722()), (Codec::pcmu(), opus()), (g722(), opus())] {
        for (wanted, length) in [(5, 10), (10, 10), (20, 20), (30, 30), (40, 40), (50, 50), (60, 60), (200, 60)] {
            let length = if to.name == "opus" && matches!(length, 30 | 50) { length - 10 } else { length };
            let speech = Speech::of(&from).expect("speech");
            let rate = speech.rate_hz().unwrap_or(16_000);
            let mut encoder = Encoder::new(speech, rate, None).expect("an encoder");
            let mut world = World::new();
            world.apply(1, &graph(&from, &to, wanted, None));
            let mut speaker = Speaker::new(9, from.payload_type, from.clock_hz / 50);
            for _ in 0..100 {
                let mut payload = [0; 1500];
                let frame = vec![1000; rate as usize / 50];
                let octets = encoder.encode(&frame, &mut payload).expect("a packet");
                let packet = speaker.next(&payload[..octets]);
                world.arrive(A_SOCKET, at(A), &packet);
                world.pass(ms(20));
            }
            if matches!(length, 30 | 50) {
                // A tick each 20 ms makes them now and then 10 ms early or late.
                let packets = world.take_rtp(at(B));
                let step = (length * u64::from(to.clock_hz) / 1000) as u32;
                let steps = packets.windows(2).map(|w| w[1].fields().timestamp.wrapping_sub(w[0].fields().timestamp));
                assert!(steps.into_iter().all(|s| s == step) && packets.len() as u64 >= 1900 / length);
            } else {
                assert_packets(&mut world, &to, length, (1900 / length) as usize);
            }
        }
    }
}

#[test]
fn sounds_and_the_noise_of_silence_go_out_in_packets_as_long_as_the_peer_wants() {
    for (wanted, codec) in [(10, Codec::pcmu()), (40, g722()), (60, Codec::pcma())] {
        let sound = Source::Play(Play { sound: Sound::Tone(Tone::Ringing), repeats: true });
        for hears in [Some(sound), None] {
            let mut world = World::new();
            world.apply(1, &graph(&codec, &codec, wanted, hears));
            // Nobody fills the first seconds of a call in which nothing was heard yet.
            world.pass(ms(8000));
            assert_packets(&mut world, &codec, wanted, (3800 / wanted) as usize);
        }
    }
}

#[test]
fn speech_that_passes_keeps_the_packets_of_its_sender() {
    let mut world = World::new();
    world.apply(1, &graph(&Codec::pcmu(), &Codec::pcmu(), 60, None));
    let mut speaker = Speaker::new(9, 0, 80);
    for _ in 0..100 {
        let packet = speaker.next(&[0x55; 80]);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(ms(10));
    }
    let packets = world.take_rtp(at(B));
    assert!(packets.len() == 100 && packets.iter().all(|packet| packet.payload().len() == 80));
}
