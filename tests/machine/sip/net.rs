//! Endpoints and scripted peers on a network of our own, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::base::{AdapterId, Dice, LegId, LegMint};
use patchcord::model::{
    Address, Binding, Codec, Description, Direction, Directory, Entry, Kind, Offer, Party, Seal, Signal, Start, Stream,
    Text, TextId, Transport as MediaTransport, Undelivered,
};
use patchcord::sip::config::{Config, Listen, Trunk};
use patchcord::sip::locate::{Located, Wish};
use patchcord::sip::message::{Message, Method, Request};
use patchcord::sip::stir::fetched::File;
use patchcord::sip::trunk::keep_alive::PING;
use patchcord::sip::{Endpoint, Flow, Output, Transport};
use patchcord::stun::is_stun;

/// How long a message takes.
pub const LATENCY: Duration = Duration::from_millis(10);

/// Something at an address.
pub struct End {
    pub address: SocketAddr,
    pub endpoint: Endpoint,
    /// What the call side was told, oldest first.
    pub heard: Vec<(LegId, Signal)>,
    pub bound: Vec<Binding>,
    /// Messages between people that came in.
    pub texts: Vec<Text>,
    /// What became of those that went out.
    pub delivered: Vec<(TextId, Result<(), Undelivered>)>,
    pub mint: LegMint,
}

/// A message on its way.
struct Letter {
    at: Instant,
    order: u64,
    flow: Flow,
    bytes: Bytes,
}

/// Whether a message is lost.
type Filter = Box<dyn FnMut(&Flow, &Message) -> bool>;

/// The network.
pub struct Net {
    pub now: Instant,
    pub start: Instant,
    pub ends: Vec<End>,
    letters: Vec<Letter>,
    order: u64,
    /// Of a hundred datagrams so many are lost.
    pub loss_percent: u32,
    /// Loses what it says `true` to.
    pub filter: Filter,
    /// The name service answers nothing.
    pub names_down: bool,
    dice: Dice,
    /// Every message that was sent, whether it arrived or not: when, from, to, its first word or status.
    pub sent: Vec<(Duration, SocketAddr, SocketAddr, Message)>,
    /// What came to addresses where nobody is: a test plays that peer.
    pub mail: Vec<(Flow, Message)>,
    /// What was sent to keep flows alive.
    pub keep_alives: Vec<(Duration, Flow, Bytes)>,
    /// The connections that ends have let go of.
    pub closed: Vec<Flow>,
    /// The addresses that ends want to have fetched.
    pub fetches: Vec<(usize, String)>,
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Net {
    pub fn new(seed: u64) -> Net {
        let now = Instant::now();
        Net {
            now,
            start: now,
            ends: Vec::new(),
            letters: Vec::new(),
            order: 0,
            loss_percent: 0,
            filter: Box::new(|_, _| false),
            names_down: false,
            dice: Dice::for_test(seed),
            sent: Vec::new(),
            mail: Vec::new(),
            keep_alives: Vec::new(),
            closed: Vec::new(),
            fetches: Vec::new(),
        }
    }

    /// Adds an endpoint that listens on UDP and TCP.
    pub fn add(&mut self, at: &str, config: Config, directory: Directory) -> usize {
        let address = address(at);
        let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, address }).to_vec();
        let config = Config { listen, ..config };
        let adapter = AdapterId(self.ends.len() as u8 + 1);
        let endpoint = Endpoint::new(self.now, adapter, config, Arc::new(directory), self.dice.split());
        let mint = LegMint::said(adapter);
        self.ends.push(End {
            address,
            endpoint,
            heard: Vec::new(),
            bound: Vec::new(),
            texts: Vec::new(),
            delivered: Vec::new(),
            mint,
        });
        self.ends.len() - 1
    }

    /// Two endpoints that are each other's trunk, called `peer`.
    pub fn pair(seed: u64) -> Net {
        Net::pair_with(seed, |_| {})
    }

    pub fn pair_with(seed: u64, change: impl Fn(&mut Trunk)) -> Net {
        let mut net = Net::new(seed);
        let config = |peer: &str| {
            let mut trunk = Trunk::at(peer.parse().unwrap());
            change(&mut trunk);
            Config { trunks: BTreeMap::from([("peer".to_owned(), trunk)]), ..Config::default() }
        };
        net.add("10.0.0.1:5060", config("10.0.0.2:5060"), Directory::default());
        net.add("10.0.0.2:5060", config("10.0.0.1:5060"), Directory::default());
        net
    }

    /// An endpoint whose trunk `peer` is played by the test, at 10.0.0.9:5060.
    pub fn with_script(seed: u64, change: impl Fn(&mut Trunk)) -> Net {
        let mut net = Net::new(seed);
        let mut trunk = Trunk::at("10.0.0.9:5060".parse().unwrap());
        change(&mut trunk);
        let config = Config { trunks: BTreeMap::from([("peer".to_owned(), trunk)]), ..Config::default() };
        net.add("10.0.0.1:5060", config, Directory::default());
        net
    }

    /// Says a signal on a leg of an end.
    pub fn say(&mut self, end: usize, leg: LegId, signal: Signal) {
        let now = self.now;
        self.ends[end].endpoint.say(now, leg, signal);
        self.drain(end);
    }

    /// Opens a leg to the trunk `peer`.
    pub fn call(&mut self, end: usize, offer: Option<Description>) -> LegId {
        self.call_start(end, |start| start.offer = offer.map(|d| Offer { exchange: said(0), description: d }))
    }

    pub fn call_start(&mut self, end: usize, change: impl FnOnce(&mut Start)) -> LegId {
        let leg = self.ends[end].mint.mint();
        let mut start = Start {
            entry: Entry::Open,
            from: Party::new(Address::here("+15550111")),
            to: Address::here("+15550100"),
            contact: None,
            trunk: Some("peer".into()),
            offer: None,
            hops_left: 42,
            about: Default::default(),
        };
        change(&mut start);
        self.say(end, leg, Signal::Start(Box::new(start)));
        leg
    }

    /// Writes a message from an end.
    pub fn write(&mut self, end: usize, change: impl FnOnce(&mut Text)) -> TextId {
        self.order += 1;
        let id = TextId { adapter: AdapterId(0), number: self.order };
        let mut text = Text {
            id,
            entry: Entry::Open,
            from: Party::new(Address::here("+15550111")),
            to: Address::here("+15550100"),
            contact: None,
            trunk: Some("peer".into()),
            body: "Wherefore art thou?".into(),
        };
        change(&mut text);
        let now = self.now;
        self.ends[end].endpoint.send_text(now, text);
        self.drain(end);
        id
    }

    /// Tells an end what became of the message that came in last.
    pub fn delivered(&mut self, end: usize, result: Result<(), Undelivered>) {
        let text = self.ends[end].texts.pop().expect("nobody wrote");
        let now = self.now;
        self.ends[end].endpoint.text_delivered(now, text.id, result);
        self.drain(end);
    }

    /// A scripted peer sends something to an end.
    pub fn inject(&mut self, from: SocketAddr, end: usize, message: impl Into<Message>) {
        self.inject_by(Transport::Udp, from, end, message.into().to_bytes());
    }

    pub fn inject_by(&mut self, transport: Transport, from: SocketAddr, end: usize, bytes: Bytes) {
        let flow = Flow { transport, local: self.ends[end].address, remote: from };
        let now = self.now;
        self.ends[end].endpoint.handle_message(now, flow, Message::read_datagram(bytes));
        self.drain(end);
    }

    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].endpoint.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => self.post(flow, bytes),
                Output::Close { flow } => {
                    self.closed.push(flow);
                    let now = self.now;
                    self.ends[end].endpoint.handle_transport_error(now, flow, None);
                }
                Output::Signal { leg, signal } => self.ends[end].heard.push((leg, signal)),
                Output::Text(text) => self.ends[end].texts.push(*text),
                Output::Delivered(id, result) => self.ends[end].delivered.push((id, result)),
                Output::Bind(binding) => {
                    let bound = &mut self.ends[end].bound;
                    match bound.iter_mut().find(|known| known.is_of_device(&binding)) {
                        Some(known) => *known = binding,
                        None => bound.push(binding),
                    }
                }
                Output::Unbind(binding) => self.ends[end].bound.retain(|b| !b.is_of_device(&binding)),
                Output::Fetch { address } => self.fetches.push((end, address)),
                Output::Resolve { id, wish } => {
                    let Wish { host, port, transport, .. } = wish;
                    let addresses = match host.as_str() {
                        _ if self.names_down => Vec::new(),
                        "two.example.org" => vec![address("10.0.0.9:5060"), address("10.0.0.8:5060")],
                        "peer.example.org" => vec![address("10.0.0.9:5060")],
                        "other.example.org" => vec![SocketAddr::new("10.0.0.8".parse().unwrap(), port.unwrap_or(5060))],
                        _ => Vec::new(),
                    };
                    let located = Located::at(transport.unwrap_or(Transport::Udp), addresses);
                    let now = self.now;
                    self.ends[end].endpoint.handle_resolved(now, id, located);
                }
            }
        }
    }

    /// What was fetched for an end.
    pub fn fetched(&mut self, end: usize, address: &str, file: Result<File, &'static str>) {
        let now = self.now;
        self.ends[end].endpoint.handle_fetched(now, address.to_owned(), file);
        self.drain(end);
    }

    fn post(&mut self, flow: Flow, bytes: Bytes) {
        if bytes.as_ref() == PING || is_stun(&bytes) {
            return self.keep_alives.push((self.now - self.start, flow, bytes));
        }
        let message = Message::read_datagram(bytes.clone()).expect("an endpoint writes what can be read");
        self.sent.push((self.now - self.start, flow.local, flow.remote, message.clone()));
        let lost = (self.filter)(&flow, &message)
            || (flow.transport == Transport::Udp && self.dice.below(100) < self.loss_percent);
        if lost {
            return;
        }
        self.order += 1;
        let flow = Flow { local: flow.remote, remote: flow.local, ..flow };
        self.letters.push(Letter { at: self.now + LATENCY, order: self.order, flow, bytes });
    }

    /// Lets time pass until nothing more happens before `until` from now.
    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        // What a test did to an endpoint directly.
        for end in 0..self.ends.len() {
            self.drain(end);
        }
        for _ in 0..1_000_000 {
            let letter = self.letters.iter().map(|l| l.at).min();
            let deadlines = self.ends.iter().filter_map(|e| e.endpoint.poll_timeout());
            let Some(next) = deadlines.chain(letter).min().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            self.deliver();
            for end in 0..self.ends.len() {
                let now = self.now;
                self.ends[end].endpoint.handle_timeout(now);
                self.drain(end);
            }
        }
        panic!("it never comes to rest");
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (mut due, later): (Vec<_>, Vec<_>) = self.letters.drain(..).partition(|l| l.at <= now);
        self.letters = later;
        due.sort_by_key(|l| (l.at, l.order));
        for letter in due {
            let message = Message::read_datagram(letter.bytes);
            match self.ends.iter().position(|e| e.address == letter.flow.local) {
                Some(end) => {
                    self.ends[end].endpoint.handle_message(now, letter.flow, message);
                    self.drain(end);
                }
                None => self.mail.push((letter.flow, message.unwrap())),
            }
        }
    }

    /// The signals that an end heard since last asked, in words; but for that the peer takes INFO, which each of ours
    /// does.
    pub fn words(&mut self, end: usize) -> Vec<String> {
        let heard = self.take_heard(end);
        heard.iter().filter(|(_, s)| *s != Signal::TakesDigits(true)).map(|(_, s)| word(s)).collect()
    }

    pub fn take_heard(&mut self, end: usize) -> Vec<(LegId, Signal)> {
        std::mem::take(&mut self.ends[end].heard)
    }

    /// The leg of the last `Start` that an end heard.
    pub fn incoming(&self, end: usize) -> LegId {
        let start = self.ends[end].heard.iter().rev().find(|(_, s)| matches!(s, Signal::Start(_)));
        start.expect("nobody called").0
    }

    /// What was sent since last asked: `1>2 INVITE`, by the last byte of the addresses.
    pub fn ladder(&mut self) -> Vec<String> {
        let host = |a: SocketAddr| match a.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3].to_string(),
            std::net::IpAddr::V6(_) => "6".into(),
        };
        std::mem::take(&mut self.sent)
            .iter()
            .map(|(_, from, to, message)| {
                let what = match message {
                    Message::Request(request) => request.method.as_str().to_owned(),
                    Message::Response(response) => {
                        let cseq = response.headers.cseq().unwrap();
                        format!("{} {}", response.code(), cseq.method)
                    }
                };
                let body = match message {
                    _ if message.body().is_empty() => "",
                    Message::Request(request) if request.method == Method::MESSAGE => " text",
                    _ => " sdp",
                };
                format!("{}>{} {what}{body}", host(*from), host(*to))
            })
            .collect()
    }

    /// The last request of that method among the mail of the scripted peer.
    pub fn request(&self, method: &str) -> Request {
        let found = self.mail.iter().rev().find_map(|(_, m)| match m {
            Message::Request(r) if r.method.as_str() == method => Some(r.clone()),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {method} in the mail"))
    }

    /// Nothing is left of any call once all that could still come has come.
    pub fn assert_all_forgotten(&mut self) {
        self.run(Duration::from_secs(80));
        for end in &self.ends {
            assert!(end.endpoint.is_idle(), "{} still holds something", end.address);
        }
    }
}

/// The `n`th exchange of ours.
pub fn said(n: u32) -> patchcord::base::ExchangeId {
    patchcord::base::ExchangeId::said(n)
}

/// The media of a telephone at a port.
pub fn media(port: u16) -> Description {
    media_with(port, Direction::SendRecv)
}

pub fn media_with(port: u16, direction: Direction) -> Description {
    let stream = Stream {
        mid: None,
        kind: Kind::Audio,
        accepted: true,
        direction,
        codecs: vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event(101, 8000)],
        transport: MediaTransport {
            seal: Seal::Plain,
            ice: None,
            address: Some(address(&format!("192.0.2.7:{port}"))),
            rtcp_address: None,
            feedback_profile: false,
        },
        rtcp_mux: false,
        sources: Vec::new(),
        source_groups: Vec::new(),
        msid: None,
        header_extensions: Vec::new(),
        mixed_extensions: false,
        reduced_rtcp: false,
        ptime: None,
        bandwidth_kbps: None,
        extras: Vec::new(),
    };
    Description { streams: vec![stream], groups: Vec::new(), extras: Vec::new() }
}

/// The port of the audio in a description.
pub fn port(description: &Description) -> u16 {
    description.audio().unwrap().transport.address.unwrap().port()
}

/// A signal in short.
pub fn word(signal: &Signal) -> String {
    match signal {
        Signal::Start(start) => match &start.offer {
            Some(offer) => format!("start {}", port(&offer.description)),
            None => "start".into(),
        },
        Signal::Progress(p) if p.early_media => format!("{:?} with media", p.stage),
        Signal::Progress(p) => format!("{:?}", p.stage),
        Signal::Accept => "accept".into(),
        Signal::Offer(offer) => format!("offer {}", port(&offer.description)),
        Signal::Answer(answer) if answer.provisional => format!("early answer {}", port(&answer.description)),
        Signal::Answer(answer) => format!("answer {}", port(&answer.description)),
        Signal::Refuse { cause, .. } => format!("refuse {cause}"),
        Signal::Solicit(_) => "solicit".into(),
        Signal::Dtmf(dtmf) => format!("digit {} {}", dtmf.digit, dtmf.duration.as_millis()),
        Signal::Hangup(hangup) => format!("hangup {}", hangup.cause),
        other => format!("{other:?}"),
    }
}
