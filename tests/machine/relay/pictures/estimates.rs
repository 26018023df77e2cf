//! What one who sees takes, told to the one who shows.

use std::time::Duration;

use patchcord::rtp::rtcp::{Rtcp, read};

use super::refresh::{compound, end};
use super::scene::{End, Scene};
use crate::relay::world::Speaker;

const SECOND: Duration = Duration::from_secs(1);

/// The estimates that a party was told.
fn told(scene: &mut Scene, party: usize) -> Vec<u64> {
    let reports = scene.reports(party);
    let rate = |packet: Rtcp| match packet {
        Rtcp::MaximumBitrate { bits_per_second } => Some(bits_per_second),
        _ => None,
    };
    reports.iter().flat_map(|compound| read(compound).filter_map(rate).collect::<Vec<_>>()).collect()
}

fn estimate(bits_per_second: u64) -> Vec<u8> {
    compound(|writer| assert!(writer.maximum_bitrate(50, bits_per_second, &[1])))
}

fn shown(a: End, b: End) -> (Scene, Speaker) {
    let mut scene = Scene::talking(a, b);
    let mut speaker = Speaker::new(40, 96, 3000);
    scene.show(0, speaker.next(&[1; 100]));
    scene.pass(Duration::from_millis(20));
    (scene, speaker)
}

#[test]
fn an_estimate_of_one_who_sees_reaches_the_one_who_shows_and_is_repeated() {
    let (mut scene, _) = shown(End::default(), End::default());
    scene.pass(SECOND);
    assert!(told(&mut scene, 0).is_empty(), "nobody said anything");
    scene.report(1, estimate(800_000));
    scene.pass(Duration::from_millis(2));
    assert_eq!(told(&mut scene, 0), [800_000]);
    scene.report(1, estimate(300_000));
    scene.pass(Duration::from_millis(150));
    assert_eq!(told(&mut scene, 0), [300_000], "less is told at once");
    scene.report(1, estimate(900_000));
    scene.pass(Duration::from_millis(500));
    assert!(told(&mut scene, 0).is_empty(), "more can wait");
    scene.pass(SECOND * 3);
    assert_eq!(told(&mut scene, 0).iter().filter(|rate| **rate == 900_000).count(), 3);
    assert!(told(&mut scene, 1).is_empty(), "not the other way round");
}

#[test]
fn what_a_description_allows_is_told_as_an_estimate_and_caps_those_of_the_peer() {
    let limited = End { limit_kbps: Some(256), ..End::default() };
    let (mut scene, mut speaker) = shown(End::default(), limited);
    assert_eq!(told(&mut scene, 0), [256_000]);
    scene.report(1, estimate(800_000));
    scene.pass(SECOND);
    assert_eq!(told(&mut scene, 0), [256_000]);
    scene.report(1, estimate(128_000));
    scene.pass(Duration::from_millis(150));
    assert_eq!(told(&mut scene, 0), [128_000]);
    scene.report(1, estimate(512_000));
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").limit_kbps = None);
    scene.show(0, speaker.next(&[1; 100]));
    scene.pass(SECOND);
    assert_eq!(told(&mut scene, 0), [512_000]);
}

#[test]
fn who_did_not_agree_to_estimates_neither_gets_them_nor_is_heeded() {
    let without = end(&["nack", "nack pli"]);
    let (mut scene, _) = shown(without.clone(), End { limit_kbps: Some(256), ..End::default() });
    scene.report(1, estimate(100_000));
    scene.pass(SECOND * 2);
    assert!(told(&mut scene, 0).is_empty());
    let (mut scene, _) = shown(End::default(), without);
    scene.report(1, estimate(100_000));
    scene.pass(SECOND * 2);
    assert!(told(&mut scene, 0).is_empty());
}

#[test]
fn estimates_that_fall_without_end_are_told_ten_times_a_second_at_the_most_and_never_as_nothing() {
    let (mut scene, _) = shown(End::default(), End::default());
    for n in 0..1000u64 {
        scene.report(1, estimate(1_000_000 - 1000 * n));
        scene.pass(Duration::from_millis(1));
    }
    scene.report(1, estimate(0));
    scene.pass(SECOND);
    let rates = told(&mut scene, 0);
    assert!((8..=21).contains(&rates.len()), "{rates:?}");
    assert!(rates.iter().all(|rate| *rate >= 29_000), "{rates:?}");
}
