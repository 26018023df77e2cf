//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): challenges and credentials, and what both ends
//! compute from them. [`answer`] is the client, [`Authority`] the server.
//!
//! Only `qop=auth` and its absence are spoken; `auth-int`, session keys (`MD5-sess`) and hashed user names
//! are read as challenges we cannot answer.

mod accounts;
mod authority;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod work;

use std::fmt::{self, Write as _};

use md5::Md5;
use sha2::{Sha256, Sha512_256};

use super::message::{Headers, Method, Name};
use crate::base::Secret;

pub use authority::{Authority, Verdict};

/// The most challenges or credentials that are read of one message.
pub const MAX_PER_MESSAGE: usize = 16;

/// A hash, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5: what everybody has, and what an absent `algorithm` means (RFC 7616 §3.3).
    Md5,
    /// SHA-256
    Sha256,
    /// SHA-512/256, which is a hash of its own and not SHA-512 cut short (FIPS 180-4 §6.7).
    Sha512_256,
}

impl Algorithm {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn by_name(name: &str) -> Option<Algorithm> {
        let all = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];
        all.into_iter().find(|a| name.eq_ignore_ascii_case(a.as_str()))
    }

    /// The hash of the parts with colons between them, in lower-case hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Algorithm::Md5 => hex(&feed::<Md5>(parts)),
            Algorithm::Sha256 => hex(&feed::<Sha256>(parts)),
            Algorithm::Sha512_256 => hex(&feed::<Sha512_256>(parts)),
        }
    }
}

fn feed<D: sha2::Digest>(parts: &[&str]) -> sha2::digest::Output<D> {
    #[cfg(test)]
    work::note(parts.iter().map(|part| part.len() + 1).sum());
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hash.finalize()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing into a String does not fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// What a server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are meant.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// The credentials were right and only the nonce too old.
    pub stale: bool,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered; without it the old computation of RFC 2069 is wanted.
    pub auth: bool,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if self.auth { f.write_str(", qop=\"auth\"") } else { Ok(()) }
    }
}

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI as the client wrote it.
    pub uri: String,
    /// The proof.
    pub response: String,
    /// The hash.
    pub algorithm: Algorithm,
    /// The challenge's, if it had one.
    pub opaque: Option<String>,
    /// What `qop=auth` brings with it; `None` for the old computation of RFC 2069.
    pub auth: Option<Auth>,
}

/// The values of `qop=auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The client's own nonce.
    pub cnonce: String,
    /// How often the client has used the nonce, from 1.
    pub count: u32,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", Quoted(&self.username), Quoted(&self.realm))?;
        write!(f, ", nonce={}, uri={}", Quoted(&self.nonce), Quoted(&self.uri))?;
        write!(f, ", response=\"{}\", algorithm={}", self.response, self.algorithm.as_str())?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        match &self.auth {
            Some(auth) => write!(f, ", qop=auth, nc={:08x}, cnonce={}", auth.count, Quoted(&auth.cnonce)),
            None => Ok(()),
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::message::write_quoted(f, self.0)
    }
}

/// The proof (RFC 7616 §3.4.1). `ha1` is H(user:realm:password).
fn response(credentials: &Credentials, method: &Method, ha1: &str) -> String {
    let c = credentials;
    let ha2 = c.algorithm.hash(&[method.as_str(), &c.uri]);
    match &c.auth {
        None => c.algorithm.hash(&[ha1, &c.nonce, &ha2]),
        Some(auth) => {
            let count = format!("{:08x}", auth.count);
            c.algorithm.hash(&[ha1, &c.nonce, &count, &auth.cnonce, "auth", &ha2])
        }
    }
}

/// Who we are to a server.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The user name.
    pub user: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The realm the account is for; `None` for any.
    pub realm: Option<&'a str>,
}

/// Answers the strongest of a server's challenges that the account is for. `count` is how often the nonce
/// has been used with this request, `cnonce` chance that the caller brings.
pub fn answer(
    challenges: &[Challenge],
    account: Account<'_>,
    method: &Method,
    uri: &str,
    count: u32,
    cnonce: &str,
) -> Option<Credentials> {
    let ours = challenges.iter().filter(|c| account.realm.is_none_or(|realm| realm == c.realm));
    // Of equals the first: `max_by_key` would take the last.
    let challenge = ours.rev().max_by_key(|c| c.algorithm)?;
    let mut credentials = Credentials {
        username: account.user.to_owned(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_owned(),
        response: String::new(),
        algorithm: challenge.algorithm,
        opaque: challenge.opaque.clone(),
        auth: challenge.auth.then(|| Auth { cnonce: cnonce.to_owned(), count }),
    };
    let ha1 = challenge.algorithm.hash(&[account.user, &challenge.realm, account.password.expose()]);
    credentials.response = response(&credentials, method, &ha1);
    Some(credentials)
}

/// The Digest values of one header, which holds one (SIP) or several (HTTP's way of writing) of them.
fn digests(value: &str) -> Vec<Vec<(&str, String)>> {
    let mut found: Vec<(bool, Vec<(&str, String)>)> = Vec::new();
    for element in super::message::elements(value, b',') {
        let mut pair = element;
        if let Some((scheme, rest)) = element.split_once([' ', '\t'])
            && !scheme.contains('=')
            && !rest.trim_start().starts_with('=')
        {
            found.push((scheme.eq_ignore_ascii_case("Digest"), Vec::new()));
            pair = rest;
        }
        let Some((name, value)) = pair.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        let value = super::message::unquote(value).unwrap_or_else(|| value.to_owned());
        if let Some((true, pairs)) = found.last_mut() {
            pairs.push((name, value));
        }
    }
    found.into_iter().filter(|(digest, _)| *digest).map(|(_, pairs)| pairs).collect()
}

fn take(pairs: &[(&str, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
}

fn algorithm(pairs: &[(&str, String)]) -> Option<Algorithm> {
    take(pairs, "algorithm").map_or(Some(Algorithm::Md5), |name| Algorithm::by_name(&name))
}

/// The challenges of a 401 or 407 that can be answered: [`Name::WwwAuthenticate`] or
/// [`Name::ProxyAuthenticate`]. Other schemes and unknown algorithms are left out.
pub fn challenges(headers: &Headers, name: &Name) -> Vec<Challenge> {
    let all = headers.all(name).take(MAX_PER_MESSAGE).flat_map(|value| {
        digests(value).into_iter().filter_map(|pairs| {
            let qop = take(&pairs, "qop");
            let auth = qop.as_deref().is_some_and(|q| q.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
            // Only `auth-int` is offered.
            if qop.is_some_and(|q| !q.trim().is_empty()) && !auth {
                return None;
            }
            Some(Challenge {
                realm: take(&pairs, "realm")?,
                nonce: take(&pairs, "nonce")?,
                opaque: take(&pairs, "opaque"),
                stale: take(&pairs, "stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
                algorithm: algorithm(&pairs)?,
                auth,
            })
        })
    });
    all.take(MAX_PER_MESSAGE).collect()
}

/// The credentials of a request: [`Name::Authorization`] or [`Name::ProxyAuthorization`]. Other schemes,
/// unknown algorithms and incomplete ones are left out.
pub fn credentials(headers: &Headers, name: &Name) -> Vec<Credentials> {
    let all = headers.all(name).take(MAX_PER_MESSAGE).flat_map(|value| {
        digests(value).into_iter().filter_map(|pairs| {
            let auth = match take(&pairs, "qop") {
                None => None,
                Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(Auth {
                    cnonce: take(&pairs, "cnonce")?,
                    count: u32::from_str_radix(&take(&pairs, "nc")?, 16).ok()?,
                }),
                Some(_) => return None,
            };
            Some(Credentials {
                username: take(&pairs, "username")?,
                realm: take(&pairs, "realm")?,
                nonce: take(&pairs, "nonce")?,
                uri: take(&pairs, "uri")?,
                response: take(&pairs, "response")?.to_ascii_lowercase(),
                algorithm: algorithm(&pairs)?,
                opaque: take(&pairs, "opaque"),
                auth,
            })
        })
    });
    all.take(MAX_PER_MESSAGE).collect()
}
