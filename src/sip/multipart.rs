//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use std::str;

/// The most parts that are looked at.
const MOST_PARTS: usize = 16;
/// The most headers of a part.
const MOST_HEADERS: usize = 16;

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its headers, unfolded.
    pub headers: Vec<(String, String)>,
    /// Its octets.
    pub content: &'a [u8],
}

impl Part<'_> {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Its media type, in lower case and without parameters; a part that says none is text (RFC 2045 §5.2).
    pub fn media_type(&self) -> String {
        let value = self.header("Content-Type").unwrap_or("text/plain");
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The parts of a body. Ends of lines may be CRLF or LF, and a last part that is not closed counts as far as it goes;
/// what stands before the first and behind the last is left out.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let (mut found, mut begin, mut at) = (Vec::new(), None, 0);
    if boundary.is_empty() {
        return found;
    }
    let delimiter = format!("--{boundary}");
    let lines = body.split_inclusive(|octet| *octet == b'\n').map(Some).chain([None]);
    for line in lines {
        let end = at + line.map_or(0, <[u8]>::len);
        let closes = match line.map(|line| line.trim_ascii_end().strip_prefix(delimiter.as_bytes())) {
            Some(Some(b"")) => false,
            Some(Some(b"--")) | None => true,
            Some(_) => {
                at = end;
                continue;
            }
        };
        if let Some(part) = begin.and_then(|begin| body.get(begin..at)) {
            // The end of the line before a delimiter belongs to the delimiter.
            found.push(part_of(without_line_end(part)));
        }
        if closes || found.len() == MOST_PARTS {
            break;
        }
        (begin, at) = (Some(end), end);
    }
    found
}

fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn part_of(part: &[u8]) -> Part<'_> {
    let (mut headers, mut rest): (Vec<(String, String)>, &[u8]) = (Vec::new(), part);
    loop {
        let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        let text = String::from_utf8_lossy(without_line_end(line)).into_owned();
        let folded = text.starts_with([' ', '\t']);
        let has_room = headers.len() < MOST_HEADERS;
        match (text.split_once(':'), headers.last_mut()) {
            (_, Some((_, value))) if folded && !text.trim().is_empty() => {
                value.push(' ');
                value.push_str(text.trim());
            }
            (Some((name, value)), _) if has_room => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            _ if text.is_empty() => break,
            _ => {}
        }
        if rest.is_empty() {
            break;
        }
    }
    Part { headers, content: rest }
}

/// Writes a body of several parts. The boundary must be one that nobody can guess, so that no part holds it.
pub fn write<'a>(parts: impl Iterator<Item = Part<'a>>, boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        for (name, value) in &part.headers {
            body.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 6442 §5.1 has it, but for the headers and the length of what is in it.
    const BODY: &str = "nothing\r\n--boundary1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n\
        --boundary1 \r\ncontent-type: Application/PIDF+xml;\r\n charset=utf-8\r\nContent-ID: <a@b>\r\n\r\n\
        <x>\r\n--boundary10\r\n</x>\r\n--boundary1--\r\nnothing\r\n--boundary1\r\n\r\nnothing\r\n";

    #[test]
    fn the_parts_of_a_body_are_what_stands_between_its_delimiters() {
        for body in [BODY.to_owned(), BODY.replace("\r\n", "\n")] {
            let found = parts(body.as_bytes(), "boundary1");
            assert_eq!(found.len(), 2);
            let end = if body.contains('\r') { "\r\n" } else { "\n" };
            assert_eq!(found[0].media_type(), "application/sdp");
            assert_eq!(found[0].content, format!("v=0{end}").as_bytes());
            assert_eq!(found[1].media_type(), "application/pidf+xml");
            assert_eq!(found[1].header("CONTENT-TYPE"), Some("Application/PIDF+xml; charset=utf-8"));
            assert_eq!(found[1].header("Content-ID"), Some("<a@b>"));
            assert_eq!(found[1].content, format!("<x>{end}--boundary10{end}</x>").as_bytes());
        }
    }

    #[test]
    fn a_body_that_is_cut_short_counts_as_far_as_it_goes_and_nothing_in_it_is_taken_twice() {
        for length in 0..BODY.len() {
            let found = parts(&BODY.as_bytes()[..length], "boundary1");
            // What is cut within a line may end like a delimiter.
            assert!(found.len() <= 3 && found.iter().map(|part| part.content.len()).sum::<usize>() <= length);
        }
        assert!(parts(BODY.as_bytes(), "").is_empty());
        assert!(parts(BODY.as_bytes(), "other").is_empty());
        let empty = parts(b"--b\r\n\r\nx\r\n--b\n\n--b\n--b--", "b");
        assert_eq!(empty.iter().map(|part| part.content).collect::<Vec<_>>(), [&b"x"[..], b"", b""]);
        assert_eq!(empty[0].media_type(), "text/plain");
        let many = "--b\r\nx: y\r\n\r\n".repeat(1000);
        assert_eq!(parts(many.as_bytes(), "b").len(), MOST_PARTS);
        let headers = format!("--b\r\n{}\r\nz\r\n--b--", "x: y\r\n".repeat(1000));
        let found = parts(headers.as_bytes(), "b");
        assert_eq!((found[0].headers.len(), found[0].content), (MOST_HEADERS, &b"z"[..]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let read = parts(BODY.as_bytes(), "boundary1");
        let written = write(read.iter().cloned(), "other");
        assert_eq!(parts(&written, "other"), read);
    }
}
