//! Groups of contents (XEP-0338).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::{Tag, text_attr};

/// The most contents in a group.
pub const MAX_MEMBERS: usize = 32;

/// `<group/>`: contents that belong together, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS` …
    pub semantics: String,
    /// The names of the contents.
    pub contents: Vec<String>,
}

impl Group {
    /// Reads a child of `<jingle/>`; `None` if it is none or has no semantics.
    pub fn read(element: &Element) -> Option<Group> {
        if !element.is("group", ns::GROUPING) {
            return None;
        }
        let contents = element.children().filter(|c| c.is("content", ns::GROUPING));
        Some(Group {
            // The attribute was `type` before version 0.2 of the XEP.
            semantics: text_attr(element, "semantics").or_else(|| text_attr(element, "type"))?,
            contents: contents.filter_map(|c| text_attr(c, "name")).take(MAX_MEMBERS).collect(),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let content = |name: &String| Tag::new("content", ns::GROUPING).with("name", name).build();
        let group = Tag::new("group", ns::GROUPING).with("semantics", &self.semantics);
        group.children(self.contents.iter().map(content)).build()
    }
}
