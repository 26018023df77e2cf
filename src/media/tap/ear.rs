//! One ear: what two parties say, each on a channel of its own, in step with one clock.

use std::time::Instant;

use crate::media::bridge::{FRAME, Listening, Pace};
use crate::media::codec::{FRAME_MS, Speech};
use crate::rtp::Fields;

/// The rate of what is heard: all that a voice needs.
pub const RATE_HZ: u32 = 16_000;

/// Samples of one channel in a frame.
pub const FRAME_SAMPLES: usize = (FRAME_MS * RATE_HZ / 1000) as usize;

/// The left one and the right one.
pub const CHANNELS: usize = 2;

/// Some frames of both channels, one right after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The number of the first frame, counted from the beginning of the ear: it tells the time, also where blocks
    /// before it were lost.
    pub frame: u64,
    /// Left, right, left, right.
    pub samples: Vec<i16>,
}

/// Hears two parties.
pub struct Ear {
    began: Instant,
    pace: Pace,
    channels: [Listening; CHANNELS],
    frames_a_block: usize,
    block: Option<Block>,
}

impl Ear {
    /// One that hears from `now` on, and gives its samples in blocks of so many frames.
    pub fn new(now: Instant, frames_a_block: usize) -> Ear {
        let mut pace = Pace::default();
        pace.begin(now + FRAME);
        let channels = [Listening::new(RATE_HZ), Listening::new(RATE_HZ)];
        Ear { began: now, pace, channels, frames_a_block, block: None }
    }

    /// Takes a packet for a channel.
    pub fn hear(&mut self, now: Instant, channel: usize, speech: Speech, fields: Fields, payload: &[u8]) {
        if let Some(listening) = self.channels.get_mut(channel) {
            listening.hear(now, speech, fields, payload);
        }
    }

    /// A channel is somebody else's from here on, or nobody's.
    pub fn forget(&mut self, channel: usize) {
        if let Some(listening) = self.channels.get_mut(channel) {
            listening.rest();
        }
    }

    /// The frame of a channel that was heard last.
    pub fn frame(&self, channel: usize) -> &[i16] {
        self.channels.get(channel).map_or(&[], Listening::frame)
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pace.poll_timeout()
    }

    /// Hears one frame, if one is due; the block that is full with it. To be called until [`Ear::poll_timeout`] lies
    /// after `now`.
    pub fn tick(&mut self, now: Instant) -> Option<Block> {
        let at = self.pace.tick(now)?;
        let frame = ((at - self.began).as_millis() / FRAME.as_millis()).saturating_sub(1) as u64;
        let goes_on = |b: &Block| b.frame + (b.samples.len() / (CHANNELS * FRAME_SAMPLES)) as u64 == frame;
        // What was heard before a stall is a block of its own.
        let broken = self.block.take_if(|block| !goes_on(block));
        let room = self.frames_a_block * FRAME_SAMPLES * CHANNELS;
        let block = self.block.get_or_insert_with(|| Block { frame, samples: Vec::with_capacity(room) });
        let [left, right] = &mut self.channels;
        left.fill(at);
        right.fill(at);
        for (left, right) in left.frame().iter().zip(right.frame()) {
            block.samples.extend([*left, *right]);
        }
        broken.or_else(|| self.block.take_if(|block| block.samples.len() >= room))
    }

    /// What has been heard since the last block.
    pub fn finish(mut self) -> Option<Block> {
        self.block.take()
    }
}
