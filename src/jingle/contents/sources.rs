//! Synchronisation sources, and the names of media streams and tracks.

use super::Saying;
use crate::jingle::stanza::rtp;
use crate::jingle::stanza::ssma;
use crate::model::{Extra, RtpSource, SourceGroup, Stream};

/// The parameter that has the names of a media stream and its track; no XEP, and all who use libwebrtc know it.
const MSID: &str = "msid";

/// Reads sources, groups of them and the names of stream and track into a stream.
pub(super) fn read(said: &rtp::Description, stream: &mut Stream) {
    for source in &said.sources {
        let attributes = source.parameters.iter();
        let attributes = attributes.map(|(name, value)| Extra { name: name.clone(), value: value.clone() });
        match stream.sources.iter_mut().find(|s| s.ssrc == source.ssrc) {
            Some(same) => same.attributes.extend(attributes),
            None => stream.sources.push(RtpSource { ssrc: source.ssrc, attributes: attributes.collect() }),
        }
    }
    // XEP-0167 has the number without anything else.
    if stream.sources.is_empty() {
        stream.sources.extend(said.ssrc.map(RtpSource::new));
    }
    let group = |g: &ssma::SourceGroup| SourceGroup { semantics: g.semantics.clone(), ssrcs: g.ssrcs.clone() };
    stream.source_groups = said.source_groups.iter().map(group).collect();
    describe_members(stream);
    let named = said.msid.as_ref().map(|(id, track)| format!("{id} {track}").trim().to_owned());
    stream.msid = named.or_else(|| of_source(stream)).filter(|m| !m.is_empty());
    // What is said of the stream need not be said of its sources again.
    let again = |a: &Extra| a.name == MSID && a.value.is_some() && a.value == stream.msid;
    stream.sources.iter_mut().for_each(|source| source.attributes.retain(|a| !again(a)));
}

/// Gives members of a group that are not described what is said of another member: stanza leaves the retransmissions
/// out, and browsers take no group with a stranger in it.
fn describe_members(stream: &mut Stream) {
    for group in &stream.source_groups {
        let known = |ssrc: &u32| stream.sources.iter().find(|s| s.ssrc == *ssrc);
        let Some(attributes) = group.ssrcs.iter().find_map(known).map(|s| s.attributes.clone()) else { continue };
        for &ssrc in &group.ssrcs {
            if stream.sources.len() < rtp::MAX_SOURCES && stream.sources.iter().all(|s| s.ssrc != ssrc) {
                stream.sources.push(RtpSource { ssrc, attributes: attributes.clone() });
            }
        }
    }
}

/// The names that the first source with any has as its parameter `msid`.
fn of_source(stream: &Stream) -> Option<String> {
    stream.sources.iter().flat_map(|s| &s.attributes).find(|a| a.name == MSID).and_then(|a| a.value.clone())
}

/// Writes them into a description.
pub(super) fn write(stream: &Stream, saying: &Saying<'_>, description: &mut rtp::Description) {
    description.ssrc = stream.sources.first().map(|s| s.ssrc);
    let sources = stream.sources.iter().take(rtp::MAX_SOURCES);
    description.sources = sources.map(|source| self::source(source, stream.msid.as_deref(), saying.cname)).collect();
    let group = |g: &SourceGroup| ssma::SourceGroup { semantics: g.semantics.clone(), ssrcs: g.ssrcs.clone() };
    description.source_groups = stream.source_groups.iter().take(rtp::MAX_SOURCES).map(group).collect();
    let msid = stream.msid.as_deref().map(str::trim).filter(|m| !m.is_empty());
    let split = |msid: &str| msid.split_once(' ').map(|(id, track)| (id.to_owned(), track.trim().to_owned()));
    description.msid = msid.map(|msid| split(msid).unwrap_or_else(|| (msid.to_owned(), String::new())));
}

/// A source with what was said of it and has a value, or with our name if that is nothing; and with the names of its
/// stream and track, by which libwebrtc knows which sound belongs to which picture.
fn source(source: &RtpSource, msid: Option<&str>, cname: &str) -> ssma::Source {
    let said = source.attributes.iter().filter(|a| a.value.is_some());
    let mut parameters: Vec<_> = said.map(|a| (a.name.clone(), a.value.clone())).collect();
    if parameters.is_empty() {
        parameters.push(("cname".to_owned(), Some(cname.to_owned())));
    }
    if !parameters.iter().any(|(name, _)| name == MSID) {
        parameters.extend(msid.map(|msid| (MSID.to_owned(), Some(msid.to_owned()))));
    }
    ssma::Source { ssrc: source.ssrc, parameters }
}
