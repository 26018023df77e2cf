//! Session descriptions of browsers, phones and the RFCs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use patchcord::model::{Description, Kind, Seal};
use patchcord::sdp::{Origin, SdpError, read, write};

use crate::shared;

/// A file as text: comments of Mozilla's corpus taken out, Latin-1 where it is no UTF-8.
fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    };
    text.lines().filter(|l| !l.starts_with(';')).map(|l| format!("{l}\r\n")).collect()
}

/// All descriptions: the corpora, the browsers', and the bodies of recorded SIP messages.
fn corpus() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["cases/sdp", "fixtures/sdp"] {
        let files = shared::files(folder).into_iter().filter(|(name, _)| name.ends_with(".sdp"));
        all.extend(files.map(|(name, bytes)| (format!("{folder}/{name}"), text(&bytes))));
    }
    for (name, bytes) in shared::files("fixtures/sip") {
        let message = text(&bytes);
        if let Some((head, body)) = message.split_once("\r\n\r\n")
            && head.to_ascii_lowercase().contains("application/sdp")
        {
            all.push((name, body.to_owned()));
        }
    }
    all
}

fn origin() -> Origin {
    Origin::new(1, IpAddr::from([127, 0, 0, 1]))
}

/// The formats by `m=` line: what RFC 3264 makes an answer depend on, compared without order, case of names
/// and the `/1` of one channel.
fn formats(text: &str) -> Vec<BTreeMap<String, Vec<String>>> {
    let mut streams: Vec<BTreeMap<String, Vec<String>>> = Vec::new();
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let kind = media.split(' ').next().unwrap_or_default();
            streams.push(BTreeMap::from([("kind".to_owned(), vec![kind.to_owned()])]));
            continue;
        }
        let Some(stream) = streams.last_mut() else { continue };
        for name in ["rtpmap", "fmtp", "ptime", "mid", "crypto", "candidate", "extmap", "msid", "ssrc", "ssrc-group"] {
            if let Some(value) = line.strip_prefix("a=").and_then(|l| l.strip_prefix(name)?.strip_prefix(':')) {
                let value = value.trim().strip_suffix("/1").unwrap_or(value.trim());
                let values = stream.entry(name.to_owned()).or_default();
                if name == "ptime" {
                    // Said twice, the last word counts.
                    values.clear();
                }
                values.push(value.to_ascii_lowercase());
            }
        }
    }
    for values in streams.iter_mut().flat_map(BTreeMap::values_mut) {
        values.sort();
    }
    streams
}

#[test]
fn every_whole_description_of_the_corpora_is_read() {
    let mut fragments = 0;
    for (name, text) in corpus() {
        // Chromium's unit tests have some that are single `m=` sections.
        if !text.starts_with("v=0") {
            assert_eq!(read(&text), Err(SdpError::NotSdp), "{name}");
            fragments += 1;
        } else if !name.ends_with("mozilla-webrtc-sdp/08.sdp")
            && let Err(error) = read(&text)
        {
            panic!("{name}: {error}");
        }
    }
    assert!(fragments < 10, "most of the corpora is tried");
}

#[test]
fn what_firefox_accepts_is_accepted() {
    let files: BTreeMap<String, Vec<u8>> = shared::files("cases/sdp/mozilla-webrtc-sdp").into_iter().collect();
    let Some(expected) = files.get("EXPECT.json") else { return };
    let expected: serde_json::Value = serde_json::from_slice(expected).unwrap();
    let mut accepted = 0;
    for (name, case) in expected["cases"].as_object().unwrap() {
        if case["mozilla_expectation"] == "accept"
            && let Some(bytes) = files.get(name)
        {
            accepted += 1;
            if let Err(error) = read(&text(bytes)) {
                panic!("{name}: {error}");
            }
        }
    }
    assert!(accepted > 5, "the expectations name files that are there");
}

#[test]
fn a_fingerprint_of_the_wrong_length_is_refused_as_firefox_does() {
    for (name, bytes) in shared::files("cases/sdp/mozilla-webrtc-sdp/08.sdp") {
        let error = read(&text(&bytes)).unwrap_err().to_string();
        assert!(error.contains("a=fingerprint"), "{name}: {error}");
    }
}

#[test]
fn what_is_read_stays_the_same_when_written() {
    for (name, text) in corpus() {
        let Ok(first) = read(&text) else { continue };
        let written = write(&first, &origin());
        assert_eq!(read(&written).as_ref(), Ok(&first), "{name}\n{written}");
    }
}

#[test]
fn slots_formats_parameters_packet_times_names_and_keys_survive() {
    for (name, text) in corpus() {
        let Ok(description) = read(&text) else { continue };
        let written = write(&description, &origin());
        let (mut before, mut after) = (formats(&text), formats(&written));
        assert_eq!(before.len(), after.len(), "{name}: the slots");
        for ((before, after), stream) in before.iter_mut().zip(&mut after).zip(&description.streams) {
            // Keys that stand beside a certificate are nobody's.
            if matches!(stream.transport.seal, Seal::Dtls { .. }) {
                before.remove("crypto");
            }
            // The writer says what RFC 3551 assigns, too; the reader need not have been told.
            if let Some(maps) = after.get_mut("rtpmap") {
                maps.retain(|m| before.get("rtpmap").is_some_and(|b| b.contains(m)));
                if maps.is_empty() {
                    after.remove("rtpmap");
                }
            }
            assert_eq!(before, after, "{name}\n{written}");
        }
    }
}

#[test]
fn browsers_descriptions_have_ice_keys_and_one_port() {
    for (name, bytes) in shared::files("fixtures/sdp").into_iter().filter(|(name, _)| name.ends_with(".sdp")) {
        let description: Description = read(&text(&bytes)).unwrap();
        assert_eq!(description.groups[0].semantics, "BUNDLE", "{name}");
        for stream in &description.streams {
            let Seal::Dtls { fingerprints, .. } = &stream.transport.seal else { panic!("{name}: DTLS") };
            assert_eq!(fingerprints[0].bytes.len(), 32, "{name}");
            assert!(stream.transport.ice.is_some() && stream.mid.is_some(), "{name}");
            if stream.kind == Kind::Audio {
                assert!(stream.rtcp_mux && stream.transport.feedback_profile, "{name}");
                assert!(stream.codecs.iter().any(|c| c.name == "opus" && c.channels == 2), "{name}");
                assert_eq!(stream.sources.len(), usize::from(stream.direction.sends()), "{name}");
            }
        }
        let written = write(&description, &origin());
        assert_eq!(written.contains("m=audio 9 UDP/TLS/RTP/SAVPF"), text(&bytes).contains("m=audio 9 "), "{name}");
    }
}

#[test]
fn candidates_as_a_browser_trickles_them_are_read() {
    let files = shared::files("fixtures/sdp").into_iter().filter(|(name, _)| name.ends_with("_candidates.txt"));
    for (name, bytes) in files {
        for line in text(&bytes).lines().filter(|l| l.starts_with('{')) {
            let candidate: serde_json::Value = serde_json::from_str(line).unwrap();
            let line = candidate["candidate"].as_str().unwrap();
            let read = patchcord::sdp::candidate::read(line).unwrap();
            assert_eq!(patchcord::sdp::candidate::write(&read), line, "{name}");
        }
    }
}

#[test]
fn keys_of_the_corpus_are_refused_for_their_reason() {
    for (name, bytes) in shared::files("cases/sdp/pjsip-sdes-seed") {
        let description = read(&text(&bytes)).unwrap();
        let Seal::Sdes(sdes) = &description.streams[0].transport.seal else { panic!("{name}: keys") };
        let verdict = sdes.check().unwrap_err();
        let expected = match name.split_once("seed-crypto-").unwrap().1.trim_end_matches(".sdp") {
            // The names are not those that were registered.
            "aes256" | "unsupported-suite" => "of the first, its crypto suite is not known here",
            // The keys have 28 bytes, and should have 30.
            "invalid-base64" | "aes128" | "multiple-tags" | "leading-zero-tag" => {
                "of the first, its key is no base64 or has not the length of its suite"
            }
            "missing-components" => "of the first, it has not the form `TAG SUITE inline:KEY`",
            // An MKI of 32 bytes.
            "session-params" => "of the first, its lifetime or MKI cannot be understood",
            other => panic!("{other}"),
        };
        assert!(verdict.ends_with(expected), "{name}: {verdict}");
    }
}
