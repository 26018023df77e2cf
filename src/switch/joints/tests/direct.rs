//! Two calls whose media go directly are joined: their parties are brought to the relay, and go on as one.

use std::time::Duration;

use super::*;
use crate::model::{Fingerprint, Ice, Mid, Progress, Setup, Stage};
use crate::switch::resolve::{WEB, XMPP};

const DIRECTLY: &str = r#"
    rule = [
      { when = { entry = "user", to = "direct-alice" }, dial = "user:alice", media = "direct" },
      { when = { entry = "user", to = "direct-bob" }, dial = "user:bob", media = "direct" },
    ]"#;

/// What a page or an IM client describes.
fn secure(name: &str) -> Description {
    let bytes = vec![name.bytes().fold(0, u8::wrapping_add); 32];
    let fingerprints = vec![Fingerprint { algorithm: "sha-256".into(), bytes }];
    let ice = Ice { ufrag: name.into(), pwd: "p".repeat(22), lite: false, candidates: Vec::new(), more: true };
    let transport = Transport {
        seal: Seal::dtls(fingerprints, Setup::ActPass),
        ice: Some(ice),
        address: None,
        rtcp_address: None,
        feedback_profile: true,
    };
    let codecs = vec![Codec::new(111, "opus", 48_000, 2), Codec::pcmu()];
    let audio = Stream { mid: Some(Mid("0".into())), codecs, rtcp_mux: true, ..Stream::new(Kind::Audio, transport) };
    Description { streams: vec![audio], ..Description::default() }
}

/// Two direct calls of alice's page.
struct Two {
    world: World,
    first: LegId,
    bob: LegId,
    second: LegId,
    other: LegId,
    /// What was told since the last time.
    told: Vec<(LegId, Signal)>,
}

impl Two {
    /// One with bob's page, and one with another page.
    fn of_pages() -> Two {
        Two::begin(World::of_parties(DIRECTLY, WEB, &["alice", "bob"], &[(WEB, Abilities::BROWSER)]), "bob", "alice")
    }

    /// One with bob's IM client and one with a page, in this order or in the other.
    fn with_a_client(client_is_first: bool) -> Two {
        let sorts = [(WEB, Abilities::BROWSER), (XMPP, Abilities::CLIENT)];
        let world = World::of_parties(DIRECTLY, WEB, &["alice"], &sorts);
        let (one, other) = if client_is_first { ("bob", "alice") } else { ("alice", "bob") };
        Two::begin(world, one, other)
    }

    fn begin(mut world: World, one: &str, another: &str) -> Two {
        let (first, bob) = world.talk_with("alice", &format!("direct-{one}"), [secure("alice"), secure("bob")]);
        let (second, other) =
            world.talk_with("alice", &format!("direct-{another}"), [secure("alice again"), secure("other")]);
        assert!(world.graphs.is_empty(), "both are direct: {:?}", world.graphs);
        Two { world, first, bob, second, other, told: Vec::new() }
    }

    fn join(&mut self) {
        self.world.transfer(self.first, self.second);
        self.listen();
    }

    fn listen(&mut self) {
        let told = self.world.told();
        self.told.extend(told);
    }

    fn words(&self, leg: LegId) -> Vec<String> {
        World::words(&self.told, leg)
    }

    /// The last exchange that was opened on a leg.
    fn offered(&self, leg: LegId) -> ExchangeId {
        let offer = self.told.iter().rev().find_map(|(l, signal)| match signal {
            Signal::Offer(offer) if *l == leg => Some(offer.exchange),
            Signal::Start(start) if *l == leg => start.offer.as_ref().map(|o| o.exchange),
            _ => None,
        });
        offer.unwrap_or_else(|| panic!("{leg} is offered nothing: {:?}", self.told))
    }

    fn hear(&mut self, leg: LegId, signal: Signal) {
        self.world.hear(leg, signal);
        self.listen();
    }

    /// A party takes the offer of the relay.
    fn come(&mut self, leg: LegId) {
        let (exchange, description) = (self.offered(leg), secure("to the relay"));
        self.hear(leg, Signal::Answer(Answer { exchange, description, provisional: false }));
    }

    /// A party does not.
    fn stay_away(&mut self, leg: LegId) {
        let exchange = self.offered(leg);
        self.hear(leg, Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
    }

    /// The leg on which an IM client is called anew.
    fn called_anew(&self) -> LegId {
        let begun = |(leg, signal): &(LegId, Signal)| matches!(signal, Signal::Start(_)).then_some(*leg);
        let mut legs = self.told.iter().filter_map(begun).filter(|leg| leg.adapter() == XMPP);
        let leg = legs.next().unwrap();
        assert_eq!(legs.next(), None);
        leg
    }

    fn accept(&mut self, leg: LegId) {
        self.come(leg);
        self.hear(leg, Signal::Accept);
    }

    fn hang_up(&mut self, leg: LegId) {
        self.hear(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    }

    /// Whoever is on these legs hears the other through a joint, and the page that asked is out of it.
    fn expect_joined(&mut self, one: LegId, another: LegId) {
        let ends = [one, another].map(|leg| self.world.of(leg).hears);
        let is_joint = |hears: &Source| matches!(hears, Source::Leg(end) if end.adapter() == JOINT);
        assert!(ends.iter().all(is_joint) && ends[0] != ends[1], "{ends:?}");
        let told = self.words(self.first).into_iter().filter(|word| word != "Trying(Ringing)").collect::<Vec<_>>();
        assert_eq!(told, ["Trying(Trying)", "Done", "hangup normal"]);
        assert_eq!(self.words(self.second), ["hangup normal"]);
        self.hang_up(one);
        assert_eq!(self.words(another).last().map(String::as_str), Some("hangup normal"));
        assert!(self.world.calls.is_empty() && self.world.calls.joints.ends.is_empty());
        let records = self.world.records.lock().unwrap();
        let [a, b] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((a.joined_with.as_ref(), b.joined_with.as_ref()), (Some(&b.call), Some(&a.call)));
    }

    /// What a party of the second call offers reaches the other as it is.
    fn expect_second_direct(&mut self) {
        let (exchange, description) = (ExchangeId::heard(7), secure("still direct"));
        self.hear(self.second, Signal::Offer(Offer { exchange, description: description.clone() }));
        let said = self.told.last();
        assert!(matches!(said, Some((leg, Signal::Offer(o))) if *leg == self.other && o.description == description));
    }
}

#[test]
fn two_direct_calls_of_one_page_go_on_as_one_through_the_relay() {
    let mut two = Two::of_pages();
    two.join();
    assert_eq!(two.words(two.bob), ["offer SendRecv"]);
    assert!(two.words(two.other).is_empty(), "one after the other");
    two.come(two.bob);
    assert_eq!(two.words(two.other), ["offer SendRecv"]);
    two.come(two.other);
    assert_eq!(two.words(two.bob), ["offer SendRecv", "Path", "connected alice"]);
    assert_eq!(two.words(two.other), ["offer SendRecv", "Path", "connected bob"]);
    two.expect_joined(two.bob, two.other);
}

#[test]
fn a_party_of_the_first_call_that_does_not_come_leaves_both_calls_direct() {
    let mut two = Two::of_pages();
    two.join();
    two.stay_away(two.bob);
    assert_eq!(two.words(two.first), ["Trying(Trying)", "Failed(MediaIncompatible)"]);
    assert!(two.words(two.other).is_empty() && two.words(two.second).is_empty());
    two.expect_second_direct();
    assert_eq!(two.world.calls.len(), 2);
}

#[test]
fn a_party_of_the_second_call_that_does_not_come_leaves_that_one_direct_and_the_first_to_the_relay() {
    let mut two = Two::of_pages();
    two.join();
    two.come(two.bob);
    two.stay_away(two.other);
    let told = ["Trying(Trying)", "Failed(MediaIncompatible)", "offer SendRecv"];
    assert_eq!(two.words(two.first), told, "it follows bob");
    two.come(two.first);
    assert_eq!(two.world.of(two.bob).hears, Source::Leg(two.first));
    assert_eq!(two.world.of(two.first).hears, Source::Leg(two.bob));
    two.expect_second_direct();
    assert!(two.world.calls.joints.ends.is_empty() && two.world.calls.joints.opening.is_empty());
}

#[test]
fn a_party_of_the_second_call_that_hangs_up_meanwhile_leaves_the_first_talking() {
    for comes_before in [true, false] {
        let mut two = Two::of_pages();
        two.join();
        if comes_before {
            two.come(two.bob);
        }
        two.hang_up(two.other);
        if !comes_before {
            two.come(two.bob);
        }
        assert_eq!(two.words(two.second), ["hangup normal"]);
        two.come(two.first);
        assert_eq!(two.world.of(two.bob).hears, Source::Leg(two.first));
        assert_eq!(two.world.of(two.first).hears, Source::Leg(two.bob));
        assert!(two.world.calls.joints.ends.is_empty() && two.world.calls.joints.opening.is_empty());
        two.hang_up(two.first);
        assert_eq!(two.words(two.bob).last().map(String::as_str), Some("hangup normal"));
        assert!(two.world.calls.is_empty());
    }
}

#[test]
fn a_page_that_leaves_both_direct_calls_at_once_leaves_the_others_talking() {
    let mut two = Two::of_pages();
    two.join();
    two.hang_up(two.first);
    two.come(two.bob);
    two.hang_up(two.second);
    two.come(two.other);
    for leg in [two.bob, two.other] {
        assert!(matches!(two.world.of(leg).hears, Source::Leg(end) if end.adapter() == JOINT));
        assert!(!two.words(leg).iter().any(|word| word.starts_with("hangup")), "{:?}", two.words(leg));
    }
}

#[test]
fn a_party_that_says_nothing_to_the_offer_of_the_relay_leaves_no_half_of_a_joint() {
    let mut two = Two::of_pages();
    two.join();
    two.come(two.bob);
    for _ in 0..3 {
        two.world.now += Duration::from_secs(36);
        two.world.calls.handle_timeout(two.world.now);
        two.world.obey();
        two.listen();
    }
    assert!(two.words(two.first).contains(&"Failed(Timeout)".to_owned()), "{:?}", two.words(two.first));
    assert!(two.world.calls.joints.ends.is_empty() && two.world.calls.joints.opening.is_empty());
    assert!(two.world.calls.is_empty(), "of each it is not known any more where its parties are");
}

#[test]
fn an_im_client_in_either_of_two_direct_calls_is_called_anew_and_joined() {
    for client_is_first in [true, false] {
        let mut two = Two::with_a_client(client_is_first);
        let (client, page) = if client_is_first { (two.bob, two.other) } else { (two.other, two.bob) };
        two.join();
        if !client_is_first {
            two.come(page);
        }
        let anew = two.called_anew();
        assert!(two.words(client).is_empty(), "it talks on");
        two.hear(anew, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
        if !client_is_first {
            assert!(matches!(two.world.of(page).hears, Source::Play(_)), "the page hears that it rings");
        }
        two.accept(anew);
        if client_is_first {
            two.come(page);
        }
        assert_eq!(two.words(client), ["hangup normal"]);
        two.expect_joined(page, anew);
    }
}

#[test]
fn an_im_client_that_declines_to_be_joined_keeps_its_direct_call() {
    for client_is_first in [true, false] {
        let mut two = Two::with_a_client(client_is_first);
        two.join();
        if !client_is_first {
            two.come(two.bob);
        }
        let anew = two.called_anew();
        two.hear(anew, Signal::Hangup(Hangup::new(Cause::Declined)));
        assert_eq!(two.words(two.first)[..2], ["Trying(Trying)", "Failed(Declined)"]);
        assert!(two.words(two.second).is_empty() && two.words(two.other).is_empty());
        two.expect_second_direct();
        assert!(two.world.calls.joints.ends.is_empty());
        for leg in [two.first, two.second] {
            two.hang_up(leg);
        }
        assert!(two.world.calls.is_empty() && two.world.calls.joints.opening.is_empty());
    }
}
