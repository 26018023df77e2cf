//! One handshake of the DTLS stack, fed with nothing but what can belong to it, and what became of it.
//!
//! ```text
//!  passive  Greeting ──hello with cookie──▶ Answered ──their Finished──▶ Done
//!  active   Greeting ──HelloVerifyRequest──▶ Verified ──their flight──▶ Finishing ──their Finished──▶ Done
//! ```
//!
//! The stack takes a repeated flight for progress and stops its timer, keeps what it cannot use, and obeys
//! plaintext alerts from anybody. So a repeated flight does not reach it but makes it repeat its own, and what
//! no peer in this phase would send stays outside.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::HandshakeConfig;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};

use super::certificate::{Certificate, PROFILES};
use super::hello::Hello;
use super::wire::{self, Fragment, Record};
use super::{Keys, RETRANSMISSION, Role};
use crate::rtp::Srtp;

/// The stack tells associations apart by address; it has one each, so any will do.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// The longest wait between two repetitions of a flight.
const LONGEST_BACKOFF: Duration = Duration::from_millis(3200);
/// A flight is not repeated within this time of the last, however often the peer repeats its own.
const REPEAT_GAP: Duration = Duration::from_millis(30);
/// An active handshake in which the peer's flight came in part, and nothing after, is given up.
const STALL: Duration = Duration::from_secs(2);
/// Bytes that the stack may be fed before it has finished. A flight with a chain of certificates and all its
/// repetitions stays below.
const MAX_FED: usize = 65_536;
/// The label of the exporter (RFC 5764 §4.2).
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Verified,
    Answered,
    Finishing,
    Done,
}

/// What a record or the time has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to tell.
    Going,
    /// The peer said `close_notify`.
    Closed,
    /// It cannot go on.
    Broken(String),
}

pub(super) struct Attempt {
    role: Role,
    /// The random of the ClientHello that we answer.
    random: [u8; 32],
    endpoint: Endpoint,
    phase: Phase,
    stack_timer: Option<Instant>,
    due: Option<Instant>,
    backoff: Duration,
    last_sent: Instant,
    fed: usize,
}

impl Attempt {
    pub(super) fn active(certificate: &Certificate, now: Instant) -> Result<Attempt, String> {
        let mut attempt = Attempt::new(Role::Active, [0; 32], None, now);
        attempt.endpoint.connect(now, PEER, certificate.active(), None).map_err(|e| e.to_string())?;
        attempt.follow_timer(now);
        Ok(attempt)
    }

    pub(super) fn passive(config: Arc<HandshakeConfig>, random: [u8; 32], now: Instant) -> Attempt {
        Attempt::new(Role::Passive, random, Some(config), now)
    }

    fn new(role: Role, random: [u8; 32], config: Option<Arc<HandshakeConfig>>, now: Instant) -> Attempt {
        Attempt {
            role,
            random,
            endpoint: Endpoint::new(PEER, Default::default(), config),
            phase: Phase::Greeting,
            stack_timer: None,
            due: None,
            backoff: RETRANSMISSION,
            last_sent: now,
            fed: 0,
        }
    }

    pub(super) fn answers(&self, random: &[u8; 32]) -> bool {
        self.random == *random
    }

    pub(super) fn is_greeting(&self) -> bool {
        self.phase == Phase::Greeting
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A ClientHello of the random that we answer.
    pub(super) fn handle_hello(&mut self, now: Instant, hello: &Hello) -> Step {
        match self.phase {
            Phase::Greeting => self.feed(now, &hello.record),
            Phase::Answered if hello.has_cookie => self.repeat(now),
            _ => Step::Going,
        }
    }

    /// Any other record, with its handshake fragments if it is a plaintext handshake record.
    pub(super) fn handle_record(&mut self, now: Instant, record: &Record<'_>, fragments: &[Fragment<'_>]) -> Step {
        let all = |kinds: &[u8]| !fragments.is_empty() && fragments.iter().all(|f| kinds.contains(&f.kind));
        let belongs = match (record.epoch, record.content) {
            (1, _) => self.phase != Phase::Greeting,
            // Once there are keys, plaintext is a stranger's, or a repetition that the Finished after it
            // tells of as well.
            _ if self.phase == Phase::Done => false,
            (0, wire::CHANGE_CIPHER_SPEC) => self.phase != Phase::Greeting && record.fragment == [1],
            (0, wire::HANDSHAKE) if self.role == Role::Passive => {
                self.phase == Phase::Answered
                    && all(&[wire::CERTIFICATE, wire::CLIENT_KEY_EXCHANGE, wire::CERTIFICATE_VERIFY])
            }
            (0, wire::HANDSHAKE) if self.phase == Phase::Finishing => return self.repeat(now),
            (0, wire::HANDSHAKE) if all(&[wire::HELLO_VERIFY_REQUEST]) && self.phase == Phase::Greeting => {
                self.phase = Phase::Verified;
                true
            }
            (0, wire::HANDSHAKE) => {
                let flight = all(&[
                    wire::SERVER_HELLO,
                    wire::CERTIFICATE,
                    wire::SERVER_KEY_EXCHANGE,
                    wire::CERTIFICATE_REQUEST,
                    wire::SERVER_HELLO_DONE,
                ]);
                if flight && self.phase == Phase::Greeting {
                    self.phase = Phase::Verified;
                }
                flight
            }
            _ => false,
        };
        if belongs { self.feed(now, record.bytes) } else { Step::Going }
    }

    fn feed(&mut self, now: Instant, record: &[u8]) -> Step {
        if self.phase != Phase::Done {
            self.fed += record.len();
            if self.fed > MAX_FED {
                return Step::Broken("the peer sent more than any handshake needs".into());
            }
        }
        let read = self.endpoint.read(now, PEER, None, BytesMut::from(record));
        self.follow_timer(now);
        match read {
            Err(error) => Step::Broken(error.to_string()),
            Ok(events) => {
                let mut step = Step::Going;
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => self.finish(),
                        EndpointEvent::PeerClosed => step = Step::Closed,
                        // Nobody sends data beside SRTP; what does come is thrown away.
                        _ => {}
                    }
                }
                step
            }
        }
    }

    fn finish(&mut self) {
        self.phase = Phase::Done;
        self.stack_timer = None;
        self.due = None;
    }

    /// The peer repeats its flight: ours was lost.
    fn repeat(&mut self, now: Instant) -> Step {
        if now.saturating_duration_since(self.last_sent) < REPEAT_GAP { Step::Going } else { self.retransmit(now) }
    }

    fn retransmit(&mut self, now: Instant) -> Step {
        let Some(timer) = self.stack_timer else { return Step::Going };
        let told = self.endpoint.handle_timeout(PEER, now.max(timer));
        self.stack_timer = self.endpoint.poll_timeout(&PEER);
        self.due = Some(now + self.backoff);
        match told {
            Ok(()) => Step::Going,
            Err(_) => Step::Broken("the peer did not answer".into()),
        }
    }

    /// The time has come; `is_taken` says whether what was sent before has left.
    pub(super) fn handle_timeout(&mut self, now: Instant, is_taken: bool) -> Step {
        if self.due.is_none_or(|due| due > now) {
            return Step::Going;
        }
        if self.stack_timer.is_none() {
            return Step::Broken("the peer stopped in the middle of its flight".into());
        }
        if !is_taken {
            self.due = Some(now + self.backoff);
            return Step::Going;
        }
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        self.retransmit(now)
    }

    /// The stack set its timer anew: it has sent another flight.
    fn follow_timer(&mut self, now: Instant) {
        let timer = self.endpoint.poll_timeout(&PEER);
        if timer == self.stack_timer {
            return;
        }
        self.stack_timer = timer;
        self.backoff = RETRANSMISSION;
        self.due = match timer {
            Some(_) => Some(now + self.backoff),
            // The stack waits for the rest of a flight and will not ask for it; a peer that is active does
            // so by itself.
            None => (self.role == Role::Active).then(|| now + STALL),
        };
    }

    /// Moves what is to be sent.
    pub(super) fn drain(&mut self, now: Instant, outgoing: &mut VecDeque<Vec<u8>>) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            for record in wire::records(&transmit.message) {
                self.phase = match (self.phase, record.content, record.fragment.first()) {
                    (Phase::Greeting, wire::HANDSHAKE, Some(&wire::SERVER_HELLO)) => Phase::Answered,
                    (Phase::Verified, wire::CHANGE_CIPHER_SPEC, _) => Phase::Finishing,
                    (phase, ..) => phase,
                };
            }
            self.last_sent = now;
            outgoing.push_back(transmit.message.to_vec());
        }
    }

    /// The peer's own certificate.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.endpoint.get_connection_state(PEER)?.peer_certificates.first().map(Vec::as_slice)
    }

    /// The keys (RFC 5764 §4.2): client key, server key, client salt, server salt.
    pub(super) fn keys(&self) -> Result<Keys, String> {
        let state = self.endpoint.get_connection_state(PEER).ok_or("the DTLS association is gone")?;
        let negotiated = state.srtp_protection_profile();
        let (profile, _) =
            *PROFILES.iter().find(|p| p.1 == negotiated).ok_or("the peer finished the DTLS handshake without SRTP")?;
        let (key, salt) = (profile.key_length(), profile.salt_length());
        let material = state.export_keying_material(EXPORTER, &[], 2 * (key + salt)).map_err(|e| e.to_string())?;
        let (keys, salts) = material.as_ref().split_at(2 * key);
        let ((client_key, server_key), (client_salt, server_salt)) = (keys.split_at(key), salts.split_at(salt));
        let srtp = |key, salt| Srtp::new(profile, key, salt).map_err(|e| e.to_string());
        let (client, server) = (srtp(client_key, client_salt)?, srtp(server_key, server_salt)?);
        Ok(match self.role {
            Role::Active => Keys { profile, inward: server, outward: client },
            Role::Passive => Keys { profile, inward: client, outward: server },
        })
    }

    /// Says `close_notify`.
    pub(super) fn close(&mut self, now: Instant) {
        self.endpoint.stop(now, PEER);
    }
}
