//! Feedback by RTCP (XEP-0293).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::{Tag, attr, text_attr};

/// A kind of feedback that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// `<rtcp-fb/>`: `nack`, `nack pli`.
    Kind {
        /// The type: `nack`, `ccm`.
        kind: String,
        /// The subtype: `pli`, `fir`.
        subtype: Option<String>,
    },
    /// `<rtcp-fb-trr-int/>`: the least time between two regular reports, in milliseconds.
    Interval(u32),
}

impl Feedback {
    /// Reads a child of a description or of a payload type; `None` if it is none or says nothing.
    pub fn read(element: &Element) -> Option<Feedback> {
        if element.is("rtcp-fb", ns::RTCP_FB) {
            let kind = text_attr(element, "type").filter(|k| !k.is_empty())?;
            let subtype = text_attr(element, "subtype").filter(|s| !s.is_empty());
            return Some(Feedback::Kind { kind, subtype });
        }
        element.is("rtcp-fb-trr-int", ns::RTCP_FB).then(|| attr(element, "value").map(Feedback::Interval))?
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        match self {
            Feedback::Kind { kind, subtype } => {
                Tag::new("rtcp-fb", ns::RTCP_FB).with("type", kind).maybe("subtype", subtype.as_ref()).build()
            }
            Feedback::Interval(ms) => Tag::new("rtcp-fb-trr-int", ns::RTCP_FB).with("value", ms.to_string()).build(),
        }
    }
}
