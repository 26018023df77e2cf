//! The pictures of a leg: a second stream beside the sound, on the sound's link or on one of its own. They pass as they
//! are; what is our own are their numbers and their RTCP.
//!
//! A whole picture is asked for whenever one who sees could show nothing otherwise: when it begins to see, when the
//! source does not go on from what it saw before, and when it says so.

mod asking;
mod feedback;
mod legs;

pub use asking::REFRESH_INTERVAL;

use std::time::{Duration, Instant};

use self::asking::{Asking, Request};
use self::feedback::Feedback;
use super::Context;
use super::control::Control;
use super::hearing::Hearing;
use super::inward::Heard;
use super::link::Link;
use super::track::Track;
use crate::base::LegId;
use crate::media::bridge::pictures::{picture_formats, picture_routes};
use crate::media::bridge::{Format, Routes};
use crate::media::outbox::MAX_DATAGRAM;
use crate::media::shard::Outgoing;
use crate::model::{Codec, GraphVideo, RemoteEnd, VideoStats};
use crate::rtp::packet::FIXED_HEADER;
use crate::rtp::rtcp::{self, Rtcp, Writer};

/// The RTP clock of all pictures (RFC 3551 §5).
const CLOCK_HZ: u32 = 90_000;

/// The mean time between our reports: who sends pictures goes by them, and cannot wait as long as who speaks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What one who sees wants of the one who shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// A whole picture.
    pub refresh: bool,
}

/// The pictures of one leg. They keep their identity while the leg lives, also when they vanish and come back.
pub struct Pictures {
    is_there: bool,
    bundled: bool,
    sends: bool,
    receives: bool,
    sees: Option<LegId>,
    remote: Option<RemoteEnd>,
    codecs: Vec<Codec>,
    formats: Vec<Format>,
    routes: Routes,
    hearing: Hearing,
    track: Track,
    control: Control,
    feedback: Feedback,
    asking: Asking,
    wanted: u64,
    wish: Wish,
    /// The shard has not been told yet that there is something to do.
    is_due: bool,
    source: Option<u32>,
    /// The legs that see this one, by their places in the shard.
    viewers: Vec<usize>,
    /// The place of the leg that is seen here.
    seen: Option<usize>,
}

impl Pictures {
    fn new(cx: &mut Context) -> Pictures {
        Pictures {
            is_there: false,
            bundled: true,
            sends: false,
            receives: false,
            sees: None,
            remote: None,
            codecs: Vec::new(),
            formats: Vec::new(),
            routes: Routes::default(),
            hearing: Hearing::default(),
            track: Track::new(cx.dice.u32(), cx.dice.u32() as u16, cx.dice.u32()).of_pictures(),
            control: Control::new(cx.now, cx.dice).every(INTERVAL),
            feedback: Feedback::default(),
            asking: Asking::default(),
            wanted: 0,
            wish: Wish::default(),
            is_due: false,
            source: None,
            viewers: Vec::new(),
            seen: None,
        }
    }

    /// Makes them as the graph wants them; returns whether our own end should be told (anew).
    fn apply(&mut self, now: Instant, id: LegId, video: &GraphVideo) -> bool {
        let is_new = !std::mem::replace(&mut self.is_there, true) || self.bundled != video.bundled;
        self.bundled = video.bundled;
        if self.codecs != video.codecs {
            self.codecs.clone_from(&video.codecs);
            self.formats = picture_formats(&self.codecs);
            self.hearing.forget_speech();
        }
        let changed = video.remote.is_some() && (is_new || video.remote != self.remote);
        if changed {
            self.remote.clone_from(&video.remote);
            self.feedback = self.remote.as_ref().map(|remote| Feedback::of(&remote.codecs)).unwrap_or_default();
        }
        if (video.sends, video.sees) != (self.sends, self.sees) || is_new {
            self.track.break_off();
        }
        if video.receives && !self.receives && self.source.is_some() {
            self.asking.want(now, id);
        }
        (self.sends, self.receives, self.sees) = (video.sends, video.receives, video.sees);
        is_new || changed
    }

    /// They are there no more; their identity stays.
    fn vanish(&mut self) {
        self.is_there = false;
        (self.sends, self.receives, self.sees) = (false, false, None);
        (self.remote, self.source) = (None, None);
        self.track.break_off();
    }

    /// The ways from the leg that is seen here to this leg's peer.
    fn connect_to(&mut self, seen: Option<usize>, shown: &[Codec]) {
        let taken = self.remote.as_ref().map_or(&[][..], |remote| &remote.codecs);
        let routes = picture_routes(shown, taken);
        if routes != self.routes || seen != self.seen {
            self.routes = routes;
            self.seen = seen;
            self.track.break_off();
        }
    }

    fn format(&self, payload_type: u8) -> Option<&Format> {
        self.formats.iter().find(|format| format.payload_type == payload_type)
    }

    /// Takes a packet that was opened; `None` if it is not wanted.
    fn take(&mut self, now: Instant, heard: Heard, payload: &[u8]) -> Option<Heard> {
        let format = *self.format(heard.fields.payload_type)?;
        self.hearing.hear(now, heard.fields, &format, payload);
        if self.source != Some(heard.fields.ssrc) {
            self.source = Some(heard.fields.ssrc);
            self.is_due = true;
        }
        self.receives.then_some(heard)
    }

    /// Passes on a packet of the pictures that are seen, changed in place.
    fn send(&mut self, now: Instant, link: &mut Link, heard: &Heard, buffer: &mut [u8]) -> Option<Outgoing> {
        let Some(to) = link.target().filter(|_| self.sends) else {
            self.track.break_off();
            return None;
        };
        // What is empty only fills the network on the other side.
        let route = self.routes.find(heard.fields.payload_type).filter(|_| heard.start < heard.end);
        let Some(route) = route.copied() else {
            self.track.skip(heard.fields);
            return None;
        };
        let starts = self.track.starts();
        let fields = self.track.pass(now, heard.fields, route.to, route.clock_hz)?;
        self.wish.refresh |= self.track.starts() != starts;
        let start = heard.start.checked_sub(FIXED_HEADER)?;
        let packet = buffer.get_mut(start..)?;
        fields.write_new(packet);
        let length = link.seal.protect_rtp(packet, heard.end - start).ok()?;
        self.track.count(heard.end - heard.start);
        Some(Outgoing { socket: link.wires.rtp, to, start, end: start + length })
    }

    /// Heeds an RTCP compound of the peer.
    fn heed(&mut self, cx: &Context, compound: &[u8]) {
        self.control.hear(cx.now, cx.wall, self.track.ssrc(), &mut self.hearing, compound);
        for packet in rtcp::read(compound) {
            // There is one stream of pictures that they can be about, and some phones name another.
            if let Rtcp::PictureLoss { .. } | Rtcp::FullIntra { .. } = packet {
                self.wanted += 1;
                self.wish.refresh = true;
            }
        }
    }

    /// What the peer wants of the one who shows, since it was asked before.
    fn take_wish(&mut self) -> Option<Wish> {
        Some(std::mem::take(&mut self.wish)).filter(|wish| *wish != Wish::default())
    }

    fn poll_timeout(&self) -> Instant {
        let asking = self.asking.poll_timeout(self.feedback, self.source.is_some());
        asking.into_iter().fold(self.control.poll_timeout(), Instant::min)
    }

    /// Sends the RTCP that is due; returns the leg for which the call is to ask for a whole picture.
    fn handle_timeout(&mut self, cx: &mut Context, link: &mut Link, cname: &str) -> Option<LegId> {
        self.report(cx, link, cname);
        match self.asking.take(cx.now, self.feedback, self.source.is_some())? {
            Request::Call(viewer) => return Some(viewer),
            Request::Pli => self.say(cx, link, cname, |writer, ours, source| writer.picture_loss(ours, source)),
            Request::Fir(number) => {
                self.say(cx, link, cname, |writer, ours, source| writer.full_intra(ours, source, number));
            }
        }
        None
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
        let (ours, Some(source)) = (self.track.ssrc(), self.source) else { return };
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let mut writer = Writer::new(&mut buffer);
        writer.report(ours, None, &[]);
        writer.canonical_name(ours, cname);
        write(&mut writer, ours, source);
        let length = writer.length();
        link.send_rtcp(cx, buffer, length);
    }

    fn say_goodbye(&mut self, cx: &mut Context, link: &mut Link, cname: &str) {
        if self.track.counts().0 == 0 {
            return;
        }
        let mut buffer = cx.outbox.buffer();
        buffer.resize(MAX_DATAGRAM, 0);
        let length = self.control.goodbye(&self.track, cname, &mut buffer);
        link.send_rtcp(cx, buffer, length);
    }

    fn stats(&self) -> VideoStats {
        let (packets_in, bytes_in) = self.hearing.counts();
        let (packets_out, bytes_out) = self.track.counts();
        VideoStats {
            codec: self.hearing.speech().and_then(|index| self.codecs.get(index)).map(|c| c.name.clone()),
            packets_in,
            bytes_in,
            packets_out,
            bytes_out,
            lost_in: self.hearing.lost(),
            lost_out: self.control.lost_out(),
            refreshes_asked: self.asking.asked(),
            refreshes_wanted: self.wanted,
        }
    }
}
