//! One leg's wire: how its packets are protected.

pub mod control;
pub mod digits;
pub mod dtls;
pub mod hearing;
pub mod ice;
pub mod latch;
pub mod path;
pub mod seal;
pub mod track;
pub mod watch;

pub use dtls::{Certificate, Dtls, Role};
pub use seal::{Seal, SealError};
