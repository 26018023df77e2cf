//! RTP, RTCP and SRTP.

use std::time::{Duration, Instant};

use patchcord::rtp::event::EventReader;
use patchcord::rtp::rtcp::{self, Rtcp};
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
            Rtcp::Nack { lost, .. } => assert!(lost.count() * 4 <= data.len()),
            _ => {}
        }
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
