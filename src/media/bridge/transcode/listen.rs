//! One who listens: what comes in waits for its time and is decoded, what is missing is made up.
//!
//! ```text
//!  packets ─▶ queue ─▶ decode, make up what is missing ─▶ samples ─▶ a frame each tick
//!            20 to 200 ms                                  one rate
//! ```
//!
//! The delay finds its length by itself. Whenever a packet is needed that has not come, something is made up
//! in its place, and if it comes late it is played all the same: the delay has grown by what was made up.
//! Where packets were always nearly late, or always much too early, a period or more of the voice is put in or taken out
//! ([`adapt`](super::adapt)). So the delay follows the network, and the difference of the sender's clock and ours too.

use std::time::{Duration, Instant};

use super::adapt::Adapt;
use super::conceal::Concealer;
use super::pace::FRAME;
use super::queue::Queue;
use crate::media::codec::noise::{Noise, Room};
use crate::media::codec::{Decoder, FRAME_MS, MAX_PACKET_MS, Speech};
use crate::rtp::Fields;

/// How long the first packet of a source waits: so late may those after it be.
pub const FIRST_DELAY: Duration = Duration::from_millis(30);

/// Nothing waits longer than that.
pub const LONGEST_DELAY_MS: u32 = 200;

/// A timestamp so far from what is due is another beginning.
const LEAP_MS: u32 = 2000;

/// A gap longer than that is no loss but a pause, which nothing is made up for in advance.
const LONGEST_LOSS_MS: u32 = 120;

/// After so much that a decoder made up of a voice it fades away.
const VOICE_FADES_MS: u32 = 120;

/// The same of the noise of a room, which a sender that is silent describes anew each 400 ms.
const ROOM_FADES_MS: u32 = 500;

/// Packets of Opus up to this many octets describe the noise of a room.
const ROOM_PACKET: usize = 8;

/// The source that is heard.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    clock_hz: u32,
    /// The timestamp that is due.
    due: u32,
    /// What was made up beyond it, in units of its clock.
    made_up: u32,
    /// Before this it is not begun with.
    begins: Instant,
}

/// From whatever one source at a time sends to frames of samples of one rate.
pub struct Listening {
    rate_hz: u32,
    decoders: Vec<Decoder>,
    /// Which of the decoders made the samples that were heard last.
    last: Option<usize>,
    /// For how long it may go on without packets.
    fades_ms: u32,
    queue: Queue,
    source: Option<Source>,
    concealer: Concealer,
    /// From this timestamp on the source is silent.
    silent_from: Option<u32>,
    /// What is heard then.
    noise: Option<Noise>,
    /// What is heard while packets of Opus that describe a room are missing.
    room: Option<Noise>,
    samples: Vec<i16>,
    frame: Vec<i16>,
    /// When the last frame was due.
    filled: Option<Instant>,
    adapt: Adapt,
    figures: Figures,
}

/// What was done to what came in, in samples but for packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Made up for what was not there in time.
    pub made_up: u64,
    /// Packets that were dropped because more waited than may.
    pub dropped: u64,
    /// Put in to make the delay longer.
    pub put_in: u64,
    /// Taken out to make it shorter.
    pub taken_out: u64,
}

impl Listening {
    /// One that has heard nothing yet, for samples of `rate_hz`: 8000, 16000 or 48000.
    pub fn new(rate_hz: u32) -> Listening {
        let most = (MAX_PACKET_MS + LONGEST_DELAY_MS) * rate_hz / 1000;
        Listening {
            rate_hz,
            decoders: Vec::new(),
            last: None,
            fades_ms: VOICE_FADES_MS,
            queue: Queue::default(),
            source: None,
            concealer: Concealer::new(rate_hz),
            silent_from: None,
            noise: None,
            room: None,
            samples: Vec::with_capacity(most as usize),
            frame: Vec::with_capacity((FRAME_MS * rate_hz / 1000) as usize),
            filled: None,
            adapt: Adapt::default(),
            figures: Figures::default(),
        }
    }

    /// Takes a packet of the source; `false` if it is no packet of this format.
    pub fn hear(&mut self, now: Instant, speech: Speech, fields: Fields, payload: &[u8]) -> bool {
        let Some(duration) = speech.duration(payload) else { return false };
        let clock_hz = speech.clock_hz();
        let leap = (LEAP_MS * (clock_hz / 1000)) as i32;
        let goes_on = |s: &Source| {
            let ahead = fields.timestamp.wrapping_sub(s.due) as i32;
            s.ssrc == fields.ssrc && s.clock_hz == clock_hz && (-leap..leap).contains(&ahead)
        };
        let source = match self.source.filter(goes_on) {
            Some(source) => source,
            None => {
                self.queue.clear();
                self.silent_from = None;
                self.adapt.watch_anew();
                let begins = now + FIRST_DELAY;
                Source { ssrc: fields.ssrc, clock_hz, due: fields.timestamp, made_up: 0, begins }
            }
        };
        self.source = Some(source);
        if (fields.timestamp.wrapping_add(duration).wrapping_sub(source.due) as i32) > 0 {
            self.note_arrival(now, source, fields.timestamp);
            self.queue.insert(speech, fields.timestamp, duration, payload);
            self.drop_what_is_too_old();
        }
        true
    }

    /// Takes a packet of the source that says how its silence sounds.
    pub fn hear_noise(&mut self, fields: Fields, room: Room) {
        if self.source.is_some_and(|source| source.ssrc == fields.ssrc) {
            self.silent_from = Some(fields.timestamp);
            self.noise.get_or_insert_with(|| Noise::new(room)).set(room);
        }
    }

    /// Forgets the source and what waits of it.
    pub fn rest(&mut self) {
        self.source = None;
        self.silent_from = None;
        self.queue.clear();
        self.samples.clear();
        self.adapt.watch_anew();
    }

    /// What was done so far to what came in.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// The frame made last: [`FRAME_MS`] of samples.
    pub fn frame(&self) -> &[i16] {
        &self.frame
    }

    /// How much there is that is not in a frame yet, in milliseconds.
    pub fn waits_ms(&self) -> u32 {
        self.waiting() / self.per_ms()
    }

    fn per_ms(&self) -> u32 {
        self.rate_hz / 1000
    }

    /// Units of a clock as samples.
    fn samples_of(&self, ticks: u32, clock_hz: u32) -> u32 {
        (u64::from(ticks) * u64::from(self.rate_hz) / u64::from(clock_hz)) as u32
    }

    /// Samples as units of a clock.
    fn ticks_of(&self, samples: usize, clock_hz: u32) -> u32 {
        (samples as u64 * u64::from(clock_hz)).div_ceil(u64::from(self.rate_hz)) as u32
    }

    fn drop_what_is_too_old(&mut self) {
        let Some(source) = &mut self.source else { return };
        let most = LONGEST_DELAY_MS * (source.clock_hz / 1000);
        // A pause before the first is no delay.
        while let Some(first) = self.queue.first()
            && self.queue.span(first.timestamp) > most
        {
            source.due = first.end();
            source.made_up = 0;
            self.queue.drop_first();
            self.figures.dropped += 1;
            self.adapt.watch_anew();
        }
    }

    /// How much earlier than it is needed does a packet come that begins with this timestamp?
    fn note_arrival(&mut self, now: Instant, source: Source, timestamp: u32) {
        let Some(next) = self.filled.filter(|at| *at >= source.begins).map(|at| at + FRAME) else { return };
        let before = self.ticks_of(self.samples.len(), source.clock_hz);
        let next_needed = source.due.wrapping_add(source.made_up).wrapping_sub(before);
        let ahead = timestamp.wrapping_sub(next_needed) as i32;
        let Ok(ahead) = u32::try_from(ahead) else {
            // It is played all the same, so the delay has grown.
            return self.adapt.watch_anew();
        };
        let needed = next + FRAME * (ahead / (FRAME_MS * (source.clock_hz / 1000)));
        self.adapt.note(needed.saturating_duration_since(now));
    }

    /// Makes the frame that is due at `at`: [`Listening::frame`] then gives it. To be called once each
    /// [`FRAME_MS`].
    pub fn fill(&mut self, at: Instant) {
        let length = (FRAME_MS * self.per_ms()) as usize;
        self.adapt(at);
        while self.samples.len() < length {
            self.fetch(at, length - self.samples.len());
        }
        self.frame.clear();
        self.frame.extend_from_slice(&self.samples[..length]);
        self.samples.drain(..length);
        self.adapt.hear(&self.frame);
        self.filled = Some(at);
    }

    /// Puts time in or takes some out, if that is advised and can be done here.
    fn adapt(&mut self, at: Instant) {
        let Some(wanted) = self.adapt.wants(self.rate_hz) else { return };
        while self.samples.len() < wanted && self.is_next_there() {
            self.fetch(at, wanted - self.samples.len());
        }
        let (put_in, taken_out) = self.adapt.act(&self.frame, &mut self.samples, self.rate_hz);
        self.figures.put_in += put_in as u64;
        self.figures.taken_out += taken_out as u64;
    }

    /// Whether the packet whose turn it is has come, and nothing is to be made up before it.
    fn is_next_there(&self) -> bool {
        let gap = |s: Source| self.queue.first().map(|first| first.timestamp.wrapping_sub(s.due) as i32);
        self.source.and_then(gap).is_some_and(|gap| gap <= 0)
    }

    /// Samples that are there already, decoded or not.
    fn waiting(&self) -> u32 {
        let waiting = |s: Source| self.samples_of(self.queue.span(s.due).saturating_sub(s.made_up), s.clock_hz);
        self.source.map_or(0, waiting) + self.samples.len() as u32
    }

    /// Adds samples: of the packet whose turn it is, or made up ones, of which `lacking` are needed at least.
    fn fetch(&mut self, at: Instant, lacking: usize) {
        let Some(source) = self.source.filter(|s| at >= s.begins) else { return self.make_up(lacking) };
        let Some(first) = self.queue.first() else {
            let made = self.make_up_in_steps(lacking);
            return self.note_made_up(made);
        };
        let gap = (first.timestamp.wrapping_sub(source.due) as i32).max(0) as u32;
        let owed = gap.saturating_sub(source.made_up);
        let is_pause = owed > LONGEST_LOSS_MS * (source.clock_hz / 1000);
        if owed == 0 || is_pause {
            return self.play_first();
        }
        let repeated = first.duration;
        let owed_samples = self.samples_of(owed, source.clock_hz) as usize;
        if owed == repeated && self.recover_before_first(owed_samples) {
            return self.note_made_up(owed_samples);
        }
        let before_repeated = self.samples_of(owed.saturating_sub(repeated), source.clock_hz) as usize;
        let step = if before_repeated > 0 { before_repeated } else { owed_samples };
        let made = self.make_up_in_steps(step.min((FRAME_MS * self.per_ms()) as usize).max(1));
        self.note_made_up(made);
    }

    fn note_made_up(&mut self, samples: usize) {
        self.figures.made_up += samples as u64;
        let Some(source) = self.source else { return };
        let ticks = self.ticks_of(samples, source.clock_hz);
        self.source = Some(Source { made_up: source.made_up.saturating_add(ticks), ..source });
    }

    fn play_first(&mut self) {
        let Some(first) = self.queue.take() else { return };
        self.silent_from.take_if(|from| (first.timestamp.wrapping_sub(*from) as i32) > 0);
        if let Some(source) = &mut self.source {
            source.due = first.end();
            source.made_up = 0;
        }
        let before = self.samples.len();
        let at = self.decoder(first.speech);
        let decoded = at.and_then(|at| self.decoders.get_mut(at));
        let is_good = decoded.is_some_and(|decoder| decoder.decode(&first.payload, &mut self.samples));
        if !is_good {
            let lost = self.samples_of(first.duration, first.speech.clock_hz()) as usize;
            self.make_up(lost.max(1));
        } else {
            // What its decoder made up for, it joins with what follows by itself, and there is nothing to be mended.
            self.concealer.hear(&mut self.samples[before..]);
            let is_room = first.speech == Speech::Opus && first.payload.len() <= ROOM_PACKET;
            self.heed_room(is_room, before);
        }
        self.last = at;
        self.queue.put_back(first);
    }

    /// The samples from there on are those of a room in which nobody speaks, or are not.
    fn heed_room(&mut self, is_room: bool, from: usize) {
        self.fades_ms = if is_room { ROOM_FADES_MS } else { VOICE_FADES_MS };
        if !is_room {
            return self.room = None;
        }
        let room = Room::like(self.samples.get(from..).unwrap_or_default());
        self.room.get_or_insert_with(|| Noise::new(room)).set(room);
    }

    /// The place of the decoder for a format.
    fn decoder(&mut self, speech: Speech) -> Option<usize> {
        let known = self.decoders.iter().position(|decoder| decoder.speech() == speech);
        known.or_else(|| {
            self.decoders.push(Decoder::new(speech, self.rate_hz)?);
            Some(self.decoders.len() - 1)
        })
    }

    fn recover_before_first(&mut self, samples: usize) -> bool {
        let before = self.samples.len();
        let Some(first) = self.queue.first() else { return false };
        let Some(decoder) = self.last.and_then(|at| self.decoders.get_mut(at)) else { return false };
        let is_good = decoder.speech() == first.speech && decoder.recover(&first.payload, samples, &mut self.samples);
        if is_good {
            self.concealer.skip(&self.samples[before..]);
        }
        is_good
    }

    /// Makes up samples in whole steps of 2.5 ms, which decoders want; returns how many.
    fn make_up_in_steps(&mut self, lacking: usize) -> usize {
        let step = (self.rate_hz / 400) as usize;
        let samples = lacking.div_ceil(step) * step;
        self.make_up(samples);
        samples
    }

    fn make_up(&mut self, samples: usize) {
        let before = self.samples.len();
        if let Some(noise) = self.noise.as_mut().filter(|_| self.silent_from.is_some()) {
            noise.fill(samples, &mut self.samples);
            return self.concealer.skip(&self.samples[before..]);
        }
        let made_up = self.source.map_or(u32::MAX, |s| s.made_up / (s.clock_hz / 1000));
        let goes_on = made_up < self.fades_ms;
        let decoder = self.last.and_then(|at| self.decoders.get_mut(at)).filter(|_| goes_on);
        if decoder.is_some_and(|decoder| decoder.conceal(samples, &mut self.samples)) {
            self.concealer.skip(&self.samples[before..]);
        } else if let Some(room) = self.room.as_mut().filter(|_| goes_on) {
            room.fill(samples, &mut self.samples);
            self.concealer.skip(&self.samples[before..]);
        } else {
            self.concealer.make_up(samples, &mut self.samples);
        }
    }
}
