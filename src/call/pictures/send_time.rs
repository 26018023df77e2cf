//! Agreeing on saying when each packet of pictures left (abs-send-time,
//! <https://webrtc.googlesource.com/src/+/refs/heads/main/docs/native-code/rtp-hdrext/abs-send-time>): one who sees, and
//! estimates how much fits (REMB), tells by that what is in its way from the pace at which the relay sends. Without it
//! libwebrtc goes by the times at which the pictures were made, and takes each burst of their sender for a full network.

use super::extensions::Extension;
use crate::model::{Codec, Direction, Stream};

/// The header extension.
pub const EXTENSION: Extension = Extension {
    uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    usual: 2,
    direction: Direction::SendOnly,
};

/// The number at which the peer takes it: from one that tells its estimates.
pub fn heard(stream: &Stream) -> Option<u8> {
    EXTENSION.number_in(stream).filter(|_| stream.codecs.iter().any(estimates))
}

/// Agrees in our section of an answer to what the peer's section offered.
pub fn answer(section: &mut Stream, offered: &Stream) {
    if let Some(number) = heard(offered) {
        EXTENSION.add_to(section, number);
    }
}

fn estimates(codec: &Codec) -> bool {
    codec.feedback.iter().any(|f| f.trim() == "goog-remb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeaderExtension, Kind, Seal, Transport};

    fn stream(direction: Option<Direction>, feedback: &[&str]) -> Stream {
        let transport =
            Transport { seal: Seal::Plain, ice: None, address: None, rtcp_address: None, feedback_profile: true };
        let feedback = feedback.iter().map(|f| (*f).to_owned()).collect();
        Stream {
            codecs: vec![Codec { feedback, ..Codec::new(96, "VP8", 90_000, 1) }],
            header_extensions: vec![HeaderExtension { id: 5, uri: EXTENSION.uri.into(), direction, parameters: None }],
            ..Stream::new(Kind::Video, transport)
        }
    }

    #[test]
    fn whoever_takes_it_and_tells_estimates_gets_it_and_nobody_else() {
        for direction in [None, Some(Direction::SendRecv), Some(Direction::RecvOnly)] {
            let offered = stream(direction, &["nack", "goog-remb"]);
            assert_eq!(heard(&offered), Some(5));
            let mut section = Stream { header_extensions: Vec::new(), ..offered.clone() };
            answer(&mut section, &offered);
            let [extension] = &section.header_extensions[..] else { panic!("{section:?}") };
            assert_eq!((extension.id, extension.direction), (5, Some(Direction::SendOnly)));
        }
        assert_eq!(heard(&stream(Some(Direction::SendOnly), &["goog-remb"])), None, "it only says it itself");
        assert_eq!(heard(&stream(None, &["transport-cc"])), None, "it tells no estimates");
        assert_eq!(heard(&Stream { accepted: false, ..stream(None, &["goog-remb"]) }), None);
        let mut section = stream(None, &[]);
        section.header_extensions.clear();
        answer(&mut section, &stream(None, &[]));
        assert!(section.header_extensions.is_empty());
    }
}
