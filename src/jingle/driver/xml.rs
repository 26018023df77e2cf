//! XML on a stream (RFC 6120 §4, §11): bytes to stanzas and back. No more is held of a stanza than the limits here
//! allow: what a stranger writes may be dropped, but as long as it is well-formed it never ends the stream that
//! everybody else's calls are on.

use bytes::BytesMut;
use rxml::error::EndOrError;
use rxml::parser::{Options, WithOptions};
use rxml::writer::TrackNamespace;
use rxml::{AttrMap, Encoder, Event, Namespace, Parse, QName, XmlVersion, xml_ncname};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;
use xso::{AsXml, Item as XmlItem};

use super::fault::Fault;

/// The longest stanza that is taken in, in bytes. Servers let their users send at most half of it.
pub const LONGEST_STANZA: usize = 512 * 1024;
/// The longest attribute or name that does not end the stream, in bytes: more than any server passes on.
const LONGEST_TOKEN: usize = 1024 * 1024;
/// How deep elements may be nested. Whoever walks or drops a stanza does so by recursion.
const DEEPEST: usize = 64;
/// The most elements of one stanza; a long roster has the most.
const MOST_ELEMENTS: usize = 16 * 1024;

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

/// Bytes to items.
pub struct Reader {
    parser: rxml::Parser,
    namespace: &'static str,
    depth: usize,
    building: Option<Building>,
}

/// The stanza that is being read.
struct Building {
    name: String,
    bytes: usize,
    elements: usize,
    /// The elements that are open, outermost first, or the limit that was gone beyond.
    open: Result<Vec<Element>, &'static str>,
}

impl Reader {
    /// For a stream whose content namespace is that.
    pub fn new(namespace: &'static str) -> Reader {
        let options = Options { max_token_length: LONGEST_TOKEN, ..Options::default() };
        Reader { parser: rxml::Parser::with_options(options), namespace, depth: 0, building: None }
    }

    /// The next item of these bytes, which are taken from the front; `None` if it takes more bytes.
    ///
    /// # Errors
    /// It is not well-formed: where the next stanza begins is lost, and the stream with it.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Item>, Fault> {
        loop {
            // Between stanzas whitespace is a sign of life and not worth keeping (RFC 6120 §4.6.1).
            self.parser.set_text_buffering(self.depth > 1);
            match self.parser.parse(bytes, false) {
                Ok(Some(event)) => {
                    if let Some(item) = self.event(event)? {
                        return Ok(Some(item));
                    }
                }
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(Fault::Malformed(error.to_string())),
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<Option<Item>, Fault> {
        let bytes = event.metrics().len();
        if let Some(building) = &mut self.building {
            building.bytes += bytes;
            if building.bytes > LONGEST_STANZA {
                building.open = Err("it is too long");
            }
        }
        match event {
            Event::XmlDeclaration(..) => Ok(None),
            Event::StartElement(_, name, attributes) => self.start(name, attributes),
            Event::Text(_, text) if self.depth <= 1 => match text.trim().is_empty() {
                true => Ok(None),
                false => Err(Fault::Malformed("there is text between stanzas".into())),
            },
            Event::Text(_, text) => {
                if let Some(Building { open: Ok(open), .. }) = &mut self.building
                    && let Some(innermost) = open.last_mut()
                {
                    innermost.append_text(text);
                }
                Ok(None)
            }
            Event::EndElement(_) => Ok(self.end()),
        }
    }

    fn start(&mut self, (namespace, name): QName, mut attributes: AttrMap) -> Result<Option<Item>, Fault> {
        self.depth += 1;
        if self.depth == 1 {
            if namespace != ns::STREAM || name != "stream" {
                return Err(Fault::Malformed("this is not the beginning of a stream".into()));
            }
            return Ok(Some(Item::Header { id: attributes.remove(Namespace::none(), "id") }));
        }
        let namespace = if namespace == self.namespace { Namespace::from(ns::JABBER_CLIENT) } else { namespace };
        let building = self.building.get_or_insert_with(|| Building {
            name: name.to_string(),
            bytes: 0,
            elements: 0,
            open: Ok(Vec::new()),
        });
        building.elements += 1;
        if self.depth > DEEPEST {
            building.open = Err("it is nested too deeply");
        }
        if building.elements > MOST_ELEMENTS {
            building.open = Err("it has too many elements");
        }
        if let Ok(open) = &mut building.open {
            let mut element = Element::builder(name, namespace);
            for ((namespace, name), value) in attributes {
                element = element.attr_ns(namespace, name, value);
            }
            open.push(element.build());
        }
        Ok(None)
    }

    fn end(&mut self) -> Option<Item> {
        self.depth = self.depth.saturating_sub(1);
        let is_whole = self.depth == 1;
        if self.depth == 0 {
            return Some(Item::Footer);
        }
        let building = self.building.as_mut()?;
        let closed = match &mut building.open {
            Err(_) => None,
            Ok(open) => {
                let closed = open.pop();
                match (open.last_mut(), closed) {
                    (Some(parent), Some(child)) => {
                        parent.append_child(child);
                        None
                    }
                    (_, closed) => closed,
                }
            }
        };
        if !is_whole {
            return None;
        }
        let Building { name, open, .. } = self.building.take()?;
        match (closed, open) {
            (Some(element), _) => Some(Item::Element(element)),
            (None, Err(why)) => Some(Item::Dropped { name, why }),
            (None, Ok(_)) => None,
        }
    }
}

/// What closes a stream of ours.
pub const FOOTER: &[u8] = b"</stream:stream>";

/// Writes the beginning of a stream towards `to`.
pub fn write_header(namespace: &'static str, to: &str, out: &mut BytesMut) -> Result<(), Fault> {
    let mut encoder = Encoder::new();
    encoder.ns_tracker_mut().declare_fixed(Some(xml_ncname!("stream")), ns::STREAM.into());
    encoder.ns_tracker_mut().declare_fixed(None, namespace.into());
    let items = [
        rxml::Item::XmlDeclaration(XmlVersion::V1_0),
        rxml::Item::ElementHeadStart(ns::STREAM.into(), xml_ncname!("stream")),
        rxml::Item::Attribute(Namespace::NONE, xml_ncname!("to"), to),
        rxml::Item::Attribute(Namespace::NONE, xml_ncname!("version"), "1.0"),
        rxml::Item::ElementHeadEnd,
    ];
    items.into_iter().try_for_each(|item| encoder.encode_into_bytes(item, out)).map_err(Fault::unwritable)
}

/// Writes a stanza onto a stream of that content namespace. A stanza that cannot be written leaves no trace.
///
/// # Errors
/// It has a character that XML has no place for.
pub fn write(namespace: &'static str, stanza: &Element, out: &mut BytesMut) -> Result<(), Fault> {
    let before = out.len();
    let written = write_items(namespace, stanza, out);
    if written.is_err() {
        out.truncate(before);
    }
    written
}

fn write_items(namespace: &'static str, stanza: &Element, out: &mut BytesMut) -> Result<(), Fault> {
    let mut encoder = Encoder::new();
    encoder.ns_tracker_mut().declare_fixed(None, namespace.into());
    let mut depth = 0;
    for item in stanza.as_xml_iter().map_err(Fault::unwritable)? {
        let mut item = item.map_err(Fault::unwritable)?;
        match &mut item {
            XmlItem::ElementHeadStart(of, _) => {
                depth += 1;
                // The stanza and its own children; a stanza that is quoted inside keeps its namespace (XEP-0297 §3.1).
                if depth <= 2 && *of == ns::JABBER_CLIENT {
                    *of = namespace.into();
                }
            }
            XmlItem::ElementFoot => depth -= 1,
            _ => {}
        }
        encoder.encode_into_bytes(item.as_rxml_item(), out).map_err(Fault::unwritable)?;
    }
    Ok(())
}
