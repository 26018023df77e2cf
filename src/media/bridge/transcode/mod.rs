//! From one speech format to another: what comes in waits for its time, is decoded, and is encoded anew in packets
//! as long as the peer wants them.
//!
//! ```text
//!  packets ─▶ listening ─▶ frames ─▶ packing, encode ─▶ packets
//!            20 to 200 ms   of 20 ms, one rate          of 10 to 60 ms
//! ```

pub mod adapt;
pub mod conceal;
pub mod listen;
pub mod pace;
pub mod packing;
pub mod pauses;
pub mod queue;
pub mod slack;
pub mod stretch;

use std::time::Instant;

pub use self::listen::{Figures, Listening};
pub use self::pace::{FRAME, Pace};
use self::packing::Packing;
use crate::media::codec::noise::Room;
use crate::media::codec::{Effort, Speech};
use crate::rtp::Fields;

/// What is encoded for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The format.
    pub speech: Speech,
    /// The rate of the samples in between: no more than both sides have.
    pub rate_hz: u32,
    /// The peer's parameters of the format.
    pub parameters: Option<String>,
    /// How long the packets are, in milliseconds.
    pub packet_ms: u32,
    /// What its encoder may spend.
    pub effort: Effort,
}

impl Target {
    /// The same in packets that hold as much as the peer wants.
    pub fn paced(self, wanted: Option<std::time::Duration>) -> Target {
        Target { packet_ms: packing::packet_ms(self.speech, wanted), ..self }
    }
}

/// From whatever the source sends to the one format of the target.
pub struct Transcoder {
    packing: Packing,
    listening: Listening,
    pace: Pace,
}

impl Transcoder {
    /// One that rests until a packet comes.
    pub fn new(target: Target) -> Transcoder {
        Transcoder { packing: Packing::new(&target), listening: Listening::new(target.rate_hz), pace: Pace::default() }
    }

    /// Takes a packet of the source.
    pub fn hear(&mut self, now: Instant, speech: Speech, fields: Fields, payload: &[u8]) {
        if self.listening.hear(now, speech, fields, payload) {
            self.pace.begin(now + listen::FIRST_DELAY);
        }
    }

    /// The source is silent in such a room, from this packet on.
    pub fn hear_noise(&mut self, fields: Fields, room: Room) {
        self.listening.hear_noise(fields, room);
    }

    /// Nothing is sent until the next packet comes.
    pub fn rest(&mut self) {
        self.pace.rest();
        self.listening.rest();
        self.packing.rest();
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pace.poll_timeout()
    }

    /// The time of the packet that is due at `now`, whose samples [`Transcoder::encode`] then encodes.
    pub fn tick(&mut self, now: Instant) -> Option<Instant> {
        loop {
            if let Some(at) = self.packing.next_packet() {
                return Some(at);
            }
            let at = self.pace.tick(now)?;
            self.listening.fill(at);
            self.packing.add(at, self.listening.frame());
        }
    }

    /// The peer reports that it missed so much lately, in 256ths.
    pub fn heed_loss(&mut self, fraction: u8) {
        self.packing.heed_loss(fraction);
    }

    /// Encodes what the last tick brought; returns the length of the payload in `out`. `None` in silence that
    /// needs no packet.
    pub fn encode(&mut self, out: &mut [u8]) -> Option<usize> {
        self.packing.encode(out)
    }
}

#[cfg(test)]
mod tests;
