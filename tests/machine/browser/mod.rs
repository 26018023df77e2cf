//! The browsers' endpoint, driven by hand: frames and signals in, frames and signals out.

mod calls;
mod errors;
mod exchange;
mod resume;
mod rooms;
mod texts;
mod transfer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, Dice, ExchangeId, LegId, LegMint, Secret};
use patchcord::model::{
    Address, Answer, Binding, Contact, Description, Directory, Entry, Offer, Party, Signal, Start, Text, TextId,
    Undelivered, User,
};
use patchcord::sdp;
use patchcord::web::{Config, ConnId, Endpoint, Output};
use serde_json::{Value, json};

/// What Chromium offers for audio, before it has candidates.
pub const OFFER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\na=msid-semantic: WMS b5f7\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlS1\r\n\
a=ice-options:trickle\r\na=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:\
7B:6F:30:86:F2:30:AA:65:FB:04:24\r\na=setup:actpass\r\na=mid:0\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\na=msid:b5f7 4d2a\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\na=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\na=ssrc:3570614608 msid:b5f7 4d2a\r\n";

/// The users: alice has a number and a name to show, bob neither.
fn directory() -> Arc<Directory> {
    let alice = User {
        password: Secret::new("pencil"),
        display: Some("Alice".into()),
        number: Some("+15550111".into()),
        jid: None,
    };
    let bob = User { password: Secret::new("paper"), display: None, number: None, jid: None };
    Arc::new(Directory { users: [("alice".to_owned(), alice), ("bob".to_owned(), bob)].into() })
}

pub struct Rig {
    pub endpoint: Endpoint,
    pub now: Instant,
    said: LegMint,
    next_conn: u64,
    frames: Vec<(ConnId, String)>,
    pub closed: Vec<(ConnId, u16)>,
    pub signals: Vec<(LegId, Signal)>,
    pub bound: Vec<Binding>,
    pub written: Vec<Text>,
    pub delivered: Vec<(TextId, Result<(), Undelivered>)>,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(Config { guest: Some("web".into()), ..Config::default() })
    }

    pub fn with(config: Config) -> Rig {
        Rig {
            endpoint: Endpoint::new(AdapterId(2), config, directory(), Dice::for_test(1)),
            now: Instant::now(),
            said: LegMint::said(AdapterId(2)),
            next_conn: 0,
            frames: Vec::new(),
            closed: Vec::new(),
            signals: Vec::new(),
            bound: Vec::new(),
            written: Vec::new(),
            delivered: Vec::new(),
        }
    }

    pub fn connect(&mut self) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.endpoint.handle_connected(self.now, conn, [127, 0, 0, 1].into());
        self.drain();
        conn
    }

    pub fn token(&mut self, user: &str) -> String {
        self.endpoint.mint_token(self.now, user).expect("a token").expose().to_owned()
    }

    /// A connection of the user's, and its `welcome`.
    pub fn sign_in(&mut self, user: &str) -> (ConnId, Value) {
        let token = self.token(user);
        self.hello(json!({"type": "hello", "version": 1, "token": token}))
    }

    pub fn come_back(&mut self, welcome: &Value) -> (ConnId, Value) {
        self.hello(json!({"type": "hello", "version": 1, "resume": welcome["resume"]}))
    }

    fn hello(&mut self, hello: Value) -> (ConnId, Value) {
        let conn = self.connect();
        self.send(conn, &hello);
        let first = self.frame(conn);
        assert_eq!(first["type"], "welcome");
        (conn, first)
    }

    pub fn send(&mut self, conn: ConnId, frame: &Value) {
        self.send_text(conn, &frame.to_string());
    }

    pub fn send_text(&mut self, conn: ConnId, text: &str) {
        self.endpoint.handle_text(self.now, conn, text);
        self.drain();
    }

    pub fn close(&mut self, conn: ConnId) {
        self.endpoint.handle_closed(self.now, conn);
        self.drain();
    }

    pub fn leave(&mut self, conn: ConnId) {
        self.endpoint.handle_left(conn);
        self.drain();
    }

    pub fn say(&mut self, leg: LegId, signal: Signal) {
        self.endpoint.say(self.now, leg, signal);
        self.drain();
    }

    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn overflow(&mut self, leg: LegId, opens: bool) {
        self.endpoint.handle_overflow(leg, opens);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Text { conn, text } => self.frames.push((conn, text)),
                Output::Close { conn, code } => self.closed.push((conn, code)),
                Output::Signal { leg, signal } => self.signals.push((leg, signal)),
                Output::Written(text) => self.written.push(text),
                Output::Delivered { id, result } => self.delivered.push((id, result)),
                Output::Bind(binding) => self.bound.push(binding),
                Output::Unbind(binding) => self.bound.retain(|b| *b != binding),
            }
        }
    }

    /// The frames that the connection got since they were last taken.
    pub fn frames(&mut self, conn: ConnId) -> Vec<Value> {
        let (taken, kept) = std::mem::take(&mut self.frames).into_iter().partition(|(c, _)| *c == conn);
        self.frames = kept;
        let taken: Vec<(ConnId, String)> = taken;
        taken.into_iter().map(|(_, text)| serde_json::from_str(&text).expect("JSON")).collect()
    }

    /// The one frame that it got.
    pub fn frame(&mut self, conn: ConnId) -> Value {
        let mut frames = self.frames(conn);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    pub fn is_quiet(&self) -> bool {
        self.frames.is_empty() && self.signals.is_empty()
    }

    /// The signals since they were last taken.
    pub fn signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals).into_iter().map(|(_, s)| s).collect()
    }

    /// The one signal.
    pub fn signal(&mut self) -> (LegId, Signal) {
        assert_eq!(self.signals.len(), 1, "{:?}", self.signals);
        self.signals.remove(0)
    }

    /// Makes a call: its leg, and the exchange of its offer.
    pub fn call(&mut self, conn: ConnId, name: &str) -> (LegId, ExchangeId) {
        self.send(conn, &json!({"type": "call", "call": name, "to": "+15550100", "sdp": OFFER}));
        let (leg, Signal::Start(start)) = self.signal() else { panic!("no start") };
        (leg, start.offer.expect("an offer").exchange)
    }

    /// A call that is answered.
    pub fn connected(&mut self, conn: ConnId, name: &str) -> LegId {
        let (leg, exchange) = self.call(conn, name);
        self.say(leg, answer(exchange, false));
        self.say(leg, Signal::Accept);
        self.frames(conn);
        leg
    }

    /// Calls the user's first page: the leg, and the `incoming` frame.
    pub fn ring(&mut self, conn: ConnId) -> (LegId, Value) {
        self.ring_with(conn, |_| {})
    }

    /// The same with something else in what opens the call.
    pub fn ring_with(&mut self, conn: ConnId, change: impl FnOnce(&mut Start)) -> (LegId, Value) {
        let leg = self.said.mint();
        let contact = self.bound.first().expect("a page").contact.clone();
        let Signal::Start(mut opens) = start(contact) else { unreachable!() };
        change(&mut opens);
        self.say(leg, Signal::Start(opens));
        (leg, self.frame(conn))
    }
}

/// What the gateway describes, whatever it is.
pub fn description() -> Description {
    sdp::read(OFFER).expect("a description")
}

pub fn answer(exchange: ExchangeId, provisional: bool) -> Signal {
    Signal::Answer(Answer { exchange, description: description(), provisional })
}

pub fn offer(n: u32) -> Signal {
    Signal::Offer(Offer { exchange: ExchangeId::said(n), description: description() })
}

pub fn start(contact: Contact) -> Signal {
    let from = Party { display: Some("Carol".into()), ..Party::new(Address::here("+15550123")) };
    Signal::Start(Box::new(Start {
        entry: Entry::Open,
        from,
        to: Address::here("alice"),
        contact: Some(contact),
        trunk: None,
        offer: Some(Offer { exchange: ExchangeId::said(1), description: description() }),
        hops_left: 69,
        about: Default::default(),
    }))
}
