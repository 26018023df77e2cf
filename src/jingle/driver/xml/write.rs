//! Stanzas to bytes.

use bytes::BytesMut;
use rxml::writer::TrackNamespace;
use rxml::{Encoder, Namespace, XmlVersion, xml_ncname};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;
use xso::{AsXml, Item as XmlItem};

use crate::jingle::driver::fault::Fault;

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
    // Namespaces are declared as defaults, element by element: not every peer resolves prefixes.
    let mut encoder = Encoder::new();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(namespace: &'static str, stanza: &str) -> Result<String, Fault> {
        let mut out = BytesMut::new();
        write(namespace, &stanza.parse().unwrap(), &mut out)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    const FORWARDED: &str = "<message xmlns='jabber:client'><body>a</body><forwarded xmlns='urn:xmpp:forward:0'>\
                             <message xmlns='jabber:client'><body>b</body></message></forwarded></message>";

    #[test]
    fn namespaces_are_defaults_and_never_prefixes() {
        assert_eq!(written("jabber:client", FORWARDED).unwrap(), FORWARDED);
        let jingle = "<iq xmlns='jabber:client' type='set'><jingle xmlns='urn:xmpp:jingle:1'>\
                      <content></content><reason><busy></busy></reason></jingle></iq>";
        assert_eq!(written("jabber:client", jingle).unwrap(), jingle);
    }

    #[test]
    fn on_a_component_s_stream_only_the_stanza_itself_changes_its_namespace() {
        let changed = FORWARDED.replacen("jabber:client", "jabber:component:accept", 1);
        assert_eq!(written("jabber:component:accept", FORWARDED).unwrap(), changed);
    }

    #[test]
    fn a_stanza_that_cannot_be_written_leaves_no_trace() {
        let mut out = BytesMut::from("before");
        let stanza = Element::builder("message", ns::JABBER_CLIENT).append("a\u{0}b").build();
        assert!(write(ns::JABBER_CLIENT, &stanza, &mut out).is_err());
        assert_eq!(&out[..], b"before");
    }
}
