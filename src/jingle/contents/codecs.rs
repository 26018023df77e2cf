//! The formats of a stream.

use std::time::Duration;

use crate::jingle::stanza::rtcp_fb::Feedback;
use crate::jingle::stanza::rtp::{self, Parameter, PayloadType};
use crate::model::{Codec, Kind, Stream};

/// The attribute that has the longest packet time (RFC 8866 §6.4); Jingle has it on each format.
pub(super) const MAXPTIME: &str = "maxptime";
/// The most kinds of feedback a format may have; a description says one of all its formats at once.
const MAX_FEEDBACK: usize = 16;
/// The longest packet time, in milliseconds: nobody waits longer for a syllable.
const LONGEST_PTIME_MS: f64 = 10_000.0;

/// What RFC 3551 §6 assigns to the numbers that some clients send without a name: payload type, name, clock.
const STATIC: [(u8, &str, u32); 9] = [
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (13, "CN", 8000),
    (15, "G728", 8000),
    (18, "G729", 8000),
    (34, "H263", 90000),
];

/// The formats of a description, each number once.
pub(super) fn read(said: &rtp::Description, kind: &Kind) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = Vec::with_capacity(said.payload_types.len());
    for payload_type in &said.payload_types {
        if codecs.iter().any(|c| c.payload_type == payload_type.id) {
            continue;
        }
        codecs.extend(codec(payload_type, kind, &said.feedback));
    }
    codecs
}

fn codec(said: &PayloadType, kind: &Kind, of_all: &[Feedback]) -> Option<Codec> {
    let assigned = STATIC.iter().find(|(number, ..)| *number == said.id);
    let name = said.name.as_deref().or(assigned.map(|(_, name, _)| *name))?;
    // XEP-0167's own examples leave the clock out.
    let usual = if *kind == Kind::Video { 90_000 } else { 8000 };
    let clock_hz = said.clockrate.or(assigned.map(|(.., clock)| *clock)).unwrap_or(usual);
    let mut feedback: Vec<String> = Vec::new();
    for said in said.feedback.iter().chain(of_all).map(feedback_text) {
        if feedback.len() < MAX_FEEDBACK && !feedback.contains(&said) {
            feedback.push(said);
        }
    }
    Some(Codec {
        parameters: read_parameters(&said.parameters),
        feedback,
        ..Codec::new(said.id, name, clock_hz, said.channels.unwrap_or(1))
    })
}

/// Writes the formats of a stream.
pub(super) fn write(stream: &Stream) -> Vec<PayloadType> {
    let ptime = stream.ptime.map(|ptime| (ptime.as_secs_f64() * 1000.0).to_string());
    let maxptime = stream.extras.iter().find(|e| e.name == MAXPTIME).and_then(|e| e.value.clone());
    let codecs = stream.codecs.iter().take(rtp::MAX_PAYLOAD_TYPES);
    let payload_type = |codec: &Codec| PayloadType {
        name: Some(codec.name.clone()),
        clockrate: Some(codec.clock_hz),
        channels: Some(codec.channels).filter(|c| *c != 1),
        ptime: ptime.clone(),
        maxptime: maxptime.clone(),
        parameters: codec.parameters.as_deref().map(write_parameters).unwrap_or_default(),
        feedback: codec.feedback.iter().filter_map(|f| feedback(f)).collect(),
        ..PayloadType::new(codec.payload_type)
    };
    codecs.map(payload_type).collect()
}

/// The packet time that a description asks for: on a format (XEP-0167), or on the whole (Movim).
pub(super) fn ptime(said: &rtp::Description) -> Option<Duration> {
    let ptime = said.payload_types.iter().find_map(|p| p.ptime.as_deref()).or(said.ptime.as_deref())?;
    let ms: f64 = ptime.trim().parse().ok()?;
    (ms > 0.0 && ms <= LONGEST_PTIME_MS).then(|| Duration::from_micros((ms * 1000.0).round() as u64))
}

/// One string out of the parameters. A name without a value, a value without a name, and a value with an empty name
/// are all the same: a word by itself (`0-16`, `111/111`).
fn read_parameters(said: &[Parameter]) -> Option<String> {
    let word = |parameter: &Parameter| {
        let name = parameter.name.as_deref().map(str::trim).filter(|n| !n.is_empty());
        match (name, parameter.value.as_deref()) {
            (Some(name), Some(value)) => Some(format!("{name}={}", value.trim())),
            (Some(word), None) => Some(word.to_owned()),
            (None, Some(word)) => Some(word.trim().to_owned()).filter(|w| !w.is_empty()),
            (None, None) => None,
        }
    };
    let words: Vec<String> = said.iter().filter_map(word).collect();
    (!words.is_empty()).then(|| words.join(";"))
}

/// The parameters of one string. A word by itself gets an empty name: Conversations ends the session over a parameter
/// without a value, and takes one without a name.
fn write_parameters(parameters: &str) -> Vec<Parameter> {
    let words = parameters.split(';').map(str::trim).filter(|w| !w.is_empty()).take(rtp::MAX_PARAMETERS);
    let parameter = |word: &str| match word.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => (name.trim().to_owned(), value.trim().to_owned()),
        _ => (String::new(), word.to_owned()),
    };
    words.map(parameter).map(|(name, value)| Parameter { name: Some(name), value: Some(value) }).collect()
}

/// Feedback in the words of SDP: `nack pli`, `trr-int 100`.
fn feedback_text(said: &Feedback) -> String {
    match said {
        Feedback::Kind { kind, subtype: Some(subtype) } => format!("{} {}", kind.trim(), subtype.trim()),
        Feedback::Kind { kind, subtype: None } => kind.trim().to_owned(),
        Feedback::Interval(ms) => format!("trr-int {ms}"),
    }
}

fn feedback(text: &str) -> Option<Feedback> {
    let (kind, subtype) = text.trim().split_once(' ').map_or((text.trim(), None), |(k, s)| (k, Some(s.trim())));
    if kind.is_empty() {
        return None;
    }
    if kind == "trr-int" {
        return subtype?.parse().ok().map(Feedback::Interval);
    }
    Some(Feedback::Kind { kind: kind.to_owned(), subtype: subtype.map(str::to_owned) })
}
