//! Whole calls as ladders: the diagram is the expectation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser_to_phone;
mod hold;
mod ladder;
mod phone_to_browser;
mod targets;
