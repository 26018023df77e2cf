//! A description survives being said as contents and heard again, as far as Jingle has words for it.

use std::net::IpAddr;
use std::time::Duration;

use patchcord::jingle::contents::{Hearing, Saying, Slots, candidates};
use patchcord::jingle::stanza::{Action, Content, Creator, Iq, IqKind, Jingle, Stanza, read};
use patchcord::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Description, Direction, Extra, Fingerprint,
    Group, HeaderExtension, Ice, Kind, Mid, RtpSource, Seal, Setup, SourceGroup, Stream, Transport,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use crate::shared;

/// What can stand in an attribute: anything a person may type, with what XML has a meaning for.
const WORD: &str = "[!-:<-~äß☎&<>'\"]{1,12}";

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|a| IpAddr::from(a.to_be_bytes())),
        any::<u128>().prop_map(|a| IpAddr::from(a.to_be_bytes())),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    any::<(bool, bool)>().prop_map(|(sends, receives)| Direction::of(sends, receives))
}

fn parameters() -> impl Strategy<Value = Option<String>> {
    let word = prop_oneof![
        "[a-zA-Z-]{1,9}=([a-z0-9,=/+-]([a-z0-9,=/ +-]{0,9}[a-z])?)?",
        "[0-9]{1,3}(-[0-9]{1,3})?",
        "[0-9]{1,3}/[0-9]{1,3}"
    ];
    vec(word, 0..4).prop_map(|words| Some(words.join(";")).filter(|words| !words.is_empty()))
}

fn codec() -> impl Strategy<Value = Codec> {
    let feedback = vec("(nack|nack pli|ccm fir|trr-int [1-9][0-9]{0,3}|x-[a-z]{1,5} [a-z]{1,5} [a-z])", 0..4);
    ("[A-Za-z][A-Za-z0-9-]{0,12}", 1u32..200_000, 1u8..9, parameters(), feedback).prop_map(
        |(name, clock_hz, channels, parameters, mut feedback)| {
            feedback.sort();
            feedback.dedup();
            Codec { payload_type: 0, name, clock_hz, channels, parameters, feedback }
        },
    )
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::Srflx),
        Just(CandidateKind::Prflx),
        Just(CandidateKind::Relay)
    ];
    let related = option::of((ip(), any::<u16>()));
    let rest = "generation (0|[1-9][0-9]{0,2})( network-id [1-9])?";
    ("[a-zA-Z0-9+/]{1,32}", any::<u32>(), ip(), any::<u16>(), kind, related, rest).prop_map(
        |(foundation, priority, ip, port, kind, related, rest)| Candidate {
            foundation,
            component: 1,
            protocol: CandidateProtocol::Udp,
            priority,
            host: CandidateHost::Ip(ip),
            port,
            kind,
            related,
            rest,
        },
    )
}

fn ice() -> impl Strategy<Value = Ice> {
    ("[a-zA-Z0-9+/]{4,20}", "[a-zA-Z0-9+/]{22,40}", vec(candidate(), 0..4)).prop_map(|(ufrag, pwd, candidates)| Ice {
        ufrag,
        pwd,
        lite: false,
        candidates,
        more: true,
    })
}

fn seal() -> impl Strategy<Value = Seal> {
    let fingerprint = prop_oneof![
        any::<[u8; 32]>().prop_map(|b| Fingerprint { algorithm: "sha-256".into(), bytes: b.into() }),
        any::<[u8; 20]>().prop_map(|b| Fingerprint { algorithm: "sha-1".into(), bytes: b.into() }),
    ];
    let setup = prop_oneof![Just(Setup::Active), Just(Setup::Passive), Just(Setup::ActPass), Just(Setup::HoldConn)];
    (vec(fingerprint, 1..3), setup).prop_map(|(fingerprints, setup)| Seal::dtls(fingerprints, setup))
}

fn transport(bundled: bool) -> BoxedStrategy<Transport> {
    let full = (seal(), ice()).prop_map(|(seal, ice)| (seal, Some(ice)));
    let some = (prop_oneof![Just(Seal::Plain), seal()], option::of(ice()));
    let either = if bundled { full.boxed() } else { some.boxed() };
    let transport = either.prop_map(|(seal, ice)| Transport {
        feedback_profile: matches!(seal, Seal::Dtls { .. }),
        seal,
        ice,
        address: None,
        rtcp_address: None,
    });
    transport.boxed()
}

fn sources() -> impl Strategy<Value = (Vec<RtpSource>, Vec<SourceGroup>)> {
    let attributes = vec(("(cname|label|mslabel)", WORD.prop_map(Some)), 1..3);
    let attributes = attributes.prop_map(|a| a.into_iter().map(|(name, value)| Extra { name, value }).collect());
    let source = (any::<u32>(), attributes).prop_map(|(ssrc, attributes)| RtpSource { ssrc, attributes });
    (vec(source, 0..3), "(FID|SIM)").prop_map(|(mut sources, semantics)| {
        sources.sort_by_key(|s: &RtpSource| s.ssrc);
        sources.dedup_by_key(|s| s.ssrc);
        let ssrcs: Vec<u32> = sources.iter().map(|s| s.ssrc).collect();
        let groups = if ssrcs.len() > 1 { vec![SourceGroup { semantics, ssrcs }] } else { vec![] };
        (sources, groups)
    })
}

fn extension() -> impl Strategy<Value = HeaderExtension> {
    let parameters = option::of("[a-z]{1,5}(=[a-z0-9]{1,5})?( [a-z]{1,5})?");
    (1u16.., "[a-z]{1,5}:[!-~]{1,20}", option::of(direction()), parameters)
        .prop_map(|(id, uri, direction, parameters)| HeaderExtension { id, uri, direction, parameters })
}

fn stream(bundled: bool) -> impl Strategy<Value = Stream> {
    let kind = prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Other("text".into()))];
    let codecs = (vec(codec(), 1..5), Just((0u8..128).collect::<Vec<_>>()).prop_shuffle());
    let numbers = (option::of(1u64..10_000_000), option::of(any::<u32>()), option::of(1u32..500));
    let flags = (any::<[bool; 3]>(), direction(), option::of("[!-~]{1,9} [!-~]{1,9}"), vec(extension(), 0..3));
    (kind, codecs, transport(bundled), numbers, flags, sources()).prop_map(
        move |(kind, (mut codecs, payload_types), transport, numbers, flags, (sources, source_groups))| {
            let (ptime, bandwidth_kbps, maxptime) = numbers;
            let ([mux, mixed_extensions, reduced_rtcp], direction, msid, header_extensions) = flags;
            codecs.iter_mut().zip(payload_types).for_each(|(codec, p)| codec.payload_type = p);
            let maxptime = maxptime.map(|ms| Extra { name: "maxptime".into(), value: Some(ms.to_string()) });
            Stream {
                direction,
                codecs,
                rtcp_mux: mux || bundled,
                sources,
                source_groups,
                msid,
                header_extensions,
                mixed_extensions,
                reduced_rtcp,
                ptime: ptime.map(Duration::from_micros),
                bandwidth_kbps,
                extras: maxptime.into_iter().collect(),
                ..Stream::new(kind, transport)
            }
        },
    )
}

/// A description that Jingle has words for: all live, all of RTP, named.
fn description() -> impl Strategy<Value = Description> {
    let streams = any::<bool>().prop_flat_map(|bundled| (vec(stream(bundled), 1..5), Just(bundled)));
    (streams, any::<bool>()).prop_map(|((mut streams, bundled), ls)| {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.mid = Some(Mid(format!("m{at}")));
        }
        let mids: Vec<Mid> = streams.iter().filter_map(|s| s.mid.clone()).collect();
        let group = |semantics: &str| Group { semantics: semantics.into(), mids: mids.clone() };
        let groups = [bundled.then(|| group("BUNDLE")), ls.then(|| group("LS"))];
        Description { streams, groups: groups.into_iter().flatten().collect(), extras: vec![] }
    })
}

/// The other end of a wire: what it reads of what is written.
fn carried(jingle: &Jingle) -> Jingle {
    let (from, to) = (Jid::new("a@b/c").unwrap(), Jid::new("d@e/f").unwrap());
    let text = String::from(&Iq::set(&from, &to, "1", jingle.write()).write());
    let stanza: Element = text.parse().unwrap();
    let Stanza::Iq(Iq { kind: IqKind::Set(payload), .. }) = read(stanza) else { panic!("a request: {text}") };
    Jingle::read(&payload).unwrap()
}

fn role(initiator: bool) -> Creator {
    if initiator { Creator::Initiator } else { Creator::Responder }
}

/// What the peer hears if we say an offer, and the slots on both sides.
fn offered(description: &Description, describer: Creator) -> (Description, Slots, Slots) {
    let mut jingle = Jingle::new(Action::SessionInitiate, "s");
    let (mut ours, mut theirs) = (Slots::default(), Slots::default());
    Saying { describer, cname: "us" }.offer(description, &mut ours).put(&mut jingle);
    let mut heard = Description::default();
    Hearing { describer, batch: false }.offer(&carried(&jingle), &mut heard, &mut theirs);
    (heard, ours, theirs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_offer_said_and_heard_is_the_same(described in description(), initiator: bool) {
        let (heard, ours, theirs) = offered(&described, role(initiator));
        prop_assert_eq!(heard, described);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn an_answer_said_and_heard_is_the_same_and_has_every_slot(
        described in description(), refused: u8, initiator: bool,
    ) {
        let (offer, ours, theirs) = offered(&described, role(initiator));
        let mut answer = described;
        answer.groups.clear();
        for (at, stream) in answer.streams.iter_mut().enumerate() {
            stream.accepted = refused & (1 << at) == 0;
            stream.direction = stream.direction.answering(offer.streams[at].direction);
            if let Seal::Dtls { setup, .. } = &mut stream.transport.seal && *setup == Setup::ActPass {
                *setup = Setup::Passive;
            }
            if offer.groups.iter().any(|g| g.semantics == "BUNDLE") {
                // That a group says RTCP's place is the offer's.
                stream.rtcp_mux = true;
            }
        }
        let describer = role(!initiator);
        let mut jingle = Jingle::new(Action::SessionAccept, "s");
        let said = Saying { describer, cname: "us" }.answer(&answer, &offer, &theirs);
        prop_assert_eq!(said.contents.len() + said.refused.len(), offer.streams.len());
        said.put(&mut jingle);
        let heard = Hearing { describer, batch: false }.answer(&carried(&jingle), &offer, &ours);
        prop_assert_eq!(heard.streams.len(), answer.streams.len());
        for (heard, said) in heard.streams.iter().zip(&answer.streams) {
            prop_assert_eq!((&heard.mid, &heard.kind, heard.accepted), (&said.mid, &said.kind, said.accepted));
            if said.accepted {
                prop_assert_eq!(heard, said);
            }
        }
    }

    #[test]
    fn a_candidate_said_and_heard_is_the_same(said in vec(candidate(), 1..4), ice in ice()) {
        let mut slots = Slots::default();
        let stream = Stream { mid: Some(Mid("0".into())), ..Stream::new(Kind::Audio, plain()) };
        let description = Description { streams: vec![stream], ..Description::default() };
        Saying { describer: Creator::Responder, cname: "us" }.offer(&description, &mut slots);
        let mut jingle = Jingle::new(Action::TransportInfo, "s");
        jingle.contents = vec![candidates::to_content(&said, &slots.0[0], &ice).unwrap()];
        let jingle = carried(&jingle);
        let content: &Content = &jingle.contents[0];
        let heard = candidates::of_content(content, &slots, false).unwrap();
        prop_assert_eq!(heard.ufrag, Some(ice.ufrag));
        prop_assert_eq!(heard.candidates, said);
    }
}

fn plain() -> Transport {
    Transport { seal: Seal::Plain, ice: None, address: None, rtcp_address: None, feedback_profile: false }
}

/// What an answer depends on: the formats with their parameters, and the packet time. Parameters without the spaces
/// between them.
fn facts(stream: &Stream) -> (Vec<String>, Option<Duration>) {
    let codec = |c: &Codec| {
        let words = c.parameters.iter().flat_map(|p| p.split(';'));
        let words = words.map(|w| w.split('=').map(str::trim).collect::<Vec<_>>().join("="));
        let words: Vec<String> = words.filter(|w| !w.is_empty()).collect();
        format!("{} {}/{}/{} {}", c.payload_type, c.name, c.clock_hz, c.channels, words.join(";"))
    };
    let mut codecs: Vec<String> = stream.codecs.iter().map(codec).collect();
    codecs.sort();
    (codecs, stream.ptime)
}

#[test]
fn the_corpora_keep_their_formats_parameters_and_packet_times() {
    let mut kept = 0;
    for folder in ["cases/sdp", "fixtures/sdp"] {
        for (name, bytes) in shared::files(folder).into_iter().filter(|(name, _)| name.ends_with(".sdp")) {
            let text: String = String::from_utf8_lossy(&bytes).lines().map(|l| format!("{l}\r\n")).collect();
            let Ok(described) = patchcord::sdp::read(&text) else { continue };
            let (heard, ours, _) = offered(&described, Creator::Initiator);
            assert_eq!(ours.0.len(), described.streams.len(), "{name}");
            let live: Vec<&Stream> = described.streams.iter().filter(|s| s.accepted && !s.codecs.is_empty()).collect();
            assert_eq!(heard.streams.len(), live.len(), "{name}");
            for (heard, said) in heard.streams.iter().zip(live) {
                kept += said.codecs.len();
                assert_eq!(facts(heard), facts(said), "{name}");
                assert_eq!((heard.direction, &heard.kind), (said.direction, &said.kind), "{name}");
            }
        }
    }
    println!("{kept} formats");
    assert!(shared::dir().is_none() || kept > 100);
}

#[test]
fn what_browsers_describe_is_lost_to_jingle_only_where_it_has_no_word() {
    for (name, bytes) in shared::files("fixtures/sdp").into_iter().filter(|(name, _)| name.ends_with(".sdp")) {
        let mut described = patchcord::sdp::read(&String::from_utf8(bytes).unwrap()).unwrap();
        let (mut heard, ..) = offered(&described, Creator::Initiator);
        described.extras.clear();
        described.streams.retain(|s| s.accepted && !s.codecs.is_empty());
        let mids: Vec<Option<Mid>> = described.streams.iter().map(|s| s.mid.clone()).collect();
        described.groups.iter_mut().for_each(|g| g.mids.retain(|m| mids.contains(&Some(m.clone()))));
        for stream in &mut described.streams {
            stream.extras.retain(|e| e.name == "maxptime");
            for source in &mut stream.sources {
                source.attributes.retain(|a| a.value.is_some() && (a.name != "msid" || a.value != stream.msid));
            }
            let transport = &mut stream.transport;
            (transport.address, transport.rtcp_address) = (None, None);
            if let Some(ice) = &mut transport.ice {
                (ice.lite, ice.more) = (false, true);
                ice.candidates.clear();
            }
        }
        heard.streams.iter_mut().filter_map(|s| s.transport.ice.as_mut()).for_each(|ice| ice.candidates.clear());
        assert_eq!(heard, described, "{name}");
    }
}
