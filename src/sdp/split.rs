//! Text to sections: the session's lines, and each `m=` line with what follows it.

use memchr::memchr2;

use super::{MAX_LINE_OCTETS, MAX_LINES, MAX_OCTETS, MAX_STREAMS, SdpError};

/// One line, without its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Its place in the text, from 1.
    pub number: usize,
    /// The letter before the `=`.
    pub kind: char,
    /// What is behind the `=`, without blanks at the end.
    pub value: &'a str,
}

impl<'a> Line<'a> {
    /// The error that this line cannot be understood.
    pub fn error(&self, what: &'static str, wrong: impl Into<String>) -> SdpError {
        SdpError::Line { line: self.number, what, wrong: wrong.into() }
    }

    /// An attribute's name and value.
    pub fn attribute(&self) -> (&'a str, Option<&'a str>) {
        match self.value.split_once(':') {
            Some((name, value)) => (name, Some(value.trim_start())),
            None => (self.value, None),
        }
    }
}

/// One `m=` line and what belongs to it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// The `m=` line.
    pub media: Line<'a>,
    /// The lines up to the next one.
    pub lines: Vec<Line<'a>>,
}

/// The text, taken apart. Every `m=` line keeps its slot, whatever it says.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    /// The lines before the first `m=`.
    pub session: Vec<Line<'a>>,
    /// The streams, in order.
    pub streams: Vec<Section<'a>>,
}

/// Splits the text, and holds it to the limits before anybody looks inside.
pub(super) fn split(text: &str) -> Result<Sections<'_>, SdpError> {
    if text.len() > MAX_OCTETS {
        return Err(SdpError::TooLong { octets: text.len() });
    }
    let mut sections = Sections { session: Vec::new(), streams: Vec::new() };
    let mut count = 0;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let end = memchr2(b'\n', b'\r', text.as_bytes());
        let raw = end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end_matches(' ');
        rest = end.and_then(|end| text.get(end + 1..));
        if raw.is_empty() {
            continue;
        }
        count += 1;
        if count > MAX_LINES {
            return Err(SdpError::TooManyLines);
        }
        if raw.len() > MAX_LINE_OCTETS {
            return Err(SdpError::LineTooLong { line: count });
        }
        if count == 1 && raw != "v=0" {
            return Err(SdpError::NotSdp);
        }
        let mut characters = raw.chars();
        // RFC 8866 §5: unknown letters are ignored. A line without a letter means nothing to anybody.
        let (Some(kind), Some('=')) = (characters.next(), characters.next()) else { continue };
        let line = Line { number: count, kind, value: characters.as_str().trim_start() };
        if kind == 'm' {
            if sections.streams.len() == MAX_STREAMS {
                return Err(SdpError::TooManyStreams { line: count });
            }
            sections.streams.push(Section { media: line, lines: Vec::new() });
        } else {
            match sections.streams.last_mut() {
                Some(section) => section.lines.push(line),
                None => sections.session.push(line),
            }
        }
    }
    if count == 0 { Err(SdpError::NotSdp) } else { Ok(sections) }
}
