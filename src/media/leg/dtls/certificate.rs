//! Our certificate, and the fingerprints of the peer's (RFC 8122).

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::{Certificate as StackCertificate, CryptoPrivateKey};
use rtc_dtls::crypto_provider::providers::AwsLcRsProvider;
use rtc_dtls::crypto_provider::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::RETRANSMISSION;
use crate::model::description::Fingerprint;
use crate::rtp::Profile;

/// The transforms that we take, the cheapest for the processor first. The 32-bit tag is not among them: it
/// saves six bytes and half of the protection (RFC 8827 §6.5 asks for the others only).
pub(super) const PROFILES: [(Profile, SrtpProtectionProfile); 3] = [
    (Profile::AeadAes128Gcm, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm),
    (Profile::AeadAes256Gcm, SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm),
    (Profile::AesCm128HmacSha1_80, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
];

/// Our certificate: ECDSA P-256, self-signed, made once in the life of a process. Cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    fingerprint: Fingerprint,
    stack: StackCertificate,
    provider: Arc<dyn RTCCryptoProvider>,
    active: Arc<HandshakeConfig>,
}

impl Certificate {
    /// Makes one. It uses the system's entropy, so it is for drivers and what starts them.
    pub fn generate() -> Result<Certificate, String> {
        let say = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| say("no key for the DTLS certificate", &e))?;
        let mut params = CertificateParams::new(Vec::new()).map_err(|e| say("no DTLS certificate", &e))?;
        params.distinguished_name.push(DnType::CommonName, "patchcord");
        let signed = params.self_signed(&key).map_err(|e| say("the DTLS certificate cannot be signed", &e))?;
        let der = signed.der().to_owned();
        let bytes = Sha256::digest(&der).to_vec();
        let private_key = CryptoPrivateKey::from_key_pair(&key, provider.crypto())
            .map_err(|e| say("the DTLS key cannot be used", &e))?;
        let stack = StackCertificate { certificate: vec![der], private_key };
        let active = config(provider.clone(), &stack, true, PROFILES.iter().map(|p| p.1).collect())?;
        let fingerprint = Fingerprint { algorithm: "sha-256".into(), bytes };
        Ok(Certificate(Arc::new(Inner { fingerprint, stack, provider, active })))
    }

    /// Its SHA-256, for our descriptions.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    pub(super) fn active(&self) -> Arc<HandshakeConfig> {
        self.0.active.clone()
    }

    /// How to answer a hello that offers these transforms, or why not. We choose the transform, whatever the
    /// peer's order.
    pub(super) fn passive(&self, offered: &[u16], cookie: Cookie) -> Result<Arc<HandshakeConfig>, String> {
        let (_, chosen) = *PROFILES
            .iter()
            .find(|p| offered.contains(&(p.1 as u16)))
            .ok_or("the peer offers no SRTP transform that we take")?;
        let provider = Arc::new(OneCookie { provider: self.0.provider.clone(), cookie });
        config(provider, &self.0.stack, false, vec![chosen])
    }

    pub(super) fn cookie(&self) -> Result<Cookie, String> {
        let mut cookie = [0; COOKIE];
        self.0.provider.random().fill(&mut cookie).map_err(|e| e.to_string())?;
        Ok(cookie)
    }
}

fn config(
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: &StackCertificate,
    active: bool,
    profiles: Vec<SrtpProtectionProfile>,
) -> Result<Arc<HandshakeConfig>, String> {
    ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![certificate.clone()])
        .with_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
        ])
        .with_srtp_protection_profiles(profiles)
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // The fingerprint of the description decides, not a chain (RFC 8827 §6.5); the signatures that prove
        // the key are verified all the same.
        .with_insecure_skip_verify(true)
        .with_server_name("patchcord.invalid".to_owned())
        .with_flight_interval(RETRANSMISSION)
        .build(active, None)
        .map(Arc::new)
        .map_err(|e| format!("the DTLS configuration is refused: {e}"))
}

/// Bytes of the cookie of a HelloVerifyRequest, which the stack always sends.
const COOKIE: usize = 20;

/// What a HelloVerifyRequest asks back (RFC 6347 §4.2.1).
pub(super) type Cookie = [u8; COOKIE];

/// The provider, with the same cookie for all hellos of a leg: else the answer to a stranger's hello, which
/// goes to the peer, would give the peer a cookie that its own handshake does not take.
struct OneCookie {
    provider: Arc<dyn RTCCryptoProvider>,
    cookie: Cookie,
}

impl RTCCryptoProvider for OneCookie {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for OneCookie {
    /// Nothing else that the stack draws has the length of a cookie.
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        if output.len() == COOKIE {
            output.copy_from_slice(&self.cookie);
            return Ok(());
        }
        self.provider.random().fill(output)
    }
}

/// Whether a certificate is the one that a description names, or why not. Of several hash functions the
/// strongest that we know decides (RFC 8122 §5); MD5 and SHA-1 prove nothing any more.
pub(super) fn check(der: &[u8], fingerprints: &[Fingerprint]) -> Result<(), String> {
    let named = |algorithm: &str| {
        fingerprints.iter().filter(move |f| f.algorithm.eq_ignore_ascii_case(algorithm)).collect::<Vec<_>>()
    };
    type Hash = fn(&[u8]) -> Vec<u8>;
    let hashes: [(&str, Hash); 3] = [
        ("sha-512", |b| Sha512::digest(b).to_vec()),
        ("sha-384", |b| Sha384::digest(b).to_vec()),
        ("sha-256", |b| Sha256::digest(b).to_vec()),
    ];
    for (algorithm, hash) in hashes {
        let wanted = named(algorithm);
        if let Some(first) = wanted.first() {
            let shown = hash(der);
            if wanted.iter().any(|f| f.bytes == shown) {
                return Ok(());
            }
            return Err(format!(
                "the peer's certificate has the {algorithm} fingerprint {}, but its description says {}",
                hex(&shown),
                hex(&first.bytes)
            ));
        }
    }
    let told: Vec<_> = fingerprints.iter().map(|f| f.algorithm.as_str()).collect();
    Err(format!("the peer's description names its certificate only by {}, which proves nothing", told.join(", ")))
}

/// As in `a=fingerprint`: pairs of capital digits between colons.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}
