//! The RTCP of pictures: what the peer says of those that it sees, and what it is told of those that it shows.

use std::time::Instant;

use super::asking::Request;
use super::lossy::Sent;
use super::{CLOCK_HZ, Pictures, Wish};
use crate::base::LegId;
use crate::media::leg::Context;
use crate::media::leg::link::Link;
use crate::media::outbox::MAX_DATAGRAM;
use crate::rtp::rtcp::{self, Bound, Bounds, Rtcp, Words, Writer, asked_for, entries_for};

/// Octets of headers before the payload of a packet of pictures, as a bound counts them: IPv4, UDP and RTP.
const OVERHEAD: u16 = 20 + 8 + 12;

/// Packets that go out again for one packet of RTCP.
pub const MAX_AT_ONCE: usize = 256;

impl Pictures {
    /// Heeds an RTCP compound of the peer.
    pub(super) fn heed(&mut self, cx: &mut Context, link: &mut Link, cname: &str, compound: &[u8]) {
        self.control.hear(cx.now, cx.wall, self.track.ssrc(), &mut self.hearing, compound);
        self.heed_loss(cx.now);
        for packet in rtcp::read(compound) {
            match packet {
                // There is one stream of pictures that they can be about, and some phones name another.
                Rtcp::PictureLoss { .. } | Rtcp::FullIntra { .. } => {
                    self.wanted += 1;
                    self.wish.refresh = true;
                }
                Rtcp::Nack { media, lost } if media == self.track.ssrc() => self.send_again(cx, link, lost),
                Rtcp::MaximumBitrate { bits_per_second } if self.feedback.remb => {
                    self.taking.hear(bits_per_second);
                    self.wish.most = self.taking.most();
                }
                Rtcp::BoundRequest { sender, bounds } if self.feedback.tmmbr => {
                    self.be_bound(cx, link, cname, sender, bounds);
                }
                _ => {}
            }
        }
    }

    /// Takes in what the peer's report says of loss, if one came.
    fn heed_loss(&mut self, now: Instant) {
        let Some(fraction_lost) = self.control.take_fraction_lost() else { return };
        let (packets, octets) = self.track.counts();
        self.lossy.hear(now, fraction_lost, Sent { packets, octets, asked: self.resend.asked() });
        if self.taking.lose(self.lossy.most()) {
            self.wish.most = self.taking.most();
        }
    }

    /// Takes in a request of the peer, and tells it by what the pictures are bound: each request is answered (RFC 5104
    /// §4.2.2).
    fn be_bound(&mut self, cx: &mut Context, link: &mut Link, cname: &str, asker: u32, bounds: Bounds<'_>) {
        let ours = self.track.ssrc();
        let Some(asked) = bounds.filter(|bound| bound.ssrc == ours).min_by_key(|bound| bound.bits_per_second) else {
            return;
        };
        let bits_per_second = self.taking.hear_request(asked.bits_per_second);
        self.wish.most = self.taking.most();
        let bound = Bound { ssrc: asker, bits_per_second, ..asked };
        self.compound(cx, link, cname, |writer, ours| writer.bound_notice(ours, bound));
    }

    /// Sends what is still there of the packets that the peer misses. What did not come here either is asked for by the
    /// leg that it should have come in on, and passes when it comes.
    fn send_again(&mut self, cx: &mut Context, link: &Link, lost: Words<'_>) {
        let Some(to) = link.target().filter(|_| self.sends) else { return };
        for sequence in asked_for(lost).take(MAX_AT_ONCE) {
            if let Some(packet) = self.resend.again(cx.now, sequence) {
                let mut buffer = cx.outbox.buffer();
                buffer.extend_from_slice(packet);
                cx.outbox.push(link.wires.rtp, to, buffer);
            }
        }
    }

    /// What the peer wants of the one who shows, since it was asked before.
    pub(super) fn take_wish(&mut self) -> Option<Wish> {
        Some(std::mem::take(&mut self.wish)).filter(|wish| *wish != Wish::default())
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let is_heard = self.source.is_some();
        let asking = self.asking.poll_timeout(self.feedback, is_heard);
        let telling = self.telling.poll_timeout().filter(|_| self.feedback.can_bound() && is_heard);
        let others = [asking, telling, self.missing.poll_timeout()];
        others.into_iter().flatten().fold(self.control.poll_timeout(), Instant::min)
    }

    /// Sends the RTCP that is due; returns the leg for which the call is to ask for a whole picture.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context, link: &mut Link, cname: &str) -> Option<LegId> {
        self.report(cx, link, cname);
        self.ask_again(cx, link, cname);
        if self.feedback.can_bound()
            && self.source.is_some()
            && let Some(most) = self.telling.take(cx.now)
        {
            let by_estimate = self.feedback.remb;
            self.say(cx, link, cname, |writer, ours, source| match by_estimate {
                true => writer.maximum_bitrate(ours, most, &[source]),
                false => writer.bound_request(ours, Bound { ssrc: source, bits_per_second: most, overhead: OVERHEAD }),
            });
        }
        match self.asking.take(cx.now, self.feedback, self.source.is_some())? {
            Request::Call(viewer) => return Some(viewer),
            Request::Pli => self.say(cx, link, cname, |writer, ours, source| writer.picture_loss(ours, source)),
            Request::Fir(number) => {
                self.say(cx, link, cname, |writer, ours, source| writer.full_intra(ours, source, number));
            }
        }
        None
    }

    /// Asks for the packets that did not come, or for a whole picture in their place.
    fn ask_again(&mut self, cx: &mut Context, link: &mut Link, cname: &str) {
        let mut lost = std::mem::take(&mut self.lost);
        lost.clear();
        let has_given_up = self.missing.ask(cx.now, self.control.round_trip(), &mut lost);
        if let Some(viewer) = self.viewer.filter(|_| has_given_up) {
            self.asking.want(cx.now, viewer);
        }
        if !lost.is_empty() {
            self.say(cx, link, cname, |writer, ours, source| {
                writer.nack(ours, source, entries_for(lost.iter().copied()))
            });
        }
        self.lost = lost;
    }

    fn report(&mut self, cx: &mut Context, link: &mut Link, cname: &str) {
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let (track, hearing) = (&self.track, &mut self.hearing);
        let length = self.control.next_report(cx.now, cx.dice, cx.wall, track, CLOCK_HZ, hearing, cname, &mut buffer);
        match length {
            Some(length) => link.send_rtcp(cx, buffer, length),
            None => cx.outbox.put_back(buffer),
        }
    }

    /// Sends a compound with feedback to the source that is heard: ours is the first number, its the second.
    fn say(
        &mut self,
        cx: &mut Context,
        link: &mut Link,
        cname: &str,
        write: impl FnOnce(&mut Writer, u32, u32) -> bool,
    ) {
        let Some(source) = self.source else { return };
        self.compound(cx, link, cname, |writer, ours| write(writer, ours, source));
    }

    /// Sends a compound with feedback: ours is the number.
    fn compound(
        &mut self,
        cx: &mut Context,
        link: &mut Link,
        cname: &str,
        write: impl FnOnce(&mut Writer, u32) -> bool,
    ) {
        let ours = self.track.ssrc();
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let mut writer = Writer::new(&mut buffer);
        writer.report(ours, None, &[]);
        writer.canonical_name(ours, cname);
        write(&mut writer, ours);
        let length = writer.length();
        link.send_rtcp(cx, buffer, length);
    }

    pub(super) fn say_goodbye(&mut self, cx: &mut Context, link: &mut Link, cname: &str) {
        if self.track.counts().0 == 0 {
            return;
        }
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let length = self.control.goodbye(&self.track, cname, &mut buffer);
        link.send_rtcp(cx, buffer, length);
    }
}
