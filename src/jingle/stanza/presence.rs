//! Presence (RFC 6121 §4).

use xmpp_parsers::caps::Caps;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::error::StanzaError;
use super::ns;
use super::xml::Tag;

/// `<presence/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// Who sends it.
    pub from: Option<Jid>,
    /// To whom.
    pub to: Option<Jid>,
    /// Its name.
    pub id: Option<String>,
    /// What it says.
    pub kind: PresenceKind,
    /// What it says beyond that: caps, show, priority.
    pub children: Vec<Element>,
}

/// What a presence says (RFC 6121 §4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceKind {
    /// The resource is there.
    Available,
    /// The resource has gone.
    Unavailable,
    /// Asks for the presence from now on.
    Subscribe,
    /// Grants that.
    Subscribed,
    /// Wants it no more.
    Unsubscribe,
    /// Grants it no more.
    Unsubscribed,
    /// A server asks for the presence now.
    Probe,
    /// An error of a presence of ours.
    Error,
}

impl PresenceKind {
    /// All of them.
    pub const ALL: [PresenceKind; 8] = [
        PresenceKind::Available,
        PresenceKind::Unavailable,
        PresenceKind::Subscribe,
        PresenceKind::Subscribed,
        PresenceKind::Unsubscribe,
        PresenceKind::Unsubscribed,
        PresenceKind::Probe,
        PresenceKind::Error,
    ];

    /// The name of the attribute's value; [`PresenceKind::Available`] has none.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            PresenceKind::Available => return None,
            PresenceKind::Unavailable => "unavailable",
            PresenceKind::Subscribe => "subscribe",
            PresenceKind::Subscribed => "subscribed",
            PresenceKind::Unsubscribe => "unsubscribe",
            PresenceKind::Unsubscribed => "unsubscribed",
            PresenceKind::Probe => "probe",
            PresenceKind::Error => "error",
        })
    }
}

impl Presence {
    /// A presence without more.
    pub fn new(kind: PresenceKind, from: &Jid, to: &Jid) -> Presence {
        Presence { from: Some(from.clone()), to: Some(to.clone()), id: None, kind, children: Vec::new() }
    }

    /// The same with a child more.
    pub fn with(mut self, child: Element) -> Presence {
        self.children.push(child);
        self
    }

    /// What the sender can (XEP-0115), if it says so readably.
    pub fn caps(&self) -> Option<Caps> {
        let caps = self.children.iter().find(|c| c.is("c", ns::CAPS))?;
        Caps::try_from(caps.clone()).ok()
    }

    /// How much the sender wants messages here (RFC 6121 §4.7.2.3); 0 if nothing readable is said.
    pub fn priority(&self) -> i8 {
        let priority = self.children.iter().find(|c| c.is("priority", ns::CLIENT));
        priority.and_then(|p| p.text().trim().parse().ok()).unwrap_or(0)
    }

    /// What is wrong, of a presence that is an error.
    pub fn stanza_error(&self) -> Option<StanzaError> {
        (self.kind == PresenceKind::Error).then(|| StanzaError::of(&self.children))
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        Tag::new("presence", ns::CLIENT)
            .maybe("from", self.from.as_ref())
            .maybe("to", self.to.as_ref())
            .maybe("id", self.id.as_ref())
            .maybe("type", self.kind.name())
            .children(self.children.iter().cloned())
            .build()
    }
}
