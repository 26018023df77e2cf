//! The frames to a page.

use serde::Serialize;
use serde_json::Value;

use super::error::FrameError;
use super::frame::{CallName, CandidateLines, TextName};
use crate::model::{
    Attestation, Cause, Detail, Identity, MediaPath, Member, MemberState, Roster, SessionUuid, Stage, Verstat,
};

/// A frame to a client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(missing_docs)] // The fields are those of docs/browser-protocol.md, word for word.
pub enum ToPage {
    /// The connection is open.
    Welcome(Box<Welcome>),
    /// Somebody calls.
    Incoming {
        call: CallName,
        from: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<String>,
        to: String,
        #[serde(flatten)]
        proof: Proof,
        #[serde(skip_serializing_if = "Option::is_none")]
        meant_for: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        user_to_user: Vec<String>,
        sdp: String,
    },
    /// The callee's side is getting on.
    Progress { call: CallName, stage: Stage, early_media: bool },
    /// The gateway's answer.
    Answer { call: CallName, sdp: String, r#final: bool },
    /// The other side picked up.
    Accepted { call: CallName },
    /// The gateway's candidates.
    Candidates {
        call: CallName,
        #[serde(flatten)]
        lines: CandidateLines,
    },
    /// The gateway's offer.
    Offer { call: CallName, sdp: String },
    /// The other put this side on hold, or took it off.
    Hold { call: CallName, on: bool },
    /// The other muted its microphone, or opened it.
    Mute { call: CallName, on: bool },
    /// The talk is recorded from here on, or not any more.
    Record { call: CallName, on: bool },
    /// How a transfer goes that the client asked for.
    Transferring {
        call: CallName,
        state: TransferState,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The other end is somebody else from here on.
    Connected {
        call: CallName,
        with: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<String>,
    },
    /// The other pressed a key.
    Dtmf { call: CallName, digit: char, duration_ms: u64 },
    /// Who is in the conference at the other end: everybody, each time.
    Roster {
        call: CallName,
        #[serde(flatten)]
        roster: Box<RosterFrame>,
    },
    /// What the other party's system says to the client's.
    UserToUser { call: CallName, data: Vec<String> },
    /// What other systems on its way know the call by.
    Named { call: CallName, session_id: SessionUuid },
    /// Figures.
    Stats { call: CallName, legs: Sides },
    /// The call is over.
    Ended {
        call: CallName,
        cause: Cause,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<EndDetail>,
    },
    /// Which way the media go.
    Media { call: CallName, path: MediaPath },
    /// Somebody wrote.
    Text {
        from: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<String>,
        body: String,
    },
    /// What became of a message of the client's.
    TextStatus {
        id: TextName,
        delivered: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A word to the person.
    Notice { call: CallName, text: String },
    /// Something was wrong with a frame.
    Error(FrameError),
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TransferState {
    Trying,
    Ringing,
    Done,
    Failed,
}

/// `welcome`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Welcome {
    pub version: u64,
    pub user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    pub resume: String,
    pub resume_within: u64,
    pub ice_servers: Vec<Value>,
    pub calls: Vec<LiveCall>,
}

/// A call that lives on, in a `welcome`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct LiveCall {
    pub call: CallName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(flatten)]
    pub proof: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meant_for: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_to_user: Vec<String>,
    pub state: LiveState,
    pub held: bool,
    pub on_hold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<RosterFrame>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionUuid>,
    pub since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
}

/// `roster`, and what a client that comes back is told of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct RosterFrame {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub count: usize,
    pub members: Vec<MemberFrame>,
}

/// A member of the conference, in `roster`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct MemberFrame {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub state: MemberState,
    pub muted: bool,
    pub talking: bool,
    pub you: bool,
}

impl From<Roster> for RosterFrame {
    fn from(roster: Roster) -> RosterFrame {
        let member = |m: Member| MemberFrame {
            id: m.id,
            name: m.name,
            address: m.address.map(|a| a.to_string()),
            state: m.state,
            muted: m.muted,
            talking: m.talking,
            you: m.you,
        };
        let members = roster.members.into_iter().map(member).collect();
        RosterFrame { subject: roster.subject, count: roster.count, members }
    }
}

/// What is known of whether a caller's number is the caller's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verstat: Option<Verstat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
}

impl Proof {
    /// What a page is told of it: nothing where nobody looked.
    pub fn of(identity: Option<&Identity>) -> Proof {
        Proof { verstat: identity.map(|i| i.verstat), attestation: identity.and_then(|i| i.attestation) }
    }
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LiveState {
    Calling,
    Ringing,
    Incoming,
    Connected,
}

/// What a telephone network said, in `ended`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct EndDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q850: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl From<Detail> for EndDetail {
    fn from(detail: Detail) -> EndDetail {
        EndDetail { sip_status: detail.sip_status, q850: detail.q850, text: detail.text }
    }
}

/// The figures of both sides, in `stats`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Sides {
    pub you: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub them: Option<Figures>,
}

/// The figures of one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    pub packets_in: u64,
    pub packets_out: u64,
    pub lost_in: u64,
    pub lost_out: u64,
    pub jitter_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos_lately: Option<f64>,
}

impl ToPage {
    /// The frame as text.
    pub fn write(&self) -> String {
        // Maps with string keys and plain values always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}
