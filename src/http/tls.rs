//! The certificate that the server shows.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::config::Tls;

/// The files of a certificate that was made here, in the state directory.
const CERTIFICATE_FILE: &str = "web-certificate.pem";
const KEY_FILE: &str = "web-key.pem";

/// What wraps the connections; `None` for plain HTTP.
///
/// # Errors
/// A certificate or key that cannot be read, used, or made; the text names the file.
pub fn acceptor(tls: &Tls, listen: IpAddr) -> io::Result<Option<TlsAcceptor>> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Files { certificate, key } => with_files(certificate, key).map(Some),
        Tls::SelfSigned(state) => {
            let (certificate, key) = (state.join(CERTIFICATE_FILE), state.join(KEY_FILE));
            if !(certificate.exists() && key.exists()) {
                make(state, &certificate, &key, listen)?;
            }
            with_files(&certificate, &key).map(Some)
        }
    }
}

fn with_files(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(certificate, &e))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| wrong(key, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Makes a certificate for the names under which one reaches this machine from itself, and for the address.
fn make(state: &Path, certificate: &Path, key: &Path, listen: IpAddr) -> io::Result<()> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !listen.is_unspecified() && !listen.is_loopback() {
        names.push(listen.to_string());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    fs::create_dir_all(state).map_err(|e| wrong(state, &e))?;
    // The key first: a certificate without its key would be taken for whole at the next start.
    write(key, &made.signing_key.serialize_pem(), 0o600)?;
    write(certificate, &made.cert.pem(), 0o644)
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

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
