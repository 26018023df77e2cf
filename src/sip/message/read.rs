//! Bytes to message.

use bytes::Bytes;
use memchr::memchr;
use rsip::StatusCode;

use super::scan::is_token_byte;
use super::{Header, Headers, MAX_BODY, MAX_HEAD, MAX_HEADERS, Malformed, Message, Method, Name, Request, Response};
use super::{Text, Uri};

/// The first line.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Request { method: Method, uri: Uri },
    Response { status: StatusCode, reason: Text },
}

/// Start line and headers.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub start: Start,
    pub headers: Headers,
    /// What is wrong with it, if it could be taken apart and yet not be served.
    pub wrong: Option<Malformed>,
}

impl Message {
    /// Reads a datagram (RFC 3261 §18.3): the body ends where Content-Length says, or with the datagram;
    /// octets behind it are noise.
    ///
    /// # Errors
    /// [`Malformed`], with the answer that the peer shall get.
    pub fn read_datagram(datagram: Bytes) -> Result<Message, Malformed> {
        let start = datagram.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(datagram.len());
        let datagram = datagram.slice(start..);
        let end = end_of_head(&datagram, 0).unwrap_or(datagram.len());
        let head = Head::read(&datagram.slice(..end))?;
        let rest = datagram.slice(end..);
        let length = match head.content_length() {
            Err(why) => return Err(head.refuse(StatusCode::BadRequest, why)),
            Ok(None) => rest.len(),
            Ok(Some(length)) if length > rest.len() => {
                return Err(head.refuse(StatusCode::BadRequest, "Content-Length is beyond the end of the message"));
            }
            Ok(Some(length)) => length,
        };
        if length > MAX_BODY {
            return Err(head.refuse(StatusCode::RequestEntityTooLarge, "the body is too large"));
        }
        head.with_body(rest.slice(..length))
    }
}

/// Where the headers end: behind the first empty line that begins at or after `from`. Lines may end with a
/// bare LF, as some devices and all text files have it.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', bytes.get(at..)?)?;
        match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'\n'), _) => return Some(at + 2),
            (Some(b'\r'), Some(b'\n')) => return Some(at + 3),
            _ => at += 1,
        }
    }
}

impl Head {
    /// Takes the head apart, which ends with or without its empty line.
    pub fn read(head: &Bytes) -> Result<Head, Malformed> {
        if head.len() > MAX_HEAD {
            return Err(Malformed::new(StatusCode::MessageTooLarge, "the headers are too long"));
        }
        let (line, rest) = cut_line(head);
        let (start, mut wrong) = read_start(&head.slice_ref(line))?;
        let mut headers = Vec::with_capacity(24);
        let mut rest = rest;
        while !rest.is_empty() {
            let (line, folded, left) = cut_header(rest);
            rest = left;
            if line.is_empty() {
                break;
            }
            if headers.len() == MAX_HEADERS {
                wrong.get_or_insert(Malformed::new(StatusCode::MessageTooLarge, "there are too many headers"));
                break;
            }
            match read_header(head, line, folded) {
                Ok(header) => headers.push(header),
                Err(why) => {
                    wrong.get_or_insert(Malformed::new(StatusCode::BadRequest, why));
                }
            }
        }
        let headers = headers.into_iter().collect();
        Ok(Head { start, headers, wrong })
    }

    /// Content-Length; `None` if it is absent. Two that differ, or anything but digits, is an error.
    pub fn content_length(&self) -> Result<Option<usize>, &'static str> {
        let mut length = None;
        for text in self.headers.all(&Name::ContentLength) {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err("Content-Length is no number");
            }
            let read: usize = text.parse().map_err(|_| "Content-Length is too large")?;
            if length.replace(read).is_some() {
                return Err("Content-Length stands there twice");
            }
        }
        Ok(length)
    }

    /// The error that answers this message.
    pub fn refuse(self, status: StatusCode, why: &'static str) -> Malformed {
        let wrong = Malformed::new(status, why);
        match self.start {
            Start::Response { .. } => wrong,
            Start::Request { method, uri } => {
                wrong.of(Request { method, uri, headers: self.headers, body: Bytes::new() })
            }
        }
    }

    /// The whole message, checked.
    pub fn with_body(self, body: Bytes) -> Result<Message, Malformed> {
        let Head { start, headers, wrong } = self;
        match start {
            Start::Request { method, uri } => {
                let request = Request { method, uri, headers, body };
                match wrong {
                    Some(wrong) => Err(wrong.of(request)),
                    None => match super::check::request(&request) {
                        Err(wrong) => Err(wrong.of(request)),
                        Ok(()) => Ok(Message::Request(request)),
                    },
                }
            }
            Start::Response { status, reason } => {
                let response = Response { status, reason, headers, body };
                match wrong {
                    Some(wrong) => Err(wrong),
                    None => super::check::response(&response).map(|()| Message::Response(response)),
                }
            }
        }
    }
}

/// The first line without its end, and what follows.
fn cut_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', bytes) {
        None => (bytes, &[]),
        Some(at) => {
            let line = bytes.get(..at).unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line), bytes.get(at + 1..).unwrap_or_default())
        }
    }
}

/// The first header with its folded lines (RFC 3261 §7.3.1), whether it has any, and what follows.
fn cut_header(bytes: &[u8]) -> (&[u8], bool, &[u8]) {
    let (line, mut rest) = cut_line(bytes);
    let mut end = line.len();
    let mut folded = false;
    while !line.is_empty() && matches!(rest.first(), Some(b' ' | b'\t')) {
        folded = true;
        let (more, left) = cut_line(rest);
        end = bytes.len() - rest.len() + more.len();
        rest = left;
    }
    (bytes.get(..end).unwrap_or_default(), folded, rest)
}

fn is_space(b: &u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_space(last)
    {
        bytes = rest;
    }
    bytes
}

fn read_header(head: &Bytes, line: &[u8], folded: bool) -> Result<Header, &'static str> {
    let colon = memchr(b':', line).ok_or("a header has no colon")?;
    let name = trim_bytes(line.get(..colon).unwrap_or_default());
    let value = trim_bytes(line.get(colon + 1..).unwrap_or_default());
    if name.is_empty() || !name.iter().all(|b| is_token_byte(*b)) {
        return Err("a header's name is no token");
    }
    let name = Name::look_up(name).unwrap_or_else(|| Name::Other(Text::from_bytes(head.slice_ref(name))));
    let value = if folded { unfold(value) } else { head.slice_ref(value) };
    Ok(Header { name, value: Text::from_bytes(value) })
}

/// RFC 3261 §7.3.1: a line end with the white space around it reads as one space.
fn unfold(value: &[u8]) -> Bytes {
    let mut plain: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        plain.extend(trim_bytes(rest.get(..end).unwrap_or_default()));
        plain.push(b' ');
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    plain.extend(trim_bytes(rest));
    plain.into()
}

/// Whether it is `SIP/` and digits, and then whether it is the version we speak.
fn version(word: &[u8]) -> Option<bool> {
    let (name, number) = word.split_at_checked(4)?;
    let digits = !number.is_empty() && number.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    (name.eq_ignore_ascii_case(b"SIP/") && digits).then_some(number == b"2.0")
}

fn read_start(line: &Bytes) -> Result<(Start, Option<Malformed>), Malformed> {
    let noise = || Malformed::new(StatusCode::BadRequest, "the first line is neither of a request nor of a response");
    let first_space = line.iter().position(|b| *b == b' ').ok_or_else(noise)?;
    let first = line.slice(..first_space);
    if let Some(known) = version(&first) {
        let status = read_status(&line.slice(first_space + 1..));
        let wrong = match status {
            None => Some("the status code is no number from 100 to 699"),
            Some(_) if !known => Some("the version is not SIP/2.0"),
            Some(_) => None,
        };
        let (status, reason) = status.unwrap_or((StatusCode::BadRequest, Text::default()));
        let wrong = wrong.map(|why| Malformed::new(StatusCode::BadRequest, why));
        return Ok((Start::Response { status, reason }, wrong));
    }
    let last_space = line.iter().rposition(|b| *b == b' ').ok_or_else(noise)?;
    let known_version = version(trim_bytes(line.get(last_space..).unwrap_or_default()));
    if first.is_empty() || !first.iter().all(|b| is_token_byte(*b)) {
        return Err(noise());
    }
    let method = Method::read(&Text::from_bytes(first));
    let raw = line.get(first_space + 1..last_space).map_or_else(Bytes::new, |uri| line.slice_ref(uri));
    let raw = Text::from_bytes(raw);
    let opaque = || Uri::Other { scheme: String::new(), rest: raw.to_string() };
    let bad = |why: &'static str| Some(Malformed::new(StatusCode::BadRequest, why));
    let (uri, wrong) = match (known_version, raw.parse()) {
        (None, uri) => (uri.unwrap_or_else(|_| opaque()), bad("the first line does not end with a version")),
        (Some(false), uri) => {
            let wrong = Malformed::new(StatusCode::VersionNotSupported, "the version is not SIP/2.0");
            (uri.unwrap_or_else(|_| opaque()), Some(wrong))
        }
        (Some(true), Ok(uri)) => (uri, None),
        (Some(true), Err(super::BadUri(why))) => (opaque(), bad(why)),
    };
    Ok((Start::Request { method, uri }, wrong))
}

fn read_status(rest: &Bytes) -> Option<(StatusCode, Text)> {
    let (code, reason) = match rest.iter().position(|b| *b == b' ') {
        Some(at) => (rest.slice(..at), rest.slice(at + 1..)),
        None => (rest.clone(), Bytes::new()),
    };
    let code: u16 = match code.as_ref() {
        [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return None,
    };
    Some((StatusCode::from(code), Text::from_bytes(reason)))
}
