//! A call between scripted parties, drawn as a ladder.
//!
//! The parties say signals; the call answers; the relay is a stub that lays every leg at once. Each test
//! compares the whole drawing, so that nothing extra is ever said.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, CallId, ExchangeId, LegId, LegMint};
use patchcord::call::{Attempt, Branch, Call, Opening, Output, Plan, Step};
use patchcord::model::{
    Abilities, Address, Answer, Candidate, CandidateHost, CandidateKind, CandidateProtocol, Candidates, Cause, Codec,
    Crypto, Description, Direction, Entry, Fingerprint, Graph, Group, Hangup, Ice, IceMode, Kind, LocalEnd, LocalVideo,
    MediaPath, MediaPolicy, Mid, Offer, Party, Progress, Record, RelayCommand, RelayEvent, Sdes, Seal, SealKind,
    Services, Setup, Signal, Source, SrtpPolicy, Stage, Start, Stream, Transferring, Transport,
};

/// How long a target rings in these tests.
pub const RING: Duration = Duration::from_secs(20);

/// A call, its parties and what was said.
pub struct Ladder {
    call: Option<Call>,
    opening: Option<(Start, Abilities)>,
    names: BTreeMap<LegId, String>,
    caller: LegId,
    web: LegMint,
    sip: LegMint,
    im: LegMint,
    pub now: Instant,
    pub graph: Option<Graph>,
    pub records: Vec<Record>,
    pub said: Vec<(LegId, Signal)>,
    drawn: String,
    exchanges: u32,
    /// What the dialplan adds to the call.
    pub services: Services,
    /// Whether the drawing tells what descriptions say of pictures.
    pub draws_pictures: bool,
    /// Whether the relay has room for pictures.
    pub lays_pictures: bool,
    /// Whether the relay lays legs by itself.
    pub relay_is_quick: bool,
    ordered: Vec<RelayCommand>,
    /// What the dialplan was asked in the middle of the call.
    pub asked: Vec<Start>,
    /// The legs of parties that were called anew, each after its first.
    pub recalled: Vec<(LegId, LegId)>,
}

impl Ladder {
    /// A browser that calls with what Chromium offers.
    pub fn from_browser() -> Ladder {
        let offer = browser_description(&[Codec::new(111, "opus", 48_000, 2), Codec::pcmu(), Codec::pcma()], 126);
        Ladder::new("web:alice", AdapterId(2), Abilities::BROWSER, Some(offer))
    }

    /// A telephone that calls with G.711.
    pub fn from_phone() -> Ladder {
        Ladder::from_phone_with(Some(phone_description(&[Codec::pcmu(), Codec::pcma()])))
    }

    /// A telephone that calls with this offer, or with none.
    pub fn from_phone_with(offer: Option<Description>) -> Ladder {
        Ladder::new("sip:phone", AdapterId(1), Abilities::PHONE, offer)
    }

    /// The same, whose media are to be protected so.
    pub fn from_phone_by(srtp: SrtpPolicy, keys_in_words: bool, offer: Option<Description>) -> Ladder {
        Ladder::new("sip:phone", AdapterId(1), Abilities::PHONE.with_srtp(srtp, keys_in_words), offer)
    }

    /// An IM client that calls: it makes its offer when it is asked.
    pub fn from_client() -> Ladder {
        Ladder::from_client_with(None)
    }

    /// An IM client that calls with its offer at once.
    pub fn from_client_with(offer: Option<Description>) -> Ladder {
        Ladder::new("im:romeo", AdapterId(3), Abilities::CLIENT, offer)
    }

    /// A browser that calls with sound and pictures.
    pub fn from_browser_with(offer: Description) -> Ladder {
        Ladder::new("web:alice", AdapterId(2), Abilities::BROWSER, Some(offer))
    }

    fn new(name: &str, adapter: AdapterId, abilities: Abilities, offer: Option<Description>) -> Ladder {
        let caller = LegMint::heard(adapter).mint();
        let start = Start {
            entry: Entry::User("alice".into()),
            from: Party::new(Address::here("alice")),
            to: Address::here("+15550100"),
            contact: None,
            trunk: None,
            offer: offer.map(|description| Offer { exchange: ExchangeId::heard(1), description }),
            hops_left: 69,
            about: Default::default(),
        };
        Ladder {
            call: None,
            opening: Some((start, abilities)),
            names: BTreeMap::from([(caller, name.to_owned())]),
            caller,
            web: LegMint::said(AdapterId(2)),
            sip: LegMint::said(AdapterId(1)),
            im: LegMint::said(AdapterId(3)),
            now: Instant::now(),
            graph: None,
            records: Vec::new(),
            said: Vec::new(),
            drawn: String::new(),
            exchanges: 1,
            services: Services::default(),
            draws_pictures: false,
            lays_pictures: true,
            relay_is_quick: true,
            ordered: Vec::new(),
            asked: Vec::new(),
            recalled: Vec::new(),
        }
    }

    /// The call was sent on by these before it comes in.
    pub fn diverted(&mut self, by: Vec<patchcord::model::Diversion>) {
        let (start, _) = self.opening.as_mut().expect("before it comes in");
        start.about.diversions = by;
    }

    /// The caller's leg.
    pub fn caller(&self) -> LegId {
        self.caller
    }

    fn branch(&mut self, name: &str, abilities: Abilities, leg: LegId) -> Branch {
        self.names.insert(leg, name.to_owned());
        Branch {
            leg,
            abilities,
            from: Party::new(Address::here("alice")),
            to: Address::here("callee"),
            contact: None,
            trunk: None,
            sent_on_by: None,
        }
    }

    /// A telephone or trunk to be called.
    pub fn phone(&mut self, name: &str) -> Branch {
        let leg = self.sip.mint();
        self.branch(name, Abilities::PHONE, leg)
    }

    /// The same, whose media are to be protected so.
    pub fn phone_by(&mut self, name: &str, srtp: SrtpPolicy, keys_in_words: bool) -> Branch {
        let leg = self.sip.mint();
        self.branch(name, Abilities::PHONE.with_srtp(srtp, keys_in_words), leg)
    }

    /// A page to be called.
    pub fn page(&mut self, name: &str) -> Branch {
        let leg = self.web.mint();
        self.branch(name, Abilities::BROWSER, leg)
    }

    /// An IM client to be called.
    pub fn client(&mut self, name: &str) -> Branch {
        let leg = self.im.mint();
        self.branch(name, Abilities::CLIENT, leg)
    }

    /// One target whose media go as the policy says.
    pub fn attempt_by(media: MediaPolicy, target: &str, branches: Vec<Branch>) -> Attempt {
        Attempt { media, ..Ladder::attempt(target, branches) }
    }

    /// One target that rings all these at once.
    pub fn attempt(target: &str, branches: Vec<Branch>) -> Attempt {
        let (target, media) = (target.to_owned(), MediaPolicy::Auto);
        Attempt { target, media, ring: RING, step: Step::Target, before: None, branches }
    }

    /// The call comes in and is decided so.
    pub fn open(&mut self, action: patchcord::call::Action) {
        let (start, abilities) = self.opening.take().expect("a call comes in once");
        let plan = Plan { rule: Some("a rule".into()), action, services: self.services.clone() };
        let offer = start.offer.as_ref().map(|o| self.film(&o.description)).unwrap_or_default();
        self.draw(self.caller, &format!("Start{offer}"), true);
        let opening = Opening { call: CallId(7), leg: self.caller, abilities, start, plan, wall_ms: 1_000_000 };
        self.call = Some(Call::open(self.now, opening));
        self.drain();
    }

    /// What the dialplan was asked in the middle of the call is decided so.
    pub fn decide(&mut self, action: patchcord::call::Action) {
        let plan = Plan { rule: Some("a rule".into()), action, services: Services::default() };
        let now = self.now;
        self.call().decided(now, plan);
        self.drain();
    }

    /// Somebody calls to take the place of a leg.
    pub fn replace(&mut self, place: LegId, name: &str, offer: Description) -> LegId {
        let leg = LegMint::heard(AdapterId(1)).mint();
        self.names.insert(leg, name.to_owned());
        let start = Start {
            entry: Entry::Trunk("demo".into()),
            from: Party::new(Address::here("carol")),
            to: Address::here("alice"),
            contact: None,
            trunk: None,
            offer: Some(Offer { exchange: ExchangeId::heard(1), description: offer }),
            hops_left: 69,
            about: Default::default(),
        };
        self.draw(leg, "Start", true);
        let now = self.now;
        self.call().replace(now, place, leg, Abilities::PHONE, start);
        self.drain();
        leg
    }

    /// The caller has dialled these keys behind the number.
    pub fn keys_behind_the_number(mut self, keys: &str) -> Ladder {
        let (start, _) = self.opening.as_mut().expect("a call comes in once");
        start.about.keys = keys.parse().expect("keys");
        self
    }

    /// A party says something.
    pub fn hear(&mut self, leg: LegId, signal: Signal) {
        self.draw(leg, &self.word_for(&signal), true);
        let now = self.now;
        self.call().hear(now, leg, signal);
        self.drain();
    }

    /// The relay tells something.
    pub fn relay(&mut self, event: RelayEvent) {
        let now = self.now;
        self.call().relay(now, event);
        self.drain();
    }

    /// A leg's path and keys are there.
    pub fn connected(&mut self, leg: LegId) {
        self.relay(RelayEvent::Connected { call: CallId(7), leg });
    }

    /// Time passes.
    pub fn after(&mut self, time: Duration) {
        self.now += time;
        let _ = writeln!(self.drawn, "... {} s", time.as_secs());
        while self.call().poll_timeout().is_some_and(|at| at <= self.now) {
            let now = self.now;
            self.call().handle_timeout(now);
            self.drain();
        }
    }

    /// What is ordered of the relay, besides graphs, while something happens.
    pub fn orders_of(&mut self, happens: impl FnOnce(&mut Ladder)) -> Vec<RelayCommand> {
        self.ordered.clear();
        happens(self);
        std::mem::take(&mut self.ordered)
    }

    fn call(&mut self) -> &mut Call {
        self.call.as_mut().expect("the call is open")
    }

    /// A phone's answer to what it was last offered.
    pub fn answer_of(&self, leg: LegId, codecs: &[Codec], provisional: bool) -> Signal {
        let (exchange, is_browser) = self.last_offer_to(leg);
        let description = if is_browser { browser_description(codecs, 101) } else { phone_description(codecs) };
        Signal::Answer(Answer { exchange, description, provisional })
    }

    fn last_offer_to(&self, leg: LegId) -> (ExchangeId, bool) {
        let offer = self.said.iter().rev().filter(|(l, _)| *l == leg).find_map(|(_, signal)| match signal {
            Signal::Start(start) => start.offer.clone(),
            Signal::Offer(offer) => Some(offer.clone()),
            _ => None,
        });
        let offer = offer.expect("an offer was said on the leg");
        let is_browser = matches!(offer.description.streams[0].transport.seal, Seal::Dtls { .. });
        (offer.exchange, is_browser)
    }

    /// A party's answer to what it was last offered, in these words.
    pub fn answer_with(&self, leg: LegId, description: Description) -> Signal {
        let (exchange, _) = self.last_offer_to(leg);
        Signal::Answer(Answer { exchange, description, provisional: false })
    }

    /// The offer that a party was asked for.
    pub fn solicited(&mut self, description: Description) -> Signal {
        Signal::Offer(Offer { exchange: ExchangeId::heard(1), description })
    }

    /// A new offer of a party's.
    pub fn offer(&mut self, description: Description) -> Signal {
        self.exchanges += 1;
        Signal::Offer(Offer { exchange: ExchangeId::heard(self.exchanges), description })
    }

    /// The last description that was said on a leg.
    pub fn last_description(&self, leg: LegId) -> Description {
        self.said
            .iter()
            .rev()
            .filter(|(l, _)| *l == leg)
            .find_map(|(_, signal)| match signal {
                Signal::Start(start) => start.offer.as_ref().map(|o| o.description.clone()),
                Signal::Offer(offer) => Some(offer.description.clone()),
                Signal::Answer(answer) => Some(answer.description.clone()),
                _ => None,
            })
            .expect("a description was said on the leg")
    }

    /// What was said on a leg, after so many signals on any.
    pub fn said_on(&self, leg: LegId, after: usize) -> Vec<String> {
        self.said[after..].iter().filter(|(l, _)| *l == leg).map(|(_, s)| name_of(s)).collect()
    }

    /// Nothing has ever been ordered of the relay.
    pub fn expect_no_relay(&self) {
        assert!(self.graph.is_none() && self.ordered.is_empty(), "{:?} {:?}", self.graph, self.ordered);
    }

    /// What the relay was last told that a leg hears.
    pub fn hears(&self, leg: LegId) -> Source {
        let graph = self.graph.as_ref().expect("a graph");
        graph.legs.iter().find(|l| l.leg == leg).expect("the leg").hears.clone()
    }

    fn drain(&mut self) {
        while let Some(output) = self.call().poll_output() {
            match output {
                Output::Say(leg, signal) => {
                    self.draw(leg, &self.word_for(&signal), false);
                    self.said.push((leg, signal));
                }
                Output::Order(RelayCommand::Apply(graph)) => self.lay(graph),
                Output::Order(RelayCommand::Remove(call)) => {
                    let now = self.now;
                    self.call().relay(now, RelayEvent::Removed { call, legs: Vec::new() });
                }
                Output::Order(other) => self.ordered.push(other),
                Output::Decide { start, .. } => self.asked.push(*start),
                Output::Recall(first) => {
                    let second = self.im.mint();
                    self.recalled.push((first, second));
                    self.call().recall(first, second);
                }
                Output::Done(record) => {
                    let _ = writeln!(self.drawn, "record {}", record.cause);
                    self.records.push(*record);
                }
            }
        }
    }

    fn lay(&mut self, graph: Graph) {
        let old = self.graph.replace(graph.clone());
        let before = |leg: LegId| old.as_ref().and_then(|g| g.legs.iter().find(|l| l.leg == leg));
        let ufrag = |r: &Option<Arc<patchcord::model::RemoteEnd>>| {
            r.as_ref().and_then(|r| r.transport.ice.as_ref()).map(|i| i.ufrag.clone())
        };
        let keys = |r: &Option<Arc<patchcord::model::RemoteEnd>>| {
            r.as_ref().map(|r| r.transport.seal.clone()).filter(|seal| matches!(seal, Seal::Sdes(_)))
        };
        for leg in &graph.legs {
            let is_new = before(leg.leg).is_none_or(|old| {
                (ufrag(&old.remote).is_some() && ufrag(&old.remote) != ufrag(&leg.remote))
                    || keys(&old.remote) != keys(&leg.remote)
                    || (old.video.is_none() && leg.video.is_some())
                    || (old.video.as_ref().zip(leg.video.as_ref())).is_some_and(|(old, new)| old.bundled != new.bundled)
            });
            if is_new && self.relay_is_quick {
                self.lay_leg(leg.leg);
            }
        }
    }

    /// The relay has laid a leg.
    pub fn ready(&mut self, leg: LegId) {
        self.lay_leg(leg);
        self.drain();
    }

    fn lay_leg(&mut self, leg: LegId) {
        let graph = self.graph.as_ref().expect("a graph");
        let wanted = graph.legs.iter().find(|l| l.leg == leg).expect("the leg");
        let (spec, video) = (wanted.spec, wanted.video.clone());
        let Transport { ice, seal: mut certified, .. } = browser_transport("ours");
        if let Seal::Dtls { tls_id, .. } = &mut certified {
            *tls_id = Some("our-name-of-the-association".into());
        }
        let found = match spec.ice {
            IceMode::None => phone_transport(20_000),
            IceMode::LitePair => Transport { ice: ice.map(on_two_ports), ..phone_transport(20_000) },
            _ => Transport { ice, feedback_profile: true, ..phone_transport(20_000) },
        };
        let seal = match spec.seal {
            SealKind::Plain => Seal::Plain,
            SealKind::Dtls => certified,
            seal => keyed_transport("ours", seal == SealKind::Opportunistic).seal,
        };
        let transport = Transport { seal, ..found };
        let video = video.filter(|_| self.lays_pictures).map(|video| {
            let mut transport = transport.clone();
            if let Some(address) = transport.address.as_mut().filter(|_| !video.bundled) {
                address.set_port(20_002);
            }
            if let Some(ice) = transport.ice.as_mut().filter(|_| !video.bundled) {
                ice.ufrag = "our-pictures".into();
            }
            Box::new(LocalVideo { transport, ssrc: 2 })
        });
        let local = LocalEnd { transport, ssrc: 1, cname: "c".into(), video };
        let (now, revision) = (self.now, graph.revision);
        self.call().relay(now, RelayEvent::Ready { call: CallId(7), leg, revision, local: Box::new(local) });
    }

    fn word_for(&self, signal: &Signal) -> String {
        let description = match signal {
            Signal::Start(start) => start.offer.as_ref().map(|o| &o.description),
            Signal::Offer(offer) => Some(&offer.description),
            Signal::Answer(answer) => Some(&answer.description),
            _ => None,
        };
        format!("{}{}", name_of(signal), description.map(|d| self.film(d)).unwrap_or_default())
    }

    /// The pictures of a description in words, where they are drawn: their first format, and who shows some.
    fn film(&self, description: &Description) -> String {
        let video = description.streams.iter().find(|s| s.kind == Kind::Video);
        match video.filter(|_| self.draws_pictures) {
            Some(video) if video.accepted => format!(" + {} {}", video.codecs[0].name, word(Some(video.direction))),
            Some(_) => " + no pictures".into(),
            None => String::new(),
        }
    }

    fn draw(&mut self, leg: LegId, what: &str, is_heard: bool) {
        let name = self.names.get(&leg).cloned().unwrap_or_else(|| leg.to_string());
        let arrow = match (leg == self.caller, is_heard) {
            (true, true) => format!("{name} ─{what}─▶"),
            (true, false) => format!("{name} ◀─{what}─"),
            (false, true) => format!("{:24}◀─{what}─ {name}", ""),
            (false, false) => format!("{:24}─{what}─▶ {name}", ""),
        };
        let _ = writeln!(self.drawn, "{arrow}");
    }

    /// The whole drawing must be this.
    pub fn expect(&self, ladder: &str) {
        let expected: Vec<&str> = ladder.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let drawn: Vec<&str> = self.drawn.lines().map(str::trim).collect();
        assert!(expected == drawn, "drawn:\n{}\nexpected:\n{ladder}", self.drawn);
    }
}

fn name_of(signal: &Signal) -> String {
    match signal {
        Signal::Start(_) => "Start".into(),
        Signal::Progress(Progress { stage, early_media }) => {
            let stage = match stage {
                Stage::Trying => "Trying",
                Stage::Session => "Session",
                Stage::Ringing => "Ringing",
            };
            format!("{stage}{}", if *early_media { " with media" } else { "" })
        }
        Signal::Offer(offer) => format!("Offer {}", direction(&offer.description)),
        Signal::Answer(answer) => {
            let codecs = answer.description.audio().map(|s| s.codecs[0].name.clone()).unwrap_or_default();
            let kind = if answer.provisional { "Answer for now" } else { "Answer" };
            format!("{kind} {codecs} {}", direction(&answer.description))
        }
        Signal::Refuse { cause, .. } => format!("Refuse {cause}"),
        Signal::Hangup(Hangup { cause, .. }) => format!("Hangup {cause}"),
        Signal::Hold(on) => format!("Hold {on}"),
        Signal::Mute(on) => format!("Mute {on}"),
        Signal::Dtmf(dtmf) => format!("Dtmf {}", dtmf.digit),
        Signal::Notice(_) => "Notice".into(),
        Signal::Transferring(how) => match how {
            Transferring::Trying(stage) => format!("Transferring {stage:?}"),
            Transferring::Done => "Transferring Done".into(),
            Transferring::Failed(cause) => format!("Transferring Failed {cause}"),
            Transferring::Refused(cause) => format!("Transferring Refused {cause}"),
        },
        Signal::Connected(party) => format!("Connected {}", party.address),
        Signal::Path(MediaPath::Direct) => "Path direct".into(),
        Signal::Path(MediaPath::Relayed) => "Path relayed".into(),
        Signal::Candidates(candidates) => format!("Candidates {}", candidates.candidates.len()),
        other => format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
    }
}

fn direction(description: &Description) -> &'static str {
    word(description.audio().map(|s| s.direction))
}

fn word(direction: Option<Direction>) -> &'static str {
    match direction {
        Some(Direction::SendRecv) => "sendrecv",
        Some(Direction::SendOnly) => "sendonly",
        Some(Direction::RecvOnly) => "recvonly",
        Some(Direction::Inactive) => "inactive",
        None => "refused",
    }
}

/// What a telephone describes.
pub fn phone_description(codecs: &[Codec]) -> Description {
    let mut codecs = codecs.to_vec();
    codecs.push(Codec::telephone_event(101, 8000));
    Description { streams: vec![stream(None, codecs, phone_transport(4000), false)], ..Description::default() }
}

/// What a browser describes, with its number for digits.
pub fn browser_description(codecs: &[Codec], digits: u8) -> Description {
    let mut codecs = codecs.to_vec();
    codecs.push(Codec::telephone_event(digits, 8000));
    let mid = Mid("0".into());
    let groups = vec![Group { semantics: "BUNDLE".into(), mids: vec![mid.clone()] }];
    let streams = vec![stream(Some(mid), codecs, browser_transport("theirs"), true)];
    Description { streams, groups, extras: Vec::new() }
}

fn stream(mid: Option<Mid>, codecs: Vec<Codec>, transport: Transport, rtcp_mux: bool) -> Stream {
    Stream {
        mid,
        kind: Kind::Audio,
        accepted: true,
        direction: Direction::SendRecv,
        codecs,
        transport,
        rtcp_mux,
        sources: Vec::new(),
        source_groups: Vec::new(),
        msid: None,
        header_extensions: Vec::new(),
        mixed_extensions: false,
        reduced_rtcp: false,
        ptime: None,
        bandwidth_kbps: None,
        extras: Vec::new(),
    }
}

/// What an IM client or a page describes that wants pictures too: a transport for each stream, as IM clients
/// have it.
pub fn film_description(ufrag: &str) -> Description {
    let opus = Codec::new(111, "opus", 48_000, 2);
    let vp8 = Codec { feedback: vec!["nack pli".into()], ..Codec::new(98, "VP8", 90_000, 1) };
    let named =
        |name: &str, codec: Codec, transport: Transport| stream(Some(Mid(name.into())), vec![codec], transport, true);
    let mut video = named("video", vp8, browser_transport(&format!("{ufrag}-video")));
    video.kind = Kind::Video;
    video.msid = Some("a film".into());
    Description { streams: vec![named("audio", opus, browser_transport(ufrag)), video], ..Description::default() }
}

/// What an endpoint describes that wants these pictures beside its sound: a telephone on a port of their own, all
/// others on the transport of the sound.
pub fn with_pictures(mut description: Description, codecs: &[Codec], direction: Direction) -> Description {
    let audio = description.streams[0].clone();
    let mut transport = audio.transport.clone();
    if let Some(address) = &mut transport.address {
        address.set_port(address.port() + 2);
    }
    let mid = audio.mid.map(|_| Mid("1".into()));
    description.groups.iter_mut().for_each(|g| g.mids.extend(mid.clone()));
    let video = stream(mid, codecs.to_vec(), transport, audio.rtcp_mux);
    description.streams.truncate(1);
    description.streams.push(Stream { kind: Kind::Video, direction, ..video });
    description
}

/// Candidates for the stream of this name, with ports from the given one.
pub fn candidates(mid: &str, ports: std::ops::Range<u16>, more: bool) -> Signal {
    let candidate = |port| Candidate {
        foundation: "1".into(),
        component: 1,
        protocol: CandidateProtocol::Udp,
        priority: u32::from(port),
        host: CandidateHost::Ip([198, 51, 100, 7].into()),
        port,
        kind: CandidateKind::Host,
        related: None,
        rest: "generation 0".into(),
    };
    let candidates = ports.map(candidate).collect();
    Signal::Candidates(Candidates { mid: Some(Mid(mid.into())), ufrag: None, candidates, more })
}

/// ICE with a candidate for RTP and one for RTCP.
pub fn on_two_ports(ice: Ice) -> Ice {
    let Signal::Candidates(Candidates { mut candidates, .. }) = candidates("0", 4000..4002, false) else { panic!() };
    candidates.iter_mut().zip(1..).for_each(|(candidate, component)| candidate.component = component);
    Ice { candidates, ..ice }
}

fn phone_transport(port: u16) -> Transport {
    let address = SocketAddr::from(([192, 0, 2, 1], port));
    Transport { seal: Seal::Plain, ice: None, address: Some(address), rtcp_address: None, feedback_profile: false }
}

/// A telephone's transport with a key of its own.
pub fn keyed_transport(name: &str, optional: bool) -> Transport {
    let key = vec![name.bytes().fold(0, u8::wrapping_add); 30];
    let cryptos = [Crypto::of(1, "AES_CM_128_HMAC_SHA1_80", &key)].into();
    Transport { seal: Seal::Sdes(Sdes { cryptos, optional }), ..phone_transport(4000) }
}

/// A browser's transport with this user name fragment, and a certificate of its own.
pub fn browser_transport(ufrag: &str) -> Transport {
    let bytes = vec![ufrag.bytes().fold(0, u8::wrapping_add); 32];
    let fingerprints = vec![Fingerprint { algorithm: "sha-256".into(), bytes }];
    let candidates: Vec<Candidate> = Vec::new();
    let ice = Ice { ufrag: ufrag.into(), pwd: "p".repeat(22), lite: false, candidates, more: true };
    Transport {
        seal: Seal::dtls(fingerprints, Setup::ActPass),
        ice: Some(ice),
        address: None,
        rtcp_address: None,
        feedback_profile: true,
    }
}

/// A hang-up as a telephone network says it.
pub fn refused(cause: Cause) -> Signal {
    Signal::Hangup(Hangup::new(cause))
}
