//! Properties that hold for all inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conference;
mod feedback;
mod jid;
#[path = "../shared/mod.rs"]
mod shared;

mod jingle;
mod ogg;
mod passport;
mod relay;
mod route;
mod sdp;
mod sip;
mod srtp;
