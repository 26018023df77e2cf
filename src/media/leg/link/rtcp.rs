//! RTCP of a link: on the port of RTP (RFC 5761), or on the next one, where it may be a component with keys of its own.

use std::net::SocketAddr;

use super::Link;
use crate::media::leg::Context;
use crate::media::leg::path::Path;
use crate::media::leg::refusal::Refusal;
use crate::media::shard::SocketId;

impl Link {
    /// Checks where an RTCP compound comes from, on the port of RTCP if it is `for_rtcp`, and opens it in place.
    ///
    /// # Errors
    /// Why it is turned away.
    pub fn open_rtcp<'a>(
        &mut self,
        cx: &Context,
        for_rtcp: bool,
        from: SocketAddr,
        packet: &'a mut [u8],
    ) -> Result<&'a [u8], Refusal> {
        let is_apart = for_rtcp && self.has_rtcp_apart();
        let opened = match &mut self.component {
            Some(component) if is_apart => component.open(cx.now, from, packet, &mut self.seal),
            _ if may_report(&self.path, from) => self.seal.unprotect_rtcp(packet).map_err(Refusal::from),
            _ => Err(Refusal::Stranger(from)),
        };
        let compound = opened.and_then(|length| packet.get(..length).ok_or(Refusal::Other));
        match compound {
            Ok(_) => self.rtcp_from = Some(from),
            Err(_) => self.refused += 1,
        }
        compound
    }

    /// Takes a STUN message on the port of RTCP.
    pub(super) fn receive_rtcp_stun(&mut self, cx: &Context, from: SocketAddr, datagram: &[u8]) -> bool {
        self.component.as_mut().is_some_and(|component| component.receive_stun(cx.now, from, datagram))
    }

    /// Takes a DTLS datagram on the port of RTCP.
    pub(super) fn receive_rtcp_dtls(&mut self, cx: &mut Context, from: SocketAddr, datagram: &[u8]) -> bool {
        let taken = self.component.as_mut().is_some_and(|component| component.receive_dtls(cx, from, datagram));
        if !taken {
            self.refused += 1;
        }
        taken
    }

    /// Sends the RTCP compound in the first `length` bytes of `buffer`, if there is a way for it.
    pub fn send_rtcp(&mut self, cx: &mut Context, mut buffer: Vec<u8>, length: usize) {
        let sealed = self.rtcp_way().and_then(|way| Some((way, self.protect_rtcp(&mut buffer, length)?)));
        match sealed {
            Some(((socket, to), length)) => {
                buffer.truncate(length);
                cx.outbox.push(socket, to, buffer);
            }
            None => cx.outbox.put_back(buffer),
        }
    }

    fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let is_apart = self.has_rtcp_apart();
        let seal = match &mut self.component {
            Some(component) if is_apart => component.seal(&mut self.seal),
            _ => &mut self.seal,
        };
        if seal.is_open() { seal.protect_rtcp(buffer, length).ok() } else { None }
    }

    /// Where RTCP goes, and by which socket.
    fn rtcp_way(&self) -> Option<(SocketId, SocketAddr)> {
        let target = self.path.target()?;
        let described = self.described.as_ref()?;
        let own = self.wires.pair.filter(|_| !described.rtcp_mux);
        let Some(pair) = own else { return Some((self.wires.rtp, target)) };
        if let Some(component) = &self.component {
            return component.way();
        }
        let said = described.rtcp_address.filter(|_| described.address == Some(target));
        let next = SocketAddr::new(target.ip(), target.port().checked_add(1)?);
        Some((pair.rtcp, self.rtcp_from.or(said).unwrap_or(next)))
    }

    /// Whether the peer takes RTCP on a port of its own.
    fn has_rtcp_apart(&self) -> bool {
        self.wires.pair.is_some() && self.described.as_ref().is_some_and(|described| !described.rtcp_mux)
    }
}

/// Whether RTCP that shares a path with RTP, or has none that anything proves, may come from there.
fn may_report(path: &Path, from: SocketAddr) -> bool {
    match path {
        Path::Ice(ice) => ice.is_known(from),
        Path::Latch(latch) => latch.target().is_some_and(|target| target.ip() == from.ip()),
    }
}
