//! The nouns and verbs of every call, in no protocol's tongue.
//!
//! Floor 1. May import: base.
//!
//! SIP, Jingle and browsers each translate their wire into a [`Signal`] and back; the call understands
//! signals, and tells the media plane what it wants as a [`Graph`]. **The model knows no SDP, no SIP, no
//! XMPP**, and nothing here does any work.

pub mod abilities;
pub mod binding;
pub mod cause;
pub mod crypto;
pub mod description;
pub mod directory;
pub mod graph;
pub mod party;
pub mod path;
pub mod ports;
pub mod record;
pub mod service;
pub mod signal;
pub mod text;

pub use abilities::{Abilities, KeyPolicy, SrtpPolicy};
pub use binding::{Binding, Contact};
pub use cause::{Cause, Detail, Hangup};
pub use crypto::{Crypto, CryptoError, Keying, Sdes};
pub use description::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Description, Direction, Extra, Fingerprint,
    Group, HeaderExtension, Ice, Kind, Mid, RtpSource, Seal, Setup, SourceGroup, Stream, TRANSCODABLE, Transport,
};
pub use directory::{Directory, User};
pub use graph::{
    Graph, GraphKeys, GraphLeg, GraphVideo, IceMode, LegSpec, LegStats, LocalEnd, LocalVideo, RelayCommand, RelayEvent,
    RemoteEnd, SealKind, Source, VideoStats,
};
pub use party::{Address, Entry, Party};
pub use path::{MediaPath, MediaPolicy};
pub use ports::{Adapter, Overflow, Relay, Switchboard};
pub use record::{MediaRecord, Record};
pub use service::{Play, Recording, RecordingFormat, Services, Sound, Tap, TapEnd, TapId, Tone};
pub use signal::{Answer, CallStats, Candidates, Dtmf, Offer, Progress, Signal, Stage, Start};
pub use text::{LONGEST_TEXT, Text, TextId, Undelivered};
