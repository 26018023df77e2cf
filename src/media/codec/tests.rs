#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::f64::consts::TAU;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::resample::Resampler;
use super::*;

fn tone(hz: f64, rate: u32, samples: usize, height: f64) -> Vec<i16> {
    (0..samples).map(|n| (height * (TAU * hz * n as f64 / f64::from(rate)).sin()).round() as i16).collect()
}

/// The height of a tone in samples, by its correlation with both phases.
fn height(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * n as f64 / f64::from(rate);
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * (re * re + im * im).sqrt() / samples.len() as f64
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
}

/// Decibels of a tone over all that is not the tone. The stretch holds whole periods.
fn clean_by(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let wanted = height(samples, hz, rate).powi(2) / 2.0;
    10.0 * (wanted / (power(samples) - wanted).max(1e-9)).log10()
}

fn hex(words: impl Iterator<Item = [u8; 2]>) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn every_sample() -> impl Iterator<Item = i16> {
    i16::MIN..=i16::MAX
}

/// The hashes are of the files `sweep-r.*` of ITU-T G.191, which hold the codes of every sample there is.
#[test]
fn g711_is_bit_exact_with_the_reference_of_the_itu() {
    let (a, u) = (g711::alaw_of_linear, g711::ulaw_of_linear);
    assert_eq!(
        hex(every_sample().map(|s| [a(s), 0])),
        "e1e8717a8c7a493583a2e8ac6916f0e37383d9226c6fb60de541393aba8bf402"
    );
    assert_eq!(
        hex(every_sample().map(|s| [u(s), 0])),
        "0523921b8957bccf95d0e0f2e43930359403d5ad4e31926b2272aa74a1f22c43"
    );
    let back = |table: &[i16; 256], octet: u8| table[usize::from(octet)].to_le_bytes();
    assert_eq!(
        hex(every_sample().map(|s| back(&g711::LINEAR_OF_ALAW, a(s)))),
        "faf8570479a0e7d0e1da55d48c42e76961d0e5c285c35d42e9f6dafbafae8a35"
    );
    assert_eq!(
        hex(every_sample().map(|s| back(&g711::LINEAR_OF_ULAW, u(s)))),
        "cf9f90195534a105f211b1fb5c511ab45ee76827ac0987d6cc804afb897ef0f6"
    );
}

const STEPS: [(u32, u32); 6] =
    [(8000, 16_000), (16_000, 8000), (8000, 48_000), (48_000, 8000), (16_000, 48_000), (48_000, 16_000)];

fn resampled(from: u32, to: u32, hz: f64) -> Vec<i16> {
    let mut out = Vec::new();
    // Uneven portions: the filter goes on over their edges.
    let mut resampler = Resampler::new(from, to).unwrap();
    for portion in tone(hz, from, from as usize / 2, 12_000.0).chunks(from as usize / 50 - 7) {
        resampler.process(portion, &mut out);
    }
    assert!(out.len().abs_diff(to as usize / 2) <= 1);
    out
}

#[test]
fn the_resampler_keeps_what_is_below_nine_tenths_of_the_lower_band_within_a_tenth_of_a_decibel() {
    for (from, to) in STEPS {
        for part in [0.05, 0.25, 0.5, 0.7, 0.8, 0.85] {
            let hz = f64::from(from.min(to)) / 2.0 * part;
            let out = resampled(from, to, hz);
            let kept = 20.0 * (height(&out[to as usize / 10..to as usize / 2 - 1], hz, to) / 12_000.0).log10();
            assert!(kept.abs() < 0.1, "{from} to {to}: {hz} Hz by {kept} dB");
        }
    }
}

#[test]
fn the_resampler_keeps_aliases_and_images_sixty_decibels_down() {
    for (from, to) in STEPS {
        let low = f64::from(from.min(to));
        for part in [0.53, 0.6, 0.75, 0.9] {
            // Downwards a tone above the lower band must vanish; upwards the mirror of one below it.
            let (hz, at) = if from > to { (low * part, low - low * part) } else { (low - low * part, low * part) };
            let (hz, at) = (hz.abs(), at.abs());
            let out = resampled(from, to, hz);
            let alias =
                20.0 * (height(&out[to as usize / 10..to as usize / 2 - 1], at, to) / 12_000.0).max(1e-9).log10();
            assert!(alias < -60.0, "{from} to {to}: {hz} Hz leaves {alias} dB at {at} Hz");
        }
    }
}

fn through(speech: Speech, rate: u32, hz: f64) -> Vec<i16> {
    let mut encoder = Encoder::new(speech, rate, Some("useinbandfec=1")).unwrap();
    let mut decoder = Decoder::new(speech, rate).unwrap();
    let (mut packet, mut out) = ([0; MAX_PAYLOAD], Vec::new());
    for frame in tone(hz, rate, rate as usize, 8000.0).chunks_exact(rate as usize / 50) {
        let length = encoder.encode(frame, &mut packet).unwrap();
        assert_eq!(speech.duration(&packet[..length]), Some(speech.clock_hz() / 50));
        assert!(decoder.decode(&packet[..length], &mut out));
    }
    out
}

#[test]
fn a_tone_keeps_its_pitch_and_its_level_through_every_format() {
    for (speech, rate, least) in [
        (Speech::Pcmu, 8000, 34.0),
        (Speech::Pcma, 8000, 34.0),
        (Speech::G722, 16_000, 30.0),
        (Speech::Opus, 8000, 15.0),
        (Speech::Opus, 16_000, 15.0),
    ] {
        let out = through(speech, rate, 1000.0);
        assert_eq!(out.len(), rate as usize);
        let steady = &out[rate as usize / 2..];
        let level = 20.0 * (height(steady, 1000.0, rate) / 8000.0).log10();
        let clean = clean_by(steady, 1000.0, rate);
        assert!(level.abs() < 1.0, "{speech:?} at {rate}: {level} dB");
        assert!(clean > least, "{speech:?} at {rate}: noise {clean} dB down");
    }
}

#[test]
fn g722_carries_what_a_telephone_does_not() {
    let out = through(Speech::G722, 16_000, 6000.0);
    assert!(height(&out[8000..], 6000.0, 16_000) > 7000.0);
}

/// A voice that glides: a second of it.
fn glide(rate: u32) -> Vec<i16> {
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(rate);
        let pitch = 140.0 + 20.0 * (TAU * 2.0 * t).sin();
        (1..20).map(|k| 2500.0 / f64::from(k) * (TAU * pitch * f64::from(k) * t).sin()).sum::<f64>() as i16
    };
    (0..rate).map(sample).collect()
}

fn packets(rate: u32, samples: &[i16], parameters: Option<&str>) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Speech::Opus, rate, parameters).unwrap();
    let encode = |frame: &[i16]| {
        let mut packet = [0; MAX_PAYLOAD];
        let length = encoder.encode(frame, &mut packet).unwrap();
        packet[..length].to_vec()
    };
    samples.chunks_exact(rate as usize / 50).map(encode).collect()
}

#[test]
fn opus_makes_up_for_a_lost_packet_from_the_one_after_it() {
    let packets = packets(16_000, &glide(16_000), Some("useinbandfec=1"));
    let (mut whole, mut lossy) =
        (Decoder::new(Speech::Opus, 16_000).unwrap(), Decoder::new(Speech::Opus, 16_000).unwrap());
    let (mut wanted, mut heard, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let (mut by_copy, mut by_repetition) = (0.0, 0.0);
    for (n, packet) in packets.iter().enumerate() {
        assert!(whole.decode(packet, &mut wanted));
        if n % 5 == 4 && packets.get(n + 1).is_some_and(|next| opus::repeats(next)) {
            assert!(lossy.recover(&packets[n + 1], 320, &mut heard));
            let error = |out: &[i16]| {
                let difference = out.iter().zip(&wanted[n * 320..]).map(|(a, b)| a.saturating_sub(*b));
                power(&difference.collect::<Vec<i16>>())
            };
            by_copy += error(&heard[n * 320..]);
            by_repetition += error(&last);
        } else {
            assert!(lossy.decode(packet, &mut heard));
        }
        last = heard[n * 320..].to_vec();
    }
    assert!(by_copy < by_repetition * 0.3, "{by_copy} against {by_repetition}");
}

#[test]
fn a_packet_of_opus_says_whether_it_repeats_the_one_before() {
    let voice = glide(16_000);
    for (parameters, at_least, at_most) in [(Some("useinbandfec=1"), 30, 50), (None, 0, 0)] {
        let packets = packets(16_000, &voice, parameters);
        let repeating = packets.iter().filter(|packet| opus::repeats(packet)).count();
        assert!((at_least..=at_most).contains(&repeating), "{parameters:?}: {repeating} of {}", packets.len());
    }
    // Of two frames, of 60 ms, of the layer that predicts nothing, and of nothing.
    for packet in [&[0x49, 0xff][..], &[0x58, 0xff], &[0xf8, 0xff], &[0x48], &[]] {
        assert!(!opus::repeats(packet), "{packet:?}");
    }
}

#[test]
fn what_opus_makes_up_is_never_louder_than_the_voice() {
    for rate in [8000, 16_000, 48_000] {
        for parameters in [None, Some("useinbandfec=1"), Some("maxaveragebitrate=64000")] {
            let length = rate as usize / 50;
            let packets = packets(rate, &glide(rate), parameters);
            let mut decoder = Decoder::new(Speech::Opus, rate).unwrap();
            let mut whole = Decoder::new(Speech::Opus, rate).unwrap();
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            packets.iter().for_each(|packet| assert!(whole.decode(packet, &mut said)));
            for (n, packet) in packets.iter().enumerate() {
                match n % 4 {
                    1 => drop(decoder.conceal(length, &mut heard)),
                    2 => drop(decoder.recover(&packets[(n + 1) % packets.len()], length, &mut heard)),
                    _ => assert!(decoder.decode(packet, &mut heard)),
                }
                // Silence of a sender that says nothing of it: a packet without a frame.
                decoder.decode(&packet[..1], &mut heard);
            }
            let loudest = |samples: &[i16]| samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
            let (said, heard) = (loudest(&said), loudest(&heard));
            assert!(heard < said + said / 2, "{rate} {parameters:?}: {heard}, where {said} was said");
        }
    }
}

#[test]
fn wishes_are_read_from_the_parameters_of_the_peer() {
    let wishes = opus::Wishes::read(Some("minptime=10; useinbandfec=1;usedtx=1;maxaveragebitrate=20000"));
    assert_eq!(wishes, opus::Wishes { fec: true, dtx: true, constant_rate: false, max_bitrate: Some(20_000) });
    assert_eq!(opus::Wishes::read(None), opus::Wishes::default());
}

#[test]
fn opus_takes_the_bits_that_are_set_unless_the_peer_wants_fewer() {
    let voice = glide(8000);
    let size = |bitrate: Option<i32>, parameters: Option<&str>| {
        let effort = Effort { bitrate, ..Effort::default() };
        let mut encoder = Encoder::trying(Speech::Opus, 8000, parameters, effort).unwrap();
        let mut packet = [0; MAX_PAYLOAD];
        voice.chunks_exact(160).map(|frame| encoder.encode(frame, &mut packet).unwrap()).sum::<usize>()
    };
    let usual = size(None, None);
    assert_eq!(size(Some(opus::BITRATE_NARROW), None), usual);
    assert!(size(Some(40_000), None) > usual * 5 / 4);
    assert!(size(Some(12_000), None) < usual * 3 / 4);
    assert_eq!(size(Some(40_000), Some("maxaveragebitrate=12000")), size(Some(12_000), None));
}

#[test]
fn silence_needs_no_packets_where_the_peer_wants_none() {
    let mut encoder = Encoder::new(Speech::Opus, 8000, Some("usedtx=1")).unwrap();
    let mut packet = [0; MAX_PAYLOAD];
    let sent = (0..100).filter(|_| encoder.encode(&[0; 160], &mut packet).is_some()).count();
    assert!((1..50).contains(&sent), "{sent}");
}

#[test]
fn the_model_and_the_codecs_name_the_same_formats() {
    for (name, clock_hz, channels) in crate::model::TRANSCODABLE {
        let codec = Codec::new(100, name, clock_hz, channels);
        assert_eq!(Speech::of(&codec).map(Speech::clock_hz), Some(clock_hz), "{name}");
    }
    assert_eq!(Speech::of(&Codec::new(18, "G729", 8000, 1)), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_packet_breaks_a_decoder(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8)) {
        for speech in [Speech::Pcmu, Speech::Pcma, Speech::G722, Speech::Opus] {
            for rate in [8000, 16_000, 48_000] {
                let mut decoder = Decoder::new(speech, rate).unwrap();
                let mut out = Vec::new();
                for packet in &packets {
                    let before = out.len();
                    let taken = decoder.decode(packet, &mut out);
                    let most = (MAX_PACKET_MS * rate / 1000) as usize;
                    prop_assert!(out.len() - before <= most && taken == (out.len() > before));
                    decoder.recover(packet, rate as usize / 50, &mut out);
                    decoder.conceal(rate as usize / 50, &mut out);
                }
            }
        }
    }
}
