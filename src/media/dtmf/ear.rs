//! Listens for keys in the packets of one leg.

use std::time::{Duration, Instant};

use super::detect::{Detector, RATE_HZ};
use crate::media::codec::{Decoder, MAX_PACKET_MS, Speech};
use crate::rtp::Fields;
use crate::rtp::event::Key;

/// A key during which nothing comes for so long is over.
const SILENCE_LIMIT: Duration = Duration::from_millis(300);
/// Packets that may be missing in a row before what is heard counts as another beginning.
const MOST_MISSING: u16 = 5;

/// Where the source stands.
#[derive(Debug, Clone, Copy)]
struct Source {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    at: Instant,
}

/// An ear for the tones of a keypad: decodes what comes in, in its order and without waiting for what is late.
#[derive(Default)]
pub struct Ear {
    decoder: Option<Decoder>,
    source: Option<Source>,
    samples: Vec<i16>,
    detector: Detector,
}

impl Ear {
    /// Takes a packet of speech; what keys did in it is given to `told`. `speech` says the format of its payload type.
    pub fn hear(
        &mut self,
        now: Instant,
        fields: Fields,
        payload: &[u8],
        speech: impl FnOnce() -> Option<Speech>,
        mut told: impl FnMut(Key),
    ) {
        let known = self.source.filter(|s| s.payload_type == fields.payload_type && s.ssrc == fields.ssrc);
        let missing = known.map(|s| fields.sequence.wrapping_sub(s.sequence).wrapping_sub(1));
        match missing {
            // Late, or a repetition.
            Some(missing) if missing > i16::MAX as u16 => return,
            Some(missing) if missing <= MOST_MISSING => {}
            _ => self.end().into_iter().for_each(&mut told),
        }
        if known.is_none() {
            self.decoder = speech().and_then(|speech| Decoder::new(speech, RATE_HZ));
        }
        let Fields { payload_type, ssrc, sequence, .. } = fields;
        self.source = Some(Source { payload_type, ssrc, sequence, at: now });
        let Some(decoder) = &mut self.decoder else { return };
        self.samples.clear();
        if !decoder.decode(payload, &mut self.samples) {
            return;
        }
        // What was lost was as long as what came, and is silence here.
        let lost = missing.filter(|missing| *missing <= MOST_MISSING).map_or(0, usize::from);
        let silence = [0; (MAX_PACKET_MS * RATE_HZ / 1000) as usize];
        for _ in 0..lost {
            self.detector.hear(silence.get(..self.samples.len()).unwrap_or(&silence), &mut told);
        }
        self.detector.hear(&self.samples, &mut told);
    }

    /// Whether what was heard last is the tone of a key, or may be the beginning of one.
    pub fn is_sounding(&self) -> bool {
        self.detector.is_sounding() || self.detector.is_suspected()
    }

    /// When [`Ear::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.source.filter(|_| self.detector.is_pressed()).map(|s| s.at + SILENCE_LIMIT)
    }

    /// Nothing came for long: a key that was down is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Key> {
        if self.poll_timeout().is_some_and(|at| at <= now) { self.end() } else { None }
    }

    /// What was heard goes on no more.
    pub fn end(&mut self) -> Option<Key> {
        self.source = None;
        self.detector.end()
    }
}
