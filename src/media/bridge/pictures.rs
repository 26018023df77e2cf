//! Which payload type of pictures becomes which, from one leg to another: they pass as they are or not at all.

use super::formats::{Change, Format, MAX_FORMATS, Route, formats};
use super::{Content, formats::Routes};
use crate::model::Codec;

/// The formats of a list of pictures.
pub fn picture_formats(codecs: &[Codec]) -> Vec<Format> {
    let mut formats = formats(codecs);
    for format in &mut formats {
        if format.content == Content::Speech {
            format.content = Content::Picture;
        }
    }
    formats
}

/// The ways from a peer that sends `heard` to a peer that takes `taken`.
pub fn picture_routes(heard: &[Codec], taken: &[Codec]) -> Routes {
    let taken = taken.get(..MAX_FORMATS).unwrap_or(taken);
    Routes::passing(heard.iter().take(MAX_FORMATS).filter(|codec| codec.is_speech()).filter_map(|codec| {
        let to = taken.iter().filter_map(|other| Some((likeness(codec, other)?, other)));
        // The first of the likest: the peer wants it most.
        let (_, to) = to.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        let (from, clock_hz) = (codec.payload_type, to.clock_hz.max(1));
        Some(Route { from, to: to.payload_type, clock_hz, change: Change::None })
    }))
}

/// How well pictures of the one format are understood as the other; `None`: not at all. Whether levels suit the two
/// was settled when their descriptions were.
fn likeness(sent: &Codec, taken: &Codec) -> Option<u8> {
    if !sent.is_same_format(taken) {
        return None;
    }
    if sent.name.eq_ignore_ascii_case("H264") {
        let (from, to) = (packetization_mode(sent), packetization_mode(taken));
        // RFC 6184 §6.2: what is in single units is understood by one who takes them in fragments too.
        if from > to {
            return None;
        }
        let profile =
            |codec| parameter(codec, "profile-level-id").unwrap_or("42").get(..2).map(str::to_ascii_lowercase);
        return Some(2 * u8::from(from == to) + u8::from(profile(sent) == profile(taken)));
    }
    // VP9 (RFC 9628 §7), AV1: another profile is another format.
    let profile = |codec| {
        let said = ["profile-id", "profile"].into_iter().find_map(|name| parameter(codec, name));
        said.unwrap_or("0").to_owned()
    };
    (profile(sent) == profile(taken)).then_some(0)
}

fn packetization_mode(codec: &Codec) -> u8 {
    parameter(codec, "packetization-mode").and_then(|mode| mode.parse().ok()).unwrap_or(0)
}

fn parameter<'a>(codec: &'a Codec, name: &str) -> Option<&'a str> {
    codec.parameters.as_deref()?.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn codec(payload_type: u8, name: &str, parameters: &str) -> Codec {
        let parameters = Some(parameters.to_owned()).filter(|p| !p.is_empty());
        Codec { parameters, ..Codec::new(payload_type, name, 90_000, 1) }
    }

    #[test]
    fn pictures_take_the_number_of_the_other_side_and_the_likest_of_its_formats() {
        let heard = [
            codec(96, "VP8", ""),
            codec(102, "H264", "packetization-mode=1;profile-level-id=42001f"),
            codec(108, "H264", "profile-level-id=42e01f;packetization-mode=0"),
            codec(97, "rtx", "apt=96"),
        ];
        let taken = [
            codec(120, "H264", "profile-level-id=640c1f;packetization-mode=1"),
            codec(121, "H264", "profile-level-id=42801F;packetization-mode=1"),
            codec(100, "vp8", ""),
            codec(101, "rtx", "apt=100"),
        ];
        let routes = picture_routes(&heard, &taken);
        let to = |from| routes.find(from).map(|route| route.to);
        assert_eq!([to(96), to(102), to(108), to(97)], [Some(100), Some(121), Some(121), None]);
    }

    #[test]
    fn fragments_do_not_go_to_one_who_takes_single_units_alone_nor_one_profile_for_another() {
        let fragments = codec(102, "H264", "packetization-mode=1;profile-level-id=42e01f");
        let units = codec(97, "H264", "profile-level-id=42e01f");
        assert!(picture_routes(&[fragments], &[units]).is_empty());
        let vp9 = |profile| [codec(98, "VP9", profile)];
        assert!(picture_routes(&vp9("profile-id=2"), &vp9("")).is_empty());
        assert!(!picture_routes(&vp9("profile-id=0"), &vp9("")).is_empty());
    }
}
