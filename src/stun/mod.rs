//! STUN (RFC 8489) on the wire: just enough to tell it from the rest, to find its user name, to tell a
//! peer where it is seen, and to ask that of a peer.
//!
//! Floor 2. May import: base, model.

pub mod ask;
pub mod message;
pub mod reply;

pub use ask::{binding_request, mapped_address};
pub use message::{BINDING, Class, HEADER, Message, is_stun};
pub use reply::seen_at;
