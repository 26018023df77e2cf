//! Reading and writing elements: what is missing or ill-formed is `None`, never an error of the stream.

use std::borrow::Cow;
use std::str::FromStr;

use xmpp_parsers::minidom::Element;
use xmpp_parsers::minidom::rxml::{Namespace, NcName};

/// An attribute that is a number, a name or an address; `None` if it is absent or ill-formed.
pub(in crate::jingle) fn attr<T: FromStr>(element: &Element, name: &str) -> Option<T> {
    element.attr(name)?.trim().parse().ok()
}

/// An attribute as text.
pub(in crate::jingle) fn text_attr(element: &Element, name: &str) -> Option<String> {
    element.attr(name).map(str::to_owned)
}

/// What a text may hold in XML 1.0 (§2.2), with U+FFFD for what it may not: one such character, in a word of a
/// peer that we pass on, would end the stream.
pub fn allowed(text: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    match text.chars().all(is_allowed) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()),
    }
}

/// An element in the making.
pub(in crate::jingle) struct Tag(Element);

impl Tag {
    /// An empty element.
    pub(in crate::jingle) fn new(name: &'static str, namespace: &str) -> Tag {
        Tag(Element::bare(name, namespace))
    }

    /// With an attribute.
    pub(in crate::jingle) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Tag {
        if let Ok(name) = NcName::try_from(name) {
            self.0.set_attr(Namespace::NONE, name, allowed(value.as_ref()).into_owned());
        }
        self
    }

    /// With an attribute, if there is a value.
    pub(in crate::jingle) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Tag {
        match value {
            Some(value) => self.with(name, value.to_string()),
            None => self,
        }
    }

    /// With a text.
    pub(in crate::jingle) fn text(mut self, text: &str) -> Tag {
        if !text.is_empty() {
            self.0.append_text(allowed(text).into_owned());
        }
        self
    }

    /// With children.
    pub(in crate::jingle) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Tag {
        for child in children {
            self.0.append_child(child);
        }
        self
    }

    /// With an empty child, if `say`.
    pub(in crate::jingle) fn flag(self, say: bool, name: &'static str, namespace: &str) -> Tag {
        self.children(say.then(|| Element::bare(name, namespace)))
    }

    /// The element.
    pub(in crate::jingle) fn build(self) -> Element {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_xml_cannot_say_does_not_reach_the_stream() {
        assert_eq!(allowed("a\u{0}b\u{1b}\u{fffe}c\n\u{1f600}"), "a\u{fffd}b\u{fffd}\u{fffd}c\n\u{1f600}");
        let tag = Tag::new("x", "urn:x").with("a", "\u{8}").text("\u{0}").build();
        assert_eq!(String::from(&tag), "<x xmlns='urn:x' a='\u{fffd}'>\u{fffd}</x>");
    }
}
