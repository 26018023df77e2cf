//! Datagrams of the relay's own making that wait to be sent.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::shard::SocketId;

/// Datagrams that may wait; more are dropped, as a full network would.
pub const MAX_WAITING: usize = 4096;

/// Buffers kept for the next datagrams.
const MAX_SPARE: usize = 64;

/// The largest datagram.
pub const MAX_DATAGRAM: usize = 1500;

/// What waits, first first. Buffers are used again.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<(SocketId, SocketAddr, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// An empty buffer.
    pub fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Gives back a buffer that was not sent.
    pub fn put_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(buffer);
        }
    }

    /// Queues a datagram.
    pub fn push(&mut self, socket: SocketId, to: SocketAddr, datagram: Vec<u8>) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((socket, to, datagram));
        }
    }

    /// Writes the first datagram to `buffer`; one that does not fit is dropped.
    pub fn pop_into(&mut self, buffer: &mut [u8]) -> Option<(SocketId, SocketAddr, usize)> {
        while let Some((socket, to, datagram)) = self.waiting.pop_front() {
            let length = datagram.len();
            let fits = match buffer.get_mut(..length) {
                Some(place) => {
                    place.copy_from_slice(&datagram);
                    true
                }
                None => false,
            };
            self.put_back(datagram);
            if fits {
                return Some((socket, to, length));
            }
        }
        None
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
