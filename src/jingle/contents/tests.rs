//! Descriptions and contents, question by question.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::Duration;

use xmpp_parsers::minidom::Element;

use super::*;
use crate::jingle::stanza::{Action, Senders, ns};
use crate::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Direction, Extra, Fingerprint, Group as Bundle,
    HeaderExtension, Ice, Kind, Mid, RtpSource, Seal, Setup, SourceGroup, Transport,
};

const HEARD: Hearing = Hearing { describer: Creator::Initiator, batch: false };
const ANSWERED: Hearing = Hearing { describer: Creator::Responder, batch: false };
const SAID: Saying<'static> = Saying { describer: Creator::Initiator, cname: "us" };

fn jingle(inside: &str) -> Jingle {
    let text = format!("<jingle xmlns='{}' action='session-initiate' sid='s'>{inside}</jingle>", ns::JINGLE);
    Jingle::read(&text.parse().unwrap()).unwrap()
}

/// A content with what stands in its description and in its transport.
fn content(name: &str, media: &str, description: &str, transport: &str) -> String {
    format!(
        "<content creator='initiator' name='{name}'><description xmlns='{}' media='{media}'>{description}</description>
         <transport xmlns='{}' ufrag='u{name}' pwd='p'>{transport}</transport></content>",
        ns::RTP,
        ns::ICE_UDP
    )
}

fn fingerprint(setup: &str) -> String {
    format!("<fingerprint xmlns='{}' hash='SHA-256' {setup}>AB:0c</fingerprint>", ns::DTLS)
}

const PCMU: &str = "<payload-type id='0'/>";
const KEYS: &str = "<encryption><crypto tag='1' crypto-suite='x' key-params='inline:y'/></encryption>";

fn offer(inside: &str) -> (Description, Slots) {
    let (mut description, mut slots) = Default::default();
    HEARD.offer(&jingle(inside), &mut description, &mut slots);
    (description, slots)
}

fn text(contents: Contents) -> String {
    let mut jingle = Jingle::new(Action::SessionInitiate, "s");
    contents.put(&mut jingle);
    String::from(&jingle.write())
}

/// A stream of ours as a client would take it.
fn stream(mid: &str, kind: Kind) -> Stream {
    let fingerprint = Fingerprint { algorithm: "sha-256".into(), bytes: vec![0xab, 0x0c] };
    let seal = Seal::dtls(vec![fingerprint], Setup::ActPass);
    let ice = Ice { ufrag: format!("u{mid}"), pwd: "p".into(), lite: false, candidates: vec![], more: true };
    let transport = Transport { seal, ice: Some(ice), address: None, rtcp_address: None, feedback_profile: true };
    Stream { mid: Some(Mid(mid.into())), codecs: vec![Codec::pcmu()], rtcp_mux: true, ..Stream::new(kind, transport) }
}

fn description(streams: Vec<Stream>) -> Description {
    Description { streams, ..Description::default() }
}

fn candidate(ip: &str, protocol: CandidateProtocol, component: u16) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component,
        protocol,
        priority: 7,
        host: ip.parse().map_or_else(|_| CandidateHost::Name(ip.into()), CandidateHost::Ip),
        port: 4000,
        kind: CandidateKind::Host,
        related: None,
        rest: "generation 2 ufrag x network-id 3".into(),
    }
}

#[test]
fn keys_in_the_description_do_not_count_beside_a_certificate() {
    let both = format!("{PCMU}{KEYS}<rtcp-mux/>");
    let candidates = "<candidate ip='192.0.2.1' port='1' priority='1' component='1'/>
        <candidate ip='192.0.2.1' port='2' priority='1' component='2'/>";
    let (dino, _) = offer(&content("audio", "audio", &both, &(fingerprint("setup='actpass'") + candidates)));
    let stream = &dino.streams[0];
    assert!(matches!(&stream.transport.seal, Seal::Dtls { setup: Setup::ActPass, fingerprints, .. }
        if fingerprints[0].algorithm == "sha-256" && fingerprints[0].bytes == [0xab, 0x0c]));
    assert_eq!(stream.transport.ice.as_ref().unwrap().candidates.len(), 1);

    let (sdes, _) = offer(&content("audio", "audio", &both, ""));
    assert_eq!(sdes.streams[0].transport.seal, Seal::Sdes(crate::model::Sdes::default()));
    let (plain, _) = offer(&content("audio", "audio", PCMU, ""));
    assert_eq!(plain.streams[0].transport.seal, Seal::Plain);
}

#[test]
fn a_content_of_something_else_is_a_stream_for_the_call_to_refuse() {
    let file = "<content creator='initiator' name='a-file'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>
        <transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'/></content>";
    let (offer, _) = offer(file);
    let stream = &offer.streams[0];
    assert_eq!(stream.kind, Kind::Other("application".into()));
    assert!(stream.codecs.is_empty() && stream.transport.ice.is_none() && stream.transport.seal == Seal::Plain);
}

#[test]
fn an_offer_without_setup_leaves_the_choice_and_an_answer_without_makes_it() {
    let said = content("audio", "audio", PCMU, &fingerprint(""));
    let (offered, slots) = offer(&said);
    let setup = |d: &Description| match d.streams[0].transport.seal {
        Seal::Dtls { setup, .. } => setup,
        _ => panic!("no DTLS"),
    };
    assert_eq!(setup(&offered), Setup::ActPass);
    assert_eq!(setup(&ANSWERED.answer(&jingle(&said), &offered, &slots)), Setup::Active);
    let us = Saying { describer: Creator::Responder, cname: "us" };
    assert!(text(us.answer(&offered, &offered, &slots)).contains("setup='active'"));
}

#[test]
fn a_word_by_itself_is_read_in_three_forms_and_written_in_the_one_that_all_take() {
    for form in ["name='' value='0-15'", "value='0-15'", "name='0-15'"] {
        let te = format!("<payload-type id='101' name='telephone-event'><parameter {form}/></payload-type>");
        let (offer, _) = offer(&content("audio", "audio", &te, ""));
        let codec = &offer.streams[0].codecs[0];
        assert_eq!((codec.parameters.as_deref(), codec.clock_hz), (Some("0-15"), 8000), "{form}");
    }
    let mut audio = stream("a", Kind::Audio);
    audio.codecs = vec![Codec::telephone_event(101, 8000)];
    audio.codecs[0].parameters = Some("a=1; b=x=y;0-15;c=".into());
    let written = SAID.offer(&description(vec![audio]), &mut Slots::default());
    let parameters = &written.contents[0].rtp().unwrap().payload_types[0].parameters;
    let pairs: Vec<_> = parameters.iter().map(|p| (p.name.as_deref().unwrap(), p.value.as_deref().unwrap())).collect();
    assert_eq!(pairs, [("a", "1"), ("b", "x=y"), ("", "0-15"), ("c", "")]);
}

#[test]
fn feedback_of_a_whole_description_is_of_each_format_once() {
    let inside = format!(
        "<rtcp-fb xmlns='{0}' type='nack'/><rtcp-fb-trr-int xmlns='{0}' value='100'/>
         <payload-type id='96' name='VP8'><rtcp-fb xmlns='{0}' type='nack'/><rtcp-fb xmlns='{0}' type='ccm' subtype='fir'/>
         </payload-type><payload-type id='96' name='twice'/>",
        ns::RTCP_FB
    );
    let (offer, _) = offer(&content("v", "video", &inside, ""));
    let [codec] = &offer.streams[0].codecs[..] else { panic!("one format") };
    assert_eq!(codec.feedback, ["nack", "ccm fir", "trr-int 100"]);
    assert_eq!(codec.clock_hz, 90_000);
}

#[test]
fn the_packet_time_may_stand_on_a_format_or_on_the_description() {
    let of_format = content("a", "audio", "<payload-type id='0' ptime='20'/>", "");
    let of_description = content("a", "audio", PCMU, "").replace("media='audio'", "media='audio' ptime='20.0'");
    for said in [of_format, of_description] {
        assert_eq!(offer(&said).0.streams[0].ptime, Some(Duration::from_millis(20)), "{said}");
    }
    let mut audio = stream("a", Kind::Audio);
    audio.ptime = Some(Duration::from_micros(2500));
    audio.extras = vec![Extra { name: "maxptime".into(), value: Some("60".into()) }];
    let written = text(SAID.offer(&description(vec![audio]), &mut Slots::default()));
    assert!(written.contains("ptime='2.5'") && written.contains("maxptime='60'"), "{written}");
}

#[test]
fn an_answer_has_the_slots_of_the_offer_and_says_no_more_than_it_allows() {
    let (mut offered, slots) =
        offer(&[content("audio", "audio", PCMU, ""), content("video", "video", PCMU, "")].concat());
    offered.streams[0].direction = Direction::SendOnly;
    let answer = ANSWERED.answer(&jingle(&content("audio", "audio", PCMU, "")), &offered, &slots);
    let [audio, video] = &answer.streams[..] else { panic!("two slots") };
    // A client that says nothing of senders means what was offered.
    assert!(audio.accepted && audio.direction == Direction::RecvOnly);
    assert!(!video.accepted && video.kind == Kind::Video && video.mid == offered.streams[1].mid);

    let us = Saying { describer: Creator::Responder, cname: "us" };
    let written = us.answer(&answer, &offered, &slots);
    assert_eq!(written.contents.len(), 1);
    assert_eq!(written.contents[0].senders, Some(Senders::Initiator));
    assert_eq!(written.refused, [slots.0[1].clone()]);
}

#[test]
fn a_stream_without_a_name_is_called_what_it_is() {
    let nameless = |kind| Stream { mid: None, ..stream("", kind) };
    let ours = description(vec![nameless(Kind::Audio), stream("audio", Kind::Video), nameless(Kind::Video)]);
    let mut slots = Slots::default();
    let written = SAID.offer(&ours, &mut slots);
    let names: Vec<_> = written.contents.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["audio", "audio-2", "video"]);
    let answer = ANSWERED.answer(
        &jingle(&[content("audio-2", "video", PCMU, ""), content("audio", "audio", PCMU, "")].concat()),
        &ours,
        &slots,
    );
    assert_eq!(answer.streams[1].mid, Some(Mid("audio".into())));
    assert!(answer.streams[0].accepted && answer.streams[0].mid.is_none() && !answer.streams[2].accepted);
}

#[test]
fn no_two_slots_have_a_name_in_common_and_a_name_that_sdp_cannot_say_is_replaced() {
    let (mut description, mut slots) = offer(&content("v", "audio", PCMU, ""));
    let again = content("v", "video", PCMU, "").replace("'initiator'", "'responder'");
    let wild = content("my voice", "audio", PCMU, "");
    HEARD.offer(&jingle(&(again + &wild)), &mut description, &mut slots);
    let mids: Vec<_> = description.streams.iter().map(|s| s.mid.as_ref().unwrap().0.as_str()).collect();
    assert_eq!(mids, ["v", "v-2", "content"]);
    assert_eq!(slots.position(Creator::Responder, "v"), Some(1));
    assert_eq!(slots.position(Creator::Initiator, "v"), Some(0));
    assert_eq!(slots.position(Creator::Responder, "my voice"), Some(2));
    let names: Vec<_> = SAID.offer(&description, &mut slots).contents.into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["v", "v", "my voice"]);
}

#[test]
fn a_bundle_is_answered_only_if_it_was_offered_and_without_what_was_refused() {
    let group = |names: &str| format!("<group xmlns='{}' semantics='BUNDLE'>{names}</group>", ns::GROUPING);
    let both = [content("a", "audio", PCMU, ""), content("v", "video", PCMU, "")].concat();
    let names = "<content name='a'/><content name='v'/><content name='stranger'/>";
    let (offered, slots) = offer(&(both.clone() + &group(names)));
    assert_eq!(offered.groups[0].mids, [Mid("a".into()), Mid("v".into())]);
    // Conversations leaves rtcp-mux to be understood.
    assert!(offered.streams.iter().all(|s| s.rtcp_mux));

    let mut answer = offered.clone();
    answer.streams[1].accepted = false;
    let us = Saying { describer: Creator::Responder, cname: "us" };
    assert_eq!(us.answer(&answer, &offered, &slots).groups[0].contents, ["a"]);

    let (alone, slots) = offer(&both);
    let answer = ANSWERED.answer(&jingle(&(both + &group(names))), &alone, &slots);
    assert!(answer.groups.is_empty());
    answer.streams.iter().for_each(|s| assert!(s.accepted));
}

#[test]
fn each_content_of_a_bundle_says_how_it_travels() {
    let mut video = stream("v", Kind::Video);
    video.transport = Transport { seal: Seal::Plain, ice: None, ..video.transport };
    let mids = vec![Mid("a".into()), Mid("v".into())];
    let ours = Description {
        groups: vec![Bundle { semantics: "BUNDLE".into(), mids }],
        ..description(vec![stream("a", Kind::Audio), video])
    };
    let written = SAID.offer(&ours, &mut Slots::default());
    let [audio, video] = &written.contents[..] else { panic!("two contents") };
    assert_eq!(audio.ice(), video.ice());
    assert!(audio.ice().unwrap().pwd.is_some() && !audio.ice().unwrap().fingerprints.is_empty());
}

#[test]
fn candidates_are_written_in_full_and_those_that_jingle_cannot_say_are_left_out() {
    let mut audio = stream("a", Kind::Audio);
    let all = vec![
        candidate("192.0.2.1", CandidateProtocol::Udp, 1),
        candidate("2001:db8::1", CandidateProtocol::Udp, 1),
        candidate("192.0.2.1", CandidateProtocol::Udp, 2),
        candidate("192.0.2.1", CandidateProtocol::Tcp("active".into()), 1),
        candidate("x.local", CandidateProtocol::Udp, 1),
    ];
    let ice = audio.transport.ice.as_mut().unwrap();
    ice.candidates = all.clone();
    let ice = ice.clone();
    let mut slots = Slots::default();
    let written = SAID.offer(&description(vec![audio]), &mut slots).contents[0].ice().unwrap().candidates.clone();
    assert_eq!(written.iter().map(|c| c.ip.as_str()).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    assert_eq!((written[0].generation, written[0].network, written[0].component), (Some(2), Some(3), 1));
    assert_ne!(written[0].id, written[1].id);

    // Trickled, they are the same candidates, and say whose they are.
    let content = candidates::to_content(&all, &slots.0[0], &ice).unwrap();
    assert_eq!(content.ice().unwrap().candidates, written);
    assert_eq!(
        (content.ice().unwrap().ufrag.as_deref(), content.ice().unwrap().pwd.as_deref()),
        (Some("ua"), Some("p"))
    );
    assert_eq!(candidates::to_content(&all[2..], &slots.0[0], &ice), None);
    let heard = candidates::of_content(&content, &slots, false).unwrap();
    assert_eq!((heard.mid, heard.ufrag.as_deref(), heard.more), (Some(Mid("a".into())), Some("ua"), true));
    assert_eq!(heard.candidates[0].rest, "generation 2 network-id 3");
}

#[test]
fn a_candidate_of_a_name_or_for_tcp_is_read_and_one_without_an_address_is_not() {
    let said = "<candidate ip='x.local' port='1' priority='1'/><candidate port='1' priority='1'/>
        <candidate ip='192.0.2.1' port='9' priority='1' protocol='TCP' tcptype='active' type='host'/>
        <candidate ip='192.0.2.1' port='70000' priority='1'/><candidate ip='192.0.2.1' port='1' priority='1' type='new'/>
        <candidate ip='192.0.2.1' port='1' priority='1' type='srflx' rel-addr='10.0.0.1' rel-port='2'/>";
    let (offer, _) = offer(&content("a", "audio", PCMU, said));
    let [name, tcp, srflx] = &offer.streams[0].transport.ice.as_ref().unwrap().candidates[..] else { panic!("three") };
    assert_eq!(name.host, CandidateHost::Name("x.local".into()));
    assert_eq!(tcp.protocol, CandidateProtocol::Tcp("active".into()));
    assert_eq!(srflx.related, Some((IpAddr::from([10, 0, 0, 1]), 2)));
}

#[test]
fn a_source_always_has_a_name_and_never_a_parameter_without_a_value() {
    let mut audio = stream("a", Kind::Audio);
    audio.msid = Some("s t".into());
    let said = Extra { name: "cname".into(), value: Some("them".into()) };
    let flag = Extra { name: "label".into(), value: None };
    audio.sources = vec![RtpSource::new(5), RtpSource { ssrc: 6, attributes: vec![said, flag] }];
    let element = &SAID.offer(&description(vec![audio]), &mut Slots::default()).contents[0];
    let element: Element = element.rtp().unwrap().write();
    assert_eq!(element.attr("ssrc"), Some("5"));
    let sources: Vec<String> = element.children().filter(|c| c.name() == "source").map(String::from).collect();
    assert!(sources[0].contains("value='us'") && sources[0].contains("value='s t'"), "{sources:?}");
    assert!(sources[1].contains("value='them'") && sources[1].contains("value='s t'"), "{sources:?}");
    assert!(!sources[1].contains("label"), "{sources:?}");
}

#[test]
fn a_member_of_a_group_that_is_not_described_is_like_the_other() {
    let mut audio = stream("a", Kind::Audio);
    let name = Extra { name: "cname".into(), value: Some("them".into()) };
    audio.sources = vec![RtpSource { ssrc: 5, attributes: vec![name.clone()] }];
    audio.source_groups = vec![SourceGroup { semantics: "FID".into(), ssrcs: vec![5, 6] }];
    let written = SAID.offer(&description(vec![audio]), &mut Slots::default());
    let heard = ANSWERED.stream(&written.contents[0], true, &[]);
    assert_eq!(heard.sources[1], RtpSource { ssrc: 6, attributes: vec![name] });
}

#[test]
fn a_header_extension_is_sent_by_a_role() {
    let mut audio = stream("a", Kind::Audio);
    let extension = |id, direction| HeaderExtension { id, uri: "urn:x".into(), direction, parameters: None };
    audio.header_extensions = vec![
        extension(1, Some(Direction::SendOnly)),
        HeaderExtension { parameters: Some("vad=on x".into()), ..extension(2, None) },
    ];
    let us = Saying { describer: Creator::Responder, cname: "us" };
    let written = us.offer(&description(vec![audio.clone()]), &mut Slots::default());
    assert_eq!(written.contents[0].rtp().unwrap().header_extensions[0].senders, Some(Senders::Responder));
    assert_eq!(written.contents[0].rtp().unwrap().header_extensions[1].senders, None);
    let heard = ANSWERED.stream(&written.contents[0], true, &[]);
    assert_eq!(heard.header_extensions, audio.header_extensions);
}

#[test]
fn a_stream_that_is_refused_or_none_of_rtp_has_a_slot_and_no_content() {
    let refused = Stream { accepted: false, ..stream("a", Kind::Audio) };
    let data = Stream { codecs: vec![], ..stream("d", Kind::Other("application".into())) };
    let mut slots = Slots::default();
    let written = SAID.offer(&description(vec![refused, data, stream("v", Kind::Video)]), &mut slots);
    assert_eq!(slots.0.len(), 3);
    assert_eq!(written.contents.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["v"]);
}

#[test]
fn a_peer_that_sends_its_candidates_at_once_ends_them() {
    let said = content("a", "audio", PCMU, "");
    let (mut description, mut slots) = Default::default();
    Hearing { batch: true, ..HEARD }.offer(&jingle(&said), &mut description, &mut slots);
    assert!(!description.streams[0].transport.ice.as_ref().unwrap().more);
    assert!(offer(&said).0.streams[0].transport.ice.as_ref().unwrap().more);
}

#[test]
fn a_content_whose_name_is_no_token_gets_one_in_descriptions_and_keeps_its_own_on_the_wire() {
    let said: String = ["the audio", "q\"", "content", "caméra", "a:b", "video"]
        .iter()
        .map(|n| content(n, "audio", PCMU, ""))
        .collect();
    let group = "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'>
        <content name='the audio'/><content name='caméra'/><content name='video'/></group>";
    let (offer, slots) = offer(&format!("{}{group}", said.replace("q\"", "q&quot;")));
    let mids: Vec<&str> = offer.streams.iter().map(|s| s.mid.as_ref().unwrap().0.as_str()).collect();
    assert_eq!(
        mids,
        ["content-2", "content-3", "content", "content-4", "content-5", "video"],
        "tokens stay as they are"
    );
    assert_eq!(offer.groups[0].mids, ["content-2", "content-4", "video"].map(|m| Mid(m.into())));

    let us = Saying { describer: Creator::Responder, cname: "us" };
    let answer = us.answer(&offer, &offer, &slots);
    let names: Vec<&str> = answer.contents.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["the audio", "q\"", "content", "caméra", "a:b", "video"]);
    assert_eq!(answer.groups[0].contents, ["the audio", "caméra", "video"]);

    let trickled = jingle(&content("caméra", "audio", "", "<candidate ip='192.0.2.1' port='1' priority='1'/>"));
    let heard = candidates::of_content(&trickled.contents[0], &slots, false).unwrap();
    assert_eq!(heard.mid, Some(Mid("content-4".into())));
}

#[test]
fn packets_carry_the_name_of_their_content_only_where_both_worlds_know_it_by_the_same() {
    const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    let extension = |id, uri| format!("<rtp-hdrext xmlns='{}' id='{id}' uri='{uri}'/>", ns::RTP_HDREXT);
    let inside = format!("{PCMU}{}{}", extension(1, MID), extension(2, "urn:x"));
    let said: String = ["audio", "caméra"].iter().map(|n| content(n, "audio", &inside, "")).collect();
    let uris = |stream: &Stream| stream.header_extensions.iter().map(|e| e.uri.clone()).collect::<Vec<_>>();
    let (mut offer, slots) = offer(&said);
    assert_eq!(uris(&offer.streams[0]), [MID, "urn:x"]);
    assert_eq!(uris(&offer.streams[1]), ["urn:x"]);

    let extension = HeaderExtension { id: 1, uri: MID.into(), direction: None, parameters: None };
    offer.streams[1].header_extensions.push(extension);
    let written = SAID.answer(&offer, &offer, &slots).contents;
    assert_eq!(written.iter().map(|c| c.rtp().unwrap().header_extensions.len()).collect::<Vec<_>>(), [2, 1]);
    let answered = HEARD.answer(&jingle(&said), &offer, &slots);
    assert_eq!(answered.streams.iter().map(|s| s.header_extensions.len()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_stream_of_ours_that_comes_back_has_a_content_name_that_none_had_before() {
    let mut slots = Slots::default();
    let video = stream("1", Kind::Video);
    slots.add_said(Creator::Initiator, &video);
    let mut names = vec![slots.0[0].name.clone()];
    for _ in 0..3 {
        slots.replace_said(0, Creator::Initiator, &video);
        assert_eq!(slots.0[0].mid, video.mid);
        names.push(slots.0[0].name.clone());
    }
    assert_eq!(names, ["1", "1-2", "1-3", "1-4"]);

    // What had the slot before keeps its name for itself in descriptions as well.
    slots.replace_said(0, Creator::Initiator, &stream("2", Kind::Video));
    let (mut description, said) = (Description::default(), content("1", "video", PCMU, ""));
    HEARD.offer(&jingle(&said), &mut description, &mut slots);
    assert_eq!(description.streams[0].mid, Some(Mid("1-2".into())));
}
