//! `"Name" <address>;params` (RFC 3261 §20.10, §25.1): From, To, Contact, Route and their kin.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use memchr::{memchr, memchr2};

use super::scan::{cut, find, is_token_byte, trim, unquote, write_quoted};
use super::{BadUri, Params, Uri};

/// A name, an address and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name in plain text, quotes and escapes read.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header's parameters, such as `tag`; the address has its own.
    pub params: Params,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: impl Into<Uri>) -> NameAddr {
        NameAddr { display: None, uri: uri.into(), params: Params::default() }
    }

    /// The same with a display name, given in plain text.
    pub fn with_display(mut self, name: &str) -> NameAddr {
        self.display = Some(name.to_owned());
        self
    }

    /// The same with a tag.
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set("tag", tag);
        self
    }

    /// The `tag` of a From or To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }
}

/// The three parts of a value.
struct Parts<'a> {
    display: Option<Cow<'a, str>>,
    uri: &'a str,
    params: &'a str,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Parts<'a>, BadUri> {
        let text = trim(text);
        let open = find(text, b'<', false).map_err(|()| BadUri("a quoted string is not closed"))?;
        let Some(open) = open else { return Parts::read_bare(text) };
        let (display, rest) = (text.get(..open).unwrap_or_default(), text.get(open + 1..).unwrap_or_default());
        let (uri, rest) = cut(rest, b'>').ok_or(BadUri("an angle bracket is not closed"))?;
        let display = match trim(display) {
            "" => None,
            quoted if quoted.starts_with('"') => {
                Some(Cow::Owned(unquote(quoted).ok_or(BadUri("a display name is not one quoted string"))?))
            }
            // RFC 3261 §25.1 wants tokens here, but phones and carriers write parentheses and umlauts too.
            // A comma or semicolon, though, would be read as the end of the value by others.
            bare if bare.bytes().any(|b| matches!(b, b'"' | b'>' | b',' | b';') || (b < b' ' && b != b'\t')) => {
                return Err(BadUri("a display name has to be quoted"));
            }
            bare => Some(Cow::Borrowed(bare)),
        };
        Ok(Parts { display, uri, params: trim(rest) })
    }

    /// An address without angle brackets: a semicolon begins the header's parameters, and a comma or question
    /// mark may not occur (RFC 3261 §20).
    fn read_bare(text: &'a str) -> Result<Parts<'a>, BadUri> {
        let (uri, params) = text.split_at(memchr(b';', text.as_bytes()).unwrap_or(text.len()));
        let uri = trim(uri);
        if memchr2(b'?', b',', uri.as_bytes()).is_some() {
            return Err(BadUri("an address with a comma or headers has to stand in angle brackets"));
        }
        Ok(Parts { display: None, uri, params })
    }

    /// The parameters behind their first semicolon; `None` if there are none.
    fn params(&self) -> Result<Option<&'a str>, BadUri> {
        if self.params.is_empty() {
            return Ok(None);
        }
        let params = self.params.strip_prefix(';');
        params.map(Some).ok_or(BadUri("something other than a parameter follows an address"))
    }
}

impl NameAddr {
    /// Whether it can be read.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn check(text: &str) -> Result<(), BadUri> {
        let parts = Parts::read(text)?;
        Uri::check(parts.uri)?;
        parts.params()?.map_or(Ok(()), |params| Params::check(params, true)).map_err(BadUri)
    }
}

impl FromStr for NameAddr {
    type Err = BadUri;

    fn from_str(text: &str) -> Result<NameAddr, BadUri> {
        let parts = Parts::read(text)?;
        let uri = parts.uri.parse()?;
        let params = match parts.params()? {
            Some(params) => Params::read(params, true).map_err(BadUri)?,
            None => Params::default(),
        };
        Ok(NameAddr { display: parts.display.map(Cow::into_owned), uri, params })
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.display.as_deref() {
            None => {}
            Some(name) if is_plain(name) => {
                f.write_str(name)?;
                f.write_char(' ')?;
            }
            Some(name) => {
                write_quoted(f, name)?;
                f.write_char(' ')?;
            }
        }
        f.write_char('<')?;
        self.uri.fmt(f)?;
        f.write_char('>')?;
        self.params.fmt(f)
    }
}

/// Whether a display name can stand without quotes: tokens with single spaces.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.split(' ').all(|word| !word.is_empty() && word.bytes().all(is_token_byte))
}
