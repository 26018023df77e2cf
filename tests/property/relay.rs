//! What must hold of the outgoing identity, whatever comes in.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use patchcord::media::leg::track::Track;
use patchcord::rtp::Fields;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// The source goes on by so many packets, after so many milliseconds.
    Packet { ahead: i16, millis: u16 },
    /// Another source begins.
    Source { ssrc: u32, sequence: u16, timestamp: u32 },
    /// A packet is left out.
    Skip,
    /// A hold.
    BreakOff,
    /// A digit of our own, in so many packets.
    Digit(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (-3i16..8, 0u16..60).prop_map(|(ahead, millis)| Step::Packet { ahead, millis }),
        1 => (any::<i16>(), 0u16..5000).prop_map(|(ahead, millis)| Step::Packet { ahead, millis }),
        1 => (0u32..3, any::<u16>(), any::<u32>())
            .prop_map(|(ssrc, sequence, timestamp)| Step::Source { ssrc, sequence, timestamp }),
        1 => Just(Step::Skip),
        1 => Just(Step::BreakOff),
        1 => (1u8..6).prop_map(Step::Digit),
    ]
}

proptest! {
    #[test]
    fn no_sequence_number_goes_out_twice_and_the_newest_timestamp_never_goes_back(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut track = Track::new(77, 0x7ff0, u32::MAX - 2000);
        let mut packet = Fields { marker: false, payload_type: 0, sequence: 5, timestamp: 900, ssrc: 1 };
        let mut used = HashSet::new();
        let mut highest: Option<(i64, u32)> = None;
        let mut unrolled = 0x7ff0i64;
        let mut take = |fields: Fields| {
            let step = fields.sequence.wrapping_sub(unrolled as u16) as i16;
            let number = unrolled + i64::from(step);
            unrolled = unrolled.max(number);
            prop_assert!(used.insert(number), "{} went out twice", fields.sequence);
            prop_assert_eq!(fields.ssrc, 77);
            match highest {
                Some((before, timestamp)) if number > before => {
                    let moved = fields.timestamp.wrapping_sub(timestamp) as i32;
                    prop_assert!(moved >= 0, "from {} to {}", timestamp, fields.timestamp);
                    highest = Some((number, fields.timestamp));
                }
                Some(_) => {}
                None => highest = Some((number, fields.timestamp)),
            }
            Ok(())
        };
        for step in steps {
            match step {
                Step::Packet { ahead, millis } => {
                    now += Duration::from_millis(millis.into());
                    let next = Fields {
                        sequence: packet.sequence.wrapping_add(ahead as u16),
                        timestamp: packet.timestamp.wrapping_add((i32::from(ahead) * 160) as u32),
                        ..packet
                    };
                    if ahead > 0 {
                        packet = next;
                    }
                    if let Some(fields) = track.pass(now, next, 0, 8000) {
                        take(fields)?;
                        track.count(160);
                    }
                }
                Step::Source { ssrc, sequence, timestamp } => {
                    packet = Fields { ssrc, sequence, timestamp, ..packet };
                }
                Step::Skip => {
                    packet.sequence = packet.sequence.wrapping_add(1);
                    packet.timestamp = packet.timestamp.wrapping_add(160);
                    track.skip(packet);
                }
                Step::BreakOff => track.break_off(),
                Step::Digit(packets) => {
                    let timestamp = track.timestamp_now(now, 8000);
                    for _ in 0..packets {
                        let sequence = track.next_sequence();
                        take(Fields { marker: false, payload_type: 101, sequence, timestamp, ssrc: 77 })?;
                        track.count(4);
                    }
                }
            }
        }
    }
}

#[test]
fn a_packet_from_before_a_hold_that_comes_late_is_not_taken_for_the_return_of_its_source() {
    let mut now = Instant::now();
    let mut track = Track::new(77, 7, 5000);
    let at = |number: u16| Fields {
        marker: false,
        payload_type: 0,
        sequence: 100 + number,
        timestamp: 160 * u32::from(number),
        ssrc: 1,
    };
    let mut last = None;
    for number in 0..10 {
        last = track.pass(now, at(number), 0, 8000);
        now += Duration::from_millis(20);
    }
    track.break_off();
    now += Duration::from_secs(2);
    assert_eq!(track.pass(now, at(4), 0, 8000), None);
    let first = track.pass(now, at(110), 0, 8000);
    let next = track.pass(now + Duration::from_millis(20), at(111), 0, 8000);
    let moved = |one: Option<Fields>, other: Option<Fields>| {
        one.zip(other).map(|(a, b)| (b.sequence.wrapping_sub(a.sequence), b.timestamp.wrapping_sub(a.timestamp)))
    };
    assert_eq!(moved(first, next), Some((1, 160)));
    assert_eq!(moved(last, first).map(|(step, _)| step), Some(1));
}
