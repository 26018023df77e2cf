//! Why a stream cannot be had, or ends.

use std::io;

use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

/// Why a stream cannot be had, or ends. The text is one sentence for an operator, without the full stop.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The network, or the server's machine.
    #[error("{0}")]
    Network(#[source] io::Error),
    /// The server says something that is not XML, or not XMPP.
    #[error("the server's XML is wrong: {0}")]
    Malformed(String),
    /// The server does not know us, or not by this secret.
    #[error("the server refuses the login: {0}")]
    Refused(String),
    /// The server ends the stream (RFC 6120 §4.9).
    #[error("the server ends the stream: {0}")]
    Ended(String),
    /// The same account has signed in elsewhere with the same resource.
    #[error("the account has signed in with the same resource elsewhere: {0}")]
    Conflict(String),
    /// The server closes the stream without a reason.
    #[error("the server closes the stream")]
    Closed,
    /// The server can do nothing that we can, or may, do.
    #[error("{0}")]
    Unsupported(String),
    /// Nothing was heard for too long.
    #[error("the server does not answer")]
    Silent,
    /// The server takes less than we send.
    #[error("the server is too slow for what is sent to it")]
    Slow,
    /// A stanza of ours cannot be written.
    #[error("a stanza cannot be written: {0}")]
    Unwritable(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::torn(),
            _ => Fault::Network(error),
        }
    }
}

impl Fault {
    /// The connection ends, and nobody said why.
    pub fn torn() -> Fault {
        Fault::Network(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ends without a word"))
    }

    /// An error of the XML encoder.
    pub fn unwritable(error: impl std::fmt::Display) -> Fault {
        Fault::Unwritable(error.to_string())
    }

    /// From a `<stream:error/>` (RFC 6120 §4.9.3).
    pub fn from_stream_error(error: &Element) -> Fault {
        let condition = error.children().find(|child| child.ns() == ns::XMPP_STREAMS && child.name() != "text");
        let condition = condition.map_or("undefined-condition", Element::name);
        let text = error.get_child("text", ns::XMPP_STREAMS).map(Element::text).filter(|text| !text.is_empty());
        let sentence = text.map_or(condition.to_owned(), |text| format!("{condition}, {text}"));
        match condition {
            "not-authorized" => Fault::Refused(sentence),
            "conflict" => Fault::Conflict(sentence),
            _ => Fault::Ended(sentence),
        }
    }

    /// Whether trying again soon is pointless, or would hurt somebody: only a person can mend it.
    pub fn is_stubborn(&self) -> bool {
        matches!(self, Fault::Refused(_) | Fault::Conflict(_) | Fault::Unsupported(_))
    }
}
