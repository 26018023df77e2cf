#![allow(clippy::unwrap_used)]

use super::*;

const CLOCK: u32 = 8000;

fn packets(digit: char, millis: u64, timestamp: u32) -> Vec<(u64, u32, [u8; 4])> {
    EventWriter::new(digit, Duration::from_millis(millis), CLOCK)
        .unwrap()
        .map(|p| (p.after.as_millis() as u64, timestamp, p.event.to_bytes()))
        .collect()
}

/// What the reader tells of packets, with the timeout run to the end.
fn heard(packets: &[(u64, u32, [u8; 4])]) -> Vec<(char, u64)> {
    let start = Instant::now();
    let mut reader = EventReader::default();
    let mut keys = Vec::new();
    for (at, timestamp, payload) in packets {
        let now = start + Duration::from_millis(*at);
        reader.handle_timeout(now);
        keys.extend(reader.poll());
        reader.handle_packet(now, *timestamp, payload, CLOCK);
        keys.extend(std::iter::from_fn(|| reader.poll()));
    }
    if let Some(deadline) = reader.poll_timeout() {
        reader.handle_timeout(deadline);
        keys.extend(reader.poll());
    }
    assert_eq!(reader.poll_timeout(), None);
    keys.into_iter().map(|k| (k.digit, k.duration.as_millis() as u64)).collect()
}

#[test]
fn a_key_is_written_with_the_marker_first_growing_and_three_ends() {
    let all: Vec<_> = EventWriter::new('#', Duration::from_millis(90), CLOCK).unwrap().collect();
    let told: Vec<_> =
        all.iter().map(|p| (p.after.as_millis(), p.marker, p.event.end, p.event.duration, p.event.code)).collect();
    assert_eq!(
        told,
        [
            (0, true, false, 160, 11),
            (20, false, false, 320, 11),
            (40, false, false, 480, 11),
            (60, false, false, 640, 11),
            (80, false, true, 720, 11),
            (100, false, true, 720, 11),
            (120, false, true, 720, 11),
        ]
    );
    assert!(EventWriter::new('x', Duration::from_millis(90), CLOCK).is_none());
}

#[test]
fn a_key_is_never_longer_than_one_segment_nor_shorter_than_receivers_want() {
    let long = EventWriter::new('1', Duration::from_secs(60), 48_000).unwrap();
    assert_eq!(long.total(), u16::MAX);
    assert_eq!(long.filter(|p| p.event.end).count(), 3);
    assert_eq!(EventWriter::new('1', Duration::ZERO, CLOCK).unwrap().total(), 320);
}

#[test]
fn each_key_is_heard_once_whichever_packets_of_it_are_lost() {
    let all = packets('5', 100, 1000);
    for kept in 1u32..1 << all.len() {
        let some: Vec<_> = all.iter().enumerate().filter(|(i, _)| kept & (1 << i) != 0).map(|(_, p)| *p).collect();
        let keys = heard(&some);
        assert_eq!(keys.len(), 1, "{kept:b}");
        assert_eq!(keys[0].0, '5');
        if kept >> 4 != 0 {
            assert_eq!(keys[0].1, 100);
        }
    }
}

#[test]
fn repeated_and_late_packets_are_no_second_key() {
    let mut all = packets('5', 100, 1000);
    let again = all.clone();
    all.extend(again.iter().rev());
    assert_eq!(heard(&all), [('5', 100)]);
    let mut two = packets('1', 100, 1000);
    two.extend(packets('2', 100, 3000));
    two.extend(packets('1', 100, 1000));
    assert_eq!(heard(&two), [('1', 100), ('2', 100)]);
}

#[test]
fn the_same_key_twice_is_two_keys_even_without_any_end_packet() {
    let mut all: Vec<_> = packets('7', 100, 1000).into_iter().take(3).collect();
    all.extend(packets('7', 100, 2600).into_iter().take(3));
    assert_eq!(heard(&all), [('7', 60), ('7', 60)]);
    let mut ends: Vec<_> = packets('7', 100, 1000).into_iter().take(2).collect();
    ends.extend(packets('8', 100, 2600).into_iter().skip(6));
    assert_eq!(heard(&ends), [('7', 40), ('8', 100)]);
}

#[test]
fn a_key_held_over_several_segments_is_one() {
    let event = |end, duration| Event { code: 3, end, volume: 0, duration }.to_bytes();
    let segments = [
        (0, 500, event(false, 60_000)),
        (10, 500, event(false, 65_535)),
        (20, 500 + 65_535, event(false, 160)),
        (30, 500 + 65_535, event(true, 800)),
    ];
    assert_eq!(heard(&segments), [('3', (65_535 + 800) * 1000 / 8000)]);
}

#[test]
fn timestamps_that_wrap_or_jump_back_far_begin_a_new_key() {
    let mut all = packets('1', 60, u32::MAX - 100);
    all.extend(packets('2', 60, 900));
    all.extend(packets('3', 60, 900u32.wrapping_sub(40_000_000)));
    assert_eq!(heard(&all), [('1', 60), ('2', 60), ('3', 60)]);
}

#[test]
fn flash_and_other_events_and_short_payloads_are_no_keys() {
    let flash = Event { code: 16, end: true, volume: 0, duration: 9 }.to_bytes();
    assert_eq!(heard(&[(0, 1, flash)]), []);
    let mut reader = EventReader::default();
    reader.handle_packet(Instant::now(), 1, &[1, 2, 3], CLOCK);
    assert_eq!(reader.poll_timeout(), None);
}

/// The packets of a key as telephones from before RFC 2833 §3.6 was read with care send it: a timestamp of its own
/// for each packet, the last of which comes three times.
fn old(digit: char, from: u32, step: u32, ends_move: bool) -> Vec<(u64, u32, [u8; 4])> {
    let mut all = Vec::new();
    let mut timestamp = from;
    for number in 1..=5u16 {
        let event = Event { code: code_of(digit).unwrap(), end: number == 5, volume: 10, duration: number * 160 };
        timestamp += step;
        all.push((20 * u64::from(number), timestamp, event.to_bytes()));
    }
    for number in 1..=2 {
        timestamp += if ends_move { step } else { 0 };
        all.push((100 + 20 * number, timestamp, all[4].2));
    }
    all
}

#[test]
fn a_telephone_that_gives_each_packet_of_an_event_its_own_timestamp_presses_one_key() {
    for ends_move in [false, true] {
        assert_eq!(heard(&old('8', 5000, 160, ends_move)), [('8', 100)]);
        let mut two = old('8', 5000, 160, ends_move);
        two.extend(old('8', 8000, 160, ends_move).into_iter().map(|(at, t, p)| (at + 300, t, p)));
        assert_eq!(heard(&two), [('8', 100), ('8', 100)]);
    }
    let mut lost = old('8', 5000, 160, true);
    lost.remove(2);
    assert_eq!(heard(&lost), [('8', 100)]);
}

#[test]
fn a_key_that_goes_down_is_told_before_it_is_released_and_each_but_once() {
    let start = Instant::now();
    let mut reader = EventReader::default();
    let mut all = packets('1', 60, 1000);
    all.truncate(2);
    all.extend(packets('2', 60, 3000).into_iter().skip(2));
    let mut told = Vec::new();
    for (at, timestamp, payload) in all {
        reader.handle_packet(start + Duration::from_millis(at), timestamp, &payload, CLOCK);
        told.extend(std::iter::from_fn(|| reader.poll_key()));
    }
    let released = |digit, ms| Key::Released(Dtmf { digit, duration: Duration::from_millis(ms) });
    assert_eq!(told, [Key::Pressed('1'), released('1', 40), Key::Pressed('2'), released('2', 60)]);
}

#[test]
fn all_sixteen_keys_are_heard_at_both_clocks() {
    for clock_hz in [8000, 48_000] {
        for digit in KEYS.chars() {
            let mut reader = EventReader::default();
            for packet in EventWriter::new(digit, Duration::from_millis(100), clock_hz).unwrap() {
                reader.handle_packet(Instant::now(), 77, &packet.event.to_bytes(), clock_hz);
            }
            assert_eq!(reader.poll(), Some(Dtmf { digit, duration: Duration::from_millis(100) }));
        }
    }
}
