//! Wire formats against the public corpora: what real and hostile programs send, read without harm.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../shared/mod.rs"]
mod shared;

mod dtls;
mod hostile;
mod http;
mod jingle;
mod keypad;
mod passport;
mod sdp;
mod sip;
mod sip_sockets;
mod srtp;
mod strangers;
mod stun;
