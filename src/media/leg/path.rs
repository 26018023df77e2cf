//! How packets find the peer.

use std::net::SocketAddr;
use std::time::Instant;

use super::Dtls;
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

    /// Whether a sender's sealed packets may be looked at: with ICE it has proved to be the peer, without its keys will
    /// tell.
    pub fn may_be_peer(&self, now: Instant, from: SocketAddr) -> bool {
        match self {
            Path::Ice(ice) => ice.is_known(from),
            Path::Latch(latch) => latch.may_be_peer(now, from),
        }
    }

    /// Gives a DTLS datagram to the association that is made on this path, and heeds that the handshake is done with whoever
    /// sent it; `false` if it came from a stranger.
    pub fn carry_handshake(&mut self, dtls: &mut Dtls, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        if !self.may_be_peer(now, from) {
            return false;
        }
        if let Path::Latch(latch) = self {
            latch.note_handshake(from);
        }
        let was_open = dtls.keys_mut().is_some();
        dtls.handle_datagram(now, datagram);
        if !was_open && dtls.keys_mut().is_some() {
            match self {
                Path::Latch(latch) => latch.lock(from),
                Path::Ice(ice) => ice.leave_old_path(),
            }
        }
        true
    }

    /// ICE, if it is that.
    pub fn ice_mut(&mut self) -> Option<&mut IcePath> {
        match self {
            Path::Ice(ice) => Some(ice),
            Path::Latch(_) => None,
        }
    }
}
