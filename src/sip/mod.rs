//! SIP (RFC 3261): what a SIP peer says, as signals, and back.
//!
//! Floor 3. May import: base, model, sdp.
