//! Feedback about a whole transport: each numbered packet, of sound or of pictures, is told when it came.

use std::time::Duration;

use patchcord::rtp::Packet;
use patchcord::rtp::rtcp::{Rtcp, read};

use super::SORTS;
use super::refresh::compound;
use super::scene::{End, Scene};
use crate::relay::peers::Sort;
use crate::relay::world::Speaker;

/// The number of the header extension.
const ID: u8 = 5;
const FRAME: Duration = Duration::from_millis(10);

/// The packet with its number in a header extension.
fn numbered(packet: &[u8], number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let mut packet = packet.to_vec();
    packet[0] |= 0x10;
    packet.splice(12..12, [0xbe, 0xde, 0, 1, (ID << 4) | 1, high, low, 0]);
    packet
}

/// What a party was told: the numbers with the millisecond in which each came, in each packet of feedback.
fn told(scene: &mut Scene, party: usize) -> Vec<Vec<(u16, Option<u32>)>> {
    let mut all = Vec::new();
    for compound in scene.reports(party) {
        for packet in read(&compound) {
            if let Rtcp::TransportFeedback { arrivals } = packet {
                assert_eq!(usize::from(arrivals.number), all.len() % 256, "feedback is counted");
                all.push(arrivals.times().map(|(number, time)| (number, time.map(|time| time / 4))).collect());
            }
        }
    }
    all
}

fn counting(end: End) -> Scene {
    let mut scene = Scene::talking(end, End::default());
    scene.change(|legs| {
        let is_bundled = legs[0].video.as_ref().expect("pictures").bundled;
        legs[0].transport_cc = is_bundled.then_some(ID);
        legs[0].video.as_mut().expect("pictures").transport_cc = Some(ID);
    });
    scene.pass(FRAME);
    scene
}

#[test]
fn every_numbered_packet_of_sound_and_pictures_is_told_in_time_on_every_kind_of_leg() {
    for end in SORTS.into_iter().map(|sort| End { sort, ..End::default() }) {
        let mut scene = counting(end.clone());
        let (mut shows, mut says) = (Speaker::new(40, 96, 900), Speaker::new(4, 0, 80));
        for n in (0..200u16).step_by(2) {
            scene.show(0, numbered(&shows.next(&[1; 500]), 65_500u16.wrapping_add(n)));
            // Every tenth packet of sound is lost.
            let packet = numbered(&says.next(&[2; 80]), 65_501u16.wrapping_add(n));
            if n % 20 != 10 {
                scene.say(0, packet);
            }
            scene.pass(FRAME);
        }
        scene.pass(FRAME * 10);
        let feedback = told(&mut scene, 0);
        // A second of packets, told of 64 ms after the first that was not.
        assert!((12..=18).contains(&feedback.len()), "{end:?}: {} times", feedback.len());
        let all: Vec<_> = feedback.concat();
        let numbers: Vec<u16> = all.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..200).map(|n| 65_500u16.wrapping_add(n)).collect::<Vec<_>>(), "{end:?}");
        let first = all[0].1.expect("it came");
        for (nth, (number, time)) in (0u32..).zip(&all) {
            let came = (nth % 20 != 11).then_some(first + nth / 2 * 10);
            let is_near = time.zip(came).is_some_and(|(time, came)| time.abs_diff(came) <= 5);
            assert!(is_near || (*time, came) == (None, None), "{end:?}: {number} came at {time:?} and not at {came:?}");
        }
        assert!(told(&mut scene, 1).is_empty(), "the other side counts nothing");
    }
}

#[test]
fn pictures_on_a_transport_of_their_own_are_told_there_and_the_sound_is_not() {
    let mut scene = counting(End { sort: Sort::DtlsWithoutIce, bundled: false, ..End::default() });
    let (mut shows, mut says) = (Speaker::new(40, 96, 900), Speaker::new(4, 0, 80));
    for number in 7..10 {
        scene.show(0, numbered(&shows.next(&[1; 500]), number));
        scene.say(0, numbered(&says.next(&[2; 80]), 300 + number));
    }
    scene.pass(FRAME * 10);
    let numbers: Vec<u16> = told(&mut scene, 0).concat().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [7, 8, 9]);
}

#[test]
fn nobody_is_told_who_did_not_agree_and_nothing_while_nothing_comes() {
    let mut scene = Scene::talking(End::default(), End::default());
    let mut shows = Speaker::new(40, 96, 900);
    scene.show(0, numbered(&shows.next(&[1; 500]), 1));
    scene.pass(FRAME * 20);
    assert!(told(&mut scene, 0).is_empty());
    let mut scene = counting(End::default());
    scene.show(0, shows.next(&[1; 500]));
    scene.pass(FRAME * 20);
    assert!(told(&mut scene, 0).is_empty(), "it was not numbered");
    scene.show(0, numbered(&shows.next(&[1; 500]), 1));
    scene.pass(FRAME * 20);
    assert_eq!(told(&mut scene, 0).len(), 1);
    scene.pass(Duration::from_secs(3));
    assert!(told(&mut scene, 0).is_empty(), "once is enough");
}

#[test]
fn a_party_that_is_not_wanted_is_told_all_the_same() {
    let mut scene = counting(End::default());
    scene.change(|legs| {
        legs[0].receives = false;
        legs[0].video.as_mut().expect("pictures").receives = false;
    });
    let mut says = Speaker::new(4, 0, 80);
    scene.say(0, numbered(&says.next(&[2; 80]), 4));
    scene.pass(FRAME * 10);
    assert_eq!(told(&mut scene, 0).concat().len(), 1);
}

#[test]
fn what_the_far_side_takes_still_reaches_a_party_that_counts() {
    let mut scene = counting(End::default());
    let mut shows = Speaker::new(40, 96, 900);
    scene.show(0, numbered(&shows.next(&[1; 500]), 4));
    scene.report(1, compound(|writer| assert!(writer.maximum_bitrate(50, 200_000, &[1]))));
    scene.pass(FRAME * 20);
    let said: Vec<&str> =
        scene.reports(0).iter().flat_map(|compound| read(compound).filter_map(word).collect::<Vec<_>>()).collect();
    assert_eq!(said, ["estimate", "arrivals"]);
}

fn word(packet: Rtcp<'_>) -> Option<&'static str> {
    match packet {
        Rtcp::MaximumBitrate { bits_per_second: 200_000 } => Some("estimate"),
        Rtcp::TransportFeedback { .. } => Some("arrivals"),
        _ => None,
    }
}

#[test]
fn no_header_extension_of_one_leg_goes_out_of_the_other() {
    for end in SORTS.into_iter().map(|sort| End { sort, ..End::default() }) {
        let mut scene = counting(end);
        let (mut shows, mut says) = (Speaker::new(40, 96, 900), Speaker::new(4, 0, 80));
        for number in 0..4 {
            scene.show(0, numbered(&shows.next(&[1; 500]), 2 * number));
            scene.say(0, numbered(&says.next(&[2; 80]), 2 * number + 1));
            scene.pass(FRAME * 2);
        }
        let packets = [scene.saw(1), scene.heard(1)].concat();
        assert_eq!(packets.len(), 8);
        for packet in &packets {
            let packet = Packet::parse(packet).expect("a packet");
            assert_eq!((packet.extension(), packet.header_length()), (None, 12));
            assert!([500, 80].contains(&packet.payload().len()), "what it carries is whole");
        }
    }
}
