//! What comes in on a leg.

use std::net::SocketAddr;
use std::time::Instant;

use super::refusal::Refusal;
use super::{Context, Leg};
use crate::base::{CallId, LegId};
use crate::media::bridge::Content;
use crate::model::{Dtmf, RelayEvent};
use crate::rtp::event::Key;
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
    /// The leg's next deadline is earlier than before.
    pub hurries: bool,
}

impl Leg {
    /// Takes an RTP packet that came on one of its links: the first `length` bytes of `buffer`. `None` if it is turned away, or not wanted.
    pub fn receive_rtp(
        &mut self,
        cx: &mut Context,
        of_pictures: bool,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<Heard> {
        if of_pictures {
            return self.receive_pictures(cx, from, buffer, length);
        }
        let heard = self.open_rtp(cx.now, from, buffer.get_mut(..length)?);
        let Some(heard) = heard else {
            self.link.refused += 1;
            let refusal = self.link.refusal.take().unwrap_or(Refusal::Other);
            self.refusals.get_or_insert_default().count(refusal, self.hearing.counts().0);
            cx.tally.refused(refusal);
            return None;
        };
        let payload = buffer.get(heard.start..heard.end)?;
        if heard.content == Content::Picture {
            return self.take_picture(cx.now, heard, payload);
        }
        let format = self.formats.iter().find(|f| f.payload_type == heard.fields.payload_type)?;
        let was_patient = self.hearing.suppresses_silence() || self.watch.is_told();
        self.hearing.hear(cx.now, heard.fields, format, payload);
        if self.hearing.counts().0 == 1 {
            cx.events.push_back(RelayEvent::Heard { call: self.call, leg: self.id });
        }
        if self.watch.is_told() {
            self.watch.is_over();
            cx.events.push_back(RelayEvent::Audible { call: self.call, leg: self.id });
        }
        if heard.content == Content::Events {
            self.tell_digits(cx);
        }
        let hurries = heard.content == Content::Events || (was_patient && heard.content == Content::Speech);
        let heard = if heard.content == Content::Speech { self.hear_tones(cx, heard, buffer) } else { heard };
        self.wants.receives.then_some(Heard { hurries, ..heard })
    }

    /// Checks where a packet comes from, opens it, and reads it.
    fn open_rtp(&mut self, now: Instant, from: SocketAddr, packet: &mut [u8]) -> Option<Heard> {
        let (formats, pictures) = (&self.formats, self.pictures.as_deref());
        let sound = |number: u8| formats.iter().find(|f| f.payload_type == number);
        let is_negotiated = |number: u8| sound(number).is_some() || Leg::bundles(pictures, number);
        let length = self.link.open_rtp(now, from, packet, is_negotiated)?;
        let parsed = Packet::parse(packet.get(..length)?)?;
        let fields = parsed.fields();
        let content = match sound(fields.payload_type) {
            Some(format) => format.content,
            None if Leg::bundles(pictures, fields.payload_type) => Content::Picture,
            None => {
                self.link.refusal = Some(Refusal::PayloadType(fields.payload_type));
                return None;
            }
        };
        let range = parsed.payload_range();
        Some(Heard { fields, content, start: range.start, end: range.end, hurries: false })
    }

    /// Takes an RTCP compound that came on one of its links, on the port of RTCP if it is `for_rtcp`.
    pub fn receive_rtcp(
        &mut self,
        cx: &mut Context,
        of_pictures: bool,
        for_rtcp: bool,
        from: SocketAddr,
        packet: &mut [u8],
    ) {
        if of_pictures {
            return self.receive_picture_rtcp(cx, for_rtcp, from, packet);
        }
        let compound = match self.link.open_rtcp(cx, for_rtcp, from, packet) {
            Ok(compound) => compound,
            Err(refusal) => return cx.tally.refused(refusal),
        };
        self.control.hear(cx.now, cx.wall, self.track.ssrc(), &mut self.hearing, compound);
        if let (Some(fraction), Some(speaking)) = (self.control.take_fraction_lost(), &mut self.speaking) {
            speaking.heed_loss(fraction);
        }
        self.heed_pictures(cx, compound);
    }

    /// Takes a DTLS datagram that came on one of its links, on the port of RTCP if it is `for_rtcp`.
    pub fn receive_dtls(
        &mut self,
        cx: &mut Context,
        of_pictures: bool,
        for_rtcp: bool,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        let Some(link) = self.link_mut(of_pictures) else { return };
        let was_open = link.seal.is_open();
        if link.receive_dtls(cx, for_rtcp, from, datagram) {
            if !was_open && link.seal.is_open() {
                cx.tally.handshake(true);
            }
            self.settle(cx);
        }
    }

    /// Takes a STUN message for one of its links, on the port of RTCP if it is `for_rtcp`; returns whether it was that
    /// link's.
    pub fn receive_stun(
        &mut self,
        cx: &mut Context,
        of_pictures: bool,
        for_rtcp: bool,
        from: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let taken = self.link_mut(of_pictures).is_some_and(|link| link.receive_stun(cx, for_rtcp, from, datagram));
        if taken {
            self.settle(cx);
        }
        taken
    }

    pub(super) fn tell_digits(&mut self, cx: &mut Context) {
        let (call, leg) = (self.call, self.id);
        while let Some(key) = self.hearing.keys().poll_key() {
            cx.events.push_back(news_of(call, leg, key));
        }
    }
}

/// What is told of a key.
pub(super) fn news_of(call: CallId, leg: LegId, key: Key) -> RelayEvent {
    match key {
        Key::Pressed(digit) => RelayEvent::Pressed { call, leg, digit },
        Key::Released(Dtmf { digit, duration }) => RelayEvent::Dtmf { call, leg, digit, duration },
    }
}
