//! When each packet of pictures left: said to those who want it, and to nobody else.

use std::time::Duration;

use patchcord::rtp::Packet;

use super::SORTS;
use super::scene::{End, Scene};
use crate::relay::world::Speaker;

/// The number of the header extension.
const ID: u8 = 7;
const FRAME: Duration = Duration::from_millis(10);

fn told(end: End) -> Scene {
    let mut scene = Scene::talking(End::default(), end);
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").send_time = Some(ID));
    scene.pass(FRAME);
    scene
}

/// The packet with a header extension of its sender, and padding behind it if there is any.
fn extended(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[0] |= 0x10;
    packet.splice(12..12, [0xbe, 0xde, 0, 2, 0x51, 1, 2, 0x62, 3, 4, 5, 0]);
    packet
}

/// When a packet left, in 2^18ths of a second.
fn left(packet: &Packet) -> u32 {
    let [high, middle, low] = *packet.element(ID).expect("a time") else { panic!("three octets") };
    u32::from_be_bytes([0, high, middle, low])
}

#[test]
fn every_packet_of_pictures_says_when_it_left_on_every_kind_of_leg_whatever_header_it_came_with() {
    for end in SORTS.into_iter().map(|sort| End { sort, ..End::default() }) {
        let mut scene = told(end.clone());
        let (mut shows, mut says) = (Speaker::new(40, 96, 900), Speaker::new(4, 0, 80));
        for n in 0..100u8 {
            let packet = shows.next(&[n; 700]);
            scene.show(0, if n % 2 == 0 { extended(&packet) } else { packet });
            scene.say(0, says.next(&[2; 80]));
            scene.pass(FRAME);
        }
        let pictures = scene.saw(1);
        assert_eq!(pictures.len(), 100, "{end:?}");
        let mut before: Option<u32> = None;
        for (n, bytes) in (0u8..).zip(&pictures) {
            let packet = Packet::parse(bytes).expect("a packet");
            assert_eq!((packet.payload(), packet.header_length()), (&[n; 700][..], 20), "{end:?}");
            let now = left(&packet);
            if let Some(before) = before {
                let step = f64::from(now.wrapping_sub(before) & 0x00ff_ffff) * 1000.0 / f64::from(1 << 18);
                assert!((9.0..=11.0).contains(&step), "{end:?}: {step} ms");
            }
            before = Some(now);
        }
        assert!(scene.heard(1).iter().all(|sound| Packet::parse(sound).expect("sound").extension().is_none()));
    }
}

#[test]
fn who_did_not_agree_or_agrees_no_more_is_not_told_and_nor_is_the_other_side() {
    let mut scene = told(End::default());
    let (mut here, mut there) = (Speaker::new(40, 96, 900), Speaker::new(50, 100, 900));
    scene.show(1, there.next(&[1; 500]));
    scene.pass(FRAME);
    let seen = scene.saw(0);
    assert!(Packet::parse(&seen[0]).expect("a packet").extension().is_none());
    scene.show(0, here.next(&[1; 1417]));
    scene.show(0, here.next(&[1; 1416]));
    scene.pass(FRAME);
    let has = |packet: &Vec<u8>| Packet::parse(packet).expect("a packet").extension().is_some();
    assert_eq!(scene.saw(1).iter().map(has).collect::<Vec<_>>(), [false, true], "no packet grows too large by it");
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").send_time = None);
    scene.show(0, here.next(&[1; 500]));
    scene.pass(FRAME);
    assert_eq!(scene.saw(1).iter().map(has).collect::<Vec<_>>(), [false]);
}
