//! Random parties, and what must hold whatever they do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../scenario/ladder.rs"]
mod ladder;
mod two_parties;
