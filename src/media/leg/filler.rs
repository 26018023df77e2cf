//! What goes out of a leg while nothing is heard: the noise of a room, so that a peer that takes a silent line for a
//! dead one stays, and nobody thinks the call is over.
//!
//! While packets flow there is nothing to do but to note when the last one went: the deadline moves only when it is
//! there. What just stops may be late, and where nothing was heard yet a transport may still be coming up: neither is
//! filled at once, for a relay that is behind would be further behind with frames of noise in place of what is late. A
//! peer that has agreed to comfort noise (RFC 3389) is told of the silence now and then, and so is one that
//! hears Opus, whose decoder makes up a room by itself; any other gets frames of noise.

use std::time::{Duration, Instant};

use super::frame::Frame;
use super::inward::Heard;
use super::{Context, Leg};
use crate::media::bridge::Content;
use crate::media::bridge::transcode::packing::packet_ms;
use crate::media::codec::noise::{Noise, Room};
use crate::media::codec::{Encoder, Speech};
use crate::model::RemoteEnd;

/// A pause in what is heard that is filled, though nobody said that there would be one.
pub const GAP: Duration = Duration::from_millis(300);

/// How long nothing may be heard before the first word: ICE and DTLS of the other side may take so long.
pub const FIRST_GAP: Duration = Duration::from_secs(4);

/// Frames of noise that are later than this are left out.
const LATE: Duration = Duration::from_millis(100);

/// Between two words on a silence that needs no frames: as often as Opus says that it goes on (RFC 7587 §3.1.3).
pub const WORD: Duration = Duration::from_millis(400);

/// A frame of Opus of 20 ms in which there is nothing.
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What a leg needs for filling pauses.
#[derive(Default)]
pub(super) struct Filler {
    /// Every pause is to be filled.
    is_wanted: bool,
    /// The source said that it is silent: this pause is to be filled, however long it is.
    is_quiet: bool,
    /// When a packet went out last, or could have.
    last: Option<Instant>,
    /// Something of the other side has gone out.
    has_passed: bool,
    /// The payload type that speech went out with last.
    payload_type: Option<u8>,
    room: Option<Room>,
    filling: Option<Box<Filling>>,
    /// The shard has not been told yet that there is something to do.
    has_begun: bool,
}

/// A pause that is being filled.
struct Filling {
    payload_type: u8,
    clock_hz: u32,
    next: Instant,
    step: Duration,
    goes_on: bool,
    fill: Fill,
}

enum Fill {
    /// Frames of noise.
    Frames { noise: Noise, encoder: Encoder, samples: Vec<i16>, count: usize },
    /// The same packet now and then.
    Words { payload: [u8; 3], length: usize },
}

impl Fill {
    /// The payload of the packet that is due, written to `out`; its length.
    fn write(&mut self, out: &mut [u8]) -> Option<usize> {
        match self {
            Fill::Frames { noise, encoder, samples, count } => {
                samples.clear();
                noise.fill(*count, samples);
                encoder.encode(samples, out)
            }
            Fill::Words { payload, length } => {
                let words = payload.get(..*length)?;
                out.get_mut(..*length)?.copy_from_slice(words);
                Some(*length)
            }
        }
    }
}

impl Filling {
    /// How to fill a pause for a peer that takes these formats, and was sent this one.
    fn new(now: Instant, last: Instant, remote: &RemoteEnd, used: Option<u8>, room: Room) -> Option<Filling> {
        let taken = &remote.codecs;
        let speech = |c: &crate::model::Codec| Some((c.payload_type, Speech::of(c)?));
        let in_use = taken.iter().find(|c| Some(c.payload_type) == used).and_then(speech);
        let (payload_type, speech) = in_use.or_else(|| taken.iter().find_map(speech))?;
        let clock_hz = speech.clock_hz();
        let noise = taken.iter().find(|c| c.is_comfort_noise() && c.clock_hz == clock_hz);
        if noise.is_none() && speech != Speech::Opus {
            let rate_hz = speech.rate_hz()?;
            let encoder = Encoder::new(speech, rate_hz, None)?;
            let packet_ms = packet_ms(speech, remote.ptime);
            let (count, step) = ((packet_ms * rate_hz / 1000) as usize, Duration::from_millis(packet_ms.into()));
            let fill = Fill::Frames { noise: Noise::new(room), encoder, samples: Vec::with_capacity(count), count };
            return Some(Filling { payload_type, clock_hz, next: now, step, goes_on: false, fill });
        }
        let [level] = room.payload();
        let (payload_type, payload, length) = match noise {
            Some(noise) => (noise.payload_type, [level, 0, 0], 1),
            None => (payload_type, OPUS_SILENCE, OPUS_SILENCE.len()),
        };
        let fill = Fill::Words { payload, length };
        Some(Filling { payload_type, clock_hz, next: last + WORD, step: WORD, goes_on: true, fill })
    }

    fn set(&mut self, room: Room) {
        match &mut self.fill {
            Fill::Frames { noise, .. } => noise.set(room),
            Fill::Words { .. } => {}
        }
    }

    /// Moves on to the next packet; what a late thread missed is left out.
    fn advance(&mut self, now: Instant) {
        self.next += self.step;
        if self.next + LATE < now {
            self.next = now + self.step;
        }
    }
}

impl Filler {
    /// Whether every pause from here on is to be filled.
    pub(super) fn want(&mut self, now: Instant, is_wanted: bool) {
        if is_wanted && !self.is_wanted {
            self.last = Some(self.last.map_or(now, |last| last.max(now)));
        }
        self.is_wanted = is_wanted;
    }

    /// Speech goes out.
    pub(super) fn passed(&mut self, now: Instant, payload_type: u8) {
        self.payload_type = Some(payload_type);
        self.is_quiet = false;
        self.pass(now);
    }

    /// Something of the other side goes out: there is no pause.
    fn pass(&mut self, now: Instant) {
        // The deadline is nearer from here on.
        self.has_begun |= !std::mem::replace(&mut self.has_passed, true);
        self.put_off(now);
    }

    /// There is no pause to be filled.
    fn put_off(&mut self, now: Instant) {
        self.last = Some(now);
        self.filling = None;
    }

    /// What comes after this is heard from another, or said otherwise.
    pub(super) fn restart(&mut self) {
        (self.is_quiet, self.room, self.filling) = (false, None, None);
    }

    /// The source is silent in such a room.
    fn quiet(&mut self, now: Instant, room: Room) {
        self.room = Some(room);
        match &mut self.filling {
            Some(filling) => filling.set(room),
            None if !self.is_quiet => {
                (self.is_quiet, self.has_begun, self.has_passed) = (true, true, true);
                // Its packet stands for the frame that would have been here.
                self.last = now.checked_sub(GAP);
            }
            None => {}
        }
    }

    /// Whether it has begun since the last call of this, so that the deadline of the leg is another.
    pub(super) fn take_begun(&mut self) -> bool {
        std::mem::take(&mut self.has_begun)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let since = self.last.filter(|_| self.is_wanted || self.is_quiet)?;
        let gap = if self.has_passed { GAP } else { FIRST_GAP };
        Some(self.filling.as_ref().map_or(since + gap, |filling| filling.next))
    }
}

impl Leg {
    /// A packet is passed on.
    pub(super) fn note_passed(&mut self, now: Instant, heard: &Heard, payload_type: u8, buffer: &[u8]) {
        match heard.content {
            Content::Speech => self.filler.passed(now, payload_type),
            Content::Noise => {
                self.filler.room = buffer.get(heard.start..heard.end).and_then(Room::read);
                self.filler.pass(now);
            }
            Content::Events | Content::Other => self.filler.pass(now),
            Content::Picture => {}
        }
    }

    /// Takes the noise of a room that is to go out as speech.
    pub(super) fn hear_noise(&mut self, now: Instant, heard: &Heard, buffer: &[u8]) {
        self.track.skip(heard.fields);
        let Some(room) = buffer.get(heard.start..heard.end).and_then(Room::read) else { return };
        if self.is_speaking() {
            self.quieten(heard.fields, room);
        } else {
            self.filler.quiet(now, room);
        }
    }

    /// Fills the pause that is there, if one is.
    pub(super) fn fill(&mut self, cx: &mut Context) {
        if self.filler.poll_timeout().is_none_or(|at| cx.now < at) {
            return;
        }
        if self.is_speaking() {
            return self.filler.pass(cx.now);
        }
        let Some(to) = self.target().filter(|_| !self.is_keying()) else {
            return self.filler.put_off(cx.now);
        };
        let Some(remote) = &self.remote else { return self.filler.put_off(cx.now) };
        let (last, used) = (self.filler.last.unwrap_or(cx.now), self.filler.payload_type);
        let room = self.filler.room.unwrap_or(Room::QUIET);
        let begin = || Filling::new(cx.now, last, remote, used, room).map(Box::new);
        let Some(mut filling) = self.filler.filling.take().or_else(begin) else {
            return self.filler.put_off(cx.now);
        };
        while filling.next <= cx.now {
            let Filling { next, payload_type, clock_hz, fill, goes_on, .. } = &mut *filling;
            let frame = Frame { at: *next, payload_type: *payload_type, clock_hz: *clock_hz };
            self.send_frame(cx.outbox, to, frame, goes_on, |place| fill.write(place));
            filling.advance(cx.now);
        }
        self.filler.filling = Some(filling);
        // Where another format is to fill the same pause, it goes on from here and not from where the pause began.
        self.filler.last = Some(cx.now);
    }
}
