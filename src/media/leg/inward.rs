//! What comes in on a leg.

use std::net::SocketAddr;
use std::time::Instant;

use super::latch::{Sender, Sign};
use super::path::Path;
use super::seal::Seal;
use super::{Context, Leg};
use crate::media::bridge::Content;
use crate::model::RelayEvent;
use crate::rtp::{Fields, Packet};

/// A packet that was taken and opened: where it is in its buffer.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Its header.
    pub fields: Fields,
    /// What it carries.
    pub content: Content,
    /// The first byte of its payload.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

impl Leg {
    /// Takes an RTP packet: the first `length` bytes of `buffer`. `None` if it is turned away, or not wanted.
    pub fn receive_rtp(
        &mut self,
        cx: &mut Context,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<Heard> {
        let heard = self.open_rtp(cx.now, from, buffer.get_mut(..length)?);
        let Some((heard, payload_type)) = heard else {
            self.refused += 1;
            return None;
        };
        let payload = buffer.get(heard.start..heard.end)?;
        let format = self.formats.iter().find(|f| f.payload_type == payload_type)?;
        self.hearing.hear(cx.now, heard.fields, format, payload);
        if self.hearing.counts().0 == 1 {
            cx.events.push_back(RelayEvent::Heard { call: self.call, leg: self.id });
        }
        if self.watch.is_told() {
            self.watch.is_over();
        }
        if heard.content == Content::Events {
            self.tell_digits(cx);
        }
        self.wants.receives.then_some(heard)
    }

    /// Checks where a packet comes from, opens it, and reads it.
    fn open_rtp(&mut self, now: Instant, from: SocketAddr, packet: &mut [u8]) -> Option<(Heard, u8)> {
        let length = match (&mut self.path, &mut self.seal) {
            (Path::Latch(latch), seal) if seal.is_plain() => {
                let fields = Packet::parse(packet)?.fields();
                let is_negotiated = self.formats.iter().any(|f| f.payload_type == fields.payload_type);
                if !is_negotiated {
                    return None;
                }
                let sign = Sign { ssrc: fields.ssrc, sequence: fields.sequence };
                let was_locked = latch.is_locked();
                match latch.judge(now, from, sign) {
                    Sender::Peer => {}
                    Sender::Probation => return None,
                    Sender::Stranger => {
                        self.note_stranger(from);
                        return None;
                    }
                }
                if !was_locked {
                    self.rtcp_from = None;
                }
                packet.len()
            }
            (Path::Latch(latch), seal) => {
                if !latch.may_be_peer(now, from) {
                    self.note_stranger(from);
                    return None;
                }
                let length = seal.unprotect_rtp(packet).ok()?;
                latch.lock(from);
                length
            }
            (Path::Ice(ice), seal) => {
                if !ice.is_known(from) {
                    self.note_stranger(from);
                    return None;
                }
                seal.unprotect_rtp(packet).ok()?
            }
        };
        let parsed = Packet::parse(packet.get(..length)?)?;
        let fields = parsed.fields();
        let format = self.formats.iter().find(|f| f.payload_type == fields.payload_type)?;
        let range = parsed.payload_range();
        Some((Heard { fields, content: format.content, start: range.start, end: range.end }, fields.payload_type))
    }

    /// Takes an RTCP compound.
    pub fn receive_rtcp(&mut self, cx: &mut Context, from: SocketAddr, packet: &mut [u8]) {
        let is_peer = match &self.path {
            Path::Ice(ice) => ice.is_known(from),
            Path::Latch(latch) => latch.target().is_some_and(|t| t.ip() == from.ip()),
        };
        if !is_peer {
            self.refused += 1;
            return;
        }
        let Ok(length) = self.seal.unprotect_rtcp(packet) else {
            self.refused += 1;
            return;
        };
        let Some(compound) = packet.get(..length) else { return };
        self.rtcp_from = Some(from);
        self.control.hear(cx.now, cx.wall, self.track.ssrc(), &mut self.hearing, compound);
    }

    /// Takes a DTLS datagram.
    pub fn receive_dtls(&mut self, cx: &mut Context, from: SocketAddr, datagram: &[u8]) {
        let Seal::Dtls(dtls) = &mut self.seal else {
            self.refused += 1;
            return;
        };
        let may_be_peer = match &self.path {
            Path::Ice(ice) => ice.is_known(from),
            Path::Latch(latch) => latch.may_be_peer(cx.now, from),
        };
        if !may_be_peer {
            self.note_stranger(from);
            self.refused += 1;
            return;
        }
        let was_open = dtls.keys_mut().is_some();
        if let Path::Latch(latch) = &mut self.path {
            latch.note_handshake(from);
        }
        dtls.handle_datagram(cx.now, datagram);
        let is_open = dtls.keys_mut().is_some();
        if !was_open && is_open {
            match &mut self.path {
                Path::Latch(latch) => latch.lock(from),
                Path::Ice(ice) => ice.leave_old_path(),
            }
        }
        self.settle(cx);
    }

    /// Takes a STUN message; returns whether it was this leg's.
    pub fn receive_stun(&mut self, cx: &mut Context, from: SocketAddr, datagram: &[u8]) -> bool {
        let taken = self.path.ice_mut().is_some_and(|ice| ice.handle_stun(cx.now, from, datagram));
        if taken {
            self.settle(cx);
        } else {
            self.refused += 1;
        }
        taken
    }

    pub(super) fn tell_digits(&mut self, cx: &mut Context) {
        while let Some(dtmf) = self.hearing.keys().poll() {
            cx.events.push_back(RelayEvent::Dtmf {
                call: self.call,
                leg: self.id,
                digit: dtmf.digit,
                duration: dtmf.duration,
            });
        }
    }

    fn note_stranger(&mut self, from: SocketAddr) {
        match &mut self.stranger {
            Some((address, count)) if *address == from => *count += 1,
            _ => self.stranger = Some((from, 1)),
        }
    }
}
