//! Telephones whose clocks are not ours, for a long time, through a relay that translates.

use std::time::Duration;

use patchcord::media::codec::{Encoder, Speech};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, Source};

use super::world::{Sent, Speaker, World, at, legs, phone, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const SOCKETS: [SocketId; 2] = [SocketId(2), SocketId(4)];
const FRAME: Duration = Duration::from_millis(20);
const LENGTH: Duration = Duration::from_secs(3600);

/// One who whistles by a clock of its own.
struct Party {
    speaker: Speaker,
    payloads: Vec<Vec<u8>>,
    seconds_a_packet: f64,
    said: u32,
}

impl Party {
    fn new(codec: &Codec, ppm: f64) -> Party {
        let speech = Speech::of(codec).unwrap();
        let rate = speech.rate_hz().unwrap_or(8000);
        let mut encoder = Encoder::new(speech, rate, None).unwrap();
        let sample = |n: u32| 8000.0 * (std::f64::consts::TAU * 400.0 * f64::from(n) / f64::from(rate)).sin();
        let packet = |n: u32| {
            let frame: Vec<i16> = (n * rate / 50..(n + 1) * rate / 50).map(|n| sample(n) as i16).collect();
            let mut payload = [0; 1500];
            let length = encoder.encode(&frame, &mut payload).unwrap();
            payload[..length].to_vec()
        };
        let payloads = (0..50).map(packet).collect();
        let speaker = Speaker::new(99, codec.payload_type, codec.clock_hz / 50);
        Party { speaker, payloads, seconds_a_packet: 0.02 / (1.0 + ppm / 1e6), said: 0 }
    }

    fn next_at(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.said) * self.seconds_a_packet)
    }

    fn next(&mut self) -> Vec<u8> {
        let payload = &self.payloads[self.said as usize % self.payloads.len()];
        self.said += 1;
        self.speaker.next(payload)
    }
}

/// What one hears: one source, each number, each timestamp and each twentieth millisecond.
struct Heard {
    step: u32,
    last: Option<Sent>,
    count: u32,
}

impl Heard {
    fn new(codec: &Codec) -> Heard {
        Heard { step: codec.clock_hz / 50, last: None, count: 0 }
    }

    fn hear(&mut self, sent: Sent) {
        let fields = sent.fields();
        if let Some(last) = self.last.replace(sent.clone()) {
            let before = last.fields();
            assert_eq!(fields.ssrc, before.ssrc);
            assert_eq!(fields.sequence, before.sequence.wrapping_add(1), "packet {}", self.count);
            assert_eq!(fields.timestamp, before.timestamp.wrapping_add(self.step), "packet {}", self.count);
            let off = (sent.at - last.at).abs_diff(FRAME);
            assert!(off < Duration::from_millis(1), "packet {}: {off:?}", self.count);
            assert!(!fields.marker, "no new talk spurt");
        }
        self.count += 1;
    }
}

#[test]
fn for_an_hour_what_goes_out_is_one_unbroken_stream_however_fast_or_slow_the_clocks_of_those_who_speak() {
    let (pcmu, opus) = (Codec::pcmu(), Codec::new(111, "opus", 48_000, 2));
    let (a, b) = legs();
    let (of_a, of_b) = (std::slice::from_ref(&pcmu), std::slice::from_ref(&opus));
    let mut world = World::new();
    let leg_a = plain_leg(a, Some(phone(A, of_a)), of_a, Source::Leg(b));
    world.apply(1, &[leg_a, plain_leg(b, Some(phone(B, of_b)), of_b, Source::Leg(a))]);
    let (addresses, start) = ([at(A), at(B)], world.now);
    let mut parties = [Party::new(&pcmu, 300.0), Party::new(&opus, -300.0)];
    let mut heard = [Heard::new(&pcmu), Heard::new(&opus)];
    while let Some(who) = (0..2).min_by_key(|who| parties[*who].next_at())
        && parties[who].next_at() < LENGTH
    {
        world.pass((start + parties[who].next_at()).saturating_duration_since(world.now));
        let packet = parties[who].next();
        world.arrive(SOCKETS[who], addresses[who], &packet);
        for sent in world.take_sent().into_iter().filter(Sent::is_rtp) {
            let whom = usize::from(sent.to == addresses[1]);
            heard[whom].hear(sent);
        }
        world.take_events();
    }
    let frames = (LENGTH.as_millis() / FRAME.as_millis()) as u32;
    for Heard { count, .. } in heard {
        // All but those before the first packet, and the last.
        assert!((frames - 5..=frames).contains(&count), "{count} of {frames}");
    }
}
