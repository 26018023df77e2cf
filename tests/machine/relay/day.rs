//! A day of talk: sequence numbers and roll-over counters that wrap again and again.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, Source};
use patchcord::rtp::Profile;

use super::peers::{Peer, Sort};
use super::world::{Speaker, World, at, legs, plain_leg};

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const B_SOCKET: SocketId = SocketId(4);

/// One of so many packets in a row is made, sealed and passed on, for the sake of the test's own time, but for those
/// around a wrap of what comes in, which are all made; the others count as lost. The numbers that go out wrap elsewhere,
/// between two such packets. More would be a new start of the source.
const HOP: u16 = 490;

/// A packet each 20 ms.
const DAY: u32 = 24 * 3600 * 50;

struct Line {
    world: World,
    one: Peer,
    other: Peer,
    graph: [GraphLeg; 2],
    from: [Speaker; 2],
    said: u32,
}

impl Line {
    fn new(a: Sort, b: Sort) -> Line {
        let mut world = World::new();
        let codecs = [Codec::pcmu()];
        let b_socket = if a.has_ice() { A_SOCKET } else { B_SOCKET };
        let mut one = Peer::new(&world, a, at(A), A_SOCKET);
        let mut other = Peer::new(&world, b, at(B), b_socket);
        let (leg_a, leg_b) = legs();
        let leg = |id, sort: Sort, remote, hears| GraphLeg {
            spec: sort.spec(),
            ..plain_leg(id, remote, &codecs, Source::Leg(hears))
        };
        let offer = one.offer(&codecs);
        let legs_of = |answer| [leg(leg_a, a, Some(offer.clone()), leg_b), leg(leg_b, b, answer, leg_a)];
        world.apply(1, &legs_of(None));
        let (end_a, end_b) = (world.ready(leg_a), world.ready(leg_b));
        one.hear(&world, &end_a);
        let answer = other.answer(&world, &end_b, &codecs);
        let graph = legs_of(Some(answer));
        world.apply(2, &graph);
        let from = [Speaker::new(4, 0, 160), Speaker::new(5, 0, 160)];
        // The handshakes.
        for _ in 0..60 {
            one.pass(&mut world, Duration::from_millis(5));
            other.pass(&mut world, Duration::from_millis(5));
        }
        Line { world, one, other, graph, from, said: 0 }
    }

    /// Each says a packet, which the other hears; before it `hop - 1` of each are lost.
    fn exchange(&mut self, hop: u16) {
        self.said += u32::from(hop);
        let payload = [&self.said.to_be_bytes()[..], &[0x7f; 156]].concat();
        for speaker in &mut self.from {
            speaker.sequence = speaker.sequence.wrapping_add(hop - 1);
            speaker.timestamp = speaker.timestamp.wrapping_add(160 * u32::from(hop - 1));
        }
        let [one, other] = &mut self.from;
        self.one.say(&mut self.world, one.next(&payload));
        self.other.say(&mut self.world, other.next(&payload));
        assert_eq!(self.other.heard(&mut self.world), std::slice::from_ref(&payload), "after {}", self.said);
        assert_eq!(self.one.heard(&mut self.world), [payload], "after {}", self.said);
        self.world.pass(Duration::from_millis(20) * u32::from(hop));
        // The reports.
        self.world.take_sent();
        self.world.take_events();
    }

    fn talk(&mut self, until: u32) {
        /// So many packets come one by one on either side of a wrap.
        const EDGE: u16 = 5;
        while self.said < until {
            let number = self.from[0].sequence;
            let before_edge = (u16::MAX - EDGE).saturating_sub(number);
            self.exchange(if number < EDGE { 1 } else { before_edge.clamp(1, HOP) });
        }
    }

    /// Neither says anything, nor is anything sent, for a long time.
    fn hold(&mut self, time: Duration) {
        let mut held = self.graph.clone();
        held.iter_mut().for_each(|leg| (leg.sends, leg.receives) = (false, false));
        self.world.apply(3, &held);
        self.world.pass(time);
        self.world.apply(4, &self.graph);
    }
}

#[test]
fn a_day_of_talk_with_hours_of_hold_wraps_every_counter_and_what_is_said_is_heard() {
    let sdes = Sort::Sdes(Profile::AesCm128HmacSha1_80);
    for (a, b) in [
        (Sort::Plain, Sort::Plain),
        (sdes, Sort::Plain),
        (Sort::Sdes(Profile::AeadAes256Gcm), sdes),
        (Sort::DtlsWithoutIce, Sort::Plain),
        (Sort::DtlsWithoutIce, sdes),
    ] {
        let mut line = Line::new(a, b);
        line.talk(DAY / 3);
        line.hold(Duration::from_secs(6 * 3600));
        line.talk(DAY);
        assert!(line.said / 65_536 >= 65, "{a:?} to {b:?}");
    }
}
