//! The packet index of each source and what was seen of it (RFC 3711 §3.3.1, §3.3.2).

use super::{MAX_SOURCES, SrtpError};
use crate::rtp::window::{SPAN, Window};

/// Packets behind the newest of which a replay is known as one. RFC 3711 §3.3.2 asks for 64 or more; a picture of many
/// packets that is sent again after a second wants more.
pub const REPLAY_WINDOW: u64 = SPAN;

/// One source's newest index and the packets before it.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    /// Up to the newest index.
    seen: Window,
}

/// The sources of one direction.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    fn find(&self, ssrc: u32) -> Option<&Source> {
        self.0.iter().find(|s| s.ssrc == ssrc)
    }

    /// The index of a packet with this sequence number: the one nearest to the newest. A new source begins
    /// with a roll-over counter of 0.
    pub(super) fn index(&self, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let Some(source) = self.find(ssrc) else { return Ok(u64::from(sequence)) };
        let newest = source.seen.newest();
        let step = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(i64::from(step)).ok_or(SrtpError::Replayed)
    }

    /// Whether any is beyond its first 65 536 sequence numbers.
    pub(super) fn has_rolled_over(&self) -> bool {
        self.0.iter().any(|source| source.seen.newest() >> 16 > 0)
    }

    /// The same indices, of which nothing was seen yet.
    pub(super) fn unseen(&self) -> Sources {
        Sources(self.0.iter().map(|source| Source { seen: Window::new(source.seen.newest()), ..*source }).collect())
    }

    /// The index after the newest; 0 for a new source (RFC 3711 §3.4).
    pub(super) fn next_index(&self, ssrc: u32) -> u64 {
        self.find(ssrc).map_or(0, |s| s.seen.newest().saturating_add(1))
    }

    /// Whether the packet may still come: neither seen nor too old. For a new source, whether there is room.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        let Some(source) = self.find(ssrc) else {
            return if self.0.len() < MAX_SOURCES { Ok(()) } else { Err(SrtpError::TooManySources) };
        };
        match source.seen.is_marked(index) {
            Some(false) => Ok(()),
            Some(true) | None => Err(SrtpError::Replayed),
        }
    }

    /// Remembers a packet that [`Sources::check`] let through and that is authentic.
    pub(super) fn remember(&mut self, ssrc: u32, index: u64) {
        if let Some(source) = self.0.iter_mut().find(|s| s.ssrc == ssrc) {
            source.seen.mark(index);
        } else if self.0.len() < MAX_SOURCES {
            let mut seen = Window::new(index);
            seen.mark(index);
            self.0.push(Source { ssrc, seen });
        }
    }
}
