//! The pictures of a leg: a second stream beside the sound, on the sound's link or on one of its own. They pass as they
//! are; what is our own are their numbers and their RTCP. Packets that are lost on either side of the relay are sent again
//! on that side alone, under the numbers that they have there.
//!
//! A whole picture is asked for whenever one who sees could show nothing otherwise: when it begins to see, when the
//! source does not go on from what it saw before, and when it says so.

mod asking;
mod control;
mod darkness;
mod estimate;
mod feedback;
mod legs;
mod lossy;
mod missing;
mod resend;
mod send_time;

pub use asking::REFRESH_INTERVAL;
pub use missing::{MAX_ASKED, MAX_MISSING, REORDERING};
pub use resend::MAX_AGAIN;

use std::time::{Duration, Instant};

use self::asking::Asking;
use self::estimate::{Taking, Telling};
use self::feedback::Feedback;
use self::lossy::Lossy;
use self::missing::{Came, Missing};
use self::resend::Resend;
use self::send_time::SendTime;
use super::Context;
use super::control::Control;
use super::hearing::Hearing;
use super::inward::Heard;
use super::link::Link;
use super::refusal::Refusals;
use super::track::Track;
use super::watch::Watch;
use crate::base::LegId;
use crate::media::bridge::pictures::{picture_formats, picture_routes};
use crate::media::bridge::{Format, Routes};
use crate::media::shard::Outgoing;
use crate::model::{Codec, GraphVideo, RemoteEnd, VideoStats};
use crate::rtp::Fields;
use crate::rtp::packet::FIXED_HEADER;

/// The RTP clock of all pictures (RFC 3551 §5).
const CLOCK_HZ: u32 = 90_000;

/// The mean time between our reports: who sends pictures goes by them, and cannot wait as long as who speaks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What one who sees wants of the one who shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// A whole picture.
    pub refresh: bool,
    /// No more than so many bits a second, from here on.
    pub most: Option<u64>,
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
    missing: Missing,
    /// Room for the numbers of packets that are asked for.
    lost: Vec<u16>,
    resend: Resend,
    /// What tells the peer when each packet left, if it wants that.
    send_time: Option<SendTime>,
    lossy: Lossy,
    taking: Taking,
    telling: Telling,
    wanted: u64,
    wish: Wish,
    /// The shard has not been told yet that there is something to do.
    is_due: bool,
    source: Option<u32>,
    watch: Watch,
    /// Pictures came in, since then, that were told to be missing.
    seen_again: Option<Instant>,
    /// What was turned away on a link of their own.
    refusals: Option<Box<Refusals>>,
    /// The legs that see this one, by their places in the shard.
    viewers: Vec<usize>,
    /// The first of them.
    viewer: Option<LegId>,
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
            missing: Missing::default(),
            lost: Vec::new(),
            resend: Resend::default(),
            send_time: None,
            lossy: Lossy::default(),
            taking: Taking::default(),
            telling: Telling::default(),
            wanted: 0,
            wish: Wish::default(),
            is_due: false,
            source: None,
            watch: Watch::default(),
            seen_again: None,
            refusals: None,
            viewers: Vec::new(),
            viewer: None,
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
        if self.send_time.map(SendTime::id) != video.send_time {
            self.send_time = video.send_time.map(|id| SendTime::new(now, id));
        }
        self.taking.describe(video.limit_kbps);
        self.watch.expect(now, video.expected);
        is_new || changed
    }

    /// They are there no more; their identity stays.
    fn vanish(&mut self) {
        self.is_there = false;
        self.watch = Watch::default();
        (self.sends, self.receives, self.sees) = (false, false, None);
        (self.remote, self.source) = (None, None);
        self.taking = Taking::default();
        self.missing.forget();
        self.resend.forget();
        self.lossy.forget();
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
        self.note_seen(now);
        if self.source != Some(heard.fields.ssrc) {
            self.source = Some(heard.fields.ssrc);
            self.is_due = true;
        }
        self.note_missing(now, heard.fields);
        self.receives.then_some(heard)
    }

    /// Looks for what did not come before a packet, to ask for it again.
    fn note_missing(&mut self, now: Instant, fields: Fields) {
        let Some(viewer) = self.viewer.filter(|_| self.receives && self.feedback.nack) else {
            return self.missing.forget();
        };
        match self.missing.hear(now, fields.ssrc, fields.sequence) {
            Came::InOrder => return,
            Came::WithGap => {}
            Came::WithLeap => self.asking.want(now, viewer),
        }
        self.is_due = true;
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
        let payload = heard.end - heard.start;
        let send_time = self.send_time.filter(|_| SendTime::fits(payload));
        let header = FIXED_HEADER + send_time.map_or(0, |_| send_time::LENGTH);
        let start = make_room(heard, header, buffer)?;
        let packet = buffer.get_mut(start..)?;
        fields.write_new(packet);
        if let Some(send_time) = send_time {
            send_time.write(now, packet);
        }
        let length = link.seal.protect_rtp(packet, header + payload).ok()?;
        self.track.count(payload);
        if let Some(packet) = packet.get(..length).filter(|_| self.feedback.nack) {
            self.resend.keep(now, fields.sequence, packet);
        }
        Some(Outgoing { socket: link.wires.rtp, to, start, end: start + length })
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
            asked_again: self.missing.asked(),
            sent_again: self.resend.count(),
            refreshes_asked: self.asking.asked(),
            refreshes_wanted: self.wanted,
        }
    }
}

/// Where a packet with a header of this length begins: before the payload that was heard, which is moved back if the header
/// that it came with was shorter.
fn make_room(heard: &Heard, header: usize, buffer: &mut [u8]) -> Option<usize> {
    if let Some(start) = heard.start.checked_sub(header) {
        return Some(start);
    }
    let start = heard.start.checked_sub(FIXED_HEADER)?;
    let more = header - FIXED_HEADER;
    let place = buffer.get_mut(heard.start..heard.end + more)?;
    place.copy_within(..heard.end - heard.start, more);
    Some(start)
}
