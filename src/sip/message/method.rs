//! Methods (RFC 3261 §7.1).

use std::fmt;

use super::Text;

/// What a request asks for. Method names are case-sensitive, so `invite` is not INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// One of those that the standards name.
    Known(rsip::Method),
    /// Any other token: answered with 501, never rejected as malformed.
    Other(Text),
}

impl Method {
    /// INVITE
    pub const INVITE: Method = Method::Known(rsip::Method::Invite);
    /// ACK
    pub const ACK: Method = Method::Known(rsip::Method::Ack);
    /// BYE
    pub const BYE: Method = Method::Known(rsip::Method::Bye);
    /// CANCEL
    pub const CANCEL: Method = Method::Known(rsip::Method::Cancel);
    /// OPTIONS
    pub const OPTIONS: Method = Method::Known(rsip::Method::Options);
    /// REGISTER
    pub const REGISTER: Method = Method::Known(rsip::Method::Register);
    /// INFO (RFC 6086)
    pub const INFO: Method = Method::Known(rsip::Method::Info);
    /// REFER (RFC 3515)
    pub const REFER: Method = Method::Known(rsip::Method::Refer);
    /// NOTIFY (RFC 6665)
    pub const NOTIFY: Method = Method::Known(rsip::Method::Notify);
    /// SUBSCRIBE (RFC 6665)
    pub const SUBSCRIBE: Method = Method::Known(rsip::Method::Subscribe);
    /// MESSAGE (RFC 3428)
    pub const MESSAGE: Method = Method::Known(rsip::Method::Message);
    /// PRACK (RFC 3262)
    pub const PRACK: Method = Method::Known(rsip::Method::PRack);
    /// UPDATE (RFC 3311)
    pub const UPDATE: Method = Method::Known(rsip::Method::Update);

    /// Reads a method; the caller has made sure that it is a token.
    pub fn read(text: &Text) -> Method {
        match Method::look_up(text.as_bytes()) {
            Some(known) => Method::Known(known),
            None => Method::Other(text.clone()),
        }
    }

    pub(super) fn look_up(raw: &[u8]) -> Option<rsip::Method> {
        use rsip::Method::*;
        Some(match raw {
            b"ACK" => Ack,
            b"BYE" => Bye,
            b"CANCEL" => Cancel,
            b"INFO" => Info,
            b"INVITE" => Invite,
            b"MESSAGE" => Message,
            b"NOTIFY" => Notify,
            b"OPTIONS" => Options,
            b"PRACK" => PRack,
            b"PUBLISH" => Publish,
            b"REFER" => Refer,
            b"REGISTER" => Register,
            b"SUBSCRIBE" => Subscribe,
            b"UPDATE" => Update,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        use rsip::Method::*;
        match self {
            Method::Other(text) => text.as_str(),
            Method::Known(known) => match known {
                Ack => "ACK",
                Bye => "BYE",
                Cancel => "CANCEL",
                Info => "INFO",
                Invite => "INVITE",
                Message => "MESSAGE",
                Notify => "NOTIFY",
                Options => "OPTIONS",
                PRack => "PRACK",
                Publish => "PUBLISH",
                Refer => "REFER",
                Register => "REGISTER",
                Subscribe => "SUBSCRIBE",
                Update => "UPDATE",
            },
        }
    }
}

impl PartialEq<rsip::Method> for Method {
    fn eq(&self, other: &rsip::Method) -> bool {
        matches!(self, Method::Known(known) if known == other)
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Method {
        Method::Known(method)
    }
}

impl From<&str> for Method {
    fn from(text: &str) -> Method {
        Method::look_up(text.as_bytes()).map_or_else(|| Method::Other(text.into()), Method::Known)
    }
}

impl std::hash::Hash for Method {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
