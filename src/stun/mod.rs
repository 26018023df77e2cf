//! STUN (RFC 8489) on the wire: just enough to tell it from the rest and to find its user name.
//!
//! Floor 2. May import: base, model.

pub mod message;

pub use message::{Class, Message, is_stun};
