//! The switch: owns the tasks, carries signals between rooms, supervises, drains.
//!
//! Floor 4. May import: base, model, sip, web, media, call, route, sdp.

pub mod config;

pub mod bindings;
pub mod board;
pub mod calls;
pub mod driver;
pub mod records;
pub mod resolve;
pub mod supervisor;
