//! Sounds that a relay plays: the tones of the telephone network, those of the configuration, and what somebody says
//! by way of the network.
//!
//! A sound is held once, ready at the two rates at which the relay speaks, and shared by all the legs that play it;
//! a leg knows no more of it than where it stands.

pub mod feed;
pub mod file;
mod lead;
pub mod library;
pub mod player;
pub mod tones;

pub use feed::{Feed, Mouth};
pub use library::{Library, Samples, Shelf};
pub use player::Player;
pub use tones::Zone;

/// The rate of speech in the band of a telephone.
pub const NARROW_HZ: u32 = 8000;

/// The rate of all other speech that the relay makes by itself.
pub const WIDE_HZ: u32 = 16_000;
