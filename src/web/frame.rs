//! The frames of `docs/browser-protocol.md`, version 1, as types; those to a page are in `to_page.rs`.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{FrameError, FrameErrorCode};
use crate::model::{LONGEST_TEXT, UserToUser};

/// The version of the protocol.
pub const VERSION: u64 = 1;
/// The most candidates in one frame.
pub const MAX_CANDIDATES: usize = 64;
/// The most digits in one frame.
pub const MAX_DIGITS: usize = 32;

/// The name of a call on its connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CallName(String);

impl CallName {
    const LONGEST: usize = 32;

    /// A name of the gateway's.
    pub fn ours(n: u64) -> CallName {
        CallName(format!("g{n}"))
    }

    /// Whether it is one that only the gateway gives.
    pub fn is_ours(&self) -> bool {
        self.0.starts_with('g')
    }
}

impl TryFrom<String> for CallName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<CallName, Self::Error> {
        if is_name(&text) { Ok(CallName(text)) } else { Err("the name of a call is 1 to 32 characters of a-zA-Z0-9_-") }
    }
}

/// Whether the text can name a call or a message.
fn is_name(text: &str) -> bool {
    (1..=CallName::LONGEST).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The client's name of a message that it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TextName(String);

impl TryFrom<String> for TextName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<TextName, Self::Error> {
        if is_name(&text) {
            Ok(TextName(text))
        } else {
            Err("the id of a message is 1 to 32 characters of a-zA-Z0-9_-")
        }
    }
}

impl Borrow<str> for CallName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum FromClient {
    /// Opens the connection.
    Hello(Hello),
    /// Opens a call.
    Call(NewCall),
    /// Writes a message.
    Text(NewText),
    /// Says something in a call.
    InCall(CallName, Verb),
}

/// `hello`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Hello {
    /// The version that the client speaks.
    pub version: u64,
    /// A sign-in token.
    pub token: Option<String>,
    /// A token from an earlier `welcome`.
    pub resume: Option<String>,
}

/// `call`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NewCall {
    /// The name that the client gives it.
    pub call: CallName,
    /// What the person typed.
    pub to: String,
    /// The offer.
    pub sdp: String,
    /// What goes along, for the callee's system.
    #[serde(default)]
    pub user_to_user: Words,
}

/// `text`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NewText {
    /// The name that the client gives it.
    pub id: TextName,
    /// What the person typed.
    pub to: String,
    /// What was written.
    pub body: String,
}

/// What a client says in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// The page rings.
    Ringing,
    /// Picks up, or answers an offer.
    Answer(Sdp),
    /// Offers anew.
    Offer(Sdp),
    /// Cannot take an offer.
    Refuse,
    /// Trickled candidates.
    Candidates(CandidateLines),
    /// Put the other on hold or took it off.
    Hold(Switch),
    /// Muted its microphone or opened it.
    Mute(Switch),
    /// Asks that the talk is recorded, or not any more.
    Record(Switch),
    /// Wishes that the other be connected with somebody else.
    Transfer(TransferWish),
    /// Pressed keys.
    Dtmf(Digits),
    /// Asks for figures.
    Stats,
    /// Says something to the other party's system, with the next `answer` or `hangup`.
    UserToUser(WordsFrame),
    /// Ends the call, with the client's own cause.
    Hangup(HangupWish),
}

/// What is said to the other party's system (RFC 7433).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Words(pub UserToUser);

impl TryFrom<Vec<String>> for Words {
    type Error = &'static str;

    fn try_from(values: Vec<String>) -> Result<Words, Self::Error> {
        // They become headers of messages.
        let is_fit = |value: &String| {
            (1..=UserToUser::LONGEST).contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b))
        };
        if values.len() > UserToUser::MOST || !values.iter().all(is_fit) {
            return Err("words to a system are 8 at most, each of 1 to 512 characters of ASCII");
        }
        Ok(Words(UserToUser(values)))
    }
}

/// `user-to-user`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WordsFrame {
    /// What is said.
    pub data: Words,
}

/// A frame with a description.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Sdp {
    /// The description.
    pub sdp: String,
}

/// A frame that turns something on or off.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Switch {
    /// On or off.
    pub on: bool,
}

/// `transfer`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TransferWish {
    /// What the person typed.
    pub to: String,
    /// The client's call with whoever that is: the two calls are to become one.
    pub with: Option<CallName>,
}

/// `candidates`, both ways.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CandidateLines {
    /// The lines, `candidate:…`.
    pub candidates: Vec<String>,
    /// The stream they are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// The ICE session they belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ufrag: Option<String>,
    /// No more follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// `dtmf` from a client.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "DigitsText")]
pub struct Digits {
    /// The keys, in order.
    pub digits: Vec<char>,
    /// How long each is held.
    pub duration: Duration,
}

#[derive(Deserialize)]
struct DigitsText {
    digits: String,
    duration_ms: Option<u64>,
}

impl TryFrom<DigitsText> for Digits {
    type Error = &'static str;

    fn try_from(text: DigitsText) -> Result<Digits, Self::Error> {
        const DEFAULT_MS: u64 = 160;
        let digits: Vec<char> = text.digits.chars().take(MAX_DIGITS + 1).collect();
        if !(1..=MAX_DIGITS).contains(&digits.len()) || !digits.iter().all(|d| "0123456789*#ABCD".contains(*d)) {
            return Err("digits are 1 to 32 of 0-9*#A-D");
        }
        let duration_ms = text.duration_ms.unwrap_or(DEFAULT_MS);
        if !(40..=2000).contains(&duration_ms) {
            return Err("duration_ms is 40 to 2000");
        }
        Ok(Digits { digits, duration: Duration::from_millis(duration_ms) })
    }
}

/// `hangup`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HangupWish {
    /// The client's cause; what it may not say is as good as nothing.
    pub cause: Option<String>,
}

impl FromClient {
    /// Reads a frame.
    ///
    /// # Errors
    /// `bad-json` or `unknown-type`, with the name of the call and the type as far as they can be read.
    pub fn read(text: &str) -> Result<FromClient, FrameError> {
        let fields: Map<String, Value> = serde_json::from_str(text)
            .map_err(|e| FrameError::new(FrameErrorCode::BadJson, format!("not a JSON object: {e}")))?;
        let call = fields.get("call").and_then(Value::as_str).and_then(|n| CallName::try_from(n.to_owned()).ok());
        let Some(kind) = fields.get("type").and_then(Value::as_str).map(str::to_owned) else {
            return Err(FrameError::new(FrameErrorCode::BadJson, "the frame has no type").in_call(call));
        };
        let id = fields.get("id").and_then(Value::as_str).and_then(|n| TextName::try_from(n.to_owned()).ok());
        let id = id.filter(|_| kind == "text");
        Self::of_type(&kind, fields).map_err(|e| e.in_call(call).in_text(id).about(&kind))
    }

    fn of_type(kind: &str, fields: Map<String, Value>) -> Result<FromClient, FrameError> {
        let verb = match kind {
            "hello" => return Ok(FromClient::Hello(typed(fields)?)),
            "call" => return Ok(FromClient::Call(NewCall::checked(typed(fields)?)?)),
            "text" => return Ok(FromClient::Text(NewText::checked(typed(fields)?)?)),
            "ringing" => |_| Ok(Verb::Ringing),
            "answer" => |f| typed(f).map(Verb::Answer),
            "offer" => |f| typed(f).map(Verb::Offer),
            "refuse" => |_| Ok(Verb::Refuse),
            "candidates" => |f| CandidateLines::checked(typed(f)?).map(Verb::Candidates),
            "hold" => |f| typed(f).map(Verb::Hold),
            "mute" => |f| typed(f).map(Verb::Mute),
            "record" => |f| typed(f).map(Verb::Record),
            "transfer" => |f| typed(f).map(Verb::Transfer),
            "dtmf" => |f| typed(f).map(Verb::Dtmf),
            "stats" => |_| Ok(Verb::Stats),
            "user-to-user" => |f| typed(f).map(Verb::UserToUser),
            "hangup" => |f| typed(f).map(Verb::Hangup),
            _ => return Err(FrameError::new(FrameErrorCode::UnknownType, "version 1 has no frame of this type")),
        };
        let verb: fn(Map<String, Value>) -> Result<Verb, FrameError> = verb;
        let Some(name) = fields.get("call").cloned() else {
            return Err(FrameError::new(FrameErrorCode::BadJson, "missing field `call`"));
        };
        let name = serde_json::from_value(name).map_err(|e| FrameError::new(FrameErrorCode::BadJson, e.to_string()))?;
        Ok(FromClient::InCall(name, verb(fields)?))
    }

    /// The type of the frame.
    pub fn kind(&self) -> &'static str {
        match self {
            FromClient::Hello(_) => "hello",
            FromClient::Call(_) => "call",
            FromClient::Text(_) => "text",
            FromClient::InCall(_, verb) => verb.kind(),
        }
    }
}

impl Verb {
    /// The type of the frame.
    pub fn kind(&self) -> &'static str {
        match self {
            Verb::Ringing => "ringing",
            Verb::Answer(_) => "answer",
            Verb::Offer(_) => "offer",
            Verb::Refuse => "refuse",
            Verb::Candidates(_) => "candidates",
            Verb::Hold(_) => "hold",
            Verb::Mute(_) => "mute",
            Verb::Record(_) => "record",
            Verb::Transfer(_) => "transfer",
            Verb::Dtmf(_) => "dtmf",
            Verb::Stats => "stats",
            Verb::UserToUser(_) => "user-to-user",
            Verb::Hangup(_) => "hangup",
        }
    }
}

fn typed<T: serde::de::DeserializeOwned>(fields: Map<String, Value>) -> Result<T, FrameError> {
    serde_json::from_value(Value::Object(fields)).map_err(|e| FrameError::new(FrameErrorCode::BadJson, e.to_string()))
}

impl NewCall {
    fn checked(self) -> Result<NewCall, FrameError> {
        if self.call.is_ours() {
            return Err(FrameError::new(FrameErrorCode::BadJson, "a client's name of a call does not begin with g"));
        }
        Ok(self)
    }
}

impl NewText {
    fn checked(self) -> Result<NewText, FrameError> {
        if !(1..=LONGEST_TEXT).contains(&self.body.len()) {
            return Err(FrameError::new(FrameErrorCode::BadJson, "a message has 1 to 8192 bytes of UTF-8"));
        }
        Ok(self)
    }
}

impl CandidateLines {
    fn checked(self) -> Result<CandidateLines, FrameError> {
        if self.candidates.len() > MAX_CANDIDATES {
            return Err(FrameError::new(FrameErrorCode::BadJson, "a frame has at most 64 candidates"));
        }
        Ok(self)
    }
}
