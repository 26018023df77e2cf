//! The headers of one message, in their order.

use std::fmt::Write as _;

use super::scan::elements;
use super::{Name, Text};

/// Few values are longer.
const USUAL_LENGTH: usize = 96;

/// One header. Its value is not split at commas and not interpreted; `rsip::Header` would copy every value
/// into a `String`, cannot hold octets that are no UTF-8, and forgets how an unknown name was spelt, so the
/// storage is our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub name: Name,
    /// The value, unfolded, without white space around it.
    pub value: Text,
}

impl Header {
    /// A header of ours. Line ends in the value become spaces, so that nothing can be smuggled into a
    /// message through a display name.
    pub fn new(name: impl Into<Name>, value: impl Into<Text>) -> Header {
        Header { name: name.into(), value: value.into().on_one_line() }
    }

    /// A header of ours from a value with a printed form (`NameAddr`, `Via`, `CSeq`, a number …).
    pub fn of(name: impl Into<Name>, value: impl std::fmt::Display) -> Header {
        let mut text = String::with_capacity(USUAL_LENGTH);
        // Writing into a String does not fail.
        let _ = write!(text, "{value}");
        Header::new(name, text)
    }
}

/// All headers of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// The value of the first header of that name.
    pub fn get(&self, name: &Name) -> Option<&Text> {
        self.all(name).next()
    }

    /// The values of all headers of that name, one per header.
    pub fn all(&self, name: &Name) -> impl Iterator<Item = &Text> {
        self.0.iter().filter(move |h| h.name.is(name)).map(|h| &h.value)
    }

    /// The elements of all headers of that name: comma lists are taken apart, empty elements left out
    /// (RFC 3261 §7.3.1). Not for the headers that are no lists, such as Authorization.
    pub fn elements(&self, name: &Name) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|value| elements(value, b',')).filter(|e| !e.is_empty())
    }

    /// Whether there is such a header.
    pub fn has(&self, name: &Name) -> bool {
        self.get(name).is_some()
    }

    /// Adds a header at the end.
    pub fn push(&mut self, header: Header) {
        self.0.push(header);
    }

    /// Adds a header at the top, above others of its name.
    pub fn prepend(&mut self, header: Header) {
        self.0.insert(0, header);
    }

    /// Replaces all headers of that name by this one, where the first of them stood.
    pub fn set(&mut self, header: Header) {
        match self.0.iter().position(|h| h.name.is(&header.name)) {
            None => self.0.push(header),
            Some(at) => {
                let mut index = 0;
                self.0.retain(|h| {
                    index += 1;
                    index <= at + 1 || !h.name.is(&header.name)
                });
                if let Some(first) = self.0.get_mut(at) {
                    *first = header;
                }
            }
        }
    }

    /// Takes all headers of that name away.
    pub fn remove(&mut self, name: &Name) {
        self.0.retain(|h| !h.name.is(name));
    }

    /// Takes the first element of the first header of that name away: a Via or Route that is done with.
    pub fn remove_first_element(&mut self, name: &Name) {
        self.replace_first_element(name, None);
    }

    /// Puts another in place of the first element of the first header of that name.
    pub(super) fn replace_first_element(&mut self, name: &Name, element: Option<String>) {
        let Some(at) = self.0.iter().position(|h| h.name.is(name)) else { return };
        let Some(header) = self.0.get_mut(at) else { return };
        let rest = match super::scan::find(&header.value, b',', true) {
            Ok(Some(comma)) => header.value.get(comma + 1..).map(|rest| rest.trim().to_owned()),
            _ => None,
        };
        match (element, rest) {
            (None, None) => {
                self.0.remove(at);
            }
            (Some(first), None) => header.value = first.into(),
            (None, Some(rest)) => header.value = rest.into(),
            (Some(first), Some(rest)) => header.value = format!("{first}, {rest}").into(),
        }
    }

    /// All headers.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// How many headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Headers {
        Headers(headers.into_iter().collect())
    }
}
