//! The transforms: session keys (RFC 3711 §4.3), counter mode with HMAC-SHA1 (§4.1.1, §4.2.1) and GCM (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Profile, SrtpError};

/// Bytes of the GCM tag.
pub(super) const GCM_TAG: usize = 16;
/// Bytes of the HMAC-SHA1 session key (RFC 3711 §5.2).
const MAC_KEY: usize = 20;

/// The session keys of one direction, of RTP or of RTCP.
pub struct SessionKeys {
    /// The cipher's key.
    pub cipher: Vec<u8>,
    /// The cipher's salt.
    pub salt: Vec<u8>,
    /// The key of the HMAC; empty with GCM.
    pub mac: Vec<u8>,
}

impl SessionKeys {
    /// Derives the keys of RTP and of RTCP from a master key (RFC 3711 §4.3, with a derivation rate of 0).
    pub fn derive(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> Result<[SessionKeys; 2], SrtpError> {
        if master_key.len() != profile.key_length() || master_salt.len() != profile.salt_length() {
            return Err(SrtpError::Keys);
        }
        let prf = counter_key(master_key)?;
        // RFC 7714 §11: a salt of 96 bits is padded on the right to the 112 that the derivation takes.
        let salt = salt_block(master_salt);
        let bytes = |label: u8, length: usize| -> Result<Vec<u8>, SrtpError> {
            let mut out = vec![0; length];
            apply_key_stream(&prf, salt ^ (u128::from(label) << 64), &mut out)?;
            Ok(out)
        };
        let mac_length = if profile.is_gcm() { 0 } else { MAC_KEY };
        let keys = |first_label: u8| -> Result<SessionKeys, SrtpError> {
            Ok(SessionKeys {
                cipher: bytes(first_label, profile.key_length())?,
                mac: bytes(first_label + 1, mac_length)?,
                salt: bytes(first_label + 2, profile.salt_length())?,
            })
        };
        Ok([keys(0)?, keys(3)?])
    }
}

/// A salt in the upper 112 bits of a counter block.
fn salt_block(salt: &[u8]) -> u128 {
    let mut block = [0; 16];
    for (to, from) in block.iter_mut().zip(salt) {
        *to = *from;
    }
    u128::from_be_bytes(block)
}

fn counter_key(key: &[u8]) -> Result<EncryptingKey, SrtpError> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| SrtpError::Keys)?;
    EncryptingKey::ctr(key).map_err(|_| SrtpError::Keys)
}

fn apply_key_stream(key: &EncryptingKey, block: u128, bytes: &mut [u8]) -> Result<(), SrtpError> {
    let context = EncryptionContext::Iv128(block.to_be_bytes().into());
    key.less_safe_encrypt(bytes, context).map(|_| ()).map_err(|_| SrtpError::Keys)
}

/// Counter mode with HMAC-SHA1.
pub(super) struct Counter {
    cipher: EncryptingKey,
    salt: u128,
    /// Its key is absorbed once; a packet starts from a copy.
    mac: Hmac<Sha1>,
}

impl Counter {
    pub(super) fn new(keys: &SessionKeys) -> Result<Counter, SrtpError> {
        Ok(Counter {
            cipher: counter_key(&keys.cipher)?,
            salt: salt_block(&keys.salt),
            mac: Hmac::new_from_slice(&keys.mac).map_err(|_| SrtpError::Keys)?,
        })
    }

    /// Encrypts or decrypts (RFC 3711 §4.1.1).
    pub(super) fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) -> Result<(), SrtpError> {
        let block = self.salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        apply_key_stream(&self.cipher, block, bytes)
    }

    /// Writes the left part of the HMAC of `parts` over `tag`.
    pub(super) fn sign(&self, parts: [&[u8]; 2], tag: &mut [u8]) {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        for (to, from) in tag.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
    }

    /// Compares in constant time.
    pub(super) fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> Result<(), SrtpError> {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_truncated_left(tag).map_err(|_| SrtpError::Authentication)
    }
}

/// AES in Galois/counter mode.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: u128,
}

impl Gcm {
    pub(super) fn new(keys: &SessionKeys) -> Result<Gcm, SrtpError> {
        let algorithm = if keys.cipher.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, &keys.cipher).map_err(|_| SrtpError::Keys)?;
        Ok(Gcm { key: LessSafeKey::new(key), salt: salt_block(&keys.salt) >> 32 })
    }

    /// RFC 7714 §8.1 and §9.1: two zero bytes, the source, and the index in six bytes.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let block = self.salt ^ (u128::from(ssrc) << 48) ^ u128::from(index);
        let [_, _, _, _, nonce @ ..] = block.to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }

    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        header: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; GCM_TAG], SrtpError> {
        let nonce = self.nonce(ssrc, index);
        let tag =
            self.key.seal_in_place_separate_tag(nonce, Aad::from(header), text).map_err(|_| SrtpError::Exhausted)?;
        tag.as_ref().first_chunk().copied().ok_or(SrtpError::Keys)
    }

    /// Decrypts `text`, which ends with the tag.
    pub(super) fn open(&self, ssrc: u32, index: u64, header: &[u8], text: &mut [u8]) -> Result<(), SrtpError> {
        let nonce = self.nonce(ssrc, index);
        self.key.open_in_place(nonce, Aad::from(header), text).map(|_| ()).map_err(|_| SrtpError::Authentication)
    }
}
