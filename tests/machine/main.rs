//! State machines in virtual time, one file a machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
mod client;
mod client_invite;
mod dtls;
mod jingle;
mod relay;
mod server;
mod server_invite;
#[path = "../shared/mod.rs"]
mod shared;
mod sip;
