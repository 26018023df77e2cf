//! Messages (RFC 6121 §5), with what calls say in them: proposals (XEP-0353), hints (XEP-0334), receipts
//! (XEP-0184) and delays (XEP-0203).

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::error::StanzaError;
use super::jingle_message::JingleMessage;
use super::ns;
use super::xml::{Tag, text_attr};

/// `<message/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who sends it.
    pub from: Option<Jid>,
    /// To whom.
    pub to: Option<Jid>,
    /// Its name.
    pub id: Option<String>,
    /// In which context it is meant.
    pub kind: MessageKind,
    /// What it says.
    pub children: Vec<Element>,
}

/// In which context a message is meant (RFC 6121 §5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageKind {
    /// A conversation of two.
    Chat,
    /// An error of a message of ours.
    Error,
    /// A conversation of many.
    Groupchat,
    /// News, to which nobody answers.
    Headline,
    /// By itself; an unknown type counts as this (§5.2.2).
    #[default]
    Normal,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [MessageKind; 5] =
        [MessageKind::Chat, MessageKind::Error, MessageKind::Groupchat, MessageKind::Headline, MessageKind::Normal];

    /// The name of the attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            MessageKind::Chat => "chat",
            MessageKind::Error => "error",
            MessageKind::Groupchat => "groupchat",
            MessageKind::Headline => "headline",
            MessageKind::Normal => "normal",
        }
    }
}

impl Message {
    /// An empty message of a conversation of two.
    pub fn chat(from: &Jid, to: &Jid, id: &str) -> Message {
        Message {
            from: Some(from.clone()),
            to: Some(to.clone()),
            id: Some(id.to_owned()),
            kind: MessageKind::Chat,
            children: Vec::new(),
        }
    }

    /// A word about a call, which servers keep for the devices that are away (XEP-0353 §3: the hint).
    pub fn of_call(from: &Jid, to: &Jid, id: &str, word: &JingleMessage) -> Message {
        Message::chat(from, to, id).with(word.write()).with(Element::bare("store", ns::HINTS))
    }

    /// A message with a text.
    pub fn of_text(from: &Jid, to: &Jid, id: &str, body: &str) -> Message {
        Message::chat(from, to, id).with(Tag::new("body", ns::CLIENT).text(body).build())
    }

    /// The receipt of the message `id` (XEP-0184 §5).
    pub fn receipt(from: &Jid, to: &Jid, id: &str, received: &str) -> Message {
        let receipt = Tag::new("received", ns::RECEIPTS).with("id", received).build();
        Message::chat(from, to, id).with(receipt).with(Element::bare("store", ns::HINTS))
    }

    /// The same with a child more.
    pub fn with(mut self, child: Element) -> Message {
        self.children.push(child);
        self
    }

    /// The same, asking for a receipt.
    pub fn asking_receipt(self) -> Message {
        self.with(Element::bare("request", ns::RECEIPTS))
    }

    /// The answer that it was not delivered; `None` to an error or a message from nobody (RFC 6120 §8.3.1).
    pub fn error(&self, error: &StanzaError) -> Option<Message> {
        if self.kind == MessageKind::Error || self.from.is_none() {
            return None;
        }
        Some(Message {
            from: self.to.clone(),
            to: self.from.clone(),
            id: self.id.clone(),
            kind: MessageKind::Error,
            children: vec![error.write()],
        })
    }

    /// The first child of that name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.is(name, namespace))
    }

    /// Its text, untouched: the body without a language of its own, otherwise the first.
    pub fn body(&self) -> Option<String> {
        let bodies = || self.children.iter().filter(|c| c.is("body", ns::CLIENT));
        let is_plain = |c: &&Element| c.attrs().iter().all(|((_, name), _)| name != "lang");
        bodies().find(is_plain).or_else(|| bodies().next()).map(Element::text)
    }

    /// What it says of a call that may come.
    pub fn jingle_message(&self) -> Option<JingleMessage> {
        self.children.iter().find_map(JingleMessage::read)
    }

    /// Whether it was kept somewhere on the way and is delivered late (XEP-0203).
    pub fn is_delayed(&self) -> bool {
        self.child("delay", ns::DELAY).is_some()
    }

    /// Whether its sender wants a receipt (XEP-0184).
    pub fn asks_receipt(&self) -> bool {
        self.child("request", ns::RECEIPTS).is_some()
    }

    /// The message of ours that it is the receipt of (XEP-0184).
    pub fn received(&self) -> Option<String> {
        self.child("received", ns::RECEIPTS).and_then(|r| text_attr(r, "id"))
    }

    /// What is wrong, of a message that is an error.
    pub fn stanza_error(&self) -> Option<StanzaError> {
        (self.kind == MessageKind::Error).then(|| StanzaError::of(&self.children))
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let kind = Some(self.kind).filter(|k| *k != MessageKind::Normal);
        Tag::new("message", ns::CLIENT)
            .maybe("from", self.from.as_ref())
            .maybe("to", self.to.as_ref())
            .maybe("id", self.id.as_ref())
            .maybe("type", kind.map(MessageKind::name))
            .children(self.children.iter().cloned())
            .build()
    }
}
