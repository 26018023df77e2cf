//! The headers the gateway understands, read when asked for. A header that is absent is `Ok(None)` or an
//! empty list; one that cannot be read is an error that names it.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use memchr::memchr2;

use super::scan::{cut, elements, find, is_token, trim};
use super::{Headers, Method, Name, NameAddr, Params, Text, Via};

/// A header that is missing or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}")]
pub struct BadHeader {
    /// Which.
    pub name: Name,
    /// What is wrong with it.
    pub what: &'static str,
}

fn bad(name: Name, what: &'static str) -> BadHeader {
    BadHeader { name, what }
}

/// CSeq (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method it counts.
    pub method: Method,
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(itoa::Buffer::new().format(self.number))?;
        f.write_char(' ')?;
        f.write_str(self.method.as_str())
    }
}

/// What a Contact header says (RFC 3261 §20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all of them, in a REGISTER with `Expires: 0`.
    Star,
    /// These.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The addresses; none for `*`.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Contacts::Star => &[],
            Contacts::List(list) => list,
        }
    }
}

/// One value of a Reason header (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` …, as on the wire.
    pub protocol: String,
    /// The number, if there is one.
    pub cause: Option<u16>,
    /// The words, in plain text.
    pub text: Option<String>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            f.write_str(";text=")?;
            super::scan::write_quoted(f, text)?;
        }
        Ok(())
    }
}

/// A media type (RFC 3261 §20.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype`, in lower case.
    pub media_type: String,
    /// Parameters, such as `boundary`.
    pub params: Params,
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.media_type, self.params)
    }
}

impl FromStr for ContentType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ContentType, &'static str> {
        let (media_type, params) = match cut(text, b';') {
            Some((media_type, params)) => (media_type, Params::read(params, true)?),
            None => (text, Params::default()),
        };
        let (kind, subtype) = cut(media_type, b'/').ok_or("no media type")?;
        let (kind, subtype) = (trim(kind), trim(subtype));
        if !is_token(kind) || !is_token(subtype) {
            return Err("no media type");
        }
        let mut media_type = [kind, "/", subtype].concat();
        media_type.make_ascii_lowercase();
        Ok(ContentType { media_type, params })
    }
}

/// Digits only: no sign, no blank, no overflow.
pub(super) fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl Headers {
    fn one(&self, name: &Name) -> Result<&Text, BadHeader> {
        self.get(name).ok_or_else(|| bad(name.clone(), "is missing"))
    }

    fn addresses(&self, name: &Name) -> Result<Vec<NameAddr>, BadHeader> {
        self.elements(name).map(|e| e.parse().map_err(|e: super::BadUri| bad(name.clone(), e.0))).collect()
    }

    /// The top Via.
    pub fn via(&self) -> Result<Via, BadHeader> {
        let first = self.elements(&Name::Via).next().ok_or_else(|| bad(Name::Via, "is missing"))?;
        first.parse().map_err(|e: super::BadUri| bad(Name::Via, e.0))
    }

    /// All Vias, top first.
    pub fn vias(&self) -> Result<Vec<Via>, BadHeader> {
        self.elements(&Name::Via).map(|e| e.parse().map_err(|e: super::BadUri| bad(Name::Via, e.0))).collect()
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, BadHeader> {
        self.one(&Name::From)?.parse().map_err(|e: super::BadUri| bad(Name::From, e.0))
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, BadHeader> {
        self.one(&Name::To)?.parse().map_err(|e: super::BadUri| bad(Name::To, e.0))
    }

    /// Whether all addresses in that list, which may be empty, can be read.
    pub(super) fn check_addresses(&self, name: &Name) -> Result<(), BadHeader> {
        self.elements(name).try_for_each(NameAddr::check).map_err(|e| bad(name.clone(), e.0))
    }

    /// Whether there is such an address, and can be read.
    pub(super) fn check_address(&self, name: &Name) -> Result<(), BadHeader> {
        NameAddr::check(self.one(name)?).map_err(|e| bad(name.clone(), e.0))
    }

    /// Whether the top Via is there and can be read.
    pub(super) fn check_via(&self) -> Result<(), BadHeader> {
        let first = self.elements(&Name::Via).next().ok_or_else(|| bad(Name::Via, "is missing"))?;
        Via::check(first).map_err(|e| bad(Name::Via, e.0))
    }

    /// The same, and whether those below it can be read.
    pub(super) fn check_vias(&self) -> Result<(), BadHeader> {
        self.check_via()?;
        self.elements(&Name::Via).skip(1).try_for_each(Via::check).map_err(|e| bad(Name::Via, e.0))
    }

    /// The tag in From, of headers that have been checked: the same as by [`Headers::from`], without reading the address.
    pub fn from_tag(&self) -> Option<&str> {
        tag(self.get(&Name::From)?)
    }

    /// The same in To.
    pub fn to_tag(&self) -> Option<&str> {
        tag(self.get(&Name::To)?)
    }

    /// The branch in the top Via, of headers that have been checked: the same as by [`Headers::via`], without reading it.
    pub fn branch(&self) -> Option<&str> {
        let (_, params) = cut(self.elements(&Name::Via).next()?, b';')?;
        param(params, "branch").filter(|branch| !branch.is_empty())
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&Text, BadHeader> {
        let call_id = self.one(&Name::CallId)?;
        // An empty one, or one in two words, would not come back as it went.
        if call_id.is_empty() || memchr2(b' ', b'\t', call_id.as_bytes()).is_some() {
            return Err(bad(Name::CallId, "is not one word"));
        }
        Ok(call_id)
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, BadHeader> {
        const SHAPE: &str = "is not a number and a method";
        let text = self.one(&Name::CSeq)?;
        let (count, method) = text.split_once([' ', '\t']).ok_or_else(|| bad(Name::CSeq, SHAPE))?;
        let method = trim(method);
        let number = number(count).ok_or_else(|| bad(Name::CSeq, SHAPE))?;
        if !is_token(method) {
            return Err(bad(Name::CSeq, SHAPE));
        }
        Ok(CSeq { number, method: method.into() })
    }

    /// Contact.
    pub fn contacts(&self) -> Result<Contacts, BadHeader> {
        match self.is_star()? {
            true => Ok(Contacts::Star),
            false => Ok(Contacts::List(self.addresses(&Name::Contact)?)),
        }
    }

    /// Whether Contact can be read; gives whether it is a star.
    pub(super) fn check_contacts(&self) -> Result<bool, BadHeader> {
        let is_star = self.is_star()?;
        if !is_star {
            self.check_addresses(&Name::Contact)?;
        }
        Ok(is_star)
    }

    fn is_star(&self) -> Result<bool, BadHeader> {
        if self.get(&Name::Contact).is_none_or(|c| c.as_str() != "*") {
            return Ok(false);
        }
        match self.all(&Name::Contact).count() {
            1 => Ok(true),
            _ => Err(bad(Name::Contact, "has * beside others")),
        }
    }

    /// Route, first hop first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.addresses(&Name::Route)
    }

    /// Record-Route, as it stands in the message.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.addresses(&Name::RecordRoute)
    }

    /// P-Asserted-Identity (RFC 3325).
    pub fn asserted_identities(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.addresses(&Name::PAssertedIdentity)
    }

    fn seconds(&self, name: &Name) -> Result<Option<u32>, BadHeader> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => number(text).map(Some).ok_or_else(|| bad(name.clone(), "is no number")),
        }
    }

    /// Max-Forwards, at most 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, BadHeader> {
        match self.seconds(&Name::MaxForwards)?.map(u8::try_from) {
            None => Ok(None),
            Some(Ok(hops)) => Ok(Some(hops)),
            Some(Err(_)) => Err(bad(Name::MaxForwards, "is above 255")),
        }
    }

    /// Expires, in seconds.
    pub fn expires(&self) -> Result<Option<u32>, BadHeader> {
        self.seconds(&Name::Expires)
    }

    /// Min-Expires, in seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, BadHeader> {
        self.seconds(&Name::MinExpires)
    }

    /// Retry-After: how long to wait. Its comment and parameters do not matter here.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.get(&Name::RetryAfter)?;
        let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
        Some(Duration::from_secs(number(text.get(..end)?)?.into()))
    }

    /// Content-Type; `None` if there is none.
    pub fn content_type(&self) -> Result<Option<ContentType>, BadHeader> {
        self.get(&Name::ContentType).map(|t| t.parse().map_err(|what| bad(Name::ContentType, what))).transpose()
    }

    /// All reasons (RFC 3326), those that cannot be read left out: they are hints.
    pub fn reasons(&self) -> Vec<Reason> {
        self.elements(&Name::Reason).filter_map(read_reason).collect()
    }

    /// Allow: the methods the peer takes; `None` if it does not say.
    pub fn allow(&self) -> Option<Vec<Method>> {
        self.has(&Name::Allow).then(|| self.elements(&Name::Allow).map(Method::from).collect())
    }

    /// Whether the option tag stands in Supported.
    pub fn supports(&self, option: &str) -> bool {
        self.elements(&Name::Supported).any(|o| o.eq_ignore_ascii_case(option))
    }

    /// Supported: option tags.
    pub fn supported(&self) -> impl Iterator<Item = &str> {
        self.elements(&Name::Supported)
    }

    /// Require: option tags without which the request may not be served.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.elements(&Name::Require)
    }

    /// Privacy (RFC 3323): its values, such as `id` and `none`.
    pub fn privacy(&self) -> impl Iterator<Item = &str> {
        self.all(&Name::Privacy)
            .flat_map(|v| elements(v, b';'))
            .flat_map(|v| elements(v, b','))
            .filter(|v| !v.is_empty())
    }

    /// Whether an answer of that media type would be understood: no Accept header accepts SDP
    /// (RFC 3261 §20.1), an empty one nothing.
    pub fn accepts(&self, media_type: &str) -> bool {
        if !self.has(&Name::Accept) {
            return media_type.eq_ignore_ascii_case("application/sdp");
        }
        let kind = media_type.split('/').next().unwrap_or_default();
        self.elements(&Name::Accept).any(|range| {
            let range = trim(range.split(';').next().unwrap_or_default());
            let whole_kind = range.strip_suffix("/*").is_some_and(|k| k == "*" || k.eq_ignore_ascii_case(kind));
            whole_kind || range.eq_ignore_ascii_case(media_type)
        })
    }
}

/// The tag behind an address.
fn tag(text: &str) -> Option<&str> {
    let params = match find(text, b'<', false).ok()? {
        Some(open) => cut(text.get(open..)?, b'>')?.1,
        None => text,
    };
    param(cut(params, b';')?.1, "tag")
}

/// The value of the first parameter of that name behind a header's value, its first semicolon taken off.
fn param<'a>(params: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = Some(params);
    while let Some(text) = rest {
        let (item, left) = match find(text, b';', false).ok()? {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = left;
        let (name, value) = cut(item, b'=').unwrap_or((item, ""));
        if trim(name).eq_ignore_ascii_case(wanted) {
            return Some(trim(value));
        }
    }
    None
}

fn read_reason(text: &str) -> Option<Reason> {
    let (protocol, params) = match text.split_once(';') {
        Some((protocol, params)) => (protocol, Params::read(params, true).ok()?),
        None => (text, Params::default()),
    };
    let protocol = trim(protocol);
    let cause = params.get("cause").and_then(|c| c.parse().ok());
    let text = params.text("text").map(|t| t.into_owned());
    is_token(protocol).then(|| Reason { protocol: protocol.to_owned(), cause, text })
}
