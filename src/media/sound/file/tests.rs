#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::f64::consts::TAU;
use std::io::Cursor;

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::*;
use crate::media::codec::{Encoder, Speech};

fn wave(hz: f64, rate: u32, seconds: f64) -> Vec<f64> {
    (0..(seconds * f64::from(rate)) as u32).map(|n| 0.4 * (TAU * hz * f64::from(n) / f64::from(rate)).sin()).collect()
}

fn wav(rate: u32, bits: u16, channels: u16, samples: &[f64]) -> Cursor<Vec<u8>> {
    let sample_format = if bits == 33 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits.min(32), sample_format };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        for channel in 0..channels {
            // Only the first channel sounds.
            let sample = if channel == 0 { *sample } else { 0.0 };
            match bits {
                33 => writer.write_sample(sample as f32).unwrap(),
                bits => writer.write_sample((sample * (2f64.powi(i32::from(bits) - 1) - 1.0)) as i32).unwrap(),
            }
        }
    }
    writer.finalize().unwrap();
    file.rewind().unwrap();
    file
}

/// Opus in Ogg as encoders write it: 312 samples of pre-skip, and an end within the last packet.
fn opus(hz: f64, seconds: f64, gain: i16) -> Cursor<Vec<u8>> {
    let samples: Vec<i16> = wave(hz, WIDE_HZ, seconds + 0.1).iter().map(|s| (s * 32767.0) as i16).collect();
    let mut encoder = Encoder::new(Speech::Opus, WIDE_HZ, None).unwrap();
    let mut writer = PacketWriter::new(Vec::new());
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(312u16.to_le_bytes());
    head.extend(WIDE_HZ.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(0);
    writer.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
    writer.write_packet(b"OpusTags\0\0\0\0\0\0\0\0".to_vec(), 1, PacketWriteEndInfo::EndPage, 0).unwrap();
    let end = 312 + (seconds * 48_000.0) as u64;
    let mut at = 0;
    for frame in samples.chunks_exact(320) {
        let mut packet = vec![0; 1276];
        let length = encoder.encode(frame, &mut packet).unwrap();
        packet.truncate(length);
        at += 960;
        let (info, position) =
            if at < end { (PacketWriteEndInfo::NormalPacket, at) } else { (PacketWriteEndInfo::EndStream, end) };
        writer.write_packet(packet, 1, info, position).unwrap();
        if at >= end {
            break;
        }
    }
    Cursor::new(writer.into_inner())
}

/// The height of a tone in samples, and the power of all else beside it in decibels.
fn tone_in(samples: &[i16], hz: f64) -> (f64, f64) {
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * n as f64 / f64::from(WIDE_HZ);
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
        power += f64::from(*sample).powi(2);
    }
    let count = samples.len() as f64;
    let height = 2.0 * (re * re + im * im).sqrt() / count;
    (height, 10.0 * (height * height / 2.0 / (power / count - height * height / 2.0).max(1e-9)).log10())
}

#[test]
fn a_wave_of_any_usual_rate_width_and_number_of_channels_is_heard_as_it_is() {
    for rate in [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
        for (bits, channels) in [(16, 1), (8, 1), (24, 2), (32, 1), (33, 2)] {
            let sound = read(wav(rate, bits, channels, &wave(1000.0, rate, 0.5))).unwrap();
            let wide = sound.at(WIDE_HZ);
            assert!((7990..=8000).contains(&wide.len()), "{} samples from {rate} Hz", wide.len());
            let (height, clean) = tone_in(&wide[800..7200], 1000.0);
            let wanted = 0.4 * 32767.0 / f64::from(channels);
            assert!((height / wanted - 1.0).abs() < 0.03, "{height} from {rate} Hz, {bits} bits, {channels} channels");
            let least = if bits == 8 { 35.0 } else { 55.0 };
            assert!(clean > least, "{clean} dB from {rate} Hz, {bits} bits");
        }
    }
}

#[test]
fn what_a_telephone_cannot_carry_is_left_out_and_not_folded_back() {
    let sound = read(wav(48_000, 16, 1, &wave(15_000.0, 48_000, 0.5))).unwrap();
    assert!(sound.at(WIDE_HZ)[800..7200].iter().all(|s| s.abs() < 30));
}

#[test]
fn opus_in_ogg_lasts_as_long_as_it_says_and_is_as_loud_as_it_says() {
    for (gain, factor) in [(0, 1.0), (-1541, 0.5)] {
        let sound = read(opus(500.0, 1.0, gain)).unwrap();
        let wide = sound.at(WIDE_HZ);
        assert_eq!(wide.len(), 16_000);
        let (height, clean) = tone_in(&wide[1600..14_400], 500.0);
        assert!((height / (0.4 * 32767.0 * factor) - 1.0).abs() < 0.1, "{height}");
        assert!(clean > 15.0, "{clean} dB");
    }
}

#[test]
fn a_bad_file_is_told_apart_in_words() {
    let said = |bytes: &[u8]| read(Cursor::new(bytes.to_vec())).unwrap_err();
    assert!(said(b"no").contains("cannot be read"));
    assert!(said(b"ID3 and so on").contains("neither RIFF WAVE nor Ogg"));
    let good = wav(8000, 16, 1, &wave(500.0, 8000, 0.1)).into_inner();
    assert!(said(&good[..20]).contains("ends too soon"));
    assert!(said(&good[..good.len() - 5]).contains("ends too soon"));
    let mut law = good.clone();
    law[20] = 7;
    assert!(said(&law).contains("linear"), "{}", said(&law));
    assert!(said(&wav(8000, 16, 1, &[]).into_inner()).contains("no sound"));
    assert!(said(&wav(4000, 16, 1, &[0.0; 10]).into_inner()).contains("4000 samples a second"));
    let long = wav(8000, 8, 1, &vec![0.0; 8000 * 601]).into_inner();
    assert!(said(&long).contains("at most 10 minutes"));
    let vorbis = {
        let mut writer = PacketWriter::new(Vec::new());
        writer.write_packet(b"\x01vorbis and so on and so on".to_vec(), 1, PacketWriteEndInfo::EndStream, 0).unwrap();
        writer.into_inner()
    };
    assert!(said(&vorbis).contains("holds no Opus"));
    let ogg = opus(500.0, 0.2, 0).into_inner();
    assert!(said(&ogg[..10]).contains("Ogg") || said(&ogg[..10]).contains("ends too soon"));
}

proptest::proptest! {
    #[test]
    fn nothing_in_a_file_breaks_the_reader(which in 0..2, at in 0usize..4000, with: u8, length in 0usize..4000) {
        let mut bytes = match which {
            0 => wav(8000, 16, 1, &wave(500.0, 8000, 0.1)).into_inner(),
            _ => opus(500.0, 0.2, 0).into_inner(),
        };
        let at = at % bytes.len();
        bytes[at] ^= with;
        bytes.truncate(bytes.len().min(length + 100));
        let _ = read(Cursor::new(bytes));
    }
}
