//! Whole shards of the relay, between peers in memory.
#![allow(clippy::indexing_slicing)]

mod apart;
mod association;
mod browser;
mod bytes;
mod client;
mod codecs;
mod continuity;
mod day;
mod drift;
mod dtls;
mod hostile;
pub mod ice;
mod keys;
mod matrix;
mod pairings;
mod peers;
mod phones;
mod pictures;
mod ptime;
mod silence;
mod sounds;
mod watch;
mod world;
