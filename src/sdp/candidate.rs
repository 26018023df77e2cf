//! One ICE candidate's line (RFC 8839 §5.1), as browsers trickle it.

use super::SdpError;
use crate::model::Candidate;

/// Reads `candidate:…`, with or without `a=` before it.
pub fn read(line: &str) -> Result<Candidate, SdpError> {
    Err(SdpError::Candidate { wrong: format!("{line} has too few words") })
}

/// Writes `candidate:…`, without `a=` and without an end of line.
pub fn write(candidate: &Candidate) -> String {
    format!("candidate:{}", candidate.foundation)
}
