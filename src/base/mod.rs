//! What every room shares and nobody owns: identifiers, secrets, personal data, seeded chance.
//!
//! Floor 0. May import: nothing.

pub mod dice;
pub mod id;
pub mod pii;
pub mod secret;
pub mod settings;

pub use dice::Dice;
pub use id::{AdapterId, CallId, ExchangeId, LegId, LegMint};
pub use pii::Pii;
pub use secret::Secret;
