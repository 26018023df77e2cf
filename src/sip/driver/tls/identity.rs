//! Whether a certificate is that of a SIP domain (RFC 5922 §7).

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::warn;
use webpki::EndEntityCert;

/// The most names of a certificate that are told.
const MOST_NAMES: usize = 8;

/// Believes a server that shows a certificate for all of some names.
#[derive(Debug)]
pub struct Identity {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    names: Vec<String>,
}

impl Identity {
    /// Believes what comes from these roots and carries all of these names; without names, the address asked for.
    pub fn new(roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>, names: Vec<String>) -> Identity {
        Identity { roots, provider, names }
    }
}

impl ServerCertVerifier for Identity {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let asked = server_name.to_str();
        let names =
            if self.names.is_empty() { vec![asked.as_ref()] } else { self.names.iter().map(String::as_str).collect() };
        for name in names {
            if !names_domain(end_entity, name) {
                warn!(wanted = name, "a SIP server shows a certificate that is not of this name");
                let presented = names_of(end_entity);
                let expected = server_name.to_owned();
                let error = CertificateError::NotValidForNameContext { expected, presented };
                return Err(Error::InvalidCertificate(error));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a certificate is that of a domain or an address. URIs of SIP in it are its identities, and only without any
/// its DNS names are (§7.1); they are compared as they are, without asterisks that stand for something (§7.2).
pub fn names_domain(certificate: &CertificateDer<'_>, wanted: &str) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    if let Ok(ip) = wanted.parse::<IpAddr>() {
        return certificate.verify_is_valid_for_subject_name(&ServerName::IpAddress(ip.into())).is_ok();
    }
    let mut uris = certificate.valid_uri_names().filter_map(sip_domain).peekable();
    if uris.peek().is_some() {
        return uris.any(|domain| domain.eq_ignore_ascii_case(wanted));
    }
    certificate.valid_dns_names().any(|name| name.eq_ignore_ascii_case(wanted))
}

/// The names that a certificate carries, for a person.
fn names_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    let all = certificate.valid_uri_names().chain(certificate.valid_dns_names());
    all.take(MOST_NAMES).map(str::to_owned).collect()
}

/// The domain of `sip:example.org`. An address with a user is no domain (§7.1 step 2).
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    (scheme.eq_ignore_ascii_case("sip") && !rest.contains('@')).then_some(rest)
}
