//! The program as an operator runs it: the built binary, its files, its signals, and telephones over UDP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod door;
mod drain;
mod files;
mod house;
mod many;
mod phone;
mod relay;
mod reload;
mod silence;
mod start;
