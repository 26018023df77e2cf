//! TLS: our certificates, read again when their files change, and whose we believe (RFC 5922).

mod identity;
mod peers;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::{debug, info, warn};

use self::identity::Identity;
pub use self::peers::{Peer, Peers};
use crate::base::certificates::{self, Stamp, stamp_of};
use crate::sip::config::{Config, Own, Tls, TrunkTls};
use crate::sip::flow::Transport;

/// How often the files are looked at for a change.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The name of the certificate that we make ourselves.
const SELF_MADE: &str = "sip";

/// All certificates of an endpoint, as they were last read.
#[derive(Debug)]
pub struct Certificates {
    tls: Tls,
    /// The names of ours, for a certificate that we make ourselves.
    names: Vec<String>,
    listens: bool,
    trunks: Vec<(String, TrunkTls)>,
    loaded: ArcSwap<Loaded>,
}

/// What was read.
#[derive(Debug)]
struct Loaded {
    /// For telephones and trunks that connect.
    phones: Option<Arc<ServerConfig>>,
    /// For browsers that connect.
    browsers: Option<Arc<ServerConfig>>,
    /// For connections of ours: to each trunk by name.
    trunks: HashMap<String, Outward>,
    /// To anybody else.
    others: Outward,
    /// The files that this came from, as they were.
    files: Vec<(PathBuf, Stamp)>,
}

/// What we show and believe on connections of ours.
#[derive(Debug, Clone)]
struct Outward {
    own: Option<Arc<SingleCertAndKey>>,
    roots: Arc<RootCertStore>,
}

impl Certificates {
    /// Reads what the configuration names; `None` if nothing of it speaks TLS.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it.
    pub fn load(config: &Config) -> io::Result<Option<Arc<Certificates>>> {
        let listens = config.listen.iter().any(|l| l.transport.is_secure());
        let trunks: Vec<(String, TrunkTls)> = config
            .trunks
            .iter()
            .filter(|(_, trunk)| trunk.may_be_by_tls())
            .map(|(name, trunk)| (name.clone(), trunk.tls.clone()))
            .collect();
        if !listens && trunks.is_empty() {
            return Ok(None);
        }
        let addresses = config.listen.iter().filter(|l| l.transport.is_secure()).map(|l| l.address.ip().to_string());
        let names: Vec<String> =
            config.domains.iter().cloned().chain(config.advertise.clone()).chain(addresses).collect();
        let tls = config.tls.clone();
        let loaded = ArcSwap::from_pointee(read(&tls, &names, listens, &trunks)?);
        Ok(Some(Arc::new(Certificates { tls, names, listens, trunks, loaded })))
    }

    /// Reads all files again. Connections that are up stay as they are.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it, and all stays as it was.
    pub fn reload(&self) -> io::Result<()> {
        let loaded = read(&self.tls, &self.names, self.listens, &self.trunks)?;
        self.loaded.store(Arc::new(loaded));
        Ok(())
    }

    /// Whether a file is another than when it was read.
    pub fn has_changed(&self) -> bool {
        self.loaded.load().files.iter().any(|(path, stamp)| stamp_of(path) != *stamp)
    }

    /// What wraps the connections that peers open.
    pub fn acceptor(&self, transport: Transport) -> Option<TlsAcceptor> {
        let loaded = self.loaded.load();
        let config = if transport.is_websocket() { &loaded.browsers } else { &loaded.phones };
        config.clone().map(TlsAcceptor::from)
    }

    /// What wraps a connection of ours to a peer, and the name to ask for.
    ///
    /// # Errors
    /// The peer's name is none that a certificate could have.
    pub fn connector(&self, peer: &Peer, remote: SocketAddr) -> io::Result<(TlsConnector, ServerName<'static>)> {
        let loaded = self.loaded.load();
        let outward = peer.trunk.as_ref().and_then(|name| loaded.trunks.get(name)).unwrap_or(&loaded.others);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let identity = Identity::new(Arc::clone(&outward.roots), Arc::clone(&provider), peer.names.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(identity));
        let config = match &outward.own {
            Some(own) => config.with_client_cert_resolver(Arc::clone(own) as _),
            None => config.with_no_client_auth(),
        };
        let name = match &peer.host {
            Some(host) => ServerName::try_from(host.clone()).map_err(io::Error::other)?,
            None => ServerName::IpAddress(remote.ip().into()),
        };
        Ok((TlsConnector::from(Arc::new(config)), name))
    }
}

/// Reads the files again when they change, for as long as anybody uses them.
pub async fn watch(certificates: Weak<Certificates>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(certificates) = certificates.upgrade() else { return };
        let looked = tokio::task::spawn_blocking(move || certificates.has_changed().then(|| certificates.reload()));
        match looked.await {
            Ok(Some(Ok(()))) => info!("the certificates have changed, and are read again"),
            // A file that is being written is whole at the next look.
            Ok(Some(Err(error))) => warn!(%error, "the certificates have changed, and stay as they were"),
            Ok(None) | Err(_) => {}
        }
    }
}

fn read(tls: &Tls, names: &[String], listens: bool, trunks: &[(String, TrunkTls)]) -> io::Result<Loaded> {
    let mut files = Vec::new();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (mut phones, mut browsers) = (None, None);
    if listens {
        let own = tls.own.as_ref().ok_or_else(|| io::Error::other("TLS needs a certificate"))?;
        let own = read_own(own, names, &provider, &mut files)?;
        let clients = tls.client_ca.as_deref().map(|ca| read_roots(ca, &mut files)).transpose()?;
        phones = Some(server(&provider, &own, clients.map(Arc::new))?);
        browsers = Some(server(&provider, &own, None)?);
    }
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        debug!(%error, "a root certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(ca) = &tls.ca {
        roots.extend(read_roots(ca, &mut files)?.roots);
    }
    let others = Outward { own: None, roots: Arc::new(roots) };
    let mut outward = HashMap::new();
    for (name, trunk) in trunks {
        let own = trunk.own.as_ref().map(|own| read_own(own, names, &provider, &mut files)).transpose()?;
        let roots = match &trunk.ca {
            Some(ca) => Arc::new(read_roots(ca, &mut files)?),
            None => Arc::clone(&others.roots),
        };
        outward.insert(name.clone(), Outward { own, roots });
    }
    Ok(Loaded { phones, browsers, trunks: outward, others, files })
}

fn server(
    provider: &Arc<CryptoProvider>,
    own: &Arc<SingleCertAndKey>,
    clients: Option<Arc<RootCertStore>>,
) -> io::Result<Arc<ServerConfig>> {
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            config.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config.with_cert_resolver(Arc::clone(own) as _)))
}

fn read_own(
    own: &Own,
    names: &[String],
    provider: &CryptoProvider,
    files: &mut Vec<(PathBuf, Stamp)>,
) -> io::Result<Arc<SingleCertAndKey>> {
    let (certificate, key) = match own {
        Own::Files { certificate, key } => (certificate.clone(), key.clone()),
        Own::SelfSigned(directory) => certificates::self_signed(directory, SELF_MADE, names)?,
    };
    // As they are before they are read: what changes meanwhile is seen at the next look.
    files.extend([&certificate, &key].map(|path| (path.clone(), stamp_of(path))));
    let chain = certificates::chain(&certificate)?;
    let secret = certificates::key(&key)?;
    let certified = CertifiedKey::from_der(chain, secret, provider).map_err(|e| certificates::wrong(&key, &e))?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

fn read_roots(path: &Path, files: &mut Vec<(PathBuf, Stamp)>) -> io::Result<RootCertStore> {
    files.push((path.to_owned(), stamp_of(path)));
    let mut roots = RootCertStore::empty();
    for certificate in certificates::chain(path)? {
        roots.add(certificate).map_err(|e| certificates::wrong(path, &e))?;
    }
    Ok(roots)
}
