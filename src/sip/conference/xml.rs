//! Text to a small tree of elements, within limits, by a parser that knows no entities and no DTD.

use rxml::{Event, Namespace, Parse, Parser};

use super::document::Unreadable;

/// The longest document, in octets.
pub const OCTETS_LIMIT: usize = crate::sip::message::MAX_BODY;
/// The most elements within elements. A conference's deepest, a part of a call of an endpoint, is the sixth.
pub const DEPTH_LIMIT: usize = 16;
/// The most elements.
pub const ELEMENTS_LIMIT: usize = 20_000;
/// The longest text of an element, in characters; the rest is cut off.
pub const TEXT_LIMIT: usize = 256;

/// An element: only what documents of the package need.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    /// Whether it is of the namespace of the package.
    pub is_ours: bool,
    pub entity: Option<String>,
    pub id: Option<String>,
    pub state: Option<String>,
    pub version: Option<String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The children of this name in the namespace of the package.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.is_ours && c.name == name)
    }

    /// The first of them.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.is_ours && c.name == name)
    }

    /// The text of that child, if there is any.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.trim()).filter(|t| !t.is_empty())
    }
}

/// Reads a document of the package's namespace.
pub fn read(bytes: &[u8], namespace: &str) -> Result<Element, Unreadable> {
    if bytes.len() > OCTETS_LIMIT {
        return Err(Unreadable::Large("it is too long"));
    }
    let (mut rest, mut parser) = (bytes, Parser::new());
    let (mut open, mut elements): (Vec<Element>, usize) = (Vec::new(), 0);
    loop {
        let event = parser.parse(&mut rest, true).map_err(|_| Unreadable::Malformed)?;
        match event {
            Some(Event::StartElement(_, (ours, name), attributes)) => {
                elements += 1;
                if open.len() >= DEPTH_LIMIT || elements > ELEMENTS_LIMIT {
                    return Err(Unreadable::Large("it has too many elements, or they are nested too deeply"));
                }
                let attribute = |name: &str| {
                    attributes.get(&Namespace::NONE, name).map(|value| value.chars().take(TEXT_LIMIT).collect())
                };
                open.push(Element {
                    is_ours: ours.as_str() == namespace,
                    entity: attribute("entity"),
                    id: attribute("id"),
                    state: attribute("state"),
                    version: attribute("version"),
                    name: name.to_string(),
                    ..Element::default()
                });
            }
            Some(Event::Text(_, text)) => {
                if let Some(element) = open.last_mut() {
                    let room = TEXT_LIMIT.saturating_sub(element.text.chars().count());
                    element.text.extend(text.chars().take(room));
                }
            }
            Some(Event::EndElement(_)) => {
                let Some(element) = open.pop() else { return Err(Unreadable::Malformed) };
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Some(Event::XmlDeclaration(..)) => {}
            None => return Err(Unreadable::Malformed),
        }
    }
}
