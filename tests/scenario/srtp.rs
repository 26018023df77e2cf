//! What is agreed on about the protection of media, by the policy of each leg.

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{
    Cause, Codec, Description, IceMode, LegSpec, Seal, SealKind, Setup, Signal, SrtpPolicy, Transport,
};

use super::ladder::{Ladder, browser_description, browser_transport, keyed_transport, phone_description};

fn keyed(name: &str, optional: bool) -> Description {
    with(keyed_transport(name, optional))
}

fn with(transport: Transport) -> Description {
    let mut description = phone_description(&[Codec::pcmu()]);
    description.streams[0].transport = transport;
    description
}

/// A telephone's call to a page.
fn to_page(mut ladder: Ladder) -> (Ladder, LegId) {
    let page = ladder.page("web:page");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:web", vec![page])]));
    (ladder, leg)
}

/// The same, once it is answered.
fn answered(ladder: Ladder) -> Ladder {
    let (mut ladder, page) = to_page(ladder);
    let answer = ladder.answer_with(page, browser_description(&[Codec::pcmu()], 101));
    ladder.hear(page, answer);
    ladder.hear(page, Signal::Accept);
    ladder.connected(page);
    ladder
}

fn why(ladder: &Ladder) -> String {
    assert_eq!(ladder.records[0].cause, Cause::MediaIncompatible);
    ladder.records[0].why.clone().unwrap()
}

fn answer(ladder: &Ladder) -> Seal {
    ladder.last_description(ladder.caller()).streams[0].transport.seal.clone()
}

fn spec_of(ladder: &Ladder, leg: LegId) -> LegSpec {
    ladder.graph.as_ref().unwrap().legs.iter().find(|l| l.leg == leg).unwrap().spec
}

/// What a page's call to a telephone of this policy is offered as.
fn offered(srtp: SrtpPolicy, keys_in_words: bool) -> (Ladder, LegId, Description) {
    let mut ladder = Ladder::from_browser();
    let phone = ladder.phone_by("sip:phone", srtp, keys_in_words);
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:phone", vec![phone])]));
    let offer = ladder.last_description(leg);
    (ladder, leg, offer)
}

#[test]
fn keys_in_an_offer_over_plain_signalling_are_refused_and_the_key_that_allows_them_is_named() {
    let (ladder, _) = to_page(Ladder::from_phone_by(SrtpPolicy::Optional, false, Some(keyed("theirs", false))));
    assert!(why(&ladder).contains("`srtp_over_plain = true`"), "{}", why(&ladder));
    ladder.expect_no_relay();
}

#[test]
fn keys_in_an_offer_are_answered_with_keys_where_they_may_be() {
    for optional in [false, true] {
        let ladder = answered(Ladder::from_phone_by(SrtpPolicy::Optional, true, Some(keyed("theirs", optional))));
        let Seal::Sdes(sdes) = answer(&ladder) else { panic!("{:?}", answer(&ladder)) };
        assert_eq!((sdes.cryptos.len(), sdes.optional), (1, optional), "the profile of the offer");
        assert_eq!(spec_of(&ladder, ladder.caller()).seal, SealKind::Sdes);
    }
}

#[test]
fn an_offer_that_only_prefers_keys_is_answered_in_plain_rtp_where_they_may_not_be() {
    for srtp in [SrtpPolicy::Optional, SrtpPolicy::Off] {
        let ladder = answered(Ladder::from_phone_by(srtp, false, Some(keyed("theirs", true))));
        assert_eq!(answer(&ladder), Seal::Plain);
        assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec::PHONE);
    }
    let (ladder, _) = to_page(Ladder::from_phone_by(SrtpPolicy::Required, false, Some(keyed("theirs", true))));
    assert!(why(&ladder).contains("srtp_over_plain"));
}

#[test]
fn plain_rtp_is_refused_where_srtp_is_required_and_srtp_where_it_is_off() {
    let plain = phone_description(&[Codec::pcmu()]);
    let (ladder, _) = to_page(Ladder::from_phone_by(SrtpPolicy::Required, true, Some(plain)));
    assert!(why(&ladder).contains("SRTP is required"));
    let dtls = with(Transport { ice: None, ..browser_transport("theirs") });
    for offer in [dtls, keyed("theirs", false)] {
        let (ladder, _) = to_page(Ladder::from_phone_by(SrtpPolicy::Off, true, Some(offer)));
        assert!(why(&ladder).contains("`srtp = \"optional\"` allows it"));
    }
}

#[test]
fn an_offer_whose_keys_nobody_can_use_is_refused_with_the_reason() {
    let mut offer = keyed("theirs", false);
    if let Seal::Sdes(sdes) = &mut offer.streams[0].transport.seal {
        sdes.cryptos = [patchcord::model::Crypto::new("1 F8_128_HMAC_SHA1_80 inline:AAAA")].into();
    }
    let (ladder, _) = to_page(Ladder::from_phone_by(SrtpPolicy::Optional, true, Some(offer)));
    assert!(why(&ladder).contains("its crypto suite is not known here"), "{}", why(&ladder));
}

#[test]
fn a_telephone_is_offered_what_its_policy_says() {
    for (srtp, keys, seal) in [
        (SrtpPolicy::Off, true, SealKind::Plain),
        (SrtpPolicy::Optional, false, SealKind::Plain),
        (SrtpPolicy::Optional, true, SealKind::Opportunistic),
        (SrtpPolicy::Required, true, SealKind::Sdes),
        (SrtpPolicy::Required, false, SealKind::Dtls),
    ] {
        let (ladder, leg, offer) = offered(srtp, keys);
        assert_eq!(spec_of(&ladder, leg), LegSpec { seal, ice: IceMode::None, ipv6: false });
        let stream = &offer.streams[0];
        let said = match &stream.transport.seal {
            Seal::Plain => SealKind::Plain,
            Seal::Sdes(sdes) if sdes.optional => SealKind::Opportunistic,
            Seal::Sdes(_) => SealKind::Sdes,
            Seal::Dtls { .. } => SealKind::Dtls,
        };
        assert_eq!(said, seal);
        assert_eq!((&stream.mid, offer.groups.len(), stream.rtcp_mux), (&None, 0, seal == SealKind::Dtls));
        let names: Vec<&str> = stream.codecs.iter().filter(|c| c.is_speech()).map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["opus", "PCMU", "PCMA"]);
    }
}

#[test]
fn a_telephone_that_offers_nothing_is_offered_what_its_policy_says() {
    for (srtp, keys, seal) in
        [(SrtpPolicy::Optional, false, SealKind::Plain), (SrtpPolicy::Required, true, SealKind::Sdes)]
    {
        let ladder = answered(Ladder::from_phone_by(srtp, keys, None));
        assert_eq!(spec_of(&ladder, ladder.caller()).seal, seal);
        let is_keyed = matches!(answer(&ladder), Seal::Sdes(sdes) if !sdes.optional);
        assert_eq!(is_keyed, seal == SealKind::Sdes);
    }
}

#[test]
fn a_telephone_with_dtls_and_without_ice_answers_and_both_are_up() {
    let (mut ladder, leg, _) = offered(SrtpPolicy::Required, false);
    let mut transport = Transport { ice: None, ..browser_transport("theirs") };
    if let Seal::Dtls { setup, .. } = &mut transport.seal {
        *setup = Setup::Active;
    }
    let answer = ladder.answer_with(leg, with(transport));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    assert!(ladder.said.iter().any(|(to, signal)| *to == ladder.caller() && matches!(signal, Signal::Accept)));
}

#[test]
fn a_telephone_that_answers_without_keys_is_talked_to_at_once_and_one_that_took_them_when_the_relay_has_heard_it() {
    let is_accepted =
        |l: &Ladder| l.said.iter().any(|(to, signal)| *to == l.caller() && matches!(signal, Signal::Accept));
    for (answer, at_once) in [(phone_description(&[Codec::pcmu()]), true), (keyed("theirs", true), false)] {
        let (mut ladder, leg, _) = offered(SrtpPolicy::Optional, true);
        let answer = ladder.answer_with(leg, answer);
        ladder.hear(leg, answer);
        ladder.hear(leg, Signal::Accept);
        assert_eq!(is_accepted(&ladder), at_once);
        ladder.connected(leg);
        assert!(is_accepted(&ladder));
    }
}

#[test]
fn what_is_protected_once_is_not_taken_down_by_a_new_offer_and_goes_on() {
    let mut ladder = answered(Ladder::from_phone_by(SrtpPolicy::Optional, true, Some(keyed("theirs", false))));
    let offer = ladder.offer(phone_description(&[Codec::pcmu()]));
    ladder.hear(ladder.caller(), offer);
    assert!(matches!(ladder.said.last(), Some((_, Signal::Refuse { cause: Cause::MediaIncompatible, .. }))));
    assert!(ladder.records.is_empty());
    for name in ["theirs", "another key"] {
        let offer = ladder.offer(keyed(name, false));
        ladder.hear(ladder.caller(), offer);
        assert!(matches!(ladder.said.last(), Some((_, Signal::Answer(_)))), "{name}");
    }
}

#[test]
fn a_telephone_that_answers_without_keys_may_say_them_later_but_not_take_them_back() {
    let (mut ladder, leg, _) = offered(SrtpPolicy::Optional, true);
    let answer = ladder.answer_with(leg, phone_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    for (description, is_taken) in [
        (phone_description(&[Codec::pcmu()]), true),
        (keyed("theirs", true), true),
        (phone_description(&[Codec::pcmu()]), false),
    ] {
        let offer = ladder.offer(description);
        ladder.hear(leg, offer);
        assert_eq!(matches!(ladder.said.last(), Some((_, Signal::Answer(_)))), is_taken);
    }
}

#[test]
fn a_refused_stream_repeats_nobodys_keys() {
    let mut offer = keyed("theirs", false);
    let mut video = offer.streams[0].clone();
    video.kind = patchcord::model::Kind::Video;
    offer.streams.push(video);
    let ladder = answered(Ladder::from_phone_by(SrtpPolicy::Optional, true, Some(offer)));
    let said = ladder.last_description(ladder.caller());
    assert!(matches!(&said.streams[1].transport.seal, Seal::Sdes(sdes) if sdes.cryptos.is_empty()));
}
