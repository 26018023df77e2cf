//! The demo trunk: an independent SIP user agent that plays a telephone network.
//!
//! Floor 5. May import: base, model, sip, sdp, rtp.
//!
//! It has a UDP port of its own and is reached by real SIP and real RTP, like any carrier. Of the gateway it
//! uses the reading and writing of messages and the transactions of RFC 3261 §17, but none of its sessions:
//! what a session of the gateway gets wrong, the demo trunk does not get wrong in the same way.
//!
//! ```text
//!   UDP ──▶ Agent (SIP: dialogs, answers) ──Begin, Media, End──▶ Line (Script + Voice) ──▶ UDP, RTP
//!                    ◀──────────────── Ring, EarlyMedia, Answer, Refuse, HangUp
//! ```
//! [`agent::Agent`] and [`line::Line`] are pure; [`driver`] has one task for the first and one for each call.

pub mod agent;
pub mod answer;
pub mod driver;
pub mod g711;
pub mod line;
pub mod melody;
pub mod number;
pub mod script;
pub mod sound;
pub mod voice;

pub use driver::{DemoTrunk, start};
pub use number::{NUMBERS, Number};

/// Calls at a time; another is told 503.
pub const MAX_CALLS: usize = 64;
