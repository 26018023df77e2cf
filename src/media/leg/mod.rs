//! One leg: how packets find its peer, how they are protected, what goes out and what comes in.
//!
//! ```text
//!            apply: description           path found, keys there            first packet
//!  Laid ───────────────────────▶ Described ───────────────────▶ Connected ─────────────▶ Heard
//! ```

pub mod control;
pub mod digits;
pub mod dtls;
pub mod hearing;
pub mod ice;
mod inward;
pub mod latch;
mod outward;
pub mod path;
mod report;
pub mod sdes;
pub mod seal;
mod speech;
pub mod track;
pub mod watch;

pub use control::WallClock;
pub use dtls::{Certificate, Dtls, Role};
pub use inward::Heard;
pub use sdes::Sdes;
pub use seal::{Seal, SealError};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use tracing::info;

use self::control::Control;
use self::digits::{EventFormat, Keypad};
use self::hearing::Hearing;
use self::ice::{IcePath, PathEvent};
use self::latch::Latch;
use self::path::Path;
use self::speech::Speaking;
use self::track::Track;
use self::watch::Watch;
use super::bridge::{Format, Routes, formats};
use super::outbox::Outbox;
use super::shard::{PortPair, SocketId};
use super::transactions::Transactions;
use crate::base::{CallId, Dice, LegId};
use crate::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, GraphLeg, IceMode, LegSpec, LocalEnd,
    RelayEvent, RemoteEnd, Seal as SealWords, SealKind, Setup, Source, Transport,
};

/// What every leg of a shard works with.
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// Chance.
    pub dice: &'a mut Dice,
    /// The time of day.
    pub wall: &'a WallClock,
    /// Our certificate.
    pub certificate: &'a Certificate,
    /// Where datagrams of our own making go.
    pub outbox: &'a mut Outbox,
    /// Where news goes.
    pub events: &'a mut VecDeque<RelayEvent>,
    /// Addresses at which the leg's peer proved to be (`true`), or that are forgotten (`false`), for the shard
    /// to find the leg by.
    pub seen: &'a mut Vec<(SocketAddr, bool)>,
    /// The place of the leg in its shard.
    pub place: usize,
    /// The checks under way, for the shard to find the leg by their answers.
    pub transactions: &'a mut Transactions,
}

/// The sockets of a leg.
#[derive(Debug, Clone)]
pub struct Wires {
    /// For RTP, and for everything on one port.
    pub rtp: SocketId,
    /// The pair, if the leg has its own.
    pub pair: Option<PortPair>,
    /// Where the peer reaches `rtp`, best first; never empty.
    pub addresses: Vec<SocketAddr>,
}

impl Wires {
    fn best(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0))
    }
}

/// What the call wants of the leg.
#[derive(Debug, Clone)]
struct Wants {
    sends: bool,
    receives: bool,
    hears: Source,
}

/// One leg.
pub struct Leg {
    call: CallId,
    id: LegId,
    spec: LegSpec,
    wires: Wires,
    cname: String,
    path: Path,
    seal: Seal,
    role: Option<Role>,
    wants: Wants,
    remote: Option<RemoteEnd>,
    codecs: Vec<Codec>,
    formats: Vec<Format>,
    event_format: Option<EventFormat>,
    routes: Routes,
    hearing: Hearing,
    track: Track,
    clock_hz: u32,
    passing_event: Option<(u32, u32)>,
    speaking: Option<Box<Speaking>>,
    control: Control,
    rtcp_from: Option<SocketAddr>,
    keypad: Keypad,
    watch: Watch,
    refused: u64,
    stranger: Option<(SocketAddr, u64)>,
    is_connected: bool,
    has_failed: bool,
    /// When the shard looks after the leg next.
    pub(super) scheduled: Option<Instant>,
    /// The legs that hear this one, by their places in the shard.
    pub(super) listeners: Vec<usize>,
}

impl Leg {
    /// A leg that waits for the peer's description.
    pub fn new(cx: &mut Context, call: CallId, graph: &GraphLeg, wires: Wires) -> Leg {
        let path = match graph.spec.ice {
            IceMode::None => Path::Latch(Latch::default()),
            mode => Path::Ice(Box::new(IcePath::new(cx.now, cx.dice, wires.best(), mode == IceMode::Lite))),
        };
        let seal = match graph.spec.seal {
            SealKind::Plain => Seal::Plain,
            SealKind::Sdes | SealKind::Opportunistic => {
                let optional = graph.spec.seal == SealKind::Opportunistic;
                Seal::Sdes(Box::new(Sdes::new(cx.dice, optional, graph.remote.is_none())))
            }
            SealKind::Dtls => Seal::Dtls(Box::new(Dtls::new(cx.certificate, Role::Passive, Vec::new(), cx.now))),
        };
        Leg {
            call,
            id: graph.leg,
            spec: graph.spec,
            wires,
            cname: cx.dice.token(16),
            path,
            seal,
            role: None,
            wants: Wants { sends: false, receives: false, hears: Source::Nothing },
            remote: None,
            codecs: Vec::new(),
            formats: Vec::new(),
            event_format: None,
            routes: Routes::default(),
            hearing: Hearing::default(),
            track: Track::new(cx.dice.u32(), cx.dice.u32() as u16, cx.dice.u32()),
            clock_hz: 8000,
            passing_event: None,
            speaking: None,
            control: Control::new(cx.now, cx.dice),
            rtcp_from: None,
            keypad: Keypad::default(),
            watch: Watch::default(),
            refused: 0,
            stranger: None,
            is_connected: false,
            has_failed: false,
            scheduled: None,
            listeners: Vec::new(),
        }
    }

    /// Its name.
    pub fn id(&self) -> LegId {
        self.id
    }

    /// Its sockets.
    pub fn wires(&self) -> &Wires {
        &self.wires
    }

    /// Whether its path is ICE, on the socket that such legs share.
    pub fn has_ice(&self) -> bool {
        matches!(self.path, Path::Ice(_))
    }

    /// ICE, if it has that.
    pub fn ice(&self) -> Option<&IcePath> {
        match &self.path {
            Path::Ice(ice) => Some(ice),
            Path::Latch(_) => None,
        }
    }

    /// What goes out of it.
    pub fn hears(&self) -> &Source {
        &self.wants.hears
    }

    /// The formats that its peer may send.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// Makes the leg as the graph wants it; returns whether the peer's description is another than before, so
    /// that our own end should be told (anew).
    pub fn apply(&mut self, cx: &mut Context, graph: &GraphLeg) -> bool {
        if self.codecs != graph.codecs {
            self.codecs.clone_from(&graph.codecs);
            self.formats = formats::formats(&self.codecs);
            self.hearing.forget_speech();
        }
        let changed = graph.remote.is_some() && graph.remote != self.remote;
        if let Some(remote) = graph.remote.as_ref().filter(|_| changed) {
            self.describe(cx, remote);
        }
        if (graph.sends, &graph.hears) != (self.wants.sends, &self.wants.hears) {
            self.track.break_off();
            self.stop_speaking();
        }
        self.wants = Wants { sends: graph.sends, receives: graph.receives, hears: graph.hears.clone() };
        self.watch.expect(cx.now, graph.answered && graph.receives);
        self.settle(cx);
        changed
    }

    /// The ways from the leg that is heard here to this leg's peer.
    pub fn connect_to(&mut self, heard: &[Codec]) {
        let taken = self.remote.as_ref().map_or(&[][..], |remote| &remote.codecs);
        let routes = Routes::between(heard, taken);
        if routes != self.routes {
            self.speaking = routes.target().map(|target| Box::new(Speaking::new(target)));
            self.routes = routes;
            self.track.break_off();
        }
    }

    /// Our own end, for descriptions.
    pub fn local_end(&self, certificate: &Certificate) -> LocalEnd {
        let seal = match &self.seal {
            Seal::Plain => SealWords::Plain,
            Seal::Sdes(sdes) => sdes.words(),
            Seal::Dtls(_) => SealWords::Dtls {
                fingerprints: vec![certificate.fingerprint().clone()],
                setup: match self.role {
                    None => Setup::ActPass,
                    Some(Role::Active) => Setup::Active,
                    Some(Role::Passive) => Setup::Passive,
                },
            },
        };
        let ice = self.ice().map(|ice| crate::model::Ice { candidates: self.candidates(), ..ice.parameters() });
        // RFC 8827 §6.5 and every IM client: ICE with DTLS-SRTP comes with early feedback.
        let has_feedback = self.has_ice() && self.spec.seal == SealKind::Dtls;
        let transport = Transport {
            seal,
            ice,
            address: self.wires.addresses.first().copied(),
            rtcp_address: None,
            feedback_profile: self.remote.as_ref().map_or(has_feedback, |r| r.transport.feedback_profile),
        };
        LocalEnd { transport, ssrc: self.track.ssrc(), cname: self.cname.clone(), video: None }
    }

    /// More candidates of the peer.
    pub fn add_candidates(&mut self, cx: &mut Context, candidates: &[Candidate]) {
        if let Some(ice) = self.path.ice_mut() {
            ice.add_candidates(cx.now, candidates);
        }
        self.settle(cx);
    }

    /// The leg comes to its end: says goodbye to the peer.
    pub fn close(&mut self, cx: &mut Context) {
        self.say_goodbye(cx);
        if let Seal::Dtls(dtls) = &mut self.seal {
            dtls.close(cx.now);
        }
        self.flush(cx);
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(index, address): (usize, &SocketAddr)| Candidate {
            foundation: (index + 1).to_string(),
            component: 1,
            protocol: CandidateProtocol::Udp,
            // RFC 8445 §5.1.2.1, type preference of a host.
            priority: (126 << 24) | ((65_535 - index as u32) << 8) | 255,
            host: CandidateHost::Ip(address.ip()),
            port: address.port(),
            kind: CandidateKind::Host,
            related: None,
            rest: String::new(),
        };
        self.wires.addresses.iter().enumerate().map(candidate).collect()
    }

    fn describe(&mut self, cx: &mut Context, remote: &RemoteEnd) {
        match &mut self.path {
            Path::Latch(latch) => {
                latch.describe(cx.now, remote.transport.address);
                self.rtcp_from = None;
            }
            Path::Ice(ice) => match (&remote.transport.ice, remote.transport.address) {
                (Some(words), _) => {
                    ice.describe(cx.now, cx.dice, words, remote.is_offer);
                }
                (None, Some(address)) => ice.settle_for(address),
                (None, None) => self.fail(cx, "the peer's description has neither ICE nor an address".into()),
            },
        }
        match (&mut self.seal, &remote.transport.seal) {
            (Seal::Plain, SealWords::Plain) => {}
            (Seal::Sdes(sdes), words) => {
                if let Err(why) = sdes.set_remote(cx.dice, words, remote.is_offer) {
                    self.fail(cx, why);
                }
            }
            (Seal::Dtls(dtls), SealWords::Dtls { fingerprints, setup }) => {
                let is_known = self.remote.as_ref().is_some_and(|before| {
                    matches!(&before.transport.seal, SealWords::Dtls { fingerprints: old, .. }
                        if old.iter().any(|f| fingerprints.contains(f)))
                });
                // RFC 8842 §5.3: an association that goes on keeps its roles, whatever a later offer allows.
                let role = match (self.role, setup) {
                    (Some(role), _) if is_known => Some(role),
                    (_, Setup::Active) => Some(Role::Passive),
                    (_, Setup::Passive | Setup::ActPass) => Some(Role::Active),
                    (role, Setup::HoldConn) => role,
                };
                self.role = role;
                if let Some(role) = role {
                    dtls.set_remote(role, fingerprints.clone(), cx.now);
                }
            }
            (seal, words) => {
                let ours = if matches!(seal, Seal::Plain) { "plain RTP" } else { "DTLS-SRTP" };
                let theirs = match words {
                    SealWords::Plain => "plain RTP",
                    SealWords::Sdes(_) => "SRTP with keys in SDP",
                    SealWords::Dtls { .. } => "DTLS-SRTP",
                };
                self.fail(cx, format!("this leg speaks {ours}, and the peer described {theirs}"));
            }
        }
        self.event_format = formats::event_format(&remote.codecs)
            .map(|c| EventFormat { payload_type: c.payload_type, clock_hz: c.clock_hz });
        if let Some(first) = remote.codecs.iter().find(|c| c.is_speech()) {
            self.clock_hz = first.clock_hz;
        }
        self.remote = Some(remote.clone());
    }

    /// Sends what the machines have to send and tells what has changed with them.
    pub(super) fn settle(&mut self, cx: &mut Context) {
        while let Some(event) = self.path.ice_mut().and_then(IcePath::poll_event) {
            match event {
                PathEvent::Seen(from) => cx.seen.push((from, true)),
                PathEvent::Forgotten(from) => cx.seen.push((from, false)),
                PathEvent::Nominated(_) => {}
                PathEvent::Lost => {
                    let why = "ICE: the peer stopped answering and sending connectivity checks";
                    self.fail(cx, why.into());
                }
            }
        }
        self.flush(cx);
        if let Seal::Dtls(dtls) = &self.seal
            && let dtls::State::Failed(why) = dtls.state()
        {
            let why = format!("DTLS with {} did not finish: {why}", self.peer_word());
            self.fail(cx, why);
        }
        if !self.is_connected && self.path.is_found() && self.seal.is_open() {
            self.is_connected = true;
            let seal = self.seal.name().unwrap_or_default();
            info!(call = %self.call, leg = %self.id, seal, "media can flow");
            cx.events.push_back(RelayEvent::Connected { call: self.call, leg: self.id });
        }
    }

    fn flush(&mut self, cx: &mut Context) {
        if let Path::Ice(ice) = &mut self.path {
            while let Some((to, datagram)) = ice.poll_transmit() {
                cx.transactions.note(&datagram, cx.place);
                cx.outbox.push(self.wires.rtp, to, datagram);
            }
        }
        if let (Seal::Dtls(dtls), Some(to)) = (&mut self.seal, self.path.handshake_target()) {
            while let Some(datagram) = dtls.poll_transmit() {
                cx.outbox.push(self.wires.rtp, to, datagram);
            }
        }
    }

    fn fail(&mut self, cx: &mut Context, why: String) {
        if !self.has_failed {
            self.has_failed = true;
            cx.events.push_back(RelayEvent::Failed { call: self.call, leg: self.id, why });
        }
    }

    fn peer_word(&self) -> &'static str {
        match self.spec.ice {
            IceMode::None => "the phone",
            IceMode::Lite => "the browser",
            IceMode::Full => "the client",
        }
    }
}
