//! The switch: owns the tasks, carries signals between rooms, supervises, drains.
//!
//! Floor 4. May import: base, model, sip, web, media, call, route, sdp.

pub mod config;
