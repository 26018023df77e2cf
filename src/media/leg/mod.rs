//! One leg's wire: how its packets are protected.

pub mod dtls;
pub mod seal;

pub use dtls::{Certificate, Dtls, Role};
pub use seal::{Seal, SealError};
