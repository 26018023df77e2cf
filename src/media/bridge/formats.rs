//! Which payload type becomes which, from one leg to another.

use crate::media::codec::g711;
use crate::model::Codec;

/// Formats of one side that are looked at; more are ignored.
pub const MAX_FORMATS: usize = 32;

/// What packets of a format carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Speech.
    Speech,
    /// Keypad events (RFC 4733).
    Events,
    /// Comfort noise (RFC 3389), redundancy and the like.
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

/// The formats of a list.
pub fn formats(codecs: &[Codec]) -> Vec<Format> {
    let format = |(index, codec): (usize, &Codec)| Format {
        payload_type: codec.payload_type,
        content: content(codec),
        clock_hz: codec.clock_hz.max(1),
        index: index as u8,
    };
    codecs.iter().take(MAX_FORMATS).enumerate().map(format).collect()
}

fn content(codec: &Codec) -> Content {
    if codec.is_telephone_event() {
        Content::Events
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
}

impl Change {
    /// Changes a payload in place.
    pub fn apply(self, payload: &mut [u8]) {
        let table = match self {
            Change::None => return,
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
pub struct Routes(Box<[Route]>);

impl Routes {
    /// The ways from a peer that sends `heard` to a peer that takes `taken`.
    pub fn between(heard: &[Codec], taken: &[Codec]) -> Routes {
        let taken = taken.get(..MAX_FORMATS).unwrap_or(taken);
        Routes(heard.iter().take(MAX_FORMATS).filter_map(|codec| route(codec, taken)).collect())
    }

    /// The way of a payload type.
    pub fn find(&self, payload_type: u8) -> Option<&Route> {
        self.0.iter().find(|route| route.from == payload_type)
    }

    /// Whether any speech can pass.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
    let (other, change) = match heard.name.to_ascii_uppercase().as_str() {
        "PCMU" => ("PCMA", Change::ToAlaw),
        "PCMA" => ("PCMU", Change::ToUlaw),
        _ => return None,
    };
    let fits =
        |c: &&Codec| c.name.eq_ignore_ascii_case(other) && (c.clock_hz, c.channels) == (heard.clock_hz, heard.channels);
    Some(to(taken.iter().find(fits)?, change))
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
    fn formats_that_no_side_shares_have_no_way() {
        assert!(Routes::between(&[opus(111)], &[Codec::pcmu()]).is_empty());
    }
}
