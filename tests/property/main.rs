//! Properties that hold for all inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod jid;
mod relay;
mod route;
mod sdp;
mod sip;
mod srtp;
