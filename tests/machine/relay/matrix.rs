//! Every kind of leg to every other, with each format of speech to each other: a tone each way and one unbroken stream.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, LegSpec, RemoteEnd, Source};
use patchcord::rtp::Profile;

use super::codecs::{HEIGHT, Whistler, all, assert_unbroken, listen, whistle_in};
use super::peers::{Peer, Sort};
use super::world::{Sent, World, at, legs, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
/// What A whistles and what B does. Both fit a whole number of times into the part that is measured.
const A_HZ: f64 = 600.0;
const B_HZ: f64 = 1400.0;
/// Packets of 20 ms that each says.
const PACKETS: usize = 40;
/// The part that is measured: the last 0.4 s, when all coders have settled.
const MEASURED_MS: usize = 400;

const KINDS: [Sort; 5] = [
    Sort::DtlsWithIce,
    Sort::DtlsWithoutIce,
    Sort::Sdes(Profile::AesCm128HmacSha1_80),
    Sort::Plain,
    Sort::SdesWithIce(Profile::AesCm128HmacSha1_80),
];

/// Two legs, each of its kind and with its one format.
struct Pairing {
    kinds: [Sort; 2],
    codecs: [Codec; 2],
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([a, b], [from, to]) = (&self.kinds, &self.codecs);
        write!(f, "{a:?} with {} to {b:?} with {}", from.name, to.name)
    }
}

/// What one end has got, each packet with the time at which it was fetched.
struct Ear {
    peer: Peer,
    got: Vec<Sent>,
}

impl Ear {
    fn fetch(&mut self, world: &mut World) {
        let (now, socket, to) = (world.now, self.peer.wire, self.peer.address);
        let sent = |bytes| Sent { at: now, socket, to, bytes };
        self.got.extend(self.peer.packets(world).into_iter().map(sent));
    }

    /// One unbroken stream with the tone of the other side, at its level, and without its own.
    fn assert_hears(&self, codec: &Codec, wanted_hz: f64, own_hz: f64, whose: &str) {
        let count = self.got.len();
        assert!((PACKETS - 3..=PACKETS).contains(&count), "{whose} gets {count} packets");
        assert_unbroken(&self.got, codec.clock_hz);
        let (heard, rate) = listen(&self.got, codec);
        let steady = &heard[heard.len() - rate as usize * MEASURED_MS / 1000..];
        let (height, clean) = whistle_in(steady, rate, wanted_hz);
        let level = 20.0 * (height / HEIGHT).log10();
        assert!(level.abs() < 2.0, "{whose} hears {wanted_hz} Hz at {level:.1} dB");
        assert!(clean > 12.0, "{whose} hears {wanted_hz} Hz only {clean:.1} dB above the rest");
        let (echo, _) = whistle_in(steady, rate, own_hz);
        let apart = 20.0 * (height / echo.max(1.0)).log10();
        assert!(apart > 30.0, "{whose} hears itself at {own_hz} Hz, {apart:.1} dB below the other");
    }
}

impl Pairing {
    fn graph(&self, ends: [Option<RemoteEnd>; 2]) -> [GraphLeg; 2] {
        let (a, b) = legs();
        let leg = |leg, spec: LegSpec, codec: &Codec, remote, hears| GraphLeg {
            spec,
            ..plain_leg(leg, remote, std::slice::from_ref(codec), Source::Leg(hears))
        };
        let [end_a, end_b] = ends;
        [
            leg(a, self.kinds[0].spec(), &self.codecs[0], end_a, b),
            leg(b, self.kinds[1].spec(), &self.codecs[1], end_b, a),
        ]
    }

    /// A offers, B answers, and what is to be done before media is done.
    fn connect(&self, world: &mut World) -> [Ear; 2] {
        let [a, b] = self.kinds;
        let codecs = self.codecs.each_ref().map(std::slice::from_ref);
        let b_wire = if a.has_ice() { SocketId(2) } else { SocketId(4) };
        let mut one = Peer::new(world, a, at(A), SocketId(2));
        let mut other = Peer::new(world, b, at(B), b_wire);
        let offer = one.offer(codecs[0]);
        world.apply(1, &self.graph([Some(offer.clone()), None]));
        let (end_a, end_b) = (world.ready(legs().0), world.ready(legs().1));
        one.hear(world, &end_a);
        let answer = other.answer(world, &end_b, codecs[1]);
        world.apply(2, &self.graph([Some(offer), Some(answer)]));
        for _ in 0..60 {
            one.pass(world, Duration::from_millis(5));
            other.pass(world, Duration::from_millis(5));
        }
        [one, other].map(|peer| Ear { peer, got: Vec::new() })
    }

    /// Both whistle at once, and each hears the other.
    fn talk(&self) {
        let mut world = World::new();
        let mut ears = self.connect(&mut world);
        let [from, to] = &self.codecs;
        let mut whistlers = [Whistler::at_pitch(from, A_HZ), Whistler::at_pitch(to, B_HZ)];
        whistlers[1].speaker.ssrc = 98;
        for _ in 0..PACKETS {
            for (ear, whistler) in ears.iter_mut().zip(&mut whistlers) {
                ear.peer.say(&mut world, whistler.next());
            }
            for n in 0..4 {
                ears[n % 2].peer.pass(&mut world, Duration::from_millis(5));
                ears.iter_mut().for_each(|ear| ear.fetch(&mut world));
            }
        }
        let [one, other] = &ears;
        other.assert_hears(to, A_HZ, B_HZ, "B");
        one.assert_hears(from, B_HZ, A_HZ, "A");
    }
}

/// Whoever offers is of this kind: each kind that answers, with each format on each side.
fn assert_all_hear_each_other(offerer: Sort) {
    let mut count = 0;
    let mut broken = Vec::new();
    for answerer in KINDS {
        for (from, to) in all().iter().flat_map(|from| all().map(|to| (from.clone(), to))) {
            let pairing = Pairing { kinds: [offerer, answerer], codecs: [from, to] };
            count += 1;
            if let Err(why) = catch_unwind(AssertUnwindSafe(|| pairing.talk())) {
                let why = why.downcast_ref::<String>().map_or("a panic, told above", String::as_str);
                broken.push(format!("{pairing}: {why}"));
            }
        }
    }
    assert_eq!(count, 80);
    println!("{count} pairings that {offerer:?} offers, {} broken", broken.len());
    assert!(broken.is_empty(), "{} of {count} pairings:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn ice_and_dtls_hear_each_kind_in_each_pair_of_formats_and_are_heard() {
    assert_all_hear_each_other(KINDS[0]);
}

#[test]
fn dtls_without_ice_hears_each_kind_in_each_pair_of_formats_and_is_heard() {
    assert_all_hear_each_other(KINDS[1]);
}

#[test]
fn sdes_hears_each_kind_in_each_pair_of_formats_and_is_heard() {
    assert_all_hear_each_other(KINDS[2]);
}

#[test]
fn plain_rtp_hears_each_kind_in_each_pair_of_formats_and_is_heard() {
    assert_all_hear_each_other(KINDS[3]);
}

#[test]
fn ice_and_sdes_hear_each_kind_in_each_pair_of_formats_and_are_heard() {
    assert_all_hear_each_other(KINDS[4]);
}
