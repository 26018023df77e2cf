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
/// The clock of what telephones have.
const PHONE_HZ: u32 = 8000;
const EVENTS_8K: u8 = 101;
const EVENTS_48K: u8 = 110;

fn is_g711(codec: &Codec) -> bool {
    codec.name.eq_ignore_ascii_case("PCMU") || codec.name.eq_ignore_ascii_case("PCMA")
}

/// Opus as we like to receive it: with lost packets repeated in the next one (RFC 7587 §6.1).
fn opus() -> Codec {
    Codec { parameters: Some("minptime=10;useinbandfec=1".into()), ..Codec::new(111, "opus", 48_000, 2) }
}

fn g722() -> Codec {
    Codec::new(9, "G722", PHONE_HZ, 1)
}

/// What a side of this kind has at least: every telephone G.711, a browser Opus too, and an IM client perhaps
/// nothing but Opus.
fn speech_of(spec: LegSpec) -> Vec<Codec> {
    match spec.ice {
        IceMode::None | IceMode::LitePair => vec![Codec::pcmu(), Codec::pcma()],
        IceMode::Lite | IceMode::Full => vec![Codec::pcmu(), Codec::pcma(), opus()],
    }
}

/// All the speech that the relay can translate, to be named in refusals.
pub fn translatable() -> Vec<Codec> {
    vec![opus(), g722(), Codec::pcmu(), Codec::pcma()]
}

/// Everything we speak with a side of this kind, for offers that answer nobody's: a late offer.
pub fn everything(spec: LegSpec) -> Vec<Codec> {
    let mut ours = speech_of(spec);
    add_events(&mut ours);
    ours
}

/// The formats to offer to a callee, for what the caller offered: first those that pass as they are, in the order of
/// the caller, then those that would be translated. An answerer keeps that order (RFC 3264 §6.1), so whatever it
/// has in common with the caller comes before all else. Empty if we understand nothing that the caller speaks.
///
/// Comfort noise is offered where it passes: nobody is invited to fall silent whose silence must be made up for.
pub fn for_callee(offered: &[Codec], callee: LegSpec) -> Vec<Codec> {
    let speech = offered.iter().filter(|c| c.is_transcodable());
    let mut ours: Vec<Codec> =
        speech.map(|c| Codec { payload_type: our_payload_type(c), feedback: Vec::new(), ..c.clone() }).collect();
    if ours.is_empty() {
        return ours;
    }
    let passes_hd = ours.iter().any(|c| c.clock_hz == PHONE_HZ);
    let is_telephone = callee.ice == IceMode::None;
    // Of a caller with Opus alone all is translated, and a telephone may hear the whole of it.
    let wide = (is_telephone && !passes_hd).then(g722);
    for codec in wide.into_iter().chain(speech_of(callee)) {
        if !ours.iter().any(|c| c.is_same_format(&codec)) {
            ours.push(codec);
        }
    }
    ours.extend(comfort_noise(offered, offered, &ours).map(|_| Codec::comfort_noise()));
    add_events(&mut ours);
    ours
}

/// The formats in which a caller of this kind hears the gateway itself, for what it offered: a telephone G.711 if it has
/// that, which passes to everybody it may be put through to.
pub fn for_gateway(offered: &[Codec], caller: LegSpec) -> Vec<Codec> {
    let mut ours = for_callee(offered, caller);
    if caller.ice == IceMode::None && offered.iter().any(is_g711) {
        ours.retain(|c| is_g711(c) || !c.is_speech());
    }
    ours
}

/// Comfort noise among `offered` if `taken` has it too, and `speech` in its clock: that of G.711 and G.722 (RFC 3389
/// §4).
fn comfort_noise<'a>(offered: &'a [Codec], taken: &[Codec], speech: &[Codec]) -> Option<&'a Codec> {
    let is_noise = |c: &&Codec| c.is_comfort_noise() && c.clock_hz == PHONE_HZ;
    let has_speech = speech.iter().any(|c| c.is_speech() && c.clock_hz == PHONE_HZ);
    offered.iter().find(is_noise).filter(|_| has_speech && taken.iter().any(|c| is_noise(&c)))
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
    ours.extend(comfort_noise(offered, taken, &ours).map(answered));
    if !digits_by_word && !taken.iter().any(Codec::is_telephone_event) {
        return ours;
    }
    let clocks: Vec<u32> = ours.iter().filter(|c| c.is_speech()).map(|c| c.clock_hz).collect();
    ours.extend(offered.iter().filter(|c| c.is_telephone_event() && clocks.contains(&c.clock_hz)).map(answered));
    ours
}

/// The formats to answer a new offer with in the middle of a call: `known` is what that side was told before, `far`
/// what passes on the other leg both ways. What passes counts for more than what was said before.
pub fn for_reoffer(offered: &[Codec], known: &[Codec], far: &[Codec]) -> Vec<Codec> {
    let digits = known.iter().any(Codec::is_telephone_event);
    let passing = for_caller(offered, far, digits);
    if passing.is_empty() { for_caller(offered, known, digits) } else { passing }
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
    let seal = match &stream.transport.seal {
        Seal::Plain if abilities.srtp == SrtpPolicy::Required => {
            return Err("the offer is plain RTP; SRTP is required here".into());
        }
        Seal::Plain => SealKind::Plain,
        Seal::Dtls { optional: true, .. } if abilities.srtp == SrtpPolicy::Off => SealKind::Plain,
        Seal::Dtls { .. } if abilities.srtp == SrtpPolicy::Off => return Err(NO_SRTP.into()),
        Seal::Dtls { .. } => SealKind::Dtls,
        Seal::Sdes(sdes) => sdes_spec(sdes, abilities)?,
    };
    Ok(LegSpec { ice: ice_of(stream, abilities)?, seal, ipv6: is_ipv6(stream) })
}

/// How packets find a peer that offers this. A telephone with ICE and without rtcp-mux has a component for RTCP, and is
/// answered with one: programs with libre send nothing to whoever has none. Where it has none, or does not check, it is
/// answered without ICE, at the address that it described besides (RFC 8839 §4.2.5).
fn ice_of(stream: &Stream, abilities: &Abilities) -> Result<IceMode, String> {
    match &stream.transport.ice {
        None => Ok(IceMode::None),
        Some(ice) if stream.rtcp_mux => {
            // Two ICE-lite agents would wait for each other for ever (RFC 8445 §6.1.1).
            Ok(if ice.lite { IceMode::Full } else { IceMode::Lite })
        }
        Some(ice) if abilities.offers.ice == IceMode::None && stream.transport.address.is_some() => {
            let has_pair = ice.candidates.iter().any(|c| c.component == 2);
            Ok(if has_pair && !ice.lite { IceMode::LitePair } else { IceMode::None })
        }
        Some(_) => Err("the offer has ICE without rtcp-mux".into()),
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
        (SealKind::Plain, SealKind::Sdes | SealKind::Dtls) => is_optional(offer),
        (leg, asked) => leg == asked,
    }
}

fn is_optional(offer: &Description) -> bool {
    offer.audio().is_some_and(|s| s.transport.seal.is_optional())
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
mod tests;
