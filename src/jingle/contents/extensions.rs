//! RTP header extensions.

use super::{Slot, direction};
use crate::jingle::stanza::Creator;
use crate::jingle::stanza::rtp_hdrext::HeaderExtension as Said;
use crate::model::{HeaderExtension, Stream};

/// The name of its content in each packet (RFC 9143 §15).
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// Leaves out the name of the content in each packet where the other world knows it by another one: a receiver drops
/// packets of a name it does not know (RFC 9143 §9.2), and finds the stream by its source or format without.
pub(super) fn keep_true(stream: &mut Stream, slot: Option<&Slot>) {
    if !slot.is_some_and(Slot::is_same_in_both) {
        stream.header_extensions.retain(|extension| extension.uri != MID);
    }
}

/// Reads the header extensions of a description.
pub(super) fn read(said: &[Said], describer: Creator) -> Vec<HeaderExtension> {
    let extension = |said: &Said| HeaderExtension {
        id: said.id,
        uri: said.uri.trim().to_owned(),
        direction: said.senders.map(|senders| direction::read(senders, describer)),
        parameters: parameters(&said.parameters),
    };
    said.iter().map(extension).collect()
}

fn parameters(said: &[(String, Option<String>)]) -> Option<String> {
    let words = said.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    });
    Some(words.collect::<Vec<_>>().join(" ")).filter(|words| !words.is_empty())
}

/// Writes the header extensions of a stream.
pub(super) fn write(extensions: &[HeaderExtension], describer: Creator) -> Vec<Said> {
    let word = |word: &str| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (word.to_owned(), None),
    };
    let extension = |extension: &HeaderExtension| Said {
        id: extension.id,
        uri: extension.uri.clone(),
        senders: extension.direction.map(|d| direction::write(d, describer)),
        parameters: extension.parameters.iter().flat_map(|p| p.split_ascii_whitespace()).map(word).collect(),
    };
    extensions.iter().map(extension).collect()
}
