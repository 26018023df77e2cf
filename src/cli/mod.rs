//! The command line.
//!
//! Floor 5. May import: base, model, route, switch, http, demo, sip, web, media, call.
