//! One who listens: what comes in waits for its time and is decoded, what is missing is made up.
//!
//! ```text
//!  packets ─▶ queue ─▶ decode, make up what is missing ─▶ samples ─▶ a frame each tick
//!            20 to 200 ms                                  one rate
//! ```
//!
//! The delay finds its length by itself. Whenever a packet is needed that has not come, something is made up
//! in its place, and if it comes late it is played all the same: the delay has grown by what was made up.
//! Where for [`WATCHED`] there was always more than was needed, twenty milliseconds are folded into the next:
//! the delay has shrunk. So it follows the network, and the drift of the sender's clock too.

use std::time::{Duration, Instant};

use super::conceal::Concealer;
use super::queue::Queue;
use crate::media::codec::noise::{Noise, Room};
use crate::media::codec::{Decoder, FRAME_MS, MAX_PACKET_MS, Speech};
use crate::rtp::Fields;

/// How long the first packet of a source waits: so late may those after it be.
pub const FIRST_DELAY: Duration = Duration::from_millis(30);

/// Nothing waits longer than that.
pub const LONGEST_DELAY_MS: u32 = 200;

/// What must have been left over all the time for the delay to shrink: a packet, and half of one to spare.
const LEFT_OVER_MS: u32 = 30;

/// For so many packets the delay is watched before it shrinks.
pub const WATCHED: u32 = 100;

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
    samples: Vec<i16>,
    frame: Vec<i16>,
    left_over: u32,
    watched: u32,
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
            samples: Vec::with_capacity(most as usize),
            frame: Vec::with_capacity((FRAME_MS * rate_hz / 1000) as usize),
            left_over: u32::MAX,
            watched: 0,
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
                let begins = now + FIRST_DELAY;
                Source { ssrc: fields.ssrc, clock_hz, due: fields.timestamp, made_up: 0, begins }
            }
        };
        self.source = Some(source);
        if (fields.timestamp.wrapping_add(duration).wrapping_sub(source.due) as i32) > 0 {
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
        self.watch_anew();
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
        }
    }

    /// Makes the frame that is due at `at`: [`Listening::frame`] then gives it. To be called once each
    /// [`FRAME_MS`].
    pub fn fill(&mut self, at: Instant) {
        let length = (FRAME_MS * self.per_ms()) as usize;
        let most_left = (LEFT_OVER_MS * self.per_ms()).max(length as u32);
        let folds = self.watched >= WATCHED && self.left_over >= most_left;
        let wanted = if folds { 2 * length } else { length };
        while self.samples.len() < wanted {
            self.fetch(at, wanted - self.samples.len());
        }
        self.frame.clear();
        self.frame.extend_from_slice(&self.samples[..length]);
        if folds {
            let second = &self.samples[length..wanted];
            for (n, (first, second)) in self.frame.iter_mut().zip(second).enumerate() {
                let weight = n as f32 / length as f32;
                *first = (f32::from(*first) * (1.0 - weight) + f32::from(*second) * weight) as i16;
            }
        }
        self.samples.drain(..wanted);
        if folds || self.watched >= WATCHED {
            self.watch_anew();
        }
        self.watch();
    }

    fn watch(&mut self) {
        self.left_over = self.left_over.min(self.waiting());
        self.watched += 1;
    }

    /// Samples that are there already, decoded or not.
    fn waiting(&self) -> u32 {
        let waiting = |s: Source| self.samples_of(self.queue.span(s.due).saturating_sub(s.made_up), s.clock_hz);
        self.source.map_or(0, waiting) + self.samples.len() as u32
    }

    fn watch_anew(&mut self) {
        self.left_over = u32::MAX;
        self.watched = 0;
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
        let rate_hz = u64::from(self.rate_hz);
        if let Some(source) = &mut self.source {
            let ticks = (samples as u64 * u64::from(source.clock_hz)).div_ceil(rate_hz);
            source.made_up = source.made_up.saturating_add(ticks as u32);
        }
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
        } else if first.speech == Speech::Opus {
            // Its decoder joins what it made up with what follows by itself.
            self.concealer.skip(&self.samples[before..]);
        } else {
            self.concealer.hear(&mut self.samples[before..]);
        }
        self.last = at;
        self.fades_ms = if first.payload.len() <= ROOM_PACKET { ROOM_FADES_MS } else { VOICE_FADES_MS };
        self.queue.put_back(first);
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
        let decoder = self.last.and_then(|at| self.decoders.get_mut(at)).filter(|_| made_up < self.fades_ms);
        if decoder.is_some_and(|decoder| decoder.conceal(samples, &mut self.samples)) {
            self.concealer.skip(&self.samples[before..]);
        } else {
            self.concealer.make_up(samples, &mut self.samples);
        }
    }
}
