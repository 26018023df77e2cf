//! How the packets of a leg are protected: not at all, or by SRTP with keys from DTLS or from the descriptions.

use super::dtls::{Dtls, State};
use super::sdes::Sdes;
use crate::rtp::SrtpError;

/// The protection of a leg's packets.
pub enum Seal {
    /// Plain RTP and RTCP.
    Plain,
    /// DTLS-SRTP (RFC 5764).
    Dtls(Box<Dtls>),
    /// SRTP with keys in the descriptions (RFC 4568).
    Sdes(Box<Sdes>),
}

/// Why a packet does not pass. It is to be dropped and counted; the leg goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There are no keys yet, or none any more.
    #[error("there are no keys")]
    NotOpen,
    /// SRTP refuses it.
    #[error(transparent)]
    Srtp(#[from] SrtpError),
}

impl Seal {
    /// Whether media can pass.
    pub fn is_open(&self) -> bool {
        match self {
            Seal::Plain => true,
            Seal::Dtls(dtls) => matches!(dtls.state(), State::Open(_)),
            Seal::Sdes(sdes) => sdes.is_open(),
        }
    }

    /// Whether packets go unprotected.
    pub fn is_plain(&self) -> bool {
        match self {
            Seal::Plain => true,
            Seal::Dtls(_) => false,
            Seal::Sdes(sdes) => sdes.is_plain(),
        }
    }

    /// The protection in use, for people: `plain`, `SDES AES_CM_128_HMAC_SHA1_80`, `DTLS AEAD_AES_128_GCM`. `None`
    /// until there are keys.
    pub fn name(&self) -> Option<String> {
        let profile = match self {
            _ if self.is_plain() => return Some("plain".into()),
            Seal::Plain => None,
            Seal::Dtls(dtls) => dtls.profile().map(|profile| ("DTLS", profile)),
            Seal::Sdes(sdes) => sdes.profile().map(|profile| ("SDES", profile)),
        };
        profile.map(|(keys, profile)| format!("{keys} {}", profile.name()))
    }

    /// Opens a received RTP packet in place; returns its plain length.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(packet.len()),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.inward.unprotect_rtp(packet)?),
            Seal::Sdes(sdes) => sdes.unprotect_rtp(packet),
        }
    }

    /// Opens a received RTCP compound in place; returns its plain length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(packet.len()),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.inward.unprotect_rtcp(packet)?),
            Seal::Sdes(sdes) => sdes.unprotect_rtcp(packet),
        }
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(length),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.outward.protect_rtp(buffer, length)?),
            Seal::Sdes(sdes) => sdes.protect_rtp(buffer, length),
        }
    }

    /// Protects the RTCP compound in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(length),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.outward.protect_rtcp(buffer, length)?),
            Seal::Sdes(sdes) => sdes.protect_rtcp(buffer, length),
        }
    }
}
