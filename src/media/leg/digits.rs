//! Keypad digits that we send on a leg (RFC 4733), one after the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtp::event::{Event, EventPacket, EventWriter, code_of};

/// Digits that wait to be sent; more are refused.
pub const MAX_WAITING: usize = 32;

/// The pause after a digit (RFC 4733 §2.5.1.2 leaves it open; ITU-T Q.24 asks for 40 ms).
pub const PAUSE: Duration = Duration::from_millis(50);

/// How events are put on the wire for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFormat {
    /// The payload type at which the peer takes them.
    pub payload_type: u8,
    /// Their clock.
    pub clock_hz: u32,
}

/// What is due to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The payload type.
    pub payload_type: u8,
    /// The timestamp of the event's start.
    pub timestamp: u32,
    /// The first packet of the event.
    pub marker: bool,
    /// The payload.
    pub event: Event,
}

#[derive(Debug, Clone)]
struct Sounding {
    format: EventFormat,
    timestamp: u32,
    since: Instant,
    next: EventPacket,
    rest: EventWriter,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Idle,
    Sounding(Box<Sounding>),
    Resting(Instant),
}

/// Plays digits.
#[derive(Debug, Clone, Default)]
pub struct Keypad {
    waiting: VecDeque<(char, Duration)>,
    state: State,
}

impl Keypad {
    /// Queues a digit; `false` if it is none or too many wait.
    pub fn press(&mut self, now: Instant, digit: char, duration: Duration) -> bool {
        if code_of(digit).is_none() || self.waiting.len() >= MAX_WAITING {
            return false;
        }
        self.waiting.push_back((digit, duration));
        if matches!(self.state, State::Idle) {
            self.state = State::Resting(now);
        }
        true
    }

    /// Whether a digit is being sent: speech waits meanwhile.
    pub fn is_sounding(&self) -> bool {
        matches!(self.state, State::Sounding(_))
    }

    /// When [`Keypad::next_packet`] should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Sounding(sounding) => Some(sounding.since + sounding.next.after),
            State::Resting(until) => Some(*until),
        }
    }

    /// The packet that is due, if one is. `begin` gives the format and the timestamp of an event that starts
    /// now, if the peer takes events; if not, what waits is dropped.
    pub fn next_packet(&mut self, now: Instant, begin: impl FnOnce() -> Option<(EventFormat, u32)>) -> Option<Due> {
        if let State::Resting(until) = self.state
            && now >= until
        {
            self.state = self.start(now, begin);
        }
        let State::Sounding(sounding) = &mut self.state else { return None };
        if now < sounding.since + sounding.next.after {
            return None;
        }
        let packet = sounding.next;
        let due = Due {
            payload_type: sounding.format.payload_type,
            timestamp: sounding.timestamp,
            marker: packet.marker,
            event: packet.event,
        };
        match sounding.rest.next() {
            Some(next) => sounding.next = next,
            None => self.state = State::Resting(now + PAUSE),
        }
        Some(due)
    }

    fn start(&mut self, now: Instant, begin: impl FnOnce() -> Option<(EventFormat, u32)>) -> State {
        let Some((digit, duration)) = self.waiting.pop_front() else { return State::Idle };
        let Some((format, timestamp)) = begin() else {
            self.waiting.clear();
            return State::Idle;
        };
        let Some(mut rest) = EventWriter::new(digit, duration, format.clock_hz) else { return State::Idle };
        match rest.next() {
            Some(next) => State::Sounding(Box::new(Sounding { format, timestamp, since: now, next, rest })),
            None => State::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: EventFormat = EventFormat { payload_type: 101, clock_hz: 8000 };

    #[test]
    fn digits_follow_one_another_with_a_pause_and_each_ends_three_times() {
        let start = Instant::now();
        let mut keypad = Keypad::default();
        assert!(keypad.press(start, '5', Duration::from_millis(100)));
        assert!(keypad.press(start, '#', Duration::from_millis(100)));
        assert!(!keypad.press(start, 'x', Duration::from_millis(100)));
        let (mut seen, mut now) = (Vec::new(), start);
        while let Some(due) = keypad.poll_timeout() {
            now = now.max(due);
            seen.extend(keypad.next_packet(now, || Some((FORMAT, 1000))).map(|d| (d.event.code, d.event.end, now)));
        }
        for code in [5, 11] {
            assert_eq!(seen.iter().filter(|(c, end, _)| *c == code && *end).count(), 3);
        }
        let last_five = seen.iter().filter(|(c, ..)| *c == 5).map(|(.., at)| *at).max();
        let first_hash = seen.iter().find(|(c, ..)| *c == 11).map(|(.., at)| *at);
        assert!(last_five.zip(first_hash).is_some_and(|(five, hash)| hash - five >= PAUSE));
    }

    #[test]
    fn digits_for_a_peer_that_takes_none_are_dropped() {
        let now = Instant::now();
        let mut keypad = Keypad::default();
        keypad.press(now, '1', Duration::from_millis(100));
        assert_eq!(keypad.next_packet(now, || None), None);
        assert_eq!(keypad.poll_timeout(), None);
    }
}
