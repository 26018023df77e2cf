//! The files of STIR/SHAKEN, and its clock.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use tracing::info;

use super::fetch::Fetcher;
use crate::base::certificates;
use crate::sip::config::{self, Config, StirFiles};
use crate::sip::stir::fetched::Sources;
use crate::sip::stir::{Signer, Stir, Trust};

/// The most files of certificates that are read.
const MAX_FILES: usize = 10_000;
/// The longest of them, in octets.
const MAX_FILE: u64 = 16 * 1024;

/// What the configuration says of callers' numbers, to be read at the start and again.
#[derive(Debug)]
pub struct Prover {
    files: StirFiles,
    /// Some trunk gets the proofs that calls came with.
    passes: bool,
}

impl Prover {
    /// Of a configuration.
    pub fn new(config: &Config) -> Prover {
        Prover { files: config.stir.clone(), passes: config.trunks.values().any(|trunk| trunk.stir.pass) }
    }

    /// Reads what it names.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it.
    pub fn load(&self) -> io::Result<(Stir, Fetcher)> {
        let files = &self.files;
        let fetcher = Fetcher::new(files.fetch.as_ref())?;
        let trust = files.roots.as_ref().map(|roots| read_trust(roots, files)).transpose()?;
        let signer = match &files.signing {
            None => None,
            Some(signing) => {
                let key = certificates::key(&signing.key)?;
                let signer = Signer::new(&key, signing.certificate_url.as_str());
                Some(signer.map_err(|error| certificates::wrong(&signing.key, &error))?)
            }
        };
        let mut stir = Stir::new(trust, signer);
        stir.passes = self.passes;
        Ok((stir, fetcher))
    }
}

fn read_trust(roots: &Path, files: &StirFiles) -> io::Result<Trust> {
    let mut known = BTreeMap::new();
    if let Some(directory) = &files.certificates {
        read_directory(directory, "", &mut known)?;
    }
    info!(certificates = known.len(), "callers' numbers are verified");
    let chain = certificates::chain(roots)?;
    let mut trust = Trust::new(&chain, known).map_err(|error| certificates::wrong(roots, &error))?;
    let hosts = |fetch: &config::Fetch| fetch.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    trust.sources = files.fetch.as_ref().map(|fetch| Sources { hosts: hosts(fetch) });
    Ok(trust)
}

/// Reads the chains of a directory, and of those in it, which are named as hosts are.
fn read_directory(
    directory: &Path,
    host: &str,
    known: &mut BTreeMap<String, Vec<CertificateDer<'static>>>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory).map_err(|error| certificates::wrong(directory, &error))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.')) else { continue };
        if path.is_dir() {
            if host.is_empty() {
                read_directory(&path, &format!("{}/", name.to_ascii_lowercase()), known)?;
            }
            continue;
        }
        if known.len() >= MAX_FILES || fs::metadata(&path)?.len() > MAX_FILE {
            return Err(certificates::wrong(&path, &"too many certificates, or one that is too long"));
        }
        known.insert(format!("{host}{name}"), certificates::chain(&path)?);
    }
    Ok(())
}

/// The seconds since 1970.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::config::Signing;

    #[test]
    fn certificates_are_known_by_their_file_names_and_by_those_of_their_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificates::self_signed(folder.path(), "root", &[]).unwrap();
        let known = folder.path().join("known");
        fs::create_dir_all(known.join("Certs.example.org")).unwrap();
        fs::copy(&certificate, known.join("a.pem")).unwrap();
        fs::copy(&certificate, known.join("Certs.example.org/b.pem")).unwrap();
        let signing = Signing { key, certificate_url: "https://certs.example.org/b.pem".into() };
        let files = StirFiles {
            roots: Some(certificate),
            certificates: Some(known.clone()),
            signing: Some(signing),
            ..StirFiles::default()
        };
        let mut config = Config { stir: files, ..Config::default() };
        let stir = Prover::new(&config).load().unwrap().0;
        let (trust, signer) = (stir.trust.unwrap(), stir.signer.is_some());
        assert!(signer && trust.find("https://anybody.example/x/a.pem?v=1", 0).is_ok());
        assert!(trust.find("https://certs.EXAMPLE.org:8443/b.pem", 0).is_ok());
        for wrong in ["https://other.example/b.pem", "http://certs.example.org/b.pem", "https://h", "https://h/", ""] {
            assert!(trust.find(wrong, 0).is_err(), "{wrong}");
        }
        assert!(Prover::new(&Config::default()).load().unwrap().0.is_off());
        fs::write(known.join("long.pem"), vec![b'-'; 17 * 1024]).unwrap();
        assert!(Prover::new(&config).load().unwrap_err().to_string().contains("long.pem"));
        config.stir.roots = Some(known.join("nothing.pem"));
        assert!(Prover::new(&config).load().is_err());
    }
}
