//! Addresses: `sip:`, `sips:` (RFC 3261 §19.1), `tel:` (RFC 3966), and any other scheme as it is.

use std::borrow::Cow;
use std::fmt::{self, Display as _, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use memchr::{memchr, memrchr};

use super::Params;
use super::scan::{Octets, cut};
use crate::base::Printed;

/// What no address may hold.
const OUTSIDE: Octets = Octets::controls_and(b" \"<>");

/// Why something is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUri(pub &'static str);

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` and `sips:`
    Sip(SipUri),
    /// `tel:`
    Tel(TelUri),
    /// Any other scheme.
    Other {
        /// The scheme, in lower case.
        scheme: String,
        /// All behind its colon, as on the wire.
        rest: String,
    },
}

/// `sip:user:password@host:port;params?headers`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`
    pub secure: bool,
    /// User and password as on the wire, escapes and all.
    user: Option<String>,
    password: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// Parameters, escapes and all.
    pub params: Params,
    /// What stands behind the question mark, as on the wire.
    headers: Option<String>,
}

/// `tel:number;params`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// The number as on the wire, with its visual separators.
    pub number: String,
    /// Parameters, such as `phone-context`.
    pub params: Params,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address; IPv6 stands in brackets on the wire.
    Ip(IpAddr),
}

impl Host {
    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }

    pub(super) fn read(text: &str) -> Result<Host, BadUri> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(BadUri("an IPv6 address is not closed by a bracket"))?;
            let ip: Ipv6Addr = inner.parse().map_err(|_| BadUri("what stands in brackets is no IPv6 address"))?;
            return Ok(Host::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
            return Ok(Host::Ip(ip.into()));
        }
        if text.is_empty() {
            return Err(BadUri("the host is missing"));
        }
        // The underscore is no part of a host name, but names of containers and test beds have it.
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return Err(BadUri("the host is neither a name nor an address"));
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => Printed(*ip).fmt(f),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// `host` or `host:port`.
pub(super) fn read_host_port(text: &str) -> Result<(Host, Option<u16>), BadUri> {
    let from = memrchr(b']', text.as_bytes()).unwrap_or_default();
    let colon = memchr(b':', text.as_bytes().get(from..).unwrap_or_default()).map(|at| at + from);
    match colon {
        None => Ok((Host::read(text)?, None)),
        Some(at) => {
            let port = text.get(at + 1..).unwrap_or_default();
            let port = if port.bytes().all(|b| b.is_ascii_digit()) { port.parse().ok() } else { None };
            let port = port.filter(|p| *p != 0).ok_or(BadUri("the port is no number from 1 to 65535"))?;
            Ok((Host::read(text.get(..at).unwrap_or_default())?, Some(port)))
        }
    }
}

/// The same, written.
pub(super) fn write_host_port(f: &mut fmt::Formatter<'_>, host: &Host, port: Option<u16>) -> fmt::Result {
    host.fmt(f)?;
    match port {
        Some(port) => {
            f.write_char(':')?;
            f.write_str(itoa::Buffer::new().format(port))
        }
        None => Ok(()),
    }
}

impl Uri {
    /// The SIP address, if it is one.
    pub fn sip(&self) -> Option<&SipUri> {
        match self {
            Uri::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        match self {
            Uri::Sip(uri) if uri.secure => "sips",
            Uri::Sip(_) => "sip",
            Uri::Tel(_) => "tel",
            Uri::Other { scheme, .. } => scheme,
        }
    }

    /// Whom it names: a SIP address's user with escapes read, or a telephone number.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Uri::Sip(uri) => uri.user(),
            Uri::Tel(uri) => Some(Cow::Borrowed(&uri.number)),
            Uri::Other { .. } => None,
        }
    }
}

impl SipUri {
    /// `sip:host`
    pub fn new(host: impl Into<Host>) -> SipUri {
        SipUri {
            secure: false,
            user: None,
            password: None,
            host: host.into(),
            port: None,
            params: Params::default(),
            headers: None,
        }
    }

    /// The same with a user, given in plain text.
    pub fn with_user(mut self, user: &str) -> SipUri {
        self.user = Some(escape(user, is_user_byte));
        self
    }

    /// The same with a parameter of the user, a number: `+12155550121;verstat=No-TN-Validation` (RFC 3261 §19.1.6).
    pub fn with_user_param(mut self, name: &str, value: &str) -> SipUri {
        if let Some(user) = &mut self.user {
            user.push_str(&format!(";{name}={}", escape(value, is_param_byte)));
        }
        self
    }

    /// The same with a port.
    pub fn with_port(mut self, port: u16) -> SipUri {
        self.port = Some(port);
        self
    }

    /// The same with a parameter, given in plain text.
    pub fn with_param(mut self, name: &str, value: &str) -> SipUri {
        self.params.put(name, Some(escape(value, is_param_byte)));
        self
    }

    /// The same with a header that a request to it is to have, given in plain text (RFC 3261 §19.1.1).
    pub fn with_header(mut self, name: &str, value: &str) -> SipUri {
        let pair = format!("{name}={}", escape(value, is_header_byte));
        self.headers = Some(match self.headers.take() {
            Some(before) => format!("{before}&{pair}"),
            None => pair,
        });
        self
    }

    /// The same without what only a header may carry: `method` and headers (RFC 3261 §19.1.1, table 1).
    pub fn for_request_line(mut self) -> SipUri {
        self.params.remove("method");
        self.headers = None;
        self
    }

    /// The user, its escapes read once.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescape)
    }

    /// The password, its escapes read once.
    pub fn password(&self) -> Option<Cow<'_, str>> {
        self.password.as_deref().map(unescape)
    }

    /// The headers behind the question mark, escapes read.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers.iter().flat_map(|all| all.split('&')).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
    }

    /// Whether headers stand behind a question mark.
    pub fn has_headers(&self) -> bool {
        self.headers.is_some()
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&str> {
        self.params.get("transport")
    }
}

/// An address that is taken apart, its text not yet copied.
enum Parts<'a> {
    Sip { secure: bool, text: SipParts<'a> },
    Tel { number: &'a str, params: Option<&'a str> },
    Other { scheme: &'a str, rest: &'a str },
}

/// The same of a SIP address.
struct SipParts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    host_port: &'a str,
    params: Option<&'a str>,
    headers: Option<&'a str>,
}

/// What stands before the first of that character, and behind it, if it is there.
fn split(text: &str, at: u8) -> (&str, Option<&str>) {
    cut(text, at).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

impl<'a> SipParts<'a> {
    fn read(text: &'a str) -> Result<SipParts<'a>, BadUri> {
        let (user_info, rest) = match cut(text, b'@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, text),
        };
        if memchr(b'@', rest.as_bytes()).is_some() {
            return Err(BadUri("the address has two @"));
        }
        let (user, password) = match user_info.map(|info| split(info, b':')) {
            Some(("", _)) => return Err(BadUri("the user before the @ is empty")),
            Some((user, password)) => (Some(user), password),
            None => (None, None),
        };
        let (rest, headers) = split(rest, b'?');
        let (host_port, params) = split(rest, b';');
        Ok(SipParts { user, password, host_port, params, headers })
    }
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Parts<'a>, BadUri> {
        if text.bytes().any(|b| OUTSIDE.has(b)) {
            return Err(BadUri("an address holds white space, quotes or angle brackets"));
        }
        let (scheme, rest) = cut(text, b':').ok_or(BadUri("an address has no scheme"))?;
        let mut letters = scheme.bytes();
        let starts_well = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts_well || !letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
            return Err(BadUri("an address has no scheme"));
        }
        if rest.is_empty() {
            return Err(BadUri("an address has nothing behind its scheme"));
        }
        match ["sip", "sips", "tel"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known)) {
            Some("tel") => {
                let (number, params) = split(rest, b';');
                let dialable =
                    |b: u8| b.is_ascii_hexdigit() || matches!(b, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')');
                if number.is_empty() || !number.bytes().all(dialable) {
                    return Err(BadUri("a tel address has no number"));
                }
                Ok(Parts::Tel { number, params })
            }
            Some(known) => Ok(Parts::Sip { secure: known == "sips", text: SipParts::read(rest)? }),
            None => Ok(Parts::Other { scheme, rest }),
        }
    }
}

/// Parameters of an address, if there are any.
fn read_params(text: Option<&str>) -> Result<Params, BadUri> {
    text.map_or_else(|| Ok(Params::default()), |text| Params::read(text, false)).map_err(BadUri)
}

impl Uri {
    /// Whether it can be read.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn check(text: &str) -> Result<(), BadUri> {
        let (params, host_port) = match Parts::read(text)? {
            Parts::Sip { text, .. } => (text.params, Some(text.host_port)),
            Parts::Tel { params, .. } => (params, None),
            Parts::Other { .. } => (None, None),
        };
        params.map_or(Ok(()), |params| Params::check(params, false)).map_err(BadUri)?;
        host_port.map_or(Ok(()), |text| read_host_port(text).map(drop))
    }
}

impl From<&str> for Host {
    fn from(text: &str) -> Host {
        Host::read(text).unwrap_or_else(|_| Host::Name(text.to_ascii_lowercase()))
    }
}

impl FromStr for Uri {
    type Err = BadUri;

    fn from_str(text: &str) -> Result<Uri, BadUri> {
        match Parts::read(text)? {
            Parts::Sip { secure, text } => {
                let params = read_params(text.params)?;
                let (host, port) = read_host_port(text.host_port)?;
                let [user, password, headers] =
                    [text.user, text.password, text.headers].map(|part| part.map(str::to_owned));
                Ok(Uri::Sip(SipUri { secure, user, password, host, port, params, headers }))
            }
            Parts::Tel { number, params } => {
                Ok(Uri::Tel(TelUri { number: number.to_owned(), params: read_params(params)? }))
            }
            Parts::Other { scheme, rest } => {
                Ok(Uri::Other { scheme: scheme.to_ascii_lowercase(), rest: rest.to_owned() })
            }
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Uri {
        Uri::Sip(uri)
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                f.write_char(':')?;
                f.write_str(password)?;
            }
            f.write_char('@')?;
        }
        write_host_port(f, &self.host, self.port)?;
        self.params.fmt(f)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Sip(uri) => uri.fmt(f),
            Uri::Tel(uri) => write!(f, "tel:{}{}", uri.number, uri.params),
            Uri::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

/// RFC 3261 §25.1: unreserved and user-unreserved, without `;` and `?`, which badly written peers cut at.
fn is_user_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,/".contains(&b)
}

/// RFC 3261 §25.1: paramchar.
fn is_param_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&b)
}

/// RFC 3261 §25.1: hnv-unreserved and unreserved, without what badly written peers cut at.
fn is_header_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*()".contains(&b)
}

fn escape(plain: &str, legal: fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(plain.len());
    for b in plain.bytes() {
        if legal(b) {
            out.push(char::from(b));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
    out
}

/// Reads `%XX` once. A percent sign that begins no escape stands for itself; octets that are no UTF-8 are
/// read as Latin-1.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr(b'%', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let bytes = raw.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        match (b, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                plain.push(*b);
                at += 1;
            }
        }
    }
    Cow::Owned(match String::from_utf8(plain) {
        Ok(text) => text,
        Err(bad) => bad.as_bytes().iter().map(|b| char::from(*b)).collect(),
    })
}
