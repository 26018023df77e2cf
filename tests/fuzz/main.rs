//! The bodies of the fuzz targets, run over the corpora and over mutations of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../shared/mod.rs"]
mod shared;

mod conference;
mod demo;
mod dtls;
mod frames;
mod jingle;
mod relay;
mod route;
mod rtp;
mod sdp;
mod sip;
mod stun;
