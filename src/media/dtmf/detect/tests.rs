#![allow(clippy::unwrap_used)]

use std::f64::consts::TAU;

use super::super::{frequencies, height};
use super::*;
use crate::base::Dice;
use crate::media::codec::{Decoder, Encoder, MAX_PAYLOAD, Speech};

const KEYPAD: &str = "0123456789*#ABCD";

/// A key as some telephone plays it.
#[derive(Debug, Clone, Copy)]
struct Played {
    key: char,
    /// The level of the row, and how much louder the column is.
    row_dbm0: f32,
    twist_db: f32,
    /// By how much both frequencies are wrong.
    wrong: (f32, f32),
    ms: u32,
}

const PLAIN: Played = Played { key: '5', row_dbm0: -10.0, twist_db: 0.0, wrong: (0.0, 0.0), ms: 100 };

fn tone(played: Played) -> Vec<f64> {
    let (row, column) = frequencies(played.key).unwrap();
    let waves = [
        (row * (1.0 + played.wrong.0), height(played.row_dbm0)),
        (column * (1.0 + played.wrong.1), height(played.row_dbm0 + played.twist_db)),
    ];
    let length = played.ms * RATE_HZ / 1000;
    let at = |at: u32| {
        let wave = |(hertz, height): &(f32, f32)| {
            f64::from(*height) * (TAU * f64::from(*hertz) * f64::from(at) / f64::from(RATE_HZ) + 0.7).sin()
        };
        waves.iter().map(wave).sum()
    };
    (0..length).map(at).collect()
}

fn silence(ms: u32) -> Vec<f64> {
    vec![0.0; (ms * RATE_HZ / 1000) as usize]
}

/// White noise of this power, in dBm0.
fn noisy(samples: &mut [f64], dbm0: f32, seed: u64) {
    let mut dice = Dice::for_test(seed);
    let height = f64::from(height(dbm0)) / 2f64.sqrt();
    for sample in samples {
        let uniform: f64 = (0..12).map(|_| f64::from(dice.u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        *sample += uniform * height;
    }
}

fn pcm(samples: &[f64]) -> Vec<i16> {
    samples.iter().map(|s| s.round().clamp(-32_124.0, 32_124.0) as i16).collect()
}

fn heard(samples: &[i16]) -> Vec<Dtmf> {
    let (mut detector, mut keys) = (Detector::default(), Vec::new());
    detector.hear(samples, |key| keys.extend(if let Key::Released(dtmf) = key { Some(dtmf) } else { None }));
    keys.extend(detector.end().and_then(|key| if let Key::Released(dtmf) = key { Some(dtmf) } else { None }));
    keys
}

fn digits(samples: &[i16]) -> String {
    heard(samples).iter().map(|d| d.digit).collect()
}

/// All sixteen, each as `played` says, with pauses, from an odd place on.
fn keypad(played: Played, pause_ms: u32, offset: usize) -> Vec<f64> {
    let mut samples = vec![0.0; 80 + offset];
    for key in KEYPAD.chars() {
        samples.extend(tone(Played { key, ..played }));
        samples.extend(silence(pause_ms));
    }
    samples
}

#[test]
fn all_sixteen_keys_of_40_ms_with_pauses_of_40_ms_are_heard_wherever_they_begin() {
    for offset in 0..STEP {
        let samples = pcm(&keypad(Played { ms: 40, ..PLAIN }, 40, offset));
        assert_eq!(digits(&samples), KEYPAD, "{offset}");
    }
}

#[test]
fn the_same_key_again_after_40_ms_is_another() {
    for offset in (0..STEP).step_by(7) {
        let mut samples = silence(offset as u32);
        for _ in 0..5 {
            samples.extend(tone(Played { ms: 50, ..PLAIN }));
            samples.extend(silence(40));
        }
        assert_eq!(digits(&pcm(&samples)), "55555", "{offset}");
    }
}

#[test]
fn frequencies_wrong_by_one_and_a_half_percent_are_taken_and_by_three_and_a_half_not() {
    for (row, column) in [(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0)] {
        for ms in [40, 100] {
            let played = |wrong: f32| Played { wrong: (row * wrong, column * wrong), ms, ..PLAIN };
            assert_eq!(digits(&pcm(&keypad(played(0.015), 50, 3))), KEYPAD, "{row} {column} {ms}");
            assert_eq!(digits(&pcm(&keypad(played(0.035), 50, 3))), "", "{row} {column} {ms}");
        }
    }
}

#[test]
fn the_levels_and_twists_of_q24_are_taken_and_those_beyond_not() {
    for ms in [40, 80] {
        for row_dbm0 in [0.0, -3.0, -10.0, -20.0, -25.0] {
            let played = Played { row_dbm0, ms, ..PLAIN };
            assert_eq!(digits(&pcm(&keypad(played, 40, 11))), KEYPAD, "{row_dbm0}");
        }
        for twist_db in [4.0, -8.0] {
            for row_dbm0 in [-4.0, -10.0, if twist_db > 0.0 { -25.0 } else { -17.0 }] {
                let played = Played { row_dbm0, twist_db, ms, ..PLAIN };
                assert_eq!(digits(&pcm(&keypad(played, 40, 17))), KEYPAD, "{row_dbm0} {twist_db}");
            }
        }
        for (row_dbm0, twist_db) in [(-10.0, 7.0), (-10.0, -11.0), (-40.0, 0.0), (-55.0, 0.0)] {
            let played = Played { row_dbm0, twist_db, ms, ..PLAIN };
            assert_eq!(digits(&pcm(&keypad(played, 40, 17))), "", "{row_dbm0} {twist_db}");
        }
    }
}

#[test]
fn tones_of_23_ms_are_none_and_durations_are_told_to_ten_milliseconds() {
    for offset in 0..STEP {
        assert_eq!(digits(&pcm(&keypad(Played { ms: 23, ..PLAIN }, 60, offset))), "", "{offset}");
    }
    for ms in [40, 55, 80, 123, 400, 5000] {
        for dtmf in heard(&pcm(&keypad(Played { ms, ..PLAIN }, 60, 5))) {
            let told = dtmf.duration.as_millis() as i64;
            assert!((told - i64::from(ms)).abs() <= 10, "{ms}: {told}");
        }
    }
}

#[test]
fn an_interruption_of_10_ms_does_not_make_two_keys_of_one() {
    for offset in 0..STEP {
        let mut samples = vec![0.0; offset];
        samples.extend(tone(Played { ms: 60, ..PLAIN }));
        samples.extend(silence(10));
        samples.extend(tone(Played { ms: 60, ..PLAIN }));
        samples.extend(silence(100));
        assert_eq!(digits(&pcm(&samples)), "5", "{offset}");
    }
}

#[test]
fn one_key_that_follows_another_without_a_pause_is_another() {
    let mut samples = tone(PLAIN);
    samples.extend(tone(Played { key: '9', ..PLAIN }));
    samples.extend(tone(Played { key: '1', ..PLAIN }));
    assert_eq!(digits(&pcm(&samples)), "591");
}

#[test]
fn keys_in_noise_of_15_db_below_them_are_all_heard_and_noise_alone_is_none() {
    let mut wrong = 0;
    for seed in 0..30 {
        let mut samples = keypad(Played { ms: 50, row_dbm0: -13.0, ..PLAIN }, 50, seed as usize % STEP);
        // Both tones together are -10 dBm0.
        noisy(&mut samples, -25.0, seed);
        wrong += usize::from(digits(&pcm(&samples)) != KEYPAD);
    }
    assert_eq!(wrong, 0, "of thirty keypads");
    for dbm0 in [0.0, -10.0, -25.0] {
        let mut samples = silence(20_000);
        noisy(&mut samples, dbm0, 7);
        assert_eq!(digits(&pcm(&samples)), "");
    }
}

/// What is left of samples after an encoder and a decoder.
fn through(speech: Speech, samples: &[i16]) -> Vec<i16> {
    let rate_hz = speech.rate_hz().unwrap_or(RATE_HZ);
    let mut encoder = Encoder::new(speech, rate_hz, None).unwrap();
    let mut decoder = Decoder::new(speech, RATE_HZ).unwrap();
    let mut wide = Vec::new();
    match crate::media::codec::resample::Resampler::new(RATE_HZ, rate_hz) {
        Some(mut resampler) => resampler.process(samples, &mut wide),
        None => wide.extend_from_slice(samples),
    }
    let (mut out, mut payload) = (Vec::new(), [0; MAX_PAYLOAD]);
    for frame in wide.chunks_exact((rate_hz / 50) as usize) {
        match encoder.encode(frame, &mut payload) {
            Some(length) => assert!(decoder.decode(&payload[..length], &mut out)),
            None => out.extend([0; 160]),
        }
    }
    out
}

#[test]
fn keys_are_heard_through_every_codec() {
    for speech in [Speech::Pcmu, Speech::Pcma, Speech::G722, Speech::Opus] {
        for (ms, row_dbm0, twist_db, wrong) in
            [(50, -9.0, 2.0, 0.0), (80, -20.0, -6.0, 0.012), (100, -4.0, 3.0, -0.015), (60, -24.0, 0.0, 0.0)]
        {
            let played = Played { ms, row_dbm0, twist_db, wrong: (wrong, -wrong), ..PLAIN };
            let mut samples = keypad(played, 60, 13);
            samples.extend(silence(100));
            assert_eq!(digits(&through(speech, &pcm(&samples))), KEYPAD, "{speech:?} {played:?}");
        }
    }
}

#[test]
fn keys_in_noise_are_heard_through_the_laws_of_g711() {
    for speech in [Speech::Pcmu, Speech::Pcma] {
        for seed in 0..8 {
            let mut samples = keypad(Played { ms: 50, row_dbm0: -13.0, ..PLAIN }, 50, seed as usize);
            noisy(&mut samples, -25.0, seed);
            assert_eq!(digits(&through(speech, &pcm(&samples))), KEYPAD, "{speech:?} {seed}");
        }
    }
}

fn sines(tones: &[f64], ms: u32, dbm0: f32) -> Vec<f64> {
    let at = |at: u32| -> f64 {
        tones.iter().map(|hertz| f64::from(height(dbm0)) * (TAU * hertz * f64::from(at) / 8000.0).sin()).sum()
    };
    (0..ms * 8).map(at).collect()
}

#[test]
fn the_tones_of_the_network_of_facsimiles_and_of_music_are_no_keys() {
    let single =
        [350.0, 400.0, 425.0, 440.0, 480.0, 620.0, 697.0, 941.0, 1100.0, 1209.0, 1336.0, 1400.0, 1633.0, 2100.0];
    for hertz in single {
        assert_eq!(digits(&pcm(&sines(&[hertz], 1000, -9.0))), "", "{hertz}");
    }
    let pairs = [
        [350.0, 440.0],
        [440.0, 480.0],
        [480.0, 620.0],
        [400.0, 450.0],
        [1300.0, 2100.0],
        [700.0, 900.0],
        [900.0, 1300.0],
    ];
    for pair in pairs {
        assert_eq!(digits(&pcm(&sines(&pair, 1000, -9.0))), "", "{pair:?}");
    }
    let special = [913.8, 1370.6, 1776.7];
    let triad: Vec<f64> = special.iter().flat_map(|hertz| sines(&[*hertz], 330, -9.0)).collect();
    assert_eq!(digits(&pcm(&triad)), "");
    // Every interval of the tempered scale over two octaves, and instruments with harmonics.
    let note = |number: u32| 440.0 * 2f64.powf((f64::from(number) - 9.0) / 12.0);
    for low in 0..30 {
        for high in low + 1..36 {
            let pure = sines(&[note(low), note(high)], 120, -12.0);
            let found = digits(&pcm(&pure));
            let is_near =
                |table: [f32; 4], hertz: f64| table.iter().any(|t| (hertz / f64::from(*t) - 1.0).abs() < 0.025);
            let is_key = is_near(ROWS, note(low)) && is_near(COLUMNS, note(high));
            assert!(found.is_empty() || is_key, "{low} {high}: {found}");
            let rich: Vec<f64> = [1.0, 2.0, 3.0].iter().flat_map(|n| [note(low) * n, note(high) * n]).collect();
            assert_eq!(digits(&pcm(&sines(&rich, 120, -18.0))), "", "{low} {high}");
        }
    }
}

/// Something like a voice: a pitch that glides, with harmonics shaped by formants that move from vowel to vowel, with
/// breath and pauses.
fn babble(seconds: u32, seed: u64) -> Vec<f64> {
    let mut dice = Dice::for_test(seed);
    let mut random = move |low: f64, high: f64| low + (high - low) * f64::from(dice.u32()) / f64::from(u32::MAX);
    let base = random(90.0, 300.0);
    let (mut phase, mut out) = (0.0, Vec::new());
    let mut formants = [500.0, 1500.0, 2500.0];
    while out.len() < (seconds * RATE_HZ) as usize {
        let length = random(400.0, 3000.0) as usize;
        let next = [random(250.0, 950.0), random(700.0, 2400.0), random(2000.0, 3300.0)];
        let (from, to) = (base * random(0.8, 1.3), base * random(0.8, 1.3));
        let (loud, breath) = (random(500.0, 9000.0), random(0.0, 0.15));
        let is_pause = random(0.0, 1.0) < 0.15;
        for at in 0..length {
            let part = at as f64 / length as f64;
            let pitch = from + (to - from) * part;
            phase += TAU * pitch / f64::from(RATE_HZ);
            let mut sample = 0.0;
            for harmonic in 1..=(3400.0 / pitch) as u32 {
                let hertz = pitch * f64::from(harmonic);
                let gain: f64 = formants
                    .iter()
                    .zip(next)
                    .map(|(before, after)| {
                        let away = (hertz - (before + (after - before) * part)) / 90.0;
                        1.0 / (1.0 + away * away)
                    })
                    .sum();
                sample += gain * (phase * f64::from(harmonic)).sin();
            }
            let edge = (part * 8.0).min((1.0 - part) * 8.0).min(1.0);
            out.push(if is_pause { 0.0 } else { loud * edge * (sample + random(-breath, breath)) });
        }
        formants = next;
    }
    out
}

#[test]
fn ten_minutes_of_twenty_voices_are_no_key() {
    let mut false_keys = String::new();
    for seed in 0..20 {
        false_keys += &digits(&pcm(&babble(30, seed)));
    }
    assert_eq!(false_keys, "");
}

#[test]
fn a_key_is_told_40_ms_after_it_begins_at_the_latest() {
    for offset in 0..STEP {
        let mut samples = vec![0.0; 400 + offset];
        samples.extend(tone(PLAIN));
        let (mut detector, mut at) = (Detector::default(), None);
        for (number, chunk) in pcm(&samples).chunks(STEP).enumerate() {
            detector.hear(chunk, |key| {
                if let Key::Pressed('5') = key {
                    at.get_or_insert((number + 1) * STEP);
                }
            });
        }
        let late = at.unwrap() - 400 - offset;
        assert!(late <= 8 * 40, "{late} samples");
    }
}
