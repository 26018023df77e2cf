//! SRTP keys that stand in a description (RFC 4568).

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};

/// The longest master key identifier that is taken, in bytes (RFC 4568 §6.1 allows 128; nobody needs more than a few).
pub const MAX_MKI: usize = 16;

/// The transforms that we take, most wanted first, with the bytes of a master key and a master salt together (RFC 4568
/// §6.2, RFC 6188 §3, RFC 7714 §14.2). Phones know the first; the GCM ones cost the processor least; the short tag
/// protects least.
pub const SUITES: [(&str, usize); 5] = [
    ("AES_CM_128_HMAC_SHA1_80", 16 + 14),
    ("AEAD_AES_128_GCM", 16 + 12),
    ("AEAD_AES_256_GCM", 32 + 12),
    ("AES_256_CM_HMAC_SHA1_80", 32 + 14),
    ("AES_CM_128_HMAC_SHA1_32", 16 + 14),
];

/// The transforms of our own offers: what every peer with keys in descriptions has (RFC 4568 §8.2), and the strongest for
/// those that may take nothing less. A line takes some 90 octets of an INVITE that is to stay small, for each stream.
pub const OFFERED: [&str; 2] = ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"];

/// The value of one `a=crypto` attribute, untouched. It never prints its key.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Crypto(String);

/// What an `a=crypto` attribute says, if it is one that can be used. It never prints its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Keying {
    /// Names the attribute among those of an offer; the answer repeats it.
    pub tag: u32,
    /// The transform: one of [`SUITES`].
    pub suite: &'static str,
    /// The master key, then the master salt.
    pub key_and_salt: Vec<u8>,
    /// How many packets the describer will protect with the key at most.
    pub lifetime: Option<u64>,
    /// What the describer's packets carry before their tag to name the key; empty: nothing.
    pub mki: Vec<u8>,
}

/// Why an `a=crypto` attribute cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// It has not the form `TAG SUITE inline:KEY`.
    #[error("it has not the form `TAG SUITE inline:KEY`")]
    Malformed,
    /// The transform is none of [`SUITES`].
    #[error("its crypto suite is not known here")]
    Suite,
    /// It has several keys, of which packets say which is meant.
    #[error("it has several keys")]
    SeveralKeys,
    /// The key is no base64, or has not the length of the transform.
    #[error("its key is no base64 or has not the length of its suite")]
    Key,
    /// Lifetime or MKI cannot be understood.
    #[error("its lifetime or MKI cannot be understood")]
    Parameter,
    /// A session parameter that changes the packets, such as `UNENCRYPTED_SRTP`.
    #[error("its session parameters are not spoken here")]
    SessionParameter,
}

impl Crypto {
    /// An attribute as it was read.
    pub fn new(value: impl Into<String>) -> Crypto {
        Crypto(value.into())
    }

    /// An attribute of our own, without lifetime and MKI.
    pub fn of(tag: u32, suite: &str, key_and_salt: &[u8]) -> Crypto {
        Crypto(format!("{tag} {suite} inline:{}", STANDARD.encode(key_and_salt)))
    }

    /// The value itself, for the one place that writes it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it says (RFC 4568 §9.1).
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(&self) -> Result<Keying, CryptoError> {
        let mut words = self.0.split_ascii_whitespace();
        let (Some(tag), Some(suite), Some(keys)) = (words.next(), words.next(), words.next()) else {
            return Err(CryptoError::Malformed);
        };
        // RFC 4568 §9.1: one to nine digits.
        let is_tag = (1..=9).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_digit());
        let tag = tag.parse().ok().filter(|_| is_tag).ok_or(CryptoError::Malformed)?;
        let known = SUITES.iter().find(|(name, _)| name.eq_ignore_ascii_case(suite));
        let (suite, length) = *known.ok_or(CryptoError::Suite)?;
        if keys.contains(';') {
            return Err(CryptoError::SeveralKeys);
        }
        let (method, info) = keys.split_once(':').ok_or(CryptoError::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(CryptoError::Malformed);
        }
        let mut parts = info.split('|');
        let key_and_salt = parts.next().and_then(|key| LENIENT.decode(key).ok()).filter(|key| key.len() == length);
        let (lifetime, mki) = parameters(parts)?;
        if !words.all(is_harmless) {
            return Err(CryptoError::SessionParameter);
        }
        Ok(Keying { tag, suite, key_and_salt: key_and_salt.ok_or(CryptoError::Key)?, lifetime, mki })
    }
}

/// Phones leave out the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Lifetime and MKI, each of which may be left out (RFC 4568 §6.1).
fn parameters<'a>(parts: impl Iterator<Item = &'a str>) -> Result<(Option<u64>, Vec<u8>), CryptoError> {
    let (mut lifetime, mut mki) = (None, Vec::new());
    for part in parts {
        match part.split_once(':') {
            Some((value, length)) if mki.is_empty() => mki = identifier(value, length).ok_or(CryptoError::Parameter)?,
            None if lifetime.is_none() && mki.is_empty() => {
                lifetime = Some(packets(part).ok_or(CryptoError::Parameter)?);
            }
            _ => return Err(CryptoError::Parameter),
        }
    }
    Ok((lifetime, mki))
}

/// A number of packets: `1048576`, or `2^20`.
fn packets(text: &str) -> Option<u64> {
    let packets = match text.split_once('^') {
        Some((base, exponent)) => base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?)?,
        None => text.parse().ok()?,
    };
    (packets > 0).then_some(packets)
}

/// A key's name on the wire: a number in so many bytes.
fn identifier(value: &str, length: &str) -> Option<Vec<u8>> {
    let (value, length): (u128, usize) = (value.parse().ok()?, length.parse().ok()?);
    let bytes = value.to_be_bytes();
    let (before, kept) = bytes.split_at_checked(MAX_MKI.checked_sub(length)?)?;
    (length > 0 && before.iter().all(|b| *b == 0)).then(|| kept.to_vec())
}

/// Whether a session parameter changes nothing for the receiver: a hint at the replay window, or one that may be
/// ignored by its own word (RFC 4568 §6.3.7, §6.3.8).
fn is_harmless(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=")
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(tag), Some(suite), Some(key)) if key.starts_with("inline:") => write!(f, "{tag} {suite} (hidden)"),
            // In a line of another form the key may stand anywhere.
            _ => f.write_str("(hidden)"),
        }
    }
}

impl fmt::Debug for Keying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (hidden)", self.tag, self.suite)
    }
}

/// SRTP with keys in the description (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Sdes {
    /// The `a=crypto` attributes, most wanted first.
    pub cryptos: Box<[Crypto]>,
    /// The describer takes plain RTP too: the profile is `RTP/AVP` (RFC 8643).
    pub optional: bool,
}

impl Sdes {
    /// Whether there is an attribute that can be used; if not, why the first cannot.
    ///
    /// # Errors
    /// One sentence without a full stop.
    pub fn check(&self) -> Result<(), String> {
        let mut first = None;
        for crypto in &self.cryptos {
            match crypto.read() {
                Ok(_) => return Ok(()),
                Err(why) => first = first.or(Some(why)),
            }
        }
        match first {
            Some(why) => Err(format!("no a=crypto line of the description can be used: of the first, {why}")),
            None => Err("the description asks for SRTP and has no key (a=crypto, a=fingerprint) for it".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn read(text: &str) -> Result<Keying, CryptoError> {
        Crypto::new(text).read()
    }

    #[test]
    fn the_examples_of_rfc_4568_are_understood() {
        let keying = read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4 FEC_ORDER=FEC_SRTP"));
        assert_eq!(keying, Err(CryptoError::SessionParameter));
        let keying = read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4")).unwrap();
        assert_eq!((keying.tag, keying.suite), (1, "AES_CM_128_HMAC_SHA1_80"));
        assert_eq!((keying.lifetime, keying.mki), (Some(1 << 20), vec![0, 0, 0, 1]));
        assert_eq!(keying.key_and_salt, b"YS___semctl () {\t220;}\n}\nunles");
        let bare = read(&format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|1:4")).unwrap();
        assert_eq!((bare.lifetime, bare.mki), (None, vec![0, 0, 0, 1]));
        let hinted = read(&format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|65536 WSH=128 -FUTURE=1")).unwrap();
        assert_eq!(hinted.lifetime, Some(65_536));
    }

    #[test]
    fn what_we_write_is_what_we_read() {
        for (suite, length) in SUITES {
            let key: Vec<u8> = (0..length as u8).collect();
            let keying = Crypto::of(7, suite, &key).read().unwrap();
            assert_eq!(keying, Keying { tag: 7, suite, key_and_salt: key, lifetime: None, mki: Vec::new() });
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        for (text, why) in [
            ("1", CryptoError::Malformed),
            ("x AES_CM_128_HMAC_SHA1_80 inline:{}", CryptoError::Malformed),
            ("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{}", CryptoError::Malformed),
            ("1 AES_CM_128_HMAC_SHA1_80 outline:{}", CryptoError::Malformed),
            ("1 F8_128_HMAC_SHA1_80 inline:{}", CryptoError::Suite),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|1:1;inline:{}|2:1", CryptoError::SeveralKeys),
            ("1 AEAD_AES_128_GCM inline:{}", CryptoError::Key),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:@@@", CryptoError::Key),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|2^64", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|0", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|256:1", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|1:17", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|1:0", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{}|1:1|1:1", CryptoError::Parameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{} UNENCRYPTED_SRTP", CryptoError::SessionParameter),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:{} KDR=1", CryptoError::SessionParameter),
        ] {
            assert_eq!(read(&text.replace("{}", KEY)), Err(why), "{text}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let crypto = Crypto::new(format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"));
        let sdes = Sdes { cryptos: [crypto.clone()].into(), optional: false };
        for printed in [format!("{sdes:?}"), format!("{:?}", crypto.read())] {
            assert!(printed.contains("1 AES_CM_128_HMAC_SHA1_80 (hidden)"), "{printed}");
            assert!(!printed.contains("WVNf") && !printed.contains("semctl"), "{printed}");
        }
    }

    #[test]
    fn an_offer_is_refused_with_the_reason_of_its_first_line() {
        let sdes = |lines: &[&str]| Sdes { cryptos: lines.iter().map(|l| Crypto::new(*l)).collect(), optional: false };
        assert!(sdes(&["1 F8_128_HMAC_SHA1_80 inline:x"]).check().unwrap_err().contains("suite is not known"));
        assert!(sdes(&[]).check().unwrap_err().contains("no key"));
        let good = format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        assert_eq!(sdes(&["1 F8_128_HMAC_SHA1_80 inline:x", &good]).check(), Ok(()));
    }
}
