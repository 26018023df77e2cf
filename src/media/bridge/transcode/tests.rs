#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::f64::consts::TAU;
use std::time::Duration;

use super::listen::{FIRST_DELAY, LONGEST_DELAY_MS};
use super::pace::MAX_CATCH_UP;
use super::*;
use crate::media::codec::{Effort, Encoder, MAX_PAYLOAD};

mod drift;

const PITCH_HZ: f64 = 125.0;

fn beginning() -> Instant {
    Instant::now()
}

/// The hum of a voice: a low tone and what is above it.
fn hum(from: usize, samples: usize) -> Vec<i16> {
    let sample = |n: usize| {
        let angle = TAU * PITCH_HZ * n as f64 / 8000.0;
        (1..=12).map(|k| 6000.0 / f64::from(k) * (f64::from(k) * angle).sin()).sum::<f64>() as i16
    };
    (from..from + samples).map(sample).collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
}

/// A sender of a hum, `ptime` milliseconds a packet, and a transcoder from its format to PCMU.
struct Scene {
    start: Instant,
    speech: Speech,
    encoder: Encoder,
    ptime: usize,
    sent: usize,
    transcoder: Transcoder,
    /// When each packet comes, and which.
    under_way: Vec<(Instant, Fields, Vec<u8>)>,
    heard: Vec<i16>,
    ticks: Vec<Instant>,
}

impl Scene {
    fn new(speech: Speech, ptime: usize) -> Scene {
        Scene {
            start: Instant::now(),
            speech,
            encoder: Encoder::new(speech, 8000, Some("useinbandfec=1")).unwrap(),
            ptime,
            sent: 0,
            transcoder: Transcoder::new(Target {
                speech: Speech::Pcmu,
                rate_hz: 8000,
                parameters: None,
                packet_ms: 20,
                effort: Effort::default(),
            }),
            under_way: Vec::new(),
            heard: Vec::new(),
            ticks: Vec::new(),
        }
    }

    /// The next packet arrives `late` after its time by a clock that is `rate` times ours.
    fn send(&mut self, late: Option<Duration>, rate: f64) {
        let samples = self.ptime * 8;
        let mut packet = [0; MAX_PAYLOAD];
        let length = self.encoder.encode(&hum(self.sent * samples, samples), &mut packet).unwrap();
        let step = self.ptime as u32 * self.speech.clock_hz() / 1000;
        let timestamp = (u32::MAX - 500).wrapping_add(self.sent as u32 * step);
        let fields = Fields { timestamp, ssrc: 1, ..Fields::default() };
        let at = self.start + Duration::from_secs_f64((self.sent * self.ptime) as f64 / 1000.0 / rate);
        if let Some(late) = late {
            self.under_way.push((at + late, fields, packet[..length].to_vec()));
        }
        self.sent += 1;
    }

    fn run(mut self) -> Scene {
        self.under_way.sort_by_key(|(at, ..)| *at);
        let mut packet = [0; MAX_PAYLOAD];
        for (at, fields, payload) in std::mem::take(&mut self.under_way) {
            while let Some(due) = self.transcoder.poll_timeout().filter(|due| *due < at) {
                self.ticks.push(self.transcoder.tick(due).unwrap());
                let length = self.transcoder.encode(&mut packet).unwrap();
                let table = &crate::media::codec::g711::LINEAR_OF_ULAW;
                self.heard.extend(packet[..length].iter().map(|octet| table[usize::from(*octet)]));
            }
            self.transcoder.hear(at, self.speech, fields, &payload);
        }
        assert!(self.ticks.windows(2).all(|w| w[1] - w[0] == FRAME));
        assert_eq!(self.heard.len(), self.ticks.len() * 160);
        self
    }

    /// The part of frames, after the first half second, that are at least half as loud as they were.
    fn good(&self) -> f64 {
        let frames: Vec<f64> = self.heard[4000..].chunks_exact(160).map(power).collect();
        let wanted = power(&hum(0, 160)) / 4.0;
        frames.iter().filter(|p| **p > wanted).count() as f64 / frames.len() as f64
    }

    /// How much waits at the end, in milliseconds.
    fn waits(&self) -> u32 {
        self.transcoder.listening.waits_ms()
    }
}

/// Lateness that comes and goes, the same each time.
fn jitter(n: usize, most_ms: u64) -> Option<Duration> {
    let noise = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    Some(Duration::from_millis(noise % (most_ms + 1)))
}

#[test]
fn packets_of_ten_to_a_hundred_and_twenty_milliseconds_become_packets_of_twenty_without_a_hole() {
    for ptime in [10, 20, 30, 40, 50, 60, 120] {
        let mut scene = Scene::new(Speech::Pcma, ptime);
        (0..6000 / ptime).for_each(|_| scene.send(Some(Duration::ZERO), 1.0));
        let scene = scene.run();
        assert_eq!(scene.good(), 1.0, "{ptime} ms");
        assert!(scene.waits() <= 60 + ptime as u32, "{ptime} ms: {} ms wait", scene.waits());
    }
}

#[test]
fn the_delay_grows_with_the_jitter_and_shrinks_when_it_is_over() {
    let mut scene = Scene::new(Speech::Pcma, 20);
    (0..500).for_each(|n| scene.send(jitter(n, 120), 1.0));
    let rough = scene.run();
    assert!(rough.good() > 0.97, "{}", rough.good());
    assert!((60..=200).contains(&rough.waits()), "{}", rough.waits());
    let mut scene = Scene { sent: 0, start: rough.start, ..rough };
    scene.sent = 500;
    (0..1500).for_each(|_| scene.send(Some(Duration::from_millis(120)), 1.0));
    let calm = scene.run();
    assert!(calm.waits() <= 60, "{}", calm.waits());
}

#[test]
fn a_tenth_of_the_packets_lost_is_made_up_for() {
    for speech in [Speech::Pcma, Speech::Opus] {
        let mut scene = Scene::new(speech, 20);
        (0..1000).for_each(|n| scene.send(if n % 10 == 7 { None } else { jitter(n, 15) }, 1.0));
        let scene = scene.run();
        assert!(scene.good() > 0.99, "{speech:?}: {}", scene.good());
    }
}

#[test]
fn losses_of_two_packets_in_a_row_are_never_louder_than_the_voice() {
    let loudest = |samples: &[i16]| samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
    for speech in [Speech::Pcma, Speech::Opus] {
        let heard = |is_lost: fn(usize) -> bool| {
            let mut scene = Scene::new(speech, 20);
            (0..500).for_each(|n| scene.send(if is_lost(n) { None } else { jitter(n, 15) }, 1.0));
            loudest(&scene.run().heard)
        };
        let (said, heard) = (heard(|_| false), heard(|n| n % 10 > 7));
        assert!(heard < said + said / 2, "{speech:?}: {heard}, where {said} was said");
    }
}

#[test]
fn a_sender_whose_clock_is_off_neither_runs_dry_nor_piles_up() {
    for rate in [0.999, 1.001] {
        let mut scene = Scene::new(Speech::Pcma, 20);
        (0..6000).for_each(|n| scene.send(jitter(n, 10), rate));
        let scene = scene.run();
        assert!(scene.good() > 0.99, "{rate}: {}", scene.good());
        assert!(scene.waits() < 100, "{rate}: {} ms wait", scene.waits());
    }
}

#[test]
fn a_burst_never_makes_more_wait_than_the_longest_delay() {
    let mut scene = Scene::new(Speech::Pcma, 20);
    (0..100).for_each(|_| scene.send(Some(Duration::ZERO), 1.0));
    scene.under_way.iter_mut().for_each(|(at, ..)| *at = scene.start);
    let scene = scene.run();
    assert!(scene.waits() <= LONGEST_DELAY_MS, "{}", scene.waits());
}

#[test]
fn nothing_is_lost_of_words_between_pauses_in_which_the_sender_sends_nothing() {
    for speech in [Speech::Pcma, Speech::Opus] {
        let mut scene = Scene::new(speech, 20);
        (0..1000).for_each(|n| scene.send(if n / 25 % 2 == 1 { None } else { jitter(n, 10) }, 1.0));
        let scene = scene.run();
        let loud = scene.heard.chunks_exact(160).filter(|frame| power(frame) > power(&hum(0, 160)) / 4.0).count();
        assert!((490..740).contains(&loud), "{speech:?}: {loud} of 500 frames");
    }
}

#[test]
fn a_source_that_falls_silent_becomes_silence_and_not_a_stop() {
    let mut scene = Scene::new(Speech::Opus, 20);
    (0..100).for_each(|_| scene.send(Some(Duration::ZERO), 1.0));
    scene.send(Some(Duration::from_secs(10)), 1.0);
    let scene = scene.run();
    assert!(scene.ticks.len() > 550);
    assert!(scene.heard[8000 * 5..8000 * 11].iter().all(|s| s.abs() < 200));
}

#[test]
fn after_a_stall_of_our_own_a_few_frames_are_made_up_for_and_the_rest_left_out() {
    let mut scene = Scene::new(Speech::Pcma, 20);
    scene.send(Some(Duration::ZERO), 1.0);
    let mut scene = scene.run();
    let now = scene.start + Duration::from_secs(2);
    let ticks: Vec<Instant> = std::iter::from_fn(|| scene.transcoder.tick(now)).collect();
    assert_eq!(ticks.len() as u32, MAX_CATCH_UP + 1);
    assert!(ticks.iter().all(|at| (*at - scene.start - FIRST_DELAY).as_millis().is_multiple_of(20)));
}
