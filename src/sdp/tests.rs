#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use super::*;
use crate::model::{
    CandidateHost, CandidateKind, CandidateProtocol, Codec, Crypto, Description, Direction, Extra, HeaderExtension,
    Kind, Mid, RtpSource, Sdes, Seal, Setup, SourceGroup,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn body(media: &str) -> String {
    format!("{HEAD}{}\r\n", media.replace('\n', "\r\n"))
}

fn parsed(media: &str) -> Description {
    read(&body(media)).unwrap()
}

fn origin() -> Origin {
    Origin::new(7, "192.0.2.9".parse().unwrap())
}

fn again(description: &Description) -> Description {
    read(&write(description, &origin())).unwrap()
}

#[test]
fn a_phones_offer_is_read_and_written_lean() {
    let offer = parsed("m=audio 4000 RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20");
    let audio = offer.audio().unwrap();
    assert_eq!(audio.codecs, [Codec::pcmu(), Codec::pcma(), Codec::telephone_event(101, 8000)]);
    assert_eq!(audio.transport.address, Some("192.0.2.1:4000".parse().unwrap()));
    assert_eq!(audio.ptime, Some(Duration::from_millis(20)));
    assert_eq!(
        write(&offer, &origin()),
        "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0 8 101\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
    );
}

#[test]
fn a_stream_of_an_unknown_protocol_keeps_its_slot_its_words_and_its_own_lines() {
    let text = "m=audio 4000 RTP/AVP 0\nm=image 5000 udptl t38\nc=IN IP4 192.0.2.7\na=sendonly\na=T38FaxVersion:0";
    let offer = parsed(text);
    assert_eq!(offer.streams.len(), 2);
    assert_eq!(offer.streams[0].direction, Direction::SendRecv);
    assert_eq!(offer.streams[0].transport.address.unwrap().ip().to_string(), "192.0.2.1");
    assert_eq!(offer.streams[1].kind, Kind::Other("image".into()));
    assert!(write(&offer, &origin()).contains("m=image 5000 udptl t38\r\nc=IN IP4 192.0.2.7\r\n"));
    assert_eq!(again(&offer), offer);
}

#[test]
fn what_the_session_says_holds_for_streams_that_do_not_say_it() {
    let text = body(
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=recvonly\na=setup:passive\na=ice-ufrag:own1\na=ice-pwd:ownownownownownownowno",
    );
    let text = text.replace(
        "t=0 0\r\n",
        "t=0 0\r\na=sendonly\r\na=setup:active\r\na=fingerprint:SHA-256 \
         30:FF:8E:2B:AC:9D:ED:70:18:10:67:C8:AE:9E:68:F3:86:53:51:B0:AC:31:B7:BE:6D:CF:A4:2E:D3:6E:B4:28\r\n\
         a=ice-lite\r\na=ice-ufrag:sess\r\na=ice-pwd:sesssesssesssesssesssess\r\n",
    );
    let offer = read(&text).unwrap();
    let [audio, video] = offer.streams.as_slice() else { panic!("two streams") };
    assert_eq!((audio.direction, video.direction), (Direction::SendOnly, Direction::RecvOnly));
    for (stream, role, user) in [(audio, Setup::Active, "sess"), (video, Setup::Passive, "own1")] {
        let Seal::Dtls { fingerprints, setup, .. } = &stream.transport.seal else { panic!("DTLS") };
        assert_eq!(fingerprints[0].algorithm, "sha-256", "the case of the name does not matter");
        assert_eq!((fingerprints[0].bytes[0], *setup), (0x30, role));
        let ice = stream.transport.ice.as_ref().unwrap();
        assert_eq!((ice.ufrag.as_str(), ice.lite), (user, true));
    }
}

#[test]
fn no_address_is_what_no_packet_can_reach() {
    for media in ["m=audio 9 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 0\nc=IN IP4 phone.example.com"] {
        assert_eq!(parsed(media).streams[0].transport.address, None, "{media}");
    }
}

#[test]
fn the_old_hold_by_address_means_not_to_send_and_a_browsers_empty_address_does_not() {
    let old = parsed("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0");
    assert_eq!(old.streams[0].direction, Direction::SendOnly);
    let browser =
        parsed("m=audio 9 UDP/TLS/RTP/SAVPF 0\nc=IN IP4 0.0.0.0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv");
    assert_eq!(browser.streams[0].direction, Direction::SendRecv);
}

#[test]
fn a_bundle_only_stream_with_port_zero_is_not_refused_and_a_plain_one_is() {
    let offer =
        parsed("m=audio 4000 RTP/AVP 0\na=mid:a\nm=video 0 RTP/AVP 31\na=mid:v\na=bundle-only\nm=video 0 RTP/AVP 31");
    assert_eq!(offer.streams.iter().map(|s| s.accepted).collect::<Vec<_>>(), [true, true, false]);
    assert!(write(&offer, &origin()).contains("m=video 0 RTP/AVP 31"));
    assert_eq!(again(&offer), offer);
}

#[test]
fn the_seal_follows_from_the_protocol_and_the_keys() {
    let crypto = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4";
    let sdes = |optional| Seal::Sdes(Sdes { cryptos: [Crypto::new(crypto)].into(), optional });
    for (protocol, feedback) in [("RTP/SAVP", false), ("RTP/SAVPF", true), ("RTP/AVP", false)] {
        let offer = parsed(&format!("m=audio 4000 {protocol} 0\na=crypto:{crypto}"));
        assert_eq!(offer.streams[0].transport.seal, sdes(protocol == "RTP/AVP"));
        assert_eq!(offer.streams[0].transport.feedback_profile, feedback);
        assert!(write(&offer, &origin()).contains(&format!("m=audio 4000 {protocol} 0\r\n")));
        assert_eq!(again(&offer), offer);
    }
    assert_eq!(parsed("m=audio 4000 RTP/AVPF 0").streams[0].transport.seal, Seal::Plain);
    let keyless = parsed("m=audio 4000 UDP/TLS/RTP/SAVPF 0");
    assert_eq!(
        keyless.streams[0].transport.seal,
        Seal::dtls(vec![], Setup::Active),
        "a sealed stream without keys is never plain"
    );
}

#[test]
fn format_parameters_stay_untouched() {
    for parameters in ["minptime=10;useinbandfec=1", "0-16", "mode-set=0,2,4; octet-align=1", "profile-level-id=42e01f"]
    {
        let offer = parsed(&format!("m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2\na=fmtp:96 {parameters}"));
        assert_eq!(offer.streams[0].codecs[0].parameters.as_deref(), Some(parameters));
        assert_eq!(again(&offer), offer);
    }
}

#[test]
fn packet_times_may_have_fractions() {
    for (text, micros) in [("20", 20_000), ("20.0", 20_000), ("0.125", 125), ("2.5", 2_500)] {
        let offer = parsed(&format!("m=audio 4000 RTP/AVP 0\na=ptime:{text}"));
        assert_eq!(offer.streams[0].ptime, Some(Duration::from_micros(micros)));
        assert_eq!(again(&offer), offer);
    }
    assert_eq!(parsed("m=audio 4000 RTP/AVP 0\na=ptime:-1").streams[0].ptime, None);
}

#[test]
fn unknown_attributes_are_kept_in_order_with_their_case() {
    let offer = parsed(
        "m=audio 4000 RTP/AVP 0\na=rtcp-xr:rcvr-rtt=all\na=silenceSupp:off - - - -\na=X-flag\na=rtpmap:97 nobody/1",
    );
    let name = |e: &Extra| e.name.clone();
    let names: Vec<_> = offer.streams[0].extras.iter().map(name).collect();
    assert_eq!(names, ["rtcp-xr", "silenceSupp", "X-flag", "rtpmap"]);
    assert_eq!(again(&offer), offer);
}

#[test]
fn a_source_of_which_nothing_is_said_gets_the_writers_cname_and_any_other_is_written_as_it_is() {
    let offer = parsed("m=audio 4000 RTP/AVP 0\na=ssrc:5 cname:them\na=ssrc:6 label\na=ssrc:5 msid:a b");
    let said = |name: &str, value: Option<&str>| Extra { name: name.into(), value: value.map(str::to_owned) };
    let them = RtpSource { ssrc: 5, attributes: vec![said("cname", Some("them")), said("msid", Some("a b"))] };
    assert_eq!(offer.streams[0].sources, [them, RtpSource { ssrc: 6, attributes: vec![said("label", None)] }]);
    let us = Origin { cname: Some("us".into()), ..origin() };
    let text = write(&offer, &us);
    assert!(text.contains("a=ssrc:5 cname:them\r\na=ssrc:5 msid:a b\r\na=ssrc:6 label\r\n"), "{text}");
    assert_eq!(again(&offer), offer);
    let mut fed = offer;
    fed.streams[0].sources = vec![RtpSource::new(5)];
    assert!(write(&fed, &us).contains("a=ssrc:5 cname:us\r\n"));
}

/// A video stream as a browser offers it.
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\na=mid:1\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\na=extmap-allow-mixed\na=extmap:4/sendonly urn:ietf:params:rtp-hdrext:sdes:mid\na=extmap:5 urn:x:y p=1 q\na=msid:s t\na=ssrc-group:FID 7 8\na=ssrc:7 cname:c\na=ssrc:8 cname:c\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\na=setup:actpass\na=rtcp-mux\na=rtcp-rsize";

#[test]
fn what_a_browser_says_of_a_video_stream_passes_to_another() {
    let offer = parsed(VIDEO);
    let video = &offer.streams[0];
    assert_eq!(video.source_groups[0].ssrcs, [7, 8]);
    assert_eq!(video.msid.as_deref(), Some("s t"));
    let [mid, other] = video.header_extensions.as_slice() else { panic!("two extensions") };
    assert_eq!((mid.id, mid.direction, other.direction), (4, Some(Direction::SendOnly), None));
    assert_eq!(other.parameters.as_deref(), Some("p=1 q"));
    assert!(video.mixed_extensions && video.reduced_rtcp && video.extras.is_empty(), "{:?}", video.extras);
    let text = write(&offer, &Origin { cname: Some("us".into()), ..origin() });
    for line in VIDEO.lines().skip(1) {
        assert!(text.contains(&format!("{line}\r\n")), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("us "), "nothing of the writer's own: {text}");
    assert_eq!(again(&offer), offer);
}

#[test]
fn header_extensions_of_the_session_are_those_of_streams_that_say_none() {
    let text = body("m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31\na=extmap:2 urn:y\nm=image 5000 udptl t38");
    let text = text.replace("t=0 0\r\n", "t=0 0\r\na=extmap:1 urn:x\r\na=extmap-allow-mixed\r\n");
    let offer = read(&text).unwrap();
    let uris = |at: usize| offer.streams[at].header_extensions.iter().map(|e| e.uri.as_str()).collect::<Vec<_>>();
    assert_eq!((uris(0), uris(1), uris(2)), (vec!["urn:x"], vec!["urn:y"], vec![]));
    assert_eq!(offer.streams.iter().map(|s| s.mixed_extensions).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(again(&offer), offer);
}

#[test]
fn a_stream_without_a_name_gets_one_that_a_browser_plays_in_step_with_the_others() {
    let ours = Origin { cname: Some("pc".into()), ..origin() };
    let ice = "a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv";
    let both = format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:audio\n{ice}\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:video\na=rtpmap:96 VP8/90000\n{ice}"
    );
    let text = write(&parsed(&both), &ours);
    assert!(text.contains("a=msid:pc audio\r\n") && text.contains("a=msid:pc video\r\n"), "{text}");
    let by_source = write(&parsed(&format!("m=audio 9 UDP/TLS/RTP/SAVPF 0\n{ice}\na=ssrc:5 msid:s t")), &ours);
    assert!(by_source.contains("a=msid:s t\r\n") && by_source.contains("a=ssrc:5 msid:s t\r\n"), "{by_source}");
}

#[test]
fn streams_with_a_transport_each_keep_it() {
    let transport = |user: &str, at: &str| {
        format!(
            "a=ice-ufrag:{user}\na=ice-pwd:{user}abcdefghijklmnopqr\na=fingerprint:md5 {at}\na=setup:active\na=rtcp-mux"
        )
    };
    let (audio, video) = (transport("aaaa", "0A:0B"), transport("bbbb", "0C:0D"));
    let answer = parsed(&format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:audio\n{audio}\nm=video 9 UDP/TLS/RTP/SAVPF 31\na=mid:video\n{video}"
    ));
    let text = write(&answer, &origin());
    let (first, second) = text.split_at(text.find("m=video").unwrap());
    for (text, lines) in [(first, audio), (second, video)] {
        assert!(lines.lines().all(|l| text.contains(&format!("{l}\r\n"))), "{text}");
    }
    assert!(!text.contains("BUNDLE"));
    assert_eq!(again(&answer), answer);
}

#[test]
fn more_candidates_are_expected_exactly_after_trickle_without_an_end() {
    let ice = "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\n";
    for (lines, more) in [
        ("a=ice-options:trickle", true),
        ("a=ice-options:ice2 trickle", true),
        ("a=ice-options:trickle\na=end-of-candidates", false),
        ("a=candidate:1 1 udp 2 192.0.2.1 5000 typ host", false),
    ] {
        let offer = parsed(&format!("{ice}{lines}"));
        assert_eq!(offer.streams[0].transport.ice.as_ref().unwrap().more, more, "{lines}");
        assert_eq!(again(&offer), offer, "{lines}");
        let trickling = read(&write(&offer, &Origin { trickle: true, ..origin() })).unwrap();
        assert_eq!(trickling, offer, "{lines}");
    }
}

#[test]
fn rtcp_on_a_port_of_its_own_is_read_with_and_without_address() {
    let at = |media: &str| parsed(media).streams[0].transport.rtcp_address.map(|a| a.to_string());
    assert_eq!(at("m=audio 4000 RTP/AVP 0\na=rtcp:4003").as_deref(), Some("192.0.2.1:4003"));
    assert_eq!(at("m=audio 4000 RTP/AVP 0\na=rtcp:4003 IN IP6 2001:db8::1").as_deref(), Some("[2001:db8::1]:4003"));
    assert_eq!(at("m=audio 4000 RTP/AVP 0\na=rtcp:9 IN IP4 0.0.0.0"), None);
}

#[test]
fn lines_that_should_be_there_are_not_missed() {
    let bare = read("v=0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\nthis is garbage\nz=0 0\nk=clear:x").unwrap();
    assert_eq!(bare.audio().unwrap().codecs, [Codec::pcmu()]);
    let odd = read("v=0\ro=John Doe 99999999999999999999 x IN IP4 nowhere\rm=audio 4000 RTP/AVP 0\r").unwrap();
    assert_eq!(odd.streams.len(), 1);
}

#[test]
fn an_error_says_the_line_and_what_is_wrong_with_it() {
    let wrong = |media: &str| read(&body(media)).unwrap_err().to_string();
    assert_eq!(wrong("m=audio x RTP/AVP 0"), "line 6: m=: the port is no port");
    assert_eq!(wrong("m=audio 4000 RTP/AVP"), "line 6: m=: the formats are missing");
    assert_eq!(
        wrong("m=audio 4000 RTP/AVP 0\na=fingerprint:sha-256 AB:CD"),
        "line 7: a=fingerprint: 2 octets are no sha-256"
    );
    assert_eq!(wrong("m=audio 4000 RTP/AVP 0\na=setup:maybe"), "line 7: a=setup: \"maybe\" is no role");
    assert!(wrong("m=audio 4000 RTP/AVP 0\nc=IN").starts_with("line 7: c=:"));
    assert!(wrong("m=audio 1 RTP/AVP 0\na=mid:a\nm=audio 2 RTP/AVP 0\na=mid:a").starts_with("line 8: a=mid:"));
    assert_eq!(read("").unwrap_err(), SdpError::NotSdp);
    assert_eq!(read("hello").unwrap_err(), SdpError::NotSdp);
}

#[test]
fn each_limit_has_its_error() {
    let long = "x".repeat(MAX_LINE_OCTETS);
    assert_eq!(read(&body(&format!("a=x:{long}"))).unwrap_err(), SdpError::LineTooLong { line: 6 });
    assert_eq!(read(&body(&"a=x\n".repeat(MAX_LINES))).unwrap_err(), SdpError::TooManyLines);
    let streams = "m=audio 1 RTP/AVP 0\n".repeat(MAX_STREAMS + 1);
    assert_eq!(read(&body(&streams)).unwrap_err(), SdpError::TooManyStreams { line: 5 + MAX_STREAMS + 1 });
    let octets = MAX_OCTETS + 1;
    assert_eq!(read(&"v".repeat(octets)).unwrap_err(), SdpError::TooLong { octets });
}

#[test]
fn nothing_in_a_description_can_begin_a_line_of_its_own() {
    let mut offer = parsed("m=audio 4000 RTP/AVP 0\na=mid:a");
    offer.streams[0].mid = Some(Mid("a\r\na=evil".into()));
    offer.streams[0].codecs[0].parameters = Some("x\nm=audio 1 RTP/AVP 0".into());
    offer.extras.push(Extra { name: "tool\r".into(), value: Some("\na=evil".into()) });
    offer.streams[0].msid = Some("a\r\na=evil".into());
    let evil = Extra { name: "x y\r\na=evil".into(), value: Some("z\r\na=evil".into()) };
    offer.streams[0].sources = vec![RtpSource { ssrc: 1, attributes: vec![evil] }];
    offer.streams[0].source_groups = vec![SourceGroup { semantics: "FID\r\na=evil".into(), ssrcs: vec![1] }];
    let evil =
        |uri: &str| HeaderExtension { id: 1, uri: uri.into(), direction: None, parameters: Some("\ra=evil".into()) };
    offer.streams[0].header_extensions = vec![evil("urn:x\na=evil"), evil("urn:x y")];
    let text = write(&offer, &Origin { name: "a b\r\nc=".into(), cname: Some("c\r\nd".into()), ..origin() });
    assert!(text.lines().all(|l| !l.starts_with("a=evil")), "{text}");
    assert_eq!(text.lines().filter(|l| l.starts_with("m=")).count(), 1);
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn a_browsers_answer_has_what_rfc_8829_asks_for() {
    let answer = "a=ice-lite\nm=audio 40000 UDP/TLS/RTP/SAVPF 111 110\nc=IN IP4 192.0.2.1\na=mid:0\na=rtpmap:111 opus/48000/2\na=rtcp-fb:111 transport-cc\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:110 telephone-event/48000\na=ssrc:9 cname:x\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\na=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\na=setup:passive\na=rtcp-mux\na=candidate:1 1 udp 2 192.0.2.1 40000 typ host";
    let mut description = read(&body(&format!("a=group:BUNDLE 0\n{answer}"))).unwrap();
    description.streams[0].sources = vec![RtpSource::new(9)];
    let text = write(&description, &Origin { cname: Some("pc".into()), trickle: true, ..origin() });
    let (session, audio) = text.split_at(text.find("m=").unwrap());
    assert_eq!(session, "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n");
    assert_eq!(
        audio,
        "m=audio 40000 UDP/TLS/RTP/SAVPF 111 110\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=sendrecv\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=msid:pc 0\r\na=ssrc:9 cname:pc\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
         a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\na=setup:passive\r\n\
         a=rtcp-mux\r\na=ice-options:trickle\r\na=candidate:1 1 udp 2 192.0.2.1 40000 typ host\r\na=end-of-candidates\r\n"
    );
}

#[test]
fn candidates_keep_names_types_and_extensions() {
    for line in [
        "candidate:806855543 1 udp 2122194687 127.0.0.1 40063 typ host generation 0 network-id 3 network-cost 50",
        "candidate:1 2 udp 7 2001:db8::1 40063 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag lU11",
        "candidate:1 1 tcp 7 fd00::2 9 typ host tcptype active generation 0",
        "candidate:1 1 udp 7 0f1b2c3d-0000-4000-8000-000000000000.local 40063 typ host",
        "candidate:1 1 udp 7 192.0.2.1 1 typ relay raddr hidden.local rport 3",
        "candidate:1 1 sctp 7 192.0.2.1 1 typ prflx odd",
    ] {
        let candidate = candidate::read(line).unwrap();
        assert_eq!(candidate::write(&candidate), line);
        assert_eq!(candidate::read(&format!("a={line}")).unwrap(), candidate);
    }
    let tcp = candidate::read("candidate:1 1 TCP 7 h.local 9 typ host generation 0 tcptype passive").unwrap();
    assert_eq!(tcp.protocol, CandidateProtocol::Tcp("passive".into()));
    assert_eq!((tcp.kind, tcp.host), (CandidateKind::Host, CandidateHost::Name("h.local".into())));
    assert_eq!(tcp.rest, "generation 0");
}

#[test]
fn a_bad_candidate_alone_is_an_error_and_within_a_description_an_extra() {
    for (line, wrong) in [
        ("", "candidate: the line does not begin with candidate:"),
        ("candidate:1 1 udp 7 192.0.2.1", "candidate: the port is missing"),
        ("candidate:1 1 udp 7 192.0.2.1 70000 typ host", "candidate: the port is no port"),
        ("candidate:1 1 udp 7 192.0.2.1 7 typ odd", "candidate: the type is none of host, srflx, prflx, relay"),
    ] {
        assert_eq!(candidate::read(line).unwrap_err().to_string(), wrong);
    }
    let offer =
        parsed("m=audio 4000 RTP/AVP 0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\na=candidate:1 1 udp");
    assert!(offer.streams[0].transport.ice.as_ref().unwrap().candidates.is_empty());
    assert_eq!(offer.streams[0].extras[0].name, "candidate");
}

#[test]
fn a_name_of_a_dtls_association_is_read_and_written_and_one_of_another_form_stays_an_extra() {
    let sealed = |id: &str| {
        format!(
            "m=audio 4000 UDP/TLS/RTP/SAVP 0\na=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\na=setup:actpass\na=tls-id:{id}"
        )
    };
    let offer = parsed(&sealed("abc3de65cddef001be82"));
    let Seal::Dtls { tls_id, optional, .. } = &offer.streams[0].transport.seal else { panic!("DTLS") };
    assert_eq!((tls_id.as_deref(), *optional), (Some("abc3de65cddef001be82"), false));
    assert!(write(&offer, &origin()).contains("a=tls-id:abc3de65cddef001be82\r\n"));
    assert_eq!(again(&offer), offer);
    let odd = parsed(&sealed("too short"));
    assert!(matches!(&odd.streams[0].transport.seal, Seal::Dtls { tls_id: None, .. }));
    assert_eq!(odd.streams[0].extras[0].name, "tls-id");
}

#[test]
fn a_certificate_may_stand_in_any_profile_and_goes_before_keys_beside_it() {
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    for (protocol, choice) in
        [("RTP/AVP", true), ("RTP/AVPF", true), ("RTP/SAVP", false), ("RTP/SAVPF", false), ("UDP/TLS/RTP/SAVPF", false)]
    {
        let offer = parsed(&format!(
            "m=audio 4000 {protocol} 0\n{crypto}\na=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\na=setup:active"
        ));
        let Seal::Dtls { optional, .. } = &offer.streams[0].transport.seal else { panic!("{protocol}: DTLS") };
        assert_eq!(*optional, choice, "{protocol}");
        let text = write(&offer, &origin());
        assert!(text.contains(&format!("m=audio 4000 {protocol} 0\r\n")) && !text.contains("crypto"), "{text}");
        assert_eq!(again(&offer), offer);
    }
}

#[test]
fn what_a_stream_may_take_is_read_in_either_unit() {
    for (line, kbps) in [("b=AS:512", Some(512)), ("b=TIAS:512001", Some(513)), ("b=RR:0", None), ("b=AS:many", None)] {
        let description = parsed(&format!("m=video 4002 RTP/AVP 96\n{line}\na=rtpmap:96 VP8/90000"));
        assert_eq!(description.streams[0].bandwidth_kbps, kbps, "{line}");
    }
}

#[test]
fn a_group_of_sources_whose_meaning_is_no_word_stays_an_extra() {
    let offer = parsed("m=audio 4000 RTP/AVP 0\na=ssrc-group:FIp::D 50498894 2\na=ssrc-group:FID 7 8");
    assert_eq!(offer.streams[0].source_groups, [SourceGroup { semantics: "FID".into(), ssrcs: vec![7, 8] }]);
    assert_eq!(offer.streams[0].extras[0].value.as_deref(), Some("FIp::D 50498894 2"));
    assert_eq!(again(&offer), offer);
}
