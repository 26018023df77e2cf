//! A sender whose clock is not ours, over an hour.

use super::*;
use crate::media::bridge::transcode::slack::{LEAST, MOST};
use crate::media::bridge::transcode::stretch::PAUSE_US;

const RATE_HZ: usize = 8000;
const TONE_HZ: f64 = 440.0;
const PACKET: usize = 160;
const HOUR: u32 = 3600 * 50;

/// What may wait right after a frame was taken: packets come up to [`MOST`] early until that is known, and the next frame
/// is then there too, and what of a packet is left over.
const MOST_WAITING: Duration = MOST.saturating_add(FRAME).saturating_add(FRAME);

/// The packets of a tone, which repeat after 100 ms.
fn tone() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Speech::Pcma, RATE_HZ as u32, None).unwrap();
    let sample = |n: usize| (8000.0 * (TAU * TONE_HZ * n as f64 / RATE_HZ as f64).sin()).round() as i16;
    let packet = |first: usize| {
        let samples: Vec<i16> = (first * PACKET..(first + 1) * PACKET).map(sample).collect();
        let mut packet = [0; MAX_PAYLOAD];
        let length = encoder.encode(&samples, &mut packet).unwrap();
        packet[..length].to_vec()
    };
    (0..5).map(packet).collect()
}

/// What a listener hears of the tone, judged as it goes.
#[derive(Default)]
struct Judge {
    samples: usize,
    last: [f64; 2],
    /// How far a sample lies from what the two before it say.
    worst_jump: f64,
    /// The tone's part in phase and out of phase, in this second.
    parts: [f64; 2],
    phase: Option<f64>,
    /// The most that the pitch of a second is off, in hundredths of a semitone.
    worst_cents: f64,
    softest: f64,
}

impl Judge {
    fn hear(&mut self, samples: impl Iterator<Item = i16>, wave: &[[f64; 2]]) {
        let turn = 2.0 * (TAU * TONE_HZ / RATE_HZ as f64).cos();
        for sample in samples.map(f64::from) {
            let [before, last] = self.last;
            self.samples += 1;
            // What comes before the first packet is no tone.
            if self.samples > RATE_HZ {
                self.worst_jump = self.worst_jump.max((turn * last - before - sample).abs());
            }
            self.last = [last, sample];
            let [sine, cosine] = wave[self.samples % wave.len()];
            self.parts[0] += sample * sine;
            self.parts[1] += sample * cosine;
            if self.samples.is_multiple_of(RATE_HZ) {
                self.end_second();
            }
        }
    }

    fn end_second(&mut self) {
        let [sine, cosine] = std::mem::take(&mut self.parts);
        let level = 2.0 * sine.hypot(cosine) / RATE_HZ as f64;
        let phase = cosine.atan2(sine);
        if let Some(before) = self.phase.filter(|_| self.samples > 2 * RATE_HZ) {
            let turned = (phase - before + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            let cents = 1200.0 * (1.0 + turned / (TAU * TONE_HZ)).log2();
            self.worst_cents = self.worst_cents.max(cents.abs());
            self.softest = self.softest.min(level);
        } else {
            self.softest = level;
        }
        self.phase = Some(phase);
    }
}

struct Hour {
    judge: Judge,
    figures: Figures,
    /// The least and the most that waited right after a frame was taken, in milliseconds, after the first minute.
    waited: (u32, u32),
}

/// An hour of the tone by a clock that is `ppm` faster than ours, each packet late by up to `jitter_ms`.
fn hour(ppm: f64, jitter_ms: u32) -> Hour {
    let (packets, start) = (tone(), beginning());
    let wave = |n: usize| TAU * TONE_HZ * n as f64 / RATE_HZ as f64;
    let wave: Vec<[f64; 2]> = (0..RATE_HZ).map(|n| [wave(n).sin(), wave(n).cos()]).collect();
    let target = Target {
        speech: Speech::Pcmu,
        rate_hz: RATE_HZ as u32,
        parameters: None,
        packet_ms: 20,
        effort: Default::default(),
    };
    let mut transcoder = Transcoder::new(target);
    let mut dice = crate::base::Dice::for_test(ppm.abs() as u64 + u64::from(jitter_ms));
    let (mut judge, mut waited, mut ticks) = (Judge::default(), (u32::MAX, 0), 0u32);
    let (mut packet, mut last_tick) = ([0; MAX_PAYLOAD], None);
    let table = &crate::media::codec::g711::LINEAR_OF_ULAW;
    for n in 0..HOUR {
        let sent = start + Duration::from_secs_f64(f64::from(n) * 0.02 / (1.0 + ppm / 1e6));
        // No packet overtakes another.
        let at = sent + Duration::from_micros(u64::from(dice.below(jitter_ms.min(19) * 1000 + 1)));
        while let Some(due) = transcoder.poll_timeout().filter(|due| *due < at) {
            let tick = transcoder.tick(due).unwrap();
            assert!(last_tick.replace(tick).is_none_or(|last| tick - last == FRAME), "a frame each 20 ms");
            let length = transcoder.encode(&mut packet).unwrap();
            assert_eq!(length, PACKET);
            judge.hear(packet[..length].iter().map(|octet| table[usize::from(*octet)]), &wave);
            ticks += 1;
            if ticks > 3000 {
                let waits = transcoder.listening.waits_ms();
                waited = (waits.min(waited.0), waits.max(waited.1));
            }
        }
        let timestamp = (u32::MAX - 500).wrapping_add(n * PACKET as u32);
        let fields = Fields { timestamp, ssrc: 1, ..Fields::default() };
        transcoder.hear(at, Speech::Pcma, fields, &packets[n as usize % packets.len()]);
    }
    Hour { judge, figures: transcoder.listening.figures(), waited }
}

fn assert_goes_unnoticed(ppm: f64, jitter_ms: u32) {
    let Hour { judge, figures, waited } = hour(ppm, jitter_ms);
    let what = format!("{ppm} ppm, {jitter_ms} ms of jitter: waited {waited:?}, {figures:?}");
    println!("{what}, jump {}, {} cents, level {}", judge.worst_jump, judge.worst_cents, judge.softest);
    assert_eq!((figures.made_up, figures.dropped), (0, 0), "no gap and nothing left out, {what}");
    let most = MOST_WAITING.as_millis() as u32 + jitter_ms;
    assert!(waited.1 <= most && most < LONGEST_DELAY_MS, "no more than {most} ms wait, {what}");
    // The clocks are apart by so much in the end, and all of it was put in or taken out, but for what the band holds.
    let apart = ppm * 3600.0 * RATE_HZ as f64 / 1e6;
    let changed = figures.taken_out as f64 - figures.put_in as f64;
    let band = (MOST_WAITING - LEAST).as_secs_f64() * RATE_HZ as f64 + (PAUSE_US * RATE_HZ / 1_000_000) as f64;
    assert!((apart - changed).abs() < band, "{what}");
    // Quantisation by both laws takes up to 512 at each of three samples.
    assert!(judge.worst_jump < 1000.0, "no jump: {}, {what}", judge.worst_jump);
    assert!(judge.worst_cents < 1.0, "no other pitch: {} cents, {what}", judge.worst_cents);
    assert!(judge.softest > 7800.0, "no hole: {}, {what}", judge.softest);
}

#[test]
fn an_hour_of_a_clock_that_is_fast_is_heard_without_a_gap_or_a_jump_and_the_delay_stays() {
    for (ppm, jitter_ms) in [(50.0, 15), (100.0, 15), (300.0, 0), (300.0, 15)] {
        assert_goes_unnoticed(ppm, jitter_ms);
    }
}

#[test]
fn an_hour_of_a_clock_that_is_slow_is_heard_without_a_gap_or_a_jump_and_the_delay_stays() {
    for (ppm, jitter_ms) in [(-50.0, 15), (-100.0, 15), (-300.0, 0), (-300.0, 15)] {
        assert_goes_unnoticed(ppm, jitter_ms);
    }
}
