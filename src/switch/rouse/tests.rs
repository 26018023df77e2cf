#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::base::{Dice, ExchangeId, LegId, LegMint};
use crate::model::{
    Abilities, Adapter, Address, Answer, Binding, Cause, Codec, Contact, Description, Direction, Graph, Hangup, Kind,
    LocalEnd, Offer, Overflow, PREFERRED, Party, Record, Relay, RelayEvent, Seal, Signal, Start, Stream, Transport,
};
use crate::switch::board::Letter;
use crate::switch::calls::{Adapters, Calls, Ledger};
use crate::switch::resolve::{Resolver, SIP};
use crate::switch::stub::{config, user};

const RULES: &str = r#"rule = [{ when = { entry = "user", user = "*" }, dial = "user:{user}" }]"#;

/// Telephones that note what they are told.
#[derive(Default)]
struct Phones(Mutex<Vec<(LegId, Signal)>>);

impl Adapter for Phones {
    fn abilities(&self) -> Abilities {
        Abilities::PHONE
    }

    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        self.0.lock().unwrap().push((leg, signal));
        Ok(())
    }
}

/// A relay that sleeps until it is woken, and counts how often it is.
#[derive(Default)]
struct Sleeper {
    orders: Mutex<Vec<RelayCommand>>,
    woken: AtomicU32,
}

impl Relay for Sleeper {
    fn order(&self, _: RelayCommand) -> Result<(), Overflow> {
        Err(Overflow)
    }

    fn order_later(&self, command: RelayCommand) -> Result<(), Overflow> {
        self.orders.lock().unwrap().push(command);
        Ok(())
    }

    fn wake(&self) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

struct Nothing;

impl Ledger for Nothing {
    fn up(&mut self, _: Record) {}
    fn append(&mut self, _: Record) {}
}

struct World {
    calls: Calls,
    phones: Arc<Phones>,
    relay: Arc<Sleeper>,
    mint: LegMint,
    now: Instant,
    seen: u32,
    laid: Vec<LegId>,
}

fn transport(port: u16) -> Transport {
    let address = Some(SocketAddr::from(([192, 0, 2, 1], port)));
    Transport { seal: Seal::Plain, ice: None, address, rtcp_address: None, feedback_profile: false }
}

fn described(port: u16) -> Description {
    let stream = Stream {
        codecs: vec![Codec::pcmu()],
        direction: Direction::SendRecv,
        ..Stream::new(Kind::Audio, transport(port))
    };
    Description { streams: vec![stream], ..Description::default() }
}

impl World {
    fn new() -> World {
        let (routing, directory) = config(RULES);
        let (phones, relay) = (Arc::new(Phones::default()), Arc::new(Sleeper::default()));
        let adapters: Adapters = HashMap::from([(SIP, Arc::clone(&phones) as Arc<dyn Adapter>)]);
        let resolver = Resolver::new(Arc::new(routing), Arc::new(directory), Dice::for_test(1));
        let mut calls = Calls::new(adapters, Arc::clone(&relay) as _, Box::new(Nothing), resolver, 100, 0);
        let now = Instant::now();
        let binding =
            Binding { user: "bob".into(), adapter: SIP, contact: Contact("bob".into()), preference: PREFERRED };
        calls.handle(now, 0, Letter::Bind(binding));
        World { calls, phones, relay, mint: LegMint::heard(SIP), now, seen: 0, laid: Vec::new() }
    }

    fn hear(&mut self, leg: LegId, signal: Signal) {
        self.calls.handle(self.now, 0, Letter::Heard(leg, signal));
    }

    /// The end of a turn of the task; the relay does what it was ordered, if it was woken.
    fn turn(&mut self) {
        self.calls.handle_timeout(self.now);
        if self.relay.woken.load(Ordering::Relaxed) > self.seen {
            self.seen = self.relay.woken.load(Ordering::Relaxed);
            let orders = std::mem::take(&mut *self.relay.orders.lock().unwrap());
            for order in orders {
                match order {
                    RelayCommand::Apply(graph) => self.lay(&graph),
                    RelayCommand::Remove(call) => {
                        let removed = RelayEvent::Removed { call, legs: Vec::new() };
                        self.calls.handle(self.now, 0, Letter::Relay(vec![removed]));
                    }
                    _ => {}
                }
            }
            self.calls.handle_timeout(self.now);
        }
    }

    fn lay(&mut self, graph: &Graph) {
        for leg in graph.legs.iter().map(|l| l.leg) {
            if self.laid.contains(&leg) {
                continue;
            }
            self.laid.push(leg);
            let local = LocalEnd { transport: transport(20_000), ssrc: 1, cname: "us".into(), video: None };
            let (call, revision, local) = (graph.call, graph.revision, Box::new(local));
            self.calls.handle(self.now, 0, Letter::Relay(vec![RelayEvent::Ready { call, leg, revision, local }]));
        }
    }

    /// A user calls another, who answers, and hangs up: each word comes alone, so many milliseconds after the one before.
    fn call(&mut self, pause: Duration) {
        let near = self.mint.mint();
        let offer = Offer { exchange: ExchangeId::heard(1), description: described(4000) };
        let start = Start {
            entry: user("alice"),
            from: Party::new(Address::here("alice")),
            to: Address::here("bob"),
            contact: None,
            trunk: None,
            offer: Some(offer),
            hops_left: 70,
            about: Default::default(),
        };
        self.hear(near, Signal::Start(Box::new(start)));
        self.turn();
        let told = std::mem::take(&mut *self.phones.0.lock().unwrap());
        let far = told.into_iter().find_map(|(leg, signal)| matches!(signal, Signal::Start(_)).then_some(leg));
        let far = far.unwrap();
        self.now += pause;
        let answer = Answer { exchange: ExchangeId::said(1), description: described(4002), provisional: false };
        self.hear(far, Signal::Answer(answer));
        self.hear(far, Signal::Accept);
        self.turn();
        self.now += pause;
        self.hear(near, Signal::Hangup(Hangup::new(Cause::Normal)));
        self.turn();
        self.now += pause;
    }

    fn woken(&self) -> u32 {
        self.relay.woken.load(Ordering::Relaxed)
    }
}

#[test]
fn where_one_call_follows_another_each_wakes_the_relay_once() {
    let mut world = World::new();
    for _ in 0..50 {
        world.call(Duration::from_millis(1));
    }
    assert_eq!(world.woken(), 50);
}

#[test]
fn a_call_that_is_alone_waits_for_nobody() {
    let mut world = World::new();
    for calls in 1..=5 {
        world.call(Duration::from_secs(1));
        assert_eq!((world.woken(), world.calls.len()), (3 * calls, 0), "its start, what it has agreed on, and its end");
    }
}

#[test]
fn the_end_of_the_last_call_of_many_waits_for_its_figures_no_longer_than_is_said() {
    let mut world = World::new();
    world.call(Duration::from_millis(1));
    assert_eq!((world.woken(), world.calls.len()), (1, 1));
    let due = world.calls.poll_timeout().unwrap();
    assert!(due <= world.now + PATIENCE, "{:?}", due - world.now);
    world.now = due;
    world.turn();
    assert_eq!((world.woken(), world.calls.len()), (2, 0));
}
