//! Frames that become packets as long as the peer wants them.

use std::time::{Duration, Instant};

use super::Target;
use super::pace::FRAME;
use crate::media::codec::{Encoder, Speech};

/// The shortest and the longest packets that are made, in milliseconds.
pub const SHORTEST_MS: u32 = 10;
/// See [`SHORTEST_MS`].
pub const LONGEST_MS: u32 = 60;

/// The least loss in percent that an encoder reckons with from the first loss on: the next burst is not announced.
const LEAST_LOSS: u8 = 3;

/// The most: beyond it repetitions take more from the voice than they save.
const MOST_LOSS: u8 = 25;

/// The length of packets for a peer that wants so much in one (RFC 8866 §6.4): in steps that the format has, and
/// rather less than more.
pub fn packet_ms(speech: Speech, wanted: Option<Duration>) -> u32 {
    let wanted = wanted.map_or(FRAME.as_millis(), |wanted| wanted.as_millis()) as u32;
    let whole = (wanted / SHORTEST_MS * SHORTEST_MS).clamp(SHORTEST_MS, LONGEST_MS);
    match (speech, whole) {
        // RFC 6716 §2.1.4 has no frames of 30 and 50 ms.
        (Speech::Opus, 30 | 50) => whole - 10,
        _ => whole,
    }
}

/// An encoder and the samples that wait until there are enough for a packet.
pub struct Packing {
    encoder: Option<Encoder>,
    rate_hz: u32,
    count: usize,
    step: Duration,
    waiting: Vec<i16>,
    /// The time of the first sample that waits.
    since: Option<Instant>,
    packet: Vec<i16>,
    expected_loss: Option<u8>,
}

impl Packing {
    /// For what is encoded for a peer.
    pub fn new(target: &Target) -> Packing {
        let count = (target.packet_ms * target.rate_hz / 1000) as usize;
        Packing {
            encoder: Encoder::trying(target.speech, target.rate_hz, target.parameters.as_deref(), target.effort),
            rate_hz: target.rate_hz,
            count,
            step: Duration::from_millis(target.packet_ms.into()),
            waiting: Vec::with_capacity(count + (target.rate_hz / 50) as usize),
            since: None,
            packet: Vec::with_capacity(count),
            expected_loss: None,
        }
    }

    /// Adds the frame of the tick at `at`. What waits from before a stall is dropped.
    pub fn add(&mut self, at: Instant, frame: &[i16]) {
        let waited = Duration::from_secs(1) * self.waiting.len() as u32 / self.rate_hz.max(1);
        if self.since.is_none_or(|since| at.saturating_duration_since(since) > waited + FRAME / 2) {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            self.since = Some(at);
        }
        self.waiting.extend_from_slice(frame);
    }

    /// The time of the next whole packet, which [`Packing::encode`] then encodes; `None` if there are not enough
    /// samples for one.
    pub fn next_packet(&mut self) -> Option<Instant> {
        let samples = self.waiting.get(..self.count)?;
        self.packet.clear();
        self.packet.extend_from_slice(samples);
        self.waiting.drain(..self.count);
        let at = self.since?;
        self.since = Some(at + self.step);
        Some(at)
    }

    /// Encodes the packet; returns its length in `out`. `None` in silence that needs none.
    pub fn encode(&mut self, out: &mut [u8]) -> Option<usize> {
        self.encoder.as_mut()?.encode(&self.packet, out)
    }

    /// Forgets what waits.
    pub fn rest(&mut self) {
        self.waiting.clear();
        self.since = None;
    }

    /// The peer reports that it missed so much lately, in 256ths (RFC 3550 §6.4.1). The encoder reckons with more at
    /// once, and with less bit by bit.
    pub fn heed_loss(&mut self, fraction: u8) {
        let percent = (u32::from(fraction) * 100).div_ceil(256) as u8;
        let before = self.expected_loss.unwrap_or(0);
        let expected = percent.max(before / 2).clamp(LEAST_LOSS, MOST_LOSS);
        if self.expected_loss.replace(expected) != Some(expected)
            && let Some(encoder) = &mut self.encoder
        {
            encoder.expect_loss(expected);
        }
    }

    /// The loss in percent that the encoder reckons with, once the peer has reported.
    pub fn expected_loss(&self) -> Option<u8> {
        self.expected_loss
    }
}
