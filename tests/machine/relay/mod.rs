//! Whole shards of the relay, between peers in memory.
#![allow(clippy::indexing_slicing)]

mod phones;
mod world;
