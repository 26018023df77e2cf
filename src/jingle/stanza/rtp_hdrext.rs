//! RTP header extensions (XEP-0294).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::roles::Senders;
use super::xml::{Tag, attr, text_attr};

/// `<rtp-hdrext/>`: an extension, and the number at which it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderExtension {
    /// The number.
    pub id: u16,
    /// What it is.
    pub uri: String,
    /// Who sends it; `None` if the element says nothing, which means both.
    pub senders: Option<Senders>,
    /// Its parameters: names, with values if they have one.
    pub parameters: Vec<(String, Option<String>)>,
}

impl HeaderExtension {
    /// Reads a child of a description; `None` if it is none or has no number or name.
    pub fn read(element: &Element) -> Option<HeaderExtension> {
        if !element.is("rtp-hdrext", ns::RTP_HDREXT) {
            return None;
        }
        let parameters = element.children().filter(|c| c.name() == "parameter");
        Some(HeaderExtension {
            id: attr(element, "id")?,
            uri: text_attr(element, "uri")?,
            senders: attr(element, "senders"),
            parameters: parameters.filter_map(|p| Some((text_attr(p, "name")?, text_attr(p, "value")))).collect(),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let parameter = |(name, value): &(String, Option<String>)| {
            Tag::new("parameter", ns::RTP_HDREXT).with("name", name).maybe("value", value.as_ref()).build()
        };
        Tag::new("rtp-hdrext", ns::RTP_HDREXT)
            .with("id", self.id.to_string())
            .with("uri", &self.uri)
            .maybe("senders", self.senders.map(Senders::name))
            .children(self.parameters.iter().map(parameter))
            .build()
    }
}
