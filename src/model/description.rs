//! What a party can send and hear, and where: the neutral form of SDP and of Jingle's contents.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Sdes;

/// A whole description: every stream in its slot, in order (RFC 3264 §8: slots never vanish).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Description {
    /// The streams, in the order of their `m=` lines or contents.
    pub streams: Vec<Stream>,
    /// Groups of streams: BUNDLE, LS.
    pub groups: Vec<Group>,
    /// Session-level attributes nobody here has a word for.
    pub extras: Vec<Extra>,
}

impl Description {
    /// The first audio stream that is not refused.
    pub fn audio(&self) -> Option<&Stream> {
        self.streams.iter().find(|s| s.kind == Kind::Audio && s.accepted)
    }
}

/// The name of a stream (RFC 5888 `mid`, Jingle's content name).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mid(pub String);

/// Streams that belong together (RFC 5888).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Group {
    /// `BUNDLE`, `LS` …
    pub semantics: String,
    /// The streams in it.
    pub mids: Vec<Mid>,
}

/// An attribute nobody here has a word for, kept for legs of the same protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extra {
    /// The name.
    pub name: String,
    /// The value, if it has one.
    pub value: Option<String>,
}

/// The name of the extra of a stream that keeps its profile in its wire's words, and its formats if they are no payload
/// types (`RTP/SAVP` beside a fingerprint, `udptl t38`), where they do not follow from the rest. An answer repeats it
/// (RFC 3264 §6). `=` keeps it apart from every attribute's name.
pub const PROFILE_EXTRA: &str = "m=";

/// One stream of media.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stream {
    /// Its name, if it has one.
    pub mid: Option<Mid>,
    /// Audio, video or something else.
    pub kind: Kind,
    /// `false`: refused or removed; the slot stays (RFC 3264 §6, port 0). A `bundle-only` stream of an offer
    /// is not refused (RFC 9143 §6).
    pub accepted: bool,
    /// Who speaks, seen from the describer.
    pub direction: Direction,
    /// The formats, most wanted first, with the payload types at which the describer wants to **receive**.
    pub codecs: Vec<Codec>,
    /// Where and how the packets travel.
    pub transport: Transport,
    /// RTP and RTCP on one port (RFC 5761).
    pub rtcp_mux: bool,
    /// The synchronisation sources that the describer announced (RFC 5576), first first.
    pub sources: Vec<RtpSource>,
    /// Sources that belong together: a stream and its retransmissions (RFC 5576 §4.2).
    pub source_groups: Vec<SourceGroup>,
    /// The names of the media stream and track that the describer's page knows it by (RFC 8830): `STREAM TRACK`.
    pub msid: Option<String>,
    /// RTP header extensions, with the numbers at which they travel (RFC 8285).
    pub header_extensions: Vec<HeaderExtension>,
    /// Header extensions of one and of two bytes may be mixed in a stream (RFC 8285 §6).
    pub mixed_extensions: bool,
    /// RTCP packets may be of reduced size (RFC 5506).
    pub reduced_rtcp: bool,
    /// Milliseconds of audio in a packet, as asked for (RFC 8866 §6.4).
    pub ptime: Option<Duration>,
    /// What the describer can take (RFC 8866 §5.8 `b=AS`, in kilobits a second).
    pub bandwidth_kbps: Option<u32>,
    /// Attributes nobody here has a word for.
    pub extras: Vec<Extra>,
}

impl Stream {
    /// A stream of which nothing is said but what it is and how it travels: accepted, both ways, without formats.
    pub fn new(kind: Kind, transport: Transport) -> Stream {
        Stream {
            mid: None,
            kind,
            accepted: true,
            direction: Direction::SendRecv,
            codecs: Vec::new(),
            transport,
            rtcp_mux: false,
            sources: Vec::new(),
            source_groups: Vec::new(),
            msid: None,
            header_extensions: Vec::new(),
            mixed_extensions: false,
            reduced_rtcp: false,
            ptime: None,
            bandwidth_kbps: None,
            extras: Vec::new(),
        }
    }

    /// What an answer to this stream repeats of its extras: see [`PROFILE_EXTRA`].
    pub fn profile_extra(&self) -> Vec<Extra> {
        self.extras.iter().filter(|e| e.name == PROFILE_EXTRA).cloned().collect()
    }
}

/// A synchronisation source and what is said of it (RFC 5576, Jingle's `<source/>`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RtpSource {
    /// Its number.
    pub ssrc: u32,
    /// What the describer said of it (`cname`, `msid`), untouched. Empty on legs that the relay feeds: whoever
    /// writes the description then gives its own `cname`.
    pub attributes: Vec<Extra>,
}

impl RtpSource {
    /// A source of which nothing is said.
    pub fn new(ssrc: u32) -> RtpSource {
        RtpSource { ssrc, attributes: Vec::new() }
    }
}

/// Sources that belong together (RFC 5576 §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceGroup {
    /// `FID`, `SIM`, `FEC-FR` …
    pub semantics: String,
    /// The sources.
    pub ssrcs: Vec<u32>,
}

/// An RTP header extension (RFC 8285, Jingle's `<rtp-hdrext/>`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeaderExtension {
    /// The number at which it travels (1 to 255; larger ones, of offers alone, are kept too).
    pub id: u16,
    /// What it is.
    pub uri: String,
    /// Who sends it, seen from the describer; `None` if the wire said nothing, which means: as the stream.
    pub direction: Option<Direction>,
    /// Its parameters, untouched.
    pub parameters: Option<String>,
}

/// The kind of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Anything else (`image`, `application`, `text` …), by its name.
    Other(String),
}

/// Who speaks (RFC 8866 §6.7), seen from the describer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both.
    SendRecv,
    /// The describer only.
    SendOnly,
    /// The other only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// From the two halves: the describer sends, the describer receives.
    pub fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the describer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the describer receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same, seen from the other side.
    pub fn reversed(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// The most that an answer with this wish may say to an offer (RFC 3264 §6.1).
    pub fn answering(self, offered: Direction) -> Direction {
        Direction::of(self.sends() && offered.receives(), self.receives() && offered.sends())
    }
}

/// The speech formats that the relay decodes and encodes: name, RTP clock in hertz, channels, best first.
pub const TRANSCODABLE: [(&str, u32, u8); 4] =
    [("opus", 48_000, 2), ("G722", 8_000, 1), ("PCMU", 8_000, 1), ("PCMA", 8_000, 1)];

/// One format of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Codec {
    /// The RTP payload type at which the describer wants to receive it (0 to 127).
    pub payload_type: u8,
    /// The encoding name as registered: `opus`, `PCMU`, `telephone-event`. Compared without case.
    pub name: String,
    /// The RTP clock, in hertz. G.722 says 8000 (RFC 3551 §4.5.2).
    pub clock_hz: u32,
    /// Channels; 1 where the wire says nothing.
    pub channels: u8,
    /// Format parameters as one string, untouched (`minptime=10;useinbandfec=1`, `0-16`).
    pub parameters: Option<String>,
    /// RTCP feedback that may be used (RFC 4585), untouched: `nack pli`.
    pub feedback: Vec<String>,
}

impl Codec {
    /// A format without parameters.
    pub fn new(payload_type: u8, name: &str, clock_hz: u32, channels: u8) -> Codec {
        Codec { payload_type, name: name.to_owned(), clock_hz, channels, parameters: None, feedback: Vec::new() }
    }

    /// G.711 µ-law (RFC 3551 §4.5.14).
    pub fn pcmu() -> Codec {
        Codec::new(0, "PCMU", 8000, 1)
    }

    /// G.711 A-law (RFC 3551 §4.5.14).
    pub fn pcma() -> Codec {
        Codec::new(8, "PCMA", 8000, 1)
    }

    /// Comfort noise in the clock of G.711 (RFC 3389).
    pub fn comfort_noise() -> Codec {
        Codec::new(13, "CN", 8000, 1)
    }

    /// Keypad digits in RTP (RFC 4733), all sixteen.
    pub fn telephone_event(payload_type: u8, clock_hz: u32) -> Codec {
        Codec { parameters: Some("0-16".into()), ..Codec::new(payload_type, "telephone-event", clock_hz, 1) }
    }

    /// Whether two sides mean the same format, whatever payload types they gave it.
    pub fn is_same_format(&self, other: &Codec) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_hz == other.clock_hz
            && self.channels == other.channels
    }

    /// Whether this is [RFC 4733](https://www.rfc-editor.org/rfc/rfc4733) keypad digits.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether this is [RFC 3389](https://www.rfc-editor.org/rfc/rfc3389) comfort noise.
    pub fn is_comfort_noise(&self) -> bool {
        self.name.eq_ignore_ascii_case("CN")
    }

    /// Whether the relay can decode it to samples and encode it from them, so that a side that speaks only this
    /// can be understood by a side that speaks only another such format.
    pub fn is_transcodable(&self) -> bool {
        TRANSCODABLE.iter().any(|(name, clock_hz, channels)| {
            self.name.eq_ignore_ascii_case(name) && (self.clock_hz, self.channels) == (*clock_hz, *channels)
        })
    }

    /// Whether packets of this format are speech by themselves: not digits, not comfort noise, not redundancy.
    pub fn is_speech(&self) -> bool {
        !["telephone-event", "CN", "red", "ulpfec", "rtx"].iter().any(|n| self.name.eq_ignore_ascii_case(n))
    }
}

/// Where and how the packets of a stream travel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transport {
    /// How they are protected.
    pub seal: Seal,
    /// ICE, if the describer does it.
    pub ice: Option<Ice>,
    /// Where the describer listens by the description's own words; `None` for `0.0.0.0`, port 9 and names.
    pub address: Option<SocketAddr>,
    /// Where it listens for RTCP, if it said so apart (RFC 3605).
    pub rtcp_address: Option<SocketAddr>,
    /// Whether feedback messages may come early (the `F` of `AVPF` and `SAVPF`, RFC 4585).
    pub feedback_profile: bool,
}

/// How packets are protected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seal {
    /// Not at all.
    Plain,
    /// SRTP with keys in the description (RFC 4568).
    Sdes(Sdes),
    /// SRTP with keys by DTLS (RFC 5764).
    Dtls {
        /// Hashes of the certificates that the describer may show (RFC 8122).
        fingerprints: Vec<Fingerprint>,
        /// Who opens the handshake (RFC 4145).
        setup: Setup,
        /// What the describer calls the association (RFC 8842 §4): another name is another association, also under the
        /// same certificate. `None` where its wire has no word for it.
        #[serde(default)]
        tls_id: Option<String>,
        /// The describer takes plain RTP too: the profile is `RTP/AVP` (RFC 8643 §3.2).
        #[serde(default)]
        optional: bool,
    },
}

impl Seal {
    /// DTLS-SRTP with these fingerprints and this role, and nothing else.
    pub fn dtls(fingerprints: Vec<Fingerprint>, setup: Setup) -> Seal {
        Seal::Dtls { fingerprints, setup, tls_id: None, optional: false }
    }

    /// Whether the describer takes plain RTP too (RFC 8643).
    pub fn is_optional(&self) -> bool {
        match self {
            Seal::Plain => false,
            Seal::Sdes(sdes) => sdes.optional,
            Seal::Dtls { optional, .. } => *optional,
        }
    }
}

/// A certificate's hash (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The hash function in lower case: `sha-256`.
    pub algorithm: String,
    /// The hash.
    pub bytes: Vec<u8>,
}

/// Who opens the DTLS handshake (RFC 4145 §4, RFC 5763 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setup {
    /// The describer.
    Active,
    /// The other side.
    Passive,
    /// Either; only in offers.
    ActPass,
    /// Nobody for now.
    HoldConn,
}

/// One side's ICE parameters (RFC 8839).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ice {
    /// The user name fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
    /// The describer is an ICE-lite agent.
    pub lite: bool,
    /// The candidates known so far.
    pub candidates: Vec<Candidate>,
    /// More candidates may follow (RFC 8838).
    pub more: bool,
}

/// A place where a side may be reached (RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// Equal for candidates of the same base and kind.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// UDP or TCP.
    pub protocol: CandidateProtocol,
    /// Higher is better.
    pub priority: u32,
    /// The address, or an mDNS name that hides it.
    pub host: CandidateHost,
    /// The port.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// The base or mapped address behind it.
    pub related: Option<(IpAddr, u16)>,
    /// What follows on the line (`generation 0 …`), untouched.
    pub rest: String,
}

/// The transport of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateProtocol {
    /// UDP.
    Udp,
    /// TCP (RFC 6544), with its `tcptype`.
    Tcp(String),
    /// Another, by its name.
    Other(String),
}

/// The host part of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateHost {
    /// An address.
    Ip(IpAddr),
    /// A name, in practice `….local` (mDNS), which only the peer's own network can resolve.
    Name(String),
}

/// How a candidate was found (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// An interface of the describer.
    Host,
    /// Seen by a STUN server.
    Srflx,
    /// Seen by the peer.
    Prflx,
    /// On a TURN server.
    Relay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_never_says_more_than_the_offer_allows() {
        use Direction::*;
        for (wish, offered, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, RecvOnly),
            (SendRecv, RecvOnly, SendOnly),
            (SendRecv, Inactive, Inactive),
            (SendOnly, SendOnly, Inactive),
            (RecvOnly, SendRecv, RecvOnly),
        ] {
            assert_eq!(wish.answering(offered), answer, "{wish:?} to {offered:?}");
        }
    }
}
