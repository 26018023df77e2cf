//! STUN (RFC 8489) on the wire: just enough to tell it from the rest, to find its user name, and to
//! tell a peer where it is seen.
//!
//! Floor 2. May import: base, model.

pub mod message;
pub mod reply;

pub use message::{Class, Message, is_stun};
pub use reply::seen_at;
