//! The certificates of a transport (XEP-0320).

use std::fmt::Write;

use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::{Tag, text_attr};
use crate::model::Setup;

/// The longest hash: that of SHA-512.
const LONGEST_HASH: usize = 64;

/// `<fingerprint/>`: the hash of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function in lower case: `sha-256`.
    pub hash: String,
    /// Who opens the handshake; required by the XEP, and left out by some.
    pub setup: Option<Setup>,
    /// The hash.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// Reads a child of a transport; `None` if it is none or no hash.
    pub fn read(element: &Element) -> Option<Fingerprint> {
        if !element.is("fingerprint", ns::DTLS) {
            return None;
        }
        let setup = match element.attr("setup").map(str::trim) {
            Some("active") => Some(Setup::Active),
            Some("passive") => Some(Setup::Passive),
            Some("actpass") => Some(Setup::ActPass),
            Some("holdconn") => Some(Setup::HoldConn),
            _ => None,
        };
        let hash = text_attr(element, "hash")?.trim().to_ascii_lowercase();
        let text = element.text();
        let pairs = text.trim().split(':').map(|pair| match pair.len() {
            2 => u8::from_str_radix(pair, 16).ok(),
            _ => None,
        });
        let bytes: Vec<u8> = pairs.take(LONGEST_HASH + 1).collect::<Option<_>>()?;
        (bytes.len() <= LONGEST_HASH).then_some(Fingerprint { hash, setup, bytes })
    }

    /// Writes it, in upper case (RFC 8122 §5).
    pub fn write(&self) -> Element {
        let mut text = String::with_capacity(3 * self.bytes.len());
        for (at, byte) in self.bytes.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{byte:02X}", if at == 0 { "" } else { ":" });
        }
        let setup = self.setup.map(|setup| match setup {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        });
        Tag::new("fingerprint", ns::DTLS).with("hash", &self.hash).maybe("setup", setup).text(&text).build()
    }
}
