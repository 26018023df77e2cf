//! One stream as one content.

use super::{Hearing, Saying, Slot, codecs, direction, extensions, sources, transport};
use crate::jingle::stanza::jingle::{self, Content};
use crate::jingle::stanza::rtp;
use crate::model::{Direction, Extra, Kind, Stream, Transport};

/// Reads a content. One that is not of RTP becomes a stream of another kind, for the call to refuse.
pub(super) fn read(content: &Content, hearing: &Hearing, offer: bool, bundled: bool) -> Stream {
    let none = rtp::Description::default();
    let said = content.rtp().unwrap_or(&none);
    let kind = match said.media.trim() {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        "" => Kind::Other("application".into()),
        other => Kind::Other(other.to_owned()),
    };
    // Conversations leaves the element out where a group says it already (RFC 9143 §9.3).
    let rtcp_mux = said.rtcp_mux || bundled;
    let transport = transport::read(content.ice(), hearing, offer, said.encryption, rtcp_mux);
    let mut stream = Stream {
        direction: direction::of(content.senders, hearing.describer),
        codecs: codecs::read(said, &kind),
        rtcp_mux,
        header_extensions: extensions::read(&said.header_extensions, hearing.describer),
        mixed_extensions: said.mixed_extensions,
        reduced_rtcp: said.reduced_rtcp,
        ptime: codecs::ptime(said),
        bandwidth_kbps: bandwidth(said),
        ..Stream::new(kind, transport)
    };
    sources::read(said, &mut stream);
    if let Some(maxptime) = said.payload_types.iter().find_map(|p| p.maxptime.clone()) {
        stream.extras.push(Extra { name: codecs::MAXPTIME.into(), value: Some(maxptime) });
    }
    stream
}

/// Writes a content.
pub(super) fn write(stream: &Stream, slot: &Slot, saying: &Saying<'_>) -> Content {
    let mut description = rtp::Description {
        media: match &stream.kind {
            Kind::Audio => "audio".into(),
            Kind::Video => "video".into(),
            Kind::Other(other) => other.clone(),
        },
        payload_types: codecs::write(stream),
        rtcp_mux: stream.rtcp_mux,
        reduced_rtcp: stream.reduced_rtcp,
        bandwidth: stream.bandwidth_kbps.map(|kbps| ("AS".into(), kbps.to_string())),
        header_extensions: extensions::write(&stream.header_extensions, saying.describer),
        mixed_extensions: stream.mixed_extensions,
        ..rtp::Description::default()
    };
    sources::write(stream, saying, &mut description);
    Content {
        senders: Some(direction::write(stream.direction, saying.describer)),
        description: Some(jingle::Description::Rtp(Box::new(description))),
        transport: Some(jingle::Transport::IceUdp(Box::new(transport::write(&stream.transport, slot)))),
        ..slot.content()
    }
}

/// The slot of a stream that was offered, and that the answer has no content for.
pub(super) fn refused(offered: &Stream) -> Stream {
    let transport = Transport { ice: None, address: None, rtcp_address: None, ..offered.transport.clone() };
    Stream {
        mid: offered.mid.clone(),
        accepted: false,
        direction: Direction::Inactive,
        codecs: offered.codecs.iter().take(1).cloned().collect(),
        // What is none of RTP needs its own words to be written at all.
        extras: if offered.codecs.is_empty() { offered.extras.clone() } else { Vec::new() },
        ..Stream::new(offered.kind.clone(), transport)
    }
}

/// What the describer can take, in kilobits a second: `AS` says these, `TIAS` bits (RFC 3890).
fn bandwidth(said: &rtp::Description) -> Option<u32> {
    let (kind, value) = said.bandwidth.as_ref()?;
    let value: u32 = value.parse().ok()?;
    match kind.as_str() {
        "AS" => Some(value),
        "TIAS" => Some(value.div_ceil(1000)),
        _ => None,
    }
}
