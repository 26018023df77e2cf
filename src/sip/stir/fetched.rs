//! Certificates that were fetched from their addresses, for as long as they are good.

use std::collections::{BTreeSet, HashMap, HashSet};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::MAX_CHAIN;
use super::place::Place;

/// The longest file that is fetched, in octets.
pub const MAX_BODY: usize = 16 * 1024;
/// The most addresses that are remembered.
pub const MAX_KNOWN: usize = 1024;
/// The most addresses that are asked at once.
pub const MAX_ASKED: usize = 32;
/// How long a certificate is kept whose server does not say how long it is good, in seconds.
pub const KEEP_S: u64 = 3600;
/// The least and the most that a server's word counts for, in seconds.
pub const KEEP_BOUNDS_S: (u64, u64) = (60, 86_400);
/// How long an address is left alone after a failure, in seconds.
pub const KEEP_FAILURE_S: u64 = 30;

/// From where certificates may be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Only from these, in lower case; empty: from all hosts of the public network.
    pub hosts: BTreeSet<String>,
}

impl Sources {
    /// Whether somebody may be asked for what lies there.
    pub fn allow(&self, place: &Place<'_>) -> bool {
        if self.hosts.is_empty() { place.has_usual_port() } else { self.hosts.contains(&place.host) }
    }
}

/// A file, as its server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its octets: PEM, or one certificate in DER.
    pub body: Vec<u8>,
    /// For how many seconds it is good, if the server says so (RFC 9111 §5.2.2.1).
    pub max_age_s: Option<u64>,
}

/// What is done with a wish for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// It is to be asked.
    First,
    /// It is being asked.
    UnderWay,
    /// Too many are being asked.
    TooMany,
}

/// What was fetched.
#[derive(Debug, Default)]
pub struct Fetched {
    known: HashMap<String, Known>,
    asked: HashSet<String>,
}

#[derive(Debug)]
struct Known {
    chain: Result<Vec<CertificateDer<'static>>, &'static str>,
    until_s: u64,
}

impl Fetched {
    /// The chain of an address, or why it is not to be had; `None` if nobody knows.
    pub fn find(&self, address: &str, unix_s: u64) -> Option<Result<&[CertificateDer<'static>], &'static str>> {
        let known = self.known.get(address).filter(|known| unix_s < known.until_s)?;
        Some(known.chain.as_deref().map_err(|why| *why))
    }

    /// Notes that an address is to be asked.
    pub fn ask(&mut self, address: &str) -> Asking {
        if self.asked.contains(address) {
            return Asking::UnderWay;
        }
        if self.asked.len() >= MAX_ASKED {
            return Asking::TooMany;
        }
        self.asked.insert(address.to_owned());
        Asking::First
    }

    /// Takes the answer to [`Asking::First`].
    pub fn answered(&mut self, address: String, file: Result<File, &'static str>, unix_s: u64) {
        self.asked.remove(&address);
        let max_age_s = file.as_ref().ok().and_then(|f| f.max_age_s);
        let chain = file.and_then(|file| read_chain(&file.body));
        let (least, most) = KEEP_BOUNDS_S;
        let keep_s = if chain.is_ok() { max_age_s.unwrap_or(KEEP_S).clamp(least, most) } else { KEEP_FAILURE_S };
        self.make_room(unix_s);
        self.known.insert(address, Known { chain, until_s: unix_s + keep_s });
    }

    fn make_room(&mut self, unix_s: u64) {
        if self.known.len() < MAX_KNOWN {
            return;
        }
        self.known.retain(|_, known| unix_s < known.until_s);
        let first = self.known.iter().min_by_key(|(_, known)| known.until_s).map(|(address, _)| address.clone());
        if let Some(first) = first.filter(|_| self.known.len() >= MAX_KNOWN) {
            self.known.remove(&first);
        }
    }
}

fn read_chain(body: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    if body.len() > MAX_BODY {
        return Err("the file of the certificate is too long");
    }
    // RFC 5280 §4.2.2.1: a certificate by itself may come as DER, a SEQUENCE.
    if body.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(body.to_vec())]);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(body).take(MAX_CHAIN + 1).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or("what lies at the certificate's address is no certificate")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(body: &[u8], max_age_s: Option<u64>) -> Result<File, &'static str> {
        Ok(File { body: body.to_vec(), max_age_s })
    }

    #[test]
    fn a_certificate_is_good_for_as_long_as_its_server_says_within_bounds() {
        let der = [0x30, 0];
        for (max_age_s, kept) in [(None, KEEP_S), (Some(0), 60), (Some(600), 600), (Some(u64::MAX), 86_400)] {
            let mut fetched = Fetched::default();
            assert!(fetched.find("a", 1000).is_none());
            assert_eq!((fetched.ask("a"), fetched.ask("a")), (Asking::First, Asking::UnderWay));
            fetched.answered("a".into(), file(&der, max_age_s), 1000);
            assert!(fetched.find("a", 1000 + kept - 1).unwrap().is_ok());
            assert!(fetched.find("a", 1000 + kept).is_none());
            assert_eq!(fetched.ask("a"), Asking::First);
        }
    }

    #[test]
    fn what_is_no_certificate_is_remembered_for_a_while_and_not_asked_for_again() {
        let mut fetched = Fetched::default();
        for (address, answer) in
            [("a", Err("nobody is there")), ("b", file(b"hello", None)), ("c", file(&[0x30; MAX_BODY + 1], None))]
        {
            fetched.answered(address.into(), answer, 0);
            assert!(fetched.find(address, KEEP_FAILURE_S - 1).unwrap().is_err(), "{address}");
            assert!(fetched.find(address, KEEP_FAILURE_S).is_none(), "{address}");
        }
    }

    #[test]
    fn only_so_much_is_asked_for_and_remembered() {
        let mut fetched = Fetched::default();
        for n in 0..MAX_ASKED {
            assert_eq!(fetched.ask(&n.to_string()), Asking::First);
        }
        assert_eq!((fetched.ask("one more"), fetched.ask("0")), (Asking::TooMany, Asking::UnderWay));
        for n in 0..2 * MAX_KNOWN {
            fetched.answered(n.to_string(), file(&[0x30, 0], Some(600 + n as u64)), 0);
            assert!(fetched.known.len() <= MAX_KNOWN);
        }
        assert!(fetched.find("0", 0).is_none() && fetched.find(&(2 * MAX_KNOWN - 1).to_string(), 0).is_some());
    }

    #[test]
    fn certificates_come_by_https_from_usual_ports_or_from_hosts_that_are_named() {
        let anybody = Sources::default();
        let named = Sources { hosts: ["certs.example.org".to_owned()].into() };
        for (address, from_anybody, from_named) in [
            ("https://Certs.example.org/a/b.pem?v=1", true, true),
            ("https://certs.example.org:8443/b.pem", true, true),
            ("https://certs.example.org:22/b.pem", false, true),
            ("https://other.example/b.pem", true, false),
        ] {
            let place = Place::read(address).unwrap();
            assert_eq!((anybody.allow(&place), named.allow(&place)), (from_anybody, from_named), "{address}");
        }
        let long = format!("https://h/{}", "a".repeat(512));
        for wrong in [
            "http://h/a.pem",
            "https://h",
            "https:///a",
            "https://user@h/a",
            "https://[::1]/a",
            "https://h:0x50/a",
            "https://h /a",
            "ftp://h/a",
            "",
            &long,
        ] {
            assert!(Place::read(wrong).is_err(), "{wrong}");
        }
    }
}
