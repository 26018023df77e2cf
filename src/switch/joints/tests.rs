#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::*;
use crate::base::{Dice, ExchangeId};
use crate::model::{
    Adapter, Address, Answer, Binding, Codec, Contact, Direction, Kind, LocalEnd, LocalVideo, Offer, Overflow,
    PREFERRED, Party, Record, Relay, RelayCommand, RelayEvent, Replaces, Seal, Source, Stream, Transfer, Transferring,
    Transport,
};
use crate::switch::board::Letter;
use crate::switch::calls::{Adapters, Ledger};
use crate::switch::resolve::{Resolver, SIP};
use crate::switch::stub::{config, user};

const RULES: &str = r#"rule = [{ when = { entry = "user", user = "*" }, dial = "user:{user}" }]"#;
/// Where the relay is known outside; it is not reached so from within.
const OUTSIDE: &str = "203.0.113.9";

type Told = Arc<Mutex<Vec<(LegId, Signal)>>>;

/// Parties of one sort that note what they are told.
struct Parties {
    abilities: Abilities,
    told: Told,
}

impl Adapter for Parties {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        self.told.lock().unwrap().push((leg, signal));
        Ok(())
    }
}

/// A relay that notes what it is ordered.
#[derive(Default)]
struct Orders(Mutex<Vec<RelayCommand>>);

impl Relay for Orders {
    fn order(&self, command: RelayCommand) -> Result<(), Overflow> {
        self.0.lock().unwrap().push(command);
        Ok(())
    }
}

#[derive(Default)]
struct Book(Arc<Mutex<Vec<Record>>>);

impl Ledger for Book {
    fn up(&mut self, _: Record) {}

    fn append(&mut self, record: Record) {
        self.0.lock().unwrap().push(record);
    }
}

struct World {
    calls: Calls,
    told: Told,
    orders: Arc<Orders>,
    records: Arc<Mutex<Vec<Record>>>,
    laid: HashSet<LegId>,
    /// The last graph of each call.
    graphs: HashMap<CallId, crate::model::Graph>,
    mint: LegMint,
    now: Instant,
}

fn described(port: u16, direction: Direction) -> Description {
    let address = Some(SocketAddr::new(OUTSIDE.parse().unwrap(), port));
    let transport = Transport { seal: Seal::Plain, ice: None, address, rtcp_address: None, feedback_profile: false };
    let stream = Stream { codecs: vec![Codec::pcmu()], direction, ..Stream::new(Kind::Audio, transport) };
    Description { streams: vec![stream], ..Description::default() }
}

impl World {
    /// Telephones.
    fn new() -> World {
        let phones = Abilities { connected: true, ..Abilities::PHONE };
        World::of_parties(RULES, SIP, &["alice", "bob"], &[(SIP, phones)])
    }

    /// Parties of these sorts; the users have signed in with those of the first.
    fn of_parties(rules: &str, home: AdapterId, users: &[&str], sorts: &[(AdapterId, Abilities)]) -> World {
        let (routing, directory) = config(rules);
        let (told, orders, book) = (Told::default(), Arc::new(Orders::default()), Book::default());
        let records = Arc::clone(&book.0);
        let adapter = |(id, abilities): &(AdapterId, Abilities)| {
            let parties = Parties { abilities: *abilities, told: Arc::clone(&told) };
            (*id, Arc::new(parties) as Arc<dyn Adapter>)
        };
        let adapters: Adapters = sorts.iter().map(adapter).collect();
        let resolver = Resolver::new(Arc::new(routing), Arc::new(directory), Dice::for_test(1));
        let relay = Arc::clone(&orders) as Arc<dyn Relay>;
        let calls = Calls::new(adapters, relay, Box::new(book), resolver, 10, 0);
        let calls = calls.joined_at("0.0.0.0".parse().unwrap());
        let (laid, graphs, mint, now) = (HashSet::new(), HashMap::new(), LegMint::heard(home), Instant::now());
        let mut world = World { calls, told, orders, records, laid, graphs, mint, now };
        for name in users {
            let (user, contact) = ((*name).to_owned(), Contact((*name).to_owned()));
            let binding = Binding { user, adapter: home, contact, preference: PREFERRED };
            world.calls.handle(world.now, 0, Letter::Bind(binding));
        }
        world
    }

    fn hear(&mut self, leg: LegId, signal: Signal) {
        self.calls.handle(self.now, 0, Letter::Heard(leg, signal));
        self.obey();
    }

    /// The relay does as it is told, at once.
    fn obey(&mut self) {
        loop {
            let orders = std::mem::take(&mut *self.orders.0.lock().unwrap());
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    RelayCommand::Apply(graph) => self.lay(graph),
                    RelayCommand::Remove(call) => {
                        let removed = RelayEvent::Removed { call, legs: Vec::new() };
                        self.calls.handle(self.now, 0, Letter::Relay(vec![removed]));
                    }
                    _ => {}
                }
            }
        }
    }

    fn lay(&mut self, graph: crate::model::Graph) {
        let new: Vec<LegId> = graph.legs.iter().map(|l| l.leg).filter(|leg| self.laid.insert(*leg)).collect();
        let (call, revision) = (graph.call, graph.revision);
        self.graphs.insert(call, graph);
        for leg in new {
            let port = 20_000 + 2 * self.laid.len() as u16;
            let transport = described(port, Direction::SendRecv).streams[0].transport.clone();
            let has_pictures = self.graphs[&call].legs.iter().any(|l| l.leg == leg && l.video.is_some());
            let pictures = described(port + 1, Direction::SendRecv).streams[0].transport.clone();
            let video = has_pictures.then(|| Box::new(LocalVideo { transport: pictures, ssrc: 2 }));
            let local = Box::new(LocalEnd { transport, ssrc: 1, cname: "us".into(), video });
            self.calls.handle(self.now, 0, Letter::Relay(vec![RelayEvent::Ready { call, leg, revision, local }]));
        }
    }

    fn told(&self) -> Vec<(LegId, Signal)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    /// What has been said on a leg, in words.
    fn words(told: &[(LegId, Signal)], leg: LegId) -> Vec<String> {
        let on_leg = told.iter().filter(|(l, signal)| *l == leg && !matches!(signal, Signal::Named(_)));
        let word = |signal: &Signal| match signal {
            Signal::Offer(o) => format!("offer {:?}", o.description.streams[0].direction),
            Signal::Connected(party) => format!("connected {}", party.address),
            Signal::Transferring(how) => format!("{how:?}"),
            Signal::Hangup(hangup) => format!("hangup {}", hangup.cause),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
        };
        on_leg.map(|(_, signal)| word(signal)).collect()
    }

    /// A user calls another, who answers. The legs of both.
    fn talk(&mut self, from: &str, to: &str) -> (LegId, LegId) {
        self.talk_with(from, to, [4000, 4002].map(|port| described(port, Direction::SendRecv)))
    }

    /// The same in these words of each.
    fn talk_with(&mut self, from: &str, to: &str, [offered, answered]: [Description; 2]) -> (LegId, LegId) {
        let near = self.mint.mint();
        let offer = Offer { exchange: ExchangeId::heard(1), description: offered };
        let start = Start {
            entry: user(from),
            from: Party::new(Address::here(from)),
            to: Address::here(to),
            contact: None,
            trunk: None,
            offer: Some(offer),
            hops_left: 70,
            about: Default::default(),
        };
        self.hear(near, Signal::Start(Box::new(start)));
        let far = self.told().into_iter().find_map(|(leg, signal)| matches!(signal, Signal::Start(_)).then_some(leg));
        let far = far.unwrap();
        let (exchange, provisional) = (ExchangeId::said(1), false);
        self.hear(far, Signal::Answer(Answer { exchange, description: answered, provisional }));
        self.hear(far, Signal::Accept);
        self.told();
        (near, far)
    }

    fn transfer(&mut self, leg: LegId, other: LegId) {
        let replaces = Some(Replaces::Leg(other));
        self.hear(
            leg,
            Signal::Transfer(Transfer {
                to: Address::here("whoever"),
                replaces,
                by: None,
                user_to_user: Default::default(),
            }),
        );
    }

    fn of(&self, leg: LegId) -> crate::model::GraphLeg {
        self.graphs.values().flat_map(|g| &g.legs).find(|l| l.leg == leg).unwrap().clone()
    }
}

/// Bob, the asker's two legs, and whoever is at the other end of the second call.
fn two_calls(world: &mut World) -> [LegId; 4] {
    let (first, bob) = world.talk("alice", "bob");
    let (second, other) = world.talk("alice", "alice");
    [bob, first, second, other]
}

#[test]
fn two_calls_of_one_party_go_on_as_one_and_end_as_one() {
    let mut world = World::new();
    let [bob, first, second, other] = two_calls(&mut world);
    world.transfer(first, second);
    let told = world.told();
    let expected = ["Trying(Trying)", "Done", "hangup normal"];
    assert_eq!(World::words(&told, first), expected);
    assert_eq!(World::words(&told, second), ["hangup normal"]);
    assert_eq!(World::words(&told, bob), ["connected alice"]);
    assert_eq!(World::words(&told, other), ["connected bob"]);
    let named = |leg| {
        told.iter().rev().find_map(|(l, s)| if let (true, Signal::Named(n)) = (*l == leg, s) { Some(*n) } else { None })
    };
    let (one, two) = (named(bob).unwrap(), named(other).unwrap());
    assert_eq!((one.own, one.peer), (two.peer, two.own), "both know the name that goes from end to end");

    let ends = [bob, other].map(|leg| match world.of(leg).hears {
        Source::Leg(end) => end,
        hears => panic!("hears {hears:?}"),
    });
    assert!(ends.iter().all(|end| end.adapter() == JOINT) && ends[0] != ends[1]);
    for end in ends {
        let remote = world.of(end).remote.unwrap().transport.address.unwrap();
        assert_eq!(remote.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST), "packets stay in the machine");
    }

    world.hear(bob, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(World::words(&world.told(), other), ["hangup normal"]);
    assert!(world.calls.is_empty() && world.calls.joints.ends.is_empty() && world.calls.joints.opening.is_empty());
    let records = world.records.lock().unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|r| r.transferred_to.as_deref().is_some_and(|to| to.starts_with("call:"))));
    let [one, another] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((one.joined_with.as_ref(), another.joined_with.as_ref()), (Some(&another.call), Some(&one.call)));
}

#[test]
fn a_hold_of_one_party_reaches_the_one_beyond_the_joint() {
    let mut world = World::new();
    let [bob, first, second, other] = two_calls(&mut world);
    world.transfer(first, second);
    world.told();
    let offer = Offer { exchange: ExchangeId::heard(1), description: described(4002, Direction::SendOnly) };
    world.hear(bob, Signal::Offer(offer));
    assert_eq!(World::words(&world.told(), other), ["offer SendOnly"]);
}

#[test]
fn nobody_joins_a_call_that_is_not_their_own_or_is_not_up() {
    let mut world = World::new();
    let [bob, first, ..] = two_calls(&mut world);
    let (foreign, _) = world.talk("bob", "alice");
    let asked = |world: &mut World, leg, other| {
        world.transfer(leg, other);
        let told = world.told();
        World::words(&told, leg).last().cloned().unwrap()
    };
    assert_eq!(asked(&mut world, first, foreign), "Failed(Forbidden)");
    assert_eq!(asked(&mut world, first, bob), "Failed(NotFound)", "it is the same call");
    let gone = world.mint.mint();
    assert_eq!(asked(&mut world, first, gone), "Failed(NotFound)");
    let (third, _) = world.talk("alice", "bob");
    world.transfer(third, first);
    world.told();
    assert_eq!(asked(&mut world, foreign, foreign), "Failed(NotFound)");
    assert!(matches!(world.of(bob).hears, Source::Leg(end) if end.adapter() == JOINT), "the others went on");
}

#[test]
fn a_party_that_leaves_both_calls_at_once_leaves_the_others_talking() {
    let mut world = World::new();
    let [bob, first, second, other] = two_calls(&mut world);
    world.transfer(first, second);
    for leg in [first, second] {
        world.hear(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    }
    let told = world.told();
    assert!(!World::words(&told, bob).iter().chain(&World::words(&told, other)).any(|w| w.starts_with("hangup")));
    assert_eq!(world.calls.len(), 2);
    let failed = Signal::Transferring(Transferring::Failed(Cause::Busy));
    assert!(!told.iter().any(|(_, s)| *s == failed));
    assert!(matches!(world.of(bob).hears, Source::Leg(end) if end.adapter() == JOINT));
}

/// What a telephone with a camera describes.
fn showing(port: u16, codec: &str) -> Description {
    let mut description = described(port, Direction::SendRecv);
    let transport = described(port + 500, Direction::SendRecv).streams[0].transport.clone();
    let codecs = vec![Codec::new(98, codec, 90_000, 1)];
    description.streams.push(Stream { codecs, ..Stream::new(Kind::Video, transport) });
    description
}

#[test]
fn pictures_pass_a_joint_in_a_format_that_both_parties_have_and_are_ended_where_they_have_none() {
    for (one, other) in [("VP8", "VP8"), ("VP8", "VP9")] {
        let mut world = World::new();
        let (first, bob) = world.talk_with("alice", "bob", [4000, 4002].map(|port| showing(port, one)));
        let (second, far) = world.talk_with("alice", "alice", [4004, 4006].map(|port| showing(port, other)));
        assert!([first, bob, second, far].iter().all(|leg| world.of(*leg).video.is_some_and(|v| v.sees.is_some())));
        world.transfer(first, second);
        let told = world.told();
        assert_eq!(World::words(&told, first), ["Trying(Trying)", "Done", "hangup normal"]);
        let is_joint = |source: Option<LegId>| source.is_some_and(|end| end.adapter() == JOINT);
        for leg in [bob, far] {
            let wanted = world.of(leg);
            assert!(matches!(wanted.hears, Source::Leg(end) if end.adapter() == JOINT), "{wanted:?}");
            assert_eq!(is_joint(wanted.video.as_ref().and_then(|v| v.sees)), one == other, "{wanted:?}");
        }
        let refused = |leg| {
            let offer = told.iter().rev().find_map(|(l, signal)| match signal {
                Signal::Offer(offer) if *l == leg => Some(offer.description.clone()),
                _ => None,
            });
            offer.is_some_and(|o| o.streams.iter().any(|s| s.kind == Kind::Video && !s.accepted))
        };
        assert_eq!((refused(bob), refused(far)), (one != other, one != other), "each is told that there are none");
        if one == other {
            let end = world.of(bob).video.unwrap().sees.unwrap();
            let remote = world.of(end).video.unwrap().remote.unwrap().transport.address.unwrap();
            assert_eq!(remote.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST), "packets stay in the machine");
            let crossed = world.calls.joints.mirrored(Signal::Refresh);
            assert_eq!(crossed, Some(Signal::Refresh), "who cannot be asked in the media is asked in words");
        }
    }
}

mod direct;
