//! What the speech that comes in is worth, over the whole call and over its last seconds.

use std::time::{Duration, Instant};

use super::hearing::Hearing;
use crate::rtp::quality::{Robustness, mos, rating};

/// How long an interval of the figure for the last seconds is. Two are kept, so that the figure is of one to two of them.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Packets that must have come in before anything is judged: half a second.
const LEAST_PACKETS: u64 = 25;

/// The delay that no figure of the network shows: a packet of 20 ms is whole before it is sent.
const PACKET_MS: f64 = 20.0;

/// What a listener's buffer waits at least and at most, and how much of the jitter.
const BUFFER_MS: (f64, f64) = (20.0, 200.0);
const BUFFER_OF_JITTER: f64 = 2.0;

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    came: u64,
    lost: u64,
}

impl Counted {
    fn of(hearing: &Hearing) -> Counted {
        Counted { came: hearing.counts().0, lost: hearing.lost() }
    }

    fn since(self, before: Counted) -> Counted {
        Counted { came: self.came.saturating_sub(before.came), lost: self.lost.saturating_sub(before.lost) }
    }

    fn loss(self) -> Option<f64> {
        (self.came >= LEAST_PACKETS).then(|| self.lost as f64 / (self.came + self.lost) as f64)
    }
}

/// The figures at the beginnings of the last two intervals.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    began: Option<Instant>,
    before: Counted,
    last: Counted,
}

/// What a figure is made of beside loss.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The format, by its name.
    pub codec: &'a str,
    /// Round trip to the peer.
    pub round_trip: Option<Duration>,
    /// Jitter of what comes in, in milliseconds.
    pub jitter_ms: f64,
}

impl Line<'_> {
    fn score(&self, loss: f64) -> Option<f64> {
        let (least, most) = BUFFER_MS;
        let buffer_ms = (BUFFER_OF_JITTER * self.jitter_ms).clamp(least, most);
        let network_ms = self.round_trip.map_or(0.0, |time| time.as_secs_f64() * 500.0);
        let score = mos(rating(Robustness::of(self.codec)?, loss, 1.0, network_ms + buffer_ms + PACKET_MS));
        // Two places are more than the model is worth.
        Some((score * 100.0).round() / 100.0)
    }
}

impl Quality {
    /// Time has come to `now`: to be called now and then.
    pub fn note(&mut self, now: Instant, hearing: &Hearing) {
        if self.began.is_none_or(|began| now >= began + INTERVAL) {
            self.began = Some(now);
            self.before = std::mem::replace(&mut self.last, Counted::of(hearing));
        }
    }

    /// The score of the whole call; `None` until there is something to judge.
    pub fn whole(&self, hearing: &Hearing, line: Line<'_>) -> Option<f64> {
        line.score(Counted::of(hearing).loss()?)
    }

    /// The score of the last five to ten seconds, or of less if the call is younger.
    pub fn lately(&self, hearing: &Hearing, line: Line<'_>) -> Option<f64> {
        line.score(Counted::of(hearing).since(self.before).loss()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::media::bridge::formats::formats;
    use crate::model::Codec;
    use crate::rtp::Fields;

    const LINE: Line<'static> = Line { codec: "PCMU", round_trip: None, jitter_ms: 0.0 };

    /// Hears so many seconds, of which `is_lost` picks what is lost.
    fn hear(
        hearing: &mut Hearing,
        quality: &mut Quality,
        start: Instant,
        seconds: u32,
        first: u16,
        is_lost: fn(u16) -> bool,
    ) {
        let format = &formats(&[Codec::pcmu()])[0];
        for n in 0..(seconds * 50) as u16 {
            let now = start + Duration::from_millis(20) * u32::from(n);
            quality.note(now, hearing);
            let sequence = first + n;
            let fields =
                Fields { marker: false, payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc: 1 };
            if !is_lost(sequence) {
                hearing.hear(now, fields, format, &[0; 160]);
            }
        }
    }

    #[test]
    fn nothing_is_judged_before_anything_came_and_unknown_formats_never() {
        let (mut hearing, mut quality, start) = (Hearing::default(), Quality::default(), Instant::now());
        assert_eq!(quality.whole(&hearing, LINE), None);
        hear(&mut hearing, &mut quality, start, 2, 0, |_| false);
        assert_eq!(quality.whole(&hearing, LINE), Some(4.41));
        assert_eq!(quality.whole(&hearing, Line { codec: "G729", ..LINE }), None);
    }

    #[test]
    fn the_last_seconds_recover_while_the_whole_call_remembers() {
        let (mut hearing, mut quality, start) = (Hearing::default(), Quality::default(), Instant::now());
        hear(&mut hearing, &mut quality, start, 10, 0, |n| n % 5 == 1);
        let (whole, lately) = (quality.whole(&hearing, LINE).unwrap(), quality.lately(&hearing, LINE).unwrap());
        assert!((2.5..2.8).contains(&whole) && (lately - whole).abs() < 0.1, "{whole} {lately}");
        hear(&mut hearing, &mut quality, start + Duration::from_secs(10), 20, 500, |_| false);
        assert_eq!(quality.lately(&hearing, LINE), Some(4.41));
        let whole = quality.whole(&hearing, LINE).unwrap();
        assert!((3.4..4.0).contains(&whole), "{whole}");
    }

    #[test]
    fn delay_and_jitter_count() {
        let (mut hearing, mut quality) = (Hearing::default(), Quality::default());
        hear(&mut hearing, &mut quality, Instant::now(), 2, 0, |_| false);
        let far = Line { round_trip: Some(Duration::from_millis(600)), ..LINE };
        let shaken = Line { jitter_ms: 90.0, ..LINE };
        assert!(quality.whole(&hearing, far).unwrap() < 3.9);
        assert!(quality.whole(&hearing, shaken).unwrap() < 4.41);
    }
}
