//! One record per call.

use serde::{Deserialize, Serialize};

use super::{Cause, Detail, Identity, LegStats, MediaPath, SessionUuid};

/// What is kept of a call. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The call, as in the logs.
    pub call: String,
    /// When it came in.
    pub started_ms: u64,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: u64,
    /// The door it came in by: `user:alice`, `trunk:carrier`, `open`.
    pub entry: String,
    /// Who called.
    pub from: String,
    /// Who was dialled.
    pub to: String,
    /// Whom the call was meant for before others sent it on, as they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meant_for: Option<String>,
    /// Who answered, or was tried last: a target of the dialplan.
    pub target: Option<String>,
    /// The rule of the dialplan that decided.
    pub rule: Option<String>,
    /// Why it ended.
    pub cause: Cause,
    /// What the wire said exactly.
    pub detail: Option<Detail>,
    /// One sentence why the call failed or was silent; absent if all went well.
    pub why: Option<String>,
    /// The speech format between the two, where the relay saw it.
    pub codec: Option<String>,
    /// The format of the pictures between the two, where the relay carried some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// Which way the media went, or were to go.
    #[serde(default)]
    pub path: Option<MediaPath>,
    /// If they went through the relay: one sentence why they did not go directly.
    #[serde(default)]
    pub relayed_because: Option<String>,
    /// Where the talk was recorded: files of the folder of recordings, in the order of their beginnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<std::path::PathBuf>,
    /// What was known of whether the caller's number is the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The caller's half of the name that other systems on its way know the call by (RFC 7989).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionUuid>,
    /// That of whoever answered it, or was heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id_of_callee: Option<SessionUuid>,
    /// With whom the caller or the callee was connected in the middle of the call, and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_to: Option<String>,
    /// The other call, by its name, where a party that was in both left the two as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_with: Option<String>,
    /// The media of each leg.
    pub media: Vec<MediaRecord>,
}

/// The media of one leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaRecord {
    /// `caller` or `callee`.
    pub side: String,
    /// The figures.
    #[serde(flatten)]
    pub stats: LegStats,
}
