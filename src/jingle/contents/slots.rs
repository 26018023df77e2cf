//! Which content is in which slot.

use crate::jingle::stanza::jingle::LONGEST_NAME;
use crate::jingle::stanza::{Content, Creator};
use crate::model::{Kind, Mid, Stream};

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
}

/// The slots of a session, in order. They are never taken away (RFC 3264 §8), and no two live ones have a name in
/// common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots(pub Vec<Slot>);

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

    /// A slot for a content that a peer added. Its name in descriptions is the content's, or one like it where that
    /// is taken or cannot be said in SDP (RFC 5888 §4: a token).
    pub(super) fn add_heard(&mut self, creator: Creator, name: &str) -> Mid {
        let is_token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+~!#$%&'*^`|{}".contains(&b));
        let wish = if is_token { name } else { "content" };
        let mid = Mid(unlike(wish, |taken| self.0.iter().any(|s| s.mid.as_ref().is_some_and(|m| m.0 == taken))));
        self.0.push(Slot { mid: Some(mid.clone()), creator, name: name.to_owned() });
        mid
    }

    /// A slot for a stream of ours. The content's name is the stream's, or says what it is.
    pub fn add_said(&mut self, creator: Creator, stream: &Stream) {
        let wish = match (&stream.mid, &stream.kind) {
            (Some(mid), _) if !mid.0.is_empty() && mid.0.len() <= LONGEST_NAME => &mid.0,
            (_, Kind::Audio) => "audio",
            (_, Kind::Video) => "video",
            (_, Kind::Other(_)) => "content",
        };
        let name = unlike(wish, |taken| self.0.iter().any(|s| s.name == taken));
        self.0.push(Slot { mid: stream.mid.clone(), creator, name });
    }
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
