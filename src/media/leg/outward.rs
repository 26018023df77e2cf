//! What goes out of a leg.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::inward::Heard;
use super::{Context, Leg};
use crate::media::bridge::{Change, Content, Route};
use crate::media::outbox::MAX_DATAGRAM;
use crate::media::shard::Outgoing;
use crate::rtp::Fields;
use crate::rtp::event::PAYLOAD;
use crate::rtp::packet::FIXED_HEADER;

/// Room for a packet of our own: header, payload and the longest tag.
const OWN_PACKET: usize = FIXED_HEADER + PAYLOAD + 32;

impl Leg {
    /// Passes on a packet that was heard on another leg (or this one), changed in place. `None` if it cannot
    /// go out, or not yet: see [`Leg::has_begun_to_speak`].
    pub fn send_rtp(&mut self, now: Instant, heard: &Heard, buffer: &mut [u8]) -> Option<Outgoing> {
        if heard.content == Content::Picture {
            return self.send_picture(now, heard, buffer);
        }
        let Some(to) = self.target() else {
            self.track.break_off();
            self.stop_speaking();
            return None;
        };
        let Some(route) = self.routes.find(heard.fields.payload_type).copied() else {
            self.track.skip(heard.fields);
            return None;
        };
        if self.is_spoken_over && heard.content != Content::Events {
            return None;
        }
        if let Change::Transcode(speech) = route.change {
            // Its numbers are not those that go out: speech that is passed on after it begins by the clock.
            self.track.break_off();
            self.hear_speech(now, speech, heard, buffer, route);
            return None;
        }
        if route.change == Change::Noise {
            self.hear_noise(now, heard, buffer);
            return None;
        }
        if heard.content == Content::Speech {
            self.stop_speaking();
        }
        if self.is_keying() {
            return None;
        }
        if heard.content == Content::Events && self.is_speaking() {
            return self.pass_event_amid_speech(now, heard, route, to, buffer);
        }
        if let Change::EventClock { .. } = route.change {
            let event = (heard.fields.ssrc, heard.fields.timestamp);
            if self.passing_event != Some(event) {
                self.passing_event = Some(event);
                self.track.break_off();
            }
        }
        let fields = self.track.pass(now, heard.fields, route.to, route.clock_hz)?;
        self.note_passed(now, heard, route.to, buffer);
        self.send_changed(fields, heard, route, to, buffer)
    }

    /// Where packets go, if any may.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.link.target().filter(|_| self.wants.sends)
    }

    /// Changes what was heard as its route wants it and puts our header before it.
    pub(super) fn send_changed(
        &mut self,
        fields: Fields,
        heard: &Heard,
        route: Route,
        to: SocketAddr,
        buffer: &mut [u8],
    ) -> Option<Outgoing> {
        let start = heard.start.checked_sub(FIXED_HEADER)?;
        route.change.apply(buffer.get_mut(heard.start..heard.end)?);
        let packet = buffer.get_mut(start..)?;
        fields.write_new(packet);
        let length = self.link.seal.protect_rtp(packet, heard.end - start).ok()?;
        self.clock_hz = route.clock_hz;
        self.track.count(heard.end - heard.start);
        Some(Outgoing { socket: self.link.wires.rtp, to, start, end: start + length })
    }

    /// Queues a digit, as a tone if that is wanted; `false` if it is none, too many wait, or the peer cannot be told.
    pub fn press(&mut self, now: Instant, digit: char, duration: Duration) -> bool {
        if self.says_tones() {
            return self.press_tone(now, digit, duration);
        }
        self.event_format.is_some() && self.keypad.press(now, digit, duration)
    }

    /// Does what is due; the shard calls it at [`Leg::poll_timeout`].
    pub fn handle_timeout(&mut self, cx: &mut Context) {
        self.quality.note(cx.now, &self.hearing);
        if cx.now < self.poll_timeout() {
            // What was due has been put off, as the end of a pause is by each packet.
            return;
        }
        self.link.handle_timeout(cx.now);
        self.link.tell_arrivals(cx, self.track.ssrc(), &self.cname);
        if self.hearing.poll_timeout().is_some_and(|at| cx.now >= at) {
            self.hearing.keys().handle_timeout(cx.now);
            self.tell_digits(cx);
        }
        self.wake_tones(cx);
        self.handle_picture_timeout(cx);
        self.settle(cx);
        self.speak(cx);
        self.fill(cx);
        self.play_digits(cx);
        self.report(cx);
        self.look(cx);
        self.look_at_pictures(cx);
    }

    /// When [`Leg::handle_timeout`] should be called next.
    pub fn poll_timeout(&mut self) -> Instant {
        let watch = self.watch.poll_timeout(self.last_life(), self.patience());
        let speech = self.speaking.as_ref().and_then(|s| s.poll_timeout());
        let filler = self.filler.poll_timeout();
        let keys = [self.hearing.poll_timeout(), self.keypad.poll_timeout(), self.tones.poll_timeout()];
        let links = [self.link.poll_timeout(), self.poll_picture_timeout()];
        let others = [watch, speech, filler].into_iter().chain(links).chain(keys);
        others.flatten().fold(self.control.poll_timeout(), Instant::min)
    }

    fn play_digits(&mut self, cx: &mut Context) {
        // A key that nothing can be told of as it begins is not told of later, and moves no timestamps by its own clock.
        let to = self.target();
        let (track, format) = (&mut self.track, self.event_format.filter(|_| to.is_some()));
        let due = self.keypad.next_packet(cx.now, || {
            let format = format?;
            Some((format, track.timestamp_now(cx.now, format.clock_hz)))
        });
        let (Some(due), Some(to)) = (due, to) else { return };
        let fields = Fields {
            marker: due.marker,
            payload_type: due.payload_type,
            sequence: self.track.next_sequence(),
            timestamp: due.timestamp,
            ssrc: self.track.ssrc(),
        };
        let mut buffer = cx.outbox.buffer();
        buffer.resize(OWN_PACKET, 0);
        fields.write_new(&mut buffer);
        if let Some(place) = buffer.get_mut(FIXED_HEADER..FIXED_HEADER + PAYLOAD) {
            place.copy_from_slice(&due.event.to_bytes());
        }
        match self.link.seal.protect_rtp(&mut buffer, FIXED_HEADER + PAYLOAD) {
            Ok(length) => {
                buffer.truncate(length);
                self.track.count(PAYLOAD);
                cx.outbox.push(self.link.wires.rtp, to, buffer);
            }
            Err(_) => cx.outbox.put_back(buffer),
        }
    }

    fn report(&mut self, cx: &mut Context) {
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let length = self.control.next_report(
            cx.now,
            cx.dice,
            cx.wall,
            &self.track,
            self.clock_hz,
            &mut self.hearing,
            &self.cname,
            &mut buffer,
        );
        match length {
            Some(length) => self.link.send_rtcp(cx, buffer, length),
            None => cx.outbox.put_back(buffer),
        }
    }

    pub(super) fn say_goodbye(&mut self, cx: &mut Context) {
        if self.track.counts().0 == 0 {
            return;
        }
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let length = self.control.goodbye(&self.track, &self.cname, &mut buffer);
        self.link.send_rtcp(cx, buffer, length);
    }
}
