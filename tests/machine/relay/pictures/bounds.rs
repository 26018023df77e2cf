//! Bounds that a party requests (RFC 5104 §4.2): answered, and told to the other side by the way that it agreed to.

use std::time::Duration;

use patchcord::rtp::rtcp::{Bound, Rtcp, read};

use super::refresh::{compound, end};
use super::scene::{End, Scene};
use crate::relay::world::{Speaker, legs};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(150);
const PHONE: [&str; 3] = ["nack", "nack pli", "ccm tmmbr"];

#[derive(Debug, PartialEq)]
enum Said {
    Estimate(u64),
    Request(Bound),
    Notice(Bound),
}

/// What a party was told of rates.
fn told(scene: &mut Scene, party: usize) -> Vec<Said> {
    let said = |packet: Rtcp<'_>| match packet {
        Rtcp::MaximumBitrate { bits_per_second } => Some(Said::Estimate(bits_per_second)),
        Rtcp::BoundRequest { mut bounds, .. } => bounds.next().map(Said::Request),
        Rtcp::BoundNotice { mut bounds, .. } => bounds.next().map(Said::Notice),
        _ => None,
    };
    let reports = scene.reports(party);
    reports.iter().flat_map(|compound| read(compound).filter_map(said).collect::<Vec<_>>()).collect()
}

fn request(ssrc: u32, bits_per_second: u64) -> Vec<u8> {
    compound(|writer| assert!(writer.bound_request(50, Bound { ssrc, bits_per_second, overhead: 28 })))
}

fn shown(a: End, b: End) -> (Scene, u32) {
    let mut scene = Scene::talking(a, b);
    scene.show(0, Speaker::new(40, 96, 3000).next(&[1; 100]));
    scene.pass(Duration::from_millis(20));
    let ours = scene.world.ready(legs().1).video.expect("pictures").ssrc;
    (scene, ours)
}

#[test]
fn a_bound_of_a_phone_is_answered_and_told_to_the_browser_as_an_estimate_and_holds_until_another_comes() {
    let (mut scene, ours) = shown(End::default(), end(&PHONE));
    scene.report(1, request(ours, 256_000));
    scene.pass(SOON);
    assert_eq!(told(&mut scene, 0), [Said::Estimate(256_000)]);
    let notice = |bits_per_second| Said::Notice(Bound { ssrc: 50, bits_per_second, overhead: 28 });
    assert_eq!(told(&mut scene, 1), [notice(256_000)], "and whose bound it is");
    scene.pass(SECOND * 3);
    assert!(told(&mut scene, 0).iter().all(|said| *said == Said::Estimate(256_000)));
    scene.report(1, request(ours, 640_000));
    scene.pass(SECOND * 2);
    assert_eq!(told(&mut scene, 0).last(), Some(&Said::Estimate(640_000)));
    assert_eq!(told(&mut scene, 1), [notice(640_000)]);
}

#[test]
fn an_estimate_of_a_browser_is_told_to_a_phone_as_a_request_if_that_is_what_it_agreed_to() {
    let (mut scene, _) = shown(end(&PHONE), End::default());
    scene.report(1, compound(|writer| assert!(writer.maximum_bitrate(50, 400_000, &[1]))));
    scene.pass(SOON);
    let [Said::Request(bound)] = told(&mut scene, 0)[..] else { panic!("one request") };
    assert_eq!((bound.ssrc, bound.bits_per_second), (40, 400_000), "of its own source");
}

#[test]
fn two_phones_bound_each_other_by_requests_and_who_agreed_to_neither_is_not_told() {
    let (mut scene, ours) = shown(end(&PHONE), end(&PHONE));
    scene.report(1, request(ours, 256_000));
    scene.pass(SOON);
    assert!(matches!(told(&mut scene, 0)[..], [Said::Request(Bound { bits_per_second: 256_000, .. })]));
    let (mut scene, ours) = shown(end(&["nack pli"]), end(&PHONE));
    scene.report(1, request(ours, 256_000));
    scene.pass(SECOND);
    assert!(told(&mut scene, 0).is_empty());
    assert_eq!(told(&mut scene, 1).len(), 1, "who asked is answered all the same");
}

#[test]
fn a_request_for_another_source_or_of_a_party_that_did_not_agree_is_neither_heeded_nor_answered() {
    for (end, other) in [(end(&PHONE), 1), (end(&["nack pli", "goog-remb"]), 0)] {
        let (mut scene, ours) = shown(End::default(), end);
        scene.report(1, request(ours ^ other, 256_000));
        scene.pass(SECOND);
        assert!(told(&mut scene, 0).is_empty() && told(&mut scene, 1).is_empty());
    }
}
