//! What can be wrong with a description.

use super::{MAX_LINE_OCTETS, MAX_LINES, MAX_OCTETS, MAX_STREAMS};

/// Why a description cannot be used. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// More than [`MAX_OCTETS`].
    #[error("the description has {octets} octets, more than {MAX_OCTETS}")]
    TooLong {
        /// How many it has.
        octets: usize,
    },
    /// More than [`MAX_LINES`].
    #[error("the description has more than {MAX_LINES} lines")]
    TooManyLines,
    /// More than [`MAX_STREAMS`].
    #[error("line {line}: more than {MAX_STREAMS} streams")]
    TooManyStreams {
        /// The first `m=` line too many.
        line: usize,
    },
    /// More than [`MAX_LINE_OCTETS`].
    #[error("line {line} has more than {MAX_LINE_OCTETS} octets")]
    LineTooLong {
        /// The line.
        line: usize,
    },
    /// The first line is not `v=0`.
    #[error("line 1: a description begins with v=0")]
    NotSdp,
    /// A line that cannot be left out cannot be understood.
    #[error("line {line}: {what}: {wrong}")]
    Line {
        /// The line.
        line: usize,
        /// Which kind of line: `m=`, `a=fingerprint` …
        what: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
    /// A `candidate:` line cannot be understood.
    #[error("candidate: {wrong}")]
    Candidate {
        /// What is wrong with it.
        wrong: String,
    },
}
