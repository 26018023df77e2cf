//! Stanzas and what is in them.

use std::time::Duration;

use patchcord::jingle::contents::{Hearing, Saying, Slots, candidates};
use patchcord::jingle::stanza::jingle::MAX_CONTENTS;
use patchcord::jingle::stanza::{Action, Creator, Iq, IqKind, Jingle, Stanza, read};
use patchcord::model::Description;
use xmpp_parsers::minidom::Element;

use crate::shared;

const INITIATOR: Hearing = Hearing { describer: Creator::Initiator, batch: false };
const RESPONDER: Hearing = Hearing { describer: Creator::Responder, batch: true };

/// The offer in a session's request, and its slots.
fn heard(jingle: &Jingle) -> (Description, Slots) {
    let (mut description, mut slots) = Default::default();
    INITIATOR.offer(jingle, &mut description, &mut slots);
    (description, slots)
}

/// A description as we say it, carried over a wire.
fn said(description: &Description) -> Jingle {
    let mut jingle = Jingle::new(Action::SessionInitiate, "s");
    Saying { describer: Creator::Initiator, cname: "us" }.offer(description, &mut Slots::default()).put(&mut jingle);
    let text = String::from(&jingle.write());
    let element: Element = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    Jingle::read(&element).unwrap_or_else(|| panic!("we write what we cannot read: {text}"))
}

fn session(jingle: &Jingle) {
    assert_eq!(Jingle::read(&jingle.write()).map(|j| j.sid), Some(jingle.sid.clone()));
    let (offer, slots) = heard(jingle);
    assert_eq!((offer.streams.len(), slots.0.len()), (jingle.contents.len(), jingle.contents.len()));
    // An answer has every slot of its offer, whatever the answerer says.
    let answer = RESPONDER.answer(jingle, &offer, &slots);
    assert_eq!(answer.streams.len(), offer.streams.len());
    let ours = Saying { describer: Creator::Responder, cname: "us" }.answer(&answer, &offer, &slots);
    assert_eq!(ours.contents.len() + ours.refused.len(), offer.streams.len());
    for content in &jingle.contents {
        if let Some(heard) = candidates::of_content(content, &slots, false)
            && let Some(ice) = offer.streams.iter().find_map(|s| s.transport.ice.as_ref())
        {
            let _ = candidates::to_content(&heard.candidates, &slots.0[0], ice);
        }
    }
    // What we say of what we heard is heard as it was said.
    let second = heard_again(&offer);
    assert_eq!(heard_again(&second), second);
}

fn heard_again(description: &Description) -> Description {
    heard(&said(description)).0
}

/// Whatever the bytes: no panic, every request that can be answered is, and what we write can be read.
pub fn jingle(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(element) = text.parse::<Element>() else { return };
    let stanza = read(element);
    let written = match &stanza {
        Stanza::Iq(iq) => {
            if let Iq { kind: IqKind::Set(payload), .. } = iq
                && let Some(jingle) = Jingle::read(payload)
            {
                session(&jingle);
            }
            iq.write()
        }
        Stanza::Message(message) => {
            let _ = (message.body(), message.received(), message.stanza_error(), message.is_delayed());
            if let Some(word) = message.jingle_message() {
                assert_eq!(patchcord::jingle::stanza::JingleMessage::read(&word.write()).map(|w| w.id), Some(word.id));
            }
            message.write()
        }
        Stanza::Presence(presence) => {
            let _ = (presence.caps(), presence.priority(), presence.stanza_error());
            presence.write()
        }
        Stanza::Malformed(malformed) => {
            if let Some(answer) = malformed.answer() {
                assert!(matches!(read(answer), Stanza::Iq(Iq { kind: IqKind::Error(_), .. })));
            }
            return;
        }
    };
    assert_eq!(std::mem::discriminant(&read(written)), std::mem::discriminant(&stanza));
}

/// How many damaged stanzas are tried.
const MUTATIONS: usize = 10_000;

/// A call's request, of every element that is known.
const SEED: &str = "<iq xmlns='jabber:client' type='set' id='1' from='a@b/c' to='d@e/f'>\
<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s' initiator='a@b/c'>\
<content creator='initiator' name='0' senders='both'>\
<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio' ssrc='1'>\
<payload-type id='111' name='opus' clockrate='48000' channels='2' ptime='20' maxptime='60'>\
<parameter name='a' value='1'/><parameter value='0-15'/><parameter name='111/111'/>\
<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/></payload-type>\
<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/><bandwidth type='AS'>64</bandwidth>\
<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='urn:x' senders='initiator'/>\
<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='cname' value='x'/></source>\
<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source ssrc='1'/></ssrc-group>\
<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='s' track='t'/><encryption/><rtcp-mux/></description>\
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>\
<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AB:CD</fingerprint>\
<candidate component='1' foundation='1' generation='0' id='x' ip='192.0.2.1' network='1' port='1' priority='1' \
protocol='udp' rel-addr='192.0.2.2' rel-port='2' type='srflx'/></transport></content>\
<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='0'/></group>\
<reason><alternative-session><sid>x</sid></alternative-session><text>y</text></reason></jingle></iq>";

/// The stanzas of the recorded calls and of the XEPs, each by itself.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![SEED.as_bytes().to_vec()];
    for (name, bytes) in ["fixtures/jingle", "cases/xmpp"].into_iter().flat_map(shared::files) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let text = text.strip_prefix("<?xml version=\"1.0\"?>").unwrap_or(&text);
        let Ok(all) = format!("<x xmlns='jabber:client'>{text}</x>").parse::<Element>() else { continue };
        let flow = all.children().filter(|c| c.name() == "flow").flat_map(Element::children);
        let recorded = flow.flat_map(Element::children).chain(all.children());
        let stanzas = recorded.filter(|c| ["iq", "message", "presence"].contains(&c.name()));
        // A recorded flow repeats itself from both sides.
        let every = if name.starts_with("xep-") { 1 } else { 4 };
        seeds.extend(stanzas.step_by(every).map(|stanza| String::from(stanza).into_bytes()));
    }
    seeds
}

#[test]
fn damaged_stanzas_do_no_harm() {
    let seeds = seeds();
    let each = MUTATIONS.div_ceil(seeds.len());
    for (at, seed) in seeds.iter().enumerate() {
        jingle(seed);
        shared::mutations(at as u64, seed, each).for_each(|damaged| jingle(&damaged));
    }
    // Damage that still is XML: values and names exchanged for others.
    for (at, piece) in SEED.split(['\'', '<', '>', '/', ' ', '=']).filter(|p| !p.is_empty()).enumerate() {
        for other in ["", "0", "-1", "256", "99999999999", "none", "\u{fffd}", "urn:xmpp:jingle:1", "a b;c=d", "::"] {
            jingle(SEED.replacen(piece, other, 1 + at % 3).as_bytes());
        }
    }
}

#[test]
fn the_worst_that_the_limits_let_through_takes_less_than_a_second() {
    let content = SEED.split_once("<content ").unwrap().1.split_once("</content>").unwrap().0;
    let repeated = |piece: &str, times: usize| {
        let inside: String = (0..times).map(|n| piece.replace('N', &n.to_string())).collect();
        let (before, after) = SEED.split_once("<rtcp-mux/>").unwrap();
        format!("{before}{inside}<rtcp-mux/>{after}")
    };
    // A server's usual limit for one stanza is 256 KiB.
    let many = 256 * 1024 / 64;
    let contents: String = (0..MAX_CONTENTS).map(|_| format!("<content {content}</content>")).collect();
    for text in [
        repeated("<payload-type id='1' name='N'/>", many),
        repeated("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='N'/>", many),
        repeated("<x a='N'/>", 4 * many),
        repeated(&format!("{}{}", "<x>".repeat(5000), "</x>".repeat(5000)), 2),
        SEED.replace("<group", &format!("{contents}<group")),
        SEED.replace("<content name='0'/>", &"<content name='0'/>".repeat(many)),
        SEED.replace(
            "<candidate",
            &format!("{}<candidate", "<candidate ip='192.0.2.1' port='1' priority='1'/>".repeat(many)),
        ),
    ] {
        let took = shared::quickest(|| jingle(text.as_bytes()));
        assert!(took < Duration::from_secs(1), "{took:?}: {}", &text[..600]);
    }
}
