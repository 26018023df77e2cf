//! How packets find the peer.

use std::net::SocketAddr;

use super::ice::IcePath;
use super::latch::Latch;

/// How packets find the peer.
#[derive(Debug)]
pub enum Path {
    /// By connectivity checks (RFC 8445).
    Ice(Box<IcePath>),
    /// By the described address, then by symmetric latching.
    Latch(Latch),
}

impl Path {
    /// Where to send.
    pub fn target(&self) -> Option<SocketAddr> {
        match self {
            Path::Ice(ice) => ice.target(),
            Path::Latch(latch) => latch.target(),
        }
    }

    /// Where to send a handshake.
    pub fn handshake_target(&self) -> Option<SocketAddr> {
        match self {
            Path::Ice(ice) => ice.handshake_target(),
            Path::Latch(latch) => latch.handshake_target(),
        }
    }

    /// Whether a path is found, so that the leg can be said to be connected.
    pub fn is_found(&self) -> bool {
        match self {
            Path::Ice(ice) => ice.is_nominated(),
            Path::Latch(latch) => latch.target().is_some(),
        }
    }

    /// ICE, if it is that.
    pub fn ice_mut(&mut self) -> Option<&mut IcePath> {
        match self {
            Path::Ice(ice) => Some(ice),
            Path::Latch(_) => None,
        }
    }
}
