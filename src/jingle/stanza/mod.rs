//! Stanzas and what is in them, as types: one file a XEP. Reading is lenient: what a stranger sends never fails the
//! stream, what is ill-formed inside is passed over, and what nobody could answer sensibly is [`Malformed`].

pub mod coin;
pub mod dtls;
pub mod error;
pub mod grouping;
pub mod ice_udp;
pub mod iq;
pub mod jingle;
pub mod jingle_message;
pub mod message;
pub mod ns;
pub mod presence;
mod read;
pub mod reason;
mod roles;
pub mod rtcp_fb;
pub mod rtp;
pub mod rtp_hdrext;
pub mod ssma;
#[cfg(test)]
mod tests;
pub(super) mod xml;

pub use error::{DefinedCondition, ErrorType, JingleCondition, StanzaError};
pub use iq::{Iq, IqKind};
pub use jingle::{Action, Content, Jingle};
pub use jingle_message::{JingleMessage, Word};
pub use message::{Message, MessageKind};
pub use presence::{Presence, PresenceKind};
pub use read::{MAX_DEPTH, Malformed, Stanza, read};
pub use reason::{Condition, Reason};
pub use roles::{Creator, Senders};
pub use xml::allowed;
