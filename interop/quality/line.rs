//! Speech from file to file, through the relay's own shard in virtual time, or through a codec alone.
//!
//! Orders come as lines of `name=value` words after a verb, and each is answered with a line of JSON:
//!
//! ```text
//! relay from=opus to=pcmu in=a.raw out=b.raw [loss=3 jitter=40 fec=1 expects=10 out-loss=5 out-fec=1 seed=7
//!       ppm=-300 late=9000]
//! coder codec=opus in=a.raw out=b.raw [loss=3 fec=1 expects=10 seed=7]
//! keys  codec=pcmu in=a.raw
//! ```
//!
//! Files hold samples of 16 bits, little endian, one channel, at the rate of their codec: 48 kHz for Opus, 16 kHz for
//! G.722, 8 kHz for G.711. `loss` is in percent, at random, `jitter` in milliseconds by which a packet may be late.
//! With `packets=` the payloads that were heard are written too, each after its length in two octets, 0 where one is lost.
//! `ppm` is by how much the sender's clock is fast, and `late` how much later than its time the first packet comes, in
//! microseconds: what comes after it waits for so much longer, or shorter.
//! `expects` is the loss that the far encoder reckons with. What goes out may be lost too (`out-loss`); then the far
//! side reports it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../../tests/machine/relay/world.rs"]
mod world;

use std::collections::HashMap;
use std::fs;
use std::io::BufRead;
use std::time::Duration;

use patchcord::base::Dice;
use patchcord::media::codec::{Decoder, Encoder, MAX_PAYLOAD, Speech};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphKeys, RelayEvent, Source};
use patchcord::rtp::rtcp::{ReportBlock, Writer};

use world::{Sent, Speaker, World, at, legs, phone, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const B_RTCP: &str = "203.0.113.2:5001";
const A_SOCKET: SocketId = SocketId(2);
const B_RTCP_SOCKET: SocketId = SocketId(5);
const FRAME: Duration = Duration::from_millis(20);

/// Between two reports of the far side.
const REPORTS: u32 = 100;

/// One line of what is to be done.
struct Order(HashMap<String, String>);

impl Order {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name}= is missing"))
    }

    fn number(&self, name: &str) -> u32 {
        self.0.get(name).map_or(0, |value| value.parse().expect("a number"))
    }

    /// A number that may be less than nothing.
    fn signed(&self, name: &str) -> f64 {
        self.0.get(name).map_or(0.0, |value| value.parse().expect("a number"))
    }

    fn codec(&self, name: &str, fec: bool) -> Codec {
        match self.text(name) {
            "pcmu" => Codec::pcmu(),
            "pcma" => Codec::pcma(),
            "g722" => Codec::new(9, "G722", 8000, 1),
            "opus" => {
                let parameters = fec.then(|| "useinbandfec=1".to_owned());
                Codec { parameters, ..Codec::new(111, "opus", 48_000, 2) }
            }
            other => panic!("{other} is no codec"),
        }
    }

    /// Which packets are lost on a way that loses so many percent.
    fn losses(&self, name: &str, salt: u64) -> impl FnMut() -> bool + use<> {
        let percent = self.number(name);
        let mut dice = Dice::for_test(u64::from(self.number("seed")) * 1000 + salt);
        move || dice.below(100) < percent
    }
}

fn rate_of(codec: &Codec) -> u32 {
    Speech::of(codec).unwrap().rate_hz().unwrap_or(48_000)
}

fn read(path: &str) -> Vec<i16> {
    let bytes = fs::read(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

fn write(path: &str, samples: &[i16]) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    fs::write(path, bytes).unwrap_or_else(|why| panic!("{path}: {why}"));
}

/// A file as packets of one codec.
fn packets(codec: &Codec, samples: &[i16], expects: u32) -> Vec<Vec<u8>> {
    let rate = rate_of(codec);
    let mut encoder = Encoder::new(Speech::of(codec).unwrap(), rate, codec.parameters.as_deref()).unwrap();
    encoder.expect_loss(expects as u8);
    let frames = samples.chunks_exact(rate as usize / 50);
    let encode = |frame: &[i16]| {
        let mut packet = [0; MAX_PAYLOAD];
        let length = encoder.encode(frame, &mut packet).expect("a packet for each frame");
        packet[..length].to_vec()
    };
    frames.map(encode).collect()
}

/// What a listener makes of packets, some of which are lost.
fn listen(codec: &Codec, payloads: &[Option<Vec<u8>>]) -> Vec<i16> {
    let rate = rate_of(codec);
    let length = rate as usize / 50;
    let has_fec = codec.parameters.is_some();
    let mut decoder = Decoder::new(Speech::of(codec).unwrap(), rate).unwrap();
    let mut heard = Vec::new();
    for (n, payload) in payloads.iter().enumerate() {
        let next = payloads.get(n + 1).and_then(Option::as_ref);
        let is_made = match (payload, next.filter(|_| has_fec)) {
            (Some(payload), _) => decoder.decode(payload, &mut heard),
            (None, Some(next)) => decoder.recover(next, length, &mut heard),
            (None, None) => decoder.conceal(length, &mut heard),
        };
        if !is_made {
            // The bare format, without anything that conceals.
            heard.resize(heard.len() + length, 0);
        }
    }
    heard
}

fn write_packets(order: &Order, payloads: &[Option<Vec<u8>>]) {
    let Some(path) = order.0.get("packets") else { return };
    let mut bytes = Vec::new();
    for payload in payloads {
        let payload = payload.as_deref().unwrap_or_default();
        bytes.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    fs::write(path, bytes).unwrap_or_else(|why| panic!("{path}: {why}"));
}

/// By a codec alone: the best that the format can do.
fn coder(order: &Order) -> String {
    let codec = order.codec("codec", order.number("fec") == 1);
    let mut is_lost = order.losses("loss", 1);
    let payloads: Vec<_> = packets(&codec, &read(order.text("in")), order.number("expects"))
        .into_iter()
        .map(|payload| (!is_lost()).then_some(payload))
        .collect();
    write_packets(order, &payloads);
    write(order.text("out"), &listen(&codec, &payloads));
    format!(r#"{{"packets":{},"lost":{}}}"#, payloads.len(), payloads.iter().filter(|p| p.is_none()).count())
}

/// A packet on its way to the relay.
struct UnderWay {
    at: Duration,
    bytes: Vec<u8>,
}

fn under_way(order: &Order, codec: &Codec) -> (Vec<UnderWay>, usize) {
    let mut is_lost = order.losses("loss", 1);
    let mut dice = Dice::for_test(u64::from(order.number("seed")) * 1000 + 2);
    let mut speaker = Speaker::new(99, codec.payload_type, codec.clock_hz / 50);
    let payloads = packets(codec, &read(order.text("in")), order.number("expects"));
    let count = payloads.len();
    let mut way: Vec<UnderWay> = Vec::with_capacity(count);
    let frame = FRAME.as_secs_f64() / (1.0 + order.signed("ppm") / 1e6);
    let first_late = order.signed("late") / 1e6;
    for (n, payload) in payloads.iter().enumerate() {
        let bytes = speaker.next(payload);
        let late = f64::from(dice.below(order.number("jitter") * 1000 + 1)) / 1e6;
        let late = late + if n == 0 { first_late.max(0.0) } else { (-first_late).max(0.0) };
        if !is_lost() {
            way.push(UnderWay { at: Duration::from_secs_f64(frame * n as f64 + late), bytes });
        }
    }
    way.sort_by_key(|packet| packet.at);
    (way, count)
}

/// The far side tells the relay how much it misses.
fn report(world: &mut World, order: &Order, heard: &Sent) {
    let block = ReportBlock {
        ssrc: heard.fields().ssrc,
        fraction_lost: (order.number("out-loss") * 256 / 100) as u8,
        lost: 0,
        highest: heard.fields().sequence.into(),
        jitter: 0,
        last_sender_report: 0,
        delay: 0,
    };
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    assert!(writer.report(77, None, &[block]) && writer.canonical_name(77, "far"));
    let length = writer.length();
    world.arrive(B_RTCP_SOCKET, at(B_RTCP), &buffer[..length]);
}

/// Through the relay, between two telephones that share no format.
fn relay(order: &Order) -> String {
    let (from, to) = (order.codec("from", order.number("fec") == 1), order.codec("to", order.number("out-fec") == 1));
    let (a, b) = legs();
    let (codecs_a, codecs_b) = (std::slice::from_ref(&from), std::slice::from_ref(&to));
    let mut world = World::new();
    world.apply(
        1,
        &[
            plain_leg(a, Some(phone(A, codecs_a)), codecs_a, Source::Leg(b)),
            plain_leg(b, Some(phone(B, codecs_b)), codecs_b, Source::Leg(a)),
        ],
    );
    let (way, sent) = under_way(order, &from);
    let (start, mut out) = (world.now, Vec::<Sent>::new());
    let mut reported = 0;
    for packet in way {
        world.pass((start + packet.at).saturating_duration_since(world.now));
        world.arrive(A_SOCKET, at(A), &packet.bytes);
        out.extend(world.take_rtp(at(B)));
        if out.len() as u32 / REPORTS > reported && order.number("out-loss") > 0 {
            reported += 1;
            report(&mut world, order, out.last().unwrap());
        }
    }
    world.pass(Duration::from_millis(300));
    out.extend(world.take_rtp(at(B)));
    for pair in out.windows(2) {
        assert_eq!(pair[1].fields().sequence, pair[0].fields().sequence.wrapping_add(1), "an unbroken stream");
    }
    let mut is_lost = order.losses("out-loss", 3);
    let payloads: Vec<_> = out.iter().map(|sent| (!is_lost()).then(|| sent.payload().to_vec())).collect();
    write_packets(order, &payloads);
    write(order.text("out"), &listen(&to, &payloads));
    let octets: usize = out.iter().map(|sent| sent.payload().len()).sum();
    format!(r#"{{"sent":{sent},"heard":{},"octets":{octets}}}"#, out.len())
}

/// The keys that the relay hears in a telephone's speech.
fn keys(order: &Order) -> String {
    let codec = order.codec("codec", false);
    let (a, b) = legs();
    let codecs = std::slice::from_ref(&codec);
    let mut leg_a = plain_leg(a, Some(phone(A, codecs)), codecs, Source::Leg(b));
    leg_a.keys = GraphKeys { hears_tones: true, says_tones: false };
    let mut world = World::new();
    world.apply(1, &[leg_a, plain_leg(b, Some(phone(B, codecs)), codecs, Source::Leg(a))]);
    let mut speaker = Speaker::new(99, codec.payload_type, codec.clock_hz / 50);
    let start = world.now;
    let mut found = Vec::new();
    for payload in packets(&codec, &read(order.text("in")), 0) {
        let packet = speaker.next(&payload);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
        world.take_sent();
        for event in world.take_events() {
            if let RelayEvent::Dtmf { digit, duration, .. } = event {
                let at = (world.now - start).as_millis();
                found.push(format!(r#"{{"key":"{digit}","ms":{},"at":{at}}}"#, duration.as_millis()));
            }
        }
    }
    format!(r#"{{"keys":[{}]}}"#, found.join(","))
}

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let named = words.map(|word| word.split_once('=').expect("name=value"));
        let order = Order(named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        let answer = match verb {
            "relay" => relay(&order),
            "coder" => coder(&order),
            "keys" => keys(&order),
            other => panic!("{other} is no order"),
        };
        println!("{answer}");
    }
}
