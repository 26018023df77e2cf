//! What is known of whether a caller's number is the caller's own (STIR/SHAKEN).

use serde::{Deserialize, Serialize};

/// What the network says of a caller's number, and whether that is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What came of looking at the proof.
    pub verstat: Verstat,
    /// How much the network that signed answers for (RFC 8588 §4), if the proof holds.
    pub attestation: Option<Attestation>,
    /// One sentence why, where it does not hold.
    pub why: Option<String>,
}

/// What came of looking at the proof of a caller's number (the `verstat` of 3GPP TS 24.229 §7.2A.20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verstat {
    /// It holds.
    #[serde(rename = "TN-Validation-Passed")]
    Passed,
    /// It does not.
    #[serde(rename = "TN-Validation-Failed")]
    Failed,
    /// There is none.
    #[serde(rename = "No-TN-Validation")]
    None,
}

/// How much a network answers for (RFC 8588 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attestation {
    /// It knows the caller and that the number is the caller's.
    A,
    /// It knows the caller.
    B,
    /// It knows by which gateway the call came in.
    C,
}

impl Attestation {
    /// Every attestation.
    pub const ALL: [Attestation; 3] = [Attestation::A, Attestation::B, Attestation::C];

    /// Its letter.
    pub fn word(self) -> &'static str {
        match self {
            Attestation::A => "A",
            Attestation::B => "B",
            Attestation::C => "C",
        }
    }

    /// The one of that letter.
    pub fn by_word(word: &str) -> Option<Attestation> {
        Attestation::ALL.into_iter().find(|a| a.word() == word)
    }
}

impl Verstat {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Verstat::Passed => "TN-Validation-Passed",
            Verstat::Failed => "TN-Validation-Failed",
            Verstat::None => "No-TN-Validation",
        }
    }
}
