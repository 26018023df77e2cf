//! What the calls want of the media plane, as data, and what the plane tells them.
//!
//! The interface is level, not edge: a call says the whole [`Graph`] it wants, each time with a higher
//! revision; the relay compares and changes what differs. Every type is plain and serialisable, so that a
//! relay may be a thread or another machine.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Candidate, Codec, Ice, Play, Tap, TapId, TapWord, Transport};
use crate::base::{CallId, LegId};

/// The media of one call as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The call.
    pub call: CallId,
    /// Rises with each change; an older one is ignored.
    pub revision: u32,
    /// The legs that carry media. One that was there before and is not any more is taken down.
    pub legs: Vec<GraphLeg>,
    /// The ears that listen along: recordings and forks.
    #[serde(default)]
    pub taps: Vec<Tap>,
}

/// One leg of a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphLeg {
    /// The leg.
    pub leg: LegId,
    /// What sort of leg it is; does not change while the leg lives.
    pub spec: LegSpec,
    /// What the peer said of itself, once it has. The call, its graphs and the relay share it, as they do the formats.
    pub remote: Option<Arc<RemoteEnd>>,
    /// The formats we told the peer that we receive, with the payload types at which it sends them.
    pub codecs: Arc<Vec<Codec>>,
    /// Whether we may send to the peer.
    pub sends: bool,
    /// Whether what the peer sends is wanted; if not it is counted and dropped.
    pub receives: bool,
    /// What goes out of this leg.
    pub hears: Source,
    /// The call is answered on this leg: from here on silence is worth a word (see [`RelayEvent::Silent`]).
    pub answered: bool,
    /// While nothing is heard, comfort noise goes out, so that a peer that takes a silent line for a dead one stays.
    #[serde(default)]
    pub keeps_sending: bool,
    /// How digits of a keypad travel in its media, where not as events.
    #[serde(default)]
    pub keys: GraphKeys,
    /// The pictures that go with the sound; `None`: there are none on this leg.
    #[serde(default)]
    pub video: Option<Box<GraphVideo>>,
    /// The number of the header extension in which the peer counts the packets of the transport of the sound, if it
    /// wants to be told when each came (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    #[serde(default)]
    pub transport_cc: Option<u8>,
}

/// Digits of a keypad in the speech of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GraphKeys {
    /// Tones in the peer's speech are taken for digits, told, and kept from who hears it and is told otherwise.
    pub hears_tones: bool,
    /// The peer is told of digits by tones.
    pub says_tones: bool,
}

/// The pictures of one leg of a graph. They are never translated: what one side sends the other must take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphVideo {
    /// They travel with the sound on one transport (BUNDLE, RFC 9143); otherwise they have ports, and a seal, of their
    /// own. What is laid apart may be bundled later, as a peer's answer wishes; nothing else changes while they are there.
    pub bundled: bool,
    /// What the peer said of its end, once it has. Where they are bundled, its transport counts for nothing.
    pub remote: Option<RemoteEnd>,
    /// The formats we told the peer that we receive, with the payload types at which it sends them.
    pub codecs: Vec<Codec>,
    /// Whether we may send to the peer.
    pub sends: bool,
    /// Whether what the peer sends is wanted.
    pub receives: bool,
    /// The leg whose pictures go out of this one.
    pub sees: Option<LegId>,
    /// What the peer can take of pictures, in kilobits a second (`b=AS`, `b=TIAS`), and so what the sender is told.
    pub limit_kbps: Option<u32>,
    /// The peer has said that it shows some: that none come is worth a word (see [`RelayEvent::Unseen`]).
    #[serde(default)]
    pub expected: bool,
    /// The same as [`GraphLeg::transport_cc`], where the pictures have a transport of their own.
    #[serde(default)]
    pub transport_cc: Option<u8>,
    /// The number of the header extension in which the peer is told when each packet left (abs-send-time), if it wants that.
    #[serde(default)]
    pub send_time: Option<u8>,
}

/// What sort of leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LegSpec {
    /// How packets find the peer.
    pub ice: IceMode,
    /// How they are protected.
    pub seal: SealKind,
    /// Whether the leg uses IPv6.
    pub ipv6: bool,
}

impl LegSpec {
    /// A browser: ICE and DTLS-SRTP.
    pub const BROWSER: LegSpec = LegSpec { ice: IceMode::Lite, seal: SealKind::Dtls, ipv6: false };
    /// An IM client: DTLS-SRTP, and full ICE, as XEP-0176 demands.
    pub const CLIENT: LegSpec = LegSpec { ice: IceMode::Full, seal: SealKind::Dtls, ipv6: false };
    /// A telephone: plain RTP.
    pub const PHONE: LegSpec = LegSpec { ice: IceMode::None, seal: SealKind::Plain, ipv6: false };
}

/// How packets find the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IceMode {
    /// By the described address, then by symmetric latching (RFC 7362, RFC 4961).
    None,
    /// We answer checks and make none (RFC 8445 §2.5): for peers, when our own address is reachable.
    Lite,
    /// The same on two ports, for peers whose RTP and RTCP are components of their own (RFC 8445 §2, RFC 5761 §5.1.3).
    LitePair,
    /// We check too: behind a NAT, and where the protocol demands it.
    Full,
}

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealKind {
    /// Not at all.
    Plain,
    /// DTLS-SRTP (RFC 5764).
    Dtls,
    /// SRTP with keys in the descriptions (RFC 4568), and never without.
    Sdes,
    /// The same if the peer does it, else not at all (RFC 8643).
    Opportunistic,
}

/// What the peer said of itself, for the relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteEnd {
    /// Where and how it wants its packets. A changed `ice.ufrag` is an ICE restart; a changed fingerprint is
    /// a new DTLS association.
    pub transport: Transport,
    /// The formats it receives, with its payload types, most wanted first.
    pub codecs: Vec<Codec>,
    /// RTP and RTCP on one port.
    pub rtcp_mux: bool,
    /// How much speech it wants in a packet (RFC 8866 §6.4), where it said so: no more than it takes.
    #[serde(default)]
    pub ptime: Option<Duration>,
    /// Whether the description that this comes from was an offer: the offerer may be `actpass`, and then we
    /// are the ones to choose a DTLS role.
    pub is_offer: bool,
}

/// What goes out of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Nothing: the other side is on hold, or not there yet.
    Nothing,
    /// What comes in on that leg of the same call.
    Leg(LegId),
    /// What comes in on this leg.
    Echo,
    /// A sound. The same one in the next graph goes on; another begins.
    Play(Play),
}

/// An order to the relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayCommand {
    /// Make it so. For each leg that is new, or whose `remote` changed, or whose pictures are new or described anew, a
    /// [`RelayEvent::Ready`] follows.
    Apply(Graph),
    /// The call is over. A [`RelayEvent::Removed`] with the final figures follows.
    Remove(CallId),
    /// More candidates of the peer.
    Candidates {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// They are those of its pictures, where these have a transport of their own.
        #[serde(default)]
        pictures: bool,
        /// The candidates.
        candidates: Vec<Candidate>,
    },
    /// Send a digit out of the leg: as a tone where [`GraphKeys::says_tones`] says so, else as an RFC 4733 event if its
    /// peer takes them.
    Dtmf {
        /// The call.
        call: CallId,
        /// The leg it goes out of.
        leg: LegId,
        /// One of `0-9*#A-D`.
        digit: char,
        /// How long it is held.
        duration: Duration,
    },
    /// Ask the peer of a leg for a whole picture, as one whose pictures cannot be shown from here on does (PLI, RFC
    /// 4585 §6.3.1; FIR, RFC 5104 §4.3.1).
    Refresh {
        /// The call.
        call: CallId,
        /// The leg that is asked.
        leg: LegId,
    },
    /// Tell the end of a tap something.
    Tell {
        /// The call.
        call: CallId,
        /// The tap.
        tap: TapId,
        /// What.
        word: TapWord,
    },
    /// Tell the figures of a call: a [`RelayEvent::Stats`] follows.
    Stats(CallId),
}

impl RelayCommand {
    /// The call it is about.
    pub fn call(&self) -> CallId {
        match self {
            RelayCommand::Apply(graph) => graph.call,
            RelayCommand::Remove(call)
            | RelayCommand::Candidates { call, .. }
            | RelayCommand::Dtmf { call, .. }
            | RelayCommand::Refresh { call, .. }
            | RelayCommand::Tell { call, .. }
            | RelayCommand::Stats(call) => *call,
        }
    }
}

/// What the relay tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayEvent {
    /// Our own end of a leg can be described to the peer. It follows an [`RelayCommand::Apply`] for every leg
    /// of the graph that is new, and for every leg whose `remote` is there and differs from that of the graph
    /// before, before any other news of that leg. What may differ in it from the one told before:
    ///
    /// - the `setup` of the DTLS role: `ActPass` until the peer has described itself; then `Active` if it said
    ///   `actpass` or `passive`, `Passive` if it said `active` (active is the faster of the two: our
    ///   ClientHello goes out with the first valid check). It stays for the life of the association, whatever
    ///   a later offer allows, and is chosen anew only when the peer's fingerprints change;
    /// - the ICE user name fragment and password, after the peer restarted ICE by a changed fragment;
    /// - never the address, the candidates, the SSRC and the CNAME.
    Ready {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// The revision of the graph that asked for it.
        revision: u32,
        /// Our end.
        local: Box<LocalEnd>,
    },
    /// Packets can flow: a path is found and, if the leg has a seal, the keys are agreed on.
    Connected {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The first packet of media came in on the leg.
    Heard {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The peer presses a key: the first packet of an event came in, or a tone was detected. A
    /// [`RelayEvent::Dtmf`] follows when it is released.
    Pressed {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// The digit.
        digit: char,
    },
    /// The peer pressed a key (RFC 4733, or a tone in its speech); told once, when it is released.
    Dtmf {
        /// The call.
        call: CallId,
        /// The leg it came in on.
        leg: LegId,
        /// The digit.
        digit: char,
        /// How long it was held.
        duration: Duration,
    },
    /// The sound that was to be played once on the leg is over.
    Played {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The peer of the leg wants a whole picture, and the leg that it sees has no RTCP by which its peer could be
    /// asked for one.
    RefreshWanted {
        /// The call.
        call: CallId,
        /// The leg whose peer wants it.
        leg: LegId,
    },
    /// A tap came to its end: its graph let it go, its file cannot be written, its WebSocket is closed.
    TapEnded {
        /// The call.
        call: CallId,
        /// The tap.
        tap: TapId,
        /// One sentence, if it ended before it should.
        why: Option<String>,
    },
    /// Nothing came in on an answered leg for two and a half seconds, though something should. Told once for each
    /// silence.
    Silent {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// One sentence: what was seen and what was not.
        why: String,
    },
    /// A silence that was told is over: media come in.
    Audible {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// No pictures came in for five seconds on a leg that should show some. Told once for each such time.
    Unseen {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// One sentence: what was seen and what was not.
        why: String,
    },
    /// Pictures come in again that were told to be missing.
    SeenAgain {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The leg cannot go on: no common profile, wrong fingerprint, consent lost.
    Failed {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// One sentence.
        why: String,
    },
    /// The leg cannot be laid because the relay has no port left for it; others may have.
    Full {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// One sentence.
        why: String,
    },
    /// Figures of the legs of a call.
    Stats {
        /// The call.
        call: CallId,
        /// One entry a leg.
        legs: Vec<LegStats>,
    },
    /// The call is gone from the relay; its final figures.
    Removed {
        /// The call.
        call: CallId,
        /// One entry a leg that ever was.
        legs: Vec<LegStats>,
    },
}

impl RelayEvent {
    /// The call it is about.
    pub fn call(&self) -> CallId {
        match self {
            RelayEvent::Ready { call, .. }
            | RelayEvent::Connected { call, .. }
            | RelayEvent::Heard { call, .. }
            | RelayEvent::Pressed { call, .. }
            | RelayEvent::Dtmf { call, .. }
            | RelayEvent::Played { call, .. }
            | RelayEvent::RefreshWanted { call, .. }
            | RelayEvent::TapEnded { call, .. }
            | RelayEvent::Silent { call, .. }
            | RelayEvent::Audible { call, .. }
            | RelayEvent::Unseen { call, .. }
            | RelayEvent::SeenAgain { call, .. }
            | RelayEvent::Failed { call, .. }
            | RelayEvent::Full { call, .. }
            | RelayEvent::Stats { call, .. }
            | RelayEvent::Removed { call, .. } => *call,
        }
    }
}

/// Our own end of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalEnd {
    /// Where we listen and how we protect: address, ICE parameters with our candidates, our fingerprint. The
    /// `setup` in it is the role we take towards this peer: `ActPass` until the peer has spoken.
    pub transport: Transport,
    /// The synchronisation source of all that goes out of the leg, for as long as it lives.
    pub ssrc: u32,
    /// Its canonical name (RFC 3550 §6.5.1).
    pub cname: String,
    /// Our end of the pictures, where the graph has some; absent too where they have no port to be had, for the sound
    /// goes on without them.
    #[serde(default)]
    pub video: Option<Box<LocalVideo>>,
}

/// Our own end of the pictures of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalVideo {
    /// Where we listen for them and how we protect them; where they are bundled, the transport of the sound.
    pub transport: Transport,
    /// The synchronisation source of the pictures that go out, for as long as the leg lives.
    pub ssrc: u32,
}

impl LocalEnd {
    /// Our ICE parameters, on legs that have them.
    pub fn ice(&self) -> Option<&Ice> {
        self.transport.ice.as_ref()
    }
}

/// Figures of one leg.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LegStats {
    /// The leg.
    pub leg: Option<LegId>,
    /// The speech format last heard from the peer.
    pub codec: Option<String>,
    /// RTP packets that came in and were taken.
    pub packets_in: u64,
    /// Bytes of payload in them.
    pub bytes_in: u64,
    /// RTP packets that went out.
    pub packets_out: u64,
    /// Bytes of payload in them.
    pub bytes_out: u64,
    /// Packets that the peer sent and that never came in, by the sequence numbers (RFC 3550 §6.4.1).
    pub lost_in: u64,
    /// Packets that we sent and that the peer missed, by its receiver reports.
    pub lost_out: u64,
    /// Interarrival jitter of what comes in, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// The peer's jitter for what we send, in milliseconds, by its receiver reports.
    pub jitter_out_ms: f64,
    /// Round trip to the peer in milliseconds, by its receiver reports or ICE checks.
    pub rtt_ms: Option<f64>,
    /// Packets turned away: wrong source, wrong key, unknown payload type.
    pub refused: u64,
    /// How its packets are protected: `plain`, `SDES AES_CM_128_HMAC_SHA1_80`, `DTLS AEAD_AES_128_GCM`; absent until
    /// there are keys.
    #[serde(default)]
    pub seal: Option<String>,
    /// What the peer's speech is worth as it comes in here, from 1 to 4.5: the E-model's estimate (ITU-T G.107) from
    /// its format, its loss and its delay, over the whole call. Absent until there is something to judge.
    #[serde(default)]
    pub mos: Option<f64>,
    /// The same over the last seconds.
    #[serde(default)]
    pub mos_lately: Option<f64>,
    /// The pictures, where there are any.
    #[serde(default)]
    pub video: Option<VideoStats>,
}

/// Figures of the pictures of one leg.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VideoStats {
    /// The format last seen from the peer.
    pub codec: Option<String>,
    /// RTP packets that came in and were taken.
    pub packets_in: u64,
    /// Bytes of payload in them.
    pub bytes_in: u64,
    /// RTP packets that went out.
    pub packets_out: u64,
    /// Bytes of payload in them.
    pub bytes_out: u64,
    /// Packets that the peer sent and that never came in.
    pub lost_in: u64,
    /// Packets that we sent and that the peer missed, by its receiver reports.
    pub lost_out: u64,
    /// Packets that the peer was asked to send again, each counted once.
    #[serde(default)]
    pub asked_again: u64,
    /// Packets that were sent to the peer again, as often as they were.
    #[serde(default)]
    pub sent_again: u64,
    /// Whole pictures that the peer was asked for.
    pub refreshes_asked: u64,
    /// Whole pictures that the peer asked for.
    pub refreshes_wanted: u64,
}
