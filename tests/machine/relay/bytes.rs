//! Orders and events are data: what a shard does with them does not depend on how often, in which order and by which way
//! they come.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use patchcord::base::{AdapterId, CallId, Dice, LegId, LegMint};
use patchcord::model::{
    Candidate, CandidateHost, CandidateKind, CandidateProtocol, Cause, Codec, Graph, GraphKeys, GraphLeg, GraphVideo,
    Ice, IceMode, LegSpec, LegStats, LocalEnd, Play, RecordingFormat, RelayCommand, RelayEvent, RemoteEnd, Seal,
    SealKind, Setup, Sound, Source, Tap, TapEnd, TapId, TapWord, Tone, Transport,
};

use super::world::{CALL, Speaker, World, at, phone, plain_leg};

const ROUNDS: u64 = 100;

fn leg_ids(count: usize) -> Vec<LegId> {
    let mut mint = LegMint::heard(AdapterId(1));
    (0..count).map(|_| mint.mint()).collect()
}

fn one_of<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.below(of.len() as u32) as usize].clone()
}

fn maybe<T>(dice: &mut Dice, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    (dice.below(2) == 0).then(|| make(dice))
}

fn some<T>(dice: &mut Dice, make: impl Fn(&mut Dice) -> T) -> Vec<T> {
    (0..dice.below(4)).map(|_| make(dice)).collect()
}

fn address(dice: &mut Dice) -> SocketAddr {
    let text = one_of(dice, &["203.0.113.9:4000", "[2001:db8::9]:4000", "192.168.1.9:65535", "0.0.0.0:9"]);
    at(text)
}

fn codec(dice: &mut Dice) -> Codec {
    let mut codec = Codec::new(
        dice.below(128) as u8,
        one_of(dice, &["opus", "PCMU", "G722", "telephone-event", "VP8", "H264", ""]),
        one_of(dice, &[0, 1, 8000, 48_000, 90_000, u32::MAX]),
        one_of(dice, &[0, 1, 2, 255]),
    );
    codec.parameters = maybe(dice, |dice| one_of(dice, &["0-16", "usedtx=1", "packetization-mode=1", "é"]).to_owned());
    codec.feedback = some(dice, |dice| one_of(dice, &["nack pli", "ccm fir", "transport-cc"]).to_owned());
    codec
}

fn candidate(dice: &mut Dice) -> Candidate {
    let address = address(dice);
    Candidate {
        foundation: dice.token(5),
        component: 1,
        protocol: one_of(dice, &[CandidateProtocol::Udp, CandidateProtocol::Tcp("active".into())]),
        priority: dice.u32(),
        host: one_of(dice, &[CandidateHost::Ip(address.ip()), CandidateHost::Name("a.local".into())]),
        port: address.port(),
        kind: CandidateKind::Host,
        related: maybe(dice, |_| (address.ip(), 9)),
        rest: dice.token(3),
    }
}

fn transport(dice: &mut Dice) -> Transport {
    let seal = match dice.below(2) {
        0 => Seal::Plain,
        _ => Seal::Dtls {
            fingerprints: Vec::new(),
            setup: one_of(dice, &[Setup::Active, Setup::ActPass]),
            tls_id: maybe(dice, |dice| dice.token(20)),
            optional: dice.below(2) == 0,
        },
    };
    let ice = maybe(dice, |dice| Ice {
        ufrag: dice.token(4),
        pwd: dice.token(22),
        lite: dice.below(2) == 0,
        candidates: some(dice, candidate),
        more: dice.below(2) == 0,
    });
    Transport { seal, ice, address: maybe(dice, address), rtcp_address: maybe(dice, address), feedback_profile: true }
}

fn remote(dice: &mut Dice) -> RemoteEnd {
    let (rtcp_mux, is_offer) = (dice.below(2) == 0, dice.below(2) == 0);
    let ptime = maybe(dice, |dice| Duration::from_millis(dice.below(100).into()));
    RemoteEnd { transport: transport(dice), codecs: some(dice, codec), rtcp_mux, ptime, is_offer }
}

fn sound(dice: &mut Dice) -> Sound {
    one_of(dice, &[Sound::Named("musik – in Moll".into()), Sound::Tone(Tone::Ringing), Sound::Tone(Tone::Recording)])
}

fn source(dice: &mut Dice, legs: &[LegId]) -> Source {
    match dice.below(4) {
        0 => Source::Nothing,
        1 => Source::Echo,
        2 => Source::Play(Play { sound: sound(dice), repeats: dice.below(2) == 0 }),
        _ => Source::Leg(one_of(dice, legs)),
    }
}

fn video(dice: &mut Dice, legs: &[LegId]) -> GraphVideo {
    GraphVideo {
        bundled: dice.below(2) == 0,
        remote: maybe(dice, remote),
        codecs: some(dice, codec),
        sends: dice.below(2) == 0,
        receives: dice.below(2) == 0,
        sees: maybe(dice, |dice| one_of(dice, legs)),
        limit_kbps: maybe(dice, Dice::u32),
        expected: dice.below(2) == 0,
        transport_cc: maybe(dice, |dice| dice.below(256) as u8),
        send_time: maybe(dice, |dice| dice.below(256) as u8),
    }
}

fn tap(dice: &mut Dice, legs: &[LegId]) -> Tap {
    let format = one_of(dice, &[RecordingFormat::Wav, RecordingFormat::Opus]);
    let to = match dice.below(2) {
        0 => TapEnd::File { path: PathBuf::from("/nowhere/at all/talk.ogg"), format },
        _ => TapEnd::WebSocket { url: "wss://bot.example/?a=ü".into(), rate_hz: 8000 },
    };
    Tap { id: TapId(dice.u32()), legs: [maybe(dice, |dice| one_of(dice, legs)), None], to }
}

fn any_graph(dice: &mut Dice, legs: &[LegId]) -> Graph {
    let graph_leg = |leg: LegId, dice: &mut Dice| GraphLeg {
        leg,
        spec: LegSpec {
            ice: one_of(dice, &[IceMode::None, IceMode::Lite, IceMode::LitePair, IceMode::Full]),
            seal: one_of(dice, &[SealKind::Plain, SealKind::Dtls, SealKind::Sdes, SealKind::Opportunistic]),
            ipv6: dice.below(2) == 0,
        },
        remote: maybe(dice, |dice| Arc::new(remote(dice))),
        codecs: Arc::new(some(dice, codec)),
        sends: dice.below(2) == 0,
        receives: dice.below(2) == 0,
        hears: source(dice, legs),
        answered: dice.below(2) == 0,
        keeps_sending: dice.below(2) == 0,
        keys: GraphKeys { hears_tones: dice.below(2) == 0, says_tones: dice.below(2) == 0 },
        video: maybe(dice, |dice| Box::new(video(dice, legs))),
        transport_cc: maybe(dice, |dice| dice.below(256) as u8),
    };
    Graph {
        call: CallId(dice.u64()),
        revision: dice.u32(),
        legs: legs.iter().map(|leg| graph_leg(*leg, dice)).collect(),
        taps: some(dice, |dice| tap(dice, legs)),
    }
}

fn any_command(dice: &mut Dice) -> RelayCommand {
    let legs = leg_ids(1 + dice.below(3) as usize);
    let (call, leg) = (CallId(dice.u64()), legs[0]);
    match dice.below(11) {
        9 => RelayCommand::Tell {
            call,
            tap: TapId(dice.u32()),
            word: TapWord::Digit { leg, digit: '*', duration: Duration::MAX },
        },
        10 => RelayCommand::Tell { call, tap: TapId(dice.u32()), word: TapWord::Over(one_of(dice, &Cause::ALL)) },
        0 => RelayCommand::Remove(call),
        1 => RelayCommand::Candidates { call, leg, pictures: dice.below(2) == 0, candidates: some(dice, candidate) },
        2 => RelayCommand::Dtmf { call, leg, digit: one_of(dice, &['0', '#', 'D', 'ß']), duration: Duration::MAX },
        3 => RelayCommand::Refresh { call, leg },
        4 => RelayCommand::Stats(call),
        _ => RelayCommand::Apply(any_graph(dice, &legs)),
    }
}

fn any_event(dice: &mut Dice) -> RelayEvent {
    let (call, leg, why) = (CallId(dice.u64()), leg_ids(1)[0], "a word – or two".to_owned());
    let figures = |dice: &mut Dice| LegStats { leg: Some(leg), packets_in: dice.u64(), ..LegStats::default() };
    match dice.below(15) {
        13 => RelayEvent::Unseen { call, leg, why },
        14 => RelayEvent::SeenAgain { call, leg },
        10 => RelayEvent::Pressed { call, leg, digit: '7' },
        0 => RelayEvent::Connected { call, leg },
        1 => RelayEvent::Heard { call, leg },
        2 => RelayEvent::Dtmf { call, leg, digit: '*', duration: Duration::from_nanos(dice.u64()) },
        3 => RelayEvent::Played { call, leg },
        4 => RelayEvent::RefreshWanted { call, leg },
        5 => RelayEvent::TapEnded { call, tap: TapId(dice.u32()), why: maybe(dice, |_| why) },
        6 => RelayEvent::Silent { call, leg, why },
        7 => RelayEvent::Failed { call, leg, why },
        8 => RelayEvent::Stats { call, legs: some(dice, figures) },
        9 => RelayEvent::Removed { call, legs: some(dice, figures) },
        _ => {
            let local = LocalEnd { transport: transport(dice), ssrc: dice.u32(), cname: dice.token(16), video: None };
            RelayEvent::Ready { call, leg, revision: dice.u32(), local: Box::new(local) }
        }
    }
}

#[test]
fn whatever_can_be_ordered_and_told_is_the_same_after_a_way_through_bytes_and_through_json() {
    for seed in 0..ROUNDS {
        let dice = &mut Dice::for_test(seed);
        let (command, event) = (any_command(dice), any_event(dice));
        let bytes = postcard::to_allocvec(&command).expect("bytes");
        assert_eq!(postcard::from_bytes::<RelayCommand>(&bytes).expect("an order"), command);
        let text = serde_json::to_string(&command).expect("JSON");
        assert_eq!(serde_json::from_str::<RelayCommand>(&text).expect("an order"), command);
        let bytes = postcard::to_allocvec(&event).expect("bytes");
        assert_eq!(postcard::from_bytes::<RelayEvent>(&bytes).expect("an event"), event);
        let text = serde_json::to_string(&event).expect("JSON");
        assert_eq!(serde_json::from_str::<RelayEvent>(&text).expect("an event"), event);
    }
}

#[test]
fn bytes_that_are_cut_short_or_spoiled_are_an_error_or_another_order_and_never_a_panic() {
    for seed in 0..ROUNDS {
        let dice = &mut Dice::for_test(seed);
        let whole = postcard::to_allocvec(&any_command(dice)).expect("bytes");
        let cut = &whole[..dice.below(whole.len() as u32) as usize];
        assert!(postcard::from_bytes::<RelayCommand>(cut).is_err());
        let mut spoiled = whole.clone();
        let place = dice.below(whole.len() as u32) as usize;
        spoiled[place] ^= 1 << dice.below(8);
        if let Ok(order) = postcard::from_bytes::<RelayCommand>(&spoiled) {
            World::new().order(order);
        }
    }
}

#[test]
fn whatever_is_ordered_a_shard_goes_on_and_lets_go_of_all_of_it_in_the_end() {
    for seed in 0..ROUNDS / 10 {
        let dice = &mut Dice::for_test(seed);
        let mut world = World::new();
        let mut calls = BTreeSet::new();
        for _ in 0..20 {
            let command = any_command(dice);
            calls.insert(command.call().0);
            world.order(command);
            world.pass(Duration::from_millis(u64::from(dice.below(300))));
        }
        calls.into_iter().for_each(|call| world.order(RelayCommand::Remove(CallId(call))));
        assert_eq!(world.shard.legs(), 0, "seed {seed}");
        assert_eq!(world.ports.closed.len() as u32, world.ports.opened, "seed {seed}");
    }
}

/// The phone of a leg.
fn home(number: usize) -> String {
    format!("203.0.113.{}:4000", number + 1)
}

/// A graph of phones, some of which hear each other.
fn phones(dice: &mut Dice, revision: u32, ids: &[LegId]) -> Graph {
    let mut legs: Vec<GraphLeg> = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let other = Source::Leg(one_of(dice, ids));
        let hears = one_of(dice, &[Source::Nothing, Source::Echo, other]);
        let is_there = dice.below(4) > 0;
        let mut leg = plain_leg(*id, Some(phone(&home(number), &[Codec::pcmu()])), &[Codec::pcmu()], hears);
        leg.sends = dice.below(4) > 0;
        leg.receives = dice.below(4) > 0;
        if is_there {
            legs.push(leg);
        }
    }
    Graph { call: CALL, revision, legs, taps: Vec::new() }
}

/// Who gets what each phone says.
fn heard(world: &mut World, ids: &[LegId], graph: &Graph) -> Vec<BTreeSet<SocketAddr>> {
    let mut all = Vec::new();
    for (number, id) in ids.iter().enumerate().filter(|(_, id)| graph.legs.iter().any(|leg| leg.leg == **id)) {
        world.take_sent();
        let wire = world.wire(*id);
        let packet = Speaker::new(number as u32, 0, 160).next(&[7; 160]);
        world.arrive(wire, at(&home(number)), &packet);
        all.push(world.take_sent().into_iter().filter(|sent| sent.is_rtp()).map(|sent| sent.to).collect());
    }
    all
}

/// The same, as the graph alone says it.
fn wanted(ids: &[LegId], graph: &Graph) -> Vec<BTreeSet<SocketAddr>> {
    let place = |id: LegId| ids.iter().position(|other| *other == id).expect("a leg");
    let hears = |ear: &GraphLeg, mouth: &GraphLeg| match ear.hears {
        Source::Leg(id) => id == mouth.leg,
        Source::Echo => ear.leg == mouth.leg,
        _ => false,
    };
    let ears = |mouth: &GraphLeg| {
        let taking = graph.legs.iter().filter(|ear| mouth.receives && ear.sends && hears(ear, mouth));
        taking.map(|ear| at(&home(place(ear.leg)))).collect()
    };
    graph.legs.iter().map(ears).collect()
}

#[test]
fn graphs_that_come_twice_and_in_any_order_leave_what_the_newest_one_says() {
    for seed in 0..ROUNDS {
        let dice = &mut Dice::for_test(seed);
        let ids = leg_ids(3);
        let graphs: Vec<Graph> = (1..=8).map(|revision| phones(dice, revision, &ids)).collect();
        let mut world = World::new();
        let mut coming: Vec<&Graph> = graphs.iter().chain(&graphs).collect();
        for left in (1..coming.len()).rev() {
            coming.swap(left, dice.below(left as u32 + 1) as usize);
        }
        for graph in coming {
            world.order(RelayCommand::Apply(graph.clone()));
            world.pass(Duration::from_millis(u64::from(dice.below(100))));
        }
        let newest = graphs.last().expect("a graph");
        assert_eq!(world.shard.legs(), newest.legs.len(), "seed {seed}");
        assert_eq!(heard(&mut world, &ids, newest), wanted(&ids, newest), "seed {seed}");
    }
}

#[test]
fn an_order_that_is_overtaken_by_the_end_of_its_call_does_not_bring_it_back() {
    let mut world = World::new();
    let ids = leg_ids(3);
    let graph = phones(&mut Dice::for_test(1), 1, &ids);
    world.order(RelayCommand::Apply(graph.clone()));
    world.order(RelayCommand::Remove(CALL));
    world.order(RelayCommand::Apply(Graph { revision: 2, ..graph }));
    assert_eq!((world.shard.legs(), world.ports.closed.len() as u32), (0, world.ports.opened));
}
