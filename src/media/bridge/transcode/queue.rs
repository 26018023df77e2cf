//! Packets of speech that wait for their time, in the order of their timestamps.

use std::collections::VecDeque;

use crate::media::codec::{MAX_PAYLOAD, Speech};

/// Packets that may wait: more than fit into the longest delay, however short they are.
pub const MAX_WAITING: usize = 48;

/// A packet that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Its format.
    pub speech: Speech,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// How long it lasts, in units of the RTP clock.
    pub duration: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Waiting {
    /// The timestamp of what comes after it.
    pub fn end(&self) -> u32 {
        self.timestamp.wrapping_add(self.duration)
    }
}

/// The packets, and buffers for the next ones.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    spare: Vec<Vec<u8>>,
}

impl Queue {
    /// Adds a packet at its place. A repetition, one that is too long and one too many are dropped.
    pub fn insert(&mut self, speech: Speech, timestamp: u32, duration: u32, payload: &[u8]) {
        if payload.len() > MAX_PAYLOAD || self.waiting.len() >= MAX_WAITING {
            return;
        }
        let later = |w: &Waiting| timestamp.wrapping_sub(w.timestamp) as i32;
        let place = self.waiting.iter().rposition(|w| later(w) >= 0).map_or(0, |before| before + 1);
        let is_repeated = place.checked_sub(1).and_then(|at| self.waiting.get(at)).is_some_and(|w| later(w) == 0);
        if !is_repeated {
            let mut buffer = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(MAX_PAYLOAD));
            buffer.clear();
            buffer.extend_from_slice(payload);
            self.waiting.insert(place, Waiting { speech, timestamp, duration, payload: buffer });
        }
    }

    /// The packet whose turn is next.
    pub fn first(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Takes the packet whose turn it is; its buffer comes back by [`Queue::put_back`].
    pub fn take(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Gives back a buffer.
    pub fn put_back(&mut self, waiting: Waiting) {
        if self.spare.len() < MAX_WAITING {
            self.spare.push(waiting.payload);
        }
    }

    /// Drops the packet whose turn is next.
    pub fn drop_first(&mut self) {
        if let Some(first) = self.take() {
            self.put_back(first);
        }
    }

    /// Drops all.
    pub fn clear(&mut self) {
        while !self.waiting.is_empty() {
            self.drop_first();
        }
    }

    /// How much lies between `from` and the end of the last packet, in units of the RTP clock.
    pub fn span(&self, from: u32) -> u32 {
        self.waiting.back().map_or(0, |last| last.end().wrapping_sub(from) as i32).max(0) as u32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn packets_come_out_in_the_order_of_their_timestamps_once_each_even_where_those_wrap() {
        let mut queue = Queue::default();
        for timestamp in [u32::MAX - 159, 160, 0, 160, 320, 0] {
            queue.insert(Speech::Pcmu, timestamp, 160, &[1; 160]);
        }
        assert_eq!(queue.span(u32::MAX - 159), 640);
        let order: Vec<u32> = std::iter::from_fn(|| queue.take().map(|w| w.timestamp)).collect();
        assert_eq!(order, [u32::MAX - 159, 0, 160, 320]);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut queue = Queue::default();
        for n in 0..1000 {
            queue.insert(Speech::Pcmu, n * 160, 160, &[1; 160]);
        }
        assert_eq!(queue.span(0), MAX_WAITING as u32 * 160);
    }
}
