//! How packets find a peer with ICE (RFC 8445), lite or full, by one host candidate: the socket that all ICE
//! legs of the shard share.
//!
//! The agent is `is`. It judges nominations only in `handle_timeout`, so that is called after every message.
//!
//! ```text
//!            check with the right password          nomination
//!  Waiting ───────────────────────────────▶ Checked ───────────▶ Nominated ──▶ Lost (consent, RFC 7675)
//!                                                                    ▲   restart keeps the old path
//!                                                                    └── until the new one is nominated
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate as Agents, CandidateKind as AgentsKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds};
use is::{DefaultSha1HmacProvider, Protocol};

use crate::base::Dice;
use crate::model::{Candidate, CandidateHost, CandidateKind, CandidateProtocol, Ice};

/// Candidates of a peer that are looked at; more are ignored.
pub const MAX_REMOTE_CANDIDATES: usize = 32;

/// Addresses at which one peer was seen that are remembered.
pub const MAX_SEEN: usize = 16;

/// First retransmission of a check.
pub const FIRST_RETRANSMISSION: Duration = Duration::from_millis(100);

/// The longest time between two checks of one pair, and what consent is renewed by (RFC 7675 §5.1).
pub const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(3);

/// The pace of checks (RFC 8445 §14.2 allows to go below 50 ms where media flows anyway).
pub const PACE: Duration = Duration::from_millis(20);

/// How long a peer that checks, and is not checked itself, may stay away before its consent has expired (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);

/// Checks that came before the peer's description and are answered with it; later ones follow at their pace.
pub const MAX_EARLY_CHECKS: u64 = 8;

/// How often a peer's candidates are tried once more after none of them could be reached: it may take a person
/// two minutes to pick up, and the peer answers no check before that.
pub const MAX_ROUNDS: u32 = 8;

const UFRAG_LENGTH: usize = 8;
const PASSWORD_LENGTH: usize = 24;

/// What became known of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEvent {
    /// The peer proved to be at this address.
    Seen(SocketAddr),
    /// The peer has proved to be at so many addresses that this one is not remembered any more.
    Forgotten(SocketAddr),
    /// Packets go there from now on.
    Nominated(SocketAddr),
    /// The peer does not answer or check any more.
    Lost,
}

/// ICE of one leg.
pub struct IcePath {
    agent: Box<IceAgent>,
    lite: bool,
    local: SocketAddr,
    remote_ufrag: Option<String>,
    nominated: Option<SocketAddr>,
    /// What was nominated before a restart: media goes on there.
    stale: Option<SocketAddr>,
    /// Where the peer proved to be last, since the start or the restart.
    checked: Option<SocketAddr>,
    seen: VecDeque<SocketAddr>,
    /// The peer's candidates, at most [`MAX_REMOTE_CANDIDATES`].
    candidates: Vec<Agents>,
    /// How often they were tried from the beginning.
    rounds: u32,
    skipped_names: usize,
    checks_heard: u64,
    last_check: Option<Instant>,
    /// The agent has given up a peer that it does not check itself, and whose consent lasts until then.
    consent_until: Option<Instant>,
    connected: bool,
    events: VecDeque<PathEvent>,
}

impl std::fmt::Debug for IcePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IcePath({} -> {:?})", self.local, self.target())
    }
}

impl IcePath {
    /// ICE from a host candidate `local`: the address that the shard's socket is advertised with.
    pub fn new(now: Instant, dice: &mut Dice, local: SocketAddr, lite: bool) -> IcePath {
        let ours = credentials(dice);
        IcePath::with(now, dice, local, lite, ours)
    }

    /// ICE of another component of the same stream, which has the same words (RFC 8445 §5.3), from an address of its own.
    pub fn component(&self, now: Instant, dice: &mut Dice, local: SocketAddr) -> IcePath {
        let ours = self.agent.local_credentials();
        let ours = IceCreds { ufrag: ours.ufrag.clone(), pass: ours.pass.clone() };
        IcePath::with(now, dice, local, self.lite, ours)
    }

    fn with(now: Instant, dice: &mut Dice, local: SocketAddr, lite: bool, ours: IceCreds) -> IcePath {
        let mut agent = Box::new(IceAgent::with_hmac(ours, &DefaultSha1HmacProvider));
        agent.set_ice_lite(lite);
        agent.set_control_tie_breaker(dice.u64());
        agent.set_initial_stun_rto(FIRST_RETRANSMISSION);
        agent.set_max_stun_rto(LONGEST_RETRANSMISSION);
        agent.set_timing_advance(PACE);
        if let Ok(candidate) = Agents::host(local, Protocol::Udp) {
            agent.add_local_candidate(candidate);
        }
        agent.handle_timeout(now);
        IcePath {
            agent,
            lite,
            local,
            remote_ufrag: None,
            nominated: None,
            stale: None,
            checked: None,
            seen: VecDeque::new(),
            candidates: Vec::new(),
            rounds: 0,
            skipped_names: 0,
            checks_heard: 0,
            last_check: None,
            consent_until: None,
            connected: false,
            events: VecDeque::new(),
        }
    }

    /// Our user name fragment: what checks for this leg are known by.
    pub fn ufrag(&self) -> &str {
        &self.agent.local_credentials().ufrag
    }

    /// Our parameters, for a description; the candidates are the caller's.
    pub fn parameters(&self) -> Ice {
        let credentials = self.agent.local_credentials();
        Ice {
            ufrag: credentials.ufrag.clone(),
            pwd: credentials.pass.clone(),
            lite: self.lite,
            candidates: Vec::new(),
            more: false,
        }
    }

    /// The peer's parameters. A changed user name fragment is a restart; returns whether it was one that
    /// **the peer** began, so that ours changed with it.
    pub fn describe(&mut self, now: Instant, dice: &mut Dice, remote: &Ice, is_offer: bool) -> bool {
        let mut restarted = false;
        let early_checks = if self.remote_ufrag.is_none() { self.checks_heard.min(MAX_EARLY_CHECKS) } else { 0 };
        if self.remote_ufrag.as_deref() != Some(remote.ufrag.as_str()) {
            if self.remote_ufrag.is_some() {
                self.agent.ice_restart(credentials(dice), true);
                self.stale = self.nominated.take().or(self.stale);
                self.checked = None;
                self.candidates.clear();
                self.rounds = 0;
                restarted = true;
            } else if !self.lite {
                // RFC 8445 §6.1.1: the offerer controls, but a full agent always controls a lite one.
                self.agent.set_controlling(remote.lite || !is_offer);
            }
            self.remote_ufrag = Some(remote.ufrag.clone());
            self.agent.set_remote_credentials(IceCreds { ufrag: remote.ufrag.clone(), pass: remote.pwd.clone() });
        }
        self.add_candidates(now, &remote.candidates);
        if self.lite && remote.lite {
            // RFC 8445 §6.1.1: nobody checks, so the best described pair is taken unseen.
            if let Some(address) = best(&remote.candidates, self.local.is_ipv6()) {
                self.settle_for(address);
            }
        }
        // Each call answers one of the checks that came before the description, or makes one of ours.
        for _ in 0..early_checks.max(1) {
            self.agent.handle_timeout(now);
        }
        self.collect(now);
        restarted
    }

    /// The peer does no ICE, or does not check: its described address is where it is (RFC 8839 §4.2.5).
    pub fn settle_for(&mut self, address: SocketAddr) {
        if self.nominated != Some(address) {
            self.see(address);
            self.stale = None;
            self.nominated = Some(address);
            self.events.push_back(PathEvent::Nominated(address));
        }
    }

    /// More candidates of the peer. A lite agent needs none: the peer's checks show where it is.
    pub fn add_candidates(&mut self, now: Instant, candidates: &[Candidate]) {
        if self.lite {
            return;
        }
        for candidate in candidates {
            match agents(candidate) {
                Some(known) if self.candidates.iter().any(|c| c.addr() == known.addr()) => {}
                Some(_) if self.candidates.len() >= MAX_REMOTE_CANDIDATES => break,
                Some(known) => {
                    self.candidates.push(known.clone());
                    self.agent.add_remote_candidate(known);
                }
                None if matches!(candidate.host, CandidateHost::Name(_)) => self.skipped_names += 1,
                None => {}
            }
        }
        self.agent.handle_timeout(now);
        self.collect(now);
    }

    /// Takes a STUN message; returns whether it was for this leg and authentic.
    pub fn handle_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else { return false };
        let packet = StunPacket { proto: Protocol::Udp, source: from, destination: self.local, message };
        if !self.agent.accepts_message(&packet.message) {
            return false;
        }
        self.checks_heard += 1;
        let taken = self.agent.handle_packet(now, packet);
        if taken {
            (self.last_check, self.consent_until) = (Some(now), None);
        }
        if !self.lite && self.nominated.is_none() {
            self.hurry();
        }
        self.agent.handle_timeout(now);
        self.collect(now);
        taken
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.collect(now);
        if self.consent_until.take_if(|until| now >= *until).is_some() {
            self.lose();
        }
    }

    /// When [`IcePath::handle_timeout`] should be called next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.agent.poll_timeout().into_iter().chain(self.consent_until).min()
    }

    /// The next message to send: where to, and its bytes.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        Some((transmit.destination, transmit.contents.into()))
    }

    /// The next thing that became known.
    pub fn poll_event(&mut self) -> Option<PathEvent> {
        self.events.pop_front()
    }

    /// Where to send: the nominated address, after a restart the one nominated before it, and before there is
    /// any an address that proved itself.
    pub fn target(&self) -> Option<SocketAddr> {
        self.nominated.or(self.stale).or(self.checked)
    }

    /// Where to send a handshake: after a restart not to the old path, for it may be another peer's.
    pub fn handshake_target(&self) -> Option<SocketAddr> {
        self.nominated.or(self.checked)
    }

    /// The handshake goes on with the peer of the new path, so that the old one has no use any more.
    pub fn leave_old_path(&mut self) {
        if self.checked.is_some() {
            self.stale = None;
        }
    }

    /// Whether a path is nominated.
    pub fn is_nominated(&self) -> bool {
        self.nominated.or(self.stale).is_some()
    }

    /// Whether the peer proved to be at `from`.
    pub fn is_known(&self, from: SocketAddr) -> bool {
        self.seen.contains(&from)
    }

    /// Every address at which the peer proved to be.
    pub fn seen(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.seen.iter().copied()
    }

    /// Round trip of the last check of ours.
    pub fn round_trip(&self) -> Option<Duration> {
        self.agent.nominated_pair_rtt()
    }

    /// One clause on why there is no path.
    pub fn complaint(&self) -> String {
        if self.remote_ufrag.is_none() {
            return "the peer has not described itself yet".into();
        }
        if self.checks_heard == 0 {
            let names = match self.skipped_names {
                0 => String::new(),
                n => format!("; {n} of its candidates are names that only its own network can resolve"),
            };
            let ours = if self.lite { "" } else { ", and none of ours was answered" };
            return format!("no connectivity check arrived at {}{ours}{names}", self.local);
        }
        if !self.is_nominated() {
            return "connectivity checks arrived, but no pair was nominated".into();
        }
        "the path was lost".into()
    }

    /// Has a pair that the peer has just nominated checked at once (RFC 8445 §7.3.1.4). The agent would wait for
    /// the pair's next turn, which is up to three seconds away while a peer that rings answers no checks; it
    /// forgets those turns whenever its timing changes.
    fn hurry(&mut self) {
        self.agent.set_initial_stun_rto(FIRST_RETRANSMISSION * 2);
        self.agent.set_initial_stun_rto(FIRST_RETRANSMISSION);
    }

    /// Begins with the peer's candidates once more, after the agent has given all of them up.
    fn try_again(&mut self) {
        if self.rounds < MAX_ROUNDS {
            self.rounds += 1;
            for candidate in &self.candidates {
                self.agent.add_remote_candidate(candidate.clone());
            }
        }
    }

    fn see(&mut self, address: SocketAddr) {
        if !self.seen.contains(&address) {
            if self.seen.len() >= MAX_SEEN
                && let Some(oldest) = self.seen.pop_front()
            {
                self.events.push_back(PathEvent::Forgotten(oldest));
            }
            self.seen.push_back(address);
        }
        self.events.push_back(PathEvent::Seen(address));
    }

    /// RFC 7675 §5.1: without consent nothing is sent.
    fn lose(&mut self) {
        self.connected = false;
        self.nominated = None;
        self.stale = None;
        self.checked = None;
        self.events.push_back(PathEvent::Lost);
    }

    fn collect(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::DiscoveredRecv { source, .. } => {
                    self.see(source);
                    self.checked = Some(source);
                }
                IceAgentEvent::NominatedSend { destination, .. } => {
                    self.nominated = Some(destination);
                    self.stale = None;
                    self.connected = true;
                    self.events.push_back(PathEvent::Nominated(destination));
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) if self.connected => {
                    // The agent has less patience with a peer that it does not check.
                    let until = self.last_check.filter(|_| self.lite).map(|last| last + CONSENT);
                    match until.filter(|until| now < *until) {
                        Some(until) => self.consent_until = Some(until),
                        None => self.lose(),
                    }
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) if !self.lite => {
                    self.try_again();
                }
                IceAgentEvent::IceConnectionStateChange(_) | IceAgentEvent::IceRestart(_) => {}
            }
        }
    }
}

fn credentials(dice: &mut Dice) -> IceCreds {
    IceCreds { ufrag: dice.token(UFRAG_LENGTH), pass: dice.token(PASSWORD_LENGTH) }
}

/// The best address among candidates that a socket of one family can reach.
fn best(candidates: &[Candidate], ipv6: bool) -> Option<SocketAddr> {
    let reachable = candidates.iter().filter(|c| agents(c).is_some_and(|known| known.addr().is_ipv6() == ipv6));
    reachable.max_by_key(|c| c.priority).and_then(agents).map(|known| known.addr())
}

/// A candidate in the agent's words; `None` for what this socket cannot reach: TCP, RTCP's own component,
/// names.
fn agents(candidate: &Candidate) -> Option<Agents> {
    let CandidateHost::Ip(ip) = candidate.host else { return None };
    if candidate.protocol != CandidateProtocol::Udp || candidate.component != 1 || ip.is_unspecified() {
        return None;
    }
    let kind = match candidate.kind {
        CandidateKind::Host => AgentsKind::Host,
        CandidateKind::Srflx => AgentsKind::ServerReflexive,
        CandidateKind::Prflx => AgentsKind::PeerReflexive,
        CandidateKind::Relay => AgentsKind::Relayed,
    };
    let related = candidate.related.map(|(ip, port)| SocketAddr::new(ip, port));
    Some(Agents::from_parts(
        candidate.foundation.clone(),
        candidate.component,
        Protocol::Udp,
        candidate.priority,
        SocketAddr::new(ip, candidate.port),
        kind,
        related,
        None,
        None,
    ))
}
