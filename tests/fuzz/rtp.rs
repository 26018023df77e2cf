//! RTP, RTCP and SRTP.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use patchcord::rtp::event::EventReader;
use patchcord::rtp::rtcp::{self, Arrivals, Rtcp};
use patchcord::rtp::stats::Reception;
use patchcord::rtp::{Fields, Packet, Profile, Srtp, kind};

use crate::shared;

pub fn rtp(data: &[u8]) {
    let _ = kind(data);
    let Some(packet) = Packet::parse(data) else { return };
    let payload = packet.payload_range();
    assert!(payload.start >= 12 && payload.start <= payload.end && payload.end <= data.len());
    assert!(packet.contributing().count() <= 15);
    assert!(packet.extension().is_none_or(|(_, e)| e.len() % 4 == 0 && e.len() < payload.start));
    for id in [0, 1, 3, 14, 15, 255] {
        let whole = packet.extension().map_or(0, |(_, e)| e.len());
        assert!(packet.element(id).is_none_or(|element| element.len() < whole));
    }
    let mut copy = data.to_vec();
    packet.fields().write_over(&mut copy);
    assert_eq!(copy, data);
    let changed = Fields { sequence: !packet.sequence(), ..packet.fields() };
    changed.write_over(&mut copy);
    assert_eq!(Packet::parse(&copy).unwrap().payload_range(), payload);

    let now = Instant::now();
    let mut reader = EventReader::default();
    let mut reception = Reception::new(now, packet.ssrc(), packet.sequence());
    for (i, word) in data.chunks_exact(8).enumerate() {
        let number = u32::from_be_bytes(word[..4].try_into().unwrap());
        let then = now + Duration::from_millis(i as u64);
        reader.handle_packet(then, number, &word[4..], number >> 8);
        reader.handle_timeout(then);
        assert!(std::iter::from_fn(|| reader.poll()).count() <= 2);
        reception.handle_packet(then, number as u16, number, Some(number >> 8));
        let _ = reception.report(then);
    }
}

pub fn rtcp(data: &[u8]) {
    for packet in rtcp::read(data) {
        match packet {
            Rtcp::SenderReport { blocks, .. } | Rtcp::ReceiverReport { blocks, .. } => {
                for block in blocks {
                    let _ = block.round_trip(u64::from(block.delay) << 20);
                    let mut buffer = [0; 64];
                    let mut writer = rtcp::Writer::new(&mut buffer);
                    assert!(writer.report(1, None, &[block]));
                    let length = writer.length();
                    let Some(Rtcp::ReceiverReport { mut blocks, .. }) = rtcp::read(&buffer[..length]).next() else {
                        panic!("a report that we wrote is read");
                    };
                    assert_eq!(blocks.next(), Some(block));
                }
            }
            Rtcp::Bye { sources } => assert!(sources.count() <= 31),
            Rtcp::Nack { media, lost } => {
                assert!(lost.count() * 4 <= data.len());
                // What is asked for may be in any order and more than once: written anew it is as much.
                let asked: BTreeSet<u16> = rtcp::asked_for(lost).collect();
                let mut buffer = [0; 1 << 17];
                let mut writer = rtcp::Writer::new(&mut buffer);
                if asked.len() < 16_000 && writer.nack(1, media, rtcp::entries_for(asked.iter().copied())) {
                    let length = writer.length();
                    let Some(Rtcp::Nack { lost, .. }) = rtcp::read(&buffer[..length]).next() else {
                        panic!("a NACK that we wrote is read");
                    };
                    assert_eq!(rtcp::asked_for(lost).collect::<BTreeSet<_>>(), asked);
                }
            }
            Rtcp::MaximumBitrate { bits_per_second } => {
                let mut buffer = [0; 64];
                let mut writer = rtcp::Writer::new(&mut buffer);
                assert!(writer.maximum_bitrate(1, bits_per_second, &[2]));
                let length = writer.length();
                let again = rtcp::read(&buffer[..length]).next();
                assert_eq!(again, Some(Rtcp::MaximumBitrate { bits_per_second }));
            }
            Rtcp::TransportFeedback { arrivals } => {
                assert_eq!(arrivals.packets().count(), usize::from(arrivals.count));
                told_again(&arrivals);
            }
            Rtcp::BoundRequest { bounds, .. } | Rtcp::BoundNotice { bounds, .. } => {
                for bound in bounds {
                    let mut buffer = [0; 32];
                    let mut writer = rtcp::Writer::new(&mut buffer);
                    assert!(writer.bound_request(1, bound));
                    let length = writer.length();
                    let Some(Rtcp::BoundRequest { bounds, .. }) = rtcp::read(&buffer[..length]).next() else {
                        panic!("a bound that we wrote is read");
                    };
                    let again = bounds.last().unwrap();
                    assert_eq!((again.ssrc, again.overhead), (bound.ssrc, bound.overhead));
                    assert!(again.bits_per_second <= bound.bits_per_second);
                }
            }
            _ => {}
        }
    }
}

/// Arrivals written anew, in as many packets as it takes, say the same.
fn told_again(arrivals: &Arrivals) {
    let all: Vec<(u16, Option<u32>)> = arrivals.times().collect();
    let mut at = 0;
    while at < all.len() {
        let mut buffer = [0; 1200];
        let mut writer = rtcp::Writer::new(&mut buffer);
        let told = writer.arrivals(1, 2, 3, all[at].0, all[at..].iter().map(|(_, time)| *time));
        if told == 0 {
            // What can be told is; but a loss may reach further than one packet of feedback.
            assert!(all[at..].iter().take(1000).all(|(_, time)| time.is_none()));
            return;
        }
        let length = writer.length();
        let Some(Rtcp::TransportFeedback { arrivals }) = rtcp::read(&buffer[..length]).next() else {
            panic!("arrivals that we wrote are read");
        };
        assert_eq!(arrivals.times().collect::<Vec<_>>(), all[at..at + told]);
        at += told;
    }
}

pub fn srtp(data: &[u8]) {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AesCm128HmacSha1_32, Profile::AeadAes128Gcm] {
        let context = || Srtp::new(profile, &[1; 16][..], &[2; 14][..profile.salt_length()]).unwrap();
        let (mut out, mut inward) = (context(), context());
        assert!(inward.unprotect_rtp(&mut data.to_vec()).is_err());
        assert!(inward.unprotect_rtcp(&mut data.to_vec()).is_err());
        let mut buffer = data.to_vec();
        buffer.resize(data.len() + 20, 0);
        if let Ok(length) = out.protect_rtp(&mut buffer, data.len()) {
            assert_eq!(inward.unprotect_rtp(&mut buffer[..length]), Ok(data.len()));
            assert_eq!(&buffer[..data.len()], data);
        }
        buffer[..data.len()].copy_from_slice(data);
        if let Ok(length) = out.protect_rtcp(&mut buffer, data.len()) {
            assert_eq!(inward.unprotect_rtcp(&mut buffer[..length]), Ok(data.len()));
            assert_eq!(&buffer[..data.len()], data);
        }
    }
}

/// Ten thousand mutations, shared out among the files.
fn run(folders: &[&str], body: fn(&[u8])) {
    let files: Vec<_> = folders.iter().flat_map(|f| shared::files(f)).filter(|(_, b)| b.len() < 4096).collect();
    let each = 10_000usize.div_ceil(files.len().max(1));
    for (seed, (_, bytes)) in files.iter().enumerate() {
        body(bytes);
        shared::mutations(seed as u64, bytes, each).for_each(|m| body(&m));
    }
}

#[test]
fn no_rtp_packet_does_harm() {
    run(&["cases/rtp"], rtp);
}

#[test]
fn no_rtcp_compound_does_harm() {
    run(&["cases/rtcp"], rtcp);
}

#[test]
fn no_srtp_packet_does_harm() {
    run(&["cases/rtp/chromium-corpus", "cases/rtp/mediasoup-crashes", "cases/rtcp"], srtp);
}
