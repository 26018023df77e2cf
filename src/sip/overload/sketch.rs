//! A request as far as its turning away needs it, read from the datagram without taking it apart.
//!
//! Only what is plain has a sketch: no folded lines, no quotes in `Via`, one branch with the cookie. All else is read as a
//! whole ([`Message::read_datagram`](crate::sip::message::Message::read_datagram)).

use std::net::{IpAddr, SocketAddr};
use std::str::from_utf8;

use memchr::{memchr, memchr2};

use crate::sip::transaction::key::{COOKIE, ServerKey};

/// What is asked, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// INVITE
    Invite,
    /// ACK
    Ack,
    /// CANCEL
    Cancel,
}

/// The parts that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sketch<'a> {
    /// The method.
    pub asked: Asked,
    /// The Request-URI as it stands.
    pub uri: &'a str,
    /// The branch of the topmost `Via`.
    pub branch: &'a str,
    /// Its host and port.
    pub sent_by: &'a str,
    /// The `Call-ID`.
    pub call_id: &'a [u8],
    /// The tag in `To`.
    pub to_tag: Option<&'a [u8]>,
    /// It takes the place of another call.
    pub replaces: bool,
}

impl<'a> Sketch<'a> {
    /// Reads an INVITE, an ACK or a CANCEL; `None` if it is another message, or not plain.
    pub fn read(datagram: &'a [u8]) -> Option<Sketch<'a>> {
        let (asked, uri, rest) = read_start(datagram)?;
        let (mut via, mut from, mut to, mut call_id, mut cseq, mut replaces) = (None, None, None, None, None, false);
        for line in Lines(rest) {
            let (field, value) = line?;
            let twice = match field {
                Field::Via => {
                    via = via.or(Some(value));
                    false
                }
                Field::From => from.replace(value).is_some(),
                Field::To => to.replace(value).is_some(),
                Field::CallId => call_id.replace(value).is_some(),
                Field::CSeq => cseq.replace(value).is_some(),
                Field::Replaces => {
                    replaces = true;
                    false
                }
                Field::Other => false,
            };
            if twice {
                return None;
            }
        }
        from?;
        cseq?;
        let via = Via::read(via?)?;
        let to_tag = read_tag(to?)?;
        Some(Sketch { asked, uri, branch: via.branch, sent_by: via.sent_by, call_id: call_id?, to_tag, replaces })
    }

    /// Whether it asks for a new call, and not for a change of one.
    pub fn is_new_call(&self) -> bool {
        self.asked == Asked::Invite && self.to_tag.is_none() && !self.replaces
    }

    /// The transaction of the INVITE.
    pub fn key(&self) -> ServerKey {
        ServerKey::of_invite(self.branch, self.sent_by)
    }
}

/// The 503 for an INVITE that has a sketch (RFC 3261 §8.2.6, §21.5.4), without a transaction (§8.2.7).
///
/// It names no `Retry-After`: a peer would then say nothing at all for so long (§21.5.4), and where a part of the calls is
/// turned away, the rest would not come either (RFC 5390 §3).
pub fn turn_away(datagram: &[u8], source: SocketAddr, tag: &str, agent: &str) -> Option<Vec<u8>> {
    let (_, _, rest) = read_start(datagram)?;
    let mut answer = Vec::with_capacity(512);
    answer.extend_from_slice(b"SIP/2.0 503 Service Unavailable\r\n");
    let mut is_stamped = false;
    for line in Lines(rest) {
        let (field, value) = line?;
        let name: &[u8] = match field {
            Field::Via => b"Via: ",
            Field::From => b"From: ",
            Field::To => b"To: ",
            Field::CallId => b"Call-ID: ",
            Field::CSeq => b"CSeq: ",
            Field::Replaces | Field::Other => continue,
        };
        answer.extend_from_slice(name);
        match field {
            Field::Via if !is_stamped => {
                is_stamped = true;
                Via::read(value)?.write_stamped(source, &mut answer);
            }
            _ => answer.extend_from_slice(value),
        }
        if field == Field::To {
            answer.extend_from_slice(b";tag=");
            answer.extend_from_slice(tag.as_bytes());
        }
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"Server: ");
    answer.extend_from_slice(agent.as_bytes());
    answer.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
    Some(answer)
}

/// The method and the Request-URI, and what follows the first line.
fn read_start(datagram: &[u8]) -> Option<(Asked, &str, &[u8])> {
    let (line, rest) = cut_line(datagram);
    let (method, line) = cut(line, b' ')?;
    let asked = match method {
        b"INVITE" => Asked::Invite,
        b"ACK" => Asked::Ack,
        b"CANCEL" => Asked::Cancel,
        _ => return None,
    };
    let uri = from_utf8(line.strip_suffix(b" SIP/2.0")?).ok()?;
    (!uri.contains(' ')).then_some((asked, uri, rest))
}

/// The headers that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Replaces,
    Other,
}

impl Field {
    fn by_name(name: &[u8]) -> Field {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            1 if is(b"v") => Field::Via,
            1 if is(b"f") => Field::From,
            1 if is(b"t") => Field::To,
            1 if is(b"i") => Field::CallId,
            2 if is(b"to") => Field::To,
            3 if is(b"via") => Field::Via,
            4 if is(b"from") => Field::From,
            4 if is(b"cseq") => Field::CSeq,
            7 if is(b"call-id") => Field::CallId,
            8 if is(b"replaces") => Field::Replaces,
            _ => Field::Other,
        }
    }
}

/// The headers up to the empty line; `None` for what is not plain.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Option<(Field, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = cut_line(self.0);
        if line.is_empty() {
            return None;
        }
        self.0 = rest;
        // A line that begins with white space goes on with the one before.
        let is_folded = matches!(rest.first(), Some(b' ' | b'\t'));
        let Some((name, value)) = cut(line, b':').filter(|_| !is_folded) else { return Some(None) };
        let (field, value) = (Field::by_name(name.trim_ascii()), value.trim_ascii());
        // What could be taken for the end of a line in an answer.
        let is_plain = field == Field::Other || memchr2(b'\r', 0, value).is_none();
        Some(is_plain.then_some((field, value)))
    }
}

/// The topmost element of a `Via`.
struct Via<'a> {
    /// Up to the first parameter.
    place: &'a str,
    sent_by: &'a str,
    branch: &'a str,
    params: &'a str,
    /// The elements that follow it on the same line, with the comma.
    others: &'a str,
}

impl<'a> Via<'a> {
    fn read(value: &'a [u8]) -> Option<Via<'a>> {
        let value = from_utf8(value).ok().filter(|value| !value.contains(['"', '<', '>']))?;
        let (top, others) = value.split_at(value.find(',').unwrap_or(value.len()));
        let (place, params) = top.split_once(';')?;
        let (_, sent_by) = place.strip_prefix("SIP/2.0/")?.split_once(' ')?;
        let sent_by = sent_by.trim();
        is_plain_place(sent_by).then_some(())?;
        let is_branch = |param: &&str| param.split('=').next().is_some_and(|n| n.trim().eq_ignore_ascii_case("branch"));
        let mut branches = params.split(';').filter(is_branch);
        let branch = branches.next()?.trim().strip_prefix("branch=")?;
        let is_plain = branch.starts_with(COOKIE)
            && branch.len() > COOKIE.len()
            && branch.bytes().all(|b| b.is_ascii_graphic())
            && branches.next().is_none();
        is_plain.then_some(Via { place, sent_by, branch, params, others })
    }

    /// Writes it with where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    fn write_stamped(&self, source: SocketAddr, out: &mut Vec<u8>) {
        out.extend_from_slice(self.place.trim_end().as_bytes());
        let mut is_asked = false;
        for param in self.params.split(';').map(str::trim) {
            let name = param.split('=').next().unwrap_or_default().trim();
            if name.eq_ignore_ascii_case("received") {
                continue;
            }
            out.push(b';');
            if name.eq_ignore_ascii_case("rport") {
                is_asked = true;
                out.extend_from_slice(format!("rport={}", source.port()).as_bytes());
            } else {
                out.extend_from_slice(param.as_bytes());
            }
        }
        let ip = source.ip();
        if is_asked || host(self.sent_by).parse() != Ok(ip) {
            out.extend_from_slice(format!(";received={ip}").as_bytes());
        }
        out.extend_from_slice(self.others.as_bytes());
    }
}

/// The host of a `sent-by`, without the brackets of IPv6.
fn host(sent_by: &str) -> &str {
    match sent_by.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((ip, _)) => ip,
        None => sent_by.split(':').next().unwrap_or_default(),
    }
}

/// Whether it is written as the transactions write it, whose key it is part of.
fn is_plain_place(sent_by: &str) -> bool {
    let (host, port) = match sent_by.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((ip, port)) if ip.parse().is_ok_and(|read: IpAddr| read.to_string() == ip) => (ip, port),
        Some(_) => return false,
        None => {
            let (host, port) = sent_by.split_at(sent_by.find(':').unwrap_or(sent_by.len()));
            if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
                return false;
            }
            (host, port)
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|read| read > 0 && read.to_string() == port);
    !host.is_empty() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// The tag of a `To`; the outer `None` if it is not plain.
fn read_tag(value: &[u8]) -> Option<Option<&[u8]>> {
    let mut rest = value;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut is_escaped = false;
        let end = quoted.iter().position(|b| match b {
            _ if is_escaped => {
                is_escaped = false;
                false
            }
            b'\\' => {
                is_escaped = true;
                false
            }
            b => *b == b'"',
        })?;
        rest = quoted.get(end + 1..)?;
    }
    if rest.contains(&b'"') {
        return None;
    }
    let params = match rest.contains(&b'<') {
        true => cut(cut(rest, b'<')?.1, b'>')?.1,
        false => cut(rest, b';').map_or(&[][..], |(_, params)| params),
    };
    if params.contains(&b',') {
        return None;
    }
    let mut params = params.split(|b| *b == b';').filter_map(|param| cut(param, b'='));
    let tag = params.find(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"tag"));
    Some(tag.map(|(_, tag)| tag.trim_ascii()))
}

/// What stands before and behind the first octet of that kind.
fn cut(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(at, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// The first line without its end, and what follows.
fn cut_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match cut(bytes, b'\n') {
        Some((line, rest)) => (line.strip_suffix(b"\r").unwrap_or(line), rest),
        None => (bytes, &[]),
    }
}
