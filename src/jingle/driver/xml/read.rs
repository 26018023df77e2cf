//! Bytes to stanzas.

use rxml::error::EndOrError;
use rxml::parser::{Options, RawEvent, RawQName, WithOptions};
use rxml::{Parse, RawParser};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::names::{Scope, Tag};
use super::{DEEPEST, Item, LONGEST_STANZA, LONGEST_TOKEN, MOST_ELEMENTS};
use crate::jingle::driver::fault::Fault;

/// Bytes to items.
pub struct Reader {
    parser: RawParser,
    /// The namespace of the stream's stanzas.
    namespace: &'static str,
    /// How many elements are open; the stream itself is one.
    depth: usize,
    /// What the stream and each open element declare.
    scopes: Vec<Scope>,
    /// The start tag that is being read, if it is wanted.
    tag: Option<Tag>,
    building: Option<Building>,
}

/// The stanza that is being read.
struct Building {
    name: String,
    bytes: usize,
    elements: usize,
    /// The elements that are open, outermost first, or why the stanza is dropped.
    open: Result<Vec<Element>, &'static str>,
}

impl Reader {
    /// For a stream whose content namespace is that.
    pub fn new(namespace: &'static str) -> Reader {
        let options = Options { max_token_length: LONGEST_TOKEN, ..Options::default() };
        let parser = RawParser::with_options(options);
        Reader { parser, namespace, depth: 0, scopes: Vec::new(), tag: None, building: None }
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

    fn event(&mut self, event: RawEvent) -> Result<Option<Item>, Fault> {
        if let Some(building) = &mut self.building {
            building.bytes += event.metrics().len();
            if building.bytes > LONGEST_STANZA {
                self.drop("it is too long");
            }
        }
        match event {
            RawEvent::XmlDeclaration(..) => Ok(None),
            RawEvent::ElementHeadOpen(_, name) => {
                self.begin(name);
                Ok(None)
            }
            RawEvent::Attribute(_, name, value) => {
                if let Some(tag) = &mut self.tag {
                    tag.attributes.push((name, value));
                }
                Ok(None)
            }
            RawEvent::ElementHeadClose(_) => self.open(),
            RawEvent::Text(_, text) => self.text(text),
            RawEvent::ElementFoot(_) => Ok(self.close()),
        }
    }

    /// The rest of the stanza is read, and forgotten.
    fn drop(&mut self, why: &'static str) {
        self.tag = None;
        self.scopes.truncate(1);
        if let Some(building) = &mut self.building {
            building.open = Err(why);
        }
    }

    fn begin(&mut self, name: RawQName) {
        self.depth += 1;
        if self.depth > 1 {
            let new = || Building { name: name.1.to_string(), bytes: 0, elements: 0, open: Ok(Vec::new()) };
            let building = self.building.get_or_insert_with(new);
            building.elements += 1;
            let elements = building.elements;
            if building.open.is_err() {
                return;
            }
            if self.depth > DEEPEST {
                return self.drop("it is nested too deeply");
            }
            if elements > MOST_ELEMENTS {
                return self.drop("it has too many elements");
            }
        }
        self.tag = Some(Tag { name, attributes: Vec::new() });
    }

    fn open(&mut self) -> Result<Option<Item>, Fault> {
        let Some(tag) = self.tag.take() else { return Ok(None) };
        let resolved = tag.resolve(&self.scopes, self.namespace, ns::JABBER_CLIENT);
        let Some(building) = &mut self.building else {
            return match resolved {
                Ok((stream, scope)) if stream.is("stream", ns::STREAM) => {
                    self.scopes.push(scope);
                    Ok(Some(Item::Header { id: stream.attr("id").map(str::to_owned) }))
                }
                Ok(_) => Err(Fault::Malformed("this is not the beginning of a stream".into())),
                Err(why) => Err(Fault::Malformed(why.into())),
            };
        };
        match (resolved, &mut building.open) {
            (Ok((element, scope)), Ok(open)) => {
                open.push(element);
                self.scopes.push(scope);
            }
            (Ok(_), Err(_)) => {}
            (Err(why), _) => self.drop(why),
        }
        Ok(None)
    }

    fn text(&mut self, text: String) -> Result<Option<Item>, Fault> {
        match &mut self.building {
            None if text.trim().is_empty() => Ok(None),
            None => Err(Fault::Malformed("there is text between stanzas".into())),
            Some(building) => {
                if let Ok(open) = &mut building.open
                    && let Some(innermost) = open.last_mut()
                {
                    innermost.append_text(text);
                }
                Ok(None)
            }
        }
    }

    fn close(&mut self) -> Option<Item> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            return Some(Item::Footer);
        }
        let is_whole = self.depth == 1;
        let building = self.building.as_mut()?;
        let mut stanza = None;
        if let Ok(open) = &mut building.open {
            self.scopes.truncate(self.depth);
            stanza = open.pop();
            if let (Some(parent), Some(child)) = (open.last_mut(), stanza.take_if(|_| !is_whole)) {
                parent.append_child(child);
            }
        }
        if !is_whole {
            return None;
        }
        let building = self.building.take()?;
        match (building.open, stanza) {
            (Ok(_), stanza) => stanza.map(Item::Element),
            (Err(why), _) => Some(Item::Dropped { name: building.name, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='s' \
                          xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>";

    /// What is read of this after a header, cut into pieces of so many bytes.
    fn read(text: &str, cut: usize) -> Result<Vec<Item>, Fault> {
        let mut reader = Reader::new("jabber:component:accept");
        let mut items = Vec::new();
        for mut bytes in format!("{STREAM}{text}").as_bytes().chunks(cut) {
            while let Some(item) = reader.next(&mut bytes)? {
                items.push(item);
            }
        }
        assert!(matches!(items.remove(0), Item::Header { id: Some(id) } if id == "s"));
        Ok(items)
    }

    fn elements(text: &str) -> Vec<Element> {
        let element = |item| if let Item::Element(element) = item { Some(element) } else { None };
        read(text, 4096).unwrap().into_iter().filter_map(element).collect()
    }

    fn dropped(text: &str) -> &'static str {
        match &read(&format!("{text}<presence/>"), 4096).unwrap()[..] {
            [Item::Dropped { why, .. }, Item::Element(_)] => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stanza_is_the_same_however_the_network_cuts_it() {
        let text = "<message xml:lang='en'><body>a &amp; <![CDATA[<b>]]></body><x xmlns='urn:x' y='1'/></message>";
        let whole = format!("{:?}", read(text, 4096).unwrap());
        assert!(whole.contains("a & <b>"), "{whole}");
        for cut in 1..40 {
            assert_eq!(format!("{:?}", read(text, cut).unwrap()), whole);
        }
    }

    #[test]
    fn the_namespace_of_components_is_read_as_that_of_clients_and_no_other_changes() {
        let text = "<iq><error><gone xmlns='urn:x'><a/></gone></error><message xmlns='jabber:client'/></iq>";
        let expected = "<iq xmlns='jabber:client'><error><gone xmlns='urn:x'><a/></gone></error><message/></iq>";
        assert_eq!(elements(text), [expected.parse::<Element>().unwrap()]);
    }

    #[test]
    fn prefixes_are_resolved_where_they_are_declared() {
        let text = "<iq><p:a xmlns:p='urn:1' p:b='2'><p:c xmlns:p='urn:2'/><p:d/></p:a><stream:e/></iq>";
        let iq = elements(text).remove(0);
        let a = iq.get_child("a", "urn:1").unwrap();
        assert!(a.has_child("c", "urn:2") && a.has_child("d", "urn:1"), "{iq:?}");
        assert_eq!(a.attr_ns("urn:1", "b"), Some("2"));
        assert!(iq.has_child("e", ns::STREAM));
    }

    #[test]
    fn what_a_stranger_can_write_is_dropped_alone() {
        assert_eq!(dropped("<message><p:a/></message>"), "it has a prefix that is not declared");
        assert_eq!(dropped("<message><a p:b='1'/></message>"), "it has a prefix that is not declared");
        assert_eq!(dropped("<message xmlns:p='x' xmlns:q='x' p:a='' q:a=''/>"), "it has an attribute twice");
        let attributes: String = (0..100).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(dropped(&format!("<message{attributes}/>")), "it has too many attributes");
        assert_eq!(dropped(&format!("<m>{}</m>", "<a/>".repeat(20_000))), "it has too many elements");
        assert_eq!(dropped(&format!("<m>{}</m>", "x".repeat(LONGEST_STANZA))), "it is too long");
        assert_eq!(dropped(&format!("<m a='{}'/>", "x".repeat(LONGEST_STANZA))), "it is too long");
    }

    #[test]
    fn depth_costs_neither_the_stream_nor_time() {
        let levels = 60_000;
        let begun = std::time::Instant::now();
        let deep = format!("<m>{}{}</m>", "<a>".repeat(levels), "</a>".repeat(levels));
        assert_eq!(dropped(&deep), "it is nested too deeply");
        // With room for a machine that stands still.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn what_is_not_well_formed_is_said() {
        for text in ["<a></b>", "text", "<a b='1' b='2'>&nbsp;</a>", "<!-- a -->", "<?a?>", "<a \u{0}/>"] {
            assert!(matches!(read(text, 4096), Err(Fault::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn the_end_of_the_stream_is_seen() {
        assert!(matches!(&read(" \n<presence/> </stream:stream>", 3).unwrap()[..], [Item::Element(_), Item::Footer]));
    }
}
