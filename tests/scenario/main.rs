//! Whole calls as ladders: the diagram is the expectation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apart;
mod browser_to_phone;
mod direct;
mod direct_failures;
mod diversions;
mod ears;
mod hold;
mod im_and_phone;
mod keys;
mod ladder;
mod phone_to_browser;
mod phones_with_ice;
mod pictures;
mod pitfalls;
mod rooms;
mod size;
mod sounds;
mod srtp;
mod targets;
mod transfer;
mod transfer_of_direct_calls;
mod transfer_of_im_calls;
mod transport_cc;
mod words;
