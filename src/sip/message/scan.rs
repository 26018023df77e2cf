//! Looking for delimiters where quotes and angle brackets hide them (RFC 3261 §25.1).

use memchr::{memchr, memchr2};

/// A set of octets that costs one look for each.
pub(super) struct Octets([bool; 256]);

impl Octets {
    /// These.
    pub const fn new(all: &[u8]) -> Octets {
        let mut set = [false; 256];
        let mut at = 0;
        while at < all.len() {
            set[all[at] as usize] = true;
            at += 1;
        }
        Octets(set)
    }

    /// These and the control characters.
    pub const fn controls_and(all: &[u8]) -> Octets {
        let mut set = Octets::new(all);
        let mut control = 0;
        while control < b' ' {
            set.0[control as usize] = true;
            control += 1;
        }
        set.0[0x7f] = true;
        set
    }

    /// Whether it is one of them.
    pub fn has(&self, b: u8) -> bool {
        self.0[usize::from(b)]
    }
}

const TOKEN: Octets = Octets::new(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~");

/// A character of a token.
pub(super) fn is_token_byte(b: u8) -> bool {
    TOKEN.has(b)
}

/// Whether all of it is one token.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space; folds are spaces already.
pub(super) fn trim(text: &str) -> &str {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|b| !is_space(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_space(b)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// What stands before and behind the first of that ASCII character.
pub(super) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = memchr(at, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The first of `wanted` outside quotes and, if `brackets`, outside `<>`. `Err` if a quote is left open.
pub(super) fn find(text: &str, wanted: u8, brackets: bool) -> Result<Option<usize>, ()> {
    let mut at = 0;
    loop {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let hides = if brackets { memchr2(b'"', b'<', rest) } else { memchr(b'"', rest) };
        let visible = hides.and_then(|end| rest.get(..=end)).unwrap_or(rest);
        if let Some(found) = memchr(wanted, visible) {
            return Ok(Some(at + found));
        }
        let Some(open) = hides else { return Ok(None) };
        let hidden = rest.get(open + 1..).unwrap_or_default();
        let end = match rest.get(open) {
            Some(b'"') => end_of_quoted(hidden).ok_or(())?,
            _ => match memchr(b'>', hidden) {
                Some(end) => end,
                None => return Ok(None),
            },
        };
        at += open + 1 + end + 1;
    }
}

/// Where the quote stands that closes what it begins within.
fn end_of_quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at) {
            Some(b'"') => return Some(at),
            _ => at += 2,
        }
    }
}

/// The elements of a list. An open quote hides all that follows it, so the last element then is the rest.
pub(in crate::sip) fn elements(text: &str, delimiter: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = find(text, delimiter, true).ok().flatten();
        let (element, left) = match cut {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = left;
        Some(trim(element))
    })
}

/// A quoted string's text without its quotes and escapes; `None` if it is not one complete quoted string.
pub(in crate::sip) fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(plain),
            '\\' => plain.push(chars.next()?),
            c => plain.push(c),
        }
    }
}

/// Writes `plain` as a quoted string. Line ends cannot be quoted (RFC 3261 §25.1) and become spaces.
pub(in crate::sip) fn write_quoted(out: &mut impl std::fmt::Write, plain: &str) -> std::fmt::Result {
    out.write_char('"')?;
    for c in plain.chars() {
        match c {
            '\r' | '\n' => out.write_char(' ')?,
            '"' | '\\' | '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => {
                out.write_char('\\')?;
                out.write_char(c)?;
            }
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of `wanted` outside quotes and `<>`, octet by octet.
    fn found_slowly(text: &str, wanted: u8, brackets: bool) -> Result<Option<usize>, ()> {
        let (mut quoted, mut escaped, mut hidden) = (false, false, false);
        for (at, b) in text.bytes().enumerate() {
            match b {
                _ if quoted && escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if quoted => quoted = false,
                _ if quoted => {}
                b'>' if brackets => hidden = false,
                _ if hidden => {}
                _ if b == wanted => return Ok(Some(at)),
                b'"' => quoted = true,
                b'<' if brackets => hidden = true,
                _ => {}
            }
        }
        if quoted { Err(()) } else { Ok(None) }
    }

    #[test]
    fn a_mark_is_found_where_a_look_at_each_octet_finds_it() {
        const MARKS: [char; 6] = ['a', ';', '"', '\\', '<', '>'];
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| MARKS.map(|mark| format!("{text}{mark}"))).collect();
            for text in &texts {
                for (wanted, brackets) in [(b';', true), (b';', false), (b'<', false)] {
                    assert_eq!(find(text, wanted, brackets), found_slowly(text, wanted, brackets), "{text} {wanted}");
                }
            }
        }
    }
}
