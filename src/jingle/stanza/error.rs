//! Errors of stanzas (RFC 6120 §8.3), with the conditions of Jingle (XEP-0166 §10).

use xmpp_parsers::minidom::Element;
pub use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType};

use super::ns;
use super::xml::Tag;

/// `<error/>` of a stanza.
#[derive(Debug, Clone, PartialEq)]
pub struct StanzaError {
    /// Whether it helps to try again.
    pub kind: ErrorType,
    /// The condition; `undefined-condition` if the peer's is unknown.
    pub condition: DefinedCondition,
    /// What is wrong with a Jingle session, beside it.
    pub jingle: Option<JingleCondition>,
    /// The peer's own words.
    pub text: Option<String>,
}

/// What is wrong with a Jingle session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JingleCondition {
    /// The request cannot come at this point.
    OutOfOrder,
    /// Both sides asked for the same at once; the initiator's request prevails.
    TieBreak,
    /// There is no such session.
    UnknownSession,
    /// The payload of a `session-info` is unknown.
    UnsupportedInfo,
}

impl JingleCondition {
    /// The name of its element.
    pub fn name(self) -> &'static str {
        match self {
            JingleCondition::OutOfOrder => "out-of-order",
            JingleCondition::TieBreak => "tie-break",
            JingleCondition::UnknownSession => "unknown-session",
            JingleCondition::UnsupportedInfo => "unsupported-info",
        }
    }

    const ALL: [JingleCondition; 4] = [
        JingleCondition::OutOfOrder,
        JingleCondition::TieBreak,
        JingleCondition::UnknownSession,
        JingleCondition::UnsupportedInfo,
    ];
}

impl StanzaError {
    /// An error without words.
    pub fn new(kind: ErrorType, condition: DefinedCondition) -> StanzaError {
        StanzaError { kind, condition, jingle: None, text: None }
    }

    /// The request cannot be read.
    pub fn bad_request() -> StanzaError {
        StanzaError::new(ErrorType::Modify, DefinedCondition::BadRequest)
    }

    /// Nobody here answers that, or nobody may know (RFC 6120 §8.4).
    pub fn service_unavailable() -> StanzaError {
        StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable)
    }

    /// There is nothing of that name.
    pub fn item_not_found() -> StanzaError {
        StanzaError::new(ErrorType::Cancel, DefinedCondition::ItemNotFound)
    }

    /// Known, and not done here.
    pub fn not_implemented() -> StanzaError {
        StanzaError::new(ErrorType::Cancel, DefinedCondition::FeatureNotImplemented)
    }

    /// An error of a Jingle session, with the stanza error that XEP-0166 puts beside it (§10, table 3).
    pub fn jingle(condition: JingleCondition) -> StanzaError {
        let (kind, beside) = match condition {
            JingleCondition::OutOfOrder => (ErrorType::Wait, DefinedCondition::UnexpectedRequest),
            JingleCondition::TieBreak => (ErrorType::Cancel, DefinedCondition::Conflict),
            JingleCondition::UnknownSession => (ErrorType::Cancel, DefinedCondition::ItemNotFound),
            JingleCondition::UnsupportedInfo => (ErrorType::Modify, DefinedCondition::FeatureNotImplemented),
        };
        StanzaError { jingle: Some(condition), ..StanzaError::new(kind, beside) }
    }

    /// The same, with words.
    pub fn with_text(self, text: &str) -> StanzaError {
        StanzaError { text: Some(text.to_owned()), ..self }
    }

    /// The `<error/>` among the children of a stanza; one that says nothing is undefined.
    pub fn of<'a>(children: impl IntoIterator<Item = &'a Element>) -> StanzaError {
        let error = children.into_iter().find(|c| c.is("error", ns::CLIENT));
        error.map_or_else(
            || StanzaError::new(ErrorType::Cancel, DefinedCondition::UndefinedCondition),
            StanzaError::read,
        )
    }

    fn read(element: &Element) -> StanzaError {
        let kind = element.attr("type").and_then(|t| t.trim().parse().ok()).unwrap_or(ErrorType::Cancel);
        let stanza = |c: &&Element| c.has_ns(ns::STANZAS);
        let conditions = element.children().filter(stanza).filter(|c| c.name() != "text");
        let mut conditions = conditions.filter_map(|c| DefinedCondition::try_from(c.clone()).ok());
        let text = element.children().filter(stanza).find(|c| c.name() == "text");
        let jingle = element.children().find(|c| c.has_ns(ns::JINGLE_ERRORS));
        StanzaError {
            kind,
            condition: conditions.next().unwrap_or(DefinedCondition::UndefinedCondition),
            jingle: jingle.and_then(|j| JingleCondition::ALL.into_iter().find(|c| c.name() == j.name())),
            text: text.map(|t| t.text().trim().to_owned()).filter(|t| !t.is_empty()),
        }
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let kind = match self.kind {
            ErrorType::Auth => "auth",
            ErrorType::Cancel => "cancel",
            ErrorType::Continue => "continue",
            ErrorType::Modify => "modify",
            ErrorType::Wait => "wait",
        };
        Tag::new("error", ns::CLIENT)
            .with("type", kind)
            .children([Element::from(self.condition.clone())])
            .children(self.text.iter().map(|t| Tag::new("text", ns::STANZAS).text(t).build()))
            .children(self.jingle.map(|j| Element::bare(j.name(), ns::JINGLE_ERRORS)))
            .build()
    }
}
