use super::*;

const MS: Duration = Duration::from_millis(1);
const CLOCK: Option<u32> = Some(8000);

/// A source that sends every 20 ms; `delay` says how late each packet comes, `None` that it is lost.
fn counted(first: u16, count: u32, delay: impl Fn(u32) -> Option<u32>) -> (Reception, Instant) {
    let start = Instant::now();
    let mut reception = Reception::new(start, 7, first);
    let mut end = start;
    for n in 0..count {
        if let Some(late) = delay(n) {
            end = start + MS * (20 * n + late);
            reception.handle_packet(end, first.wrapping_add(n as u16), n.wrapping_mul(160), CLOCK);
        }
    }
    (reception, end)
}

#[test]
fn nothing_is_lost_or_jitters_on_a_perfect_line_across_two_wraps() {
    let (mut reception, end) = counted(65_000, 140_000, |_| Some(5));
    let block = reception.report(end);
    assert_eq!((block.lost, block.fraction_lost, block.jitter), (0, 0, 0));
    assert_eq!(block.highest, 65_000 + 139_999);
    assert_eq!(reception.received(), 140_000);
}

#[test]
fn every_fourth_packet_lost_is_a_quarter_lost() {
    let (mut reception, end) = counted(10, 400, |n| (n % 4 != 1).then_some(0));
    let block = reception.report(end);
    assert_eq!((block.lost, block.fraction_lost), (100, 64));
    assert_eq!(reception.report(end).fraction_lost, 0);
}

#[test]
fn jitter_of_ten_milliseconds_up_and_down_is_told_in_the_formats_clock() {
    let (mut reception, end) = counted(10, 2000, |n| Some(if n % 2 == 0 { 0 } else { 10 }));
    assert!((75..=80).contains(&reception.report(end).jitter));
    assert!(reception.jitter() > MS * 9 && reception.jitter() <= MS * 10);
}

#[test]
fn reordered_packets_are_not_lost_and_repeated_ones_count_against_loss() {
    let start = Instant::now();
    let mut reception = Reception::new(start, 7, 100);
    for sequence in [100, 102, 101, 103, 103] {
        reception.handle_packet(start, sequence, 0, None);
    }
    assert_eq!((reception.received(), reception.lost()), (5, -1));
    assert_eq!(reception.report(start).fraction_lost, 0);
}

#[test]
fn a_single_wild_sequence_number_counts_for_nothing_and_two_in_a_row_begin_anew() {
    let start = Instant::now();
    let mut reception = Reception::new(start, 7, 100);
    for sequence in [100, 101, 40_000, 102, 103] {
        reception.handle_packet(start, sequence, 0, None);
    }
    assert_eq!((reception.received(), reception.lost()), (4, 0));
    for sequence in [50_000, 50_001, 50_002, 50_004] {
        reception.handle_packet(start, sequence, 0, None);
    }
    assert_eq!((reception.received(), reception.lost()), (3, 1));
}

#[test]
fn a_clock_that_is_set_is_no_jitter() {
    let start = Instant::now();
    let mut reception = Reception::new(start, 7, 1);
    for n in 0..100u32 {
        let timestamp = if n < 50 { n * 160 } else { n.wrapping_mul(160).wrapping_add(3_000_000_000) };
        reception.handle_packet(start + MS * (20 * n), 1 + n as u16, timestamp, CLOCK);
    }
    assert_eq!(reception.jitter(), Duration::ZERO);
}

#[test]
fn the_delay_since_the_last_sender_report_is_in_units_of_a_65536th_second() {
    let start = Instant::now();
    let mut reception = Reception::new(start, 7, 1);
    assert_eq!((reception.report(start).last_sender_report, reception.report(start).delay), (0, 0));
    reception.handle_sender_report(start, 0x0123_4567_89ab_cdef);
    let block = reception.report(start + MS * 500);
    assert_eq!((block.last_sender_report, block.delay), (0x4567_89ab, 32_768));
}
