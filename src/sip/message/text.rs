//! Text as it stood on the wire.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr2;

/// A piece of a message: shares the message's buffer, so cloning allocates nothing. It keeps the octets as
/// they came, so that a `Call-ID` or a branch in some other encoding goes back unchanged, and reads as text
/// all the same.
#[derive(Clone, Default)]
pub struct Text {
    raw: Bytes,
    /// The reading, if the octets are no UTF-8: then they are Latin-1, as old telephones send it.
    latin: Option<Arc<str>>,
}

impl Text {
    /// Text that lives in the program.
    pub const fn fixed(text: &'static str) -> Text {
        Text { raw: Bytes::from_static(text.as_bytes()), latin: None }
    }

    /// Octets from the wire.
    pub fn from_bytes(raw: Bytes) -> Text {
        let latin = match std::str::from_utf8(&raw) {
            Ok(_) => None,
            Err(_) => Some(raw.iter().map(|b| char::from(*b)).collect::<String>().into()),
        };
        Text { raw, latin }
    }

    /// The same text apart from its message, whose buffer it does not keep.
    pub fn apart(&self) -> Text {
        Text { raw: Bytes::copy_from_slice(&self.raw), latin: self.latin.clone() }
    }

    /// How it reads.
    pub fn as_str(&self) -> &str {
        match &self.latin {
            Some(latin) => latin,
            None => std::str::from_utf8(&self.raw).unwrap_or_default(),
        }
    }

    /// How it stands on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The same text without line ends, which would end the header it is written into.
    pub(super) fn on_one_line(self) -> Text {
        if memchr2(b'\r', b'\n', &self.raw).is_some() {
            let raw: Vec<u8> = self.raw.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect();
            return Text::from_bytes(raw.into());
        }
        self
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text { raw: text.into(), latin: None }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text { raw: Bytes::copy_from_slice(text.as_bytes()), latin: None }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        text.as_str().into()
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Text {
        text.clone()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
