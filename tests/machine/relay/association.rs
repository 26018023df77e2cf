//! Names of DTLS associations (RFC 8842): what begins a new one, and what does not.

use std::time::Duration;

use patchcord::model::{Codec, GraphLeg, LegSpec, RelayEvent, Seal, Setup, Source};

use super::browser::Browser;
use super::world::{CALL, Speaker, World, at, legs, phone, plain_leg};

const PHONE: &str = "203.0.113.2:5000";
const HOME: &str = "198.51.100.7:60000";
const UP: Duration = Duration::from_millis(300);

struct Scene {
    world: World,
    browser: Browser,
    revision: u32,
}

impl Scene {
    fn new(name: Option<&str>) -> Scene {
        let world = World::new();
        let mut browser = Browser::new(world.now, at(HOME), true);
        browser.tls_id = name.map(str::to_owned);
        let mut scene = Scene { world, browser, revision: 0 };
        scene.apply();
        let end = scene.world.ready(legs().0);
        scene.browser.hear(scene.world.now, &end);
        scene.browser.pass(&mut scene.world, UP);
        assert!(scene.world.events.contains(&RelayEvent::Connected { call: CALL, leg: legs().0 }));
        scene
    }

    /// The browser offers what it says of itself now.
    fn apply(&mut self) {
        let (a, b) = legs();
        let codecs = [Codec::pcmu()];
        let words = self.browser.words(&codecs);
        self.revision += 1;
        let graph = [
            GraphLeg { spec: LegSpec::BROWSER, ..plain_leg(a, Some(words), &codecs, Source::Leg(b)) },
            plain_leg(b, Some(phone(PHONE, &codecs)), &codecs, Source::Leg(a)),
        ];
        self.world.apply(self.revision, &graph);
    }

    /// What we call the association, and our role in it.
    fn ours(&mut self) -> (String, Setup) {
        match self.world.ready(legs().0).transport.seal {
            Seal::Dtls { tls_id, setup, .. } => (tls_id.expect("a name"), setup),
            other => panic!("{other:?}"),
        }
    }

    /// How many of three packets reach the telephone.
    fn heard(&mut self) -> usize {
        let mut speaker = Speaker::new(4, 0, 160);
        self.world.take_sent();
        (0..3).for_each(|_| self.browser.say(&mut self.world, speaker.next(&[7; 160])));
        self.world.take_rtp(at(PHONE)).len()
    }
}

#[test]
fn the_same_name_keeps_the_association_its_role_and_our_name_of_it() {
    for (before, after) in [(Some("a"), Some("a")), (None, None), (None, Some("a")), (Some("a"), None)] {
        let long = |name: Option<&str>| name.map(|n| n.repeat(20));
        let mut scene = Scene::new(long(before).as_deref());
        let (ours, handshake) = (scene.ours(), scene.browser.dtls_datagrams);
        assert!(ours.0.len() >= 20);
        scene.browser.tls_id = long(after);
        scene.apply();
        scene.browser.pass(&mut scene.world, UP);
        assert_eq!((scene.ours(), scene.browser.dtls_datagrams), (ours, handshake), "{before:?} then {after:?}");
        assert_eq!(scene.heard(), 3);
    }
}

#[test]
fn another_name_is_another_association_also_under_the_same_certificate() {
    let mut scene = Scene::new(Some("the-first-association"));
    let (ours, handshake) = (scene.ours(), scene.browser.dtls_datagrams);
    scene.browser.tls_id = Some("the-second-association".into());
    scene.browser.dtls = None;
    scene.apply();
    let end = scene.world.ready(legs().0);
    scene.browser.hear_dtls(scene.world.now, &end);
    scene.browser.pass(&mut scene.world, UP);
    assert_ne!(scene.ours().0, ours.0, "ours has another name too");
    assert!(scene.browser.dtls_datagrams > handshake);
    assert_eq!(scene.heard(), 3);
}
