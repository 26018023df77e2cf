//! `;name=value` behind a header's value or a URI (RFC 3261 §25.1, generic-param and uri-parameter).

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::scan::{Octets, cut, find, is_token, is_token_byte, trim, unquote, write_quoted};

/// What the value of a parameter may hold in quotes only.
const NOT_BARE: Octets = Octets::controls_and(b" \"<>,");

/// Parameters in the order in which they came. Names are compared without case. Values stay as they stand
/// on the wire, so that what we do not understand goes on unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<(Cow<'static, str>, Option<String>)>);

impl Params {
    /// The value as it stands on the wire; `Some("")` for a parameter without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_deref().unwrap_or_default())
    }

    /// The value without the quotes it may stand in.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = self.get(name)?;
        Some(unquote(raw).map_or(Cow::Borrowed(raw), Cow::Owned))
    }

    /// Whether the parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets or adds a parameter; the value is quoted if it has to be.
    pub fn set(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        let plain = |b: u8| is_token_byte(b) || matches!(b, b':' | b'[' | b']') || b >= 0x80;
        let quoted = value.starts_with('"') && unquote(value).is_some() && !value.contains(['\r', '\n']);
        let value = if quoted || (!value.is_empty() && value.bytes().all(plain)) {
            value.to_owned()
        } else {
            let mut out = String::with_capacity(value.len() + 2);
            // Writing into a String does not fail.
            let _ = write_quoted(&mut out, value);
            out
        };
        self.put(name, Some(value));
    }

    /// Sets or adds a parameter without a value.
    pub fn flag(&mut self, name: &str) {
        self.put(name, None);
    }

    pub(super) fn put(&mut self, name: &str, value: Option<String>) {
        debug_assert!(is_token(name), "a parameter's name is a token");
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(found) => found.1 = value,
            None => self.0.push((shared(name), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// All of them, values as on the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v.as_deref()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what follows the first semicolon, which the caller has taken off. `of_header`: white space is
    /// legal around the separators, and values may be quoted.
    pub(super) fn read(text: &str, of_header: bool) -> Result<Params, &'static str> {
        let mut params = Vec::new();
        for param in each(text, of_header) {
            let (name, value) = param?;
            params.push((shared(name), value.map(str::to_owned)));
        }
        Ok(Params(params))
    }

    /// Whether [`Params::read`] would read it.
    pub(super) fn check(text: &str, of_header: bool) -> Result<(), &'static str> {
        each(text, of_header).try_for_each(|param| param.map(drop))
    }
}

/// A name and a value as they stand in the text.
type Param<'a> = (&'a str, Option<&'a str>);

fn each(text: &str, of_header: bool) -> impl Iterator<Item = Result<Param<'_>, &'static str>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Ok(cut) = find(text, b';', false) else { return Some(Err("a quoted string is not closed")) };
        let (item, left) = match cut {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        rest = left;
        Some(read_one(item, of_header))
    })
}

fn read_one(item: &str, of_header: bool) -> Result<Param<'_>, &'static str> {
    let (name, value) = match cut(item, b'=') {
        Some((name, value)) => (name, Some(value)),
        None => (item, None),
    };
    let (name, value) = if of_header { (trim(name), value.map(trim)) } else { (name, value) };
    // RFC 3261 §25.1: a URI's parameter may be named with `[]/:&+$` and escapes as well.
    let legal =
        |b: u8| is_token_byte(b) || (!of_header && matches!(b, b'[' | b']' | b'/' | b':' | b'&' | b'$' | b'(' | b')'));
    if name.is_empty() {
        return Err("a parameter has no name");
    }
    if !name.bytes().all(legal) {
        return Err("a parameter's name is no token");
    }
    if let Some(value) = value {
        let complete = of_header && value.starts_with('"') && unquote(value).is_some();
        let bare = !value.bytes().any(|b| NOT_BARE.has(b));
        if !complete && !bare {
            return Err("a parameter's value is neither a token nor a quoted string");
        }
    }
    Ok((name, value))
}

/// The name as it stands; those that nearly every message has are not copied.
fn shared(name: &str) -> Cow<'static, str> {
    const USUAL: [&str; 7] = ["tag", "branch", "rport", "received", "transport", "lr", "ob"];
    match USUAL.into_iter().find(|usual| *usual == name) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(name.to_owned()),
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            f.write_char(';')?;
            f.write_str(name)?;
            if let Some(value) = value {
                f.write_char('=')?;
                f.write_str(value)?;
            }
        }
        Ok(())
    }
}
