//! Calls by message (XEP-0353), before there is a session.

use xmpp_parsers::minidom::Element;

use super::jingle::LONGEST_NAME;
use super::ns;
use super::reason::Reason;
use super::xml::{Tag, text_attr};

/// The most descriptions of a proposal.
const MAX_DESCRIPTIONS: usize = 8;

/// A word about a call that may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JingleMessage {
    /// The call; the session that follows has it as its `sid`.
    pub id: String,
    /// What is said.
    pub word: Word,
}

/// What is said of a call that may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Somebody would like to call.
    Propose {
        /// The media of RTP descriptions: `audio`, `video`. Empty for a proposal of something else than a call.
        media: Vec<String>,
    },
    /// A device rings.
    Ringing,
    /// This device takes the call; the session may begin.
    Proceed,
    /// Another device of the same account took it (version 0.3 of the XEP; Dino still says it).
    Accept,
    /// The callee refuses, on all devices.
    Reject {
        /// Why, if that was said.
        reason: Option<Reason>,
        /// Because both sides proposed at once.
        tie_break: bool,
    },
    /// The caller gave up.
    Retract {
        /// Why, if that was said.
        reason: Option<Reason>,
        /// Because both sides proposed at once.
        tie_break: bool,
    },
    /// The session is over, for the histories of other devices.
    Finish {
        /// Why, if that was said.
        reason: Option<Reason>,
        /// The session that replaces it.
        migrated: Option<String>,
    },
}

impl JingleMessage {
    /// What is said of the call `id`.
    pub fn new(id: &str, word: Word) -> JingleMessage {
        JingleMessage { id: id.to_owned(), word }
    }

    /// Reads a child of a message; `None` if it is none or names no call.
    pub fn read(element: &Element) -> Option<JingleMessage> {
        if !element.has_ns(ns::JINGLE_MESSAGE) {
            return None;
        }
        let reason = || Reason::of(element);
        let tie_break = || element.has_child("tie-break", ns::JINGLE_MESSAGE);
        let word = match element.name() {
            "propose" => {
                let descriptions = element.children().filter(|c| c.is("description", ns::RTP));
                Word::Propose {
                    media: descriptions.filter_map(|d| text_attr(d, "media")).take(MAX_DESCRIPTIONS).collect(),
                }
            }
            "ringing" => Word::Ringing,
            "proceed" => Word::Proceed,
            "accept" => Word::Accept,
            "reject" => Word::Reject { reason: reason(), tie_break: tie_break() },
            "retract" => Word::Retract { reason: reason(), tie_break: tie_break() },
            "finish" => {
                let migrated = element.get_child("migrated", ns::JINGLE_MESSAGE);
                Word::Finish { reason: reason(), migrated: migrated.and_then(|m| text_attr(m, "to")) }
            }
            _ => return None,
        };
        let id = text_attr(element, "id").filter(|id| !id.is_empty() && id.len() <= LONGEST_NAME)?;
        Some(JingleMessage { id, word })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let tag = |name| Tag::new(name, ns::JINGLE_MESSAGE).with("id", &self.id);
        let ended = |name, reason: &Option<Reason>, tie_break| {
            let tag = tag(name).children(reason.iter().map(Reason::write));
            tag.flag(tie_break, "tie-break", ns::JINGLE_MESSAGE)
        };
        let tag = match &self.word {
            Word::Propose { media } => {
                let description = |media| Tag::new("description", ns::RTP).with("media", media).build();
                tag("propose").children(media.iter().map(description))
            }
            Word::Ringing => tag("ringing"),
            Word::Proceed => tag("proceed"),
            Word::Accept => tag("accept"),
            Word::Reject { reason, tie_break } => ended("reject", reason, *tie_break),
            Word::Retract { reason, tie_break } => ended("retract", reason, *tie_break),
            Word::Finish { reason, migrated } => {
                let migrated = migrated.iter();
                let migrated = migrated.map(|to| Tag::new("migrated", ns::JINGLE_MESSAGE).with("to", to).build());
                ended("finish", reason, false).children(migrated)
            }
        };
        tag.build()
    }
}
