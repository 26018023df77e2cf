//! SIP (RFC 3261): what a SIP peer says, as signals, and back.
//!
//! Floor 3. May import: base, model, sdp, stun.

pub mod along;
pub mod cause;
pub mod conference;
pub mod config;
pub mod deadlines;
pub mod dialog;
pub mod digest;
pub mod diversion;
pub mod driver;
pub mod endpoint;
pub mod flow;
pub mod hear;
pub mod info;
pub mod locate;
pub mod message;
pub mod multipart;
pub mod naming;
pub mod overload;
pub mod refresh;
mod registrar;
pub mod replaces;
pub mod say;
pub mod session;
pub mod stir;
pub mod transaction;
pub mod trunk;
pub mod wire;

pub use config::Config;
pub use endpoint::{Endpoint, Output, ResolveId};
pub use flow::{Flow, Transport};
