//! XML on a stream (RFC 6120 §4, §11): bytes to stanzas and back. No more is held of a stanza than the limits here
//! allow: what a stranger writes may be dropped, but as long as it is well-formed it never ends the stream that
//! everybody else's calls are on.

mod names;
mod read;
mod write;

pub use read::Reader;
pub use write::{FOOTER, write, write_header};

use xmpp_parsers::minidom::Element;

/// The longest stanza that is taken in, in bytes. Servers let their users send at most half of it.
pub const LONGEST_STANZA: usize = 512 * 1024;
/// The longest attribute or name that does not end the stream, in bytes: more than any server passes on.
const LONGEST_TOKEN: usize = 1024 * 1024;
/// How deep elements may be nested. Whoever walks or drops a stanza does so by recursion.
const DEEPEST: usize = 64;
/// The most elements of one stanza; a long roster has the most.
const MOST_ELEMENTS: usize = 16 * 1024;
/// The most attributes of one element, with the namespaces that it declares.
const MOST_ATTRIBUTES: usize = 64;

/// What comes on a stream.
#[derive(Debug)]
pub enum Item {
    /// The stream begins.
    Header {
        /// Its name (RFC 6120 §4.7.3).
        id: Option<String>,
    },
    /// A stanza, or another element on its level; in the namespace `jabber:client` even on a component's stream.
    Element(Element),
    /// An element that goes beyond a limit and was not kept.
    Dropped {
        /// Its name.
        name: String,
        /// The limit, in a few words.
        why: &'static str,
    },
    /// The stream ends.
    Footer,
}
