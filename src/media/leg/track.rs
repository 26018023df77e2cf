//! The RTP identity of what goes out of a leg: one synchronisation source, unbroken sequence numbers and
//! timestamps that never go back, for the life of the leg, whoever is heard on it.
//!
//! While one source goes on, its own spacing is kept: a packet lost on the way in is a gap on the way out, and
//! two that changed places keep their places. Where it does not go on (another source, a hold, a leap), the
//! numbers continue from the last packet sent and the timestamp moves by the time that has passed.

use std::time::{Duration, Instant};

use crate::rtp::Fields;
use crate::rtp::window::{SPAN, Window};

/// A step of the sequence numbers beyond this is a new start of the source and not loss.
pub const MAX_DROPOUT: u16 = 500;

/// A source's timestamp may differ from the clock on the wall by so much before it counts as a new start.
pub const MAX_DRIFT: Duration = Duration::from_secs(1);

/// After what was heard breaks off, so many of its packets that come late are not taken for its return.
pub const MAX_LATE: u16 = 50;

/// The least by which the timestamp moves at a change of source.
pub const LEAST_STEP: Duration = Duration::from_millis(10);

/// At a change of source the timestamp comes nearer to the clock on the wall by no more than this.
pub const MOST_CORRECTION: Duration = Duration::from_millis(20);

/// After a pause of this length the next packet begins a talk spurt.
pub const TALK_SPURT: Duration = Duration::from_millis(500);

/// Numbers without their wraps are counted from here, so that there are some before the first.
const FIRST_TURN: u64 = 1 << 16;

/// Where the source that is heard stands, in its numbers.
#[derive(Debug, Clone, Copy)]
struct Following {
    ssrc: u32,
    clock_hz: u32,
    sequence: u16,
    timestamp: u32,
    at: Instant,
}

/// The newest timestamp that went out, and when.
#[derive(Debug, Clone, Copy)]
struct Last {
    timestamp: u32,
    at: Instant,
}

/// A timestamp that the clock on the wall and what goes out had in common.
#[derive(Debug, Clone, Copy)]
struct Origin {
    timestamp: u32,
    at: Instant,
    clock_hz: u32,
}

/// The outgoing identity of one leg.
#[derive(Debug, Clone)]
pub struct Track {
    ssrc: u32,
    /// The number before the first that goes out in order.
    first: u64,
    /// The numbers that went out, without their wraps.
    sent: Window,
    /// The numbers that were left out of what is heard, over which those that go out have closed.
    skipped: Window,
    first_timestamp: u32,
    last: Option<Last>,
    origin: Option<Origin>,
    following: Option<Following>,
    /// Where the source stood that was heard before it broke off.
    broken_off: Option<Following>,
    packets: u64,
    bytes: u64,
    starts: u64,
    is_of_pictures: bool,
}

impl Track {
    /// An identity; the three numbers are random (RFC 3550 §5.1). The sequence starts in the lower half, so
    /// that a receiver that joins late cannot miss the first roll-over (RFC 3711 §3.3.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Track {
        let first = FIRST_TURN + u64::from(sequence & 0x7fff);
        Track {
            ssrc,
            first,
            sent: Window::new(first),
            skipped: Window::new(FIRST_TURN),
            first_timestamp: timestamp,
            last: None,
            origin: None,
            following: None,
            broken_off: None,
            packets: 0,
            bytes: 0,
            starts: 0,
            is_of_pictures: false,
        }
    }

    /// The same for pictures, where the marker ends a picture and begins nothing, and where pictures need not be sent
    /// in the order in which they are shown.
    pub fn of_pictures(self) -> Track {
        Track { is_of_pictures: true, ..self }
    }

    /// How often what was heard did not go on from what was heard before.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// The synchronisation source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and bytes of payload that went out.
    pub fn counts(&self) -> (u64, u64) {
        (self.packets, self.bytes)
    }

    /// Counts a packet that went out.
    pub fn count(&mut self, payload: usize) {
        self.packets += 1;
        self.bytes += payload as u64;
    }

    /// The timestamp that belongs to `now`, for sender reports (RFC 3550 §6.4.1).
    pub fn timestamp_at(&self, now: Instant, clock_hz: u32) -> u32 {
        match self.last {
            None => self.first_timestamp,
            Some(last) => last.timestamp.wrapping_add(ticks(now.saturating_duration_since(last.at), clock_hz)),
        }
    }

    /// What is heard does not go on from here: another source, a hold, a change of format.
    pub fn break_off(&mut self) {
        self.broken_off = self.following.take().or(self.broken_off);
    }

    /// The fields that an incoming packet goes out with, `payload_type` already being ours; `None` if it is
    /// too late or a repetition.
    pub fn pass(&mut self, now: Instant, packet: Fields, payload_type: u8, clock_hz: u32) -> Option<Fields> {
        let goes_on = self.following.filter(|f| self.continues(f, now, &packet, clock_hz));
        let Some(following) = goes_on else {
            let is_late = self.following.is_none() && self.is_left_behind(&packet);
            return (!is_late).then(|| self.start(now, packet, payload_type, clock_hz));
        };
        let step = packet.sequence.wrapping_sub(following.sequence);
        let timestamp = self.last.map_or(self.first_timestamp, |last| last.timestamp);
        let moved = packet.timestamp.wrapping_sub(following.timestamp);
        if step == 0 || step > i16::MAX as u16 {
            let back = self.take_back(following.sequence.wrapping_sub(packet.sequence))?;
            let timestamp = timestamp.wrapping_add(moved);
            // It may still be the newest: what came after it was left out.
            if moved as i32 > 0 {
                self.last = Some(Last { timestamp, at: now });
                self.following = Some(Following { timestamp: packet.timestamp, at: now, ..following });
            }
            let sequence = self.sequence().wrapping_sub(back);
            return Some(Fields { payload_type, sequence, timestamp, ssrc: self.ssrc, marker: packet.marker });
        }
        self.forward(step);
        self.skipped.advance(self.skipped.newest() + u64::from(step));
        let paused = now.saturating_duration_since(following.at) >= TALK_SPURT;
        let timestamp = timestamp.wrapping_add(moved);
        // The packets of one keypad event share the timestamp of its start.
        if moved != 0 || self.last.is_none() {
            self.last = Some(Last { timestamp, at: now });
        }
        self.following =
            Some(Following { sequence: packet.sequence, timestamp: packet.timestamp, at: now, ..following });
        let marker = packet.marker || (paused && !self.is_of_pictures);
        Some(Fields { marker, payload_type, sequence: self.sequence(), timestamp, ssrc: self.ssrc })
    }

    /// A packet of the source that is heard is left out: the numbers close over it.
    pub fn skip(&mut self, packet: Fields) {
        if let Some(following) = &mut self.following
            && following.ssrc == packet.ssrc
            && (1..=MAX_DROPOUT).contains(&packet.sequence.wrapping_sub(following.sequence))
        {
            let step = u64::from(packet.sequence.wrapping_sub(following.sequence));
            following.sequence = packet.sequence;
            self.skipped.mark(self.skipped.newest() + step);
            // What is missing before it may still come, and has its numbers.
            self.sent.advance(self.sent.newest() + step - 1);
        }
    }

    /// The timestamp at which something starts now whose packets are not passed on as they come: a keypad
    /// event of our own, or one in another clock. What was heard breaks off.
    pub fn timestamp_now(&mut self, now: Instant, clock_hz: u32) -> u32 {
        let timestamp = self.advanced(now, clock_hz);
        self.last = Some(Last { timestamp, at: now });
        self.break_off();
        timestamp
    }

    /// The fields of a frame of speech that we make ourselves, one after the other in step with the clock on the
    /// wall: the timestamp moves by the time from what went out before it to `at`. What was heard breaks off.
    pub fn frame(&mut self, at: Instant, marker: bool, payload_type: u8, clock_hz: u32) -> Fields {
        let timestamp = match self.last.filter(|_| self.following.is_none()) {
            None => self.advanced(at, clock_hz),
            Some(last) => {
                let passed = ticks(at.saturating_duration_since(last.at), clock_hz);
                last.timestamp.wrapping_add(passed.max(1))
            }
        };
        self.last = Some(Last { timestamp, at });
        self.break_off();
        Fields { marker, payload_type, sequence: self.next_sequence(), timestamp, ssrc: self.ssrc }
    }

    /// The next sequence number, for a packet of our own or one whose timestamp is settled otherwise.
    pub fn next_sequence(&mut self) -> u16 {
        self.forward(1);
        self.sequence()
    }

    /// The newest sequence number that went out.
    fn sequence(&self) -> u16 {
        self.sent.newest() as u16
    }

    /// Whether the packet carries on what was heard last.
    fn continues(&self, following: &Following, now: Instant, packet: &Fields, clock_hz: u32) -> bool {
        if following.ssrc != packet.ssrc || following.clock_hz != clock_hz {
            return false;
        }
        let step = packet.sequence.wrapping_sub(following.sequence) as i16;
        // Pictures may be sent again for as long as their numbers are remembered.
        let late = if self.is_of_pictures { SPAN as u16 - 1 } else { MAX_DROPOUT };
        if step.unsigned_abs() > if step < 0 { late } else { MAX_DROPOUT } {
            return false;
        }
        let Some(last) = self.last else { return false };
        let moved = i64::from(packet.timestamp.wrapping_sub(following.timestamp) as i32);
        if step > 0 && moved < 0 && !self.is_of_pictures {
            return false;
        }
        // Timestamps stand still during a keypad event and then catch up with its beginning.
        [following.at, last.at].into_iter().any(|since| {
            let passed = i64::from(ticks(now.saturating_duration_since(since), clock_hz));
            (moved - passed).abs() <= i64::from(ticks(MAX_DRIFT, clock_hz))
        })
    }

    /// Whether the packet is one of those before the break, come late: begun with, it would be the measure of all that
    /// follow.
    fn is_left_behind(&self, packet: &Fields) -> bool {
        self.broken_off.is_some_and(|before| {
            let back = before.sequence.wrapping_sub(packet.sequence);
            before.ssrc == packet.ssrc && back < MAX_LATE && packet.timestamp.wrapping_sub(before.timestamp) as i32 <= 0
        })
    }

    fn start(&mut self, now: Instant, packet: Fields, payload_type: u8, clock_hz: u32) -> Fields {
        let timestamp = self.advanced(now, clock_hz);
        self.starts += 1;
        self.forward(1);
        self.skipped = Window::new(FIRST_TURN);
        self.last = Some(Last { timestamp, at: now });
        self.following = Some(Following {
            ssrc: packet.ssrc,
            clock_hz,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            at: now,
        });
        let marker = packet.marker || !self.is_of_pictures;
        Fields { marker, payload_type, sequence: self.sequence(), timestamp, ssrc: self.ssrc }
    }

    /// The timestamp of what begins now: so much after the last one as time has passed. What was heard before may have
    /// been late or early, so the errors of many changes would add up but for a correction.
    fn advanced(&mut self, now: Instant, clock_hz: u32) -> u32 {
        let timestamp = match self.last {
            None => self.first_timestamp,
            Some(last) => {
                let passed = now.saturating_duration_since(last.at).max(LEAST_STEP);
                last.timestamp.wrapping_add(ticks(passed, clock_hz))
            }
        };
        let error = self.origin.filter(|origin| origin.clock_hz == clock_hz).map(|origin| {
            let passed = ticks(now.saturating_duration_since(origin.at), clock_hz);
            origin.timestamp.wrapping_add(passed).wrapping_sub(timestamp) as i32
        });
        let Some(error) = error.filter(|error| error.unsigned_abs() <= ticks(MAX_DRIFT, clock_hz)) else {
            self.origin = Some(Origin { timestamp, at: now, clock_hz });
            return timestamp;
        };
        let most = ticks(MOST_CORRECTION, clock_hz) as i32;
        let corrected = timestamp.wrapping_add(error.clamp(-most, most) as u32);
        let least = self.last.map_or(corrected, |last| last.timestamp.wrapping_add(ticks(LEAST_STEP, clock_hz)));
        if (corrected.wrapping_sub(least) as i32) < 0 { least } else { corrected }
    }

    /// Moves on by `step` numbers, the last of which is used.
    fn forward(&mut self, step: u16) {
        if step > 0 {
            self.sent.mark(self.sent.newest() + u64::from(step));
        }
    }

    /// Takes the number that belongs to a packet so far behind the newest one of its source; returns how far it is
    /// behind the last one sent. `None` if it was used: one number never goes out twice with another packet, for SRTP
    /// would use its key stream twice (RFC 3711 §9.1).
    fn take_back(&mut self, behind: u16) -> Option<u16> {
        let heard = self.skipped.newest().checked_sub(u64::from(behind))?;
        if self.skipped.is_marked(heard) != Some(false) {
            return None;
        }
        let back = u64::from(behind).checked_sub(self.skipped.marked_after(heard))?;
        let number = self.sent.newest().checked_sub(back).filter(|number| *number >= self.first)?;
        if self.sent.is_marked(number) != Some(false) {
            return None;
        }
        self.sent.mark(number);
        Some(back as u16)
    }
}

/// A stretch of time in units of a clock, rounded down.
pub fn ticks(time: Duration, clock_hz: u32) -> u32 {
    (time.as_micros().wrapping_mul(u128::from(clock_hz)) / 1_000_000) as u32
}
