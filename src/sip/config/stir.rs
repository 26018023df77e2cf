//! Whether callers' numbers are their own (STIR/SHAKEN): whose word counts, and with what key we give ours.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Attestation;

/// The files of an endpoint that verifies and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StirFiles {
    /// Roots that are believed, as a PEM file; without it nothing is verified.
    pub roots: Option<PathBuf>,
    /// The directory of the certificates that are known: PEM files with the file names of their addresses, directly in
    /// it or in directories with the hosts' names.
    pub certificates: Option<PathBuf>,
    /// From where certificates are fetched that are not in that directory; without it none is.
    pub fetch: Option<Fetch>,
    /// What signs; without it nothing is signed.
    pub signing: Option<Signing>,
    /// How much we answer for where a user calls with another number than the user's own, or a known account.
    pub attest_users: Attestation,
}

impl Default for StirFiles {
    fn default() -> StirFiles {
        StirFiles { roots: None, certificates: None, fetch: None, signing: None, attest_users: Attestation::B }
    }
}

/// From where certificates are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fetch {
    /// Only from these hosts, wherever they are; empty: from all hosts of the public network.
    pub hosts: Vec<String>,
    /// The roots of these web servers' certificates, as a PEM file; without it those of the system.
    pub roots: Option<PathBuf>,
}

/// What signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// The private key (P-256), as a PEM file.
    pub key: PathBuf,
    /// Where others find its certificate: an address of `https`.
    pub certificate_url: String,
}

/// What is done at one trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkStir {
    /// What becomes of the proofs in its calls.
    pub check: IdentityCheck,
    /// Calls to it are signed.
    pub sign: bool,
    /// Calls to it go with the proofs they came with, where these still hold.
    pub pass: bool,
    /// How much we answer for in calls that come from it.
    pub attest: Attestation,
    /// It is told by `verstat` what came of verifying (3GPP TS 24.229 §7.2A.20).
    pub verstat: bool,
}

impl Default for TrunkStir {
    fn default() -> TrunkStir {
        TrunkStir { check: IdentityCheck::Off, sign: false, pass: false, attest: Attestation::C, verstat: false }
    }
}

/// What becomes of the proofs in a trunk's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityCheck {
    /// They are not looked at.
    #[default]
    Off,
    /// They are verified, and the call goes on with what came of it.
    Mark,
    /// A call without a proof that holds is refused (RFC 8224 §6.2.2).
    Reject,
}

impl IdentityCheck {
    /// What a word means.
    pub fn by_word(word: &str) -> Option<IdentityCheck> {
        [IdentityCheck::Off, IdentityCheck::Mark, IdentityCheck::Reject].into_iter().find(|c| c.word() == word)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            IdentityCheck::Off => "off",
            IdentityCheck::Mark => "mark",
            IdentityCheck::Reject => "reject",
        }
    }
}
