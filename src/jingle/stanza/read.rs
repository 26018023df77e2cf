//! Which stanza an element is.

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::{Element, Node};

use super::error::StanzaError;
use super::iq::{Iq, IqKind};
use super::message::{Message, MessageKind};
use super::ns;
use super::presence::{Presence, PresenceKind};
use super::xml::{Tag, text_attr};

/// The most elements within elements, the stanza itself not counted. A call's
/// deepest, a format's parameter, is the fifth; one forwarded in an archive not many more.
pub const MAX_DEPTH: usize = 32;
/// The longest name of a stanza, in bytes.
const LONGEST_ID: usize = 1024;

/// A stanza.
#[derive(Debug, Clone, PartialEq)]
pub enum Stanza {
    /// A request, or the answer to one.
    Iq(Iq),
    /// A message.
    Message(Message),
    /// A presence.
    Presence(Presence),
    /// One that cannot be read.
    Malformed(Malformed),
}

/// A stanza that cannot be read, with what could be read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    /// The name of the element: `iq`, `message`, `presence` or another.
    pub name: String,
    /// Its `type`.
    pub kind: Option<String>,
    /// Its name.
    pub id: Option<String>,
    /// Who sends it, as it was said.
    pub from: Option<String>,
    /// To whom, as it was said.
    pub to: Option<String>,
    /// What is wrong, in one sentence.
    pub why: &'static str,
}

impl Malformed {
    /// The answer that a request deserves (RFC 6120 §8.2.3: every request has one). `None` for what is no request,
    /// and where nobody is there to be answered.
    pub fn answer(&self) -> Option<Element> {
        let id = self.id.as_ref().filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)?;
        let is_answer = matches!(self.kind.as_deref(), Some("result" | "error"));
        let from = self.from.as_ref().filter(|from| Jid::new(from).is_ok())?;
        if self.name != "iq" || is_answer {
            return None;
        }
        let answer = Tag::new("iq", ns::CLIENT)
            .maybe("from", self.to.as_ref().filter(|to| Jid::new(to).is_ok()))
            .with("to", from)
            .with("id", id)
            .with("type", "error")
            .children([StanzaError::bad_request().with_text(self.why).write()]);
        Some(answer.build())
    }
}

/// Sorts a stanza of the namespace `jabber:client`.
pub fn read(mut element: Element) -> Stanza {
    let sorted = if is_deep(&element) {
        dismantle(&mut element);
        Err("The stanza is nested too deeply.")
    } else {
        sort(&element)
    };
    sorted.unwrap_or_else(|why| {
        Stanza::Malformed(Malformed {
            name: element.name().to_owned(),
            kind: text_attr(&element, "type"),
            id: text_attr(&element, "id"),
            from: text_attr(&element, "from"),
            to: text_attr(&element, "to"),
            why,
        })
    })
}

fn sort(element: &Element) -> Result<Stanza, &'static str> {
    if !element.has_ns(ns::CLIENT) {
        return Err("The element is no stanza.");
    }
    let (from, to) = (jid(element, "from")?, jid(element, "to")?);
    let id = text_attr(element, "id").filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.len() > LONGEST_ID) {
        return Err("The id of the stanza is too long.");
    }
    let kind = element.attr("type").unwrap_or_default();
    let children = || element.children().cloned().collect();
    Ok(match element.name() {
        "iq" => Stanza::Iq(Iq { from, to, id: id.ok_or("The request has no id.")?, kind: iq_kind(element, kind)? }),
        "message" => {
            let kind = MessageKind::ALL.into_iter().find(|k| k.name() == kind).unwrap_or_default();
            Stanza::Message(Message { from, to, id, kind, children: children() })
        }
        "presence" => {
            let kind = PresenceKind::ALL.into_iter().find(|k| k.name().unwrap_or_default() == kind);
            let kind = kind.ok_or("The type of the presence is unknown.")?;
            Stanza::Presence(Presence { from, to, id, kind, children: children() })
        }
        _ => return Err("The element is no stanza."),
    })
}

fn iq_kind(element: &Element, kind: &str) -> Result<IqKind, &'static str> {
    let payload = element.children().next();
    Ok(match kind {
        "get" => IqKind::Get(payload.ok_or("The request asks for nothing.")?.clone()),
        "set" => IqKind::Set(payload.ok_or("The request asks for nothing.")?.clone()),
        "result" => IqKind::Result(payload.cloned()),
        "error" => IqKind::Error(StanzaError::of(element.children())),
        _ => return Err("The type of the request is unknown."),
    })
}

/// An address of a stanza; ill-formed is an error, absent is not.
fn jid(element: &Element, name: &str) -> Result<Option<Jid>, &'static str> {
    let jid = element.attr(name).filter(|j| !j.is_empty()).map(Jid::new).transpose();
    jid.map_err(|_| "An address of the stanza is no JID.")
}

/// Whether it is deeper than [`MAX_DEPTH`], found without recursion.
fn is_deep(element: &Element) -> bool {
    let mut level: Vec<&Element> = vec![element];
    for _ in 0..=MAX_DEPTH {
        level = level.into_iter().flat_map(Element::children).collect();
        if level.is_empty() {
            return false;
        }
    }
    true
}

/// Takes an element apart level by level: dropped as a whole, a deep one would overflow the stack.
fn dismantle(element: &mut Element) {
    let mut nodes = element.take_nodes();
    while let Some(node) = nodes.pop() {
        if let Node::Element(mut inner) = node {
            nodes.append(&mut inner.take_nodes());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jingle::stanza::DefinedCondition;

    fn stanza(text: &str) -> Stanza {
        read(text.parse().unwrap())
    }

    fn malformed(text: &str) -> Malformed {
        match stanza(text) {
            Stanza::Malformed(malformed) => malformed,
            other => panic!("{other:?} can be read"),
        }
    }

    #[test]
    fn a_request_that_cannot_be_read_is_answered_with_bad_request() {
        for text in [
            "<iq xmlns='jabber:client' type='set' id='1' from='a@b/c' to='d'/>",
            "<iq xmlns='jabber:client' type='bogus' id='1' from='a@b/c' to='d'><x/></iq>",
        ] {
            let answer = malformed(text).answer().unwrap();
            let Stanza::Iq(Iq { kind: IqKind::Error(error), to, id, .. }) = read(answer) else { panic!("an answer") };
            assert_eq!(error.condition, DefinedCondition::BadRequest);
            assert_eq!((to.unwrap().as_str(), id.as_str()), ("a@b/c", "1"));
        }
    }

    #[test]
    fn what_is_no_request_or_comes_from_nowhere_is_not_answered() {
        for text in [
            "<iq xmlns='jabber:client' type='bogus' from='a@b/c'><x/></iq>",
            "<iq xmlns='jabber:client' type='set' id='1' from='@'><x/></iq>",
            "<presence xmlns='jabber:client' type='bogus' id='1' from='a@b/c'/>",
            "<bogus xmlns='jabber:client' id='1' from='a@b/c'/>",
        ] {
            assert_eq!(malformed(text).answer(), None, "{text}");
        }
    }

    #[test]
    fn an_error_that_says_nothing_known_is_still_an_error() {
        let text = "<iq xmlns='jabber:client' type='error' id='1'><q xmlns='urn:x'/><error type='odd'>
            <odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
        let Stanza::Iq(Iq { kind: IqKind::Error(error), .. }) = stanza(text) else { panic!("an error") };
        assert_eq!(error.condition, DefinedCondition::UndefinedCondition);
    }

    #[test]
    fn a_stanza_of_a_hundred_thousand_levels_is_malformed_and_harmless() {
        let mut deep = Element::bare("x", "urn:x");
        for _ in 0..100_000 {
            let mut outer = Element::bare("x", "urn:x");
            outer.append_child(deep);
            deep = outer;
        }
        let mut message = Element::bare("message", ns::CLIENT);
        message.append_child(deep);
        assert!(matches!(read(message), Stanza::Malformed(_)));
    }
}
