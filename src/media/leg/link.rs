//! How the packets of a leg travel: the sockets, the path by which they find the peer, the seal that protects them, and
//! what was turned away. Everything of a leg that has nothing to do with what its packets carry.

mod rtcp;

use std::net::SocketAddr;
use std::time::Instant;

use super::arriving::{Arriving, MAX_FEEDBACK};
use super::component::Component;
use super::ice::{IcePath, PathEvent};
use super::latch::{Latch, Sender, Sign};
use super::path::Path;
use super::refusal::Refusal;
use super::{Certificate, Context, Dtls, Role, Sdes, Seal, dtls};
use crate::media::outbox::MAX_DATAGRAM;
use crate::media::shard::{PortPair, SocketId};
use crate::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Ice, IceMode, LegSpec, RemoteEnd, Seal as SealWords,
    SealKind, Setup, Transport,
};
use crate::rtp::Packet;
use crate::rtp::rtcp::Writer;

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
        let candidate = |index: usize, address: &SocketAddr, component: u16| Candidate {
            foundation: (index + 1).to_string(),
            component,
            protocol: CandidateProtocol::Udp,
            // RFC 8445 §5.1.2.1, type preference of a host.
            priority: (126 << 24) | ((65_535 - index as u32) << 8) | (256 - u32::from(component)),
            host: CandidateHost::Ip(address.ip()),
            port: address.port() + (component - 1),
            kind: CandidateKind::Host,
            related: None,
            rest: String::new(),
        };
        let components = if self.pair.is_some() { 1..=2 } else { 1..=1 };
        let of = |component| self.addresses.iter().enumerate().map(move |(i, a)| candidate(i, a, component));
        components.flat_map(of).collect()
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
    /// Why there will be no RTCP, which ends nothing: told once.
    pub lacks_rtcp: Option<String>,
}

/// What stays of what the peer said of its end.
struct Described {
    /// The DTLS association, if it is one.
    association: Option<SealWords>,
    address: Option<SocketAddr>,
    rtcp_address: Option<SocketAddr>,
    feedback_profile: bool,
    rtcp_mux: bool,
}

impl Described {
    fn of(remote: &RemoteEnd) -> Described {
        let Transport { seal, address, rtcp_address, feedback_profile, .. } = &remote.transport;
        Described {
            association: matches!(seal, SealWords::Dtls { .. }).then(|| seal.clone()),
            address: *address,
            rtcp_address: *rtcp_address,
            feedback_profile: *feedback_profile,
            rtcp_mux: remote.rtcp_mux,
        }
    }
}

/// How the packets of a leg travel.
pub struct Link {
    spec: LegSpec,
    is_of_pictures: bool,
    pub(super) wires: Wires,
    pub(super) path: Path,
    /// RTCP on the port of its own, where there is more to it than an address.
    component: Option<Box<Component>>,
    pub(super) seal: Seal,
    pub(super) role: Option<Role>,
    /// Our name of the DTLS association.
    tls_id: String,
    described: Option<Described>,
    rtcp_from: Option<SocketAddr>,
    /// The address that the driver was told its socket may be connected to.
    aim: Option<SocketAddr>,
    pub(super) refused: u64,
    /// Why the last packet of media was turned away.
    pub(super) refusal: Option<Refusal>,
    /// Who was turned away with a handshake.
    pub(super) stranger: Option<(SocketAddr, u64)>,
    is_connected: bool,
    has_failed: bool,
    failure: Option<String>,
    /// When its packets came, where the peer wants to be told.
    arriving: Option<Box<Arriving>>,
    /// There is a deadline that was not there before.
    is_due: bool,
}

impl Link {
    /// A link that waits for the peer's description. `offers`: ours comes first.
    pub fn new(cx: &mut Context, spec: LegSpec, wires: Wires, offers: bool) -> Link {
        let path = match spec.ice {
            IceMode::None => Path::Latch(Latch::default()),
            mode => Path::Ice(Box::new(IcePath::new(cx.now, cx.dice, wires.best(), mode != IceMode::Full))),
        };
        let seal = match spec.seal {
            SealKind::Plain => Seal::Plain,
            SealKind::Sdes | SealKind::Opportunistic => {
                Seal::Sdes(Box::new(Sdes::new(cx.dice, spec.seal == SealKind::Opportunistic, offers)))
            }
            SealKind::Dtls => Seal::Dtls(Box::new(Dtls::new(cx.certificate, Role::Passive, Vec::new(), cx.now))),
        };
        let component = Component::beside(cx.now, cx.dice, &path, spec.seal, &wires).map(Box::new);
        Link {
            spec,
            is_of_pictures: false,
            wires,
            path,
            component,
            seal,
            role: None,
            tls_id: cx.dice.token(TLS_ID_LENGTH),
            described: None,
            rtcp_from: None,
            aim: None,
            refused: 0,
            refusal: None,
            stranger: None,
            is_connected: false,
            has_failed: false,
            failure: None,
            arriving: None,
            is_due: false,
        }
    }

    /// The only address that its own socket listens to, once there is one.
    fn locked_to(&self) -> Option<SocketAddr> {
        match &self.path {
            Path::Latch(latch) => latch.locked_to(),
            Path::Ice(_) => None,
        }
    }

    /// Whether [`Link::take_aim`] has something to tell.
    pub fn has_new_aim(&self) -> bool {
        self.locked_to() != self.aim
    }

    /// Its own socket, if that listens to another address alone than the driver was told, or to any again.
    pub fn take_aim(&mut self) -> Option<(SocketId, Option<SocketAddr>)> {
        let aim = self.locked_to();
        (aim != self.aim).then(|| {
            self.aim = aim;
            (self.wires.rtp, aim)
        })
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
            feedback_profile: self.described.as_ref().map_or(has_feedback, |d| d.feedback_profile),
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
        if let Some(component) = &mut self.component {
            component.describe(cx, &self.path, remote);
        }
        self.describe_seal(cx, remote);
        self.described = Some(Described::of(remote));
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
                let before = self.described.as_ref().and_then(|d| d.association.as_ref());
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
                let begins_anew = before.is_some() && !goes_on;
                if begins_anew {
                    // RFC 8842 §5.3: a new association has a new name on either side.
                    self.tls_id = cx.dice.token(TLS_ID_LENGTH);
                    dtls.renew(role, fingerprints.clone(), cx.now);
                } else {
                    dtls.set_remote(role, fingerprints.clone(), cx.now);
                }
                match &mut self.component {
                    Some(component) if !remote.rtcp_mux => component.associate(cx, role, fingerprints, begins_anew),
                    Some(component) if begins_anew => component.forget_association(),
                    _ => {}
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
            if !self.has_failed {
                cx.tally.handshake(false);
            }
            self.fail(why);
        }
        let is_connected = !self.is_connected && self.path.is_found() && self.seal.is_open();
        self.is_connected |= is_connected;
        let lacks_rtcp = self.component.as_mut().and_then(|component| component.settle(cx));
        News { is_connected, failed: self.failure.take(), lacks_rtcp }
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
        if let Some(component) = &mut self.component {
            component.handle_timeout(now);
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
        let arriving = self.arriving.as_ref().and_then(|arriving| arriving.poll_timeout());
        let rtcp = self.component.as_mut().and_then(|component| component.poll_timeout());
        [ice, dtls, rtcp, arriving].into_iter().flatten().min()
    }

    /// The last words of the seal.
    pub fn close(&mut self, cx: &mut Context) {
        if let Seal::Dtls(dtls) = &mut self.seal {
            dtls.close(cx.now);
        }
        self.flush(cx);
        if let Some(component) = &mut self.component {
            component.close(cx);
        }
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
        if let (Some(arriving), Ok(length)) = (&mut self.arriving, opened) {
            self.is_due |= arriving.note(now, packet.get(..length).unwrap_or_default());
        }
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

    /// Takes a DTLS datagram, on the port of RTCP if it is `for_rtcp`; [`Link::settle`] follows, if it was taken.
    pub fn receive_dtls(&mut self, cx: &mut Context, for_rtcp: bool, from: SocketAddr, datagram: &[u8]) -> bool {
        if for_rtcp {
            return self.receive_rtcp_dtls(cx, from, datagram);
        }
        let Seal::Dtls(dtls) = &mut self.seal else {
            self.refused += 1;
            return false;
        };
        let taken = self.path.carry_handshake(dtls, cx.now, from, datagram);
        if !taken {
            self.note_stranger(from);
            self.refused += 1;
        }
        taken
    }

    /// Takes a STUN message, on the port of RTCP if it is `for_rtcp`; [`Link::settle`] follows, if it was this link's.
    pub fn receive_stun(&mut self, cx: &Context, for_rtcp: bool, from: SocketAddr, datagram: &[u8]) -> bool {
        let taken = match for_rtcp {
            true => self.receive_rtcp_stun(cx, from, datagram),
            false => self.path.ice_mut().is_some_and(|ice| ice.handle_stun(cx.now, from, datagram)),
        };
        if !taken {
            self.refused += 1;
        }
        taken
    }

    /// Where RTP goes, if any can.
    pub fn target(&self) -> Option<SocketAddr> {
        self.path.target().filter(|_| self.seal.is_open())
    }

    /// Tells the peer when its packets came, if it counts them in the header extension of this number; `None`: no more.
    pub fn count_arrivals(&mut self, now: Instant, id: Option<u8>) {
        if self.arriving.as_ref().map(|arriving| arriving.id()) != id {
            self.arriving = id.map(|id| Box::new(Arriving::new(now, id)));
        }
    }

    /// Whether it wants to be looked after earlier than before, since this was asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }

    /// Tells what is due of when packets came; `ours` is the source that tells.
    pub fn tell_arrivals(&mut self, cx: &mut Context, ours: u32, cname: &str) {
        let is_due = |arriving: &mut Box<Arriving>| arriving.poll_timeout().is_some_and(|due| due <= cx.now);
        let Some(mut arriving) = self.arriving.take_if(is_due) else { return };
        loop {
            let mut buffer = cx.outbox.buffer();
            buffer.resize(MAX_DATAGRAM, 0);
            let mut writer = Writer::new(buffer.get_mut(..MAX_FEEDBACK).unwrap_or_default());
            writer.report(ours, None, &[]);
            writer.canonical_name(ours, cname);
            let is_told = arriving.tell(cx.now, ours, &mut writer);
            let length = writer.length();
            if !is_told {
                cx.outbox.put_back(buffer);
                break;
            }
            self.send_rtcp(cx, buffer, length);
        }
        self.arriving = Some(arriving);
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
