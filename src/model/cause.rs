//! Why a leg ended, in words that every world can translate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::UserToUser;

/// Why a call or a leg ended. Each adapter has one table from and to its own codes; the names here are also
/// what a browser is told and what a call record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody hung up after the call was up.
    Normal,
    /// The caller gave up before the answer.
    Cancelled,
    /// Another device of the same callee took it.
    AnsweredElsewhere,
    /// The callee talks to somebody else.
    Busy,
    /// It rang and nobody came.
    NoAnswer,
    /// The callee refused.
    Declined,
    /// The callee's side takes the caller for a nuisance (RFC 8197).
    Unwanted,
    /// Somebody between the two took the caller for a nuisance (RFC 8688).
    Blocked,
    /// No such number or user.
    NotFound,
    /// The callee exists and cannot be reached now.
    Unavailable,
    /// The number is incomplete or ill-formed.
    BadNumber,
    /// The caller may not call this.
    Forbidden,
    /// The credentials were wrong or missing.
    AuthFailed,
    /// The network asked for a proof of the caller's number and did not like it.
    IdentityRejected,
    /// No codec or transport in common.
    MediaIncompatible,
    /// The far side does not know what was asked of it.
    NotSupported,
    /// The call went round in a circle.
    Loop,
    /// Nobody on the way answered in time.
    Timeout,
    /// The network or a trunk failed.
    Network,
    /// Too many calls somewhere on the way.
    Congestion,
    /// A server on the way failed.
    ServerError,
    /// The media stopped, or never started.
    MediaTimeout,
    /// Both sides changed the session at once (glare).
    Glare,
    /// The gateway is going down and ends its calls.
    Maintenance,
}

impl Cause {
    /// Every cause, for tables and tests.
    pub const ALL: [Cause; 24] = [
        Cause::Normal,
        Cause::Cancelled,
        Cause::AnsweredElsewhere,
        Cause::Busy,
        Cause::NoAnswer,
        Cause::Declined,
        Cause::Unwanted,
        Cause::Blocked,
        Cause::NotFound,
        Cause::Unavailable,
        Cause::BadNumber,
        Cause::Forbidden,
        Cause::AuthFailed,
        Cause::IdentityRejected,
        Cause::MediaIncompatible,
        Cause::NotSupported,
        Cause::Loop,
        Cause::Timeout,
        Cause::Network,
        Cause::Congestion,
        Cause::ServerError,
        Cause::MediaTimeout,
        Cause::Glare,
        Cause::Maintenance,
    ];

    /// The name in protocols, records and configuration files: `no-answer`.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Normal => "normal",
            Cause::Cancelled => "cancelled",
            Cause::AnsweredElsewhere => "answered-elsewhere",
            Cause::Busy => "busy",
            Cause::NoAnswer => "no-answer",
            Cause::Declined => "declined",
            Cause::Unwanted => "unwanted",
            Cause::Blocked => "blocked",
            Cause::NotFound => "not-found",
            Cause::Unavailable => "unavailable",
            Cause::BadNumber => "bad-number",
            Cause::Forbidden => "forbidden",
            Cause::AuthFailed => "auth-failed",
            Cause::IdentityRejected => "identity-rejected",
            Cause::MediaIncompatible => "media-incompatible",
            Cause::NotSupported => "not-supported",
            Cause::Loop => "loop",
            Cause::Timeout => "timeout",
            Cause::Network => "network",
            Cause::Congestion => "congestion",
            Cause::ServerError => "server-error",
            Cause::MediaTimeout => "media-timeout",
            Cause::Glare => "glare",
            Cause::Maintenance => "maintenance",
        }
    }

    /// The cause of that name.
    pub fn by_name(name: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|c| c.name() == name)
    }

    /// What a person is told.
    pub fn sentence(self) -> &'static str {
        match self {
            Cause::Normal => "The call has ended.",
            Cause::Cancelled => "The caller hung up before the call was answered.",
            Cause::AnsweredElsewhere => "The call was answered on another device.",
            Cause::Busy => "The line is busy.",
            Cause::NoAnswer => "Nobody answered.",
            Cause::Declined => "The call was declined.",
            Cause::Unwanted => "The call is not wanted.",
            Cause::Blocked => "The call was blocked on the way.",
            Cause::NotFound => "There is nobody at this number or address.",
            Cause::Unavailable => "They cannot be reached at the moment.",
            Cause::BadNumber => "The number is not complete or not valid.",
            Cause::Forbidden => "This call is not allowed.",
            Cause::AuthFailed => "The sign-in was not accepted.",
            Cause::IdentityRejected => "The network did not accept the caller's identity.",
            Cause::MediaIncompatible => "The two sides have no audio format in common.",
            Cause::NotSupported => "The other side does not support this kind of call.",
            Cause::Loop => "The call was sent round in a circle.",
            Cause::Timeout => "The other side did not respond.",
            Cause::Network => "The network or the telephone carrier failed.",
            Cause::Congestion => "Too many calls at once; try again shortly.",
            Cause::ServerError => "A server on the way failed.",
            Cause::MediaTimeout => "No sound arrived for too long.",
            Cause::Glare => "Both sides changed the call at the same moment.",
            Cause::Maintenance => "The service is being restarted.",
        }
    }

    /// Whether another target may still do better: failures of the way, not decisions of the callee.
    pub fn is_retryable(self) -> bool {
        matches!(self, Cause::Timeout | Cause::Network | Cause::Congestion | Cause::ServerError | Cause::Unavailable)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The last word of a leg. Two legs of the same protocol exchange the `detail` word for word; others go by
/// the `cause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hangup {
    /// Why.
    pub cause: Cause,
    /// What the wire said exactly, if a wire said it.
    pub detail: Option<Detail>,
}

impl Hangup {
    /// A hang-up of our own making.
    pub fn new(cause: Cause) -> Hangup {
        Hangup { cause, detail: None }
    }
}

/// What a wire said, beyond the cause.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// The SIP status code, if a SIP peer said one.
    pub sip_status: Option<u16>,
    /// The ITU-T Q.850 cause value (1 to 127), from a `Reason` header (RFC 3326).
    pub q850: Option<u8>,
    /// The peer's own words.
    pub text: Option<String>,
    /// Where a caller who was blocked may complain, as the wire said it: the address of a signed card (RFC 8688 §3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaints: Option<String>,
    /// What the system of who refuses says with that to the caller's. No record has it.
    #[serde(skip)]
    pub words: UserToUser,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_name_of_its_own_and_a_sentence() {
        for cause in Cause::ALL {
            assert_eq!(Cause::by_name(cause.name()), Some(cause));
            assert!(cause.sentence().ends_with('.'));
        }
    }
}
