//! Why a session ends (XEP-0166 §7.4); proposals of calls use it too (XEP-0353).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::Tag;

/// `<reason/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The condition.
    pub condition: Condition,
    /// The peer's own words.
    pub text: Option<String>,
}

/// The condition of a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Another session is there for it, with this sid if one was said.
    AlternativeSession(Option<String>),
    /// The party is busy.
    Busy,
    /// The initiator gave up.
    Cancel,
    /// No path for the media was found, or it broke.
    ConnectivityError,
    /// The party refuses.
    Decline,
    /// The session was there for too long.
    Expired,
    /// An application was agreed on and could not be begun.
    FailedApplication,
    /// A transport was agreed on and could not be begun.
    FailedTransport,
    /// Something else.
    GeneralError,
    /// The party is no longer there.
    Gone,
    /// The parameters are not acceptable.
    IncompatibleParameters,
    /// The media broke.
    MediaError,
    /// The protection is not acceptable.
    SecurityError,
    /// The call is over, and well.
    Success,
    /// Nobody answered in time.
    Timeout,
    /// None of the applications is known.
    UnsupportedApplications,
    /// None of the transports is known.
    UnsupportedTransports,
    /// Another, by its name; `undefined` if nothing was said.
    Other(String),
}

impl Condition {
    /// The name of its element.
    pub fn name(&self) -> &str {
        match self {
            Condition::AlternativeSession(_) => "alternative-session",
            Condition::Busy => "busy",
            Condition::Cancel => "cancel",
            Condition::ConnectivityError => "connectivity-error",
            Condition::Decline => "decline",
            Condition::Expired => "expired",
            Condition::FailedApplication => "failed-application",
            Condition::FailedTransport => "failed-transport",
            Condition::GeneralError => "general-error",
            Condition::Gone => "gone",
            Condition::IncompatibleParameters => "incompatible-parameters",
            Condition::MediaError => "media-error",
            Condition::SecurityError => "security-error",
            Condition::Success => "success",
            Condition::Timeout => "timeout",
            Condition::UnsupportedApplications => "unsupported-applications",
            Condition::UnsupportedTransports => "unsupported-transports",
            Condition::Other(name) => name,
        }
    }

    fn read(element: &Element) -> Condition {
        match element.name() {
            "alternative-session" => {
                let sid = element.get_child("sid", ns::JINGLE).map(Element::text);
                Condition::AlternativeSession(sid.map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()))
            }
            name => Condition::by_name(name),
        }
    }

    fn by_name(name: &str) -> Condition {
        const SIMPLE: [Condition; 16] = [
            Condition::Busy,
            Condition::Cancel,
            Condition::ConnectivityError,
            Condition::Decline,
            Condition::Expired,
            Condition::FailedApplication,
            Condition::FailedTransport,
            Condition::GeneralError,
            Condition::Gone,
            Condition::IncompatibleParameters,
            Condition::MediaError,
            Condition::SecurityError,
            Condition::Success,
            Condition::Timeout,
            Condition::UnsupportedApplications,
            Condition::UnsupportedTransports,
        ];
        SIMPLE.into_iter().find(|c| c.name() == name).unwrap_or_else(|| Condition::Other(name.to_owned()))
    }
}

impl Reason {
    /// A reason without words.
    pub fn new(condition: Condition) -> Reason {
        Reason { condition, text: None }
    }

    /// With words.
    pub fn with_text(condition: Condition, text: &str) -> Reason {
        Reason { condition, text: Some(text.to_owned()) }
    }

    /// The `<reason/>` among the children of an element, if there is one.
    pub fn of(parent: &Element) -> Option<Reason> {
        parent.children().find(|c| c.is("reason", ns::JINGLE)).map(Reason::read)
    }

    fn read(element: &Element) -> Reason {
        let inside = || element.children().filter(|c| c.has_ns(ns::JINGLE));
        let condition = inside().find(|c| c.name() != "text").map(Condition::read);
        let text = inside().find(|c| c.name() == "text").map(|t| t.text().trim().to_owned());
        Reason {
            condition: condition.unwrap_or_else(|| Condition::Other("undefined".into())),
            text: text.filter(|t| !t.is_empty()),
        }
    }

    /// Writes it. A condition of which only the name is known becomes `general-error`.
    pub fn write(&self) -> Element {
        let text = self.text.iter().map(|t| Tag::new("text", ns::JINGLE).text(t).build());
        let condition = match &self.condition {
            Condition::AlternativeSession(sid) => Tag::new("alternative-session", ns::JINGLE)
                .children(sid.iter().map(|sid| Tag::new("sid", ns::JINGLE).text(sid).build()))
                .build(),
            Condition::Other(_) => Element::bare(Condition::GeneralError.name(), ns::JINGLE),
            simple => Element::bare(simple.name(), ns::JINGLE),
        };
        Tag::new("reason", ns::JINGLE).children([condition]).children(text).build()
    }
}
