//! What we do at a carrier besides calling: registering there, keeping the way by which we did, and asking whether it is
//! there.
//!
//! All are functions of messages and time; [`endpoint`](super::endpoint) puts them on the wire.

pub mod health;
pub mod keep_alive;
pub mod outbound;
pub mod registration;

pub use health::Health;
pub use keep_alive::KeepAlive;
pub use outbound::Instance;
pub use registration::Registration;

/// What a transaction at a trunk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// A REGISTER.
    Register,
    /// An OPTIONS to one of its addresses.
    Health(std::net::SocketAddr),
}
