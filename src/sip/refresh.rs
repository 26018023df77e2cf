//! Asking for a whole picture in an INFO (RFC 5168): what telephones do whose RTP has no feedback.

/// The type of the body.
pub const TYPE: &str = "application/media_control+xml";
/// The body that asks (RFC 5168 §7.1).
pub const BODY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n<media_control>\r\n  <vc_primitive>\r\n    \
                        <to_encoder>\r\n      <picture_fast_update>\r\n      </picture_fast_update>\r\n    \
                        </to_encoder>\r\n  </vc_primitive>\r\n</media_control>\r\n";
/// Octets of a body that are looked at.
const MOST_OCTETS: usize = 2_048;

/// What a body of this type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// A whole picture is wanted.
    Refresh,
    /// Something else: what could not be done with an earlier word of ours (RFC 5168 §6).
    Other,
    /// It is no media control.
    Garbled,
}

/// Reads a body.
pub fn read(body: &[u8]) -> Control {
    let text = String::from_utf8_lossy(body.get(..MOST_OCTETS).unwrap_or(body));
    match (has_element(&text, "picture_fast_update"), has_element(&text, "media_control")) {
        (true, _) => Control::Refresh,
        (false, true) => Control::Other,
        (false, false) => Control::Garbled,
    }
}

/// Whether an element begins in the text, with a prefix or without. Telephones write the same few lines each, so that
/// nothing else of XML is needed to know them.
fn has_element(text: &str, name: &str) -> bool {
    text.split('<').skip(1).any(|tag| {
        let end = tag.find(|c: char| c == '>' || c == '/' || c.is_whitespace()).unwrap_or(tag.len());
        let written = tag.get(..end).unwrap_or_default();
        written.rsplit(':').next() == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_a_whole_picture_is_read_in_any_spelling() {
        for body in [
            BODY,
            "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>",
            "<m:media_control xmlns:m=\"x\"><m:picture_fast_update /></m:media_control>",
            "<?xml version=\"1.0\"?>\n<media_control>\n<picture_fast_update\n></picture_fast_update></media_control>",
        ] {
            assert_eq!(read(body.as_bytes()), Control::Refresh, "{body}");
        }
    }

    #[test]
    fn anything_else_is_no_wish() {
        let error = "<media_control><general_error>no picture_fast_update here</general_error></media_control>";
        assert_eq!(read(error.as_bytes()), Control::Other);
        for body in
            ["", "picture_fast_update", "</picture_fast_update>", "<picture_fast_updates/>", "Signal=5", "<", "<<>"]
        {
            assert_eq!(read(body.as_bytes()), Control::Garbled, "{body}");
        }
        assert_eq!(read(&vec![b'<'; 100_000]), Control::Garbled);
    }
}
