//! Keypad events (RFC 4733) that come in on a leg, and those that we make.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtp::Fields;
use crate::rtp::event::{self, Event};

/// Digits that wait to be sent; more are refused.
pub const MAX_WAITING: usize = 32;

/// The pace of the packets of an event of ours.
pub const PACE: Duration = Duration::from_millis(20);

/// The pause after a digit of ours (RFC 4733 §2.5.1.2 leaves it open; ITU-T Q.24 asks for 40 ms).
pub const PAUSE: Duration = Duration::from_millis(50);

/// The shortest digit that is sent.
pub const SHORTEST: Duration = Duration::from_millis(40);

/// The longest digit that is sent.
pub const LONGEST: Duration = Duration::from_secs(6);

const VOLUME: u8 = 10;

/// A key that the peer pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    /// The key.
    pub digit: char,
    /// How long.
    pub duration: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    event: Event,
    clock_hz: u32,
    told: bool,
}

/// Speech packets after the last packet of an event before its end is taken for lost: some phones send speech
/// beside the event.
const SPEECH_AFTER_END: u16 = 10;


/// Reads the peer's events: each key is told once, at its end.
#[derive(Debug, Clone, Default)]
pub struct DigitReader {
    open: Option<Open>,
}

impl DigitReader {
    /// A packet of an event. `true` in the answer: its first packet.
    pub fn hear(&mut self, packet: Fields, event: Event, clock_hz: u32) -> (bool, Option<Pressed>) {
        let same = self.open.filter(|o| o.ssrc == packet.ssrc && o.timestamp == packet.timestamp);
        match same {
            Some(open) if open.told => (false, None),
            Some(open) => {
                let longest = Event { duration: event.duration.max(open.event.duration), ..event };
                let open = Open { event: longest, told: event.end, sequence: packet.sequence, ..open };
                self.open = Some(open);
                (false, if event.end { open.pressed() } else { None })
            }
            None => {
                // A late packet of the event before is no new one.
                let is_older = self.open.is_some_and(|o| {
                    o.ssrc == packet.ssrc && (packet.timestamp.wrapping_sub(o.timestamp) as i32) < 0
                });
                if is_older {
                    return (false, None);
                }
                let lost_end = self.close();
                let open = Open {
                    ssrc: packet.ssrc,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    event,
                    clock_hz,
                    told: event.end,
                };
                self.open = Some(open);
                (true, lost_end.or(if event.end { open.pressed() } else { None }))
            }
        }
    }

    /// A packet of speech came: if every packet of an event's end was lost, it is told now.
    pub fn close_with(&mut self, sequence: u16) -> Option<Pressed> {
        let open = self.open.filter(|open| !open.told)?;
        let after = sequence.wrapping_sub(open.sequence);
        if (SPEECH_AFTER_END..0x8000).contains(&after) { self.close() } else { None }
    }

    fn close(&mut self) -> Option<Pressed> {
        let open = self.open.as_mut().filter(|open| !open.told)?;
        open.told = true;
        open.pressed()
    }
}

impl Open {
    fn pressed(&self) -> Option<Pressed> {
        let digit = self.event.digit()?;
        let micros = u64::from(self.event.duration) * 1_000_000 / u64::from(self.clock_hz.max(1));
        Some(Pressed { digit, duration: Duration::from_micros(micros) })
    }
}

/// How an event of ours is put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFormat {
    /// The payload type at which the peer takes events.
    pub payload_type: u8,
    /// Their clock.
    pub clock_hz: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    code: u8,
    format: EventFormat,
    timestamp: u32,
    since: Instant,
    length: Duration,
    next: Instant,
    ends_left: u8,
    is_first: bool,
}

/// Plays the digits that we send on a leg, one after the other.
#[derive(Debug, Clone, Default)]
pub struct DigitWriter {
    waiting: VecDeque<(u8, Duration)>,
    sounding: Option<Sounding>,
    rests_until: Option<Instant>,
}

/// A packet of an event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload type.
    pub payload_type: u8,
    /// The timestamp of the event's start.
    pub timestamp: u32,
    /// The first packet of the event.
    pub marker: bool,
    /// The payload.
    pub event: Event,
}

impl DigitWriter {
    /// Queues a digit; `false` if it is none or too many wait.
    pub fn press(&mut self, now: Instant, digit: char, duration: Duration) -> bool {
        let Some(code) = event::code_of(digit).filter(|_| self.waiting.len() < MAX_WAITING) else { return false };
        self.waiting.push_back((code, duration.clamp(SHORTEST, LONGEST)));
        if self.rests_until.is_none() && self.sounding.is_none() {
            self.rests_until = Some(now);
        }
        true
    }

    /// Whether a digit is being sent: speech waits meanwhile.
    pub fn is_sounding(&self) -> bool {
        self.sounding.is_some()
    }

    /// When [`DigitWriter::next_packet`] should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sounding.map(|s| s.next).or(self.rests_until)
    }

    /// The packet that is due, if one is. `begin` gives the timestamp of an event that starts now, and the
    /// format, if the peer takes events; if not, what waits is dropped.
    pub fn next_packet(
        &mut self,
        now: Instant,
        begin: impl FnOnce() -> Option<(EventFormat, u32)>,
    ) -> Option<EventPacket> {
        if self.sounding.is_none() {
            if self.rests_until.is_none_or(|until| now < until) {
                return None;
            }
            self.rests_until = None;
            let (code, length) = self.waiting.pop_front()?;
            let Some((format, timestamp)) = begin() else {
                self.waiting.clear();
                return None;
            };
            self.sounding = Some(Sounding {
                code,
                format,
                timestamp,
                since: now,
                length,
                next: now,
                ends_left: event::END_PACKETS,
                is_first: true,
            });
        }
        let sounding = self.sounding.as_mut().filter(|s| now >= s.next)?;
        let lasted = now.saturating_duration_since(sounding.since) + PACE;
        let end = lasted >= sounding.length;
        let duration = super::track::ticks(lasted.min(sounding.length), sounding.format.clock_hz);
        let packet = EventPacket {
            payload_type: sounding.format.payload_type,
            timestamp: sounding.timestamp,
            marker: sounding.is_first,
            event: Event {
                code: sounding.code,
                end,
                volume: VOLUME,
                duration: u16::try_from(duration).unwrap_or(u16::MAX),
            },
        };
        sounding.is_first = false;
        sounding.next = now + PACE;
        if end {
            sounding.ends_left -= 1;
            if sounding.ends_left == 0 {
                self.sounding = None;
                self.rests_until = Some(now + PAUSE);
            }
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Fields {
        Fields { marker: false, payload_type: 101, sequence, timestamp, ssrc: 1 }
    }

    fn event(code: u8, end: bool, duration: u16) -> Event {
        Event { code, end, volume: 10, duration }
    }

    fn pressed(digit: char, millis: u64) -> Option<Pressed> {
        Some(Pressed { digit, duration: Duration::from_millis(millis) })
    }

    #[test]
    fn a_key_is_told_once_at_its_end_however_often_the_end_is_repeated() {
        let mut reader = DigitReader::default();
        assert_eq!(reader.hear(packet(1, 800), event(5, false, 160), 8000), (true, None));
        assert_eq!(reader.hear(packet(2, 800), event(5, true, 800), 8000), (false, pressed('5', 100)));
        for sequence in 3..6 {
            assert_eq!(reader.hear(packet(sequence, 800), event(5, true, 800), 8000), (false, None));
        }
        assert_eq!(reader.close(), None);
        assert_eq!(reader.hear(packet(9, 4000), event(5, true, 800), 8000), (true, pressed('5', 100)));
    }

    #[test]
    fn a_key_whose_end_was_lost_is_told_with_what_follows() {
        let mut reader = DigitReader::default();
        reader.hear(packet(1, 800), event(11, false, 480), 8000);
        assert_eq!(reader.close(), pressed('#', 60));
        reader.hear(packet(5, 3000), event(1, false, 160), 8000);
        assert_eq!(reader.hear(packet(9, 9000), event(2, false, 160), 8000), (true, pressed('1', 20)));
    }

    #[test]
    fn a_late_packet_of_the_event_before_is_not_a_new_key() {
        let mut reader = DigitReader::default();
        reader.hear(packet(1, 800), event(1, true, 800), 8000);
        reader.hear(packet(5, 4000), event(2, false, 160), 8000);
        assert_eq!(reader.hear(packet(2, 800), event(1, true, 800), 8000), (false, None));
        assert_eq!(reader.hear(packet(6, 4000), event(2, true, 800), 8000), (false, pressed('2', 100)));
    }

    #[test]
    fn a_digit_of_ours_grows_ends_three_times_and_rests_before_the_next() {
        let start = Instant::now();
        let mut writer = DigitWriter::default();
        assert!(writer.press(start, '5', Duration::from_millis(100)));
        assert!(writer.press(start, '#', Duration::from_millis(100)));
        let mut seen = Vec::new();
        let mut now = start;
        while let Some(due) = writer.poll_timeout() {
            now = now.max(due);
            let format = EventFormat { payload_type: 101, clock_hz: 8000 };
            match writer.next_packet(now, || Some((format, 1000))) {
                Some(packet) => seen.push((packet.event, packet.marker)),
                None => break,
            }
        }
        let fives: Vec<_> = seen.iter().filter(|(e, _)| e.code == 5).map(|(e, m)| (e.duration, e.end, *m)).collect();
        assert_eq!(fives, [
            (160, false, true),
            (320, false, false),
            (480, false, false),
            (640, false, false),
            (800, true, false),
            (800, true, false),
            (800, true, false),
        ]);
        assert_eq!(seen.iter().filter(|(e, _)| e.code == 11 && e.end).count(), 3);
        assert!(now - start >= Duration::from_millis(300));
    }

    #[test]
    fn digits_for_a_peer_that_takes_none_are_dropped() {
        let now = Instant::now();
        let mut writer = DigitWriter::default();
        writer.press(now, '1', Duration::from_millis(100));
        assert_eq!(writer.next_packet(now, || None), None);
        assert_eq!(writer.poll_timeout(), None);
    }
}
