#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::f64::consts::TAU;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::media::codec::{Encoder, MAX_PAYLOAD};
use crate::model::RecordingFormat;

mod drift;

const CALL: CallId = CallId(1);
const FRAME: Duration = Duration::from_millis(20);

fn beginning() -> Instant {
    Instant::now()
}

fn leg(number: u64) -> LegId {
    let mut mint = crate::base::LegMint::heard(crate::base::AdapterId(1));
    std::iter::repeat_with(|| mint.mint()).nth(number as usize).unwrap()
}

fn file_tap(number: u32, legs: [Option<LegId>; 2]) -> Tap {
    let to = TapEnd::File { path: PathBuf::from("x.wav"), format: RecordingFormat::Wav };
    Tap { id: TapId(number), legs, to }
}

/// A party that says one tone in PCMU or Opus.
struct Party {
    hz: f64,
    payload_type: u8,
    encoder: Encoder,
    rate_hz: u32,
    clock_hz: u32,
    sent: u32,
}

impl Party {
    fn new(hz: f64, speech: Speech) -> Party {
        let rate_hz = speech.rate_hz().unwrap_or(16_000);
        let payload_type = if speech == Speech::Opus { 111 } else { 0 };
        let encoder = Encoder::new(speech, rate_hz, None).unwrap();
        Party { hz, payload_type, encoder, rate_hz, clock_hz: speech.clock_hz(), sent: 0 }
    }

    fn next(&mut self) -> (Fields, Vec<u8>) {
        let samples = self.rate_hz / 50;
        let sample = |n: u32| 8000.0 * (TAU * self.hz * f64::from(n) / f64::from(self.rate_hz)).sin();
        let frame: Vec<i16> = (self.sent * samples..(self.sent + 1) * samples).map(|n| sample(n) as i16).collect();
        let mut packet = [0; MAX_PAYLOAD];
        let length = self.encoder.encode(&frame, &mut packet).unwrap();
        let timestamp = self.sent * self.clock_hz / 50;
        self.sent += 1;
        let fields = Fields { payload_type: self.payload_type, timestamp, ssrc: 9, ..Fields::default() };
        (fields, packet[..length].to_vec())
    }
}

/// What two parties' packets became after so many frames; `comes` says whether and when a packet comes.
fn listen(frames: u32, mut parties: [Party; 2], comes: impl Fn(usize, u32) -> Option<Duration>) -> [Vec<i16>; 2] {
    let start = Instant::now();
    let mut ears = Ears::default();
    ears.apply(start, CALL, &[file_tap(1, [Some(leg(1)), Some(leg(2))])]);
    let codecs = [Codec::pcmu(), Codec::new(111, "opus", 48_000, 2)];
    let mut packets = Vec::new();
    for (channel, party) in parties.iter_mut().enumerate() {
        let (place, found) = ears.hearing(CALL, leg(1 + channel as u64)).next().unwrap();
        assert_eq!(found, channel);
        ears.expect(place, channel, &codecs, true);
        for n in 0..frames {
            let (fields, payload) = party.next();
            packets.extend(comes(channel, n).map(|late| (start + FRAME * n + late, place, channel, fields, payload)));
        }
    }
    packets.sort_by_key(|(at, ..)| *at);
    for (at, place, channel, fields, payload) in packets {
        while let Some(due) = ears.poll_timeout().filter(|due| *due <= at) {
            ears.handle_timeout(due);
        }
        ears.hear(at, place, channel, fields, &payload);
    }
    let end = start + FRAME * frames;
    while let Some(due) = ears.poll_timeout().filter(|due| *due <= end) {
        ears.handle_timeout(due);
    }
    ears.apply(end, CALL, &[]);
    assert!(ears.is_empty() && ears.poll_timeout().is_none());
    assemble(&mut ears, u64::from(frames))
}

/// The two channels, from blocks that must follow one another without a hole.
fn assemble(ears: &mut Ears, frames: u64) -> [Vec<i16>; 2] {
    let news: Vec<TapNews> = std::iter::from_fn(|| ears.poll_news()).collect();
    assert!(matches!(news.first(), Some(TapNews::Opened(..))) && matches!(news.last(), Some(TapNews::Closed(_))));
    let mut channels = [Vec::new(), Vec::new()];
    for block in news.iter().filter_map(|n| if let TapNews::Block(_, block) = n { Some(block) } else { None }) {
        assert_eq!(block.frame as usize * FRAME_SAMPLES, channels[0].len());
        for pair in block.samples.chunks_exact(2) {
            channels[0].push(pair[0]);
            channels[1].push(pair[1]);
        }
    }
    assert_eq!(channels[0].len() as u64, frames * FRAME_SAMPLES as u64);
    channels
}

fn level(samples: &[i16], hz: f64) -> f64 {
    let angle = |n: usize| TAU * hz * n as f64 / f64::from(RATE_HZ);
    let part = |f: fn(f64) -> f64| samples.iter().enumerate().map(|(n, s)| f64::from(*s) * f(angle(n))).sum::<f64>();
    2.0 * part(f64::sin).hypot(part(f64::cos)) / samples.len() as f64
}

fn second(channel: &[i16], number: usize) -> &[i16] {
    &channel[number * 16_000..(number + 1) * 16_000]
}

fn two_parties() -> [Party; 2] {
    [Party::new(400.0, Speech::Opus), Party::new(1200.0, Speech::Pcmu)]
}

#[test]
fn each_party_is_on_its_own_channel_and_the_other_is_not() {
    let [left, right] = listen(150, two_parties(), |_, _| Some(Duration::ZERO));
    for (channel, own, other) in [(&left, 400.0, 1200.0), (&right, 1200.0, 400.0)] {
        assert!(level(second(channel, 1), own) > 6000.0, "{}", level(second(channel, 1), own));
        assert!(level(second(channel, 1), other) < 100.0, "{}", level(second(channel, 1), other));
    }
}

#[test]
fn loss_and_jitter_on_one_leg_move_nothing_in_time() {
    let noise = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let [left, right] = listen(500, two_parties(), |channel, n| match channel {
        0 if n % 10 == 7 => None,
        0 => Some(Duration::from_millis(noise(n) % 30)),
        // The other one speaks in the fifth second only.
        _ => (200..250).contains(&n).then_some(Duration::ZERO),
    });
    assert!((1..10).all(|s| level(second(&left, s), 400.0) > 5000.0));
    let begins = right.iter().position(|s| s.abs() > 2000).unwrap();
    let ends = right.iter().rposition(|s| s.abs() > 2000).unwrap();
    // Two hundred frames, and what the first packet waits.
    assert!((200 * 320..=203 * 320).contains(&begins), "{begins}");
    assert!((50 * 320..=56 * 320).contains(&(ends - begins)), "{begins} to {ends}");
}

#[test]
fn a_leg_that_is_not_there_yet_is_silence() {
    let start = Instant::now();
    let mut ears = Ears::default();
    ears.apply(start, CALL, &[file_tap(1, [Some(leg(1)), None])]);
    for n in 1..=50 {
        ears.handle_timeout(start + FRAME * n);
    }
    ears.apply(start + FRAME * 50, CALL, &[file_tap(1, [Some(leg(1)), Some(leg(2))])]);
    assert_eq!(ears.hearing(CALL, leg(2)).count(), 1);
    ears.apply(start + FRAME * 50, CALL, &[]);
    assert!(assemble(&mut ears, 50).iter().flatten().all(|sample| *sample == 0));
}

#[test]
fn after_a_stall_of_our_own_the_next_block_tells_what_time_it_is() {
    let start = Instant::now();
    let mut ears = Ears::default();
    ears.apply(start, CALL, &[file_tap(1, [None, None])]);
    (1..=3).for_each(|n| ears.handle_timeout(start + FRAME * n));
    ears.handle_timeout(start + FRAME * 100);
    ears.apply(start + FRAME * 100, CALL, &[]);
    let news = std::iter::from_fn(|| ears.poll_news());
    let block = |news| if let TapNews::Block(_, block) = news { Some(block) } else { None };
    let blocks: Vec<(u64, usize)> = news.filter_map(block).map(|b| (b.frame, b.samples.len() / 640)).collect();
    assert_eq!(blocks, [(0, 3), (94, 6)]);
}

#[test]
fn a_call_has_only_so_many_ears() {
    let mut ears = Ears::default();
    let taps: Vec<Tap> = (0..100).map(|n| file_tap(n, [None, None])).collect();
    ears.apply(Instant::now(), CALL, &taps);
    assert_eq!(std::iter::from_fn(|| ears.poll_news()).count(), MAX_TAPS_OF_CALL);
}
