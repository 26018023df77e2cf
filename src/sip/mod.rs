//! SIP (RFC 3261): what a SIP peer says, as signals, and back.
//!
//! Floor 3. May import: base, model, sdp.

pub mod cause;
pub mod config;
pub mod digest;
pub mod endpoint;
pub mod flow;
pub mod message;
pub mod transaction;
