//! One leg's wire: how its packets are protected.

pub mod dtls;
pub mod ice;
pub mod latch;
pub mod seal;
pub mod track;

pub use dtls::{Certificate, Dtls, Role};
pub use seal::{Seal, SealError};
