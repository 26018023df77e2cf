//! The certificates of those who sign (RFC 8226): whom they come from and what numbers they speak for.

use std::collections::BTreeMap;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::fetched::{Fetched, Sources};
use super::place::Place;

/// The extension that names numbers (RFC 8226 §9).
const TN_AUTHORIZATION_LIST: &str = "1.3.6.1.5.5.7.1.26";
/// The most certificates in one chain.
pub const MAX_CHAIN: usize = 8;
/// The most entries of one list of numbers that are looked at.
pub const MAX_ENTRIES: usize = 4096;

/// Whose certificates are believed, and those that are known.
#[derive(Debug)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// Chains by `HOST/FILE` or by `FILE` alone.
    known: BTreeMap<String, Vec<CertificateDer<'static>>>,
    /// From where others are fetched; `None`: they are not.
    pub sources: Option<Sources>,
    /// Those that were.
    pub fetched: Fetched,
}

impl Trust {
    /// From these roots. A chain is known by the file name of its address, or by host and file name: `HOST/FILE`.
    ///
    /// # Errors
    /// A root is no certificate.
    pub fn new(
        roots: &[CertificateDer<'static>],
        known: BTreeMap<String, Vec<CertificateDer<'static>>>,
    ) -> Result<Trust, webpki::Error> {
        let anchor = |root: &CertificateDer<'static>| anchor_from_trusted_cert(root).map(|a| a.to_owned());
        let anchors = roots.iter().map(anchor).collect::<Result<_, _>>()?;
        Ok(Trust { anchors, known, sources: None, fetched: Fetched::default() })
    }

    /// The chain of a certificate that lies at an address, its own first.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn find(&self, address: &str, unix_s: u64) -> Result<&[CertificateDer<'static>], &'static str> {
        let place = Place::read(address)?;
        if let Some(chain) = self.at_hand(&place) {
            return Ok(chain);
        }
        self.fetched.find(address, unix_s).unwrap_or(Err("the certificate of whoever signed is not known here"))
    }

    /// Whether a certificate may be fetched that nobody knows yet.
    pub fn may_fetch(&self, address: &str, unix_s: u64) -> bool {
        let (Some(sources), Ok(place)) = (&self.sources, Place::read(address)) else { return false };
        sources.allow(&place) && self.at_hand(&place).is_none() && self.fetched.find(address, unix_s).is_none()
    }

    fn at_hand(&self, place: &Place<'_>) -> Option<&[CertificateDer<'static>]> {
        let file = Some(place.file()).filter(|file| !file.is_empty())?;
        let exact = self.known.get(&format!("{}/{file}", place.host));
        exact.or_else(|| self.known.get(file)).map(Vec::as_slice)
    }

    /// The key of a chain that comes from one of the roots and speaks for a number: a point of P-256, uncompressed.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn key_for(
        &self,
        chain: &[CertificateDer<'static>],
        unix_s: u64,
        number: &str,
    ) -> Result<Vec<u8>, &'static str> {
        let (own, between) = chain.split_first().ok_or("the file of the certificate is empty")?;
        let between = between.get(..between.len().min(MAX_CHAIN)).unwrap_or_default();
        let certificate = EndEntityCert::try_from(own).map_err(|_| "the certificate cannot be read")?;
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(unix_s));
        certificate.verify_for_usage(algorithms, &self.anchors, between, at, AnyUse, None, None).map_err(|error| {
            match error {
                webpki::Error::CertExpired { .. } => "the certificate has expired",
                webpki::Error::CertNotValidYet { .. } => "the certificate is not valid yet",
                webpki::Error::UnknownIssuer => "the certificate comes from nobody who is believed",
                _ => "the certificate is not believed",
            }
        })?;
        let (_, parsed) = X509Certificate::from_der(own).map_err(|_| "the certificate cannot be read")?;
        let mut lists = parsed.extensions().iter().filter(|e| e.oid.to_id_string() == TN_AUTHORIZATION_LIST);
        let (Some(list), None) = (lists.next(), lists.next()) else {
            return Err("the certificate names no numbers");
        };
        let entries = read_list(list.value).ok_or("the numbers of the certificate cannot be read")?;
        if !entries.iter().any(|entry| entry.covers(number)) {
            return Err("the certificate does not speak for this number");
        }
        Ok(parsed.public_key().subject_public_key.data.to_vec())
    }
}

/// Certificates for calls name no use of their own (RFC 8226 §3).
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// What a certificate speaks for (RFC 8226 §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TnEntry {
    /// All numbers of a provider: which they are, the certificate does not say.
    Provider(String),
    /// So many numbers from one on.
    Range {
        /// The first.
        start: String,
        /// How many.
        count: u64,
    },
    /// One number.
    One(String),
}

impl TnEntry {
    /// Whether it speaks for a number in canonical form.
    pub fn covers(&self, number: &str) -> bool {
        match self {
            TnEntry::Provider(_) => true,
            TnEntry::One(one) => one == number,
            TnEntry::Range { start, count } => {
                let same_length = start.len() == number.len();
                match (start.parse::<u64>(), number.parse::<u64>()) {
                    (Ok(first), Ok(asked)) => same_length && asked.checked_sub(first).is_some_and(|n| n < *count),
                    _ => false,
                }
            }
        }
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const IA5_STRING: u8 = 0x16;

/// Reads the list of a certificate; `None` if it is not as it has to be.
pub fn read_list(der: &[u8]) -> Option<Vec<TnEntry>> {
    let (SEQUENCE, mut rest, []) = element(der)? else { return None };
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (tag, inner, after) = element(rest)?;
        rest = after;
        if entries.len() >= MAX_ENTRIES {
            return None;
        }
        let (kind, value, []) = element(inner)? else { return None };
        entries.push(match (tag, kind) {
            (0xa0, IA5_STRING) => TnEntry::Provider(text(value)?),
            (0xa1, SEQUENCE) => {
                let (IA5_STRING, start, after) = element(value)? else { return None };
                // Whatever a later version adds behind the count is left alone.
                let (INTEGER, count, _) = element(after)? else { return None };
                TnEntry::Range { start: text(start)?, count: integer(count)? }
            }
            (0xa2, IA5_STRING) => TnEntry::One(text(value)?),
            _ => return None,
        });
    }
    (!entries.is_empty()).then_some(entries)
}

/// The first element of some DER: its tag, its content, and what follows (X.690 §8.1, with definite lengths).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |n, octet| (n << 8) | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn text(ia5: &[u8]) -> Option<String> {
    const LONGEST: usize = 64;
    let fits = !ia5.is_empty() && ia5.len() <= LONGEST && ia5.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(ia5).into_owned())
}

fn integer(octets: &[u8]) -> Option<u64> {
    let fits = (1..=8).contains(&octets.len()) && octets.first().is_some_and(|b| *b < 0x80);
    fits.then(|| octets.iter().fold(0, |n, octet| (n << 8) | u64::from(*octet)))
}
