#![allow(clippy::unwrap_used)]

use super::*;

const BLOCK_OF_7: ReportBlock = ReportBlock {
    ssrc: 7,
    fraction_lost: 3,
    lost: -2,
    highest: 70_000,
    jitter: 12,
    last_sender_report: 0x1234_5678,
    delay: 65_536,
};

#[test]
fn what_is_written_is_read_again() {
    let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 9, packets: 10, octets: 11 };
    let mut buffer = [0xff; 200];
    for name in ["", "a", "ab", "abc", "abcd", "gateway@call"] {
        let mut writer = Writer::new(&mut buffer);
        assert!(writer.report(1, Some(info), &[BLOCK_OF_7]));
        assert!(writer.report(1, None, &[BLOCK_OF_7, BLOCK_OF_7]));
        assert!(writer.canonical_name(1, name));
        assert!(writer.bye(1));
        let length = writer.length();
        let packets: Vec<_> = read(&buffer[..length]).collect();
        let Rtcp::SenderReport { ssrc: 1, info: told, blocks } = packets[0] else { panic!("{packets:?}") };
        assert_eq!((told, blocks.collect::<Vec<_>>()), (info, vec![BLOCK_OF_7]));
        let Rtcp::ReceiverReport { ssrc: 1, blocks } = packets[1] else { panic!("{packets:?}") };
        assert_eq!(blocks.count(), 2);
        assert_eq!(packets[2], Rtcp::Description { first: Some((1, Some(name.as_bytes()))) });
        let Rtcp::Bye { sources } = packets[3] else { panic!("{packets:?}") };
        assert_eq!(sources.collect::<Vec<_>>(), [1]);
        assert_eq!(packets.len(), 4);
    }
}

#[test]
fn a_packet_without_room_is_left_out_whole() {
    for size in 0..64 {
        let mut buffer = vec![0; size];
        let mut writer = Writer::new(&mut buffer);
        writer.report(1, None, &[BLOCK_OF_7]);
        writer.canonical_name(1, "name");
        writer.bye(1);
        let length = writer.length();
        assert_eq!(length % 4, 0);
        let read_length: usize = read(&buffer[..length]).count();
        assert_eq!(read_length > 0, length > 0);
        assert!(!read(&buffer[..length]).any(|p| matches!(p, Rtcp::Other { .. })));
    }
}

#[test]
fn the_round_trip_is_what_is_left_of_the_time_since_our_report() {
    let sent = ntp(Duration::from_secs(1_700_000_000));
    let back = ntp(Duration::from_millis(1_700_000_001_250));
    let block = ReportBlock { last_sender_report: (sent >> 16) as u32, ..BLOCK_OF_7 };
    let round_trip = block.round_trip(back).unwrap();
    assert!(round_trip.abs_diff(Duration::from_millis(250)) < Duration::from_millis(1), "{round_trip:?}");
    assert_eq!(block.round_trip(sent), None);
    assert_eq!(ReportBlock::default().round_trip(back), None);
}

#[test]
fn feedback_of_browsers_is_recognised() {
    let packet = |count: u8, packet_type: u8, words: &[u32]| {
        let mut bytes = vec![0x80 | count, packet_type, 0, words.len() as u8];
        words.iter().for_each(|w| bytes.extend(w.to_be_bytes()));
        bytes
    };
    let remb = u32::from_be_bytes(*b"REMB");
    let cases = [
        (packet(1, 206, &[1, 2]), Rtcp::PictureLoss { media: 2 }),
        (packet(4, 206, &[1, 0, 3, 0x0100_0000]), Rtcp::FullIntra { media: 3 }),
        (
            packet(15, 206, &[1, 0, remb, (1 << 24) | (2 << 18) | 1000, 3]),
            Rtcp::MaximumBitrate { bits_per_second: 4000 },
        ),
        (packet(15, 205, &[1, 2, 3]), Rtcp::Other { packet_type: 205 }),
        (packet(0, 204, &[1]), Rtcp::Other { packet_type: 204 }),
        (packet(2, 200, &[1]), Rtcp::Other { packet_type: 200 }),
    ];
    for (bytes, expected) in &cases {
        assert_eq!(read(bytes).collect::<Vec<_>>(), [*expected]);
    }
    let nack = packet(1, 205, &[1, 2, 0x0064_0003]);
    let Some(Rtcp::Nack { media: 2, lost }) = read(&nack).next() else { panic!() };
    assert_eq!(lost.collect::<Vec<_>>(), [0x0064_0003]);
}

#[test]
fn what_is_malformed_ends_a_compound_and_what_came_before_counts() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.report(1, None, &[]);
    let length = writer.length();
    let mut cut = buffer[..length].to_vec();
    cut.extend([0x80, 203, 0, 9, 1]);
    assert_eq!(read(&cut).count(), 1);
    let mut foreign = buffer[..length].to_vec();
    foreign.extend([0x40, 203, 0, 0]);
    assert_eq!(read(&foreign).count(), 1);
    let mut padded = buffer[..length].to_vec();
    padded.extend([0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]);
    assert_eq!(read(&padded).count(), 2);
    padded[length + 11] = 200;
    assert_eq!(read(&padded).count(), 1);
}
