//! The `Identity` header (RFC 8224 §4).

use std::fmt;

use crate::sip::message::{elements, unquote};

/// The longest element of an `Identity` header that is read, in octets.
pub const MAX_ELEMENT: usize = 8 * 1024;
/// How many elements are looked at.
pub const MAX_ELEMENTS: usize = 8;
/// The algorithm of all PASSporTs (RFC 8225 §8).
pub const ES256: &str = "ES256";

/// One element of an `Identity` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The PASSporT, in full or compact form.
    pub token: String,
    /// Where the certificate is.
    pub info: String,
    /// The algorithm.
    pub alg: String,
    /// The extension.
    pub ppt: Option<String>,
}

impl Element {
    /// Reads one element.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(text: &str) -> Result<Element, &'static str> {
        if text.len() > MAX_ELEMENT {
            return Err("the Identity header is too long");
        }
        let mut parts = elements(text, b';');
        let token = parts.next().unwrap_or_default().to_owned();
        let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if token.is_empty() || !token.bytes().all(is_token_byte) {
            return Err("the Identity header holds no PASSporT");
        }
        let (mut info, mut alg, mut ppt) = (None, None, None);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            let slot = match name.to_ascii_lowercase().as_str() {
                "info" => &mut info,
                "alg" => &mut alg,
                "ppt" => &mut ppt,
                _ => continue,
            };
            if slot.is_some() {
                return Err("the Identity header has a parameter twice");
            }
            *slot = Some(value.to_owned());
        }
        let info = info.ok_or("the Identity header has no `info`")?;
        let info = info.strip_prefix('<').and_then(|i| i.strip_suffix('>')).ok_or("`info` holds no address in <>")?;
        if info.is_empty() || !info.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)) {
            return Err("`info` holds no address");
        }
        let plain = |value: String| unquote(&value).unwrap_or(value);
        Ok(Element {
            token,
            info: info.to_owned(),
            alg: alg.map_or_else(|| ES256.to_owned(), plain),
            ppt: ppt.map(plain),
        })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};info=<{}>;alg={}", self.token, self.info, self.alg)?;
        self.ppt.as_ref().map_or(Ok(()), |ppt| write!(f, ";ppt=\"{ppt}\""))
    }
}
