//! A connection whose stream comes and goes: what the calls say meanwhile waits.

use std::collections::VecDeque;

use xmpp_parsers::minidom::Element;

use crate::jingle::stanza::{Action, Jingle, JingleMessage, Word, ns};

/// The most stanzas that wait for a stream. Above it the oldest go that do not end a call.
pub const MAX_WAITING: usize = 1024;

/// The stream of a connection.
#[derive(Debug)]
pub enum Link {
    /// It is up.
    Up,
    /// It is lost, or not yet there; with what waits for it.
    Down(VecDeque<Element>),
}

impl Default for Link {
    fn default() -> Link {
        Link::Down(VecDeque::new())
    }
}

impl Link {
    /// The stream is up: what has waited for it.
    pub fn up(&mut self) -> VecDeque<Element> {
        match std::mem::replace(self, Link::Up) {
            Link::Up => VecDeque::new(),
            Link::Down(waiting) => waiting,
        }
    }

    /// The stream is lost.
    pub fn down(&mut self) {
        if let Link::Up = self {
            *self = Link::default();
        }
    }

    /// A stanza is to be sent: gives it back if it can leave now.
    pub fn send(&mut self, stanza: Element) -> Option<Element> {
        let Link::Down(waiting) = self else { return Some(stanza) };
        if waiting.len() >= MAX_WAITING {
            let dispensable = waiting.iter().position(|s| !ends_a_call(s)).unwrap_or(0);
            waiting.remove(dispensable);
        }
        waiting.push_back(stanza);
        None
    }
}

/// Whether a stanza says that a call is over; lost, it would ring on or stay up on the other side.
fn ends_a_call(stanza: &Element) -> bool {
    let is_terminate = |c: &Element| {
        c.has_ns(ns::JINGLE) && c.attr("action") == Some(Action::SessionTerminate.name()) && Jingle::is(c)
    };
    let is_end = |c: &Element| {
        let word = JingleMessage::read(c).map(|m| m.word);
        matches!(word, Some(Word::Retract { .. } | Word::Reject { .. } | Word::Finish { .. }))
    };
    stanza.children().any(|c| is_terminate(c) || is_end(c))
}
