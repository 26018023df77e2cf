//! HTTP: the page, its assets, sign-in and the WebSocket upgrade.
//!
//! Floor 5. May import: base, model, web, switch.
