//! Properties that hold for all inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod jid;
#[path = "../shared/mod.rs"]
mod shared;

mod jingle;
mod relay;
mod route;
mod sdp;
mod sip;
mod srtp;
