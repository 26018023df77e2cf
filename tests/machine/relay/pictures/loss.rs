//! Packets that are lost on either side of the relay: sent again, asked for again, and not without end.

use std::collections::BTreeMap;
use std::time::Duration;

use patchcord::base::Dice;
use patchcord::media::leg::pictures::{MAX_ASKED, MAX_MISSING, REORDERING};
use patchcord::rtp::rtcp::{Rtcp, asked_for, entries_for, read};
use patchcord::rtp::{Packet, Profile};

use super::refresh::end;
use super::scene::{End, Scene};
use crate::relay::peers::Sort;
use crate::relay::world::{Speaker, legs};

const PACE: Duration = Duration::from_millis(10);
const WITHOUT_NACK: [&str; 2] = ["nack pli", "goog-remb"];

/// What a party was asked for: the numbers of packets, and how many whole pictures.
fn asked(scene: &mut Scene, party: usize) -> (Vec<u16>, usize) {
    let (mut numbers, mut whole) = (Vec::new(), 0);
    for report in scene.reports(party) {
        for packet in read(&report) {
            match packet {
                Rtcp::Nack { media: 40, lost } => numbers.extend(asked_for(lost)),
                Rtcp::PictureLoss { media: 40 } | Rtcp::FullIntra { media: 40 } => whole += 1,
                _ => {}
            }
        }
    }
    (numbers, whole)
}

fn wanting(source: u32, lost: &[u16]) -> Vec<u8> {
    let mut buffer = [0; 1400];
    let mut writer = patchcord::rtp::rtcp::Writer::new(&mut buffer);
    writer.report(50, None, &[]);
    assert!(writer.nack(50, source, entries_for(lost.iter().copied())));
    let length = writer.length();
    buffer[..length].to_vec()
}

/// One who sees: what it got, by the numbers of the relay without their wraps, and when it asked for what.
#[derive(Default)]
struct Viewer {
    source: u32,
    got: BTreeMap<i64, u32>,
    newest: Option<i64>,
    asked: BTreeMap<i64, u32>,
}

impl Viewer {
    fn see(&mut self, packet: &[u8]) {
        let packet = Packet::parse(packet).expect("RTP");
        let newest = self.newest.unwrap_or_else(|| i64::from(packet.sequence()));
        let number = newest + i64::from(packet.sequence().wrapping_sub(newest as u16) as i16);
        let content = u32::from_be_bytes(packet.payload()[..4].try_into().expect("four"));
        assert_eq!(self.got.insert(number, content), None, "{number} came twice");
        self.newest = Some(newest.max(number));
        self.source = packet.ssrc();
    }

    /// What it asks for at this turn: what it misses, each packet every sixth turn.
    fn misses(&mut self, turn: u32) -> Vec<u16> {
        let (Some(newest), Some((first, _))) = (self.newest, self.got.first_key_value()) else { return Vec::new() };
        let missing = (*first..newest).filter(|n| !self.got.contains_key(n));
        let due: Vec<i64> = missing.filter(|n| self.asked.get(n).is_none_or(|at| at + 6 <= turn)).collect();
        due.into_iter().map(|n| (self.asked.insert(n, turn), n as u16).1).collect()
    }
}

/// Shows six seconds of pictures over two networks that lose so many of a hundred packets each.
fn show_with_loss(a: End, b: End, percent: u32) -> (Scene, Viewer, usize) {
    let mut dice = Dice::for_test(u64::from(percent));
    let mut scene = Scene::talking(a, b);
    let mut speaker = Speaker::new(40, 96, 900);
    let (mut sent, mut viewer, mut whole) = (BTreeMap::new(), Viewer::default(), 0);
    for turn in 0..800u32 {
        if turn < 600 {
            let number = speaker.sequence;
            let packet = speaker.next(&[&turn.to_be_bytes()[..], &[7; 900]].concat());
            sent.insert(number, packet.clone());
            if turn == 0 || turn == 599 || dice.below(100) >= percent {
                scene.show(0, packet);
            }
        }
        if turn > 0 && turn != 599 {
            scene.lose(1, || dice.below(100) < percent);
        }
        scene.pass(PACE);
        let (numbers, pictures) = asked(&mut scene, 0);
        whole += pictures;
        for number in numbers {
            if dice.below(100) >= percent {
                scene.show(0, sent[&number].clone());
            }
        }
        scene.lose(1, || dice.below(100) < percent);
        scene.saw(1).iter().for_each(|packet| viewer.see(packet));
        let misses = viewer.misses(turn);
        if !misses.is_empty() && dice.below(100) >= percent {
            scene.report(1, wanting(viewer.source, &misses));
            scene.lose(1, || dice.below(100) < percent);
            scene.saw(1).iter().for_each(|packet| viewer.see(packet));
        }
    }
    (scene, viewer, whole)
}

#[test]
fn five_and_ten_of_a_hundred_packets_lost_on_both_sides_are_healed_in_place_without_a_whole_picture() {
    let sdes = Sort::Sdes(Profile::AesCm128HmacSha1_80);
    for (a, b) in [(Sort::Plain, Sort::Plain), (sdes, Sort::DtlsWithIce), (Sort::DtlsWithIce, sdes)] {
        for percent in [5, 10] {
            let end = |sort, bundled| End { sort, bundled, ..End::default() };
            let (mut scene, viewer, whole) = show_with_loss(end(a, true), end(b, percent == 5), percent);
            let words = format!("{a:?} to {b:?} at {percent} %");
            assert_eq!(viewer.got.values().copied().collect::<Vec<_>>(), (0..600).collect::<Vec<u32>>(), "{words}");
            let numbers: Vec<i64> = viewer.got.keys().copied().collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{words}");
            assert_eq!(whole, 1, "{words}: but for the one to begin with");
            let figures = scene.stats().map(|leg| leg.video.expect("pictures"));
            let (asked, again) = (figures[0].asked_again, figures[1].sent_again);
            let expected = |most| u64::from(3 * percent)..u64::from(most * percent);
            assert!(expected(12).contains(&asked) && expected(24).contains(&again), "{words}: {asked} {again}");
            assert_eq!(figures[0].lost_in, 0, "{words}");
        }
    }
}

#[test]
fn what_only_comes_out_of_order_is_not_asked_for_and_keeps_its_number() {
    let mut scene = Scene::talking(End::default(), End::default());
    let mut speaker = Speaker::new(40, 96, 900);
    let packets: Vec<_> = (0..40u32).map(|n| speaker.next(&n.to_be_bytes())).collect();
    for pair in packets.chunks(2) {
        scene.show(0, pair[usize::from(pair[0] != packets[0])].clone());
        scene.pass(REORDERING / 2);
        scene.show(0, pair[usize::from(pair[0] == packets[0])].clone());
        scene.pass(PACE);
    }
    assert_eq!(asked(&mut scene, 0), (vec![], 1));
    let mut viewer = Viewer::default();
    scene.saw(1).iter().for_each(|packet| viewer.see(packet));
    assert_eq!(viewer.got.into_values().collect::<Vec<_>>(), (0..40).collect::<Vec<u32>>());
}

#[test]
fn padding_that_is_left_out_does_not_shift_what_comes_late() {
    let mut scene = Scene::talking(End::default(), End::default());
    let mut speaker = Speaker::new(40, 96, 900);
    let mut late = Vec::new();
    for n in 0..60u32 {
        let packet = speaker.next(&n.to_be_bytes());
        match n {
            20 | 25 => late.push(packet),
            _ => scene.show(0, packet),
        }
        if (15..30).contains(&n) {
            scene.show(0, speaker.next(&[]));
        }
        scene.pass(Duration::from_millis(1));
    }
    late.into_iter().for_each(|packet| scene.show(0, packet));
    let mut viewer = Viewer::default();
    scene.saw(1).iter().for_each(|packet| viewer.see(packet));
    assert_eq!(viewer.got.values().copied().collect::<Vec<_>>(), (0..60).collect::<Vec<u32>>());
    let numbers: Vec<i64> = viewer.got.keys().copied().collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn a_source_that_sends_nothing_again_is_asked_so_often_and_then_for_a_whole_picture() {
    let mut scene = Scene::talking(End::default(), End::default());
    let mut speaker = Speaker::new(40, 96, 900);
    scene.show(0, speaker.next(&[1; 100]));
    scene.pass(Duration::from_secs(1));
    assert_eq!(asked(&mut scene, 0), (vec![], 1));
    let lost = [speaker.sequence, speaker.sequence.wrapping_add(1)];
    lost.iter().for_each(|_| drop(speaker.next(&[1; 100])));
    for _ in 0..300 {
        scene.show(0, speaker.next(&[1; 100]));
        scene.pass(PACE);
    }
    let (numbers, whole) = asked(&mut scene, 0);
    assert_eq!(whole, 1);
    let times = numbers.iter().filter(|n| **n == lost[0]).count();
    assert!(numbers.len() == 2 * times && (2..=usize::from(MAX_ASKED)).contains(&times), "{numbers:?}");
    for _ in 0..MAX_MISSING + 1 {
        speaker.next(&[1; 100]);
    }
    scene.show(0, speaker.next(&[1; 100]));
    scene.pass(Duration::from_secs(1));
    assert_eq!(asked(&mut scene, 0), (vec![], 1), "so many at once are a picture");
}

#[test]
fn nobody_is_asked_who_does_not_send_again_nor_while_nobody_sees() {
    let mut scene = Scene::talking(end(&WITHOUT_NACK), End::default());
    let mut speaker = Speaker::new(40, 96, 900);
    for _ in 0..20 {
        scene.show(0, speaker.next(&[1; 100]));
        speaker.next(&[1; 100]);
        scene.pass(PACE);
    }
    assert!(asked(&mut scene, 0).0.is_empty());
    let mut unseen = Scene::talking(End::default(), End::default());
    unseen.change(|legs| legs[1].video.as_mut().expect("pictures").sees = None);
    for _ in 0..20 {
        unseen.show(0, speaker.next(&[1; 100]));
        speaker.next(&[1; 100]);
        unseen.pass(PACE);
    }
    assert!(asked(&mut unseen, 0).0.is_empty());
}

#[test]
fn who_asks_for_everything_gets_it_twice_at_the_most_and_who_did_not_agree_gets_nothing() {
    for (b, is_heeded) in [(End::default(), true), (end(&WITHOUT_NACK), false)] {
        let mut scene = Scene::talking(End::default(), b);
        let source = scene.world.ready(legs().1).video.expect("pictures").ssrc;
        let mut speaker = Speaker::new(40, 96, 900);
        let (mut sent, mut again) = (0, 0);
        let everything: Vec<u16> = (0..=u16::MAX).collect();
        let storm: Vec<_> = everything.chunks(250).map(|numbers| wanting(source, numbers)).collect();
        for _ in 0..40 {
            scene.show(0, speaker.next(&[1; 1000]));
            sent += scene.saw(1).len();
            scene.pass(PACE);
            storm.iter().for_each(|compound| scene.report(1, compound.clone()));
            scene.report(1, wanting(source ^ 1, &[1, 2, 3]));
            again += scene.saw(1).len();
        }
        assert_eq!((sent, again > 0), (40, is_heeded));
        assert!(again <= 40, "{again}");
        assert_eq!(scene.stats()[1].video.as_ref().expect("pictures").sent_again, again as u64);
    }
}
