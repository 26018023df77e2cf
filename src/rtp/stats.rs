//! What a receiver counts of one source (RFC 3550 §6.4.1, appendices A.1, A.3 and A.8).

use std::time::{Duration, Instant};

use super::rtcp::ReportBlock;

/// A larger step forward than this is another numbering (RFC 3550 appendix A.1).
const MAX_DROPOUT: u16 = 3000;
/// A larger step back than this is another numbering (RFC 3550 appendix A.1).
const MAX_MISORDER: u16 = 100;

/// The counts of one source.
#[derive(Debug, Clone)]
pub struct Reception {
    ssrc: u32,
    most_late: u16,
    started: Instant,
    base: u64,
    highest: u64,
    /// After a jump: the sequence number that would confirm the new numbering.
    expected_after_jump: Option<u16>,
    received: u64,
    /// Packets lost under numberings that the source gave up.
    lost_before: i64,
    at_last_report: Counted,
    clock_hz: u32,
    transit: Option<i64>,
    /// Sixteen times the jitter, in units of the clock.
    jitter: u64,
    last_sender_report: Option<(u32, Instant)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    expected: u64,
    received: u64,
}

impl Reception {
    /// Counts from the first packet of a source.
    pub fn new(now: Instant, ssrc: u32, sequence: u16) -> Reception {
        let base = u64::from(sequence);
        Reception {
            ssrc,
            most_late: MAX_MISORDER,
            started: now,
            base,
            highest: base,
            expected_after_jump: None,
            received: 0,
            lost_before: 0,
            at_last_report: Counted::default(),
            clock_hz: 0,
            transit: None,
            jitter: 0,
            last_sender_report: None,
        }
    }

    /// The same for a source that sends packets again: so many numbers late they still belong to its numbering.
    pub fn sent_again(self, most_late: u16) -> Reception {
        Reception { most_late, ..self }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A packet of this source, the first one too. `clock_hz` is the clock of its format; packets whose
    /// timestamp does not say when they were made (keypad events) give `None` and do not count for jitter.
    pub fn handle_packet(&mut self, now: Instant, sequence: u16, timestamp: u32, clock_hz: Option<u32>) {
        if self.follow(sequence) {
            self.received = self.received.saturating_add(1);
            if let Some(clock_hz) = clock_hz {
                self.measure(now, timestamp, clock_hz);
            }
        }
    }

    /// Whether the packet belongs to the numbering.
    fn follow(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.saturating_add(u64::from(ahead));
        } else if ahead.wrapping_neg() > self.most_late {
            if self.expected_after_jump != Some(sequence) {
                self.expected_after_jump = Some(sequence.wrapping_add(1));
                return false;
            }
            // Two in a row: the source began anew without changing its SSRC.
            self.lost_before = self.lost();
            self.base = u64::from(sequence);
            self.highest = self.base;
            self.received = 0;
            self.at_last_report = Counted::default();
            self.transit = None;
        }
        self.expected_after_jump = None;
        true
    }

    /// RFC 3550 appendix A.8.
    fn measure(&mut self, now: Instant, timestamp: u32, clock_hz: u32) {
        if self.clock_hz != clock_hz {
            // The old jitter keeps its meaning in time, not in units.
            self.jitter = (self.jitter * u64::from(clock_hz)).checked_div(u64::from(self.clock_hz)).unwrap_or(0);
            self.clock_hz = clock_hz;
            self.transit = None;
        }
        let since = now.saturating_duration_since(self.started).as_micros();
        let arrival = (since.saturating_mul(u128::from(clock_hz)) / 1_000_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit {
            // A step of more than a second is a clock that was set, not the network.
            let step = (transit.wrapping_sub(before) as i32).unsigned_abs();
            if step <= clock_hz {
                self.jitter = (self.jitter + u64::from(step)).saturating_sub((self.jitter + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// A sender report of this source, by the middle of its NTP time (RFC 3550 §6.4.1, LSR).
    pub fn handle_sender_report(&mut self, now: Instant, ntp: u64) {
        self.last_sender_report = Some(((ntp >> 16) as u32, now));
    }

    fn expected(&self) -> u64 {
        self.highest.saturating_sub(self.base).saturating_add(1)
    }

    /// Packets received, repeated ones too.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets lost; negative if some came twice.
    pub fn lost(&self) -> i64 {
        let expected = i64::try_from(self.expected()).unwrap_or(i64::MAX);
        self.lost_before.saturating_add(expected.saturating_sub(i64::try_from(self.received).unwrap_or(i64::MAX)))
    }

    /// The jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        let micros = (self.jitter * 1_000_000 / 16).checked_div(u64::from(self.clock_hz)).unwrap_or(0);
        Duration::from_micros(micros)
    }

    /// The block of the next report; the fraction lost counts from the last one.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let counted = Counted { expected: self.expected(), received: self.received };
        let expected = counted.expected.saturating_sub(self.at_last_report.expected);
        let received = counted.received.saturating_sub(self.at_last_report.received);
        self.at_last_report = counted;
        let fraction = (expected.saturating_sub(received) << 8).checked_div(expected).unwrap_or(0);
        let (last_sender_report, delay) = match self.last_sender_report {
            Some((middle, at)) => {
                let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
                (middle, u32::try_from(delay).unwrap_or(u32::MAX))
            }
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest as u32,
            jitter: u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX),
            last_sender_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests;
