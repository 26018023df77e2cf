//! The files of STIR/SHAKEN, and its clock.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc::WeakSender;
use tracing::{info, warn};

use super::Order;
use super::fetch::Fetcher;
use crate::base::certificates::{self, Stamp, stamp_of};
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
    /// The files as they were when they were last read; empty as long as they are to be read anyway.
    seen: Mutex<Vec<(PathBuf, Stamp)>>,
}

impl Prover {
    /// Of a configuration.
    pub fn new(config: &Config) -> Prover {
        let passes = config.trunks.values().any(|trunk| trunk.stir.pass);
        Prover { files: config.stir.clone(), passes, seen: Mutex::default() }
    }

    /// Whether it names any file.
    pub fn has_files(&self) -> bool {
        let StirFiles { roots, certificates, fetch, signing, .. } = &self.files;
        let fetches = fetch.as_ref().is_some_and(|fetch| fetch.roots.is_some());
        roots.is_some() || certificates.is_some() || signing.is_some() || fetches
    }

    /// Whether a file is another than when it was last read, or has come or gone.
    pub fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != self.stamps()
    }

    /// What was read reached nobody: it is to be read again.
    fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn stamps(&self) -> Vec<(PathBuf, Stamp)> {
        let StirFiles { roots, certificates, fetch, signing, .. } = &self.files;
        let fetched_by = fetch.as_ref().and_then(|fetch| fetch.roots.as_ref());
        let named = [roots.as_ref(), fetched_by, signing.as_ref().map(|signing| &signing.key)];
        let mut all: Vec<PathBuf> = named.into_iter().flatten().cloned().collect();
        if let Some(directory) = certificates {
            list(directory, true, &mut all);
        }
        // A directory gives its files in any order.
        all.sort();
        all.into_iter()
            .map(|path| {
                let stamp = stamp_of(&path);
                (path, stamp)
            })
            .collect()
    }

    /// Reads what it names.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it.
    pub fn load(&self) -> io::Result<(Stir, Fetcher)> {
        let files = &self.files;
        // As they are before they are read: what changes meanwhile is seen at the next look.
        let stamps = self.stamps();
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
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        Ok((stir, fetcher))
    }
}

/// Reads the files again when they change, for as long as anybody uses them.
pub(super) async fn watch(every: Duration, prover: Weak<Prover>, orders: WeakSender<Order>) {
    loop {
        tokio::time::sleep(every).await;
        let (Some(prover), Some(orders)) = (prover.upgrade(), orders.upgrade()) else { return };
        let looks = prover.clone();
        let looked = tokio::task::spawn_blocking(move || looks.has_changed().then(|| looks.load()));
        match looked.await {
            Ok(Some(Ok((stir, fetcher)))) => match orders.try_send(Order::Prove(Box::new(stir), fetcher)) {
                Ok(()) => info!("the files of callers' numbers have changed, and are read again"),
                Err(_) => prover.forget(),
            },
            // A file that is being written is whole at the next look.
            Ok(Some(Err(error))) => {
                warn!(%error, "the files of callers' numbers have changed, and what was read stays");
            }
            Ok(None) | Err(_) => {}
        }
    }
}

/// The files of a directory and of those in it, as far as they would be read.
fn list(directory: &Path, is_top: bool, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true if is_top => list(&path, false, all),
            false if all.len() <= MAX_FILES => all.push(path),
            _ => {}
        }
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
    use std::sync::Arc;

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

    #[test]
    fn roots_that_were_replaced_and_certificates_that_came_are_read_while_calls_go_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let test = async {
            let folder = tempfile::tempdir().unwrap();
            let (certificate, _) = certificates::self_signed(folder.path(), "root", &[]).unwrap();
            let (other, _) = certificates::self_signed(folder.path(), "other", &[]).unwrap();
            let (roots, known) = (folder.path().join("roots.pem"), folder.path().join("known"));
            fs::copy(&certificate, &roots).unwrap();
            fs::create_dir_all(known.join("certs.example.org")).unwrap();
            let files =
                StirFiles { roots: Some(roots.clone()), certificates: Some(known.clone()), ..StirFiles::default() };
            let prover = Arc::new(Prover::new(&Config { stir: files, ..Config::default() }));
            prover.load().unwrap();
            assert!(prover.has_files() && !prover.has_changed());
            let (orders, mut said) = tokio::sync::mpsc::channel(1);
            let watching = tokio::spawn(watch(Duration::from_millis(10), Arc::downgrade(&prover), orders.downgrade()));

            fs::copy(&certificate, known.join("certs.example.org/a.pem")).unwrap();
            let is_known = |stir: &Stir| {
                let trust = stir.trust.as_ref().unwrap();
                trust.find("https://certs.example.org/a.pem", 0).is_ok()
            };
            while !matches!(said.recv().await, Some(Order::Prove(stir, _)) if is_known(&stir)) {}
            // A file that is no certificate changes nothing, until it is one again.
            fs::write(&roots, "half a file").unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(prover.has_changed());
            fs::write(&roots, [fs::read(&certificate).unwrap(), fs::read(&other).unwrap()].concat()).unwrap();
            while prover.has_changed() {
                assert!(matches!(said.recv().await, Some(Order::Prove(..))));
            }
            // Nobody is left to tell: the watch ends.
            drop(orders);
            watching.await.unwrap();
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.unwrap() });
    }

    #[test]
    fn what_was_read_for_nobody_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (roots, _) = certificates::self_signed(folder.path(), "root", &[]).unwrap();
        let files = StirFiles { roots: Some(roots), ..StirFiles::default() };
        let prover = Prover::new(&Config { stir: files, ..Config::default() });
        prover.load().unwrap();
        prover.forget();
        assert!(prover.has_changed());
        assert!(!Prover::new(&Config::default()).has_files());
    }
}
