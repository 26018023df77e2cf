//! RTCP as a component of its own (RFC 8445 §2), for peers that do not multiplex it with RTP (RFC 5761): on the other port
//! of the pair, with ICE of its own beside that of RTP, and, where the leg has DTLS-SRTP, with an association of its own
//! (RFC 5764 §4.1).

use std::net::SocketAddr;
use std::time::Instant;

use super::latch::Latch;
use super::link::Wires;
use super::path::Path;
use super::refusal::Refusal;
use super::{Context, Dtls, Role, Seal, dtls};
use crate::base::Dice;
use crate::media::shard::SocketId;
use crate::model::description::Fingerprint;
use crate::model::{RemoteEnd, SealKind, Transport};

/// The component of RTCP.
pub struct Component {
    path: Path,
    /// Its own association, from the first description without rtcp-mux on; any other seal is shared with RTP.
    seal: Option<Seal>,
    local: SocketAddr,
    socket: SocketId,
    has_failed: bool,
}

impl Component {
    /// The component beside that of RTP, on a link that has a port for it and something to be agreed on there: ICE, or keys
    /// by DTLS.
    pub fn beside(now: Instant, dice: &mut Dice, rtp: &Path, seal: SealKind, wires: &Wires) -> Option<Component> {
        let (pair, address) = (wires.pair?, wires.addresses.first()?);
        let local = SocketAddr::new(address.ip(), address.port().checked_add(1)?);
        let path = match rtp {
            Path::Ice(rtp) => Path::Ice(Box::new(rtp.component(now, dice, local))),
            Path::Latch(_) if seal == SealKind::Dtls => Path::Latch(Latch::default()),
            Path::Latch(_) => return None,
        };
        Some(Component { path, seal: None, local, socket: pair.rtcp, has_failed: false })
    }

    /// The peer's description, after the component of RTP took it. An ICE restart of that one is one here too.
    pub fn describe(&mut self, cx: &mut Context, rtp: &Path, remote: &RemoteEnd) {
        let address = address(&remote.transport);
        match (&mut self.path, rtp) {
            (Path::Ice(ice), Path::Ice(rtp)) => {
                if rtp.ufrag() != ice.ufrag() {
                    **ice = rtp.component(cx.now, cx.dice, self.local);
                }
                match (&remote.transport.ice, address) {
                    (Some(words), _) => {
                        ice.describe(cx.now, cx.dice, words, remote.is_offer);
                    }
                    (None, Some(address)) => ice.settle_for(address),
                    (None, None) => {}
                }
            }
            (Path::Latch(latch), _) => latch.describe(cx.now, address),
            (Path::Ice(_), Path::Latch(_)) => {}
        }
    }

    /// What the description says of DTLS: both associations of a link have its certificates and its roles, and the peer
    /// begins both anew or neither.
    pub fn associate(&mut self, cx: &Context, role: Role, fingerprints: &[Fingerprint], begins_anew: bool) {
        self.has_failed &= !begins_anew;
        let fingerprints = fingerprints.to_vec();
        match &mut self.seal {
            Some(Seal::Dtls(dtls)) if begins_anew => dtls.renew(role, fingerprints, cx.now),
            Some(Seal::Dtls(dtls)) => dtls.set_remote(role, fingerprints, cx.now),
            _ => self.seal = Some(Seal::Dtls(Box::new(Dtls::new(cx.certificate, role, fingerprints, cx.now)))),
        }
    }

    /// The peer begins its association anew while RTCP goes with RTP: the one that was here is over.
    pub fn forget_association(&mut self) {
        (self.seal, self.has_failed) = (None, false);
    }

    /// What protects RTCP here, on a link whose RTP is protected by `rtp`.
    pub fn seal<'a>(&'a mut self, rtp: &'a mut Seal) -> &'a mut Seal {
        self.seal.as_mut().unwrap_or(rtp)
    }

    /// Where RTCP goes, and by which socket.
    pub fn way(&self) -> Option<(SocketId, SocketAddr)> {
        Some((self.socket, self.path.target()?))
    }

    /// Checks where an RTCP compound comes from and opens it in place; returns its plain length. `rtp`: the seal of RTP.
    ///
    /// # Errors
    /// Why it is turned away.
    pub fn open(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &mut [u8],
        rtp: &mut Seal,
    ) -> Result<usize, Refusal> {
        if !self.path.may_be_peer(now, from) {
            return Err(Refusal::Stranger(from));
        }
        let length = self.seal(rtp).unprotect_rtcp(packet)?;
        if let Path::Latch(latch) = &mut self.path {
            latch.lock(from);
        }
        Ok(length)
    }

    /// Takes a STUN message; returns whether it was authentic.
    pub fn receive_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        self.path.ice_mut().is_some_and(|ice| ice.handle_stun(now, from, datagram))
    }

    /// Takes a DTLS datagram; returns whether there is an association for it, and it came from where the peer may be.
    pub fn receive_dtls(&mut self, cx: &mut Context, from: SocketAddr, datagram: &[u8]) -> bool {
        let Some(Seal::Dtls(dtls)) = &mut self.seal else { return false };
        let was_open = dtls.keys_mut().is_some();
        let taken = self.path.carry_handshake(dtls, cx.now, from, datagram);
        if !was_open && dtls.keys_mut().is_some() {
            cx.tally.handshake(true);
        }
        taken
    }

    /// Sends what it has to send. That there is no path for RTCP ends nothing, nor that there are no keys; why there will
    /// be none is told once.
    pub fn settle(&mut self, cx: &mut Context) -> Option<String> {
        self.flush(cx);
        let Some(Seal::Dtls(dtls)) = &self.seal else { return None };
        let dtls::State::Failed(why) = dtls.state() else { return None };
        let is_new = !std::mem::replace(&mut self.has_failed, true);
        is_new.then(|| {
            cx.tally.handshake(false);
            why.clone()
        })
    }

    fn flush(&mut self, cx: &mut Context) {
        if let Some(ice) = self.path.ice_mut() {
            while ice.poll_event().is_some() {}
            while let Some((to, datagram)) = ice.poll_transmit() {
                cx.outbox.push(self.socket, to, datagram);
            }
        }
        if let (Some(Seal::Dtls(dtls)), Some(to)) = (&mut self.seal, self.path.handshake_target()) {
            while let Some(datagram) = dtls.poll_transmit() {
                cx.outbox.push(self.socket, to, datagram);
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(ice) = self.path.ice_mut()
            && ice.poll_timeout().is_some_and(|at| now >= at)
        {
            ice.handle_timeout(now);
        }
        if let Some(Seal::Dtls(dtls)) = &mut self.seal
            && dtls.poll_timeout().is_some_and(|at| now >= at)
        {
            dtls.handle_timeout(now);
        }
    }

    /// When [`Component::handle_timeout`] should be called next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let dtls = match &self.seal {
            Some(Seal::Dtls(dtls)) => dtls.poll_timeout(),
            _ => None,
        };
        let ice = self.path.ice_mut().and_then(|ice| ice.poll_timeout());
        ice.into_iter().chain(dtls).min()
    }

    /// The last words of its association.
    pub fn close(&mut self, cx: &mut Context) {
        if let Some(Seal::Dtls(dtls)) = &mut self.seal {
            dtls.close(cx.now);
        }
        self.flush(cx);
    }
}

/// Where the peer described that it listens for RTCP (RFC 3605), or the port after that for RTP.
fn address(transport: &Transport) -> Option<SocketAddr> {
    let next = |rtp: SocketAddr| Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
    transport.rtcp_address.or_else(|| next(transport.address?))
}
