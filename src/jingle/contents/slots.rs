//! Which content is in which slot.

use std::collections::VecDeque;

use crate::jingle::stanza::jingle::LONGEST_NAME;
use crate::jingle::stanza::{Content, Creator};
use crate::model::{Kind, Mid, Stream};

/// How many contents that gave their slot to another are remembered, so that none is named like them.
const MAX_FORMER: usize = 64;

/// Whether a stream has a content: it is not refused, and it is of RTP. A content without a format could not be
/// read by anybody.
pub(super) fn is_content(stream: &Stream) -> bool {
    stream.accepted && !stream.codecs.is_empty()
}

/// A slot of a session's descriptions, and the content in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name in descriptions; `None` if the description that made it had none.
    pub mid: Option<Mid>,
    /// Who added the content.
    pub creator: Creator,
    /// The name of the content, by which the peer knows it.
    pub name: String,
}

impl Slot {
    /// The content in this slot among those of a stanza. By the name alone if none has the creator too: some clients
    /// leave the creator out.
    pub fn of<'a>(&self, contents: &'a [Content]) -> Option<&'a Content> {
        let named = || contents.iter().filter(|c| c.name == self.name);
        named().find(|c| c.creator == self.creator).or_else(|| named().next())
    }

    /// A content in this slot of which nothing is said.
    pub fn content(&self) -> Content {
        Content::new(self.creator, &self.name)
    }

    /// Whether both worlds know the content by the same word. RTP itself may carry that word (RFC 9143 §15), and
    /// nobody translates it on the direct way.
    pub(super) fn is_same_in_both(&self) -> bool {
        self.mid.as_ref().is_some_and(|mid| mid.0 == self.name)
    }
}

/// The slots of a session, in order. They are never taken away (RFC 3264 §8), and no two live ones have a name in
/// common. Beside them the contents, oldest first, whose slots were given to others: names are not used again
/// (RFC 8829 §5.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots(pub Vec<Slot>, VecDeque<Slot>);

impl Slots {
    /// The place of a content: the latest of that name, because a content that was removed may come again.
    pub fn position(&self, creator: Creator, name: &str) -> Option<usize> {
        let by = |exact: bool| self.0.iter().rposition(|s| s.name == name && (!exact || s.creator == creator));
        by(true).or_else(|| by(false))
    }

    /// The place of a name in descriptions.
    pub fn of_mid(&self, mid: &Mid) -> Option<usize> {
        self.0.iter().position(|s| s.mid.as_ref() == Some(mid))
    }

    /// A slot for a content that a peer added, with others of `contents` to come. Its name in descriptions is the
    /// content's, or one like it where that was taken before or cannot be said in SDP.
    pub(super) fn add_heard(&mut self, content: &Content, contents: &[Content]) -> Mid {
        let name = content.name.as_str();
        let wish = if is_token(name) { name } else { "content" };
        // A name that another content has for its own is left to it.
        let is_others = |wish: &str| wish != name && contents.iter().any(|c| c.name == wish);
        let is_taken = |wish: &str| self.ever().any(|s| s.mid.as_ref().is_some_and(|m| m.0 == wish));
        let mid = Mid(unlike(wish, |wish| is_taken(wish) || is_others(wish)));
        self.0.push(Slot { mid: Some(mid.clone()), creator: content.creator, name: name.to_owned() });
        mid
    }

    /// A slot for a stream of ours, by a name that no content of the session had before.
    pub fn add_said(&mut self, creator: Creator, stream: &Stream) {
        let slot = self.slot_said(creator, stream);
        self.0.push(slot);
    }

    /// Gives a slot whose content was removed or refused to another stream of ours (RFC 8829 §5.2.2). It is another
    /// content: the old name may still mean the old one to the peer.
    pub fn replace_said(&mut self, at: usize, creator: Creator, stream: &Stream) {
        let slot = self.slot_said(creator, stream);
        let Some(known) = self.0.get_mut(at) else { return };
        self.1.push_back(std::mem::replace(known, slot));
        if self.1.len() > MAX_FORMER {
            self.1.pop_front();
        }
    }

    fn ever(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().chain(&self.1)
    }

    /// The content's name is the stream's, or says what it is.
    fn slot_said(&self, creator: Creator, stream: &Stream) -> Slot {
        let wish = match (&stream.mid, &stream.kind) {
            (Some(mid), _) if !mid.0.is_empty() && mid.0.len() <= LONGEST_NAME => &mid.0,
            (_, Kind::Audio) => "audio",
            (_, Kind::Video) => "video",
            (_, Kind::Other(_)) => "content",
        };
        let name = unlike(wish, |wish| self.ever().any(|s| s.name == wish));
        Slot { mid: stream.mid.clone(), creator, name }
    }
}

/// Whether a name can be said in SDP (RFC 5888 §4: a token of RFC 8866 §9).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+~!#$%&'*^`|{}".contains(&b))
}

/// The name, with a number behind it if it is taken.
fn unlike(wish: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = wish.to_owned();
    let mut number = 2u32;
    while is_taken(&name) {
        name = format!("{wish}-{number}");
        number = number.saturating_add(1);
    }
    name
}
