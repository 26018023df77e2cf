//! One call's RTP: packets of 20 ms out, and what came in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::answer::Media;
use super::sound::{FRAME, Player, Sound};
use crate::base::Dice;
use crate::rtp::event::EventReader;
use crate::rtp::{Fields, Packet};

/// The length of a packet.
pub const PACKET_TIME: Duration = Duration::from_millis(20);
/// Octets of the largest packet: a plain header and [`FRAME`] octets.
pub const MAX_PACKET: usize = 12 + FRAME;
/// Octets that wait to be echoed: two fifths of a second. Beyond it the oldest are dropped, so that the echo
/// does not lag behind a caller whose clock is fast.
pub const MAX_ECHO: usize = 20 * FRAME;
/// Later than this the packets missed are not sent at all.
pub const MAX_LATE: Duration = Duration::from_millis(200);

/// The media of one call.
#[derive(Debug)]
pub struct Voice {
    media: Option<Media>,
    source: Source,
    next: Fields,
    /// When the next packet is due; counted from the one before, so that the pace does not drift.
    due: Option<Instant>,
    keys: EventReader,
}

#[derive(Debug)]
enum Source {
    Play(Player),
    Echo(VecDeque<u8>),
}

impl Voice {
    /// A voice that has nobody to speak to yet.
    pub fn new(dice: &mut Dice) -> Voice {
        let next = Fields {
            marker: true,
            payload_type: 0,
            sequence: dice.u32() as u16,
            timestamp: dice.u32(),
            ssrc: dice.u32(),
        };
        let source = Source::Play(Player::new(Sound::Silence));
        Voice { media: None, source, next, due: None, keys: EventReader::default() }
    }

    /// Plays this from now on.
    pub fn play(&mut self, sound: Sound) {
        match &mut self.source {
            Source::Play(player) => player.play(sound),
            echo => *echo = Source::Play(Player::new(sound)),
        }
    }

    /// Sends back what comes from now on.
    pub fn echo(&mut self) {
        self.source = Source::Echo(VecDeque::new());
    }

    /// Reads a key back.
    pub fn press(&mut self, key: char) {
        if let Source::Play(player) = &mut self.source {
            player.press(key);
        }
    }

    /// What was agreed on, first or again.
    pub fn agree(&mut self, now: Instant, media: Media) {
        if media.destination().is_some() {
            self.due.get_or_insert(now);
        } else {
            self.due = None;
            self.next.marker = true;
        }
        self.media = Some(media);
    }

    /// A packet came.
    pub fn handle_packet(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        let Some(media) = &self.media else { return };
        if media.remote.is_some_and(|remote| remote.ip() != source.ip()) || crate::rtp::is_rtcp(datagram) {
            return;
        }
        let Some(packet) = Packet::parse(datagram) else { return };
        if let Some((payload_type, clock_hz)) = media.keys
            && packet.payload_type() == payload_type
        {
            self.keys.handle_packet(now, packet.timestamp(), packet.payload(), clock_hz);
        } else if packet.payload_type() == media.payload_type
            && let Source::Echo(waiting) = &mut self.source
        {
            waiting.extend(packet.payload());
            let beyond = waiting.len().saturating_sub(MAX_ECHO);
            waiting.drain(..beyond);
        }
    }

    /// A key that was pressed and released.
    pub fn poll_key(&mut self) -> Option<char> {
        self.keys.poll().map(|dtmf| dtmf.digit)
    }

    /// When [`Voice::handle_timeout`] and [`Voice::poll_packet`] are due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.due, self.keys.poll_timeout()].into_iter().flatten().min()
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.keys.poll_timeout().is_some_and(|due| due <= now) {
            self.keys.handle_timeout(now);
        }
    }

    /// The next packet that is due: where to, and how many octets of `buffer` it has.
    pub fn poll_packet(&mut self, now: Instant, buffer: &mut [u8; MAX_PACKET]) -> Option<(SocketAddr, usize)> {
        let due = self.due.filter(|due| *due <= now)?;
        let media = self.media.as_ref()?;
        let destination = media.destination()?;
        let late = now - due > MAX_LATE;
        self.due = Some(if late { now } else { due } + PACKET_TIME);
        let fields = Fields { payload_type: media.payload_type, ..self.next };
        let header = fields.write_new(buffer);
        let silence = media.law.encode(0);
        for octet in buffer.get_mut(header..)?.iter_mut() {
            *octet = match &mut self.source {
                Source::Play(player) => media.law.encode(player.sample()),
                Source::Echo(waiting) => waiting.pop_front().unwrap_or(silence),
            };
        }
        self.next.marker = false;
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(FRAME as u32);
        Some((destination, MAX_PACKET))
    }
}
