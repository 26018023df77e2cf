//! The demo trunk's answer to an offer: G.711 and keypad digits, nothing sealed.

use std::net::SocketAddr;
use std::time::Duration;

use super::g711::Law;
use crate::model::{Codec, Description, Direction, Kind, Seal, Stream, Transport};
use crate::sdp::MEDIA_EXTRA;

/// The payload type of keypad digits in an offer of ours.
const KEYS_PAYLOAD_TYPE: u8 = 101;
/// The milliseconds of a packet.
const PTIME: Duration = Duration::from_millis(20);

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// Where the caller listens.
    pub remote: Option<SocketAddr>,
    /// Whether the caller wants to hear anything: not while he holds the call.
    pub heard: bool,
    /// The law of the speech.
    pub law: Law,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type and clock of keypad digits.
    pub keys: Option<(u8, u32)>,
}

impl Media {
    /// Where packets go, if any do.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.remote.filter(|_| self.heard)
    }
}

/// Answers an offer: the first stream of audio that we can speak, everything else refused. `None` if there is
/// none.
pub fn answer(offer: &Description, local: SocketAddr) -> Option<(Description, Media)> {
    let chosen = offer.streams.iter().position(|s| choose(s).is_some())?;
    let mut media = None;
    let streams = offer.streams.iter().enumerate().map(|(at, offered)| {
        if at != chosen {
            return refused(offered);
        }
        let Some((stream, agreed)) = choose(offered).map(|speech| accepted(offered, speech, local)) else {
            return refused(offered);
        };
        media = Some(agreed);
        stream
    });
    let description = Description { streams: streams.collect(), ..Description::default() };
    media.map(|media| (description, media))
}

/// An offer of our own, for a caller who sent none.
pub fn offer(local: SocketAddr) -> Description {
    let codecs = vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event(KEYS_PAYLOAD_TYPE, 8000)];
    Description { streams: vec![stream(codecs, Direction::SendRecv, local)], ..Description::default() }
}

/// What an answer to [`offer`] agrees on.
pub fn agreed(answer: &Description) -> Option<Media> {
    let stream = answer.audio()?;
    let (codec, law) = choose(stream)?;
    Some(media(stream, codec, law))
}

fn choose(stream: &Stream) -> Option<(&Codec, Law)> {
    if !stream.accepted || stream.kind != Kind::Audio || stream.transport.seal != Seal::Plain {
        return None;
    }
    stream.codecs.iter().find_map(|c| Some((c, Law::named(&c.name).filter(|_| c.clock_hz == 8000 && c.channels == 1)?)))
}

fn keys(stream: &Stream) -> Option<&Codec> {
    stream.codecs.iter().find(|c| c.is_telephone_event() && c.clock_hz == 8000)
}

fn media(stream: &Stream, codec: &Codec, law: Law) -> Media {
    Media {
        remote: stream.transport.address,
        heard: stream.direction.receives(),
        law,
        payload_type: codec.payload_type,
        keys: keys(stream).map(|k| (k.payload_type, k.clock_hz)),
    }
}

fn accepted(offered: &Stream, (codec, law): (&Codec, Law), local: SocketAddr) -> (Stream, Media) {
    let codecs = [Some(codec), keys(offered)].into_iter().flatten().cloned().collect();
    let direction = Direction::SendRecv.answering(offered.direction);
    let mut answered = stream(codecs, direction, local);
    answered.mid = offered.mid.clone();
    answered.transport.feedback_profile = offered.transport.feedback_profile;
    (answered, media(offered, codec, law))
}

/// RFC 3264 §6: the slot stays, with the offer's words and port 0.
fn refused(offered: &Stream) -> Stream {
    Stream {
        accepted: false,
        direction: Direction::SendRecv,
        codecs: offered.codecs.iter().take(1).cloned().collect(),
        transport: Transport { ice: None, address: None, rtcp_address: None, ..offered.transport.clone() },
        rtcp_mux: false,
        sources: Vec::new(),
        source_groups: Vec::new(),
        msid: None,
        header_extensions: Vec::new(),
        mixed_extensions: false,
        reduced_rtcp: false,
        ptime: None,
        bandwidth_kbps: None,
        extras: offered.extras.iter().filter(|e| e.name == MEDIA_EXTRA).cloned().collect(),
        ..offered.clone()
    }
}

fn stream(codecs: Vec<Codec>, direction: Direction, local: SocketAddr) -> Stream {
    Stream {
        mid: None,
        kind: Kind::Audio,
        accepted: true,
        direction,
        codecs,
        transport: Transport {
            seal: Seal::Plain,
            ice: None,
            address: Some(local),
            rtcp_address: None,
            feedback_profile: false,
        },
        rtcp_mux: false,
        sources: Vec::new(),
        source_groups: Vec::new(),
        msid: None,
        header_extensions: Vec::new(),
        mixed_extensions: false,
        reduced_rtcp: false,
        ptime: Some(PTIME),
        bandwidth_kbps: None,
        extras: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sdp;

    fn local() -> SocketAddr {
        "127.0.0.1:7000".parse().unwrap()
    }

    fn answered(media: &str) -> Option<(Description, Media)> {
        answer(&sdp::read(&format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{media}")).unwrap(), local())
    }

    #[test]
    fn the_first_law_of_the_offer_is_taken_with_its_keys() {
        let (description, media) = answered(
            "m=audio 4000 RTP/AVP 9 8 0 96 97\r\na=rtpmap:96 telephone-event/48000\r\na=rtpmap:97 telephone-event/8000\r\n",
        )
        .unwrap();
        let expected = Media {
            remote: Some("192.0.2.1:4000".parse().unwrap()),
            heard: true,
            law: Law::A,
            payload_type: 8,
            keys: Some((97, 8000)),
        };
        assert_eq!(media, expected);
        let audio = description.audio().unwrap();
        assert_eq!(audio.codecs.iter().map(|c| c.payload_type).collect::<Vec<_>>(), [8, 97]);
        assert_eq!(audio.transport.address, Some(local()));
    }

    #[test]
    fn every_slot_is_answered_and_only_one_is_taken() {
        let (description, _) = answered(
            "m=image 5000 udptl t38\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=video 6000 RTP/AVP 31\r\n",
        )
        .unwrap();
        let text = sdp::write(&description, &sdp::Origin::new(1, local().ip()));
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(
            lines,
            ["m=image 0 udptl t38", "m=audio 7000 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "m=video 0 RTP/AVP 31"]
        );
    }

    #[test]
    fn a_held_call_is_answered_with_the_other_direction_and_hears_nothing() {
        for (offered, answer, heard) in [
            ("sendrecv", Direction::SendRecv, true),
            ("sendonly", Direction::RecvOnly, false),
            ("recvonly", Direction::SendOnly, true),
            ("inactive", Direction::Inactive, false),
        ] {
            let (description, media) = answered(&format!("m=audio 4000 RTP/AVP 0\r\na={offered}\r\n")).unwrap();
            assert_eq!((description.audio().unwrap().direction, media.heard), (answer, heard), "{offered}");
        }
    }

    #[test]
    fn an_offer_without_plain_g711_is_not_answered() {
        for media in [
            "m=audio 4000 RTP/AVP 9\r\n",
            "m=audio 0 RTP/AVP 0\r\n",
            "m=audio 4000 RTP/SAVP 0\r\n",
            "m=video 1 RTP/AVP 31\r\n",
        ] {
            assert_eq!(answered(media), None, "{media}");
        }
    }

    #[test]
    fn an_answer_to_our_own_offer_is_understood() {
        let (answer, _) = answer(&offer(local()), "192.0.2.1:9000".parse().unwrap()).unwrap();
        let media = agreed(&answer).unwrap();
        assert_eq!((media.law, media.remote), (Law::Mu, Some("192.0.2.1:9000".parse().unwrap())));
    }
}
