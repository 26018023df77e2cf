//! Captured keypad events.

use std::time::{Duration, Instant};

use patchcord::rtp::Packet;
use patchcord::rtp::event::EventReader;

use crate::shared;

/// The UDP payloads of a little-endian Ethernet capture, with their times.
fn datagrams(pcap: &[u8]) -> Vec<(Duration, &[u8])> {
    let word = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut at = 24;
    while at + 16 <= pcap.len() {
        let time = Duration::from_secs(word(at).into()) + Duration::from_micros(word(at + 4).into());
        let length = word(at + 8) as usize;
        let ip = &pcap[at + 16 + 14..at + 16 + length];
        let udp = &ip[usize::from(ip[0] & 0xf) * 4..];
        let end = usize::from(u16::from_be_bytes([udp[4], udp[5]])).min(udp.len());
        found.push((time, &udp[8..end]));
        at += 16 + length;
    }
    found
}

#[test]
fn each_captured_key_is_heard_once() {
    for (name, pcap) in shared::files("cases/rtp/sipp-dtmf-pcap") {
        let Some(key) = name.strip_prefix("dtmf_2833_").and_then(|n| n.strip_suffix(".pcap")) else { continue };
        let digit = if key == "pound" { '#' } else { key.chars().next().unwrap() };
        let start = Instant::now();
        let mut reader = EventReader::default();
        let packets = datagrams(&pcap);
        for (time, datagram) in &packets {
            let packet = Packet::parse(datagram).unwrap();
            reader.handle_packet(start + (*time - packets[0].0), packet.timestamp(), packet.payload(), 8000);
        }
        let heard: Vec<_> = std::iter::from_fn(|| reader.poll()).map(|k| k.digit).collect();
        assert_eq!(heard, [digit], "{name}");
    }
}
