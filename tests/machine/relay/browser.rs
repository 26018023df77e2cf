//! A browser in memory: a full ICE agent that controls, DTLS, SRTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate as Agents, IceAgent, IceAgentEvent, IceCreds, Protocol};
use patchcord::media::leg::{Certificate, Dtls, Role};
use patchcord::media::shard::SocketId;
use patchcord::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Codec, Ice, LocalEnd, RemoteEnd, Seal, Setup, Transport,
};
use patchcord::rtp::{Kind, kind};

use super::world::{SHARED, World};

const STEP: Duration = Duration::from_millis(5);

pub struct Browser {
    pub address: SocketAddr,
    pub agent: IceAgent,
    pub dtls: Option<Dtls>,
    pub certificate: Option<Certificate>,
    /// What it calls its DTLS association.
    pub tls_id: Option<String>,
    /// Where it sends.
    pub target: Option<SocketAddr>,
    /// Opened RTP that it got.
    pub heard: Vec<Vec<u8>>,
    /// Opened RTCP that it got.
    pub reports: Vec<Vec<u8>>,
    /// DTLS datagrams that it got.
    pub dtls_datagrams: usize,
    /// Datagrams that it loses on the way in, and has seen.
    pub loses: fn(usize) -> bool,
    pub seen: usize,
    /// Datagrams of its own that get lost on the way out, and how many it has sent.
    pub loses_out: fn(usize) -> bool,
    pub sent: usize,
    /// The socket of the relay that it sends to.
    pub wire: SocketId,
}

fn credentials(name: &str) -> IceCreds {
    IceCreds { ufrag: format!("browser-{name}"), pass: format!("a-password-of-browser-{name}") }
}

impl Browser {
    pub fn new(now: Instant, address: SocketAddr, with_dtls: bool) -> Browser {
        let mut agent = IceAgent::new(credentials("0"));
        agent.set_controlling(true);
        agent.add_local_candidate(Agents::host(address, Protocol::Udp).expect("a candidate"));
        agent.handle_timeout(now);
        Browser {
            address,
            agent,
            dtls: None,
            certificate: with_dtls.then(|| Certificate::generate().expect("a certificate")),
            tls_id: None,
            target: None,
            heard: Vec::new(),
            reports: Vec::new(),
            dtls_datagrams: 0,
            loses: |_| false,
            seen: 0,
            loses_out: |_| false,
            sent: 0,
            wire: SHARED,
        }
    }

    /// A reload of its page: another certificate, another agent.
    pub fn reload(&mut self, now: Instant, address: SocketAddr) {
        *self = Browser::new(now, address, self.certificate.is_some());
        self.agent.set_local_credentials(credentials("reloaded"));
    }

    /// An ICE restart from another network.
    pub fn restart(&mut self, now: Instant, address: SocketAddr) {
        self.address = address;
        self.agent.ice_restart(credentials("restarted"), false);
        self.agent.add_local_candidate(Agents::host(address, Protocol::Udp).expect("a candidate"));
        self.agent.handle_timeout(now);
    }

    /// What it says of itself.
    pub fn words(&self, codecs: &[Codec]) -> RemoteEnd {
        let own = self.agent.local_credentials();
        let seal = match &self.certificate {
            None => Seal::Plain,
            Some(certificate) => Seal::Dtls {
                fingerprints: vec![certificate.fingerprint().clone()],
                setup: Setup::ActPass,
                tls_id: self.tls_id.clone(),
                optional: false,
            },
        };
        let candidate = Candidate {
            foundation: "1".into(),
            component: 1,
            protocol: CandidateProtocol::Udp,
            priority: 2_130_706_431,
            host: CandidateHost::Ip(self.address.ip()),
            port: self.address.port(),
            kind: CandidateKind::Host,
            related: None,
            rest: String::new(),
        };
        let (ufrag, pwd) = (own.ufrag.clone(), own.pass.clone());
        let ice = Ice { ufrag, pwd, lite: false, candidates: vec![candidate], more: false };
        let transport = Transport { seal, ice: Some(ice), address: None, rtcp_address: None, feedback_profile: true };
        RemoteEnd { transport, codecs: codecs.to_vec(), rtcp_mux: true, ptime: None, is_offer: true }
    }

    /// Takes the relay's words.
    pub fn hear(&mut self, now: Instant, end: &LocalEnd) {
        let ice = end.ice().expect("ICE");
        self.agent.set_remote_credentials(IceCreds { ufrag: ice.ufrag.clone(), pass: ice.pwd.clone() });
        for candidate in &ice.candidates {
            let CandidateHost::Ip(ip) = candidate.host else { panic!("a name") };
            let found = Agents::host((ip, candidate.port).into(), Protocol::Udp).expect("a candidate");
            self.agent.add_remote_candidate(found);
        }
        self.hear_dtls(now, end);
    }

    /// Takes the DTLS part of the relay's words.
    pub fn hear_dtls(&mut self, now: Instant, end: &LocalEnd) {
        if let (Some(certificate), Seal::Dtls { fingerprints, setup, .. }) = (&self.certificate, &end.transport.seal) {
            let role = match setup {
                Setup::Active => Role::Passive,
                // RFC 5763 §5: whoever answers an offer that leaves it open should be active.
                Setup::Passive | Setup::ActPass => Role::Active,
                other => panic!("a description that says {other:?}"),
            };
            match &mut self.dtls {
                Some(dtls) => dtls.set_remote(role, fingerprints.clone(), now),
                None => self.dtls = Some(Dtls::new(certificate, role, fingerprints.clone(), now)),
            }
        }
    }

    /// Lets time pass for both, with datagrams between them that take no time.
    pub fn pass(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        while world.now < end {
            self.tick(world);
            world.pass(STEP);
        }
        self.exchange(world);
    }

    /// Does what is due now.
    pub fn tick(&mut self, world: &mut World) {
        self.agent.handle_timeout(world.now);
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|at| at <= world.now)
        {
            dtls.handle_timeout(world.now);
        }
        self.exchange(world);
    }

    /// Moves datagrams until both are quiet. What the relay sends to others stays in `world.sent`.
    pub fn exchange(&mut self, world: &mut World) {
        loop {
            let (mine, others): (Vec<_>, Vec<_>) = world.take_sent().into_iter().partition(|s| s.to == self.address);
            world.sent = others;
            for sent in &mine {
                self.seen += 1;
                if !(self.loses)(self.seen) {
                    self.take(world.now, &sent.bytes);
                }
            }
            let out = self.output();
            if mine.is_empty() && out.is_empty() {
                return;
            }
            for datagram in out {
                self.sent += 1;
                if !(self.loses_out)(self.sent) {
                    world.arrive(self.wire, self.address, &datagram);
                }
            }
        }
    }

    fn take(&mut self, now: Instant, bytes: &[u8]) {
        match kind(bytes) {
            Kind::Stun => {
                let message = StunMessage::parse(bytes).expect("STUN");
                let source = super::world::at("192.0.2.1:3478");
                let packet = StunPacket { proto: Protocol::Udp, source, destination: self.address, message };
                self.agent.handle_packet(now, packet);
                self.agent.handle_timeout(now);
            }
            Kind::Dtls => {
                self.dtls_datagrams += 1;
                if let Some(dtls) = &mut self.dtls {
                    dtls.handle_datagram(now, bytes);
                }
            }
            Kind::Rtp => {
                let mut packet = bytes.to_vec();
                if let Some(dtls) = &mut self.dtls {
                    let keys = dtls.keys_mut().expect("keys before media");
                    let length = keys.inward.unprotect_rtp(&mut packet).expect("an authentic packet");
                    packet.truncate(length);
                }
                self.heard.push(packet);
            }
            Kind::Rtcp => {
                let mut packet = bytes.to_vec();
                if let Some(dtls) = &mut self.dtls {
                    let keys = dtls.keys_mut().expect("keys before reports");
                    let length = keys.inward.unprotect_rtcp(&mut packet).expect("an authentic compound");
                    packet.truncate(length);
                }
                self.reports.push(packet);
            }
            other => panic!("{other:?}"),
        }
    }

    /// A connectivity check of its own, which is not sent.
    pub fn a_check(&mut self, mut now: Instant) -> Vec<u8> {
        loop {
            now += STEP;
            self.agent.handle_timeout(now);
            if let Some(check) = self.agent.poll_transmit() {
                return check.contents.to_vec();
            }
        }
    }

    fn output(&mut self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                self.target = Some(destination);
            }
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            out.push(transmit.contents.to_vec());
        }
        if let Some(dtls) = self.dtls.as_mut().filter(|_| self.target.is_some()) {
            while let Some(datagram) = dtls.poll_transmit() {
                out.push(datagram);
            }
        }
        out
    }

    /// Says a compound of RTCP.
    pub fn report(&mut self, world: &mut World, mut compound: Vec<u8>) {
        if let Some(dtls) = &mut self.dtls {
            let length = compound.len();
            compound.resize(length + 32, 0);
            let keys = dtls.keys_mut().expect("keys");
            let length = keys.outward.protect_rtcp(&mut compound, length).expect("room");
            compound.truncate(length);
        }
        world.arrive(self.wire, self.address, &compound);
        self.exchange(world);
    }

    /// Says a packet of RTP.
    pub fn say(&mut self, world: &mut World, mut packet: Vec<u8>) {
        if let Some(dtls) = &mut self.dtls {
            let length = packet.len();
            packet.resize(length + 32, 0);
            let keys = dtls.keys_mut().expect("keys");
            let length = keys.outward.protect_rtp(&mut packet, length).expect("room");
            packet.truncate(length);
        }
        world.arrive(self.wire, self.address, &packet);
        self.exchange(world);
    }
}
