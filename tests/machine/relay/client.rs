//! Legs towards IM clients: full ICE, in the role that Jingle gives (XEP-0176: whoever initiates controls), and DTLS.

use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{
    Candidate, CandidateHost, CandidateProtocol, Codec, GraphLeg, LegSpec, LocalEnd, RelayCommand, RelayEvent,
    RemoteEnd, Seal, Setup, Source,
};
use patchcord::rtp::{Kind, kind};

use super::browser::Browser;
use super::world::{CALL, SHARED, Speaker, World, at, legs, phone, plain_leg};

const PHONE: &str = "203.0.113.2:5000";
const HOME: &str = "198.51.100.7:60000";
const NOWHERE: &str = "198.51.100.9:9";
const PHONE_SOCKET: SocketId = SocketId(2);
const SOON: Duration = Duration::from_millis(500);

fn codecs() -> Vec<Codec> {
    vec![Codec::new(111, "opus", 48_000, 2)]
}

fn graph(remote: Option<RemoteEnd>) -> [GraphLeg; 2] {
    let (a, b) = legs();
    let phone = plain_leg(b, Some(phone(PHONE, &codecs())), &codecs(), Source::Leg(a));
    [GraphLeg { spec: LegSpec::CLIENT, ..plain_leg(a, remote, &codecs(), Source::Leg(b)) }, phone]
}

/// A call between a relay and a client, of which neither has described itself to the other.
struct Scene {
    world: World,
    client: Browser,
    revision: u32,
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let client = Browser::new(world.now, at(HOME), true);
        Scene { world, client, revision: 0 }
    }

    fn apply(&mut self, remote: Option<RemoteEnd>) -> LocalEnd {
        self.revision += 1;
        self.world.apply(self.revision, &graph(remote));
        self.world.ready(legs().0)
    }

    /// What the client offers.
    fn offer(&self) -> RemoteEnd {
        self.client.words(&codecs())
    }

    /// What the client answers.
    fn answer(&self) -> RemoteEnd {
        let mut words = self.client.words(&codecs());
        words.is_offer = false;
        if let Seal::Dtls { setup, .. } = &mut words.transport.seal {
            *setup = Setup::Active;
        }
        words
    }

    /// The client calls, and is answered.
    fn calls(mut self) -> Scene {
        let offer = self.offer();
        let end = self.apply(Some(offer));
        self.client.hear(self.world.now, &end);
        self
    }

    /// The client is called, and answers.
    fn gets_called(mut self) -> Scene {
        self.client.agent.set_controlling(false);
        let end = self.apply(None);
        self.client.hear(self.world.now, &end);
        let answer = self.answer();
        self.apply(Some(answer));
        self
    }

    fn pass(&mut self, time: Duration) {
        self.client.pass(&mut self.world, time);
    }

    fn is_connected(&self) -> bool {
        let (leg, call) = (legs().0, CALL);
        self.world.events.contains(&RelayEvent::Connected { call, leg })
    }

    /// Lets time pass until the leg is connected; how long that took.
    fn connects_within(&mut self, limit: Duration) -> Option<Duration> {
        let start = self.world.now;
        while !self.is_connected() {
            if self.world.now - start > limit {
                return None;
            }
            self.pass(Duration::from_millis(5));
        }
        Some(self.world.now - start)
    }
}

/// The words without candidates.
fn bare(mut words: RemoteEnd) -> RemoteEnd {
    words.transport.ice.as_mut().expect("ICE").candidates.clear();
    words
}

fn candidates_of(words: &RemoteEnd) -> Vec<Candidate> {
    words.transport.ice.as_ref().expect("ICE").candidates.clone()
}

fn trickle(candidates: Vec<Candidate>) -> RelayCommand {
    RelayCommand::Candidates { call: CALL, leg: legs().0, pictures: false, candidates }
}

/// The relay's end without its candidates, for a client that cannot find the relay by itself.
fn hidden(mut end: LocalEnd) -> LocalEnd {
    end.transport.ice.as_mut().expect("ICE").candidates.clear();
    end
}

/// Every fifth datagram or so is lost, others with each seed.
fn a_fifth<const SEED: usize>(n: usize) -> bool {
    (n + SEED * 1000).wrapping_mul(2_654_435_761) >> 5 & 0xff < 51
}

#[test]
fn a_client_that_calls_controls_and_sound_flows_both_ways() {
    let mut scene = Scene::new().calls();
    let end = scene.world.ready(legs().0);
    let ice = end.ice().expect("ICE");
    assert!(!ice.lite && !ice.more && ice.candidates.len() == 1);
    assert!(matches!(end.transport.seal, Seal::Dtls { setup: Setup::Active, .. }));
    assert!(scene.connects_within(SOON).is_some());
    assert!(scene.client.agent.controlling());
    let mut speaker = Speaker::new(4, 111, 960);
    scene.client.say(&mut scene.world, speaker.next(&[7; 40]));
    assert_eq!(scene.world.take_rtp(at(PHONE)).len(), 1);
    let packet = Speaker::new(5, 111, 960).next(&[8; 40]);
    scene.world.arrive(PHONE_SOCKET, at(PHONE), &packet);
    scene.client.exchange(&mut scene.world);
    assert_eq!(scene.client.heard.len(), 1);
}

#[test]
fn a_client_that_is_called_is_controlled_and_active() {
    let mut scene = Scene::new();
    let end = scene.apply(None);
    assert!(matches!(end.transport.seal, Seal::Dtls { setup: Setup::ActPass, .. }));
    assert!(end.transport.feedback_profile);
    let mut scene = Scene::new().gets_called();
    assert!(matches!(scene.world.ready(legs().0).transport.seal, Seal::Dtls { setup: Setup::Passive, .. }));
    assert!(scene.connects_within(SOON).is_some());
    assert!(!scene.client.agent.controlling());
}

#[test]
fn checks_start_at_once_and_are_paced() {
    let mut scene = Scene::new();
    let mut offer = scene.offer();
    let one = candidates_of(&offer)[0].clone();
    offer.transport.ice.as_mut().expect("ICE").candidates =
        (0..40).map(|n| Candidate { port: 40_000 + n, ..one.clone() }).collect();
    scene.apply(Some(offer));
    let at_once = scene.world.take_sent().len();
    assert!((1..=3).contains(&at_once), "{at_once} checks at once");
    scene.world.pass(Duration::from_millis(100));
    let soon = scene.world.take_sent().len();
    assert!((3..=6).contains(&soon), "{soon} checks in the first 100 ms");
}

#[test]
fn a_fifth_of_all_datagrams_may_be_lost_in_either_role() {
    let lossy: [fn(usize) -> bool; 6] =
        [a_fifth::<1>, a_fifth::<2>, a_fifth::<3>, a_fifth::<4>, a_fifth::<5>, a_fifth::<6>];
    for (n, loses) in lossy.into_iter().enumerate() {
        for calls in [true, false] {
            let mut scene = Scene::new();
            (scene.client.loses, scene.client.loses_out) = (loses, lossy[5 - n]);
            let mut scene = if calls { scene.calls() } else { scene.gets_called() };
            let took = scene.connects_within(Duration::from_secs(5));
            assert!(took.is_some(), "pattern {n}, the client calls: {calls}");
        }
    }
}

#[test]
fn a_conflict_of_roles_heals_within_a_second_whoever_has_the_higher_number() {
    for tie_breaker in [0, u64::MAX] {
        for calls in [true, false] {
            let mut scene = Scene::new();
            scene.client.agent.set_control_tie_breaker(tie_breaker);
            let mut scene = if calls { scene.calls() } else { scene.gets_called() };
            // The role that is not the client's.
            scene.client.agent.set_controlling(!calls);
            let took = scene.connects_within(Duration::from_secs(1));
            assert!(took.is_some(), "tie-breaker {tie_breaker}, the client calls: {calls}");
        }
    }
}

#[test]
fn candidates_that_come_late_are_checked() {
    let mut scene = Scene::new();
    let offer = scene.offer();
    let end = scene.apply(Some(bare(offer.clone())));
    scene.client.hear(scene.world.now, &hidden(end));
    assert_eq!(scene.connects_within(Duration::from_secs(2)), None);
    scene.world.order(trickle(candidates_of(&offer)));
    assert!(scene.connects_within(SOON).is_some());
}

#[test]
fn candidates_that_come_before_the_answer_are_kept_for_it() {
    let mut scene = Scene::new();
    scene.client.agent.set_controlling(false);
    let end = scene.apply(None);
    scene.client.hear(scene.world.now, &hidden(end));
    let answer = scene.answer();
    scene.world.order(trickle(candidates_of(&answer)));
    scene.pass(Duration::from_secs(20));
    assert_eq!(scene.client.seen, 0, "nothing can be checked before the password is known");
    scene.apply(Some(bare(answer)));
    assert!(scene.connects_within(SOON).is_some());
}

#[test]
fn a_client_that_names_no_place_that_can_be_reached_is_found_by_its_checks() {
    for calls in [true, false] {
        let mut scene = Scene::new();
        scene.client.agent.set_controlling(calls);
        let mut words = if calls { scene.offer() } else { scene.answer() };
        let ice = words.transport.ice.as_mut().expect("ICE");
        ice.candidates[0].host = CandidateHost::Ip(at(NOWHERE).ip());
        let end = if calls { scene.apply(Some(words.clone())) } else { scene.apply(None) };
        scene.client.hear(scene.world.now, &end);
        if !calls {
            scene.apply(Some(words));
        }
        assert!(scene.connects_within(SOON).is_some(), "the client calls: {calls}");
    }
}

#[test]
fn a_client_whose_call_rings_for_long_is_connected_as_soon_as_it_is_answered() {
    for seconds in [1, 2, 5, 8, 13, 14, 15, 16, 17, 20, 40, 110] {
        let mut scene = Scene::new();
        let offer = scene.offer();
        let end = scene.apply(Some(offer));
        // It has not been told our password yet, so it answers none of our checks, and keeps none.
        scene.client.loses = |_| true;
        scene.pass(Duration::from_secs(seconds));
        scene.client.loses = |_| false;
        scene.client.hear(scene.world.now, &end);
        let took = scene.connects_within(Duration::from_secs(3));
        assert!(took.is_some_and(|t| t < SOON), "after {seconds} s of ringing it took {took:?}");
    }
}

#[test]
fn a_client_that_only_our_checks_can_reach_is_reached_however_long_it_rings() {
    let mut scene = Scene::new();
    let offer = scene.offer();
    let end = scene.apply(Some(offer));
    scene.pass(Duration::from_secs(60));
    scene.client.hear(scene.world.now, &hidden(end));
    assert!(scene.connects_within(Duration::from_secs(4)).is_some());
}

#[test]
fn components_names_and_transports_that_are_not_ours_are_never_checked() {
    let mut scene = Scene::new();
    let mut offer = scene.offer();
    let one = candidates_of(&offer)[0].clone();
    let host = CandidateHost::Ip(at(NOWHERE).ip());
    let of_rtcp = Candidate { component: 2, host: host.clone(), ..one.clone() };
    let of_tcp = Candidate { protocol: CandidateProtocol::Tcp("active".into()), host, ..one.clone() };
    let name = Candidate { host: CandidateHost::Name("a.local".into()), ..one.clone() };
    offer.transport.ice.as_mut().expect("ICE").candidates = vec![of_rtcp, of_tcp, name, one];
    scene.apply(Some(offer));
    scene.world.pass(Duration::from_secs(10));
    let sent = scene.world.take_sent();
    assert!(sent.iter().any(|s| s.to == at(HOME)));
    assert!(sent.iter().all(|s| s.to.ip() != at(NOWHERE).ip()));
}

#[test]
fn a_client_that_vanishes_is_lost_within_half_a_minute_and_gets_nothing_any_more() {
    let mut scene = Scene::new().gets_called();
    assert!(scene.connects_within(SOON).is_some());
    scene.world.take_events();
    scene.world.pass(Duration::from_secs(30));
    let lost = "ICE: the peer stopped answering and sending connectivity checks";
    let is_lost = |e: &RelayEvent| matches!(e, RelayEvent::Failed { why, .. } if why == lost);
    assert!(scene.world.events.iter().any(is_lost));
    scene.world.take_sent();
    let packet = Speaker::new(5, 111, 960).next(&[8; 40]);
    scene.world.arrive(PHONE_SOCKET, at(PHONE), &packet);
    assert_eq!(scene.world.take_rtp(at(HOME)).len(), 0);
}

#[test]
fn consent_is_renewed_for_as_long_as_the_client_is_there() {
    for scene in [Scene::new().calls(), Scene::new().gets_called()] {
        let mut scene = scene;
        assert!(scene.connects_within(SOON).is_some());
        scene.world.take_events();
        scene.pass(Duration::from_secs(120));
        assert!(!scene.world.take_events().iter().any(|e| matches!(e, RelayEvent::Failed { .. })));
        scene.client.loses = |_| true;
        scene.client.seen = 0;
        scene.pass(Duration::from_secs(10));
        assert!(scene.client.seen >= 2, "it is checked every few seconds");
    }
}

#[test]
fn a_hello_that_comes_before_the_nomination_is_answered() {
    let mut scene = Scene::new();
    scene.client.agent.set_controlling(false);
    let end = scene.apply(None);
    scene.client.hear(scene.world.now, &end);
    // The client's own check arrives, and with it its hello; its description is still under way.
    scene.client.agent.handle_timeout(scene.world.now);
    let check = scene.client.agent.poll_transmit().expect("a check");
    scene.world.arrive(SHARED, at(HOME), &check.contents);
    let hello = scene.client.dtls.as_mut().and_then(|d| d.poll_transmit()).expect("a hello");
    scene.world.arrive(SHARED, at(HOME), &hello);
    let kinds: Vec<Kind> =
        scene.world.take_sent().iter().filter(|s| s.to == at(HOME)).map(|s| kind(&s.bytes)).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|k| *k == Kind::Dtls), "{kinds:?}");
    let answer = scene.answer();
    scene.apply(Some(answer));
    assert!(scene.connects_within(SOON).is_some());
}

#[test]
fn a_restart_by_the_client_keeps_the_association() {
    let mut scene = Scene::new().calls();
    assert!(scene.connects_within(SOON).is_some());
    let handshake = scene.client.dtls_datagrams;
    scene.client.restart(scene.world.now, at("198.51.100.7:61000"));
    let offer = scene.offer();
    let end = scene.apply(Some(offer));
    scene.client.hear(scene.world.now, &end);
    scene.pass(Duration::from_secs(1));
    let mut speaker = Speaker::new(4, 111, 960);
    scene.client.say(&mut scene.world, speaker.next(&[7; 40]));
    assert_eq!(scene.world.take_rtp(at(PHONE)).len(), 1);
    assert_eq!(scene.client.dtls_datagrams, handshake);
}
