//! A whole shard of the relay, with a call of a browser and a phone, that anybody may send anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, CallId, Dice, LegMint};
use patchcord::media::leg::{Certificate, WallClock};
use patchcord::media::shard::{PortPair, Ports, Shard, ShardConfig, SocketId, TAILROOM};
use patchcord::model::{
    Codec, Graph, GraphLeg, IceMode, LegSpec, RelayCommand, RelayEvent, RemoteEnd, Seal, SealKind, Source, Transport,
};

use crate::shared;

struct Counting(u32);

impl Ports for Counting {
    fn open_pair(&mut self, _: Instant, _: bool) -> Option<PortPair> {
        self.0 += 2;
        Some(PortPair { rtp: SocketId(self.0), rtcp: SocketId(self.0 + 1), port: 20_000 })
    }

    fn close_pair(&mut self, _: Instant, _: PortPair) {}
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn shard(now: Instant, ports: &mut Counting) -> Shard {
    thread_local! {
        static CERTIFICATE: Certificate = Certificate::generate().unwrap();
    }
    let config = ShardConfig {
        advertised_v4: vec![address("192.0.2.1:0").ip()],
        advertised_v6: Vec::new(),
        ice_v4: Some((SocketId(0), 3478)),
        ice_v6: None,
        certificate: CERTIFICATE.with(Certificate::clone),
        wall: WallClock { at: now, since_1970: Duration::ZERO },
        sounds: Default::default(),
        effort: Default::default(),
    };
    let mut shard = Shard::new(config, Dice::for_test(3));
    let mut mint = LegMint::heard(AdapterId(1));
    let codecs = || (0..128).step_by(9).map(|n| Codec::new(n, "opus", 48_000, 2)).chain([Codec::pcmu()]).collect();
    let transport = |seal| Transport {
        seal,
        ice: None,
        address: Some(address("203.0.113.1:4000")),
        rtcp_address: None,
        feedback_profile: false,
    };
    let remote =
        RemoteEnd { transport: transport(Seal::Plain), codecs: codecs(), rtcp_mux: true, ptime: None, is_offer: true };
    let (a, b, c) = (mint.mint(), mint.mint(), mint.mint());
    let leg = |leg, spec, remote, hears| GraphLeg {
        leg,
        spec,
        remote,
        codecs: Arc::new(codecs()),
        sends: true,
        receives: true,
        hears,
        answered: true,
        keeps_sending: false,
        keys: Default::default(),
        video: None,
        transport_cc: None,
    };
    let naked = LegSpec { ice: IceMode::None, seal: SealKind::Dtls, ipv6: false };
    let legs = vec![
        leg(a, LegSpec::BROWSER, None, Source::Leg(b)),
        leg(b, LegSpec::PHONE, Some(Arc::new(remote)), Source::Leg(b)),
        leg(c, naked, None, Source::Leg(b)),
    ];
    shard.handle_command(
        now,
        RelayCommand::Apply(Graph { call: CallId(1), revision: 1, legs, taps: Vec::new() }),
        ports,
    );
    shard
}

/// Gives the datagram to every socket, from the phone and from a stranger, with time in between.
pub fn relay(data: &[u8]) {
    let mut now = Instant::now();
    let mut ports = Counting(0);
    let mut shard = shard(now, &mut ports);
    for from in ["203.0.113.1:4000", "203.0.113.1:4001", "198.51.100.1:9"].map(address) {
        for socket in (0..8).map(SocketId) {
            let mut buffer = data.to_vec();
            buffer.resize(data.len() + TAILROOM, 0);
            if let Some(out) = shard.handle_datagram(now, socket, from, &mut buffer, data.len()) {
                assert!(out.start <= out.end && out.end <= buffer.len());
                assert_eq!(out.to.ip(), address("203.0.113.1:4000").ip(), "nothing goes to strangers");
            }
            now += Duration::from_millis(20);
        }
        now += Duration::from_secs(3);
        shard.handle_timeout(now);
        let mut buffer = [0; 2048];
        while let Some(out) = shard.poll_transmit(&mut buffer) {
            assert_eq!(out.to.ip(), address("203.0.113.1:4000").ip(), "nothing goes to strangers");
        }
        while shard.poll_event().is_some() {}
    }
    shard.handle_command(now, RelayCommand::Remove(CallId(1)), &mut ports);
    assert_eq!(shard.legs(), 0);
    assert!(std::iter::from_fn(|| shard.poll_event()).any(|e| matches!(e, RelayEvent::Removed { .. })));
}

/// Puts what is in these folders, and a thousand mutations of it, before a shard.
fn put(folders: [&str; 2]) {
    let files: Vec<_> =
        folders.iter().flat_map(|folder| shared::files(folder)).filter(|(_, bytes)| bytes.len() < 2000).collect();
    let each = 1000usize.div_ceil(files.len().max(1));
    for (seed, (_, bytes)) in files.iter().enumerate() {
        relay(bytes);
        shared::mutations(seed as u64, bytes, each).for_each(|m| relay(&m));
    }
}

#[test]
fn no_datagram_of_media_does_harm_to_a_shard() {
    put(["cases/rtp", "cases/rtcp"]);
}

#[test]
fn no_datagram_of_stun_or_dtls_does_harm_to_a_shard() {
    put(["cases/stun", "fixtures/dtls"]);
}
