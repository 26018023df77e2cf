//! The nouns and verbs of every call, in no protocol's tongue.
//!
//! Floor 1. May import: base.
//!
//! SIP, Jingle and browsers each translate their wire into a [`Signal`] and back; the call understands
//! signals, and tells the media plane what it wants as a [`Graph`]. **The model knows no SDP, no SIP, no
//! XMPP**, and nothing here does any work.

pub mod abilities;
pub mod along;
pub mod binding;
pub mod cause;
pub mod crypto;
pub mod description;
pub mod dialled;
pub mod directory;
pub mod figures;
pub mod graph;
pub mod identity;
pub mod party;
pub mod path;
pub mod ports;
pub mod record;
pub mod roster;
pub mod service;
pub mod session_id;
pub mod signal;
pub mod text;
pub mod transfer;

pub use abilities::{Abilities, KeyPolicy, Moves, SrtpPolicy};
pub use along::{Along, Document, Location, UserToUser};
pub use binding::{Binding, Contact, PREFERRED};
pub use cause::{Cause, Detail, Hangup};
pub use crypto::{Crypto, CryptoError, Keying, Sdes};
pub use description::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Description, Direction, Extra, Fingerprint,
    Group, HeaderExtension, Ice, Kind, Mid, RtpSource, Seal, Setup, SourceGroup, Stream, TRANSCODABLE, Transport,
};
pub use dialled::{Key, Keys, NoKeys, PAUSE};
pub use directory::{Directory, User, Users};
pub use figures::{Dropped, EarFigures, Flow, Histogram, LegFigures, MediaFigures, MediaKind, Scale};
pub use graph::{
    Graph, GraphKeys, GraphLeg, GraphVideo, IceMode, LegSpec, LegStats, LocalEnd, LocalVideo, RelayCommand, RelayEvent,
    RemoteEnd, SealKind, Source, VideoStats,
};
pub use identity::{Attestation, Identity, Verstat};
pub use party::{Address, Entry, Party};
pub use path::{MediaPath, MediaPolicy};
pub use ports::{Adapter, Overflow, Relay, Switchboard};
pub use record::{MediaRecord, Record};
pub use roster::{MEMBERS_LIMIT, Member, MemberState, Roster};
pub use service::{Fork, Play, Recording, RecordingFormat, Services, Sound, Tap, TapEnd, TapId, TapWord, Tone};
pub use session_id::{SessionIds, SessionUuid};
pub use signal::{About, Answer, CallStats, Candidates, Dtmf, Offer, Progress, Signal, Stage, Start};
pub use text::{LONGEST_TEXT, Text, TextId, Undelivered};
pub use transfer::{Diversion, DiversionReason, Replaces, Transfer, Transferring};
