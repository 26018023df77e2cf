//! Two parties whose clocks go apart, in one recording.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::media::codec::{Encoder, MAX_PAYLOAD, Speech};
use crate::media::tap::{CHANNELS, Ear, FRAMES_FOR_FILE, RATE_HZ};
use crate::rtp::Fields;

/// What two sounds that were made at the same time may be apart in a recording: each channel waits as long as its own line
/// needs, and no longer than the band of `transcode/slack.rs` allows.
const APART: Duration = Duration::from_millis(60);

const HOUR: u32 = 3600;

/// A second with a beep of 100 ms at its beginning, in packets of G.722.
fn second() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Speech::G722, RATE_HZ, None).unwrap();
    let beep = |n: usize| 8000.0 * (TAU * 500.0 * n as f64 / f64::from(RATE_HZ)).sin();
    let sample = |n: usize| if n < RATE_HZ as usize / 10 { beep(n) as i16 } else { 0 };
    let packet = |n: usize| {
        let frame: Vec<i16> = (n * 320..(n + 1) * 320).map(sample).collect();
        let mut packet = [0; MAX_PAYLOAD];
        let length = encoder.encode(&frame, &mut packet).unwrap();
        packet[..length].to_vec()
    };
    (0..50).map(packet).collect()
}

/// Finds where beeps begin.
#[derive(Default)]
struct Beeps {
    samples: u64,
    quiet: u32,
    begun: Vec<Duration>,
}

impl Beeps {
    fn hear(&mut self, sample: i16) {
        self.quiet += 1;
        if sample.unsigned_abs() > 1500 {
            if self.quiet > RATE_HZ / 2 {
                self.begun.push(Duration::from_micros(self.samples * 1_000_000 / u64::from(RATE_HZ)));
            }
            self.quiet = 0;
        }
        self.samples += 1;
    }
}

/// Where the beeps of two parties are in an hour's recording, whose clocks are so much faster than ours.
fn record(ppm: [f64; CHANNELS], jitter_ms: u32) -> [Beeps; CHANNELS] {
    let (second, start) = (second(), super::beginning());
    let mut dice = crate::base::Dice::for_test(1);
    let mut ear = Ear::new(start, FRAMES_FOR_FILE);
    let mut beeps = [(); CHANNELS].map(|()| Beeps { quiet: RATE_HZ, ..Beeps::default() });
    let mut come = |who: usize, n: u32| {
        let sent = Duration::from_secs_f64(f64::from(n) * 0.02 / (1.0 + ppm[who] / 1e6));
        start + sent + Duration::from_micros(dice.below(jitter_ms * 1000 + 1).into())
    };
    let mut next = [(0u32, come(0, 0)), (0, come(1, 0))];
    while let Some(who) = (0..CHANNELS).min_by_key(|who| next[*who].1)
        && next[who].0 < HOUR * 50
    {
        let (n, now) = next[who];
        next[who] = (n + 1, come(who, n + 1));
        while let Some(due) = ear.poll_timeout().filter(|due| *due < now) {
            let Some(block) = ear.tick(due) else { continue };
            for pair in block.samples.chunks_exact(CHANNELS) {
                beeps.iter_mut().zip(pair).for_each(|(beeps, sample)| beeps.hear(*sample));
            }
        }
        let fields = Fields { timestamp: n.wrapping_mul(160), ssrc: who as u32, ..Fields::default() };
        ear.hear(now, who, Speech::G722, fields, &second[n as usize % second.len()]);
    }
    beeps
}

#[test]
fn an_hour_of_two_parties_whose_clocks_go_apart_is_recorded_side_by_side() {
    let ppm = [100.0, -100.0];
    let beeps = record(ppm, 15);
    let [left, right] = beeps.each_ref().map(|beeps| &beeps.begun);
    assert!(left.len().min(right.len()) as u32 >= HOUR - 1, "{} and {}", left.len(), right.len());
    // When a beep was made, by our clock, and when it is in the recording: the delay of either side.
    let delay = |n: usize, ppm: f64, begun: Duration| begun.as_secs_f64() - n as f64 / (1.0 + ppm / 1e6);
    let apart = left.iter().zip(right).enumerate().map(|(n, (left, right))| {
        let [left, right] = [delay(n, ppm[0], *left), delay(n, ppm[1], *right)];
        // A frame is taken at its end.
        let bound = -0.02..0.08;
        assert!(bound.contains(&left) && bound.contains(&right), "{n}: {left} {right}");
        (left - right).abs()
    });
    let apart = Duration::from_secs_f64(apart.fold(0.0, f64::max));
    println!("{apart:?} apart");
    assert!(apart < APART, "{apart:?}");
}
