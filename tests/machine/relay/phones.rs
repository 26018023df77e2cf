//! Plain RTP between two telephones.

use std::sync::Arc;
use std::time::Duration;

use super::world::{CALL, Speaker, World, at, legs, phone, plain_leg};
use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, GraphLeg, RelayCommand, RelayEvent, Source};
use patchcord::rtp::event::Event;

const A: &str = "203.0.113.1:4000";
const B: &str = "203.0.113.2:5000";
const A_SOCKET: SocketId = SocketId(2);
const B_SOCKET: SocketId = SocketId(4);
const FRAME: Duration = Duration::from_millis(20);

fn both(codecs_a: &[Codec], codecs_b: &[Codec]) -> [GraphLeg; 2] {
    let (a, b) = legs();
    [
        plain_leg(a, Some(phone(A, codecs_a)), codecs_a, Source::Leg(b)),
        plain_leg(b, Some(phone(B, codecs_b)), codecs_b, Source::Leg(a)),
    ]
}

fn g711() -> Vec<Codec> {
    vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event(101, 8000)]
}

fn talking() -> World {
    let mut world = World::new();
    world.apply(1, &both(&g711(), &g711()));
    world
}

/// `count` packets of a speaker on leg A, 20 ms apart.
fn speak(world: &mut World, speaker: &mut Speaker, count: usize) {
    for _ in 0..count {
        let packet = speaker.next(&[0xd5; 160]);
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
    }
}

#[test]
fn a_new_leg_is_ready_at_once_with_an_address_and_a_source_of_its_own() {
    let mut world = World::new();
    let (a, b) = legs();
    world.apply(3, &[plain_leg(a, None, &g711(), Source::Nothing), plain_leg(b, None, &g711(), Source::Nothing)]);
    let (end_a, end_b) = (world.ready(a), world.ready(b));
    assert_eq!(end_a.transport.address, Some(at("192.0.2.1:20002")));
    assert_eq!(end_b.transport.address, Some(at("192.0.2.1:20004")));
    assert_ne!(end_a.ssrc, end_b.ssrc);
    assert!(matches!(world.events[0], RelayEvent::Ready { revision: 3, .. }));
}

#[test]
fn what_one_phone_says_the_other_hears_under_the_relays_own_identity() {
    let mut world = talking();
    let (a, b) = legs();
    let ours = world.ready(b).ssrc;
    speak(&mut world, &mut Speaker::new(99, 0, 160), 50);
    let out = world.take_rtp(at(B));
    assert_eq!(out.len(), 50);
    assert!(out.iter().all(|s| s.socket == B_SOCKET && s.fields().ssrc == ours && s.payload() == [0xd5; 160]));
    for pair in out.windows(2) {
        assert_eq!(pair[1].fields().sequence, pair[0].fields().sequence.wrapping_add(1));
        assert_eq!(pair[1].fields().timestamp, pair[0].fields().timestamp.wrapping_add(160));
    }
    assert!(out[0].fields().marker && !out[1].fields().marker);
    let events = world.take_events();
    assert!(events.contains(&RelayEvent::Heard { call: CALL, leg: a }));
    assert!(events.contains(&RelayEvent::Connected { call: CALL, leg: b }));
}

#[test]
fn a_lost_packet_is_a_gap_and_swapped_ones_keep_their_places() {
    let mut world = talking();
    let mut speaker = Speaker::new(99, 0, 160);
    let mut packets: Vec<_> = (0..10u8).map(|n| speaker.next(&[n; 160])).collect();
    packets.remove(4);
    packets.swap(6, 7);
    for packet in packets {
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
    }
    let mut out = world.take_rtp(at(B));
    let first = out[0].fields();
    out.sort_by_key(|s| s.fields().sequence.wrapping_sub(first.sequence));
    for sent in &out {
        let n = u16::from(sent.payload()[0]);
        assert_eq!(sent.fields().sequence, first.sequence.wrapping_add(n));
        assert_eq!(sent.fields().timestamp, first.timestamp.wrapping_add(u32::from(n) * 160));
    }
    assert_eq!(out.len(), 9);
}

#[test]
fn a_repeated_packet_goes_out_once() {
    let mut world = talking();
    let mut speaker = Speaker::new(99, 0, 160);
    speak(&mut world, &mut speaker, 3);
    let packet = speaker.next(&[1; 160]);
    world.take_sent();
    world.arrive(A_SOCKET, at(A), &packet);
    world.arrive(A_SOCKET, at(A), &packet);
    assert_eq!(world.take_rtp(at(B)).len(), 1);
}

#[test]
fn the_two_laws_are_converted_where_the_phones_disagree() {
    let mut world = World::new();
    world.apply(1, &both(&[Codec::pcmu()], &[Codec::pcma()]));
    speak(&mut world, &mut Speaker::new(99, 0, 160), 2);
    let out = world.take_rtp(at(B));
    assert_eq!((out.len(), out[0].fields().payload_type), (2, 8));
    assert_ne!(out[0].payload(), [0xd5; 160]);
}

#[test]
fn a_payload_type_that_was_not_negotiated_is_refused_and_counted() {
    let mut world = talking();
    speak(&mut world, &mut Speaker::new(99, 97, 160), 5);
    assert_eq!(world.take_rtp(at(B)).len(), 0);
    world.order(RelayCommand::Stats(CALL));
    let Some(RelayEvent::Stats { legs, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert_eq!((legs[0].refused, legs[0].packets_in), (5, 0));
}

#[test]
fn strangers_are_not_heard_not_answered_and_named_when_the_leg_is_silent() {
    let mut world = talking();
    let mut stranger = Speaker::new(5, 0, 160);
    for _ in 0..20 {
        let packet = stranger.next(&[0; 160]);
        world.arrive(A_SOCKET, at("198.51.100.66:9"), &packet);
    }
    assert_eq!(world.take_sent().iter().filter(|s| s.is_rtp()).count(), 0);
    world.pass(Duration::from_secs(4));
    let (a, _) = legs();
    let why = world.take_events().into_iter().find_map(|e| match e {
        RelayEvent::Silent { leg, why, .. } if leg == a => Some(why),
        _ => None,
    });
    assert_eq!(
        why.as_deref(),
        Some(
            "the phone at 203.0.113.1:4000 sends nothing: no RTP for 2.5 s after the answer; we sent 0 packets to it; \
             20 packets came from 198.51.100.66:9, which was not described, and were dropped"
        )
    );
}

#[test]
fn a_silence_is_told_once_and_again_only_after_speech() {
    let mut world = talking();
    let (a, _) = legs();
    let silences = |world: &mut World| {
        let is_silence = |e: &RelayEvent| matches!(e, RelayEvent::Silent { leg, .. } if *leg == a);
        world.take_events().iter().filter(|e| is_silence(e)).count()
    };
    world.pass(Duration::from_secs(10));
    assert_eq!(silences(&mut world), 1);
    speak(&mut world, &mut Speaker::new(99, 0, 160), 5);
    world.pass(Duration::from_secs(20));
    assert_eq!(silences(&mut world), 1);
}

#[test]
fn a_new_source_a_hold_and_a_new_address_leave_the_outgoing_identity_unbroken() {
    let mut world = talking();
    speak(&mut world, &mut Speaker::new(1, 0, 160), 10);
    speak(&mut world, &mut Speaker { timestamp: 12, sequence: 3, ..Speaker::new(2, 0, 160) }, 10);
    let mut legs = both(&g711(), &g711());
    legs[1].hears = Source::Nothing;
    world.apply(2, &legs);
    let mut speaker = Speaker::new(3, 8, 160);
    speak(&mut world, &mut speaker, 100);
    legs[1].hears = Source::Leg(legs[0].leg);
    legs[1].remote = Some(Arc::new(phone("203.0.113.77:6000", &g711())));
    world.apply(3, &legs);
    speak(&mut world, &mut speaker, 10);
    let out: Vec<_> = world.take_sent().into_iter().filter(|s| s.is_rtp()).collect();
    assert_eq!(out.len(), 30);
    assert_eq!(out[29].to, at("203.0.113.77:6000"));
    for pair in out.windows(2) {
        let (before, after) = (pair[0].fields(), pair[1].fields());
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let moved = after.timestamp.wrapping_sub(before.timestamp);
        let passed = (pair[1].at - pair[0].at).as_millis() as u32 * 8;
        assert_eq!(moved, passed, "the timestamp moves with the time");
    }
    let markers: Vec<_> = out.iter().enumerate().filter(|(_, s)| s.fields().marker).map(|(n, _)| n).collect();
    assert_eq!(markers, [0, 10, 20]);
}

#[test]
fn keys_are_told_once_and_passed_on_with_the_other_sides_numbers() {
    let mut world = World::new();
    let mut codecs_b = g711();
    codecs_b[2].payload_type = 96;
    world.apply(1, &both(&g711(), &codecs_b));
    let mut speaker = Speaker::new(9, 0, 160);
    speak(&mut world, &mut speaker, 3);
    let start = speaker.timestamp;
    let mut keys = Speaker { payload_type: 101, step: 0, ..speaker };
    for n in 1..=8u16 {
        let event = Event { code: 7, end: n >= 6, volume: 10, duration: 160 * n.min(6) };
        let packet = keys.next(&event.to_bytes());
        world.arrive(A_SOCKET, at(A), &packet);
        world.pass(FRAME);
    }
    let mut after = Speaker { payload_type: 0, step: 160, timestamp: start.wrapping_add(8 * 160), ..keys };
    speak(&mut world, &mut after, 3);
    let out = world.take_rtp(at(B));
    let events: Vec<_> = out.iter().filter(|s| s.fields().payload_type == 96).collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|s| s.fields().timestamp == events[0].fields().timestamp));
    assert_eq!(out.last().unwrap().fields().timestamp.wrapping_sub(out[0].fields().timestamp), 13 * 160);
    let told: Vec<_> = world.take_events().into_iter().filter(|e| matches!(e, RelayEvent::Dtmf { .. })).collect();
    let (call, (leg, _)) = (CALL, legs());
    assert_eq!(told, [RelayEvent::Dtmf { call, leg, digit: '7', duration: Duration::from_millis(120) }]);
}

#[test]
fn a_digit_that_is_ordered_goes_out_in_the_numbers_of_the_leg() {
    let mut world = talking();
    let (_, leg) = legs();
    let mut speaker = Speaker::new(9, 0, 160);
    speak(&mut world, &mut speaker, 5);
    world.order(RelayCommand::Dtmf { call: CALL, leg, digit: '5', duration: Duration::from_millis(100) });
    speak(&mut world, &mut speaker, 20);
    let out = world.take_rtp(at(B));
    let events: Vec<_> = out.iter().filter(|s| s.fields().payload_type == 101).collect();
    assert!(events.len() >= 4);
    assert_eq!(events.iter().filter(|s| s.payload()[1] & 0x80 != 0).count(), 3);
    for pair in out.windows(2) {
        assert_eq!(pair[1].fields().sequence, pair[0].fields().sequence.wrapping_add(1));
        assert!((pair[1].fields().timestamp.wrapping_sub(pair[0].fields().timestamp) as i32) >= 0);
    }
}

#[test]
fn reports_flow_both_ways_and_give_loss_jitter_and_round_trip() {
    use patchcord::rtp::rtcp::{ReportBlock, Rtcp, Writer, read};
    let mut world = talking();
    let (_, b) = legs();
    let ours = world.ready(b).ssrc;
    speak(&mut world, &mut Speaker::new(9, 0, 160), 400);
    let report = world.take_sent().into_iter().find(|s| s.to == at("203.0.113.2:5001")).expect("a report");
    let Some(Rtcp::SenderReport { ssrc, info, .. }) = read(&report.bytes).next() else { panic!("no sender report") };
    assert_eq!(ssrc, ours);
    let delay = (world.now - report.at).as_micros() * 65_536 / 1_000_000;
    let block = ReportBlock {
        ssrc: ours,
        lost: 4,
        jitter: 80,
        last_sender_report: (info.ntp >> 16) as u32,
        delay: delay as u32 - 6554,
        ..ReportBlock::default()
    };
    let mut buffer = [0; 200];
    let mut writer = Writer::new(&mut buffer);
    writer.report(5, None, &[block]);
    let length = writer.length();
    world.arrive(SocketId(5), at("203.0.113.2:5001"), &buffer[..length]);
    world.order(RelayCommand::Stats(CALL));
    let Some(RelayEvent::Stats { legs, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert_eq!((legs[1].lost_out, legs[1].jitter_out_ms), (4, 10.0));
    assert!((legs[1].rtt_ms.unwrap() - 100.0).abs() < 1.0, "{:?}", legs[1].rtt_ms);
    assert_eq!((legs[0].packets_in, legs[1].packets_out, legs[0].codec.as_deref()), (400, 400, Some("PCMU")));
}

#[test]
fn an_echo_hears_itself() {
    let mut world = World::new();
    let (a, _) = legs();
    world.apply(1, &[plain_leg(a, Some(phone(A, &g711())), &g711(), Source::Echo)]);
    speak(&mut world, &mut Speaker::new(9, 8, 160), 5);
    let out = world.take_rtp(at(A));
    assert_eq!((out.len(), out[0].fields().payload_type), (5, 8));
}

#[test]
fn a_leg_that_several_hear_is_heard_by_each() {
    let mut world = World::new();
    let (a, b) = legs();
    let mut mint = patchcord::base::LegMint::said(patchcord::base::AdapterId(2));
    let c = mint.mint();
    world.apply(
        1,
        &[
            plain_leg(a, Some(phone(A, &g711())), &g711(), Source::Leg(b)),
            plain_leg(b, Some(phone(B, &g711())), &g711(), Source::Leg(a)),
            plain_leg(c, Some(phone("203.0.113.3:7000", &[Codec::pcma()])), &[Codec::pcma()], Source::Leg(a)),
        ],
    );
    speak(&mut world, &mut Speaker::new(9, 0, 160), 5);
    let sent = world.take_sent();
    assert_eq!(sent.iter().filter(|s| s.is_rtp() && s.to == at(B)).count(), 5);
    let third: Vec<_> = sent.iter().filter(|s| s.is_rtp() && s.to == at("203.0.113.3:7000")).collect();
    assert_eq!((third.len(), third[0].fields().payload_type), (5, 8));
}

#[test]
fn an_older_graph_changes_nothing_and_a_leg_left_out_is_taken_down() {
    let mut world = talking();
    let legs = both(&g711(), &g711());
    world.apply(1, &[]);
    assert_eq!(world.shard.legs(), 2);
    world.apply(2, &legs[..1]);
    assert_eq!((world.shard.legs(), world.ports.closed.len()), (1, 1));
    speak(&mut world, &mut Speaker::new(9, 0, 160), 5);
    world.order(RelayCommand::Remove(CALL));
    let Some(RelayEvent::Removed { legs: figures, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert_eq!(figures.iter().map(|f| f.leg).collect::<Vec<_>>(), [Some(legs[1].leg), Some(legs[0].leg)]);
    assert_eq!(figures[1].packets_in, 5);
    assert_eq!((world.shard.legs(), world.ports.closed.len()), (0, 2));
}

#[test]
fn without_a_free_port_the_leg_fails_with_a_word() {
    let mut world = World::new();
    world.ports.exhausted = true;
    world.apply(1, &both(&g711(), &g711())[..1]);
    assert!(
        matches!(&world.events[0], RelayEvent::Full { why, .. } if why == "the relay has no free IPv4 port for a leg")
    );
}

#[test]
fn a_shard_is_not_woken_for_legs_that_are_gone() {
    let mut world = World::new();
    let (a, b) = legs();
    world.apply(
        1,
        &[plain_leg(a, None, &[Codec::pcmu()], Source::Leg(b)), plain_leg(b, None, &[Codec::pcmu()], Source::Leg(a))],
    );
    assert!(world.shard.poll_timeout().is_some(), "something is due while they are there");
    world.order(RelayCommand::Remove(CALL));
    world.shard.handle_timeout(world.now);
    assert_eq!(world.shard.poll_timeout(), None);
}
