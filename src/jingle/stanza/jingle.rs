//! Sessions (XEP-0166).

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::grouping::Group;
use super::reason::Reason;
use super::roles::{Creator, Senders};
use super::xml::{Tag, attr, text_attr};
use super::{coin, ice_udp, ns, rtp};

/// The most contents of a `<jingle/>`.
pub const MAX_CONTENTS: usize = 32;
/// The most groups, and payloads of a `session-info`.
pub const MAX_GROUPS: usize = 8;
/// The longest session identifier and the longest name of a content, in bytes.
pub const LONGEST_NAME: usize = 256;

/// `<jingle/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Jingle {
    /// What is done.
    pub action: Action,
    /// The session.
    pub sid: String,
    /// Who initiated the session, if that is said and readable.
    pub initiator: Option<Jid>,
    /// Who answers, if that is said and readable.
    pub responder: Option<Jid>,
    /// The contents.
    pub contents: Vec<Content>,
    /// Contents that belong together.
    pub groups: Vec<Group>,
    /// Why it ends.
    pub reason: Option<Reason>,
    /// What a `session-info` says of the call.
    pub info: Vec<rtp::Info>,
    /// Whether the sender is the focus of a conference (XEP-0298), if that is said. Never read: of an IM client it would
    /// change nothing.
    pub focus: Option<bool>,
    /// There are other payloads, of which we know none: a `session-info` is then unsupported.
    pub unknown: bool,
}

impl Jingle {
    /// A bare action of a session.
    pub fn new(action: Action, sid: &str) -> Jingle {
        Jingle {
            action,
            sid: sid.to_owned(),
            initiator: None,
            responder: None,
            contents: Vec::new(),
            groups: Vec::new(),
            reason: None,
            info: Vec::new(),
            focus: None,
            unknown: false,
        }
    }

    /// Whether an element is one.
    pub fn is(element: &Element) -> bool {
        element.is("jingle", ns::JINGLE)
    }

    /// Reads one; `None` if it has no action or no session, or more contents than [`MAX_CONTENTS`], so that nobody
    /// could say what is meant.
    pub fn read(element: &Element) -> Option<Jingle> {
        if !Jingle::is(element) {
            return None;
        }
        let sid = text_attr(element, "sid").filter(|s| !s.is_empty() && s.len() <= LONGEST_NAME)?;
        let mut jingle = Jingle::new(Action::by_name(element.attr("action")?.trim()), &sid);
        jingle.initiator = attr(element, "initiator");
        jingle.responder = attr(element, "responder");
        jingle.reason = Reason::of(element);
        for child in element.children() {
            if child.is("content", ns::JINGLE) {
                jingle.contents.push(Content::read(child)?);
            } else if let Some(group) = Group::read(child) {
                if jingle.groups.len() < MAX_GROUPS {
                    jingle.groups.push(group);
                }
            } else if let Some(info) = rtp::Info::read(child) {
                if jingle.info.len() < MAX_GROUPS {
                    jingle.info.push(info);
                }
            } else if !child.is("reason", ns::JINGLE) {
                jingle.unknown = true;
            }
        }
        (jingle.contents.len() <= MAX_CONTENTS).then_some(jingle)
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        Tag::new("jingle", ns::JINGLE)
            .with("action", self.action.name())
            .with("sid", &self.sid)
            .maybe("initiator", self.initiator.as_ref())
            .maybe("responder", self.responder.as_ref())
            .children(self.contents.iter().map(Content::write))
            .children(self.groups.iter().map(Group::write))
            .children(self.info.iter().map(rtp::Info::write))
            .children(self.focus.map(coin::focus))
            .children(self.reason.iter().map(Reason::write))
            .build()
    }
}

/// `<content/>`: one stream of a session. Its name is unique together with its creator.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Who added it.
    pub creator: Creator,
    /// Its name.
    pub name: String,
    /// Who sends; `None` if nothing is said, which means both.
    pub senders: Option<Senders>,
    /// How it is meant to be taken (`session`, `early-session`), if that is said.
    pub disposition: Option<String>,
    /// What is sent.
    pub description: Option<Description>,
    /// How it travels.
    pub transport: Option<Transport>,
}

impl Content {
    /// A content of which nothing is said but its name.
    pub fn new(creator: Creator, name: &str) -> Content {
        Content { creator, name: name.to_owned(), senders: None, disposition: None, description: None, transport: None }
    }

    /// Reads one; `None` without a name. Without a creator it is the initiator's (some clients leave it out).
    fn read(element: &Element) -> Option<Content> {
        let name = text_attr(element, "name").filter(|n| !n.is_empty() && n.len() <= LONGEST_NAME)?;
        Some(Content {
            creator: attr(element, "creator").unwrap_or(Creator::Initiator),
            name,
            senders: attr(element, "senders"),
            disposition: text_attr(element, "disposition"),
            description: element.children().find(|c| c.name() == "description").map(Description::read),
            transport: element.children().find(|c| c.name() == "transport").map(Transport::read),
        })
    }

    fn write(&self) -> Element {
        let description = self.description.as_ref().map(|description| match description {
            Description::Rtp(description) => description.write(),
            Description::Other(namespace) => Element::bare("description", namespace.as_str()),
        });
        let transport = self.transport.as_ref().map(|transport| match transport {
            Transport::IceUdp(transport) => transport.write(),
            Transport::Other(namespace) => Element::bare("transport", namespace.as_str()),
        });
        Tag::new("content", ns::JINGLE)
            .with("creator", self.creator.name())
            .with("name", &self.name)
            .maybe("senders", self.senders.map(Senders::name))
            .maybe("disposition", self.disposition.as_ref())
            .children(description)
            .children(transport)
            .build()
    }

    /// What is sent, if it is RTP.
    pub fn rtp(&self) -> Option<&rtp::Description> {
        match &self.description {
            Some(Description::Rtp(description)) => Some(description),
            _ => None,
        }
    }

    /// How it travels, if that is ICE.
    pub fn ice(&self) -> Option<&ice_udp::Transport> {
        match &self.transport {
            Some(Transport::IceUdp(transport)) => Some(transport),
            _ => None,
        }
    }
}

/// What a content sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Description {
    /// RTP (XEP-0167).
    Rtp(Box<rtp::Description>),
    /// An application we do not know, by its namespace.
    Other(String),
}

impl Description {
    fn read(element: &Element) -> Description {
        match element.has_ns(ns::RTP) {
            true => Description::Rtp(Box::new(rtp::Description::read(element))),
            false => Description::Other(element.ns()),
        }
    }
}

/// How a content travels.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport {
    /// ICE (XEP-0176).
    IceUdp(Box<ice_udp::Transport>),
    /// A transport we do not know, by its namespace.
    Other(String),
}

impl Transport {
    fn read(element: &Element) -> Transport {
        match element.has_ns(ns::ICE_UDP) {
            true => Transport::IceUdp(Box::new(ice_udp::Transport::read(element))),
            false => Transport::Other(element.ns()),
        }
    }
}

/// What a `<jingle/>` does (XEP-0166 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Accepts a content that the peer added.
    ContentAccept,
    /// Adds a content.
    ContentAdd,
    /// Changes who sends in a content.
    ContentModify,
    /// Refuses a content that the peer added.
    ContentReject,
    /// Removes a content.
    ContentRemove,
    /// Tells more of a description, without negotiation.
    DescriptionInfo,
    /// Says something about security.
    SecurityInfo,
    /// Accepts the session.
    SessionAccept,
    /// Says something about the session; without a payload it asks whether the session is there.
    SessionInfo,
    /// Begins the session.
    SessionInitiate,
    /// Ends the session, or refuses it.
    SessionTerminate,
    /// Accepts another transport.
    TransportAccept,
    /// Tells more of a transport: candidates.
    TransportInfo,
    /// Refuses another transport.
    TransportReject,
    /// Wants another transport.
    TransportReplace,
    /// One we do not know.
    Other(String),
}

impl Action {
    const KNOWN: [Action; 15] = [
        Action::ContentAccept,
        Action::ContentAdd,
        Action::ContentModify,
        Action::ContentReject,
        Action::ContentRemove,
        Action::DescriptionInfo,
        Action::SecurityInfo,
        Action::SessionAccept,
        Action::SessionInfo,
        Action::SessionInitiate,
        Action::SessionTerminate,
        Action::TransportAccept,
        Action::TransportInfo,
        Action::TransportReject,
        Action::TransportReplace,
    ];

    /// The name of the attribute's value.
    pub fn name(&self) -> &str {
        match self {
            Action::ContentAccept => "content-accept",
            Action::ContentAdd => "content-add",
            Action::ContentModify => "content-modify",
            Action::ContentReject => "content-reject",
            Action::ContentRemove => "content-remove",
            Action::DescriptionInfo => "description-info",
            Action::SecurityInfo => "security-info",
            Action::SessionAccept => "session-accept",
            Action::SessionInfo => "session-info",
            Action::SessionInitiate => "session-initiate",
            Action::SessionTerminate => "session-terminate",
            Action::TransportAccept => "transport-accept",
            Action::TransportInfo => "transport-info",
            Action::TransportReject => "transport-reject",
            Action::TransportReplace => "transport-replace",
            Action::Other(name) => name,
        }
    }

    /// The action of that name.
    pub fn by_name(name: &str) -> Action {
        Action::KNOWN.into_iter().find(|a| a.name() == name).unwrap_or_else(|| Action::Other(name.to_owned()))
    }
}
