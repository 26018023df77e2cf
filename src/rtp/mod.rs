//! RTP (RFC 3550), RTCP, SRTP (RFC 3711) and keypad events (RFC 4733) on the wire.
//!
//! Floor 2. May import: base, model.
//!
//! Everything here works in place on the caller's bytes and allocates nothing per packet.

pub mod event;
pub mod packet;
pub mod quality;
pub mod rtcp;
pub mod srtp;
pub mod stats;
pub mod window;

pub use packet::{Fields, Kind, Packet, is_rtcp, kind};
pub use srtp::{Profile, Srtp, SrtpError};
