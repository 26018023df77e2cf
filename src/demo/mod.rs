//! The demo trunk: an independent SIP user agent that plays a telephone network.
//!
//! Floor 5. May import: base, model, sip, sdp, rtp.
