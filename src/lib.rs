//! Patchcord lets a web browser, a telephone and an instant-messaging client call each other.
//!
//! The map of the house, floor by floor; a room may import only from floors below it, and
//! `tests/tidy.rs` holds it to that. `docs/architecture.md` tells the story.

pub mod base;
pub mod model;

pub mod rtp;
pub mod sdp;
pub mod stun;

pub mod call;
pub mod jingle;
pub mod media;
pub mod route;
pub mod sip;
pub mod web;

pub mod switch;

pub mod cli;
pub mod demo;
pub mod http;
