//! Whose certificates are trusted.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::jingle::driver::connect::{Secured, secure, tls};
use crate::jingle::driver::fault::Fault;

/// A server that shows a certificate for `a.lit`, and the file with the root it comes from.
struct Shown {
    acceptor: TlsAcceptor,
    root: tempfile::NamedTempFile,
}

impl Shown {
    fn new() -> Shown {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["a.lit".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let root = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(root.path(), issuer.pem()).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Shown { acceptor: TlsAcceptor::from(Arc::new(config)), root }
    }

    async fn meet(&self, trusts: bool, domain: &str) -> Result<Secured, Fault> {
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let acceptor = self.acceptor.clone();
        let server = tokio::spawn(async move { acceptor.accept(theirs).await.is_ok() });
        let config = tls(trusts.then(|| self.root.path())).unwrap();
        let met = secure(Box::new(ours), &config, domain).await;
        assert_eq!(server.await.unwrap(), met.is_ok());
        met
    }
}

#[tokio::test]
async fn a_server_is_trusted_for_its_own_domain_and_only_by_roots_that_are_known() {
    let shown = Shown::new();
    let met = shown.meet(true, "a.lit").await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(met.exporter.map(|e| e.len()), Some(32));
    for (trusts, domain) in [(false, "a.lit"), (true, "b.lit"), (true, "sub.a.lit")] {
        let Err(fault) = shown.meet(trusts, domain).await else { panic!("{domain} is trusted") };
        assert!(fault.to_string().contains("certificate"), "{fault}");
    }
}

#[test]
fn a_file_without_certificates_is_said_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "nothing").unwrap();
    let error = tls(Some(file.path())).unwrap_err().to_string();
    assert!(error.contains("no certificate in it") && error.contains(&file.path().display().to_string()), "{error}");
}
