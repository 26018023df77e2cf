//! A description as the contents of a session, and back: one file a question.
//!
//! Jingle names who described something by role, and so does everything here: [`Creator::Initiator`] is the side that
//! began the session, whoever makes an offer in it. The slots of a description (RFC 3264 §8) are kept beside the
//! session in [`Slots`], because Jingle knows only the contents that live.

pub mod candidates;
mod codecs;
pub mod direction;
mod extensions;
mod groups;
mod slots;
mod sources;
mod streams;
#[cfg(test)]
mod tests;
mod transport;

pub use slots::{Slot, Slots};

use super::stanza::grouping::Group;
use super::stanza::{Content, Creator, Jingle};
use crate::model::{Description, Stream};

/// What one side says of its media.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contents {
    /// The contents that live, in the order of their slots.
    pub contents: Vec<Content>,
    /// Contents that belong together.
    pub groups: Vec<Group>,
    /// The slots of an answer that stay empty: contents to leave out of `session-accept`, and to reject.
    pub refused: Vec<Slot>,
}

impl Contents {
    /// Puts the contents and groups into a `<jingle/>`.
    pub fn put(self, jingle: &mut Jingle) {
        jingle.contents = self.contents;
        jingle.groups = self.groups;
    }
}

/// A description that a peer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearing {
    /// The role of the peer that describes.
    pub describer: Creator,
    /// No candidates follow the peer's descriptions, by what is known of it.
    pub batch: bool,
}

impl Hearing {
    /// Reads the contents of an offer (`session-initiate`, `content-add`) into slots behind those that are there.
    /// For a first offer both are empty.
    pub fn offer(&self, jingle: &Jingle, description: &mut Description, slots: &mut Slots) {
        for content in &jingle.contents {
            let mid = slots.add_heard(content, &jingle.contents);
            let mut stream = Stream { mid: Some(mid), ..self.stream(content, true, &jingle.groups) };
            extensions::keep_true(&mut stream, slots.0.last());
            description.streams.push(stream);
        }
        groups::read(&jingle.groups, slots, &mut description.groups);
    }

    /// Reads the contents of an answer (`session-accept`, `content-accept`). The answer has the slots of what was
    /// offered, refused where there is no content, and says nowhere more than the offer allows.
    pub fn answer(&self, jingle: &Jingle, offered: &Description, slots: &Slots) -> Description {
        let stream = |(at, offered): (usize, &Stream)| {
            let slot = slots.0.get(at);
            let content = slot.and_then(|slot| slot.of(&jingle.contents));
            let content = content.filter(|c| offered.accepted && c.rtp().is_some());
            let Some(content) = content else { return streams::refused(offered) };
            let mut heard = self.stream(content, false, &jingle.groups);
            extensions::keep_true(&mut heard, slot);
            Stream {
                mid: offered.mid.clone(),
                kind: offered.kind.clone(),
                direction: heard.direction.answering(offered.direction),
                ..heard
            }
        };
        let mut answer =
            Description { streams: offered.streams.iter().enumerate().map(stream).collect(), ..Description::default() };
        groups::read(&jingle.groups, slots, &mut answer.groups);
        groups::answer(&mut answer, offered);
        answer
    }

    /// Reads one content, by itself.
    pub fn stream(&self, content: &Content, offer: bool, groups: &[Group]) -> Stream {
        let bundled = groups.iter().any(|g| g.semantics == groups::BUNDLE && g.contents.contains(&content.name));
        streams::read(content, self, offer, bundled)
    }
}

/// A description that we say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying<'a> {
    /// Our role.
    pub describer: Creator,
    /// The canonical name of sources of which nothing else is said (RFC 3550 §6.5.1).
    pub cname: &'a str,
}

impl Saying<'_> {
    /// Writes an offer. Streams beyond the slots that are there get one, of our making. A stream that is refused,
    /// or is none of RTP, has a slot and no content.
    pub fn offer(&self, description: &Description, slots: &mut Slots) -> Contents {
        for stream in description.streams.iter().skip(slots.0.len()) {
            slots.add_said(self.describer, stream);
        }
        self.write(description, slots)
    }

    /// Writes the answer to an offer.
    pub fn answer(&self, description: &Description, offered: &Description, slots: &Slots) -> Contents {
        let mut answer = description.clone();
        groups::answer(&mut answer, offered);
        answer.streams.iter_mut().for_each(transport::answer);
        self.write(&answer, slots)
    }

    /// Writes one content, by itself.
    pub fn content(&self, stream: &Stream, slot: &Slot) -> Content {
        streams::write(stream, slot, self)
    }

    fn write(&self, description: &Description, slots: &Slots) -> Contents {
        let mut written = Contents::default();
        for (at, (stream, slot)) in description.streams.iter().zip(&slots.0).enumerate() {
            if slots::is_content(stream) {
                let mut stream = transport::bundled(description, at).into_owned();
                extensions::keep_true(&mut stream, Some(slot));
                written.contents.push(self.content(&stream, slot));
            } else {
                written.refused.push(slot.clone());
            }
        }
        written.groups = groups::write(description, slots);
        written
    }
}
