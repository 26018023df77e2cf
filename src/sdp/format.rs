//! The formats of an `m=` line, from its payload types, `rtpmap`, `fmtp` and `rtcp-fb`.

use super::attribute::Said;
use crate::model::Codec;

/// The most kinds of feedback a format may have; `*` says one line of all formats at once.
const MAX_FEEDBACK: usize = 16;

/// What RFC 3551 §6 assigns without an `rtpmap`: payload type, name, clock, channels.
const STATIC: [(u8, &str, u32, u8); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
    (25, "CelB", 90000, 1),
    (26, "JPEG", 90000, 1),
    (28, "nv", 90000, 1),
    (31, "H261", 90000, 1),
    (32, "MPV", 90000, 1),
    (33, "MP2T", 90000, 1),
    (34, "H263", 90000, 1),
];

/// The payload types of an `m=` line's formats, in order, each once. What is none is passed over.
pub(super) fn payload_types<'a>(formats: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut seen = [false; 128];
    formats
        .filter_map(|f| f.parse::<u8>().ok())
        .filter(|p| seen.get_mut(usize::from(*p)).is_some_and(|seen| !std::mem::replace(seen, true)))
        .collect()
}

/// The formats somebody could send: those with an `rtpmap`, and those that need none.
pub(super) fn codecs<'a>(payload_types: &[u8], said: impl Iterator<Item = &'a Said> + Clone) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = Vec::with_capacity(payload_types.len());
    for &payload_type in payload_types {
        let mapped = said.clone().find_map(|s| match s {
            Said::Rtpmap { payload_type: p, name, clock_hz, channels } if *p == payload_type => {
                Some(Codec::new(payload_type, name, *clock_hz, *channels))
            }
            _ => None,
        });
        let assigned = || {
            let (_, name, clock_hz, channels) = STATIC.iter().find(|s| s.0 == payload_type)?;
            Some(Codec::new(payload_type, name, *clock_hz, *channels))
        };
        codecs.extend(mapped.or_else(assigned));
    }
    for said in said {
        match said {
            Said::Fmtp { payload_type, parameters } => {
                if let Some(codec) = codecs.iter_mut().find(|c| c.payload_type == *payload_type) {
                    add_parameters(codec, parameters);
                }
            }
            Said::Feedback { payload_type, value } => codecs
                .iter_mut()
                .filter(|c| payload_type.is_none_or(|p| p == c.payload_type))
                .filter(|c| c.feedback.len() < MAX_FEEDBACK && !c.feedback.contains(value))
                .for_each(|c| c.feedback.push(value.clone())),
            _ => {}
        }
    }
    codecs
}

/// One `fmtp` line is what RFC 8866 §6.15 allows; some cameras write several.
fn add_parameters(codec: &mut Codec, parameters: &str) {
    match &mut codec.parameters {
        Some(before) => {
            before.push(';');
            before.push_str(parameters);
        }
        none => *none = Some(parameters.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_type_without_rtpmap_means_what_rfc_3551_assigns() {
        let codecs = codecs(&[0, 8, 18, 97], std::iter::empty());
        assert_eq!(codecs, [Codec::pcmu(), Codec::pcma(), Codec::new(18, "G729", 8000, 1)]);
    }

    #[test]
    fn feedback_for_all_formats_is_said_of_each_once() {
        let said = [
            Said::Feedback { payload_type: Some(0), value: "nack".into() },
            Said::Feedback { payload_type: None, value: "nack".into() },
        ];
        let codecs = codecs(&[0, 8], said.iter());
        assert!(codecs.iter().all(|c| c.feedback == ["nack"]));
    }

    #[test]
    fn a_format_twice_on_the_line_counts_once_and_a_word_not_at_all() {
        assert_eq!(payload_types("8 0 8 128 300 x".split(' ')), [8, 0]);
    }
}
