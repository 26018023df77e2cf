//! Ears that listen along: each hears what comes in on two legs, and what it hears goes to a file or a WebSocket.
//!
//! ```text
//!  packets of the caller ─▶ listening ─▶ left  ┐
//!                                              ├─▶ frames of 20 ms ─▶ blocks ─▶ the driver
//!  packets of the callee ─▶ listening ─▶ right ┘
//! ```
//!
//! A shard only decodes and counts the time; files and WebSockets are the driver's, which never keeps a shard waiting:
//! what it cannot take in time is lost, and is silence in the file.

mod ear;
pub mod file;
pub mod rate;
mod voice;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use slab::Slab;

pub use self::ear::{Block, CHANNELS, Ear, FRAME_SAMPLES, RATE_HZ};
use self::voice::Voice;
pub use self::voice::{LINGERS, Turn};
use super::codec::Speech;
use super::sound::Mouth;
use crate::base::{CallId, LegId};
use crate::model::{Codec, EarFigures, Tap, TapEnd, TapId, TapWord};
use crate::rtp::Fields;

/// Frames in a block for a file: it need not hurry.
pub const FRAMES_FOR_FILE: usize = 10;

/// Ears that one call may have.
pub const MAX_TAPS_OF_CALL: usize = 8;

/// The name of an ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TapKey {
    /// Its call.
    pub call: CallId,
    /// Its number in it.
    pub tap: TapId,
}

/// What ears tell the driver.
#[derive(Debug, Clone)]
pub enum TapNews {
    /// There is one more, and what is said into these mouths the parties hear, the left one and the right one.
    Opened(TapKey, TapEnd, [Mouth; CHANNELS]),
    /// It heard something.
    Block(TapKey, Block),
    /// It is told something, about the party of this channel.
    Word(TapKey, Option<usize>, TapWord),
    /// It hears no more.
    Closed(TapKey),
}

/// An ear and whom it hears.
struct Entry {
    key: TapKey,
    ear: Ear,
    legs: [Option<LegId>; CHANNELS],
    /// What is said to each of them, if there is somebody to say it.
    mouths: Option<[Mouth; CHANNELS]>,
    formats: [Vec<(u8, Speech)>; CHANNELS],
    /// Whether the leg of a channel hears the other one; `None`: it is not there yet.
    hears_other: [Option<bool>; CHANNELS],
    /// What a fork says to each of the two.
    voices: [Option<Voice>; CHANNELS],
}

/// The ears of a shard.
#[derive(Default)]
pub struct Ears {
    entries: Slab<Entry>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    news: VecDeque<TapNews>,
    turns: VecDeque<(CallId, LegId, Turn)>,
    /// Ears that were ever opened: those of files, those of WebSockets.
    begun: (u64, u64),
}

impl Ears {
    /// Brings the ears of a call to what its graph wants: those that are not wanted any more close, others open.
    pub fn apply(&mut self, now: Instant, call: CallId, wanted: &[Tap]) {
        let wanted = wanted.get(..MAX_TAPS_OF_CALL).unwrap_or(wanted);
        let is_unwanted = |e: &Entry| e.key.call == call && !wanted.iter().any(|tap| tap.id == e.key.tap);
        let gone: Vec<usize> = self.entries.iter().filter(|(_, e)| is_unwanted(e)).map(|(place, _)| place).collect();
        gone.into_iter().for_each(|place| self.close(place));
        for tap in wanted {
            let key = TapKey { call, tap: tap.id };
            let known = self.entries.iter_mut().find(|(_, entry)| entry.key == key);
            match known {
                Some((_, entry)) => entry.hear_others(tap.legs),
                None => self.open(now, key, tap),
            }
        }
    }

    fn open(&mut self, now: Instant, key: TapKey, tap: &Tap) {
        let frames = match &tap.to {
            TapEnd::File { .. } => FRAMES_FOR_FILE,
            TapEnd::WebSocket { .. } => 1,
        };
        let mouths: [Mouth; CHANNELS] = Default::default();
        let speaks = matches!(tap.to, TapEnd::WebSocket { .. });
        *if speaks { &mut self.begun.1 } else { &mut self.begun.0 } += 1;
        let voices = mouths.each_ref().map(|mouth| if speaks { Voice::new(mouth) } else { None });
        self.news.push_back(TapNews::Opened(key, tap.to.clone(), mouths.clone()));
        let ear = Ear::new(now, frames);
        let due = ear.poll_timeout();
        let mouths = speaks.then_some(mouths);
        let (formats, hears_other) = Default::default();
        let place = self.entries.insert(Entry { key, ear, legs: tap.legs, mouths, formats, hears_other, voices });
        self.timers.extend(due.map(|at| Reverse((at, place))));
    }

    fn close(&mut self, place: usize) {
        let Some(entry) = self.entries.try_remove(place) else { return };
        self.timers.retain(|Reverse((_, other))| *other != place);
        self.news.extend(entry.ear.finish().map(|block| TapNews::Block(entry.key, block)));
        self.news.push_back(TapNews::Closed(entry.key));
        for leg in entry.legs.into_iter().flatten().filter(|_| entry.voices.iter().any(Option::is_some)) {
            self.turns.push_back((entry.key.call, leg, Turn::Ends));
        }
    }

    /// How many there are and were: those of files, those of WebSockets.
    pub fn figures(&self) -> (EarFigures, EarFigures) {
        let forks = self.entries.iter().filter(|(_, entry)| entry.mouths.is_some()).count();
        let figures = |now: usize, begun| EarFigures { now: now as u64, begun };
        (figures(self.entries.len() - forks, self.begun.0), figures(forks, self.begun.1))
    }

    /// Tells the end of an ear something.
    pub fn tell(&mut self, call: CallId, tap: TapId, word: TapWord) {
        let key = TapKey { call, tap };
        let Some((_, entry)) = self.entries.iter().find(|(_, entry)| entry.key == key) else { return };
        let channel = match word {
            TapWord::Digit { leg, .. } => entry.legs.iter().position(|heard| *heard == Some(leg)),
            TapWord::Over(_) => None,
        };
        self.news.push_back(TapNews::Word(key, channel, word));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The ears of a call that hear a leg: their places, and the channel that is the leg's.
    pub fn hearing(&self, call: CallId, leg: LegId) -> impl Iterator<Item = (usize, usize)> {
        let channel = move |e: &Entry| e.legs.iter().position(|heard| *heard == Some(leg));
        let of_call = self.entries.iter().filter(move |(_, entry)| entry.key.call == call);
        of_call.filter_map(move |(place, entry)| Some((place, channel(entry)?)))
    }

    /// Where that which is said to each channel is put, if the ear is of somebody who can speak.
    pub fn mouths(&self, key: TapKey) -> Option<&[Mouth; CHANNELS]> {
        self.entries.iter().find(|(_, entry)| entry.key == key).and_then(|(_, entry)| entry.mouths.as_ref())
    }

    /// What the leg of a channel may send, and whether it hears the other one; `None`: it says by itself what the fork says.
    pub fn expect(&mut self, place: usize, channel: usize, codecs: &[Codec], hears_other: bool) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        if let Some(hears) = entry.hears_other.get_mut(channel) {
            *hears = Some(hears_other);
        }
        if let Some(formats) = entry.formats.get_mut(channel) {
            formats.clear();
            formats.extend(codecs.iter().filter_map(|codec| Some((codec.payload_type, Speech::of(codec)?))));
        }
    }

    /// Takes a packet for a channel of an ear.
    pub fn hear(&mut self, now: Instant, place: usize, channel: usize, fields: Fields, payload: &[u8]) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let speech = entry.formats.get(channel).and_then(|formats| {
            formats.iter().find(|(payload_type, _)| *payload_type == fields.payload_type).map(|(_, speech)| *speech)
        });
        if let Some(speech) = speech {
            entry.ear.hear(now, channel, speech, fields, payload);
        }
    }

    /// When [`Ears::handle_timeout`] should be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Hears what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(Reverse((_, place))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let Some(entry) = self.entries.get_mut(place) else { continue };
            self.news.extend(entry.ear.tick(now).map(|block| TapNews::Block(entry.key, block)));
            self.turns.extend(entry.speak());
            self.timers.extend(entry.ear.poll_timeout().map(|at| Reverse((at, place))));
        }
    }

    /// The next change of what a leg hears of a fork.
    pub fn poll_turn(&mut self) -> Option<(CallId, LegId, Turn)> {
        self.turns.pop_front()
    }

    /// The next thing to tell the driver.
    pub fn poll_news(&mut self) -> Option<TapNews> {
        self.news.pop_front()
    }
}

impl Entry {
    /// Says to each party what the fork says, mixed with the frame that was just heard of the other.
    fn speak(&mut self) -> impl Iterator<Item = (CallId, LegId, Turn)> {
        let call = self.key.call;
        let mut turns = [None, None];
        for (channel, (turn, voice)) in turns.iter_mut().zip(&mut self.voices).enumerate() {
            let Some(is_heard) = self.hears_other.get(channel).copied().flatten() else { continue };
            let other = is_heard.then(|| self.ear.frame(CHANNELS - 1 - channel));
            let leg = self.legs.get(channel).copied().flatten();
            let mixed = voice.as_mut().and_then(|voice| voice.mix(other));
            *turn = mixed.zip(leg).map(|(turn, leg)| (call, leg, turn));
        }
        turns.into_iter().flatten()
    }

    fn hear_others(&mut self, legs: [Option<LegId>; CHANNELS]) {
        for channel in 0..CHANNELS {
            if self.legs.get(channel) != legs.get(channel) {
                self.ear.forget(channel);
            }
        }
        self.legs = legs;
    }
}

#[cfg(test)]
mod tests;
