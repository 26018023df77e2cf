//! A call among parties that say anything at any time, with a relay that answers late or not at all.
//!
//! A failing seed is printed; it alone reproduces the run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, CallId, Dice, ExchangeId, LegId, LegMint};
use patchcord::call::{Action, Attempt, Branch, Call, Opening, Output, Plan, Step};
use patchcord::model::{
    Abilities, Address, Answer, Candidate, Cause, Codec, Description, Direction, Dtmf, Entry, Graph, Hangup, LocalEnd,
    LocalVideo, MediaPath, MediaPolicy, Offer, Party, Progress, RelayCommand, RelayEvent, SealKind, Services, Signal,
    Sound, Source, Stage, Start,
};

use crate::ladder::{browser_description, browser_transport, candidates, phone_description, with_pictures};

const SEEDS: u64 = 4000;
const STEPS: usize = 60;

/// What a party speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wire {
    #[default]
    Phone,
    Browser,
    Client,
}

impl Wire {
    fn any(dice: &mut Dice) -> Wire {
        [Wire::Phone, Wire::Browser, Wire::Client, Wire::Client][dice.below(4) as usize]
    }

    fn adapter(self) -> AdapterId {
        AdapterId(self as u8 + 1)
    }

    fn abilities(self) -> Abilities {
        match self {
            Wire::Phone => Abilities::PHONE,
            Wire::Browser => Abilities::BROWSER,
            Wire::Client => Abilities::CLIENT,
        }
    }
}

#[derive(Default)]
struct Leg {
    wire: Wire,
    started: bool,
    /// Hang-ups said and heard: exactly one of either.
    ends: usize,
    /// Offers of ours that the party has not answered.
    to_answer: VecDeque<ExchangeId>,
    /// Offers of the party's that we have not answered.
    awaited: Option<ExchangeId>,
    exchanges: u32,
    accepted: bool,
    /// Asked for its offer, and has not made it.
    solicited: Option<ExchangeId>,
    /// Which way it was told that its media go.
    path: Option<MediaPath>,
    /// The ports of candidates that were said to it, or given to the relay for it.
    candidates: BTreeSet<u16>,
}

struct World {
    seed: u64,
    dice: Dice,
    now: Instant,
    call: Call,
    caller: LegId,
    legs: BTreeMap<LegId, Leg>,
    relay: VecDeque<RelayEvent>,
    graph: Option<Graph>,
    removed: bool,
    records: usize,
    /// The callee whose media were to go directly, last of all.
    direct: Option<LegId>,
    /// Every candidate has a port of its own.
    next_port: u16,
}

fn codecs(dice: &mut Dice) -> Vec<Codec> {
    match dice.below(6) {
        0 => vec![Codec::pcma()],
        1 => vec![Codec::new(18, "G729", 8000, 1)],
        2 => vec![Codec::new(111, "opus", 48_000, 2), Codec::pcmu()],
        _ => vec![Codec::pcmu(), Codec::pcma()],
    }
}

fn description(dice: &mut Dice, wire: Wire) -> Description {
    let codecs = codecs(dice);
    let has_ice = wire != Wire::Phone;
    let mut description = if has_ice { browser_description(&codecs, 126) } else { phone_description(&codecs) };
    let stream = &mut description.streams[0];
    stream.direction = match dice.below(8) {
        0 => Direction::SendOnly,
        1 => Direction::Inactive,
        _ => Direction::SendRecv,
    };
    if has_ice && dice.below(3) == 0 {
        stream.transport = browser_transport(&dice.token(4));
    }
    if dice.below(30) == 0 {
        stream.accepted = false;
    }
    match dice.below(3) {
        0 => description,
        _ => filmed(dice, description),
    }
}

/// The description with pictures of some kind, in a slot that may be refused.
fn filmed(dice: &mut Dice, description: Description) -> Description {
    let accepted = description.streams[0].accepted;
    let h264 = Codec {
        parameters: Some("packetization-mode=1;profile-level-id=42e01f".into()),
        ..Codec::new(102, "H264", 90_000, 1)
    };
    let codecs = match dice.below(4) {
        0 => vec![h264],
        1 => vec![Codec::new(34, "H263", 90_000, 1)],
        2 => vec![Codec::new(97, "VP8", 90_000, 1)],
        _ => vec![Codec::new(96, "VP8", 90_000, 1), h264],
    };
    let ways = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let mut description = with_pictures(description, &codecs, ways[dice.below(4) as usize]);
    description.streams[1].accepted = accepted && dice.below(4) != 0;
    if dice.below(6) == 0 {
        // Some know no BUNDLE.
        description.groups.clear();
    }
    description
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice::for_test(seed);
        let now = Instant::now();
        let mut mints = [1, 2, 3].map(|adapter| LegMint::said(AdapterId(adapter)));
        let mut legs = BTreeMap::new();
        let wire = Wire::any(&mut dice);
        let caller = LegMint::heard(wire.adapter()).mint();
        let offers_at_once = match wire {
            Wire::Browser => true,
            Wire::Phone => dice.below(5) != 0,
            Wire::Client => dice.below(2) == 0,
        };
        let offer = offers_at_once.then(|| description(&mut dice, wire));
        let awaited = offer.is_some().then(|| ExchangeId::heard(1));
        legs.insert(caller, Leg { wire, started: true, awaited, exchanges: 1, ..Leg::default() });
        let has_sounds = dice.below(4) == 0;
        let sound = |dice: &mut Dice, name: &str| (has_sounds && dice.below(2) == 0).then(|| Sound::Named(name.into()));
        let services = Services {
            ring_back: sound(&mut dice, "bells"),
            hold_music: sound(&mut dice, "music"),
            announcement: sound(&mut dice, "welcome"),
            ..Services::default()
        };
        let attempts = (0..dice.below(4))
            .map(|n| {
                let count = [0, 1, 1, 1, 2, 3][dice.below(6) as usize];
                let branches = (0..count)
                    .map(|_| {
                        let wire = Wire::any(&mut dice);
                        let leg = mints[wire as usize].mint();
                        legs.insert(leg, Leg { wire, ..Leg::default() });
                        Branch {
                            leg,
                            abilities: wire.abilities(),
                            from: Party::new(Address::here("a")),
                            to: Address::here("b"),
                            contact: None,
                            trunk: None,
                            sent_on_by: None,
                        }
                    })
                    .collect();
                let media = match dice.below(3) {
                    _ if services.need_relay() => MediaPolicy::Relay,
                    0 => MediaPolicy::Auto,
                    1 => MediaPolicy::Direct,
                    _ => MediaPolicy::Relay,
                };
                let ring = Duration::from_secs(20);
                Attempt { target: format!("t{n}"), media, ring, step: Step::Target, before: None, branches }
            })
            .collect();
        let action = match dice.below(10) {
            0 => Action::Echo,
            1 => Action::Reject(Cause::Forbidden),
            2 => Action::Play {
                sound: Sound::Named("closed".into()),
                reject: (dice.below(2) == 0).then_some(Cause::NotFound),
            },
            _ => Action::Dial(attempts),
        };
        let start = Start {
            entry: Entry::Open,
            from: Party::new(Address::here("a")),
            to: Address::here("b"),
            contact: None,
            trunk: None,
            offer: offer.map(|description| Offer { exchange: ExchangeId::heard(1), description }),
            hops_left: 10,
            about: Default::default(),
        };
        let (abilities, plan) = (wire.abilities(), Plan { rule: None, action, services });
        let opening = Opening { call: CallId(1), leg: caller, abilities, start, plan, wall_ms: 0 };
        let call = Call::open(now, opening);
        let (relay, graph) = (VecDeque::new(), None);
        let (removed, records, direct, next_port) = (false, 0, None, 1);
        let mut world =
            World { seed, dice, now, call, caller, legs, relay, graph, removed, records, direct, next_port };
        world.drain();
        world
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}", self.seed)
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll_output() {
            if self.records > 0 {
                self.fail("something follows the record");
            }
            if matches!(output, Output::Order(_)) && self.direct.is_some_and(|leg| self.legs[&leg].ends == 0) {
                self.fail("something is ordered of the relay though the media go directly");
            }
            match output {
                Output::Say(leg, signal) => self.said(leg, &signal),
                Output::Order(RelayCommand::Apply(graph)) => self.lay(graph),
                Output::Order(RelayCommand::Remove(call)) => {
                    self.removed = true;
                    self.relay.push_back(RelayEvent::Removed { call, legs: Vec::new() });
                }
                Output::Order(RelayCommand::Candidates { leg, candidates, .. }) => self.given(leg, &candidates),
                Output::Order(_) => {}
                Output::Decide { .. } | Output::Recall(_) => self.fail("nobody has asked for a transfer"),
                Output::Done(_) => self.records += 1,
            }
        }
    }

    /// Candidates were said to a leg's party, or given to the relay for it.
    fn given(&mut self, id: LegId, candidates: &[Candidate]) {
        let seed = self.seed;
        let leg = self.legs.get_mut(&id).unwrap_or_else(|| panic!("seed {seed}: an unknown leg"));
        for candidate in candidates {
            assert!(leg.candidates.insert(candidate.port), "seed {seed}: a candidate is given twice");
        }
    }

    fn said(&mut self, id: LegId, signal: &Signal) {
        let seed = self.seed;
        let leg = self.legs.get_mut(&id).unwrap_or_else(|| panic!("seed {seed}: an unknown leg"));
        assert!(leg.ends == 0, "seed {seed}: {signal:?} is said on a leg that has ended");
        assert!(leg.started || matches!(signal, Signal::Start(_)), "seed {seed}: {signal:?} before the start");
        match signal {
            Signal::Start(start) => {
                assert!(!leg.started, "seed {seed}: a leg starts twice");
                leg.started = true;
                leg.to_answer.push_back(start.offer.as_ref().expect("we always offer").exchange);
            }
            Signal::Offer(offer) => {
                assert!(leg.to_answer.is_empty(), "seed {seed}: two offers of ours are open at once");
                leg.to_answer.push_back(offer.exchange);
            }
            Signal::Answer(answer) => {
                assert_eq!(leg.awaited, Some(answer.exchange), "seed {seed}: an answer to nothing");
                if !answer.provisional {
                    leg.awaited = None;
                }
            }
            Signal::Refuse { exchange, .. } => {
                assert_eq!(leg.awaited, Some(*exchange), "seed {seed}: a refusal of nothing");
                leg.awaited = None;
            }
            Signal::Accept => {
                assert!(!leg.accepted, "seed {seed}: accepted twice");
                leg.accepted = true;
            }
            Signal::Solicit(exchange) => {
                assert_eq!((id, leg.awaited), (self.caller, None), "seed {seed}: nobody else is asked");
                leg.solicited = Some(*exchange);
            }
            Signal::Path(path) => {
                assert_eq!(leg.path.replace(*path), None, "seed {seed}: the way is told twice");
                if id != self.caller {
                    self.direct = (*path == MediaPath::Direct).then_some(id);
                }
            }
            Signal::Candidates(candidates) => self.given(id, &candidates.candidates),
            Signal::Hangup(_) => leg.ends += 1,
            _ => {}
        }
    }

    fn lay(&mut self, graph: Graph) {
        if self.removed {
            self.fail("a graph after the removal");
        }
        let old = self.graph.replace(graph.clone());
        if old.as_ref().is_some_and(|o| o.revision >= graph.revision) {
            self.fail("revisions do not rise");
        }
        self.check_pictures(&graph);
        self.check_sounds(&graph);
        for leg in &graph.legs {
            let known = old.as_ref().and_then(|g| g.legs.iter().find(|l| l.leg == leg.leg));
            let ufrag = |l: &patchcord::model::GraphLeg| {
                l.remote.as_ref().and_then(|r| r.transport.ice.as_ref()).map(|i| i.ufrag.clone())
            };
            let restarted = known.is_some_and(|k| ufrag(k).is_some() && ufrag(k) != ufrag(leg));
            let is_filmed = leg.video.is_some() && known.is_some_and(|k| k.video != leg.video);
            if known.is_none() || restarted || is_filmed {
                let mut transport = browser_transport("ours");
                if leg.spec.seal == SealKind::Plain {
                    transport = phone_description(&[Codec::pcmu()]).streams[0].transport.clone();
                }
                // Now and then there is no port for pictures.
                let is_laid = leg.video.is_some() && self.dice.below(12) != 0;
                let video = is_laid.then(|| Box::new(LocalVideo { transport: transport.clone(), ssrc: 2 }));
                let local = LocalEnd { transport, ssrc: 1, cname: "c".into(), video };
                let revision = graph.revision;
                self.relay.push_back(RelayEvent::Ready {
                    call: CallId(1),
                    leg: leg.leg,
                    revision,
                    local: Box::new(local),
                });
            }
            if leg.spec.seal == SealKind::Dtls && leg.remote.is_some() {
                self.relay.push_back(RelayEvent::Connected { call: CallId(1), leg: leg.leg });
            }
        }
    }

    /// What is played once is for the caller, bells are heard before the answer and music after it; and at times the relay
    /// tells that a sound is over, or that nothing comes.
    fn check_sounds(&mut self, graph: &Graph) {
        for leg in &graph.legs {
            if leg.answered && self.dice.below(6) == 0 {
                let why = "nothing came".into();
                self.relay.push_back(RelayEvent::Silent { call: CallId(1), leg: leg.leg, why });
            }
            let Source::Play(play) = &leg.hears else { continue };
            let is_caller = leg.leg == self.caller;
            let is_answered = self.call.is_answered();
            let is_right = match play.sound.to_string().as_str() {
                "closed" => is_caller && !play.repeats,
                "welcome" => is_caller && !play.repeats && !is_answered,
                "bells" | "tone:ringing" => is_caller && play.repeats && !is_answered,
                "music" => play.repeats && is_answered,
                _ => false,
            };
            if !is_right {
                self.fail(&format!("{:?} hears {play:?}, answered: {is_answered}", leg.leg));
            }
            if !play.repeats && self.dice.below(2) == 0 {
                self.relay.push_back(RelayEvent::Played { call: CallId(1), leg: leg.leg });
            }
        }
    }

    /// Nobody is shown what it was not promised, and pictures go only where both ends agree on a format.
    fn check_pictures(&self, graph: &Graph) {
        for leg in &graph.legs {
            let Some(video) = &leg.video else { continue };
            if video.sees.is_none() {
                continue;
            }
            let far = graph.legs.iter().find(|l| Some(l.leg) == video.sees).and_then(|l| l.video.as_ref());
            let Some(far) = far else { self.fail("a leg sees another that has no pictures") };
            let takes = video.remote.as_ref().map_or(&[][..], |r| &r.codecs);
            let shared = far.codecs.iter().any(|c| takes.iter().any(|t| t.is_same_format(c)));
            if !shared {
                self.fail(&format!("{:?} is shown to one that takes {takes:?}", far.codecs));
            }
        }
    }

    fn hear(&mut self, id: LegId, signal: Signal) {
        self.call.hear(self.now, id, signal);
        self.drain();
    }

    fn step(&mut self) {
        match self.dice.below(10) {
            0..=3 => {
                if let Some(event) = self.relay.pop_front() {
                    // Now and then the relay never says it.
                    if self.dice.below(40) != 0 || matches!(event, RelayEvent::Removed { .. }) {
                        self.call.relay(self.now, event);
                        self.drain();
                    }
                }
            }
            4 => {
                let by = Duration::from_millis(u64::from(self.dice.below(9000)));
                self.pass(by);
            }
            _ => self.party_acts(),
        }
    }

    fn pass(&mut self, by: Duration) {
        self.now += by;
        while self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.call.handle_timeout(self.now);
            self.drain();
        }
    }

    fn party_acts(&mut self) {
        let alive: Vec<LegId> = self.legs.iter().filter(|(_, l)| l.started && l.ends == 0).map(|(id, _)| *id).collect();
        if alive.is_empty() {
            return;
        }
        let id = alive[self.dice.below(alive.len() as u32) as usize];
        let is_callee = id != self.caller;
        let signal = self.choose(id, is_callee);
        if let Some(signal) = signal {
            if matches!(signal, Signal::Hangup(_)) {
                self.legs.get_mut(&id).unwrap().ends += 1;
            }
            self.hear(id, signal);
        }
    }

    fn choose(&mut self, id: LegId, is_callee: bool) -> Option<Signal> {
        let dice = &mut self.dice;
        let leg = self.legs.get_mut(&id).unwrap();
        if let Some(exchange) = leg.solicited.filter(|_| dice.below(2) == 0) {
            leg.solicited = None;
            leg.awaited = Some(exchange);
            return Some(Signal::Offer(Offer { exchange, description: description(dice, leg.wire) }));
        }
        Some(match dice.below(16) {
            0 | 1 if is_callee && !leg.accepted => {
                Signal::Progress(Progress { stage: Stage::Ringing, early_media: dice.below(3) == 0 })
            }
            2..=4 => {
                let exchange = *leg.to_answer.front()?;
                if dice.below(12) == 0 {
                    leg.to_answer.pop_front();
                    return Some(Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
                }
                let provisional = is_callee && !leg.accepted && dice.below(3) == 0;
                if !provisional {
                    leg.to_answer.pop_front();
                }
                Signal::Answer(Answer { exchange, description: description(dice, leg.wire), provisional })
            }
            5 | 6 if is_callee && !leg.accepted => {
                leg.accepted = true;
                Signal::Accept
            }
            7 | 8 => Signal::Hold(dice.below(2) == 0),
            9 | 10 if leg.awaited.is_none() && leg.to_answer.is_empty() && leg.solicited.is_none() => {
                leg.exchanges += 1;
                let exchange = ExchangeId::heard(leg.exchanges);
                leg.awaited = Some(exchange);
                Signal::Offer(Offer { exchange, description: description(dice, leg.wire) })
            }
            11 => Signal::AskStats,
            12 if dice.below(4) == 0 => {
                let cause = Cause::ALL[dice.below(Cause::ALL.len() as u32) as usize];
                Signal::Hangup(Hangup::new(cause))
            }
            13 | 14 if leg.wire != Wire::Phone => {
                let ports = self.next_port..self.next_port + dice.below(3) as u16;
                self.next_port = ports.end;
                candidates("0", ports, dice.below(4) != 0)
            }
            14 => Signal::Refresh,
            15 => Signal::Dtmf(Dtmf { digit: '5', duration: Duration::from_millis(100) }),
            _ => Signal::Mute(true),
        })
    }

    /// Which way the media went, once the call was answered.
    fn run(mut self) -> Option<MediaPath> {
        for _ in 0..STEPS {
            if self.records > 0 {
                break;
            }
            self.step();
        }
        if self.records == 0 {
            self.call.hang_up(self.now, Cause::Maintenance);
            self.drain();
            self.pass(Duration::from_secs(5));
        }
        if self.records != 1 {
            self.fail(&format!("{} records", self.records));
        }
        if self.graph.is_some() && !self.removed {
            self.fail("the relay keeps the call's legs");
        }
        for (id, leg) in &self.legs {
            if leg.started && leg.ends != 1 {
                self.fail(&format!("leg {id} ended {} times", leg.ends));
            }
        }
        self.legs[&self.caller].path
    }
}

#[test]
fn whatever_the_parties_do_every_leg_ends_once_and_there_is_one_record() {
    let seeds = match std::env::var("PATCHCORD_SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let paths: Vec<_> = seeds.map(|seed| World::new(seed).run()).collect();
    let is_whole = paths.len() > 1;
    for path in [None, Some(MediaPath::Direct), Some(MediaPath::Relayed)] {
        let count = paths.iter().filter(|p| **p == path).count();
        assert!(!is_whole || count > 50, "only {count} of the calls went {path:?}");
    }
}
