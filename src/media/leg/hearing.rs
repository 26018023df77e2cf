//! What comes in on a leg, counted.

use std::time::Instant;

use crate::media::bridge::{Content, Format};
use crate::rtp::Fields;
use crate::rtp::event::EventReader;
use crate::rtp::stats::Reception;
use crate::rtp::window::SPAN;

/// Sources of one peer that are counted apart; the one silent for longest gives way.
pub const MAX_SOURCES: usize = 4;

/// The incoming side of a leg.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The one heard last is the last.
    sources: Vec<Reception>,
    lost_by_gone: i64,
    packets: u64,
    bytes: u64,
    speech: Option<u8>,
    /// The peer has described its silence and not spoken since.
    suppresses: bool,
    last: Option<Instant>,
    keys: EventReader,
}

impl Hearing {
    /// Counts a packet.
    pub fn hear(&mut self, now: Instant, packet: Fields, format: &Format, payload: &[u8]) {
        let has_time = matches!(format.content, Content::Speech | Content::Picture);
        let clock_hz = has_time.then_some(format.clock_hz);
        self.source(now, packet, format.content).handle_packet(now, packet.sequence, packet.timestamp, clock_hz);
        self.packets += 1;
        self.bytes += payload.len() as u64;
        self.last = Some(now);
        match format.content {
            Content::Events => self.keys.handle_packet(now, packet.timestamp, payload, format.clock_hz),
            Content::Speech => {
                self.speech = Some(format.index);
                self.suppresses = false;
            }
            Content::Noise => self.suppresses = true,
            Content::Picture => self.speech = Some(format.index),
            Content::Other => {}
        }
    }

    /// The keypad digits that come in.
    pub fn keys(&mut self) -> &mut EventReader {
        &mut self.keys
    }

    /// When [`Hearing::keys`] want to be told of the time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.keys.poll_timeout()
    }

    /// Whether the peer has said with comfort noise that it is silent (RFC 3389), and not spoken since.
    pub fn suppresses_silence(&self) -> bool {
        self.suppresses
    }

    /// When the last packet came.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }

    /// Packets and bytes of payload.
    pub fn counts(&self) -> (u64, u64) {
        (self.packets, self.bytes)
    }

    /// Where the format of the speech, or of the pictures, heard last stands in the list of formats.
    pub fn speech(&self) -> Option<usize> {
        self.speech.map(usize::from)
    }

    /// The formats have changed.
    pub fn forget_speech(&mut self) {
        self.speech = None;
    }

    /// Packets lost on the way to us.
    pub fn lost(&self) -> u64 {
        let lost: i64 = self.sources.iter().map(Reception::lost).sum();
        u64::try_from(lost.saturating_add(self.lost_by_gone)).unwrap_or(0)
    }

    /// The sources, the one heard last being the last.
    pub fn sources(&mut self) -> &mut [Reception] {
        &mut self.sources
    }

    /// Jitter of the source heard last, in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        self.sources.last().map_or(0.0, |s| s.jitter().as_secs_f64() * 1000.0)
    }

    fn source(&mut self, now: Instant, packet: Fields, content: Content) -> &mut Reception {
        let at = match self.sources.iter().rposition(|s| s.ssrc() == packet.ssrc) {
            Some(at) => at,
            None => {
                self.keys.restart();
                if self.sources.len() >= MAX_SOURCES {
                    self.lost_by_gone = self.lost_by_gone.saturating_add(self.sources.remove(0).lost());
                }
                let source = Reception::new(now, packet.ssrc, packet.sequence);
                let is_sent_again = content == Content::Picture;
                self.sources.reserve_exact(1);
                self.sources.push(if is_sent_again { source.sent_again(SPAN as u16) } else { source });
                self.sources.len() - 1
            }
        };
        let last = self.sources.len() - 1;
        if at != last {
            self.sources[at..].rotate_left(1);
        }
        &mut self.sources[last]
    }
}
