//! Pictures between legs of every kind.

mod bottleneck;
mod bounds;
mod darkness;
mod estimates;
mod loss;
mod refresh;
mod scene;
mod send_time;
mod transport;

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::RelayCommand;
use patchcord::rtp::Packet;

use self::scene::{End, Scene, vp8};
use super::peers::Sort;
use super::world::{CALL, Speaker, at, legs};

const SORTS: [Sort; 4] =
    [Sort::Plain, Sort::Sdes(patchcord::rtp::Profile::AesCm128HmacSha1_80), Sort::DtlsWithIce, Sort::DtlsWithoutIce];

fn ends() -> impl Iterator<Item = End> {
    SORTS.into_iter().flat_map(|sort| [true, false].map(|bundled| End { sort, bundled, ..End::default() }))
}

#[test]
fn pictures_pass_between_every_kind_of_leg_bundled_and_apart_and_leave_the_sound_alone() {
    for a in ends() {
        for b in ends() {
            let mut scene = Scene::talking(a.clone(), b.clone());
            let (mut shows_a, mut shows_b) = (Speaker::new(40, 96, 3000), Speaker::new(50, 100, 3000));
            let mut says_a = Speaker::new(4, 0, 160);
            for n in 0..5u8 {
                scene.show(0, shows_a.next(&[n; 1100]));
                scene.show(1, shows_b.next(&[100 + n; 900]));
                scene.say(0, says_a.next(&[200 + n; 160]));
                scene.pass(Duration::from_millis(33));
            }
            let words = format!("{a:?} and {b:?}");
            let payloads = |packets: Vec<Vec<u8>>| -> Vec<u8> {
                packets.iter().map(|p| Packet::parse(p).unwrap().payload()[0]).collect()
            };
            let (seen_a, seen_b) = (scene.saw(0), scene.saw(1));
            assert!(seen_b.iter().all(|packet| packet[1] & 0x7f == 100), "{words}");
            assert_eq!(payloads(seen_b), [0, 1, 2, 3, 4], "{words}");
            assert_eq!(payloads(seen_a), [100, 101, 102, 103, 104], "{words}");
            assert_eq!(payloads(scene.heard(1)), [200, 201, 202, 203, 204], "{words}");
            let video = scene.stats().map(|leg| (leg.refused, leg.packets_in, leg.video.expect("pictures")));
            assert_eq!((video[0].0, video[0].1, video[1].1), (0, 5, 0), "{words}");
            assert_eq!(video[0].2.codec.as_deref(), Some("VP8"));
            assert_eq!((video[0].2.packets_in, video[0].2.packets_out, video[1].2.bytes_out), (5, 5, 5500), "{words}");
        }
    }
}

#[test]
fn the_pictures_that_go_out_have_one_identity_whatever_is_seen() {
    let mut scene = Scene::talking(End::default(), End::default());
    let local = scene.world.ready(legs().1).video.expect("pictures");
    let mut speaker = Speaker::new(40, 96, 3000);
    for _ in 0..10 {
        scene.show(0, speaker.next(&[1; 100]));
        scene.pass(Duration::from_millis(33));
    }
    // Another camera: another source, other numbers. Then a hold, and the first one again.
    let mut other = Speaker { sequence: 7, timestamp: 99, ..Speaker::new(41, 96, 3000) };
    for _ in 0..10 {
        scene.show(0, other.next(&[2; 100]));
        scene.pass(Duration::from_millis(33));
    }
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").sends = false);
    scene.show(0, speaker.next(&[3; 100]));
    scene.pass(Duration::from_secs(3));
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").sends = true);
    speaker.timestamp = speaker.timestamp.wrapping_add(270_000);
    for _ in 0..10 {
        scene.show(0, speaker.next(&[4; 100]));
        scene.pass(Duration::from_millis(33));
    }
    let seen: Vec<_> = scene.saw(1).iter().map(|packet| Packet::parse(packet).expect("RTP").fields()).collect();
    assert_eq!(seen.len(), 30);
    assert!(seen.iter().all(|fields| fields.ssrc == local.ssrc));
    assert!(seen.iter().all(|fields| !fields.marker), "a marker ends a picture, and none of these did");
    for pair in seen.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((900..300_000).contains(&step), "{step}");
    }
    let step = seen[20].timestamp.wrapping_sub(seen[19].timestamp);
    assert!((270_000..280_000).contains(&step), "the clock went on during the hold: {step}");
}

#[test]
fn pictures_come_and_go_while_the_sound_goes_on() {
    for bundled in [true, false] {
        let end = End { bundled, ..End::default() };
        let mut scene = Scene::talking(end.clone(), end);
        let mut speaker = Speaker::new(40, 96, 3000);
        scene.show(0, speaker.next(&[1; 100]));
        let before = scene.saw(1);
        let identity = scene.world.ready(legs().1);
        let video = scene.legs.clone().map(|leg| leg.video);
        scene.change(|legs| legs.iter_mut().for_each(|leg| leg.video = None));
        assert_eq!(scene.world.ports.closed.len(), if bundled { 0 } else { 2 });
        scene.show(0, speaker.next(&[2; 100]));
        scene.say(0, Speaker::new(4, 0, 160).next(&[3; 160]));
        assert_eq!((scene.saw(1).len(), scene.heard(1).len()), (0, 1));
        scene.world.events.clear();
        scene.change(|legs| legs.iter_mut().zip(video).for_each(|(leg, video)| leg.video = video));
        let again = scene.world.ready(legs().1);
        assert_eq!(again.transport, identity.transport);
        let (was, is) = (identity.video.expect("pictures"), again.video.expect("pictures"));
        assert_eq!(was.ssrc, is.ssrc);
        assert_eq!(was.transport == is.transport, bundled, "new pictures have new ports");
        scene.follow();
        scene.show(0, speaker.next(&[4; 100]));
        let after = scene.saw(1);
        assert_eq!((before.len(), after.len()), (1, 1));
        let numbers = [&before, &after].map(|p| Packet::parse(&p[0]).expect("RTP").fields().sequence);
        assert_eq!(numbers[1], numbers[0].wrapping_add(1), "the numbers go on");
    }
}

#[test]
fn pictures_that_were_laid_apart_go_on_the_transport_of_the_sound_once_they_are_bundled() {
    for sort in SORTS {
        let apart = End { sort, bundled: false, ..End::default() };
        let mut scene = Scene::talking(apart, End::default());
        let own = scene.world.ready(legs().0).video.expect("pictures");
        scene.world.events.clear();
        scene.bundle(0);
        let end = scene.world.ready(legs().0);
        let shared = end.video.expect("pictures");
        assert_eq!((shared.ssrc, &shared.transport), (own.ssrc, &end.transport), "{sort:?}");
        scene.pass(Duration::from_millis(50));
        scene.show(0, Speaker::new(40, 96, 3000).next(&[1; 100]));
        scene.show(1, Speaker::new(50, 100, 3000).next(&[2; 100]));
        assert_eq!((scene.saw(1).len(), scene.saw(0).len()), (1, 1), "{sort:?}");
        assert_eq!(scene.world.ports.closed.len(), usize::from(sort != Sort::DtlsWithIce), "{sort:?}");
    }
}

#[test]
fn the_sockets_of_pictures_listen_to_the_learnt_peer_alone() {
    let apart = End { bundled: false, ..End::default() };
    let mut scene = Scene::talking(apart, End::default());
    let socket = SocketId(4);
    let mut speaker = Speaker::new(40, 96, 3000);
    let aims = |scene: &mut Scene| -> Vec<_> { std::iter::from_fn(|| scene.world.shard.poll_aim()).collect() };
    assert_eq!(aims(&mut scene), []);
    scene.show(0, speaker.next(&[1; 100]));
    assert_eq!(aims(&mut scene), [(socket, Some(at("203.0.113.1:4002")))]);
    let before = scene.saw(1).len();
    for stranger in ["203.0.113.1:4004", "198.51.100.9:9"] {
        for _ in 0..20 {
            scene.world.arrive(socket, at(stranger), &speaker.next(&[2; 100]));
            scene.pass(Duration::from_millis(200));
        }
    }
    assert_eq!((before, scene.saw(1).len()), (1, 0), "no stranger is shown");
    scene.show(1, Speaker::new(50, 100, 3000).next(&[3; 100]));
    assert_eq!(scene.saw(0).len(), 1, "nor does one move what is sent");
    aims(&mut scene);
    scene.change(|legs| {
        let remote = legs[0].video.as_mut().and_then(|video| video.remote.as_mut()).expect("an end");
        remote.transport.address = Some(at("203.0.113.1:6002"));
    });
    assert_eq!(aims(&mut scene), [(socket, None)], "another description is another peer");
}

#[test]
fn without_a_free_port_there_are_no_pictures_and_the_call_goes_on() {
    let mut scene = Scene::talking(End::default(), End::default());
    scene.change(|legs| legs.iter_mut().for_each(|leg| leg.video = None));
    scene.world.ports.exhausted = true;
    let apart = End { bundled: false, ..End::default() };
    scene.world.events.clear();
    scene.change(|legs| legs[0].video = Some(Box::new(scene::video(&apart, 96, Some(legs[1].leg), None))));
    assert_eq!(scene.world.ready(legs().0).video, None);
    assert!(!scene.world.take_events().iter().any(|e| matches!(e, patchcord::model::RelayEvent::Failed { .. })));
    scene.say(0, Speaker::new(4, 0, 160).next(&[3; 160]));
    assert_eq!(scene.heard(1).len(), 1);
}

#[test]
fn strangers_and_formats_that_nobody_agreed_on_are_refused() {
    let apart = End { bundled: false, ..End::default() };
    let mut scene = Scene::talking(apart.clone(), apart);
    let socket = SocketId(4);
    let mut speaker = Speaker::new(40, 96, 3000);
    scene.show(0, speaker.next(&[1; 100]));
    scene.world.arrive(socket, at("198.51.100.9:9"), &speaker.next(&[2; 100]));
    scene.show(0, Speaker::new(40, 99, 3000).next(&[3; 100]));
    // Speech has nothing to look for there.
    scene.show(0, Speaker::new(40, 0, 160).next(&[3; 100]));
    assert_eq!(scene.saw(1).len(), 1);
    assert_eq!(scene.stats()[0].clone().video.expect("pictures").packets_in, 1);
    let mut bundled = Scene::talking(End::default(), End::default());
    bundled.show(0, Speaker::new(40, 99, 3000).next(&[3; 100]));
    assert_eq!((bundled.saw(1).len(), bundled.stats()[0].refused), (0, 1));
}

#[test]
fn a_removed_call_gives_back_the_ports_of_its_pictures() {
    let apart = End { bundled: false, ..End::default() };
    let mut scene = Scene::talking(apart.clone(), apart);
    scene.world.order(RelayCommand::Remove(CALL));
    assert_eq!(scene.world.ports.closed.len(), 4);
    assert_eq!(vp8(96).clock_hz, 90_000);
}
