//! What every room shares and nobody owns: identifiers, secrets, certificates, personal data, seeded chance,
//! who stands behind a proxy, the line in which new calls wait, what tasks wake up by.
//!
//! Floor 0. May import: nothing.

pub mod allowance;
pub mod certificates;
pub mod dice;
pub mod driver;
pub mod id;
pub mod ids;
pub mod line;
pub mod pii;
pub mod printed;
pub mod proxies;
pub mod secret;
pub mod settings;

pub use allowance::Allowance;
pub use dice::Dice;
pub use id::{AdapterId, CallId, ExchangeId, LegId, LegMint};
pub use ids::IdMap;
pub use pii::Pii;
pub use printed::Printed;
pub use proxies::Proxies;
pub use secret::Secret;
