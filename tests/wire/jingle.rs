//! Calls of IM clients as they were recorded, and the examples of the XEPs.

use std::collections::BTreeSet;

use patchcord::jingle::contents::{Hearing, Saying, Slots, candidates};
use patchcord::jingle::stanza::{Action, Creator, Iq, IqKind, Jingle, Stanza, ns, read};
use patchcord::model::{CandidateProtocol, Codec, Description, Direction, Ice, Kind, Seal, Setup, Stream};
use xmpp_parsers::minidom::Element;

use crate::shared;

/// The stanzas of a recorded flow.
fn recorded(bytes: &[u8]) -> Vec<Element> {
    let text = std::str::from_utf8(bytes).unwrap().replacen("<flow ", "<flow xmlns='jabber:client' ", 1);
    let flow: Element = text.parse().unwrap();
    flow.children().map(|stanza| stanza.children().next().unwrap().clone()).collect()
}

/// The recorded flows: the name of each, and its stanzas.
pub fn flows() -> Vec<(String, Vec<Element>)> {
    let files = shared::files("fixtures/jingle").into_iter().filter(|(name, _)| name.ends_with(".xml"));
    files.map(|(name, bytes)| (name, recorded(&bytes))).collect()
}

/// The XEPs' examples that are XML, as they stand there.
pub fn examples() -> Vec<(String, Vec<Element>)> {
    let mut examples = Vec::new();
    for (name, bytes) in shared::files("cases/xmpp").into_iter().filter(|(name, _)| name.ends_with(".xml")) {
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(parsed) = format!("<x xmlns='jabber:client'>{text}</x>").parse::<Element>() {
            examples.push((name, parsed.children().cloned().collect()));
        }
    }
    examples
}

/// An element as text that does not depend on the order of attributes and children, nor on the language of texts.
fn canonical(element: &Element) -> String {
    let attributes: BTreeSet<String> = element
        .attrs()
        .iter()
        .filter(|((_, name), _)| *name != "lang")
        .map(|((_, name), value)| format!(" {name}={value:?}"))
        .collect();
    let mut children: Vec<String> = element.children().map(canonical).collect();
    children.sort();
    let attributes: String = attributes.into_iter().collect();
    format!("<{{{}}}{}{attributes}>{}{}</>", element.ns(), element.name(), element.text().trim(), children.concat())
}

/// An element without the children that `drop` names, however deep.
fn without(element: &Element, drop: &dyn Fn(&Element) -> bool) -> Element {
    let mut kept = element.clone();
    for node in kept.take_nodes() {
        match node.into_element() {
            Some(child) if drop(&child) => {}
            Some(child) => {
                kept.append_child(without(&child, drop));
            }
            None => {}
        }
    }
    if element.children().next().is_none() {
        kept.append_text(element.text());
    }
    kept
}

/// The `<jingle/>` of a request.
fn session(element: &Element) -> Option<Jingle> {
    match read(element.clone()) {
        Stanza::Iq(Iq { kind: IqKind::Set(payload), .. }) => Jingle::read(&payload),
        _ => None,
    }
}

#[test]
fn every_recorded_stanza_is_read_without_loss() {
    let (mut sessions, mut words) = (0, 0);
    for (name, stanzas) in flows() {
        for element in stanzas {
            let text = canonical(&element);
            let written = match read(element.clone()) {
                Stanza::Iq(iq) => {
                    if let IqKind::Set(payload) = &iq.kind
                        && Jingle::is(payload)
                    {
                        sessions += 1;
                        let jingle = Jingle::read(payload).unwrap_or_else(|| panic!("{name}: {text}"));
                        // Keys in the description are not kept, and nothing is known of keypads (XEP-0181) or of a probe's `<x/>`.
                        let lost = |e: &Element| e.is("encryption", ns::RTP) || ["dtmf", "x"].contains(&e.name());
                        assert_eq!(canonical(&jingle.write()), canonical(&without(payload, &lost)), "{name}");
                    }
                    iq.write()
                }
                Stanza::Message(message) => {
                    if let Some(word) = message.jingle_message() {
                        words += 1;
                        let child = message.children.iter().find(|c| c.has_ns(ns::JINGLE_MESSAGE)).unwrap();
                        let omemo = |e: &Element| e.name() == "device";
                        assert_eq!(canonical(&word.write()), canonical(&without(child, &omemo)), "{name}");
                    }
                    message.write()
                }
                Stanza::Presence(presence) => presence.write(),
                Stanza::Malformed(malformed) => panic!("{name}: {malformed:?}"),
            };
            assert_eq!(canonical(&written), text, "{name}");
        }
    }
    println!("{sessions} requests of sessions, {words} words before them");
    assert!(shared::dir().is_none() || (sessions > 100 && words > 50));
}

/// The examples with stanzas that nobody may send: without an id.
const NO_STANZAS: [&str; 1] = ["xep-0077/ex31"];

#[test]
fn the_examples_of_the_xeps_are_read() {
    let mut sessions = 0;
    for (name, elements) in examples() {
        for element in elements.into_iter().filter(|e| ["iq", "message", "presence"].contains(&e.name())) {
            let stanza = read(element.clone());
            if let Stanza::Malformed(malformed) = &stanza {
                assert!(NO_STANZAS.iter().any(|n| name.contains(n)), "{name}: {malformed:?}");
            }
            if let Some(mut jingle) = session(&element) {
                sessions += 1;
                assert!(!matches!(jingle.action, Action::Other(_)), "{name}: {}", jingle.action.name());
                // Neither keys in the description nor unknown payloads are written.
                jingle.unknown = false;
                for content in &mut jingle.contents {
                    if let Some(patchcord::jingle::stanza::jingle::Description::Rtp(description)) =
                        &mut content.description
                    {
                        description.encryption = false;
                    }
                }
                assert_eq!(Jingle::read(&jingle.write()), Some(jingle), "{name}");
            }
        }
    }
    println!("{sessions} requests of sessions");
    assert!(shared::dir().is_none() || sessions > 50);
}

/// The first offer and its answer of a recorded flow, as descriptions; and the offer's slots.
fn agreed(flow: &str) -> Option<(Description, Description, Slots)> {
    let (_, stanzas) = flows().into_iter().find(|(name, _)| name == flow)?;
    let sessions: Vec<Jingle> = stanzas.iter().filter_map(session).collect();
    let by = |action| sessions.iter().find(|j| j.action == action);
    let (mut offer, mut slots) = (Description::default(), Slots::default());
    let initiator = Hearing { describer: Creator::Initiator, batch: false };
    initiator.offer(by(Action::SessionInitiate)?, &mut offer, &mut slots);
    let responder = Hearing { describer: Creator::Responder, batch: false };
    let answer = responder.answer(by(Action::SessionAccept)?, &offer, &slots);
    Some((offer, answer, slots))
}

fn names(stream: &Stream) -> Vec<&str> {
    stream.codecs.iter().map(|c| c.name.as_str()).collect()
}

fn ice(stream: &Stream) -> &Ice {
    stream.transport.ice.as_ref().unwrap()
}

fn setup(stream: &Stream) -> Setup {
    match &stream.transport.seal {
        Seal::Dtls { fingerprints, setup, .. } if fingerprints[0].bytes.len() == 32 => *setup,
        other => panic!("{other:?} is not DTLS with SHA-256"),
    }
}

#[test]
fn an_offer_of_dino_is_dtls_with_rtcp_on_the_same_port_and_no_bundle() {
    let Some((offer, answer, _)) = agreed("dino-video-accept.xml") else { return };
    let [audio, video] = &offer.streams[..] else { panic!("{offer:?}") };
    assert_eq!((&audio.kind, &video.kind), (&Kind::Audio, &Kind::Video));
    assert_eq!(audio.mid.as_ref().unwrap().0, "audio");
    assert_eq!(names(audio), ["opus", "speex", "speex", "speex", "PCMU", "PCMA"]);
    assert_eq!(audio.codecs[0].parameters.as_deref(), Some("useinbandfec=1"));
    assert_eq!(video.codecs[0].feedback, ["goog-remb", "ccm fir", "nack", "nack pli"]);
    assert_eq!(video.header_extensions[0].uri, "urn:3gpp:video-orientation");
    for stream in &offer.streams {
        assert!(stream.rtcp_mux && stream.transport.feedback_profile && ice(stream).more);
        assert!(!ice(stream).candidates.is_empty());
        assert!(ice(stream).candidates.iter().all(|c| c.component == 1));
        assert_eq!(setup(stream), Setup::ActPass);
    }
    assert_ne!(ice(audio).ufrag, ice(video).ufrag);
    assert!(offer.groups.is_empty());
    for stream in &answer.streams {
        assert!(stream.accepted && stream.codecs.len() == 1 && stream.rtcp_mux);
        assert_eq!((setup(stream), stream.direction), (Setup::Active, Direction::SendRecv));
    }
}

#[test]
fn an_offer_of_stanza_is_a_browsers() {
    let Some((offer, answer, _)) = agreed("stanza-browser-av.xml") else { return };
    let [audio, video] = &offer.streams[..] else { panic!("{offer:?}") };
    assert_eq!(offer.groups[0].semantics, "BUNDLE");
    assert_eq!(offer.groups[0].mids, [audio.mid.clone().unwrap(), video.mid.clone().unwrap()]);
    assert_eq!(names(audio)[..3], ["opus", "red", "G722"]);
    assert_eq!(audio.codecs[1].parameters.as_deref(), Some("111/111"));
    assert_eq!(audio.codecs.iter().filter(|c| c.is_telephone_event()).count(), 2);
    assert_eq!(audio.direction, Direction::SendRecv);
    let msid = "a890ee88-ec81-4e4c-b517-e63d08d8747a ded822d0-5df7-4fc8-9770-6a67975adb55";
    assert_eq!(audio.msid.as_deref(), Some(msid));
    assert_eq!((audio.sources[0].ssrc, video.sources.len()), (2133739443, 2));
    assert_eq!(video.source_groups[0].ssrcs, [2466979370, 1620138405]);
    assert!(audio.reduced_rtcp && video.header_extensions.len() == 11);
    assert_eq!(answer.groups, offer.groups);
    assert!(answer.streams.iter().all(|s| s.accepted && setup(s) == Setup::Active));
}

#[test]
fn a_candidate_of_stanza_has_neither_name_nor_generation_and_is_read() {
    let Some((_, stanzas)) = flows().into_iter().find(|(name, _)| name == "stanza-calls-dino.xml") else { return };
    let Some((_, _, slots)) = agreed("stanza-calls-dino.xml") else { return };
    let infos = stanzas.iter().filter_map(session).filter(|j| j.action == Action::TransportInfo);
    let heard: Vec<_> =
        infos.flat_map(|j| j.contents).filter_map(|c| candidates::of_content(&c, &slots, false)).collect();
    assert!(heard.iter().all(|c| c.mid.as_ref().is_some_and(|m| m.0 == "0") && c.ufrag.is_some()));
    assert!(heard.iter().any(|c| c.more) && heard.iter().any(|c| !c.more));
    let udp = heard.iter().flat_map(|c| &c.candidates).filter(|c| c.protocol == CandidateProtocol::Udp);
    assert!(udp.count() > 0);
    let tcp = CandidateProtocol::Tcp("active".into());
    assert!(heard.iter().flat_map(|c| &c.candidates).any(|c| c.protocol == tcp));
}

#[test]
fn an_answer_of_one_codec_is_that_codec() {
    for (flow, codec) in
        [("dino-calls-component-PCMU.xml", Codec::pcmu()), ("dino-calls-component-PCMA.xml", Codec::pcma())]
    {
        let Some((_, answer, _)) = agreed(flow) else { return };
        assert_eq!(answer.audio().unwrap().codecs, [codec], "{flow}");
    }
}

#[test]
fn what_clients_describe_says_the_same_when_written_and_read() {
    let mut described = 0;
    for (name, stanzas) in flows() {
        let begins = |j: &Jingle| matches!(j.action, Action::SessionInitiate | Action::ContentAdd);
        for jingle in stanzas.iter().filter_map(session).filter(begins) {
            described += 1;
            let hearing = Hearing { describer: Creator::Initiator, batch: false };
            let (mut first, mut slots) = (Description::default(), Slots::default());
            hearing.offer(&jingle, &mut first, &mut slots);
            let mut again = Jingle::new(jingle.action.clone(), &jingle.sid);
            Saying { describer: Creator::Initiator, cname: "us" }.offer(&first, &mut slots).put(&mut again);
            let (mut second, mut slots) = (Description::default(), Slots::default());
            hearing.offer(&Jingle::read(&again.write()).unwrap(), &mut second, &mut slots);
            // What Jingle has no words for is left out when it is written.
            for candidates in first.streams.iter_mut().filter_map(|s| s.transport.ice.as_mut()) {
                candidates.candidates.retain(|c| c.protocol == CandidateProtocol::Udp);
            }
            assert_eq!(second, first, "{name}");
        }
    }
    assert!(shared::dir().is_none() || described > 20);
}

#[test]
fn an_offer_of_aiortc_names_its_source_and_is_answered_with_one_format() {
    let Some((offer, answer, slots)) = agreed("jbot-calls-dino-jmi.xml") else { return };
    let [audio] = &offer.streams[..] else { panic!("{offer:?}") };
    assert_eq!(names(audio), ["opus", "G722", "PCMU", "PCMA"]);
    assert_eq!(audio.sources[0].attributes[0].name, "cname");
    assert_eq!(audio.header_extensions[0].uri, "urn:ietf:params:rtp-hdrext:sdes:mid");
    assert_eq!((slots.0[0].name.as_str(), slots.0[0].creator), ("0", Creator::Initiator));
    assert_eq!((ice(audio).candidates.len(), setup(audio)), (1, Setup::ActPass));
    // Dino answers with the one format it takes, in the numbers of the offer.
    assert_eq!(answer.streams[0].codecs, [Codec::new(96, "opus", 48000, 2)]);
    assert_eq!(ice(&answer.streams[0]).candidates.len(), 1);
}
