//! Sources of a stream and what is said of them (XEP-0339).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::{Tag, attr, text_attr};

/// The most parameters of a source, and sources of a group.
const MAX_INSIDE: usize = 32;

/// `<source/>`: a synchronisation source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub ssrc: u32,
    /// What is said of it: names, with values if they have one.
    pub parameters: Vec<(String, Option<String>)>,
}

impl Source {
    /// Reads a child of a description; `None` if it is none or has no number.
    pub fn read(element: &Element) -> Option<Source> {
        if !element.is("source", ns::SSMA) {
            return None;
        }
        let parameters = element.children().filter(|c| c.is("parameter", ns::SSMA));
        let parameters = parameters.filter_map(|p| Some((text_attr(p, "name")?, text_attr(p, "value"))));
        Some(Source { ssrc: attr(element, "ssrc")?, parameters: parameters.take(MAX_INSIDE).collect() })
    }

    /// Writes it, without the parameters that have no value: Conversations ends the session over one.
    pub fn write(&self) -> Element {
        let parameters = self.parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let parameters = parameters
            .map(|(name, value)| Tag::new("parameter", ns::SSMA).with("name", name).with("value", value).build());
        Tag::new("source", ns::SSMA).with("ssrc", self.ssrc.to_string()).children(parameters).build()
    }
}

/// `<ssrc-group/>`: sources that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// `FID`, `SIM` …
    pub semantics: String,
    /// The sources.
    pub ssrcs: Vec<u32>,
}

impl SourceGroup {
    /// Reads a child of a description; `None` if it is none or has no semantics.
    pub fn read(element: &Element) -> Option<SourceGroup> {
        if !element.is("ssrc-group", ns::SSMA) {
            return None;
        }
        let sources = element.children().filter(|c| c.is("source", ns::SSMA));
        Some(SourceGroup {
            semantics: text_attr(element, "semantics")?,
            ssrcs: sources.filter_map(|s| attr(s, "ssrc")).take(MAX_INSIDE).collect(),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let source = |ssrc: &u32| Tag::new("source", ns::SSMA).with("ssrc", ssrc.to_string()).build();
        let group = Tag::new("ssrc-group", ns::SSMA).with("semantics", &self.semantics);
        group.children(self.ssrcs.iter().map(source)).build()
    }
}
