//! What flows from leg to leg, and how it is changed on the way.

pub mod formats;
pub mod pictures;
pub mod transcode;

pub use formats::{Change, Content, Format, Route, Routes};
pub use transcode::{FRAME, Listening, Pace, Target, Transcoder};
