//! RTP (RFC 3550), RTCP, SRTP (RFC 3711) and keypad events (RFC 4733) on the wire.
//!
//! Floor 2. May import: base, model.
