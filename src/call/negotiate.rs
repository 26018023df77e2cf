//! Which formats two parties speak: pure functions of what they offered and answered.
//!
//! Speech passes from one leg to the other as it is wherever both sides have a format in common, and offers are
//! made so that they find one. Where they have none the relay translates among the formats that it can decode
//! and encode ([`TRANSCODABLE`](crate::model::TRANSCODABLE)), one for each side.

use tracing::info;

use crate::model::{Abilities, Codec, Description, IceMode, LegSpec, Sdes, Seal, SealKind, SrtpPolicy, Stream};

/// The payload types in our own offers. The numbers are those that browsers and phones use themselves, so that
/// most calls need no renumbering.
const OUR_PAYLOAD_TYPES: [(&str, u8); 4] = [("opus", 111), ("G722", 9), ("PCMU", 0), ("PCMA", 8)];
const EVENTS_8K: u8 = 101;
const EVENTS_48K: u8 = 110;

fn is_g711(codec: &Codec) -> bool {
    codec.name.eq_ignore_ascii_case("PCMU") || codec.name.eq_ignore_ascii_case("PCMA")
}

/// Opus as we like to receive it: with lost packets repeated in the next one (RFC 7587 §6.1).
fn opus() -> Codec {
    Codec { parameters: Some("minptime=10;useinbandfec=1".into()), ..Codec::new(111, "opus", 48_000, 2) }
}

/// What a side of this kind has at least: every telephone G.711, a browser Opus too, and an IM client perhaps
/// nothing but Opus.
fn speech_of(spec: LegSpec) -> Vec<Codec> {
    match spec.ice {
        IceMode::None => vec![Codec::pcmu(), Codec::pcma()],
        IceMode::Lite | IceMode::Full => vec![Codec::pcmu(), Codec::pcma(), opus()],
    }
}

/// All the speech that the relay can translate, to be named in refusals.
pub fn translatable() -> Vec<Codec> {
    vec![opus(), Codec::new(9, "G722", 8000, 1), Codec::pcmu(), Codec::pcma()]
}

/// Everything we speak with a side of this kind, for offers that answer nobody's: a late offer.
pub fn everything(spec: LegSpec) -> Vec<Codec> {
    let mut ours = speech_of(spec);
    add_events(&mut ours);
    ours
}

/// The formats to offer to a callee, for what the caller offered: first those that pass as they are, then those
/// that are translated. Where a telephone is on either side and G.711 passes, it stands alone or first: what every
/// phone and every browser has, and no offer to a phone grows beyond a datagram. Empty if we understand nothing
/// that the caller speaks.
pub fn for_callee(offered: &[Codec], caller: LegSpec, callee: LegSpec) -> Vec<Codec> {
    let speech: Vec<&Codec> = offered.iter().filter(|c| c.is_transcodable()).collect();
    let phone_is_there = caller.ice == IceMode::None || callee.ice == IceMode::None;
    let only_g711 = phone_is_there && speech.iter().any(|c| is_g711(c));
    let mut ours: Vec<Codec> = speech
        .into_iter()
        .filter(|c| !only_g711 || is_g711(c))
        .map(|c| Codec { payload_type: our_payload_type(c), feedback: Vec::new(), ..c.clone() })
        .collect();
    if ours.is_empty() {
        return ours;
    }
    for codec in speech_of(callee) {
        if !ours.iter().any(|c| c.is_same_format(&codec)) {
            ours.push(codec);
        }
    }
    add_events(&mut ours);
    ours
}

fn add_events(ours: &mut Vec<Codec>) {
    for (number, clock_hz) in [(EVENTS_8K, 8000), (EVENTS_48K, 48_000)] {
        if ours.iter().any(|c| c.clock_hz == clock_hz) {
            ours.push(Codec::telephone_event(number, clock_hz));
        }
    }
}

fn our_payload_type(codec: &Codec) -> u8 {
    OUR_PAYLOAD_TYPES
        .iter()
        .find(|(name, _)| codec.name.eq_ignore_ascii_case(name))
        .map_or(codec.payload_type, |(_, number)| *number)
}

/// The formats to answer a caller with: of those it offered, in its own numbers, the ones that the callee
/// took; before the callee has spoken, all that were offered on.
///
/// The first format that both have stays first, so that the caller speaks what the callee hears. If they have
/// none, it is the one that the caller wants most of those that can be translated. Empty if there is none either.
/// Digits of a keypad are agreed to only if they reach the callee: in its media, or,
/// with `digits_by_word`, in its signalling.
pub fn for_caller(offered: &[Codec], taken: &[Codec], digits_by_word: bool) -> Vec<Codec> {
    let mut ours: Vec<Codec> = Vec::new();
    for codec in taken.iter().filter(|c| c.is_speech()) {
        if let Some(same) = offered.iter().find(|o| o.is_same_format(codec)) {
            ours.push(answered(same));
        }
    }
    if ours.is_empty() && taken.iter().any(is_g711) {
        ours.extend(offered.iter().filter(|c| is_g711(c)).map(answered));
    }
    if ours.is_empty() && taken.iter().any(Codec::is_transcodable) {
        ours.extend(offered.iter().find(|c| c.is_transcodable()).map(answered));
    }
    if ours.is_empty() {
        return ours;
    }
    if !digits_by_word && !taken.iter().any(Codec::is_telephone_event) {
        return ours;
    }
    let clocks: Vec<u32> = ours.iter().map(|c| c.clock_hz).collect();
    ours.extend(offered.iter().filter(|c| c.is_telephone_event() && clocks.contains(&c.clock_hz)).map(answered));
    ours
}

fn answered(offered: &Codec) -> Codec {
    Codec { feedback: Vec::new(), ..offered.clone() }
}

/// Of what the peer said it takes, that which we said too: what may be sent to it.
pub fn agreed(theirs: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    theirs.iter().filter(|t| ours.iter().any(|o| o.is_same_format(t) || (is_g711(o) && is_g711(t)))).cloned().collect()
}

/// The leg that an offer asks for and the policy of its wire allows, or in one sentence why there is none.
pub fn spec_of(offer: &Description, abilities: &Abilities) -> Result<LegSpec, String> {
    let Some(stream) = offer.audio() else {
        return Err("the offer has no audio".into());
    };
    let ipv6 = is_ipv6(stream);
    match &stream.transport.seal {
        Seal::Plain if abilities.srtp == SrtpPolicy::Required => {
            Err("the offer is plain RTP; SRTP is required here".into())
        }
        Seal::Plain => Ok(LegSpec { ice: IceMode::None, seal: SealKind::Plain, ipv6 }),
        Seal::Dtls { .. } if abilities.srtp == SrtpPolicy::Off => Err(NO_SRTP.into()),
        Seal::Dtls { .. } => match &stream.transport.ice {
            Some(_) if !stream.rtcp_mux => Err("the offer has ICE without rtcp-mux".into()),
            Some(ice) => {
                // Two ICE-lite agents would wait for each other for ever (RFC 8445 §6.1.1).
                let mode = if ice.lite { IceMode::Full } else { IceMode::Lite };
                Ok(LegSpec { ice: mode, seal: SealKind::Dtls, ipv6 })
            }
            None => Ok(LegSpec { ice: IceMode::None, seal: SealKind::Dtls, ipv6 }),
        },
        Seal::Sdes(sdes) => Ok(LegSpec { ice: IceMode::None, seal: sdes_spec(sdes, abilities)?, ipv6 }),
    }
}

const NO_SRTP: &str =
    "the offer is SRTP, which the configuration turns off for this peer: `srtp = \"optional\"` allows it";

/// What becomes of an offer with keys in it. One that takes plain RTP too (RFC 8643) gets that where keys may not be
/// used; any other is refused then, for nothing is taken down to plain RTP without being said.
fn sdes_spec(sdes: &Sdes, abilities: &Abilities) -> Result<SealKind, String> {
    let refused = if abilities.srtp == SrtpPolicy::Off {
        Err(NO_SRTP.to_owned())
    } else if abilities.offers.ice != IceMode::None {
        Err("the offer has SRTP with keys in the description (SDES); DTLS-SRTP is spoken here".to_owned())
    } else if !abilities.keys_in_words {
        Err("the offer has SRTP keys in its description (SDES) and came without TLS, where anybody on the way reads \
             them: `srtp_over_plain = true` for this trunk, or in [sip] for telephones, allows it; DTLS-SRTP needs no leave"
            .to_owned())
    } else {
        sdes.check()
    };
    match refused {
        Ok(()) => Ok(SealKind::Sdes),
        Err(why) if sdes.optional && abilities.srtp != SrtpPolicy::Required => {
            info!(why, "the offer leaves the choice, and the media go as plain RTP");
            Ok(SealKind::Plain)
        }
        Err(why) => Err(why),
    }
}

/// Whether a leg of one kind, whose media are `sealed` by now, can go on as a new offer of its peer asks: what was
/// protected once stays so, and what the peer would only like to protect may stay as it is.
pub fn goes_on(leg: SealKind, sealed: bool, offer: &Description, asked: SealKind) -> bool {
    match (leg, asked) {
        (SealKind::Opportunistic, SealKind::Sdes) => true,
        (SealKind::Opportunistic, SealKind::Plain) => !sealed,
        (SealKind::Plain, SealKind::Sdes) => is_optional(offer),
        (leg, asked) => leg == asked,
    }
}

fn is_optional(offer: &Description) -> bool {
    offer.audio().is_some_and(|s| matches!(&s.transport.seal, Seal::Sdes(sdes) if sdes.optional))
}

/// The leg that an offer asks for on a wire whose own offers are of this kind: one that must check
/// candidates when it offers must do so when it answers.
pub fn caller_spec(offer: &Description, abilities: &Abilities) -> Result<LegSpec, String> {
    let spec = spec_of(offer, abilities)?;
    let checks = spec.ice == IceMode::Lite && abilities.offers.ice == IceMode::Full;
    Ok(LegSpec { ice: if checks { IceMode::Full } else { spec.ice }, ..spec })
}

fn is_ipv6(stream: &Stream) -> bool {
    if let Some(address) = stream.transport.address {
        return address.is_ipv6();
    }
    let ice = stream.transport.ice.as_ref();
    let ips = ice.into_iter().flat_map(|i| &i.candidates).filter_map(|c| match c.host {
        crate::model::CandidateHost::Ip(ip) => Some(ip),
        crate::model::CandidateHost::Name(_) => None,
    });
    let (mut any, mut only_v6) = (false, true);
    for ip in ips {
        any = true;
        only_v6 &= ip.is_ipv6();
    }
    any && only_v6
}

/// Both lists in words, for a refusal that helps.
pub fn mismatch(one: &[Codec], other: &[Codec]) -> String {
    let names = |codecs: &[Codec]| {
        let mut names: Vec<&str> = codecs.iter().filter(|c| c.is_speech()).map(|c| c.name.as_str()).collect();
        names.dedup();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    format!("one side speaks {}, the other {}", names(one), names(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chromium() -> Vec<Codec> {
        vec![
            Codec::new(111, "opus", 48_000, 2),
            Codec::new(63, "red", 48_000, 2),
            Codec::new(9, "G722", 8000, 1),
            Codec::pcmu(),
            Codec::pcma(),
            Codec::new(13, "CN", 8000, 1),
            Codec::telephone_event(110, 48_000),
            Codec::telephone_event(126, 8000),
        ]
    }

    fn names(codecs: &[Codec]) -> Vec<String> {
        codecs.iter().map(|c| format!("{} {}/{}", c.payload_type, c.name, c.clock_hz)).collect()
    }

    #[test]
    fn a_phone_is_offered_g711_and_digits_and_nothing_else() {
        let offer = for_callee(&chromium(), LegSpec::BROWSER, LegSpec::PHONE);
        assert_eq!(names(&offer), ["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"]);
    }

    #[test]
    fn two_browsers_keep_opus_first() {
        let offer = for_callee(&chromium(), LegSpec::BROWSER, LegSpec::BROWSER);
        assert_eq!(
            names(&offer),
            [
                "111 opus/48000",
                "9 G722/8000",
                "0 PCMU/8000",
                "8 PCMA/8000",
                "101 telephone-event/8000",
                "110 telephone-event/48000"
            ]
        );
    }

    #[test]
    fn the_caller_is_answered_with_what_the_callee_took_in_the_callers_numbers() {
        let taken = [Codec::pcma(), Codec::telephone_event(101, 8000)];
        assert_eq!(names(&for_caller(&chromium(), &taken, false)), ["8 PCMA/8000", "126 telephone-event/8000"]);
    }

    #[test]
    fn digits_are_agreed_to_only_if_they_reach_the_callee() {
        let taken = [Codec::new(111, "opus", 48_000, 2)];
        assert_eq!(names(&for_caller(&chromium(), &taken, false)), ["111 opus/48000"]);
        let by_word = names(&for_caller(&chromium(), &taken, true));
        assert_eq!(by_word, ["111 opus/48000", "110 telephone-event/48000"]);
    }

    #[test]
    fn mu_law_and_a_law_meet_when_each_side_has_only_one() {
        let caller = [Codec::pcmu()];
        let offer = for_callee(&caller, LegSpec::PHONE, LegSpec::PHONE);
        assert_eq!(names(&offer), ["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"]);
        assert_eq!(names(&for_caller(&caller, &[Codec::pcma()], false)), ["0 PCMU/8000"]);
    }

    #[test]
    fn a_client_with_opus_alone_and_a_phone_with_a_law_alone_are_offered_both_and_answered_with_their_own() {
        let opus = [Codec::new(96, "opus", 48_000, 2), Codec::telephone_event(97, 48_000)];
        let to_phone = for_callee(&opus, LegSpec::CLIENT, LegSpec::PHONE);
        let all =
            ["111 opus/48000", "0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000", "110 telephone-event/48000"];
        assert_eq!(names(&to_phone), all);
        let taken = [Codec::pcma(), Codec::telephone_event(101, 8000)];
        assert_eq!(names(&for_caller(&opus, &taken, false)), ["96 opus/48000", "97 telephone-event/48000"]);

        let phone = [Codec::pcma(), Codec::telephone_event(101, 8000)];
        let to_client = for_callee(&phone, LegSpec::PHONE, LegSpec::CLIENT);
        assert_eq!(names(&to_client)[..3], ["8 PCMA/8000", "0 PCMU/8000", "111 opus/48000"]);
        assert_eq!(names(&for_caller(&phone, &opus, false)), ["8 PCMA/8000", "101 telephone-event/8000"]);
    }

    #[test]
    fn a_format_in_common_is_preferred_to_one_that_must_be_translated() {
        let caller = [Codec::new(96, "opus", 48_000, 2), Codec::new(9, "G722", 8000, 1)];
        let taken = [Codec::pcma(), Codec::new(9, "G722", 8000, 1)];
        assert_eq!(names(&for_caller(&caller, &taken, false)), ["9 G722/8000"]);
        assert_eq!(names(&for_caller(&caller, &[Codec::pcma()], false)), ["96 opus/48000"]);
    }

    #[test]
    fn nothing_in_common_is_an_empty_answer_and_a_sentence_with_both_lists() {
        let caller = [Codec::new(18, "G729", 8000, 1)];
        assert!(for_callee(&caller, LegSpec::PHONE, LegSpec::PHONE).is_empty());
        assert_eq!(mismatch(&caller, &[Codec::pcmu()]), "one side speaks G729, the other PCMU");
    }
}
