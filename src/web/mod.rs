//! Browsers: a JSON protocol over a WebSocket, as signals, and back.
//!
//! Floor 3. May import: base, model, sdp.
