//! SDP (RFC 8866): text to [Description](crate::model::Description) and back.
//!
//! Floor 2. May import: base, model.
//!
//! [`read()`] splits the text into its `m=` sections, lets `webrtc-sdp` type their attributes one by one, and
//! keeps as extras what neither it nor the model has a word for. [`write()`] prints a description for phones
//! (lean, RFC 3264) and for browsers (RFC 8829) alike: what is printed follows from what is described.

mod attribute;
pub mod candidate;
mod error;
mod format;
mod read;
mod split;
#[cfg(test)]
mod tests;
mod write;

pub use error::SdpError;
pub use read::read;
pub use write::{Origin, write};

/// The most octets a description may have.
pub const MAX_OCTETS: usize = 64 * 1024;
/// The most lines a description may have. `webrtc-sdp`'s cost per attribute and this bound the time of [`read()`].
pub const MAX_LINES: usize = 1000;
/// The most `m=` lines a description may have.
pub const MAX_STREAMS: usize = 32;
/// The most octets one line may have; a browser's identity assertion and a camera's parameter sets fit.
pub const MAX_LINE_OCTETS: usize = 8 * 1024;

/// The name of the extra that keeps an `m=` line's protocol, and its formats if they are no payload types.
pub use crate::model::description::PROFILE_EXTRA as MEDIA_EXTRA;
