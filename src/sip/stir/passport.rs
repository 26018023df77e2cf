//! A PASSporT (RFC 8225): who calls whom, and when, in signed JSON.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};

use super::header::ES256;
use crate::model::Attestation;

/// The extension that tells of attestation (RFC 8588).
pub const SHAKEN: &str = "shaken";
/// The extension that tells who sent the call on (RFC 8946).
pub const DIV: &str = "div";
/// The `typ` of all PASSporTs (RFC 8225 §4.1).
const PASSPORT: &str = "passport";
/// The octets of an ES256 signature (RFC 7518 §3.4).
pub const SIGNATURE: usize = 64;
/// The most numbers, and the most addresses, that one may be for.
const MAX_CALLED: usize = 64;

/// The protected header (RFC 8225 §4). Its fields stand in the order of their names (§9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// The algorithm.
    pub alg: String,
    /// Extensions of JWS that have to be understood (RFC 7515 §4.1.11): we understand none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
    /// The extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppt: Option<String>,
    /// `passport`.
    pub typ: String,
    /// Where the certificate is.
    pub x5u: String,
}

impl Protected {
    /// The header for a certificate at an address.
    pub fn new(x5u: impl Into<String>, ppt: Option<&str>) -> Protected {
        let ppt = ppt.map(str::to_owned);
        Protected { alg: ES256.into(), crit: None, ppt, typ: PASSPORT.into(), x5u: x5u.into() }
    }
}

/// The claims (RFC 8225 §5, RFC 8588 §4, §5, RFC 8946 §3), in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// How much the network answers for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attest: Option<Attestation>,
    /// Who is called.
    pub dest: Dest,
    /// Who was called before, and sent the call on (RFC 8946 §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub div: Option<Orig>,
    /// When, in seconds since 1970.
    #[serde(deserialize_with = "seconds")]
    pub iat: u64,
    /// Who calls.
    pub orig: Orig,
    /// Whence the network has the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origid: Option<String>,
}

/// Who is called (RFC 8225 §5.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dest {
    /// Numbers in canonical form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tn: Vec<String>,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uri: Vec<String>,
}

/// Who calls (RFC 8225 §5.2.1), or sent the call on: one of both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orig {
    /// A number in canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tn: Option<String>,
    /// An address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// A number of seconds. RFC 8588's own example puts it in quotes (erratum 6656), and some have learnt from it.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(seconds) => Ok(seconds),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// What stands in an `Identity` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// With all its claims (RFC 8225 §3).
    Full(Box<Signed>),
    /// The signature alone: the claims follow from the request (RFC 8225 §7).
    Compact([u8; SIGNATURE]),
}

/// Claims with the signature over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The protected header.
    pub protected: Protected,
    /// The claims.
    pub claims: Claims,
    /// The octets that are signed.
    pub input: String,
    /// The signature.
    pub signature: [u8; SIGNATURE],
}

/// Reads a PASSporT. Nothing is verified.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn read(token: &str) -> Result<Token, &'static str> {
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the PASSporT has not three parts");
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "the PASSporT is not in base64url");
    let signature: [u8; SIGNATURE] =
        decode(signature)?.try_into().map_err(|_| "the PASSporT's signature has not 64 octets")?;
    if head.is_empty() && body.is_empty() {
        return Ok(Token::Compact(signature));
    }
    let protected: Protected =
        serde_json::from_slice(&decode(head)?).map_err(|_| "the PASSporT's header is not as it has to be")?;
    let claims: Claims =
        serde_json::from_slice(&decode(body)?).map_err(|_| "the PASSporT's claims are not as they have to be")?;
    if protected.typ != PASSPORT || protected.crit.is_some() {
        return Err("the PASSporT's header names another kind");
    }
    if claims.orig.tn.is_some() == claims.orig.uri.is_some() {
        return Err("the PASSporT has not one caller");
    }
    let called = claims.dest.tn.len().max(claims.dest.uri.len());
    if !(1..=MAX_CALLED).contains(&called) {
        return Err("the PASSporT is for nobody, or for too many");
    }
    let input = format!("{head}.{body}");
    Ok(Token::Full(Box::new(Signed { protected, claims, input, signature })))
}

/// The octets to sign: the same for the same claims (RFC 8225 §9).
pub fn input(protected: &Protected, claims: &Claims) -> String {
    // Structures of strings and numbers are always JSON.
    let part = |json: serde_json::Result<Vec<u8>>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    format!("{}.{}", part(serde_json::to_vec(protected)), part(serde_json::to_vec(claims)))
}

/// The whole of it.
pub fn write(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
