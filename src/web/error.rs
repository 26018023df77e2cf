//! The errors of `docs/browser-protocol.md`.

use serde::Serialize;

use super::frame::{CallName, TextName};
use crate::model::Cause;

/// The codes of the table of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameErrorCode {
    /// Not a JSON object, or a field that is missing or of the wrong kind or form.
    BadJson,
    /// A type that this version does not have.
    UnknownType,
    /// A frame over [`super::FRAME_LIMIT`].
    TooLarge,
    /// A version that the gateway does not speak.
    BadVersion,
    /// Another frame before `hello`.
    NotSignedIn,
    /// The token is wrong, too old or used.
    BadToken,
    /// Nothing is left to resume.
    CannotResume,
    /// The call is not, or not any more, this connection's.
    NoSuchCall,
    /// The name of the call is in use.
    DuplicateCall,
    /// The description or a candidate cannot be read.
    BadSdp,
    /// The frame makes no sense now.
    WrongState,
    /// The client's offer was not taken.
    OfferRefused,
    /// What was dialled cannot be called.
    BadNumber,
    /// Over [`super::session::MAX_CALLS`].
    TooManyCalls,
    /// Over [`super::connection::FRAMES_A_SECOND`], or too many digits or messages.
    TooFast,
    /// The gateway has no room for another call.
    Congestion,
}

impl FrameErrorCode {
    /// Every code, for tests.
    pub const ALL: [FrameErrorCode; 16] = [
        FrameErrorCode::BadJson,
        FrameErrorCode::UnknownType,
        FrameErrorCode::TooLarge,
        FrameErrorCode::BadVersion,
        FrameErrorCode::NotSignedIn,
        FrameErrorCode::BadToken,
        FrameErrorCode::CannotResume,
        FrameErrorCode::NoSuchCall,
        FrameErrorCode::DuplicateCall,
        FrameErrorCode::BadSdp,
        FrameErrorCode::WrongState,
        FrameErrorCode::OfferRefused,
        FrameErrorCode::BadNumber,
        FrameErrorCode::TooManyCalls,
        FrameErrorCode::TooFast,
        FrameErrorCode::Congestion,
    ];

    /// The code with which the socket is closed after the error, if it is (RFC 6455 §7.4.1).
    pub fn closes_with(self) -> Option<u16> {
        match self {
            FrameErrorCode::TooLarge => Some(1009),
            FrameErrorCode::BadVersion
            | FrameErrorCode::NotSignedIn
            | FrameErrorCode::BadToken
            | FrameErrorCode::CannotResume => Some(1008),
            _ => None,
        }
    }
}

/// `error`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameError {
    /// Which.
    pub code: FrameErrorCode,
    /// A sentence for the one who writes the client.
    pub text: String,
    /// The call that the frame was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallName>,
    /// Why an offer was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The message that the frame was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<TextName>,
    /// The type of the frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl FrameError {
    /// The longest type that is said back.
    const LONGEST_ABOUT: usize = 32;

    /// An error of which nothing more is known.
    pub fn new(code: FrameErrorCode, text: impl Into<String>) -> FrameError {
        FrameError { code, text: text.into(), call: None, cause: None, id: None, about: None }
    }

    /// The same, in a call.
    pub fn in_call(self, call: Option<CallName>) -> FrameError {
        FrameError { call, ..self }
    }

    /// The same, for that cause.
    pub fn because(self, cause: Cause) -> FrameError {
        FrameError { cause: Some(cause), ..self }
    }

    /// The same, of a message.
    pub fn in_text(self, id: Option<TextName>) -> FrameError {
        FrameError { id, ..self }
    }

    /// The same, about a frame of that type.
    pub fn about(self, kind: &str) -> FrameError {
        FrameError { about: Some(kind.chars().take(Self::LONGEST_ABOUT).collect()), ..self }
    }
}
