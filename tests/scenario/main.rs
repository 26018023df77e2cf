//! Whole calls as ladders: the diagram is the expectation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser_to_phone;
mod direct;
mod direct_failures;
mod ears;
mod hold;
mod im_and_phone;
mod keys;
mod ladder;
mod phone_to_browser;
mod phones_with_ice;
mod pictures;
mod pitfalls;
mod sounds;
mod srtp;
mod targets;
