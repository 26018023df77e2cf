//! A description survives being written and read.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use patchcord::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Description, Direction, Extra, Fingerprint,
    Group, HeaderExtension, Ice, Kind, Mid, RtpSource, Seal, Setup, SourceGroup, Stream, Transport,
};
use patchcord::sdp::{MEDIA_EXTRA, Origin, candidate, read, write};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// An address one can send to.
fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1..u32::MAX).prop_map(|a| IpAddr::from(a.to_be_bytes())),
        (1..u128::MAX).prop_map(|a| IpAddr::from(a.to_be_bytes())),
    ]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (ip(), 10u16..).prop_map(SocketAddr::from)
}

fn direction() -> impl Strategy<Value = Direction> {
    any::<(bool, bool)>().prop_map(|(sends, receives)| Direction::of(sends, receives))
}

fn codec() -> impl Strategy<Value = Codec> {
    let name = "[A-Za-z][A-Za-z0-9-]{0,12}";
    let parameters = option::of("[!-~]([ -~]{0,30}[!-~])?");
    let feedback = vec("(nack|ccm fir|x-[a-z]{1,5}( [a-z]{1,5})?)", 0..3);
    (name, 1u32..200_000, 1u8..9, parameters, feedback).prop_map(
        |(name, clock_hz, channels, parameters, mut feedback)| {
            feedback.sort();
            feedback.dedup();
            Codec { payload_type: 0, name, clock_hz, channels, parameters, feedback }
        },
    )
}

fn host() -> impl Strategy<Value = CandidateHost> {
    prop_oneof![ip().prop_map(CandidateHost::Ip), "[a-z0-9-]{8}\\.local".prop_map(CandidateHost::Name)]
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let protocol = prop_oneof![
        Just(CandidateProtocol::Udp),
        "(active|passive|so)".prop_map(CandidateProtocol::Tcp),
        Just(CandidateProtocol::Other("sctp".into())),
    ];
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::Srflx),
        Just(CandidateKind::Prflx),
        Just(CandidateKind::Relay)
    ];
    let related = option::of((ip(), any::<u16>()));
    let rest = "(generation [0-9])?( network-id [0-9])?".prop_map(|r| r.trim().to_owned());
    ("[a-zA-Z0-9+/]{1,32}", 1u16..257, protocol, any::<u32>(), host(), any::<u16>(), kind, related, rest).prop_map(
        |(foundation, component, protocol, priority, host, port, kind, related, rest)| Candidate {
            foundation,
            component,
            protocol,
            priority,
            host,
            port,
            kind,
            related,
            rest,
        },
    )
}

fn ice(lite: bool) -> impl Strategy<Value = Ice> {
    ("[a-zA-Z0-9+/]{4,20}", "[a-zA-Z0-9+/]{22,40}", vec(candidate(), 0..4), any::<bool>())
        .prop_map(move |(ufrag, pwd, candidates, more)| Ice { ufrag, pwd, lite, candidates, more })
}

fn seal() -> impl Strategy<Value = Seal> {
    let fingerprint = prop_oneof![
        any::<[u8; 32]>().prop_map(|b| Fingerprint { algorithm: "sha-256".into(), bytes: b.into() }),
        any::<[u8; 20]>().prop_map(|b| Fingerprint { algorithm: "sha-1".into(), bytes: b.into() }),
        any::<[u8; 16]>().prop_map(|b| Fingerprint { algorithm: "md5".into(), bytes: b.into() }),
    ];
    let setup = prop_oneof![Just(Setup::Active), Just(Setup::Passive), Just(Setup::ActPass), Just(Setup::HoldConn)];
    prop_oneof![
        Just(Seal::Plain),
        (vec("[1-9] AES_CM_128_HMAC_SHA1_80 inline:[a-zA-Z0-9+/]{40}", 1..3), any::<bool>()).prop_map(
            |(lines, optional)| {
                let cryptos = lines.into_iter().map(patchcord::model::Crypto::new).collect();
                Seal::Sdes(patchcord::model::Sdes { cryptos, optional })
            }
        ),
        (vec(fingerprint, 0..3), setup, option::of("[A-Za-z0-9+/_-]{20,40}"), any::<bool>()).prop_map(
            |(fingerprints, setup, tls_id, optional)| {
                let optional = optional && !fingerprints.is_empty();
                Seal::Dtls { fingerprints, setup, tls_id, optional }
            }
        ),
    ]
}

fn extra() -> impl Strategy<Value = Extra> {
    ("x-[a-zA-Z0-9-]{1,12}", option::of("([!-~]([ -~]{0,30}[!-~])?)?")).prop_map(|(name, value)| Extra { name, value })
}

/// What is said of a source is kept; of one of which nothing is said the writer says its own.
fn sources() -> impl Strategy<Value = Vec<RtpSource>> {
    let attribute = ("(cname|msid|label|x-[a-z]{1,5})", option::of("[!-~]([ -~]{0,30}[!-~])?"))
        .prop_map(|(name, value)| Extra { name, value });
    vec((any::<u32>(), vec(attribute, 1..3)), 0..3).prop_map(|mut sources| {
        sources.sort_by_key(|(ssrc, _)| *ssrc);
        sources.dedup_by_key(|(ssrc, _)| *ssrc);
        sources.into_iter().map(|(ssrc, attributes)| RtpSource { ssrc, attributes }).collect()
    })
}

fn source_group() -> impl Strategy<Value = SourceGroup> {
    ("(FID|SIM|FEC-FR|X)", vec(any::<u32>(), 1..4)).prop_map(|(semantics, ssrcs)| SourceGroup { semantics, ssrcs })
}

fn header_extension() -> impl Strategy<Value = HeaderExtension> {
    let way = option::of(prop_oneof![Just(Direction::SendRecv), Just(Direction::SendOnly), Just(Direction::RecvOnly)]);
    let parameters = option::of("[!-~]{1,8}( [!-~]{1,8})?");
    (1u16.., "(urn|http)://?[!-~]{1,30}", way, parameters)
        .prop_map(|(id, uri, direction, parameters)| HeaderExtension { id, uri, direction, parameters })
}

/// What RFC 5576, RFC 8830, RFC 8285 and RFC 5506 have lines for.
type Lines = (Vec<RtpSource>, Vec<SourceGroup>, Option<String>, Vec<HeaderExtension>, bool, bool);

fn lines() -> impl Strategy<Value = Lines> {
    let msid = option::of("[a-zA-Z0-9-]{1,36}( [a-zA-Z0-9-]{1,36})?");
    let flags = (any::<bool>(), any::<bool>());
    (sources(), vec(source_group(), 0..3), msid, vec(header_extension(), 0..4), flags).prop_map(
        |(sources, groups, msid, extensions, (mixed, reduced))| (sources, groups, msid, extensions, mixed, reduced),
    )
}

fn transport(lite: bool) -> impl Strategy<Value = Transport> {
    (seal(), option::of(ice(lite)), option::of(address()), option::of(address()), any::<bool>()).prop_map(
        |(seal, ice, address, rtcp_address, feedback_profile)| Transport {
            seal,
            ice,
            address,
            rtcp_address,
            feedback_profile,
        },
    )
}

fn stream(lite: bool) -> impl Strategy<Value = Stream> {
    let kind = prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Other("text".into()))];
    let numbers = (option::of(1u64..10_000_000), option::of(any::<u32>()), lines());
    let codecs = (vec(codec(), 0..5), Just((0u8..128).collect::<Vec<_>>()).prop_shuffle());
    let rest = (any::<bool>(), any::<bool>(), direction(), vec(extra(), 0..3), any::<bool>());
    (kind, codecs, transport(lite), numbers, rest).prop_map(
        |(kind, (mut codecs, payload_types), mut transport, (ptime, bandwidth_kbps, lines), rest)| {
            let (accepted, rtcp_mux, direction, mut extras, named) = rest;
            codecs.iter_mut().zip(payload_types).for_each(|(codec, p)| codec.payload_type = p);
            let (sources, source_groups, msid, header_extensions, mixed_extensions, reduced_rtcp) = lines;
            if !accepted {
                transport.address = None;
            }
            if codecs.is_empty() {
                // Without payload types a stream has a protocol and a format of its own.
                transport.seal = Seal::Plain;
                transport.feedback_profile = false;
                extras.insert(0, Extra { name: MEDIA_EXTRA.into(), value: Some("udptl t38".into()) });
            }
            Stream {
                mid: named.then(|| Mid(String::new())),
                kind,
                accepted,
                direction,
                codecs,
                transport,
                rtcp_mux,
                sources,
                source_groups,
                msid,
                header_extensions,
                mixed_extensions,
                reduced_rtcp,
                ptime: ptime.map(Duration::from_micros),
                bandwidth_kbps,
                extras,
            }
        },
    )
}

fn description() -> impl Strategy<Value = Description> {
    let streams = any::<bool>().prop_flat_map(|lite| vec(stream(lite), 0..5));
    (streams, vec(extra(), 0..3)).prop_map(|(mut streams, extras)| {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.mid = stream.mid.take().map(|_| Mid(format!("m{at}")));
        }
        let mids: Vec<Mid> = streams.iter().filter_map(|s| s.mid.clone()).collect();
        let groups = if mids.is_empty() { vec![] } else { vec![Group { semantics: "BUNDLE".into(), mids }] };
        Description { streams, groups, extras }
    })
}

/// Lines that mean something, and some that almost do, in any order.
fn line() -> impl Strategy<Value = String> {
    let media = "m=(audio|video|image) (0|9|4000|5000/2) (RTP/AVP|RTP/SAVP|RTP/SAVPF|UDP/TLS/RTP/SAVPF|udptl|UDP/DTLS/SCTP) (0|8 0|97|97 8 128|t38|wb)\r\n";
    let session = "(c=IN IP4 (0\\.0\\.0\\.0|192\\.0\\.2\\.[1-9]|here\\.example)|b=(AS|TIAS):[0-9]{1,4}|k=x|t=0 0)\r\n";
    let flag = "a=(sendrecv|sendonly|inactive|rtcp-mux|bundle-only|ice-lite|rtcp-rsize|extmap-allow-mixed|end-of-candidates|crypto:1 a b|ice-options:(ice2 )?trickle|x|m=:y|=)\r\n";
    let value = "a=(mid:[ab]|ptime:(20|0|2\\.50)|ssrc:[12]( (cname:a|b|msid:| :x))?|ssrc-group:(FID 1 2|FID|SIM x)|msid:(a b|-|)|extmap:([01]|4(/sendonly|/odd)?) urn:x( y  z)?|rtcp:(9|4001|4003 IN IP4 192\\.0\\.2\\.9)|setup:(active|actpass)|fingerprint:MD5 0a:FF|ice-ufrag:abcd|ice-pwd:abcdefghijklmnopqrstuv|candidate:1 1 (udp|tcp) 7 192\\.0\\.2\\.1 (7|x) typ host( tcptype so)?|rtcp-fb:(\\*|0|97) nack|rtpmap:97 (a/8000/1|b/90000|c/0|d)|fmtp:(0|97|98) x=1|group:(LS|DUP) a b)\r\n";
    prop_oneof![3 => media, 2 => session, 4 => flag, 8 => value]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_description_written_and_read_is_the_same(described in description(), trickle: bool, version: u64) {
        let mut origin = Origin::new(1, IpAddr::from([127, 0, 0, 1]));
        origin.version = version;
        origin.trickle = trickle;
        let text = write(&described, &origin);
        prop_assert_eq!(read(&text), Ok(described), "{}", text);
    }

    #[test]
    fn a_candidate_written_and_read_is_the_same(described in candidate()) {
        let text = candidate::write(&described);
        prop_assert_eq!(candidate::read(&text), Ok(described), "{}", text);
    }

    #[test]
    fn what_is_read_stays_the_same_when_written(lines in vec(line(), 0..30)) {
        let text = format!("v=0\r\n{}", lines.concat());
        if let Ok(first) = read(&text) {
            let origin = Origin::new(1, IpAddr::from([127, 0, 0, 1]));
            let written = write(&first, &origin);
            prop_assert_eq!(read(&written), Ok(first), "{}{}", text, written);
        }
    }
}
