//! The media plane: legs, how they are found and sealed, and what flows between them.
//!
//! Floor 3. May import: base, model, rtp, stun.
//!
//! A leg is Path × Seal × Track: how packets find the peer, how they are protected, and the one RTP identity
//! of what goes out. A [`Shard`] owns the legs of some calls and is a function of its inputs; the [`driver`]
//! gives it a thread, sockets and a clock.

pub mod bridge;
pub mod budget;
pub mod codec;
pub mod config;
pub mod driver;
pub mod dtmf;
pub mod figures;
pub mod leg;
pub mod outbox;
mod reconcile;
pub mod shard;
pub mod sound;
pub mod tap;
pub mod transactions;
mod viewing;

pub use config::RelayConfig;
pub use shard::{Outgoing, PortPair, Ports, Shard, ShardConfig, SocketId};
