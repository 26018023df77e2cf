//! How the packets of a leg travel: the sockets, the path by which they find the peer, the seal that protects them, and
//! what was turned away. Everything of a leg that has nothing to do with what its packets carry.

use std::net::SocketAddr;
use std::time::Instant;

use super::ice::{IcePath, PathEvent};
use super::latch::{Latch, Sender, Sign};
use super::path::Path;
use super::refusal::Refusal;
use super::{Certificate, Context, Dtls, Role, Sdes, Seal, dtls};
use crate::media::shard::{PortPair, SocketId};
use crate::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Ice, IceMode, LegSpec, RemoteEnd, Seal as SealWords,
    SealKind, Setup, Transport,
};
use crate::rtp::Packet;

/// The sockets of a link.
#[derive(Debug, Clone)]
pub struct Wires {
    /// For RTP, and for everything on one port.
    pub rtp: SocketId,
    /// The pair, if the link has its own.
    pub pair: Option<PortPair>,
    /// Where the peer reaches `rtp`, best first; never empty.
    pub addresses: Vec<SocketAddr>,
}

impl Wires {
    fn best(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0))
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
        self.addresses.iter().enumerate().map(candidate).collect()
    }
}

/// Letters of our names of DTLS associations: RFC 8842 §4 wants 20 at least.
const TLS_ID_LENGTH: usize = 32;

/// Whether a description goes on with the DTLS association of the one before: it has a certificate in common, and no
/// other name (RFC 8842 §4). A peer that gives names in one of them only has not given another.
fn is_same_association(before: &SealWords, words: &SealWords) -> bool {
    let (SealWords::Dtls { fingerprints: old, tls_id: one, .. }, SealWords::Dtls { fingerprints, tls_id: other, .. }) =
        (before, words)
    else {
        return false;
    };
    let is_renamed = one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one != other);
    !is_renamed && old.iter().any(|f| fingerprints.contains(f))
}

/// Which link of which leg of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId {
    /// The place of the leg.
    pub place: usize,
    /// It carries pictures alone; otherwise it carries sound, and pictures too if they are bundled with it.
    pub is_of_pictures: bool,
}

/// What has become of a link since it was settled before.
#[derive(Debug, Default)]
pub struct News {
    /// A path is found, and there are keys if there is a seal: told once.
    pub is_connected: bool,
    /// It cannot go on, in one sentence: told once.
    pub failed: Option<String>,
}

/// What the peer said of its end.
struct Described {
    transport: Transport,
    rtcp_mux: bool,
}

/// How the packets of a leg travel.
pub struct Link {
    spec: LegSpec,
    is_of_pictures: bool,
    pub(super) wires: Wires,
    pub(super) path: Path,
    pub(super) seal: Seal,
    pub(super) role: Option<Role>,
    /// Our name of the DTLS association.
    tls_id: String,
    described: Option<Described>,
    rtcp_from: Option<SocketAddr>,
    pub(super) refused: u64,
    /// Why the last packet of media was turned away.
    pub(super) refusal: Option<Refusal>,
    /// Who was turned away with a handshake.
    pub(super) stranger: Option<(SocketAddr, u64)>,
    is_connected: bool,
    has_failed: bool,
    failure: Option<String>,
}

impl Link {
    /// A link that waits for the peer's description. `offers`: ours comes first.
    pub fn new(cx: &mut Context, spec: LegSpec, wires: Wires, offers: bool) -> Link {
        let path = match spec.ice {
            IceMode::None => Path::Latch(Latch::default()),
            mode => Path::Ice(Box::new(IcePath::new(cx.now, cx.dice, wires.best(), mode == IceMode::Lite))),
        };
        let seal = match spec.seal {
            SealKind::Plain => Seal::Plain,
            SealKind::Sdes | SealKind::Opportunistic => {
                Seal::Sdes(Box::new(Sdes::new(cx.dice, spec.seal == SealKind::Opportunistic, offers)))
            }
            SealKind::Dtls => Seal::Dtls(Box::new(Dtls::new(cx.certificate, Role::Passive, Vec::new(), cx.now))),
        };
        Link {
            spec,
            is_of_pictures: false,
            wires,
            path,
            seal,
            role: None,
            tls_id: cx.dice.token(TLS_ID_LENGTH),
            described: None,
            rtcp_from: None,
            refused: 0,
            refusal: None,
            stranger: None,
            is_connected: false,
            has_failed: false,
            failure: None,
        }
    }

    /// The only address that its own socket listens to, once there is one.
    pub fn locked_to(&self) -> Option<SocketAddr> {
        match &self.path {
            Path::Latch(latch) => latch.locked_to(),
            Path::Ice(_) => None,
        }
    }

    /// The same for pictures alone.
    pub fn of_pictures(self) -> Link {
        Link { is_of_pictures: true, ..self }
    }

    /// What sort of link it is.
    pub fn spec(&self) -> LegSpec {
        self.spec
    }

    /// Its sockets.
    pub fn wires(&self) -> &Wires {
        &self.wires
    }

    /// ICE, if it has that.
    pub fn ice(&self) -> Option<&IcePath> {
        match &self.path {
            Path::Ice(ice) => Some(ice),
            Path::Latch(_) => None,
        }
    }

    /// Our end of it, for descriptions.
    pub fn transport(&self, certificate: &Certificate) -> Transport {
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
                tls_id: Some(self.tls_id.clone()),
                optional: false,
            },
        };
        let ice = self.ice().map(|ice| Ice { candidates: self.wires.candidates(), ..ice.parameters() });
        // RFC 8827 §6.5 and every IM client: ICE with DTLS-SRTP comes with early feedback.
        let has_feedback = self.ice().is_some() && self.spec.seal == SealKind::Dtls;
        Transport {
            seal,
            ice,
            address: self.wires.addresses.first().copied(),
            rtcp_address: None,
            feedback_profile: self.described.as_ref().map_or(has_feedback, |d| d.transport.feedback_profile),
        }
    }

    /// Takes what the peer says of its end: to be called with every description that is another than before.
    pub fn describe(&mut self, cx: &mut Context, remote: &RemoteEnd) {
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
                (None, None) => self.fail("the peer's description has neither ICE nor an address".into()),
            },
        }
        self.describe_seal(cx, remote);
        self.described = Some(Described { transport: remote.transport.clone(), rtcp_mux: remote.rtcp_mux });
    }

    fn describe_seal(&mut self, cx: &mut Context, remote: &RemoteEnd) {
        match (&mut self.seal, &remote.transport.seal) {
            (Seal::Plain, SealWords::Plain) => {}
            (Seal::Sdes(sdes), words) => {
                if let Err(why) = sdes.set_remote(cx.dice, words, remote.is_offer) {
                    self.fail(why);
                }
            }
            (Seal::Dtls(dtls), words @ SealWords::Dtls { fingerprints, setup, .. }) => {
                let before = self.described.as_ref().map(|d| &d.transport.seal);
                let goes_on = before.is_some_and(|before| is_same_association(before, words));
                // RFC 8842 §5.3: an association that goes on keeps its roles, whatever a later offer allows.
                let role = match (self.role, setup) {
                    (Some(role), _) if goes_on => Some(role),
                    (_, Setup::Active) => Some(Role::Passive),
                    (_, Setup::Passive | Setup::ActPass) => Some(Role::Active),
                    (role, Setup::HoldConn) => role,
                };
                self.role = role;
                let Some(role) = role else { return };
                if before.is_some() && !goes_on {
                    // RFC 8842 §5.3: a new association has a new name on either side.
                    self.tls_id = cx.dice.token(TLS_ID_LENGTH);
                    dtls.renew(role, fingerprints.clone(), cx.now);
                } else {
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
                self.fail(format!("this leg speaks {ours}, and the peer described {theirs}"));
            }
        }
    }

    /// Sends what the machines have to send and tells what has changed with them.
    pub fn settle(&mut self, cx: &mut Context) -> News {
        let id = LinkId { place: cx.place, is_of_pictures: self.is_of_pictures };
        while let Some(event) = self.path.ice_mut().and_then(IcePath::poll_event) {
            match event {
                PathEvent::Seen(from) => cx.seen.push((from, id, true)),
                PathEvent::Forgotten(from) => cx.seen.push((from, id, false)),
                PathEvent::Nominated(_) => {}
                PathEvent::Lost => {
                    self.fail("ICE: the peer stopped answering and sending connectivity checks".into());
                }
            }
        }
        self.flush(cx);
        if let Seal::Dtls(dtls) = &self.seal
            && let dtls::State::Failed(why) = dtls.state()
        {
            let why = format!("DTLS with {} did not finish: {why}", self.peer_word());
            self.fail(why);
        }
        let is_connected = !self.is_connected && self.path.is_found() && self.seal.is_open();
        self.is_connected |= is_connected;
        News { is_connected, failed: self.failure.take() }
    }

    fn flush(&mut self, cx: &mut Context) {
        let id = LinkId { place: cx.place, is_of_pictures: self.is_of_pictures };
        if let Path::Ice(ice) = &mut self.path {
            while let Some((to, datagram)) = ice.poll_transmit() {
                cx.transactions.note(&datagram, id);
                cx.outbox.push(self.wires.rtp, to, datagram);
            }
        }
        if let (Seal::Dtls(dtls), Some(to)) = (&mut self.seal, self.path.handshake_target()) {
            while let Some(datagram) = dtls.poll_transmit() {
                cx.outbox.push(self.wires.rtp, to, datagram);
            }
        }
    }

    fn fail(&mut self, why: String) {
        if !self.has_failed {
            self.has_failed = true;
            self.failure = Some(why);
        }
    }

    /// Does what is due; [`Link::settle`] follows.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Path::Ice(ice) = &mut self.path
            && ice.poll_timeout().is_some_and(|at| now >= at)
        {
            ice.handle_timeout(now);
        }
        if let Seal::Dtls(dtls) = &mut self.seal
            && dtls.poll_timeout().is_some_and(|at| now >= at)
        {
            dtls.handle_timeout(now);
        }
    }

    /// When [`Link::handle_timeout`] should be called next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let ice = self.path.ice_mut().and_then(|ice| ice.poll_timeout());
        let dtls = match &self.seal {
            Seal::Dtls(dtls) => dtls.poll_timeout(),
            Seal::Plain | Seal::Sdes(_) => None,
        };
        [ice, dtls].into_iter().flatten().min()
    }

    /// The last words of the seal.
    pub fn close(&mut self, cx: &mut Context) {
        if let Seal::Dtls(dtls) = &mut self.seal {
            dtls.close(cx.now);
        }
        self.flush(cx);
    }

    /// Checks where an RTP packet comes from and opens it in place; returns its plain length. `is_negotiated`: whether
    /// the peer may send a payload type, for plain packets have no better proof. Why one is turned away stands in
    /// `refusal`.
    pub fn open_rtp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &mut [u8],
        is_negotiated: impl Fn(u8) -> bool,
    ) -> Option<usize> {
        let opened = self.judge_rtp(now, from, packet, is_negotiated);
        self.refusal = opened.err();
        opened.ok()
    }

    fn judge_rtp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &mut [u8],
        is_negotiated: impl Fn(u8) -> bool,
    ) -> Result<usize, Refusal> {
        match (&mut self.path, &mut self.seal) {
            (Path::Latch(latch), seal) if seal.is_plain() => {
                let fields = Packet::parse(packet).ok_or(Refusal::Other)?.fields();
                if !is_negotiated(fields.payload_type) {
                    return Err(Refusal::PayloadType(fields.payload_type));
                }
                let sign = Sign { ssrc: fields.ssrc, sequence: fields.sequence };
                let was_locked = latch.is_locked();
                match latch.judge(now, from, sign) {
                    Sender::Peer => {}
                    Sender::Probation => return Err(Refusal::Other),
                    Sender::Stranger => return Err(Refusal::Stranger(from)),
                }
                if !was_locked {
                    self.rtcp_from = None;
                }
                Ok(packet.len())
            }
            (Path::Latch(latch), seal) => {
                if !latch.may_be_peer(now, from) {
                    return Err(Refusal::Stranger(from));
                }
                let length = seal.unprotect_rtp(packet)?;
                latch.lock(from);
                Ok(length)
            }
            (Path::Ice(ice), _) if !ice.is_known(from) => Err(Refusal::Stranger(from)),
            (Path::Ice(_), seal) => Ok(seal.unprotect_rtp(packet)?),
        }
    }

    /// Checks where an RTCP compound comes from and opens it in place.
    pub fn open_rtcp<'a>(&mut self, from: SocketAddr, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let is_peer = match &self.path {
            Path::Ice(ice) => ice.is_known(from),
            Path::Latch(latch) => latch.target().is_some_and(|t| t.ip() == from.ip()),
        };
        let opened = if is_peer { self.seal.unprotect_rtcp(packet).ok() } else { None };
        let Some(compound) = opened.and_then(|length| packet.get(..length)) else {
            self.refused += 1;
            return None;
        };
        self.rtcp_from = Some(from);
        Some(compound)
    }

    /// Takes a DTLS datagram; [`Link::settle`] follows, if it was taken.
    pub fn receive_dtls(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Seal::Dtls(dtls) = &mut self.seal else {
            self.refused += 1;
            return false;
        };
        let may_be_peer = match &self.path {
            Path::Ice(ice) => ice.is_known(from),
            Path::Latch(latch) => latch.may_be_peer(now, from),
        };
        if !may_be_peer {
            self.note_stranger(from);
            self.refused += 1;
            return false;
        }
        let was_open = dtls.keys_mut().is_some();
        if let Path::Latch(latch) = &mut self.path {
            latch.note_handshake(from);
        }
        dtls.handle_datagram(now, datagram);
        let is_open = dtls.keys_mut().is_some();
        if !was_open && is_open {
            match &mut self.path {
                Path::Latch(latch) => latch.lock(from),
                Path::Ice(ice) => ice.leave_old_path(),
            }
        }
        true
    }

    /// Takes a STUN message; [`Link::settle`] follows, if it was this link's.
    pub fn receive_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let taken = self.path.ice_mut().is_some_and(|ice| ice.handle_stun(now, from, datagram));
        if !taken {
            self.refused += 1;
        }
        taken
    }

    /// Where RTP goes, if any can.
    pub fn target(&self) -> Option<SocketAddr> {
        self.path.target().filter(|_| self.seal.is_open())
    }

    /// Sends the RTCP compound in the first `length` bytes of `buffer`, if there is a way for it.
    pub fn send_rtcp(&mut self, cx: &mut Context, mut buffer: Vec<u8>, length: usize) {
        let way = self.rtcp_way().filter(|_| self.seal.is_open());
        match way.and_then(|way| Some((way, self.seal.protect_rtcp(&mut buffer, length).ok()?))) {
            Some(((socket, to), length)) => {
                buffer.truncate(length);
                cx.outbox.push(socket, to, buffer);
            }
            None => cx.outbox.put_back(buffer),
        }
    }

    /// Where RTCP goes, and by which socket.
    fn rtcp_way(&self) -> Option<(SocketId, SocketAddr)> {
        let target = self.path.target()?;
        let described = self.described.as_ref()?;
        let own = self.wires.pair.filter(|_| !described.rtcp_mux);
        let Some(pair) = own else { return Some((self.wires.rtp, target)) };
        if matches!(self.seal, Seal::Dtls(_)) {
            // RFC 5764 §4.1: RTCP on a port of its own wants keys of its own, which nobody agreed on.
            return None;
        }
        let said = described.transport.rtcp_address.filter(|_| described.transport.address == Some(target));
        let next = SocketAddr::new(target.ip(), target.port().checked_add(1)?);
        Some((pair.rtcp, self.rtcp_from.or(said).unwrap_or(next)))
    }

    /// What the peer is, for people.
    pub fn peer_word(&self) -> &'static str {
        match (self.spec.ice, self.spec.seal) {
            (IceMode::Lite, SealKind::Dtls) => "the browser",
            (IceMode::Full, SealKind::Dtls) => "the client",
            _ => "the phone",
        }
    }

    fn note_stranger(&mut self, from: SocketAddr) {
        match &mut self.stranger {
            Some((address, count)) if *address == from => *count += 1,
            _ => self.stranger = Some((from, 1)),
        }
    }
}
