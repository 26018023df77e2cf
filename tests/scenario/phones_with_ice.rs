//! Telephones that offer ICE, certificates beside a plain profile, and names of their DTLS associations.

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::description::PROFILE_EXTRA;
use patchcord::model::{Codec, Description, Extra, IceMode, LegSpec, Seal, SealKind, Signal, SrtpPolicy, Transport};

use super::ladder::{
    Ladder, browser_description, browser_transport, keyed_transport, on_two_ports, phone_description, with_pictures,
};

fn with(transport: Transport) -> Description {
    let mut description = phone_description(&[Codec::pcmu()]);
    description.streams[0].transport = transport;
    description
}

/// A telephone's transport with ICE and this seal.
fn with_ice(seal: Seal, rtcp_mux: bool) -> Description {
    let plain = phone_description(&[Codec::pcmu()]);
    let address = plain.streams[0].transport.address;
    let mut description = with(Transport { seal, address, ..browser_transport("theirs") });
    description.streams[0].rtcp_mux = rtcp_mux;
    description
}

/// The same with a component for RTCP.
fn with_pair(seal: Seal) -> Description {
    let mut description = with_ice(seal, false);
    let transport = &mut description.streams[0].transport;
    transport.ice = transport.ice.take().map(on_two_ports);
    description
}

/// A certificate in this profile, with this name of the association.
fn certified(optional: bool, name: Option<&str>) -> Description {
    let mut transport = Transport { ice: None, ..browser_transport("theirs") };
    transport.feedback_profile = false;
    transport.address = phone_description(&[Codec::pcmu()]).streams[0].transport.address;
    if let Seal::Dtls { optional: said, tls_id, .. } = &mut transport.seal {
        *said = optional;
        *tls_id = name.map(str::to_owned);
    }
    with(transport)
}

/// A telephone of this policy that calls a page with this offer; the call is answered.
fn answered(srtp: SrtpPolicy, keys: bool, offer: Description) -> Ladder {
    let mut ladder = Ladder::from_phone_by(srtp, keys, Some(offer));
    let page = ladder.page("web:page");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:web", vec![page])]));
    let answer = ladder.answer_with(leg, browser_description(&[Codec::pcmu()], 101));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    ladder
}

fn said(ladder: &Ladder) -> Description {
    ladder.last_description(ladder.caller())
}

fn spec_of(ladder: &Ladder, leg: LegId) -> LegSpec {
    ladder.graph.as_ref().unwrap().legs.iter().find(|l| l.leg == leg).unwrap().spec
}

#[test]
fn a_telephone_with_ice_is_answered_with_ice_whatever_protects_its_media() {
    let keys = keyed_transport("theirs", false).seal;
    let dtls = browser_transport("theirs").seal;
    for (seal, kind) in [(Seal::Plain, SealKind::Plain), (keys, SealKind::Sdes), (dtls, SealKind::Dtls)] {
        let ladder = answered(SrtpPolicy::Optional, true, with_ice(seal, true));
        assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec { ice: IceMode::Lite, seal: kind, ipv6: false });
        let stream = &said(&ladder).streams[0];
        assert!(stream.transport.ice.is_some() && stream.rtcp_mux, "{kind:?}");
        assert_eq!(stream.transport.seal == Seal::Plain, kind == SealKind::Plain);
    }
}

#[test]
fn a_telephone_with_ice_on_two_ports_is_answered_with_ice_on_two() {
    let keys = keyed_transport("theirs", false).seal;
    let dtls = browser_transport("theirs").seal;
    for (seal, kind) in [(Seal::Plain, SealKind::Plain), (keys, SealKind::Sdes), (dtls, SealKind::Dtls)] {
        let ladder = answered(SrtpPolicy::Optional, true, with_pair(seal));
        assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec { ice: IceMode::LitePair, seal: kind, ipv6: false });
        let stream = &said(&ladder).streams[0];
        assert!(!stream.rtcp_mux && stream.transport.address.is_some());
        assert_eq!(components(&ladder), [1, 2]);
    }
}

/// The components of the candidates that the telephone was told last.
fn components(ladder: &Ladder) -> Vec<u16> {
    let ice = said(ladder).streams[0].transport.ice.clone().expect("ICE");
    ice.candidates.iter().map(|candidate| candidate.component).collect()
}

#[test]
fn a_telephone_with_ice_on_two_ports_is_offered_two_until_it_offers_one() {
    let mut ladder = answered(SrtpPolicy::Optional, true, with_pair(browser_transport("theirs").seal));
    let legs = &ladder.graph.as_ref().unwrap().legs;
    let page = legs.iter().map(|leg| leg.leg).find(|leg| *leg != ladder.caller()).expect("the page");
    for muxes in [false, true] {
        let mut offer = with_pair(browser_transport("theirs").seal);
        offer.streams[0].rtcp_mux = muxes;
        let reoffer = ladder.offer(offer.clone());
        ladder.hear(ladder.caller(), reoffer);
        assert!(matches!(ladder.said.last(), Some((_, Signal::Answer(_)))), "muxes: {muxes}");
        let expected: &[u16] = if muxes { &[1] } else { &[1, 2] };
        assert_eq!((said(&ladder).streams[0].rtcp_mux, components(&ladder).as_slice()), (muxes, expected));
        for hold in [true, false] {
            ladder.hear(page, Signal::Hold(hold));
            let last = ladder.said.iter().rev().find(|(leg, _)| *leg == ladder.caller());
            assert!(matches!(last, Some((_, Signal::Offer(_)))), "muxes: {muxes}, hold: {hold}");
            assert_eq!((said(&ladder).streams[0].rtcp_mux, components(&ladder).as_slice()), (muxes, expected));
            let answer = ladder.answer_with(ladder.caller(), offer.clone());
            ladder.hear(ladder.caller(), answer);
        }
    }
}

#[test]
fn the_pictures_of_a_telephone_with_ice_on_two_ports_have_two_of_their_own() {
    let mut offer = with_pair(Seal::Plain);
    let mut video = offer.streams[0].clone();
    (video.kind, video.codecs) = (patchcord::model::Kind::Video, vec![Codec::new(96, "VP8", 90_000, 1)]);
    offer.streams.push(video);
    let mut ladder = Ladder::from_phone_with(Some(offer));
    let page = ladder.page("web:page");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:web", vec![page])]));
    let sound = browser_description(&[Codec::pcmu()], 101);
    let vp8 = Codec::new(96, "VP8", 90_000, 1);
    let answer = ladder.answer_with(leg, with_pictures(sound, &[vp8], patchcord::model::Direction::SendRecv));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    let answer = said(&ladder);
    assert!(answer.streams.iter().all(|s| s.accepted && s.transport.ice.is_some() && !s.rtcp_mux), "{answer:?}");
    assert_ne!(answer.streams[0].transport.address, answer.streams[1].transport.address);
}

#[test]
fn a_telephone_whose_rtcp_has_no_component_is_answered_without_ice() {
    for offer in [with_ice(Seal::Plain, false), with_ice(browser_transport("theirs").seal, false)] {
        let ladder = answered(SrtpPolicy::Optional, true, offer);
        assert_eq!(spec_of(&ladder, ladder.caller()).ice, IceMode::None);
        let stream = &said(&ladder).streams[0];
        assert!(stream.transport.ice.is_none() && !stream.rtcp_mux && stream.transport.address.is_some());
    }
}

#[test]
fn a_certificate_in_a_plain_profile_is_answered_with_one_in_that_profile() {
    let ladder = answered(SrtpPolicy::Optional, false, certified(true, None));
    let transport = &said(&ladder).streams[0].transport;
    assert!(matches!(transport.seal, Seal::Dtls { optional: true, .. }) && !transport.feedback_profile);
    assert_eq!(spec_of(&ladder, ladder.caller()).seal, SealKind::Dtls);
}

#[test]
fn a_certificate_in_a_plain_profile_is_passed_over_where_srtp_is_off() {
    let mut ladder = answered(SrtpPolicy::Off, false, certified(true, None));
    assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec::PHONE);
    assert_eq!(said(&ladder).streams[0].transport.seal, Seal::Plain);
    let offer = ladder.offer(certified(true, None));
    ladder.hear(ladder.caller(), offer);
    assert!(matches!(ladder.said.last(), Some((_, Signal::Answer(_)))), "and again");
}

#[test]
fn an_answer_repeats_the_words_of_the_offers_profile() {
    let profile = Extra { name: PROFILE_EXTRA.into(), value: Some("RTP/SAVP".into()) };
    let other = Extra { name: "x-vendor".into(), value: None };
    let mut offer = certified(false, None);
    offer.streams[0].extras = vec![profile.clone(), other];
    let mut video = offer.streams[0].clone();
    video.kind = patchcord::model::Kind::Other("image".into());
    offer.streams.push(video);
    let answer = said(&answered(SrtpPolicy::Optional, false, offer));
    for stream in &answer.streams {
        assert_eq!(stream.extras, std::slice::from_ref(&profile), "{:?}", stream.kind);
    }
}

#[test]
fn an_association_is_named_in_an_answer_only_if_the_offer_named_its_own() {
    for name in [None, Some("abcdefghijklmnopqrst")] {
        let ladder = answered(SrtpPolicy::Optional, false, certified(false, name));
        let Seal::Dtls { tls_id, .. } = said(&ladder).streams[0].transport.seal.clone() else { panic!("DTLS") };
        assert_eq!(tls_id.is_some(), name.is_some());
    }
}

#[test]
fn another_name_of_the_association_waits_for_the_relay_and_the_same_one_does_not() {
    let mut ladder = answered(SrtpPolicy::Optional, false, certified(false, Some("abcdefghijklmnopqrst")));
    for (name, waits) in [("abcdefghijklmnopqrst", false), ("another-name-of-20-or-more", true)] {
        let before = ladder.graph.as_ref().unwrap().revision;
        let mut offer = certified(false, Some(name));
        offer.streams[0].direction = patchcord::model::Direction::SendRecv;
        let offer = ladder.offer(offer);
        ladder.hear(ladder.caller(), offer);
        assert!(matches!(ladder.said.last(), Some((_, Signal::Answer(_)))), "{name}");
        assert_eq!(ladder.graph.as_ref().unwrap().revision > before, waits, "{name}");
    }
}
