//! Properties that hold for all inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod route;
mod sdp;
mod sip;
mod srtp;
