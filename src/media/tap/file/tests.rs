#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::f64::consts::TAU;
use std::io::{Cursor, Read, SeekFrom};

use super::opus::{FRAMES_A_PAGE, PRE_SKIP};
use super::*;
use crate::media::codec::{Decoder, Speech};
use crate::media::tap::{FRAME_SAMPLES, RATE_HZ};

/// So many frames: 500 Hz on the left, 1500 Hz on the right.
fn two_tones(frames: usize) -> Vec<i16> {
    let tone = |hz: f64, n: usize| (8000.0 * (TAU * hz * n as f64 / f64::from(RATE_HZ)).sin()) as i16;
    (0..frames * FRAME_SAMPLES).flat_map(|n| [tone(500.0, n), tone(1500.0, n)]).collect()
}

/// How much of a pitch is in samples, in parts of their amplitude.
fn level(samples: &[i16], hz: f64) -> f64 {
    let angle = |n: usize| TAU * hz * n as f64 / f64::from(RATE_HZ);
    let part = |f: fn(f64) -> f64| samples.iter().enumerate().map(|(n, s)| f64::from(*s) * f(angle(n))).sum::<f64>();
    2.0 * part(f64::sin).hypot(part(f64::cos)) / samples.len() as f64
}

fn is_left_500_and_right_1500(left: &[i16], right: &[i16]) {
    for (samples, own, other) in [(left, 500.0, 1500.0), (right, 1500.0, 500.0)] {
        assert!(level(samples, own) > 6000.0, "{own} Hz: {}", level(samples, own));
        assert!(level(samples, other) < 80.0, "{other} Hz on the channel of {own} Hz: {}", level(samples, other));
    }
}

/// What a player makes of a WAV file: its samples, left and right, by what the header says.
fn read_wav(file: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let half = |at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
    assert_eq!((&file[..4], &file[8..16], &file[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    assert_eq!((number(16), half(20), half(22), number(24)), (16, 1, 2, 16_000));
    assert_eq!((number(28), half(32), half(34)), (64_000, 4, 16));
    assert_eq!(number(4), number(40) + 36);
    let data = &file[44..44 + number(40)];
    let samples: Vec<i16> = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    channels(&samples)
}

fn channels(samples: &[i16]) -> (Vec<i16>, Vec<i16>) {
    samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip()
}

/// What a player makes of an Ogg file: packets with the granule position of their page at its end.
fn read_ogg(file: &[u8]) -> Vec<(Vec<u8>, Option<u64>, bool)> {
    let mut reader = ogg::PacketReader::new(Cursor::new(file));
    let mut packets = Vec::new();
    while let Ok(Some(packet)) = reader.read_packet() {
        let granule = packet.last_in_page().then(|| packet.absgp_page());
        packets.push((packet.data.clone(), granule, packet.last_in_stream()));
    }
    packets
}

/// The two streams of a packet (RFC 6716 appendix B).
fn split(packet: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (length, start) = match usize::from(packet[1]) {
        short @ 0..=251 => (short, 2),
        first => (4 * usize::from(packet[2]) + first, 3),
    };
    let first = [&packet[..1], &packet[start..start + length]].concat();
    (first, packet[start + length..].to_vec())
}

#[test]
fn a_wav_file_can_be_played_as_far_as_it_was_settled_and_to_its_end_when_it_is_finished() {
    let mut writer = Writer::new(RecordingFormat::Wav, Cursor::new(Vec::new()), 1).unwrap();
    writer.write(&two_tones(50)).unwrap();
    writer.settle().unwrap();
    writer.write(&two_tones(10)).unwrap();
    let Writer::Wav(wav) = writer else { unreachable!() };
    let mut out = wav.finish().unwrap();
    out.seek(SeekFrom::Start(0)).unwrap();
    let mut file = Vec::new();
    out.read_to_end(&mut file).unwrap();
    let (left, right) = read_wav(&file);
    assert_eq!(left.len(), 60 * FRAME_SAMPLES);
    is_left_500_and_right_1500(&left[..8000], &right[..8000]);
    // As if the program had ended after the first second was settled.
    let mut writer = Writer::new(RecordingFormat::Wav, Cursor::new(Vec::new()), 1).unwrap();
    writer.write(&two_tones(50)).unwrap();
    writer.settle().unwrap();
    writer.write(&two_tones(10)).unwrap();
    let Writer::Wav(wav) = &writer else { unreachable!() };
    assert_eq!(read_wav(wav.written().get_ref()).0.len(), 50 * FRAME_SAMPLES);
}

#[test]
fn an_opus_file_has_one_party_a_channel_and_nothing_of_the_other() {
    let mut writer = Writer::new(RecordingFormat::Opus, Cursor::new(Vec::new()), 7).unwrap();
    writer.write(&two_tones(120)).unwrap();
    let file = writer.finish().unwrap().into_inner();
    let packets = read_ogg(&file);
    let head = &packets[0].0;
    assert_eq!((&head[..8], head[8], head[9]), (&b"OpusHead"[..], 1, 2));
    assert_eq!(u16::from_le_bytes([head[10], head[11]]), PRE_SKIP);
    assert_eq!(head[18..], [1, 2, 0, 0, 1], "family 1: two streams, none coupled");
    assert_eq!(packets[1].0[..8], *b"OpusTags");
    let sound = &packets[2..];
    assert_eq!(sound.len(), 120);
    let granules: Vec<u64> = sound.iter().filter_map(|(_, granule, _)| *granule).collect();
    assert_eq!(granules, [48_000, 96_000, 115_200]);
    assert_eq!(sound.iter().position(|(_, _, is_last)| *is_last), Some(119));

    let mut decoders = [(); 2].map(|()| Decoder::new(Speech::Opus, RATE_HZ).unwrap());
    let mut decoded = [Vec::new(), Vec::new()];
    for (packet, ..) in sound {
        let streams = <[Vec<u8>; 2]>::from(split(packet));
        for (number, stream) in streams.iter().enumerate() {
            assert!(decoders[number].decode(stream, &mut decoded[number]));
        }
    }
    assert_eq!(decoded.each_ref().map(Vec::len), [120 * FRAME_SAMPLES; 2]);
    is_left_500_and_right_1500(&decoded[0][16_000..32_000], &decoded[1][16_000..32_000]);
}

#[test]
fn an_opus_file_that_is_never_finished_lacks_less_than_a_page_and_a_frame() {
    let mut writer = Writer::new(RecordingFormat::Opus, Cursor::new(Vec::new()), 7).unwrap();
    writer.write(&two_tones(175)).unwrap();
    writer.settle().unwrap();
    let Writer::Opus(opus) = &writer else { unreachable!() };
    let frames = read_ogg(opus.written().get_ref()).len() as u64 - 2;
    assert_eq!(frames, 3 * FRAMES_A_PAGE);
}

#[test]
fn a_recording_of_silence_and_one_of_nothing_at_all_are_files_too() {
    for frames in [0, 200] {
        let mut writer = Writer::new(RecordingFormat::Opus, Cursor::new(Vec::new()), 7).unwrap();
        writer.write(&vec![0; frames * FRAME_SAMPLES * 2]).unwrap();
        let packets = read_ogg(&writer.finish().unwrap().into_inner());
        assert_eq!(packets.len(), 2 + frames.max(1));
        let mut decoder = Decoder::new(Speech::Opus, RATE_HZ).unwrap();
        for (packet, ..) in &packets[2..] {
            let (left, right) = split(packet);
            assert!(Speech::Opus.duration(&left) == Some(960) && Speech::Opus.duration(&right) == Some(960));
            decoder.decode(&left, &mut Vec::new());
        }
    }
}
