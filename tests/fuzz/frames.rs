//! The JSON frames of a browser.

use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, Dice, ExchangeId, LegId, LegMint};
use patchcord::model::{Address, Entry, Offer, Party, Signal, Start};
use patchcord::sdp;
use patchcord::web::{Config, ConnId, Endpoint, Output};
use serde_json::{Value, json};

use crate::shared;

const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n\
c=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlS1\r\n\
a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r\n\
a=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n";

/// Two browsers, each with a call that rings in, one that it makes and one that is up.
struct Rig {
    endpoint: Endpoint,
    now: Instant,
    mine: Vec<LegId>,
}

const VICTIM: ConnId = ConnId(1);
const ATTACKER: ConnId = ConnId(2);

impl Rig {
    fn new() -> Rig {
        let config = Config { guest: Some("web".into()), ..Config::default() };
        let endpoint = Endpoint::new(AdapterId(2), config, Arc::default(), Dice::for_test(3));
        let mut rig = Rig { endpoint, now: Instant::now(), mine: Vec::new() };
        rig.populate(VICTIM);
        rig.mine = rig.populate(ATTACKER);
        rig
    }

    fn populate(&mut self, conn: ConnId) -> Vec<LegId> {
        self.endpoint.handle_connected(self.now, conn, [127, 0, 0, 1].into());
        let token = self.endpoint.mint_token(self.now, "web").expect("a token");
        self.text(conn, &json!({"type": "hello", "version": 1, "token": token.expose()}).to_string());
        let mut contact = None;
        while let Some(output) = self.endpoint.poll_output() {
            if let Output::Bind(binding) = output {
                contact = Some(binding.contact);
            }
        }
        let description = sdp::read(SDP).expect("a description");
        let ringing = LegMint::said(AdapterId(conn.0 as u8)).mint();
        let start = Start {
            entry: Entry::Open,
            from: Party::new(Address::here("bob")),
            to: Address::here("web"),
            contact,
            trunk: None,
            offer: Some(Offer { exchange: ExchangeId::said(1), description }),
            hops_left: 70,
            about: Default::default(),
        };
        self.endpoint.say(self.now, ringing, Signal::Start(Box::new(start)));
        for name in ["out", "up"] {
            self.text(conn, &json!({"type": "call", "call": name, "to": "echo", "sdp": SDP}).to_string());
        }
        let mut legs = vec![ringing];
        while let Some(output) = self.endpoint.poll_output() {
            if let Output::Signal { leg, .. } = output {
                legs.push(leg);
            }
        }
        self.endpoint.say(self.now, legs[2], Signal::Accept);
        while self.endpoint.poll_output().is_some() {}
        legs
    }

    fn text(&mut self, conn: ConnId, text: &str) {
        self.endpoint.handle_text(self.now, conn, text);
    }

    /// Everything that comes of it is well formed, in measure, and about the attacker alone.
    fn check(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.endpoint.poll_output() {
            outputs += 1;
            match output {
                Output::Text { conn, text } => {
                    assert_eq!(conn, ATTACKER);
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    assert!(frame["type"].is_string());
                }
                Output::Signal { leg, signal: Signal::Start(_) } => self.mine.push(leg),
                Output::Signal { leg, .. } => assert!(self.mine.contains(&leg)),
                Output::Close { conn, .. } => assert_eq!(conn, ATTACKER),
                Output::Written(text) => assert_eq!(text.from.address, Address::here("web")),
                Output::Delivered { .. } | Output::Bind(_) | Output::Unbind(_) => {}
            }
        }
        assert!(outputs <= 16, "{outputs} outputs of one frame");
    }
}

/// Frames, one a line, from a browser that is signed in.
pub fn frames(data: &[u8]) {
    run(&mut Rig::new(), data);
}

fn run(rig: &mut Rig, data: &[u8]) {
    for line in String::from_utf8_lossy(data).split('\n') {
        rig.text(ATTACKER, line);
        rig.check();
        rig.now += Duration::from_millis(20);
        rig.endpoint.handle_timeout(rig.now);
        rig.check();
    }
}

/// A frame of each type, for each call.
fn seeds() -> Vec<String> {
    let mut seeds = vec![
        json!({"type": "hello", "version": 1, "token": "x", "resume": "y"}).to_string(),
        json!({"type": "text", "id": "t1", "to": "bob@example.org", "body": "Good evening"}).to_string(),
        json!({"type": "call", "call": "new", "to": "+1 555 0100", "sdp": SDP}).to_string(),
    ];
    let candidate = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0";
    for call in ["g1", "out", "up"] {
        seeds.extend(
            [
                json!({"type": "ringing", "call": call}),
                json!({"type": "answer", "call": call, "sdp": SDP}),
                json!({"type": "offer", "call": call, "sdp": SDP}),
                json!({"type": "refuse", "call": call}),
                json!({"type": "candidates", "call": call, "candidates": [candidate, ""], "mid": "0", "done": true}),
                json!({"type": "hold", "call": call, "on": true}),
                json!({"type": "mute", "call": call, "on": false}),
                json!({"type": "dtmf", "call": call, "digits": "0123456789*#ABCD", "duration_ms": 40}),
                json!({"type": "stats", "call": call}),
                json!({"type": "hangup", "call": call, "cause": "busy"}),
            ]
            .map(|frame| frame.to_string()),
        );
    }
    seeds
}

#[test]
fn no_frame_harms_the_endpoint_or_another_browser() {
    let seeds = seeds();
    let each = 10_000usize.div_ceil(seeds.len());
    for (number, seed) in seeds.iter().enumerate() {
        frames(seed.as_bytes());
        let mut rig = Rig::new();
        for (count, damaged) in shared::mutations(number as u64, seed.as_bytes(), each).enumerate() {
            // Calls end and connections close: a fresh rig from time to time keeps all states in reach.
            if count % 16 == 0 {
                rig = Rig::new();
            }
            run(&mut rig, &damaged);
        }
    }
}
