//! Which way the media of an attempt goes, and why: a pure function.

use crate::model::{Abilities, Description, Kind, MediaPolicy, Seal, Stream};

/// Which way the media of an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// From endpoint to endpoint.
    Direct,
    /// Through the relay.
    Relayed {
        /// One clause on why not directly, for the log and the record.
        why: &'static str,
    },
}

/// The caller, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// What its wire can say.
    pub abilities: &'a Abilities,
    /// What it offered, if it did.
    pub offer: Option<&'a Description>,
    /// The relay has a leg for it: an earlier attempt went that way.
    pub is_relayed: bool,
    /// Somebody is to listen along, or may.
    pub has_ears: bool,
    /// The dialplan has something played to it.
    pub has_sounds: bool,
    /// Keys are to be pressed once somebody answers.
    pub has_keys: bool,
}

/// Chooses for a caller and the devices that one attempt rings.
///
/// # Errors
/// One clause on why the media cannot go directly, if the policy wants nothing else.
pub fn choose(policy: MediaPolicy, caller: Caller<'_>, branches: &[Abilities]) -> Result<Path, &'static str> {
    match (policy, obstacle(caller, branches)) {
        (MediaPolicy::Relay, _) if caller.has_sounds => {
            Ok(Path::Relayed { why: "the dialplan plays sounds to the caller" })
        }
        (MediaPolicy::Relay, _) => Ok(Path::Relayed { why: "the dialplan wants it so" }),
        (MediaPolicy::Direct, None) => Ok(Path::Direct),
        (MediaPolicy::Direct, Some(why)) => Err(why),
        (MediaPolicy::Auto, Some(why)) => Ok(Path::Relayed { why }),
        (MediaPolicy::Auto, None) if !gets_through(caller, branches) => {
            Ok(Path::Relayed { why: "neither side is known to get through any NAT by itself" })
        }
        (MediaPolicy::Auto, None) => Ok(Path::Direct),
    }
}

fn gets_through(caller: Caller<'_>, branches: &[Abilities]) -> bool {
    caller.abilities.traverses || branches.iter().any(|b| b.traverses)
}

/// What stands in the way of direct media, whatever the NATs.
fn obstacle(caller: Caller<'_>, branches: &[Abilities]) -> Option<&'static str> {
    let Some(offer) = caller.offer else { return Some("the caller made no offer") };
    if caller.has_ears {
        return Some("the talk may be recorded or listened to, which only the relay can do");
    }
    if caller.has_keys {
        return Some("keys were dialled behind the number, which only the relay can press");
    }
    let [callee] = branches else { return Some("several devices ring at once, and a description is for one") };
    if caller.is_relayed {
        return Some("an earlier target of the call was tried through the relay");
    }
    if !caller.abilities.direct {
        return Some("the caller does not speak ICE and DTLS-SRTP");
    }
    if !callee.direct {
        return Some("the callee does not speak ICE and DTLS-SRTP");
    }
    offer.streams.iter().filter(|s| s.accepted).find_map(unfit)
}

/// Why a stream of an offer is not for any endpoint that does ICE and DTLS-SRTP.
fn unfit(stream: &Stream) -> Option<&'static str> {
    if matches!(stream.kind, Kind::Other(_)) {
        return Some("the offer has a stream that is neither audio nor video");
    }
    let Some(ice) = &stream.transport.ice else { return Some("the offer has a stream without ICE") };
    if ice.lite {
        return Some("the offer comes from an ICE-lite agent");
    }
    if !matches!(stream.transport.seal, Seal::Dtls { .. }) {
        return Some("the offer has a stream without DTLS-SRTP");
    }
    (!stream.rtcp_mux).then_some("the offer has a stream without rtcp-mux")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::{Ice, Setup, Transport};

    fn offer() -> Description {
        let ice = Ice { ufrag: "u".into(), pwd: "p".into(), lite: false, candidates: Vec::new(), more: true };
        let transport = Transport {
            seal: Seal::dtls(Vec::new(), Setup::ActPass),
            ice: Some(ice),
            address: None,
            rtcp_address: None,
            feedback_profile: true,
        };
        let streams = [Kind::Audio, Kind::Video]
            .into_iter()
            .map(|kind| Stream { rtcp_mux: true, ..Stream::new(kind, transport.clone()) })
            .collect();
        Description { streams, ..Description::default() }
    }

    fn chosen(policy: MediaPolicy, caller: Abilities, offer: &Description, callee: Abilities) -> String {
        let caller = Caller {
            abilities: &caller,
            offer: Some(offer),
            is_relayed: false,
            has_ears: false,
            has_sounds: false,
            has_keys: false,
        };
        match choose(policy, caller, &[callee]) {
            Ok(Path::Direct) => "direct".into(),
            Ok(Path::Relayed { why }) => why.into(),
            Err(why) => format!("refused: {why}"),
        }
    }

    const BROWSER: Abilities = Abilities::BROWSER;
    const CLIENT: Abilities = Abilities::CLIENT;
    const PHONE: Abilities = Abilities::PHONE;

    #[test]
    fn media_go_directly_where_both_sides_can_and_one_gets_through_any_nat() {
        for (caller, callee) in [(BROWSER, CLIENT), (CLIENT, BROWSER), (CLIENT, CLIENT)] {
            assert_eq!(chosen(MediaPolicy::Auto, caller, &offer(), callee), "direct");
        }
        let why = "neither side is known to get through any NAT by itself";
        assert_eq!(chosen(MediaPolicy::Auto, BROWSER, &offer(), BROWSER), why);
        assert_eq!(chosen(MediaPolicy::Direct, BROWSER, &offer(), BROWSER), "direct");
    }

    #[test]
    fn a_telephone_on_either_side_needs_the_relay() {
        let why = "the callee does not speak ICE and DTLS-SRTP";
        assert_eq!(chosen(MediaPolicy::Auto, CLIENT, &offer(), PHONE), why);
        assert_eq!(chosen(MediaPolicy::Direct, CLIENT, &offer(), PHONE), format!("refused: {why}"));
        let why = "the caller does not speak ICE and DTLS-SRTP";
        assert_eq!(chosen(MediaPolicy::Auto, PHONE, &offer(), CLIENT), why);
    }

    #[test]
    fn the_dialplans_word_for_the_relay_counts_more_than_what_could_be() {
        assert_eq!(chosen(MediaPolicy::Relay, CLIENT, &offer(), CLIENT), "the dialplan wants it so");
    }

    #[test]
    fn every_stream_that_is_offered_must_be_fit_for_it() {
        type Spoil = fn(&mut Stream);
        let spoils: [(Spoil, &str); 5] = [
            (|s| s.rtcp_mux = false, "the offer has a stream without rtcp-mux"),
            (|s| s.transport.ice = None, "the offer has a stream without ICE"),
            (|s| s.transport.seal = Seal::Plain, "the offer has a stream without DTLS-SRTP"),
            (|s| s.kind = Kind::Other("application".into()), "the offer has a stream that is neither audio nor video"),
            (|s| s.transport.ice.as_mut().unwrap().lite = true, "the offer comes from an ICE-lite agent"),
        ];
        for (spoil, why) in spoils {
            let mut spoilt = offer();
            spoil(&mut spoilt.streams[1]);
            assert_eq!(chosen(MediaPolicy::Auto, BROWSER, &spoilt, CLIENT), why);
            spoilt.streams[1].accepted = false;
            assert_eq!(chosen(MediaPolicy::Auto, BROWSER, &spoilt, CLIENT), "direct", "a refused slot does not matter");
        }
    }

    #[test]
    fn several_devices_a_late_offer_a_recording_and_a_relay_that_is_there_already_need_the_relay() {
        let offer = offer();
        let caller = Caller {
            abilities: &CLIENT,
            offer: Some(&offer),
            is_relayed: false,
            has_ears: false,
            has_sounds: false,
            has_keys: false,
        };
        let is_relayed = |caller, branches: &[Abilities]| {
            matches!(choose(MediaPolicy::Auto, caller, branches), Ok(Path::Relayed { .. }))
        };
        assert!(!is_relayed(caller, &[CLIENT]));
        assert!(is_relayed(caller, &[CLIENT, BROWSER]));
        assert!(is_relayed(Caller { offer: None, ..caller }, &[CLIENT]));
        assert!(is_relayed(Caller { is_relayed: true, ..caller }, &[CLIENT]));
        let sounds = choose(MediaPolicy::Relay, Caller { has_sounds: true, has_keys: false, ..caller }, &[CLIENT]);
        assert_eq!(sounds, Ok(Path::Relayed { why: "the dialplan plays sounds to the caller" }));
        assert!(is_relayed(Caller { has_ears: true, ..caller }, &[CLIENT]));
    }
}
