//! DTLS-SRTP (RFC 5763, RFC 5764) of one leg, without IO.
//!
//! ```text
//!  Handshaking ──their certificate is the one described──▶ Open ──close_notify──▶ Closed
//!       │  ▲                                                │
//!       │  └── a description with another certificate ◀─────┘
//!       └──another certificate, or HANDSHAKE_LIMIT──▶ Failed
//! ```
//!
//! A handshake may be finished before the description of the peer has come; its keys wait for the
//! description's fingerprints. The system's entropy makes the handshake's secrets.

mod attempt;
mod certificate;
mod hello;
mod wire;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use certificate::Certificate;

use crate::model::description::Fingerprint;
use crate::rtp::{Profile, Srtp};
use attempt::{Attempt, Step};
use certificate::Cookie;
use hello::{Assembly, Hello};
use wire::Record;

/// The first wait before a flight is repeated; it doubles. RFC 6347 §4.2.4.1 says one second, which costs a
/// caller a second for each lost datagram; browsers take 50 ms.
pub const RETRANSMISSION: Duration = Duration::from_millis(100);
/// How long a handshake may take from its first datagram.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// A handshake in which nothing follows a plaintext alert has been refused. It is not believed at once, for
/// anybody can forge one.
pub const ALERT_LIMIT: Duration = Duration::from_secs(5);
/// Hellos of different randoms that are answered at once: the peer's, and strangers'.
pub const MAX_HELLOS: usize = 3;
/// Handshakes that may break before the leg is given up.
pub const MAX_BROKEN: u32 = 6;
/// Datagrams that wait to be sent: two flights of browsers' size.
const MAX_OUTGOING: usize = 24;

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
    certificate: Certificate,
    role: Role,
    /// Of the peer's certificate; empty until its description has come.
    fingerprints: Vec<Fingerprint>,
    state: State,
    /// The transform of the association that is or was open.
    profile: Option<Profile>,
    /// The handshakes under way, or the one that is done.
    attempts: Vec<Attempt>,
    assembly: Assembly,
    outgoing: VecDeque<Vec<u8>>,
    is_sent: bool,
    deadline: Option<Instant>,
    refused: Option<(Instant, &'static str)>,
    broken: u32,
    /// What the peer's hello must bring back.
    cookie: Option<Cookie>,
}

impl Dtls {
    /// A leg's association. With no remote fingerprints yet (its description has not come), keys wait for
    /// [`Dtls::set_remote`].
    pub fn new(certificate: &Certificate, role: Role, remote_fingerprints: Vec<Fingerprint>, now: Instant) -> Dtls {
        let mut dtls = Dtls {
            certificate: certificate.clone(),
            role,
            fingerprints: remote_fingerprints,
            state: State::Handshaking,
            profile: None,
            attempts: Vec::new(),
            assembly: Assembly::default(),
            outgoing: VecDeque::new(),
            is_sent: false,
            deadline: None,
            refused: None,
            broken: 0,
            cookie: None,
        };
        dtls.begin(now);
        dtls
    }

    /// Who opens the handshake.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the peer's description says: to be called with every description. A role that differs counts
    /// only until media can pass; fingerprints that leave out the certificate shown by the peer begin a new
    /// association (RFC 8842 §4).
    pub fn set_remote(&mut self, role: Role, fingerprints: Vec<Fingerprint>, now: Instant) {
        let is_new = self.fingerprints != fingerprints;
        self.fingerprints = fingerprints;
        let begins_anew = match self.state {
            State::Handshaking => role != self.role,
            State::Open(_) => is_new && self.check_certificate().is_err(),
            State::Failed(_) | State::Closed => is_new,
        };
        if begins_anew {
            self.role = role;
            self.begin(now);
        }
        self.settle(now);
    }

    /// The peer begins a new association, also if it shows the same certificate in it (RFC 8842 §4).
    pub fn renew(&mut self, role: Role, fingerprints: Vec<Fingerprint>, now: Instant) {
        // A peer that opens the handshake may have finished it before its description has come.
        let may_be_done =
            matches!(self.state, State::Handshaking) && (self.role, role) == (Role::Passive, Role::Passive);
        self.role = role;
        self.fingerprints = fingerprints;
        if !may_be_done {
            self.begin(now);
        }
        self.settle(now);
    }

    fn begin(&mut self, now: Instant) {
        self.state = State::Handshaking;
        self.attempts.clear();
        self.assembly = Assembly::default();
        self.outgoing.clear();
        self.is_sent = false;
        self.deadline = None;
        self.refused = None;
        self.broken = 0;
        if self.role == Role::Active {
            self.greet(now);
        }
    }

    /// Sends a ClientHello.
    fn greet(&mut self, now: Instant) {
        match Attempt::active(&self.certificate, now) {
            Ok(attempt) => {
                self.attempts.push(attempt);
                self.drain(now);
            }
            Err(why) => self.fail(format!("the DTLS handshake cannot begin: {why}")),
        }
    }

    /// A datagram that is DTLS by its first byte. Whatever it is, it does no harm.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        for record in wire::records(datagram) {
            match self.state {
                State::Handshaking => self.handle_record(now, &record),
                State::Open(_) => self.handle_late_record(now, &record),
                State::Failed(_) | State::Closed => return,
            }
        }
        self.settle(now);
    }

    fn handle_record(&mut self, now: Instant, record: &Record<'_>) {
        self.deadline.get_or_insert(now + HANDSHAKE_LIMIT);
        let is_plain = record.epoch == 0;
        if is_plain && record.content == wire::ALERT {
            if let [2, description, ..] = *record.fragment {
                self.refused.get_or_insert((now + ALERT_LIMIT, wire::alert_name(description)));
            }
            return;
        }
        self.refused = None;
        let mut fragments = Vec::new();
        if is_plain && record.content == wire::HANDSHAKE {
            let Some(found) = wire::fragments(record.fragment) else { return };
            fragments = found;
        }
        if self.role == Role::Passive && fragments.iter().any(|f| f.kind == wire::CLIENT_HELLO) {
            for fragment in fragments.iter().filter(|f| f.kind == wire::CLIENT_HELLO) {
                if let Some(hello) = self.assembly.push(*fragment, record.sequence) {
                    self.handle_hello(now, &hello);
                }
            }
            return;
        }
        let steps: Vec<_> = self.attempts.iter_mut().map(|a| a.handle_record(now, record, &fragments)).collect();
        self.follow(now, steps);
    }

    fn handle_hello(&mut self, now: Instant, hello: &Hello) {
        if !self.attempts.iter().any(|a| a.answers(&hello.random)) {
            if hello.has_cookie {
                return;
            }
            let config = match self.cookie().and_then(|cookie| self.certificate.passive(&hello.srtp, cookie)) {
                Ok(config) => config,
                Err(why) => return self.count_broken(&why),
            };
            if self.attempts.len() == MAX_HELLOS {
                let Some(oldest) = self.attempts.iter().position(Attempt::is_greeting) else { return };
                self.attempts.remove(oldest);
            }
            self.attempts.push(Attempt::passive(config, hello.random, now));
        }
        let steps: Vec<_> = self
            .attempts
            .iter_mut()
            .map(|a| if a.answers(&hello.random) { a.handle_hello(now, hello) } else { Step::Going })
            .collect();
        self.follow(now, steps);
    }

    fn cookie(&mut self) -> Result<Cookie, String> {
        let cookie = match self.cookie {
            Some(cookie) => cookie,
            None => self.certificate.cookie()?,
        };
        self.cookie = Some(cookie);
        Ok(cookie)
    }

    fn handle_late_record(&mut self, now: Instant, record: &Record<'_>) {
        let steps: Vec<_> = self.attempts.iter_mut().map(|a| a.handle_record(now, record, &[])).collect();
        self.drain(now);
        for step in steps {
            match step {
                Step::Going => {}
                Step::Closed => self.state = State::Closed,
                // Only the peer has the keys to say it.
                Step::Broken(why) => self.state = State::Failed(format!("the peer ended the DTLS association: {why}")),
            }
        }
    }

    /// Takes each handshake's step during the handshake.
    fn follow(&mut self, now: Instant, steps: Vec<Step>) {
        let mut broken = Vec::new();
        let mut steps = steps.into_iter();
        self.attempts.retain(|_| match steps.next() {
            Some(Step::Broken(why)) => {
                broken.push(why);
                false
            }
            Some(Step::Closed) => {
                broken.push("the peer closed it".into());
                false
            }
            _ => true,
        });
        self.drain(now);
        for why in broken {
            self.count_broken(&why);
        }
        if self.role == Role::Active && self.attempts.is_empty() && matches!(self.state, State::Handshaking) {
            self.greet(now);
        }
    }

    fn count_broken(&mut self, why: &str) {
        self.broken += 1;
        if self.broken >= MAX_BROKEN {
            self.fail(format!("the DTLS handshake failed {MAX_BROKEN} times, the last time because {why}"));
        }
    }

    fn fail(&mut self, why: String) {
        self.state = State::Failed(why);
        self.attempts.clear();
    }

    fn drain(&mut self, now: Instant) {
        for attempt in &mut self.attempts {
            attempt.drain(now, &mut self.outgoing);
        }
        while self.outgoing.len() > MAX_OUTGOING {
            self.outgoing.pop_front();
        }
    }

    /// Whether the certificate that the peer has shown is the one described.
    fn check_certificate(&self) -> Result<(), String> {
        let shown = self.attempts.iter().find(|a| a.is_done()).and_then(Attempt::peer_certificate);
        certificate::check(shown.ok_or("the peer showed no certificate")?, &self.fingerprints)
    }

    /// Opens when a handshake is done and the description has come.
    fn settle(&mut self, now: Instant) {
        self.drain(now);
        if !matches!(self.state, State::Handshaking)
            || self.fingerprints.is_empty()
            || !self.attempts.iter().any(Attempt::is_done)
        {
            return;
        }
        self.attempts.retain(Attempt::is_done);
        self.attempts.truncate(1);
        let keys = self
            .check_certificate()
            .and_then(|()| self.attempts.first().ok_or_else(|| "no handshake is done".to_owned())?.keys());
        match keys {
            Ok(keys) => {
                self.profile = Some(keys.profile);
                self.state = State::Open(Box::new(keys));
                self.assembly = Assembly::default();
            }
            Err(why) => {
                self.attempts.iter_mut().for_each(|a| a.close(now));
                self.drain(now);
                self.fail(why);
            }
        }
    }

    /// What is to be sent. A flight that nobody takes is not repeated, so an active association may be made
    /// before there is a path and polled once there is one.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let datagram = self.outgoing.pop_front();
        self.is_sent |= datagram.is_some();
        datagram
    }

    /// When to call [`Dtls::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !matches!(self.state, State::Handshaking) {
            return None;
        }
        let refused = self.refused.map(|(at, _)| at);
        self.attempts.iter().filter_map(Attempt::due).chain(self.deadline).chain(refused).min()
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !matches!(self.state, State::Handshaking) {
            return;
        }
        if self.is_sent {
            self.deadline.get_or_insert(now + HANDSHAKE_LIMIT);
        }
        if let Some((_, alert)) = self.refused.filter(|(at, _)| *at <= now) {
            return self.fail(format!("the peer refused the DTLS handshake with {alert}"));
        }
        if self.deadline.is_some_and(|at| at <= now) {
            let seconds = HANDSHAKE_LIMIT.as_secs();
            let what = if self.attempts.iter().any(Attempt::is_done) {
                "its description did not come"
            } else {
                "it did not finish"
            };
            return self.fail(format!("the DTLS handshake was given up after {seconds} s: {what}"));
        }
        let is_taken = self.outgoing.is_empty();
        let steps: Vec<_> = self.attempts.iter_mut().map(|a| a.handle_timeout(now, is_taken)).collect();
        self.follow(now, steps);
    }

    /// Ends the association; [`Dtls::poll_transmit`] then gives the `close_notify`.
    pub fn close(&mut self, now: Instant) {
        if matches!(self.state, State::Open(_)) {
            self.attempts.iter_mut().for_each(|a| a.close(now));
            self.drain(now);
        }
        self.attempts.clear();
        self.state = State::Closed;
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The transform of the association that is or was open.
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    /// The keys, while open.
    pub fn keys_mut(&mut self) -> Option<&mut Keys> {
        match &mut self.state {
            State::Open(keys) => Some(keys),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
