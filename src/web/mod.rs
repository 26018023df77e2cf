//! Browsers: a JSON protocol over a WebSocket, as signals, and back.
//!
//! Floor 3. May import: base, model, sdp.
//!
//! `docs/browser-protocol.md` is the protocol. [`Endpoint`] is the core that owns the browsers' sessions;
//! [`driver`] turns it and knows neither sockets nor HTTP: a socket is a pair of bounded queues.

pub mod config;
pub mod connection;
mod describe;
pub mod driver;
pub mod endpoint;
pub mod error;
pub mod exchange;
pub mod frame;
mod hear;
pub mod keypad;
pub mod leg;
mod resume;
mod say;
pub mod session;
pub mod softphone;
pub mod texts;
pub mod to_page;
mod wakes;

pub use config::{Config, IceServer};
pub use driver::{Socket, ToClient, WebHandle};
pub use endpoint::{ConnId, Endpoint, Output};

/// The name and version of the protocol, as the WebSocket's subprotocol (RFC 6455 §1.9).
pub const SUBPROTOCOL: &str = "patchcord.1";

/// The longest frame, in bytes.
pub const FRAME_LIMIT: usize = 64 * 1024;
