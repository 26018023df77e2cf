//! Certificates and keys in PEM files: read, and made for who has none.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates of a file, first first.
///
/// # Errors
/// The file cannot be read or holds none; the text names it.
pub fn chain(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(path, &e))?;
    if chain.is_empty() { Err(wrong(path, &"no certificate in it")) } else { Ok(chain) }
}

/// The key of a file.
///
/// # Errors
/// The file cannot be read or holds none; the text names it.
pub fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| wrong(path, &e))
}

/// The files of the certificate of this name in a directory, and of its key. They are made at the first time, for the
/// names under which one reaches this machine from itself and for `names` besides; nobody but itself signs it.
///
/// # Errors
/// It cannot be made or not be kept; the text names the file.
pub fn self_signed(directory: &Path, name: &str, names: &[String]) -> io::Result<(PathBuf, PathBuf)> {
    let certificate = directory.join(format!("{name}-certificate.pem"));
    let key = directory.join(format!("{name}-key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let mut all = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    for name in names {
        let is_nowhere = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if !is_nowhere && !all.contains(name) {
            all.push(name.clone());
        }
    }
    let made = rcgen::generate_simple_self_signed(all).map_err(io::Error::other)?;
    fs::create_dir_all(directory).map_err(|e| wrong(directory, &e))?;
    // The key first: a certificate without its key would be taken for whole at the next start.
    write(&key, &made.signing_key.serialize_pem(), 0o600)?;
    write(&certificate, &made.cert.pem(), 0o644)?;
    Ok((certificate, key))
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| wrong(path, &e))
}

/// When a file was last changed, and its length; `None` for one that is not there.
pub type Stamp = Option<(SystemTime, u64)>;

/// The stamp of a file, by which one sees that it has changed.
pub fn stamp_of(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// An error that names the file.
pub fn wrong(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_for_nobody_else_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["sip.example.org".to_owned(), "0.0.0.0".to_owned()];
        let (certificate, secret) = self_signed(directory.path(), "sip", &names).unwrap();
        let first = chain(&certificate).unwrap();
        assert_eq!(first.len(), 1);
        key(&secret).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&secret).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        self_signed(directory.path(), "sip", &names).unwrap();
        assert_eq!(chain(&certificate).unwrap(), first, "kept");
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = chain(file.path()).unwrap_err().to_string();
        assert!(error.starts_with(&file.path().display().to_string()), "{error}");
        assert!(key(file.path()).is_err());
    }
}
