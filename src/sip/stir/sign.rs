//! Answering for our callers' numbers (RFC 8224 §6.1, RFC 8588).

use std::time::Instant;

use ::aws_lc_rs::rand::SystemRandom;
use ::aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};

use super::header::{ES256, Element};
use super::passport::{self, Claims, Dest, Orig, Protected, SHAKEN};
use super::{Stir, pass};
use crate::model::{Attestation, Directory, Entry};
use crate::sip::message::{Header, Name};

/// Signs with the key of a certificate.
#[derive(Debug)]
pub struct Signer {
    key: EcdsaKeyPair,
    certificate_url: String,
}

/// The key is none of P-256, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is no private key of P-256 in PKCS#8 or SEC1 form")]
pub struct BadKey;

impl Signer {
    /// With the key of the certificate that lies at an address.
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn new(key: &PrivateKeyDer<'_>, certificate_url: impl Into<String>) -> Result<Signer, BadKey> {
        let key = match key {
            PrivateKeyDer::Pkcs8(der) => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der())
            }
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
            }
            _ => return Err(BadKey),
        };
        Ok(Signer { key: key.map_err(|_| BadKey)?, certificate_url: certificate_url.into() })
    }

    /// The `Date` and `Identity` of a call, both with the same time; none if it cannot be signed.
    ///
    /// `caller` and `called` are numbers in canonical form, `door` names where we have the call from.
    pub fn sign(
        &self,
        unix_s: u64,
        caller: &str,
        called: &str,
        attest: Attestation,
        door: &Entry,
    ) -> Option<[Header; 2]> {
        let claims = Claims {
            attest: Some(attest),
            dest: Dest { tn: vec![called.to_owned()], uri: Vec::new() },
            div: None,
            iat: unix_s,
            orig: Orig { tn: Some(caller.to_owned()), uri: None },
            origid: Some(self.origid(door)),
        };
        let input = passport::input(&Protected::new(&self.certificate_url, Some(SHAKEN)), &claims);
        let element = Element {
            token: self.token(&input)?,
            info: self.certificate_url.clone(),
            alg: ES256.to_owned(),
            ppt: Some(SHAKEN.to_owned()),
        };
        Some([Header::new(Name::Date, print_date(unix_s)?), Header::of(Name::Identity, element)])
    }

    /// A PASSporT of that content with our signature.
    pub fn token(&self, input: &str) -> Option<String> {
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).ok()?;
        Some(passport::write(input, signature.as_ref()))
    }

    /// One UUID for each door, the same after each start, that tells nothing to others (RFC 8588 §5, RFC 9562 §5.8).
    fn origid(&self, door: &Entry) -> String {
        let word = match door {
            Entry::User(_) => "users".to_owned(),
            Entry::Trunk(name) => format!("trunk {name}"),
            Entry::Account(_) => "accounts".to_owned(),
            Entry::Open => "open".to_owned(),
        };
        let digest = Sha256::digest(format!("{}\n{word}", self.certificate_url));
        let mut octets = [0_u8; 16];
        octets.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        let number = u128::from_be_bytes(octets) & !(0xf << 76) & !(0x3 << 62);
        let number = number | (0x8 << 76) | (0x2 << 62);
        let hex = format!("{number:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

/// How much we answer for where it is ours to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For users with another number than their own, and for known accounts of other domains.
    pub users: Attestation,
    /// For the callers of the trunk that the call came from, if it came from one.
    pub theirs: Option<Attestation>,
}

/// How much we answer for (RFC 8588 §4): A for a user of ours with the user's own number or the one that the trunk
/// gave us, as the policy says for other callers whom we know by name and for those of trunks, C for whoever came
/// through an open door.
pub fn attestation(
    door: &Entry,
    number: &str,
    trunk_number: Option<&str>,
    directory: &Directory,
    policy: Policy,
) -> Attestation {
    let same = |ours: Option<&str>| ours.and_then(super::canonical).is_some_and(|ours| ours == number);
    let own = |user: &str| directory.users.get(user).is_some_and(|u| same(u.number.as_deref()));
    match door {
        Entry::User(user) if own(user) || same(trunk_number) => Attestation::A,
        Entry::User(_) | Entry::Account(_) => policy.users,
        Entry::Trunk(_) => policy.theirs.unwrap_or(Attestation::C),
        Entry::Open => Attestation::C,
    }
}

/// A time as a `Date` says it (RFC 3261 §20.17).
fn print_date(unix_s: u64) -> Option<String> {
    let at = jiff::Timestamp::from_second(i64::try_from(unix_s).ok()?).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

/// What we can say of the caller's number in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The caller's number, canonical.
    pub caller: String,
    /// The number that is called, canonical.
    pub called: String,
    /// How much we answer for.
    pub attest: Attestation,
    /// Where we have the call from.
    pub door: Entry,
    /// We sign it, where it came with no proof that still holds.
    pub signs: bool,
    /// The proofs that it came with and that may go on.
    pub passports: Vec<String>,
}

impl Stir {
    /// The headers that prove it at that moment: those of the proofs that it came with, where they are still about this
    /// call, else ours. None without a key or a clock.
    pub fn prove(&self, now: Instant, answered: &Answered) -> Vec<Header> {
        let Answered { caller, called, attest, door, signs, passports } = answered;
        let Some(unix_s) = self.unix_s(now) else { return Vec::new() };
        let passed = pass::on(passports, caller, called, unix_s);
        if !passed.is_empty() {
            return passed;
        }
        let signer = self.signer.as_ref().filter(|_| *signs);
        let headers = signer.and_then(|signer| signer.sign(unix_s, caller, called, *attest, door));
        headers.into_iter().flatten().collect()
    }
}
