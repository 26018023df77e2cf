//! A shard between peers that are tables of packets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, CallId, Dice, LegId, LegMint};
use patchcord::media::leg::{Certificate, WallClock};
use patchcord::media::shard::{PortPair, Ports, Shard, ShardConfig, SocketId, TAILROOM};
use patchcord::media::sound::Shelf;
use patchcord::model::{
    Codec, Graph, GraphLeg, LegSpec, LocalEnd, RelayCommand, RelayEvent, RemoteEnd, Seal, Source, Transport,
};
use patchcord::rtp::{Fields, Packet};

/// The socket of all ICE legs.
pub const SHARED: SocketId = SocketId(0);

/// Ports that count up from 20000, socket 2n for RTP and 2n + 1 for RTCP.
#[derive(Default)]
pub struct Counting {
    pub opened: u32,
    pub closed: Vec<PortPair>,
    pub exhausted: bool,
}

impl Ports for Counting {
    fn open_pair(&mut self, _: Instant, _: bool) -> Option<PortPair> {
        if self.exhausted {
            return None;
        }
        self.opened += 1;
        let rtp = SocketId(self.opened * 2);
        Some(PortPair { rtp, rtcp: SocketId(rtp.0 + 1), port: 20_000 + self.opened as u16 * 2 })
    }

    fn close_pair(&mut self, _: Instant, pair: PortPair) {
        self.closed.push(pair);
    }
}

/// A datagram that left the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub at: Instant,
    pub socket: SocketId,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn fields(&self) -> Fields {
        Packet::parse(&self.bytes).expect("an RTP packet").fields()
    }

    pub fn payload(&self) -> &[u8] {
        Packet::parse(&self.bytes).expect("an RTP packet").payload()
    }

    /// RTCP for one who listens there, or on the port after it.
    pub fn is_rtcp_for(&self, address: SocketAddr) -> bool {
        let is_there = self.to.ip() == address.ip() && [address.port(), address.port() + 1].contains(&self.to.port());
        is_there && patchcord::rtp::kind(&self.bytes) == patchcord::rtp::Kind::Rtcp
    }

    pub fn is_rtp(&self) -> bool {
        patchcord::rtp::kind(&self.bytes) == patchcord::rtp::Kind::Rtp
    }
}

pub struct World {
    pub now: Instant,
    pub shard: Shard,
    pub sounds: Shelf,
    pub ports: Counting,
    pub events: VecDeque<RelayEvent>,
    pub sent: Vec<Sent>,
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub const CALL: CallId = CallId(7);

pub fn legs() -> (LegId, LegId) {
    let mut mint = LegMint::heard(AdapterId(1));
    (mint.mint(), mint.mint())
}

impl World {
    pub fn new() -> World {
        let start = Instant::now();
        let sounds = Shelf::default();
        let config = ShardConfig {
            advertised_v4: vec![at("192.0.2.1:0").ip()],
            advertised_v6: vec![at("[2001:db8::1]:0").ip()],
            ice_v4: Some((SHARED, 3478)),
            ice_v6: None,
            certificate: Certificate::generate().expect("a certificate"),
            wall: WallClock { at: start, since_1970: Duration::from_secs(1_700_000_000) },
            sounds: sounds.clone(),
            effort: Default::default(),
        };
        World {
            now: start,
            sounds,
            shard: Shard::new(config, Dice::for_test(1)),
            ports: Counting::default(),
            events: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// Gives an order, as bytes: the calls may be on another machine.
    pub fn order(&mut self, command: RelayCommand) {
        let bytes = postcard::to_allocvec(&command).expect("bytes");
        let order: RelayCommand = postcard::from_bytes(&bytes).expect("an order");
        assert_eq!(order, command);
        self.shard.handle_command(self.now, order, &mut self.ports);
        self.drain();
    }

    pub fn apply(&mut self, revision: u32, legs: &[GraphLeg]) {
        self.order(RelayCommand::Apply(Graph { call: CALL, revision, legs: legs.to_vec(), taps: Vec::new() }));
    }

    /// The socket of a leg that has one of its own, as it was told last.
    pub fn wire(&mut self, leg: LegId) -> SocketId {
        let port = self.ready(leg).transport.address.expect("an address").port();
        SocketId(u32::from(port - 20_000))
    }

    /// A datagram arrives; what goes out from its buffer is added to `sent`.
    pub fn arrive(&mut self, socket: SocketId, from: SocketAddr, bytes: &[u8]) {
        let mut buffer = bytes.to_vec();
        buffer.resize(bytes.len() + TAILROOM, 0);
        let out = self.shard.handle_datagram(self.now, socket, from, &mut buffer, bytes.len());
        if let Some(out) = out {
            let bytes = buffer[out.start..out.end].to_vec();
            self.sent.push(Sent { at: self.now, socket: out.socket, to: out.to, bytes });
        }
        self.drain();
    }

    /// Lets time pass, doing what is due when it is due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.shard.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.shard.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut buffer = [0; 2048];
        while let Some(out) = self.shard.poll_transmit(&mut buffer) {
            let bytes = buffer[out.start..out.end].to_vec();
            self.sent.push(Sent { at: self.now, socket: out.socket, to: out.to, bytes });
        }
        self.shard.release_ports(self.now, &mut self.ports);
        while let Some(event) = self.shard.poll_event() {
            let bytes = postcard::to_allocvec(&event).expect("bytes");
            let told: RelayEvent = postcard::from_bytes(&bytes).expect("an event");
            assert_eq!(told, event);
            self.events.push_back(told);
        }
    }

    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// RTP that was sent to an address, and forgets all that was sent.
    pub fn take_rtp(&mut self, to: SocketAddr) -> Vec<Sent> {
        self.take_sent().into_iter().filter(|s| s.to == to && s.is_rtp()).collect()
    }

    pub fn take_events(&mut self) -> Vec<RelayEvent> {
        self.events.drain(..).collect()
    }

    /// The last end of ours that was told of a leg.
    pub fn ready(&mut self, leg: LegId) -> LocalEnd {
        let found = self.events.iter().rev().find_map(|event| match event {
            RelayEvent::Ready { leg: l, local, .. } if *l == leg => Some((**local).clone()),
            _ => None,
        });
        found.expect("the leg is ready")
    }
}

/// A telephone's own words.
pub fn phone(address: &str, codecs: &[Codec]) -> RemoteEnd {
    RemoteEnd {
        transport: Transport {
            seal: Seal::Plain,
            ice: None,
            address: Some(at(address)),
            rtcp_address: None,
            feedback_profile: false,
        },
        codecs: codecs.to_vec(),
        rtcp_mux: false,
        ptime: None,
        is_offer: false,
    }
}

pub fn plain_leg(leg: LegId, remote: Option<RemoteEnd>, codecs: &[Codec], hears: Source) -> GraphLeg {
    GraphLeg {
        leg,
        spec: LegSpec::PHONE,
        remote: remote.map(Arc::new),
        codecs: Arc::new(codecs.to_vec()),
        sends: true,
        receives: true,
        hears,
        answered: true,
        keeps_sending: false,
        keys: Default::default(),
        video: None,
        transport_cc: None,
    }
}

/// A source of RTP packets, one each 20 ms.
pub struct Speaker {
    pub ssrc: u32,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub step: u32,
}

impl Speaker {
    pub fn new(ssrc: u32, payload_type: u8, step: u32) -> Speaker {
        Speaker { ssrc, payload_type, sequence: 65_530, timestamp: 4_294_967_000, step }
    }

    pub fn next(&mut self, payload: &[u8]) -> Vec<u8> {
        let fields = Fields {
            marker: false,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.step);
        let mut packet = vec![0; 12];
        fields.write_new(&mut packet);
        packet.extend_from_slice(payload);
        packet
    }
}
