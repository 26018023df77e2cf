//! The switch: owns the tasks, carries signals between rooms, supervises, drains.
//!
//! Floor 4. May import: base, model, sip, web, jingle, media, call, route, sdp.

pub mod config;

pub mod bindings;
pub mod board;
pub mod calls;
pub mod driver;
mod entrance;
pub mod figures;
mod guarding;
mod joints;
mod journal;
pub mod places;
pub mod records;
pub mod resolve;
mod rouse;
#[cfg(test)]
mod stub;
pub mod supervisor;
pub mod texts;
mod transfers;
