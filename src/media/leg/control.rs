//! RTCP of one leg: it ends here and is never passed on.

use std::time::{Duration, Instant};

use super::hearing::Hearing;
use super::track::Track;
use crate::base::Dice;
use crate::rtp::rtcp::{self, ReportBlock, Rtcp, SenderInfo, Writer};

/// The mean time between our reports (RFC 3550 §6.2), and half of it before the first.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The mean time before the first report.
pub const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// A time of day that belongs to an instant of the core's clock.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    /// The instant.
    pub at: Instant,
    /// The time of day at that instant.
    pub since_1970: Duration,
}

impl WallClock {
    /// The time of day in NTP's format.
    pub fn ntp(&self, now: Instant) -> u64 {
        rtcp::ntp(self.since_1970 + now.saturating_duration_since(self.at))
    }
}

/// The reports of one leg.
#[derive(Debug, Clone)]
pub struct Control {
    interval: Duration,
    next: Instant,
    packets_at_last: u64,
    lost_out: u64,
    fraction_lost: Option<u8>,
    jitter_out: u32,
    round_trip: Option<Duration>,
    last_heard: Option<Instant>,
}

impl Control {
    /// Reports begin after about a second.
    pub fn new(now: Instant, dice: &mut Dice) -> Control {
        Control {
            interval: INTERVAL,
            next: now + spread(FIRST_INTERVAL, dice),
            packets_at_last: 0,
            lost_out: 0,
            fraction_lost: None,
            jitter_out: 0,
            round_trip: None,
            last_heard: None,
        }
    }

    /// The same at another pace.
    pub fn every(self, interval: Duration) -> Control {
        Control { interval, ..self }
    }

    /// When the next report is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The report that is due, written to `buffer`; its length, or `None` if there is nothing to say.
    #[allow(clippy::too_many_arguments)]
    pub fn next_report(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        wall: &WallClock,
        track: &Track,
        clock_hz: u32,
        hearing: &mut Hearing,
        cname: &str,
        buffer: &mut [u8],
    ) -> Option<usize> {
        if now < self.next {
            return None;
        }
        self.next = now + spread(self.interval, dice);
        let (packets, octets) = track.counts();
        let sent_since = packets > self.packets_at_last;
        self.packets_at_last = packets;
        let sender = sent_since.then(|| SenderInfo {
            ntp: wall.ntp(now),
            rtp_timestamp: track.timestamp_at(now, clock_hz),
            packets: packets as u32,
            octets: octets as u32,
        });
        let block = hearing.sources().last_mut().map(|source| source.report(now));
        if sender.is_none() && block.is_none() {
            return None;
        }
        let mut writer = Writer::new(buffer);
        writer.report(track.ssrc(), sender, block.as_slice());
        writer.canonical_name(track.ssrc(), cname);
        Some(writer.length())
    }

    /// The last words of a leg, written to `buffer`; their length.
    pub fn goodbye(&self, track: &Track, cname: &str, buffer: &mut [u8]) -> usize {
        let mut writer = Writer::new(buffer);
        writer.report(track.ssrc(), None, &[]);
        writer.canonical_name(track.ssrc(), cname);
        writer.bye(track.ssrc());
        writer.length()
    }

    /// A compound of the peer.
    pub fn hear(&mut self, now: Instant, wall: &WallClock, ours: u32, hearing: &mut Hearing, compound: &[u8]) {
        self.last_heard = Some(now);
        for packet in rtcp::read(compound) {
            match packet {
                Rtcp::SenderReport { ssrc, info, blocks } => {
                    if let Some(source) = hearing.sources().iter_mut().find(|s| s.ssrc() == ssrc) {
                        source.handle_sender_report(now, info.ntp);
                    }
                    blocks.filter(|b| b.ssrc == ours).for_each(|b| self.heed(now, wall, b));
                }
                Rtcp::ReceiverReport { blocks, .. } => {
                    blocks.filter(|b| b.ssrc == ours).for_each(|b| self.heed(now, wall, b));
                }
                _ => {}
            }
        }
    }

    /// When RTCP last came in.
    pub fn last_heard(&self) -> Option<Instant> {
        self.last_heard
    }

    /// Packets of ours that the peer missed.
    pub fn lost_out(&self) -> u64 {
        self.lost_out
    }

    /// The part of our packets that the peer missed by its last report, in 256ths; each report is told once.
    pub fn take_fraction_lost(&mut self) -> Option<u8> {
        self.fraction_lost.take()
    }

    /// The peer's jitter, in milliseconds.
    pub fn jitter_out_ms(&self, clock_hz: u32) -> f64 {
        f64::from(self.jitter_out) * 1000.0 / f64::from(clock_hz.max(1))
    }

    /// Round trip to the peer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn heed(&mut self, now: Instant, wall: &WallClock, block: ReportBlock) {
        self.lost_out = u64::try_from(block.lost).unwrap_or(0);
        self.fraction_lost = Some(block.fraction_lost);
        self.jitter_out = block.jitter;
        self.round_trip = block.round_trip(wall.ntp(now)).or(self.round_trip);
    }
}

/// RFC 3550 §6.2: between half of the interval and one and a half, so that reports do not fall into step.
fn spread(mean: Duration, dice: &mut Dice) -> Duration {
    mean / 2 + Duration::from_micros(u64::from(dice.below(mean.as_micros() as u32)))
}
