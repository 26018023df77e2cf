//! Descriptions and candidates.

use std::net::IpAddr;
use std::time::Duration;

use patchcord::sdp::{MAX_LINES, Origin, SdpError, candidate, read, write};

use crate::shared;

/// Whatever the bytes: no panic, and what is read can be written and read again.
pub fn sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = candidate::read(&text);
    let Ok(first) = read(&text) else { return };
    let written = write(&first, &Origin::new(1, IpAddr::from([127, 0, 0, 1])));
    match read(&written) {
        // The writer may need more lines than the peer had.
        Err(SdpError::TooManyLines | SdpError::TooLong { .. } | SdpError::LineTooLong { .. }) => {}
        second => assert_eq!(second.as_ref(), Ok(&first), "{written}"),
    }
}

/// How many damaged descriptions are tried.
const MUTATIONS: usize = 10_000;

#[test]
fn damaged_descriptions_do_no_harm() {
    let mut seeds: Vec<Vec<u8>> = ["cases/sdp", "fixtures/sdp"]
        .into_iter()
        .flat_map(shared::files)
        .map(|(_, bytes)| bytes)
        .filter(|bytes| bytes.starts_with(b"v=0"))
        .collect();
    seeds.push(b"v=0\r\nm=audio 9 RTP/AVP 0 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 x=1\r\n".to_vec());
    seeds.push(b"v=0\r\nm=audio 9 RTP/AVP 0\r\na=ssrc-group:FIp::D 50498894 2\r\n".to_vec());
    seeds.push(b"v=0\r\nm=application 8 UDP/DTLS/SCTP webrtc-datachannel\r\na=bundle-only:x\r\n".to_vec());
    let each = MUTATIONS.div_ceil(seeds.len());
    for (at, seed) in seeds.iter().enumerate() {
        sdp(seed);
        shared::mutations(at as u64, seed, each).for_each(|damaged| sdp(&damaged));
    }
}

#[test]
fn the_worst_that_the_limits_let_through_takes_less_than_a_second() {
    let formats: String = (0..128).map(|p| format!(" {p}")).collect();
    let head = format!("v=0\r\nm=audio 9 RTP/AVP{formats}\r\n");
    for line in ["a=rtpmap:127 x/1", "a=fmtp:127 x", "a=rtcp-fb:* nack N", "a=ssrc:N a", "a=x", "a=candidate:N"] {
        let mut text = head.clone();
        for number in 0..MAX_LINES - 2 {
            text.push_str(&line.replace('N', &number.to_string()));
            text.push_str("\r\n");
        }
        let took = shared::quickest(|| sdp(text.as_bytes()));
        assert!(took < Duration::from_secs(1), "{line}: {took:?}");
    }
}
