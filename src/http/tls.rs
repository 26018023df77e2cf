//! The certificate that the server shows.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::config::Tls;
use crate::base::certificates;

/// What wraps the connections; `None` for plain HTTP.
///
/// # Errors
/// A certificate or key that cannot be read, used, or made; the text names the file.
pub fn acceptor(tls: &Tls, listen: IpAddr) -> io::Result<Option<TlsAcceptor>> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Files { certificate, key } => with_files(certificate, key).map(Some),
        Tls::SelfSigned(state) => {
            let (certificate, key) = certificates::self_signed(state, "web", &[listen.to_string()])?;
            with_files(&certificate, &key).map(Some)
        }
    }
}

fn with_files(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let chain = certificates::chain(certificate)?;
    let secret = certificates::key(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| certificates::wrong(key, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
