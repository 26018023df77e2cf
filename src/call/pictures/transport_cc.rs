//! Agreeing on feedback about a whole transport: the peer counts its packets in a header extension, and is told when each
//! came (draft-holmer-rmcat-transport-wide-cc-extensions-01). The relay tells, and counts none of its own: what goes out
//! of it comes from elsewhere at a pace that is not for it to choose, so the extension goes one way. What the peer sees it
//! estimates by itself, by when each packet left ([`send_time`](super::send_time)).
//!
//! Pictures are counted, and the sound beside them is not. The estimates of one who sees are of pictures alone; libwebrtc
//! takes them for all that it counts, and would give sound that it counts its part of them first.
//!
//! Chromium reads no direction of an extension (`ParseExtmap` of its `webrtc_sdp.cc`) and counts its packets; it does
//! not miss those numbers in ours, and estimates what comes without them as if there were no such extension.

use super::extensions::Extension;
use crate::model::{Codec, Direction, Stream};

/// The header extension in which packets are counted.
pub const EXTENSION: Extension = Extension {
    uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    usual: 3,
    direction: Direction::RecvOnly,
};

/// The feedback, as formats list it.
const FEEDBACK: &str = "transport-cc";

/// The number at which the peer counts what it sends, or offers to.
pub fn heard(stream: &Stream) -> Option<u8> {
    EXTENSION.number_in(stream).filter(|_| stream.codecs.iter().any(has_feedback))
}

/// Says in our section of an offer that the peer may count, at this number, and will be told.
pub fn offer(section: &mut Stream, number: u8) {
    section.codecs.iter_mut().filter(|codec| codec.is_speech()).for_each(add_feedback);
    EXTENSION.add_to(section, number);
}

/// Agrees in our section of an answer to what the peer's section offered.
pub fn answer(section: &mut Stream, offered: &Stream) {
    let Some(number) = heard(offered) else { return };
    let is_asked =
        |codec: &Codec| offered.codecs.iter().any(|o| o.payload_type == codec.payload_type && has_feedback(o));
    if section.codecs.iter().any(is_asked) {
        section.codecs.iter_mut().filter(|codec| is_asked(codec)).for_each(add_feedback);
        EXTENSION.add_to(section, number);
    }
}

fn has_feedback(codec: &Codec) -> bool {
    codec.feedback.iter().any(|f| f.trim() == FEEDBACK)
}

fn add_feedback(codec: &mut Codec) {
    codec.feedback.push(FEEDBACK.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeaderExtension, Kind, Seal, Transport};

    const URI: &str = EXTENSION.uri;

    fn stream(extensions: &[(u16, &str, Option<Direction>)], feedback: &[&str]) -> Stream {
        let transport =
            Transport { seal: Seal::Plain, ice: None, address: None, rtcp_address: None, feedback_profile: true };
        let extension = |(id, uri, direction): &(u16, &str, Option<Direction>)| HeaderExtension {
            id: *id,
            uri: (*uri).into(),
            direction: *direction,
            parameters: None,
        };
        let feedback = feedback.iter().map(|f| (*f).to_owned()).collect();
        Stream {
            codecs: vec![Codec { feedback, ..Codec::new(96, "VP8", 90_000, 1) }, Codec::new(97, "VP9", 90_000, 1)],
            header_extensions: extensions.iter().map(extension).collect(),
            ..Stream::new(Kind::Video, transport)
        }
    }

    #[test]
    fn whoever_counts_its_packets_and_wants_to_be_told_is_heard_and_nobody_else() {
        let counts = |direction| stream(&[(1, "urn:x", None), (9, URI, direction)], &["nack", FEEDBACK]);
        for direction in [None, Some(Direction::SendRecv), Some(Direction::SendOnly)] {
            assert_eq!(heard(&counts(direction)), Some(9));
        }
        assert_eq!(heard(&counts(Some(Direction::RecvOnly))), None);
        assert_eq!(heard(&counts(Some(Direction::Inactive))), None);
        assert_eq!(heard(&stream(&[(9, URI, None)], &["nack"])), None, "it does not want to be told");
        assert_eq!(heard(&stream(&[(9, "urn:x", None)], &[FEEDBACK])), None, "it has nothing to be told of");
        for number in [0, 15, 256] {
            assert_eq!(heard(&stream(&[(number, URI, None)], &[FEEDBACK])), None, "{number}");
        }
        assert_eq!(heard(&Stream { accepted: false, ..counts(None) }), None);
    }

    #[test]
    fn the_answer_agrees_for_those_formats_that_asked_and_only_receives() {
        let offered = stream(&[(9, URI, None)], &[FEEDBACK]);
        let mut section = stream(&[], &["nack"]);
        answer(&mut section, &offered);
        let [extension] = &section.header_extensions[..] else { panic!("{section:?}") };
        assert_eq!((extension.id, extension.direction), (9, Some(Direction::RecvOnly)));
        let feedback = section.codecs.iter().map(|c| c.feedback.join(",")).collect::<Vec<_>>();
        assert_eq!(feedback, ["nack,transport-cc", ""]);
        let mut other = stream(&[], &[]);
        other.codecs.remove(0);
        answer(&mut other, &offered);
        assert!(other.header_extensions.is_empty(), "none of its formats asked");
    }

    #[test]
    fn an_offer_asks_for_it_for_each_format_but_keys() {
        let mut section = stream(&[], &[]);
        section.codecs.push(Codec::telephone_event(101, 8000));
        offer(&mut section, 9);
        let feedback = section.codecs.iter().map(|c| c.feedback.join(",")).collect::<Vec<_>>();
        assert_eq!(feedback, [FEEDBACK, FEEDBACK, ""]);
    }
}
