//! Keypad events in RTP (RFC 4733): the payload, one key out of many packets, many packets out of one key.

use std::time::{Duration, Instant};

use crate::model::Dtmf;

/// Bytes of a telephone-event payload.
pub const PAYLOAD: usize = 4;
/// Times that the last packet of an event is sent (RFC 4733 §2.5.1.4).
pub const END_PACKETS: u8 = 3;
/// Time between the packets of an event that we send.
pub const UPDATE_INTERVAL: Duration = Duration::from_millis(20);
/// The shortest key that we send: receivers want 40 ms (RFC 4733 §7.2, ITU-T Q.24).
pub const SHORTEST_KEY: Duration = Duration::from_millis(40);
/// An event of which nothing came for so long has ended, its end packets being lost.
pub const SILENCE_LIMIT: Duration = Duration::from_millis(300);

const KEYS: &str = "0123456789*#ABCD";

/// The payload of one packet of an event (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0 to 9, 10 `*`, 11 `#`, 12 to 15 `A` to `D`, 16 flash.
    pub code: u8,
    /// The event has ended.
    pub end: bool,
    /// Loudness in dB below zero: 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in units of the clock.
    pub duration: u16,
}

impl Event {
    /// Reads a payload. Packets with several events (RFC 4733 §2.5.1.5) give the first.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let [code, flags, high, low] = *payload.first_chunk::<PAYLOAD>()?;
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) })
    }

    /// The payload.
    pub fn to_bytes(self) -> [u8; PAYLOAD] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }

    /// The key, if the event is one.
    pub fn digit(self) -> Option<char> {
        KEYS.chars().nth(usize::from(self.code))
    }
}

/// The event code of a key.
pub fn code_of(digit: char) -> Option<u8> {
    let index = KEYS.chars().position(|d| d == digit.to_ascii_uppercase())?;
    u8::try_from(index).ok()
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It went down.
    Pressed(char),
    /// It was released.
    Released(Dtmf),
}

/// An event under way.
#[derive(Debug, Clone, Copy)]
struct Pressed {
    digit: char,
    code: u8,
    timestamp: u32,
    /// Units of the clock in the segments before this one (RFC 4733 §2.5.1.3).
    before: u64,
    duration: u16,
    clock_hz: u32,
    deadline: Instant,
}

impl Pressed {
    fn released(self) -> Dtmf {
        let units = self.before + u64::from(self.duration);
        let micros = units.saturating_mul(1_000_000) / u64::from(self.clock_hz.max(1));
        Dtmf { digit: self.digit, duration: Duration::from_micros(micros) }
    }
}

/// Makes exactly one [`Dtmf`] of the packets of an event, whichever of them are lost, repeated or late.
///
/// ```text
///  Idle ──packet──▶ Pressed ──end packet, newer event, SILENCE_LIMIT──▶ Idle, one Dtmf
/// ```
#[derive(Debug, Default)]
pub struct EventReader {
    pressed: Option<Pressed>,
    /// The timestamp and clock of the newest event that is over; its stragglers count for nothing.
    over: Option<(u32, u32)>,
    /// The timestamp, the clock, and the code and duration of the last end that came.
    ended: Option<(u32, u32, (u8, u16))>,
    /// In their order; a packet ends one event, begins another and ends that at most.
    news: [Option<Key>; 3],
}

impl EventReader {
    /// A packet of the format `telephone-event` at this clock.
    pub fn handle_packet(&mut self, now: Instant, timestamp: u32, payload: &[u8], clock_hz: u32) {
        let Some(event) = Event::parse(payload) else { return };
        let Some(digit) = event.digit() else { return };
        if self.is_of_the_past(timestamp, clock_hz) || self.is_old_end(timestamp, event, clock_hz) {
            return;
        }
        if event.end {
            self.ended = Some((timestamp, clock_hz, (event.code, event.duration)));
        }
        let deadline = now + SILENCE_LIMIT;
        let fresh =
            Pressed { digit, code: event.code, timestamp, before: 0, duration: event.duration, clock_hz, deadline };
        let pressed = match self.pressed.take() {
            Some(p) if p.timestamp == timestamp => Pressed { duration: p.duration.max(event.duration), deadline, ..p },
            Some(p) if p.code == event.code && timestamp.wrapping_sub(p.timestamp) == u32::from(u16::MAX) => {
                Pressed { before: p.before + u64::from(u16::MAX), ..fresh }
            }
            Some(p) if EventReader::goes_on_in_the_old_way(&p, timestamp, event) => {
                Pressed { timestamp, duration: event.duration, deadline, ..p }
            }
            Some(p) => {
                self.finish(p);
                self.tell(Key::Pressed(digit));
                fresh
            }
            None => {
                self.tell(Key::Pressed(digit));
                fresh
            }
        };
        if event.end {
            self.finish(pressed);
        } else {
            self.pressed = Some(pressed);
        }
    }

    /// What a key did, if that is to be told.
    pub fn poll_key(&mut self) -> Option<Key> {
        self.news.iter_mut().find_map(Option::take)
    }

    /// A key that was released, if one is to be told; those that went down are passed over.
    pub fn poll(&mut self) -> Option<Dtmf> {
        std::iter::from_fn(|| self.poll_key()).find_map(|key| match key {
            Key::Released(dtmf) => Some(dtmf),
            Key::Pressed(_) => None,
        })
    }

    /// When to call [`EventReader::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pressed.map(|p| p.deadline)
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(pressed) = self.pressed.take_if(|p| p.deadline <= now) {
            self.finish(pressed);
        }
    }

    /// The peer's timestamps begin anew (another source): what is under way ends.
    pub fn restart(&mut self) {
        if let Some(pressed) = self.pressed.take() {
            self.finish(pressed);
        }
        self.over = None;
        self.ended = None;
    }

    /// The packet goes on with an event as some old telephones send it, against RFC 2833 §3.6: each packet has the
    /// timestamp of its own time, while the duration grows from the begin.
    fn goes_on_in_the_old_way(before: &Pressed, timestamp: u32, event: Event) -> bool {
        let moved = timestamp.wrapping_sub(before.timestamp);
        let grown = u32::from(event.duration.saturating_sub(before.duration));
        before.code == event.code && grown > 0 && moved <= grown.saturating_mul(2)
    }

    /// Repeats the end of an event in that way.
    fn is_old_end(&self, timestamp: u32, event: Event, clock_hz: u32) -> bool {
        const NEAR_MS: u32 = 100;
        self.ended.is_some_and(|(last, clock, told)| {
            let is_near = timestamp.wrapping_sub(last) <= clock_hz / 1000 * NEAR_MS;
            event.end && clock == clock_hz && is_near && told == (event.code, event.duration)
        })
    }

    /// Belongs to an event that was told already or came before it. What is far behind is no straggler but a
    /// clock that jumped.
    fn is_of_the_past(&self, timestamp: u32, clock_hz: u32) -> bool {
        const STRAGGLERS: u32 = 5;
        let behind = |newest: u32| newest.wrapping_sub(timestamp) <= clock_hz.saturating_mul(STRAGGLERS);
        self.over.is_some_and(|(newest, clock)| clock == clock_hz && behind(newest))
            || self.pressed.is_some_and(|p| p.timestamp != timestamp && p.clock_hz == clock_hz && behind(p.timestamp))
    }

    fn finish(&mut self, pressed: Pressed) {
        self.over = Some((pressed.timestamp, pressed.clock_hz));
        self.tell(Key::Released(pressed.released()));
    }

    fn tell(&mut self, key: Key) {
        if let Some(free) = self.news.iter_mut().find(|n| n.is_none()) {
            *free = Some(key);
        }
    }
}

/// One packet of an event to be sent. All packets of an event carry the timestamp at which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// When, after the event's begin.
    pub after: Duration,
    /// Whether the RTP marker is set: on the first packet.
    pub marker: bool,
    /// The payload.
    pub event: Event,
}

/// The packets of one key, in order of time (RFC 4733 §2.5.1).
#[derive(Debug, Clone)]
pub struct EventWriter {
    code: u8,
    total: u16,
    step: u16,
    sent: u32,
    ends: u8,
}

impl EventWriter {
    /// The packets of `digit`, held for `duration`, which is brought between [`SHORTEST_KEY`] and the longest
    /// that one segment holds (8 s at 8000 Hz, 1.3 s at 48000 Hz). `None` if it is no key of a keypad.
    pub fn new(digit: char, duration: Duration, clock_hz: u32) -> Option<EventWriter> {
        let units = |d: Duration| {
            let units = d.as_micros().saturating_mul(u128::from(clock_hz)) / 1_000_000;
            u16::try_from(units).unwrap_or(u16::MAX)
        };
        let total = units(duration.max(SHORTEST_KEY)).max(1);
        Some(EventWriter { code: code_of(digit)?, total, step: units(UPDATE_INTERVAL).max(1), sent: 0, ends: 0 })
    }

    /// Units of the clock that the key takes: what the timestamp of the audio after it has moved on.
    pub fn total(&self) -> u16 {
        self.total
    }
}

impl Iterator for EventWriter {
    type Item = EventPacket;

    fn next(&mut self) -> Option<EventPacket> {
        if self.ends == END_PACKETS {
            return None;
        }
        let reached = u32::from(self.step).saturating_mul(self.sent + 1);
        let duration = u16::try_from(reached).map_or(self.total, |d| d.min(self.total));
        let end = duration == self.total;
        self.ends += u8::from(end);
        let packet = EventPacket {
            after: UPDATE_INTERVAL * self.sent,
            marker: self.sent == 0,
            event: Event { code: self.code, end, volume: 10, duration },
        };
        self.sent += 1;
        Some(packet)
    }
}

#[cfg(test)]
mod tests;
