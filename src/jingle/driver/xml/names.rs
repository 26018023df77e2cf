//! Prefixes to namespaces (Namespaces in XML 1.0). The parser's own way takes a time that grows with the square of
//! the depth, and takes a prefix that nobody declared for the end of the stream; a stranger has both in hand.

use rxml::parser::RawQName;
use rxml::{AttrMap, Namespace, NcName};
use xmpp_parsers::minidom::Element;

use super::MOST_ATTRIBUTES;

/// What is declared inside an element.
pub struct Scope {
    default: Namespace<'static>,
    prefixes: Vec<(NcName, Namespace<'static>)>,
}

/// A start tag as it stands there.
pub struct Tag {
    /// Its name.
    pub name: RawQName,
    /// Its attributes, and the namespaces that it declares.
    pub attributes: Vec<(RawQName, String)>,
}

impl Tag {
    /// The element, empty, and what is declared inside it. Elements of the namespace `from` are put into that of `to`.
    ///
    /// # Errors
    /// Why it is none, in a few words.
    pub fn resolve(self, outside: &[Scope], from: &str, to: &'static str) -> Result<(Element, Scope), &'static str> {
        if self.attributes.len() > MOST_ATTRIBUTES {
            return Err("it has too many attributes");
        }
        let mut scope = Scope {
            default: outside.last().map_or(Namespace::NONE, |scope| scope.default.clone()),
            prefixes: Vec::new(),
        };
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for ((prefix, name), value) in self.attributes {
            match prefix.as_ref().map(|prefix| prefix.as_str()) {
                None if name == "xmlns" => scope.default = Namespace::from(value),
                Some("xmlns") => scope.prefixes.push((name, Namespace::from(value))),
                _ => attributes.push((prefix, name, value)),
            }
        }
        let find = |prefix: &NcName| find(prefix, &scope, outside);
        let mut resolved = AttrMap::new();
        for (prefix, name, value) in attributes {
            let namespace = prefix.as_ref().map_or(Ok(Namespace::NONE), find)?;
            if resolved.insert(namespace, name, value).is_some() {
                return Err("it has an attribute twice");
            }
        }
        let (prefix, name) = self.name;
        let namespace = prefix.as_ref().map_or(Ok(scope.default.clone()), find)?;
        let namespace = if namespace == from { Namespace::from(to) } else { namespace };
        let mut element = Element::builder(name, namespace);
        for ((namespace, name), value) in resolved {
            element = element.attr_ns(namespace, name, value);
        }
        Ok((element.build(), scope))
    }
}

fn find(prefix: &NcName, own: &Scope, outside: &[Scope]) -> Result<Namespace<'static>, &'static str> {
    if prefix == "xml" {
        return Ok(Namespace::XML);
    }
    let scopes = outside.iter().chain([own]).rev();
    let mut declared = scopes.flat_map(|scope| &scope.prefixes);
    let found = declared.find(|(name, _)| name == prefix).map(|(_, namespace)| namespace.clone());
    found.ok_or("it has a prefix that is not declared")
}
