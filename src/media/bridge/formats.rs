//! Which payload type becomes which, from one leg to another.

use std::time::Duration;

use super::transcode::Target;
use crate::media::codec::{Effort, FRAME_MS, Speech, g711};
use crate::model::Codec;

/// Formats of one side that are looked at; more are ignored.
pub const MAX_FORMATS: usize = 32;

/// The rate of samples where neither side has one of its own: all that a voice needs.
const SPEECH_HZ: u32 = 16_000;

/// What packets of a format carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Speech.
    Speech,
    /// Pictures.
    Picture,
    /// Keypad events (RFC 4733).
    Events,
    /// The noise of a room in which nobody speaks (RFC 3389).
    Noise,
    /// Redundancy and the like.
    Other,
}

/// A format that a peer may send us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its payload type.
    pub payload_type: u8,
    /// What it carries.
    pub content: Content,
    /// The RTP clock.
    pub clock_hz: u32,
    /// Where it stands in the list that it comes from.
    pub index: u8,
}

/// The formats of a list, and what comes with them unasked.
pub fn formats(codecs: &[Codec]) -> Vec<Format> {
    let format = |(index, codec): (usize, &Codec)| Format {
        payload_type: codec.payload_type,
        content: content(codec),
        clock_hz: codec.clock_hz.max(1),
        index: index as u8,
    };
    codecs.iter().take(MAX_FORMATS).chain(&unasked_noise(codecs)).enumerate().map(format).collect()
}

/// Telephones and gateways send comfort noise with G.711 and G.722 at its static payload type though nobody agreed to
/// it.
fn unasked_noise(codecs: &[Codec]) -> Option<Codec> {
    let noise = Codec::comfort_noise();
    let has_speech = codecs.iter().any(|codec| codec.is_transcodable() && codec.clock_hz == noise.clock_hz);
    let is_free = codecs.iter().all(|codec| codec.payload_type != noise.payload_type && !codec.is_same_format(&noise));
    (has_speech && is_free).then_some(noise)
}

fn content(codec: &Codec) -> Content {
    if codec.is_telephone_event() {
        Content::Events
    } else if codec.is_comfort_noise() {
        Content::Noise
    } else if codec.is_speech() {
        Content::Speech
    } else {
        Content::Other
    }
}

/// How the payload changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// µ-law to A-law.
    ToAlaw,
    /// A-law to µ-law.
    ToUlaw,
    /// A keypad event whose duration is in another clock.
    EventClock {
        /// The clock it comes in.
        from_hz: u32,
        /// The clock it goes out in.
        to_hz: u32,
    },
    /// It is decoded, and goes out as the target of the routes, at a pace of its own.
    Transcode(Speech),
    /// The noise that it describes goes out as speech, until there is speech again.
    Noise,
}

impl Change {
    /// Changes a payload in place.
    pub fn apply(self, payload: &mut [u8]) {
        let table = match self {
            Change::None | Change::Transcode(_) | Change::Noise => return,
            Change::ToAlaw => &g711::ALAW_OF_ULAW,
            Change::ToUlaw => &g711::ULAW_OF_ALAW,
            Change::EventClock { from_hz, to_hz } => return scale_event(payload, from_hz, to_hz),
        };
        for octet in payload {
            *octet = table[usize::from(*octet)];
        }
    }
}

fn scale_event(payload: &mut [u8], from_hz: u32, to_hz: u32) {
    if let Some([_, _, duration @ ..]) = payload.first_chunk_mut::<4>() {
        let scaled = u64::from(u16::from_be_bytes(*duration)) * u64::from(to_hz) / u64::from(from_hz.max(1));
        *duration = u16::try_from(scaled).unwrap_or(u16::MAX).to_be_bytes();
    }
}

/// The way of one payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The payload type as it comes in.
    pub from: u8,
    /// The payload type as it goes out.
    pub to: u8,
    /// The RTP clock it goes out with.
    pub clock_hz: u32,
    /// How the payload changes.
    pub change: Change,
}

/// The ways from one leg to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    ways: Box<[Route]>,
    target: Option<Target>,
}

impl Routes {
    /// The ways from a peer that sends `heard` to a peer that takes `taken`.
    pub fn between(heard: &[Codec], taken: &[Codec]) -> Routes {
        let taken = taken.get(..MAX_FORMATS).unwrap_or(taken);
        let heard_too = unasked_noise(heard);
        let heard = || heard.iter().take(MAX_FORMATS).chain(&heard_too);
        let others = heard().filter(|codec| !codec.is_comfort_noise());
        let mut ways: Vec<Route> = others.filter_map(|codec| route(codec, taken)).collect();
        let target = target(&ways, taken);
        // Nobody who hears speech that is made anew hears silences that are not.
        let passing = if target.is_none() { taken } else { &[] };
        let noises = heard().filter(|codec| codec.is_comfort_noise());
        ways.extend(noises.filter_map(|codec| noise_route(codec, passing, taken)));
        Routes { ways: ways.into(), target }
    }

    /// The same where the peer that is heard has said that these formats are its own: it may send others, but is not
    /// expected to be heard in a wider band than theirs, and speech in a wider one takes twice as long to encode.
    pub fn expecting(self, own: &[Codec]) -> Routes {
        let rates = own.iter().filter_map(Speech::of).map(|speech| speech.rate_hz().unwrap_or(SPEECH_HZ));
        let Some(widest) = rates.max() else { return self };
        let narrowed = |target: Target| match target.speech.rate_hz() {
            Some(_) => target,
            None => Target { rate_hz: target.rate_hz.min(widest), ..target },
        };
        Routes { target: self.target.map(narrowed), ..self }
    }

    /// The same for a peer that wants so much speech in a packet.
    pub fn paced(self, wanted: Option<Duration>) -> Routes {
        Routes { target: self.target.map(|target| target.paced(wanted)), ..self }
    }

    /// The same where encoding may take so much.
    pub fn trying(self, effort: Effort) -> Routes {
        Routes { target: self.target.map(|target| Target { effort, ..target }), ..self }
    }

    /// Ways on which nothing is translated.
    pub fn passing(ways: impl Iterator<Item = Route>) -> Routes {
        Routes { ways: ways.collect(), target: None }
    }

    /// What speech is encoded as where it cannot pass as it is; `None` if all of it can.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The way of a payload type.
    pub fn find(&self, payload_type: u8) -> Option<&Route> {
        self.ways.iter().find(|route| route.from == payload_type)
    }

    /// Whether anything can pass.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }
}

fn noise_route(heard: &Codec, passing: &[Codec], taken: &[Codec]) -> Option<Route> {
    let same = passing.iter().find(|codec| codec.is_same_format(heard)).map(|codec| (codec, Change::None));
    let (codec, change) = same.or_else(|| Some((encodable(taken)?.0, Change::Noise)))?;
    Some(Route { from: heard.payload_type, to: codec.payload_type, clock_hz: codec.clock_hz.max(1), change })
}

fn route(heard: &Codec, taken: &[Codec]) -> Option<Route> {
    let to = |codec: &Codec, change| Route {
        from: heard.payload_type,
        to: codec.payload_type,
        clock_hz: codec.clock_hz.max(1),
        change,
    };
    if let Some(codec) = taken.iter().find(|codec| codec.is_same_format(heard)) {
        return Some(to(codec, Change::None));
    }
    if heard.is_telephone_event() {
        let codec = event_format(taken)?;
        return Some(to(codec, Change::EventClock { from_hz: heard.clock_hz, to_hz: codec.clock_hz }));
    }
    let speech = Speech::of(heard)?;
    let other_law = match speech {
        Speech::Pcmu => Some((Speech::Pcma, Change::ToAlaw)),
        Speech::Pcma => Some((Speech::Pcmu, Change::ToUlaw)),
        Speech::G722 | Speech::Opus => None,
    };
    let in_other_law =
        other_law.and_then(|(law, change)| Some((taken.iter().find(|codec| Speech::of(codec) == Some(law))?, change)));
    if let Some((codec, change)) = in_other_law {
        return Some(to(codec, change));
    }
    let (codec, _) = encodable(taken)?;
    Some(to(codec, Change::Transcode(speech)))
}

/// What is encoded for a peer: what it wants most of that which can be.
fn encodable(taken: &[Codec]) -> Option<(&Codec, Speech)> {
    taken.iter().find_map(|codec| Some((codec, Speech::of(codec)?)))
}

/// What speech of the relay's own is encoded as for a peer, with the payload type; `None` if it takes nothing that can
/// be encoded.
pub fn own_speech(taken: &[Codec]) -> Option<(u8, Target)> {
    let (codec, speech) = encodable(taken.get(..MAX_FORMATS).unwrap_or(taken))?;
    let rate_hz = speech.rate_hz().unwrap_or(SPEECH_HZ);
    let parameters = codec.parameters.clone();
    Some((codec.payload_type, Target { speech, rate_hz, parameters, packet_ms: FRAME_MS, effort: Effort::default() }))
}

fn target(ways: &[Route], taken: &[Codec]) -> Option<Target> {
    let heard = ways.iter().filter_map(|way| match way.change {
        Change::Transcode(speech) => Some(speech),
        _ => None,
    });
    // A format that gives any rate is decoded at that of the other side.
    let heard_hz = heard.map(|speech| speech.rate_hz().unwrap_or(SPEECH_HZ)).max()?;
    let (codec, speech) = encodable(taken)?;
    Some(Target {
        speech,
        rate_hz: speech.rate_hz().unwrap_or(heard_hz),
        parameters: codec.parameters.clone(),
        packet_ms: FRAME_MS,
        effort: Effort::default(),
    })
}

/// The keypad event format that goes with the speech a peer wants most: the one in the same clock, for
/// packets of one source should not change clocks (RFC 7160 §4).
pub fn event_format(taken: &[Codec]) -> Option<&Codec> {
    let clock_hz = taken.iter().find(|codec| codec.is_speech()).map(|codec| codec.clock_hz);
    let events = || taken.iter().filter(|codec| codec.is_telephone_event());
    events().find(|codec| Some(codec.clock_hz) == clock_hz).or_else(|| events().next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn opus(payload_type: u8) -> Codec {
        Codec::new(payload_type, "opus", 48_000, 2)
    }

    #[test]
    fn the_same_format_takes_the_number_of_the_other_side() {
        let routes = Routes::between(
            &[opus(111), Codec::telephone_event(101, 8000)],
            &[Codec::telephone_event(96, 8000), Codec::new(120, "OPUS", 48_000, 2)],
        );
        assert_eq!(routes.find(111).unwrap().to, 120);
        assert_eq!(routes.find(101).unwrap().to, 96);
        assert_eq!(routes.find(0), None);
    }

    #[test]
    fn the_two_laws_are_converted_only_where_the_sides_disagree() {
        let both = [Codec::pcma(), Codec::pcmu()];
        assert_eq!(Routes::between(&both, &both).find(8).unwrap().change, Change::None);
        let route = *Routes::between(&both, &[Codec::pcmu()]).find(8).unwrap();
        assert_eq!((route.to, route.change), (0, Change::ToUlaw));
        let mut payload = [0xd5, 0xaa];
        route.change.apply(&mut payload);
        assert_eq!(payload, [0xfe, 0x80]);
    }

    #[test]
    fn an_event_in_another_clock_has_its_duration_scaled_and_never_wraps() {
        let taken = [opus(111), Codec::telephone_event(110, 48_000)];
        let route = *Routes::between(&[Codec::telephone_event(101, 8000)], &taken).find(101).unwrap();
        assert_eq!((route.to, route.clock_hz), (110, 48_000));
        let mut payload = [5, 0x8a, 0x03, 0x20];
        route.change.apply(&mut payload);
        assert_eq!(u16::from_be_bytes([payload[2], payload[3]]), 4800);
        let mut long = [5, 0x8a, 0xff, 0xff];
        route.change.apply(&mut long);
        assert_eq!(long, [5, 0x8a, 0xff, 0xff]);
    }

    #[test]
    fn comfort_noise_passes_where_the_speech_around_it_does_and_is_made_into_speech_elsewhere() {
        let noise = [Codec::pcmu(), Codec::comfort_noise()];
        let change =
            |heard: &[Codec], taken: &[Codec]| Routes::between(heard, taken).find(13).map(|r| (r.to, r.change));
        assert_eq!(change(&noise, &noise), Some((13, Change::None)));
        assert_eq!(change(&noise, &[Codec::pcma(), Codec::comfort_noise()]), Some((13, Change::None)));
        assert_eq!(change(&noise, &noise[..1]), Some((0, Change::Noise)));
        assert_eq!(change(&noise[..1], &noise[..1]), Some((0, Change::Noise)), "nobody asked for it");
        assert_eq!(change(&noise, &[opus(111), Codec::comfort_noise()]), Some((111, Change::Noise)));
        assert_eq!(change(&[opus(111)], &[opus(111)]), None);
    }

    #[test]
    fn formats_that_nobody_can_decode_have_no_way() {
        assert!(Routes::between(&[Codec::new(18, "G729", 8000, 1)], &[Codec::pcmu()]).is_empty());
    }

    #[test]
    fn speech_that_the_other_side_does_not_take_goes_out_as_what_it_wants_most() {
        let g722 = Codec::new(9, "G722", 8000, 1);
        let routes = Routes::between(&[opus(111), Codec::pcma()], &[Codec::pcmu(), g722.clone()]);
        assert_eq!(routes.find(111).unwrap().change, Change::Transcode(Speech::Opus));
        assert_eq!(routes.find(8).unwrap().change, Change::ToUlaw);
        let target = routes.target().unwrap();
        assert_eq!((target.speech, target.rate_hz, routes.find(111).unwrap().to), (Speech::Pcmu, 8000, 0));
        let rate = |heard: &[Codec]| Routes::between(heard, &[opus(111)]).target().map(|t| t.rate_hz);
        assert_eq!((rate(&[Codec::pcmu()]), rate(&[Codec::pcmu(), g722.clone()])), (Some(8000), Some(16_000)));
        assert_eq!(rate(&[opus(96)]), None);
        let offered = || Routes::between(&[Codec::pcmu(), g722.clone()], &[opus(111)]);
        let rate = |own: &[Codec]| offered().expecting(own).target().map(|t| t.rate_hz);
        assert_eq!(
            (rate(&[Codec::pcmu()]), rate(std::slice::from_ref(&g722)), rate(&[])),
            (Some(8000), Some(16_000), Some(16_000))
        );
        assert!(offered().expecting(&[Codec::pcmu()]).find(9).is_some(), "it may come all the same");
    }
}
