//! Pictures that should come and do not.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::RelayEvent;

use super::super::peers::Sort;
use super::super::world::{Speaker, at, legs};
use super::scene::{End, Scene};

const LIMIT: Duration = Duration::from_millis(5600);

fn apart() -> Scene {
    let end = End { bundled: false, ..End::default() };
    Scene::talking(end.clone(), end)
}

/// What is told of the first leg while time passes and both speak.
fn told(scene: &mut Scene, time: Duration) -> Vec<String> {
    let (mut one, mut other) = (Speaker::new(4, 0, 160), Speaker::new(5, 0, 160));
    let end = scene.world.now + time;
    while scene.world.now < end {
        scene.say(0, one.next(&[1; 160]));
        scene.say(1, other.next(&[1; 160]));
        scene.pass(Duration::from_millis(100));
    }
    let of_first = |event| match event {
        RelayEvent::Unseen { leg, why, .. } if leg == legs().0 => Some(why),
        RelayEvent::SeenAgain { leg, .. } if leg == legs().0 => Some("seen again".to_owned()),
        _ => None,
    };
    scene.world.take_events().into_iter().filter_map(of_first).collect()
}

#[test]
fn who_sends_no_pictures_is_named_once_and_so_is_their_return() {
    let mut scene = apart();
    let mut speaker = Speaker::new(50, 100, 3000);
    (0..3).for_each(|_| scene.show(1, speaker.next(&[1; 100])));
    assert_eq!(
        told(&mut scene, LIMIT),
        [
            "the phone at 203.0.113.1:4002 sends no pictures: no RTP for 5 s after they were agreed on; we sent 3 packets \
          of them to it"
        ]
    );
    assert_eq!(told(&mut scene, LIMIT * 2), Vec::<String>::new(), "once");
    let mut shows = Speaker::new(40, 96, 3000);
    scene.show(0, shows.next(&[1; 100]));
    assert_eq!(told(&mut scene, Duration::from_secs(2)), ["seen again"]);
    let again = told(&mut scene, LIMIT);
    assert!(again.len() == 1 && again[0].contains("for 5 s after the last packet"), "{again:?}");
}

#[test]
fn a_strangers_pictures_are_named_and_are_none() {
    let mut scene = apart();
    let mut stranger = Speaker::new(40, 96, 3000);
    for _ in 0..3 {
        scene.world.arrive(SocketId(4), at("198.51.100.9:9"), &stranger.next(&[2; 100]));
    }
    let why = told(&mut scene, LIMIT);
    let words = "; 3 packets came from 198.51.100.9:9, which was not described, and were dropped";
    assert!(why.len() == 1 && why[0].ends_with(words), "{why:?}");
}

#[test]
fn pictures_without_a_way_of_their_own_are_missed_only_while_the_sound_is_heard() {
    let mut scene = Scene::talking(End::default(), End::default());
    scene.pass(LIMIT * 2);
    let is_unseen = |event: &RelayEvent| matches!(event, RelayEvent::Unseen { .. });
    assert!(!scene.world.take_events().iter().any(is_unseen), "one sentence is enough");
    assert_eq!(told(&mut scene, LIMIT * 2).len(), 1);
}

#[test]
fn pictures_whose_handshake_does_not_end_are_said_to_have_no_way() {
    let mut scene =
        Scene::talking(End { sort: Sort::DtlsWithoutIce, bundled: false, ..End::default() }, End::default());
    // Another certificate is described, and nobody there has it.
    scene.change(|legs| {
        let remote = legs[0].video.as_mut().and_then(|video| video.remote.as_mut()).expect("an end");
        let patchcord::model::Seal::Dtls { fingerprints, .. } = &mut remote.transport.seal else { panic!("DTLS") };
        fingerprints[0].bytes.iter_mut().for_each(|byte| *byte ^= 1);
    });
    let why = told(&mut scene, LIMIT);
    assert!(
        why.len() == 1 && why[0].starts_with("no pictures come: DTLS with the phone at 203.0.113.1:4002"),
        "{why:?}"
    );
}

#[test]
fn nobody_misses_pictures_that_were_not_promised() {
    let mut scene = apart();
    scene.change(|legs| legs.iter_mut().for_each(|leg| leg.video.as_mut().expect("pictures").expected = false));
    assert_eq!(told(&mut scene, LIMIT * 2), Vec::<String>::new());
}
