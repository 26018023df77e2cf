//! Looking for delimiters where quotes and angle brackets hide them (RFC 3261 §25.1).

/// A character of a token.
pub(super) fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether all of it is one token.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space; folds are spaces already.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// The first of `wanted` outside quotes and, if `brackets`, outside `<>`. `Err` if a quote is left open.
pub(super) fn find(text: &str, wanted: u8, brackets: bool) -> Result<Option<usize>, ()> {
    let (mut quoted, mut escaped, mut depth) = (false, false, false);
    for (at, b) in text.bytes().enumerate() {
        if quoted {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'>' if brackets && wanted != b'>' => depth = false,
            _ if depth => {}
            _ if b == wanted => return Ok(Some(at)),
            b'"' => quoted = true,
            b'<' if brackets => depth = true,
            _ => {}
        }
    }
    if quoted { Err(()) } else { Ok(None) }
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
