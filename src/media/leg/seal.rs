//! How the packets of a leg are protected: not at all, or by SRTP with keys from DTLS.

use super::dtls::{Dtls, State};
use crate::rtp::SrtpError;

/// The protection of a leg's packets.
pub enum Seal {
    /// Plain RTP and RTCP.
    Plain,
    /// DTLS-SRTP (RFC 5764).
    Dtls(Box<Dtls>),
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
        }
    }

    /// Opens a received RTP packet in place; returns its plain length.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(packet.len()),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.inward.unprotect_rtp(packet)?),
        }
    }

    /// Opens a received RTCP compound in place; returns its plain length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(packet.len()),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.inward.unprotect_rtcp(packet)?),
        }
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(length),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.outward.protect_rtp(buffer, length)?),
        }
    }

    /// Protects the RTCP compound in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        match self {
            Seal::Plain => Ok(length),
            Seal::Dtls(dtls) => Ok(dtls.keys_mut().ok_or(SealError::NotOpen)?.outward.protect_rtcp(buffer, length)?),
        }
    }
}
