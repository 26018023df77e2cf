#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::ring::Ring;
use super::*;
use crate::base::{AdapterId, LegId, LegMint};
use crate::media::config::{Driver, RecordingConfig};
use crate::model::{
    Cause, Codec, Graph, GraphLeg, LegSpec, RecordingFormat, RemoteEnd, Seal, Source, Tap, TapEnd, TapId, TapWord,
    Transport,
};
use crate::rtp::{Fields, Packet};

/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);

struct Bench {
    relay: RelayHandle,
    events: mpsc::Receiver<RelayEvent>,
}

impl Bench {
    fn new(config: RelayConfig) -> Bench {
        let (sender, events) = mpsc::sync_channel(1000);
        let on_events: OnEvents = Arc::new(move |events| {
            events.into_iter().for_each(|event| _ = sender.try_send(event));
        });
        Bench { relay: start(config, on_events).expect("a relay"), events }
    }

    fn wait<T>(&self, wanted: impl Fn(&RelayEvent) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("an event");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    fn address(&self, wanted: LegId) -> SocketAddr {
        self.wait(|event| match event {
            RelayEvent::Ready { leg, local, .. } if *leg == wanted => local.transport.address,
            _ => None,
        })
    }
}

fn leg(leg: LegId, socket: &UdpSocket, hears: Source) -> GraphLeg {
    let address = socket.local_addr().expect("an address");
    let transport =
        Transport { seal: Seal::Plain, ice: None, address: Some(address), rtcp_address: None, feedback_profile: false };
    GraphLeg {
        leg,
        spec: LegSpec { ipv6: address.is_ipv6(), ..LegSpec::PHONE },
        remote: Some(Arc::new(RemoteEnd {
            transport,
            codecs: vec![Codec::pcmu()],
            rtcp_mux: false,
            ptime: None,
            is_offer: true,
        })),
        codecs: Arc::new(vec![Codec::pcmu()]),
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

fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket
}

fn packet(sequence: u16) -> [u8; 172] {
    let mut packet = [sequence as u8; 172];
    let fields = Fields { marker: false, payload_type: 0, sequence, timestamp: 160 * u32::from(sequence), ssrc: 5 };
    fields.write_new(&mut packet);
    packet
}

/// What is said of every way to the network.
macro_rules! on_each_driver {
    ($($sentence:ident)*) => {
        mod on_epoll {
            $(#[test] fn $sentence() { super::$sentence(super::loopback(super::Driver::Epoll)); })*
        }
        mod on_io_uring {
            $(#[test] fn $sentence() {
                match super::Ring::new() {
                    Ok(_) => super::$sentence(super::loopback(super::Driver::IoUring)),
                    Err(why) => eprintln!("NOT TESTED: no io_uring here: {why}"),
                }
            })*
        }
    };
}

on_each_driver! {
    packets_pass_between_two_sockets_over_ipv4
    packets_pass_between_ipv6_and_ipv4
    each_shard_has_ports_of_its_own_and_its_calls_stay_with_it
    a_strangers_packets_are_neither_forwarded_nor_answered_and_move_nobody
    a_storm_on_one_leg_does_not_keep_the_packets_of_another
    what_is_more_than_a_socket_holds_is_counted_as_refused
}

fn loopback(driver: Driver) -> RelayConfig {
    RelayConfig { driver, ..RelayConfig::loopback() }
}

fn a_call_between(base: RelayConfig, first: &str, second: &str) {
    let config = RelayConfig { bind_v6: Some(Ipv6Addr::LOCALHOST), ports: 41_000..=41_999, ..base };
    let bench = Bench::new(config);
    let (a_phone, b_phone) = (phone(first), phone(second));
    let mut mint = LegMint::heard(AdapterId(1));
    let (a, b) = (mint.mint(), mint.mint());
    let call = CallId(1);
    let legs = vec![leg(a, &a_phone, Source::Leg(b)), leg(b, &b_phone, Source::Leg(a))];
    bench.relay.order(RelayCommand::Apply(Graph { call, revision: 1, legs, taps: Vec::new() })).expect("room");
    let (to_a, to_b) = (bench.address(a), bench.address(b));
    let mut buffer = [0; 2000];
    for sequence in 1..=20 {
        for (sender, relay, receiver) in [(&a_phone, to_a, &b_phone), (&b_phone, to_b, &a_phone)] {
            sender.send_to(&packet(sequence), relay).expect("sent");
            let length = receiver.recv(&mut buffer).expect("a packet");
            let got = Packet::parse(&buffer[..length]).expect("RTP");
            assert_eq!(got.payload(), &packet(sequence)[12..]);
        }
    }
    bench.relay.order(RelayCommand::Remove(call)).expect("room");
    let figures = bench.wait(|event| match event {
        RelayEvent::Removed { legs, .. } => Some(legs.clone()),
        _ => None,
    });
    assert!(figures.iter().all(|leg| (leg.packets_in, leg.packets_out, leg.lost_in) == (20, 20, 0)), "{figures:?}");
    bench.relay.stop();
    assert!(bench.relay.order(RelayCommand::Remove(call)).is_err());
}

fn packets_pass_between_two_sockets_over_ipv4(base: RelayConfig) {
    a_call_between(base, "127.0.0.1:0", "127.0.0.1:0");
}

fn packets_pass_between_ipv6_and_ipv4(base: RelayConfig) {
    a_call_between(base, "[::1]:0", "127.0.0.1:0");
}

fn each_shard_has_ports_of_its_own_and_its_calls_stay_with_it(base: RelayConfig) {
    let config = RelayConfig { shards: 2, ports: 42_000..=42_999, ..base };
    let bench = Bench::new(config);
    let socket = phone("127.0.0.1:0");
    let mut mint = LegMint::heard(AdapterId(1));
    let ports: Vec<u16> = (0..4)
        .map(|call| {
            let id = mint.mint();
            let legs = vec![leg(id, &socket, Source::Echo)];
            bench
                .relay
                .order(RelayCommand::Apply(Graph { call: CallId(call), revision: 1, legs, taps: Vec::new() }))
                .expect("room");
            bench.address(id).port()
        })
        .collect();
    assert!(ports.iter().enumerate().all(|(n, port)| (*port < 42_500) == (n % 2 == 0)), "{ports:?}");
    assert!(ports.iter().all(|port| port % 2 == 0));
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_a_word() {
    let refused = |config| start(config, Arc::new(|_| {})).map(|_| ()).expect_err("refused").to_string();
    let base = RelayConfig::loopback;
    assert!(refused(RelayConfig { shards: 0, ..base() }).contains("1 to 64 shards"));
    assert!(refused(RelayConfig { bind_v4: None, ..base() }).contains("IPv4 or an IPv6"));
    assert!(refused(RelayConfig { bind_v4: Some(Ipv4Addr::UNSPECIFIED), ..base() }).contains("advertise"));
}

/// A call of two phones on a relay of their own: the phones, and where the relay listens for each.
fn call(config: RelayConfig) -> (Bench, [UdpSocket; 2], [SocketAddr; 2]) {
    let bench = Bench::new(config);
    let phones = [phone("127.0.0.1:0"), phone("127.0.0.1:0")];
    let mut mint = LegMint::heard(AdapterId(1));
    let (a, b) = (mint.mint(), mint.mint());
    let legs = vec![leg(a, &phones[0], Source::Leg(b)), leg(b, &phones[1], Source::Leg(a))];
    bench
        .relay
        .order(RelayCommand::Apply(Graph { call: CallId(1), revision: 1, legs, taps: Vec::new() }))
        .expect("room");
    let at = [bench.address(a), bench.address(b)];
    (bench, phones, at)
}

fn a_strangers_packets_are_neither_forwarded_nor_answered_and_move_nobody(base: RelayConfig) {
    let (_bench, [a, b], [to_a, to_b]) = call(RelayConfig { ports: 43_000..=43_999, ..base });
    let stranger = phone("127.0.0.1:0");
    let mut buffer = [0; 2000];
    let mut pass = |sender: &UdpSocket, relay: SocketAddr, receiver: &UdpSocket, sequence: u16| {
        sender.send_to(&packet(sequence), relay).expect("sent");
        let length = receiver.recv(&mut buffer).expect("a packet");
        assert_eq!(Packet::parse(&buffer[..length]).expect("RTP").payload(), &packet(sequence)[12..]);
    };
    pass(&a, to_a, &b, 1);
    pass(&b, to_b, &a, 1);
    for sequence in 1000..1050 {
        for leg in [to_a, to_b] {
            let rtcp = SocketAddr::new(leg.ip(), leg.port() + 1);
            stranger.send_to(&packet(sequence), leg).expect("sent");
            stranger.send_to(&[0x81, 201, 0, 7, 0, 0, 0, 9], rtcp).expect("sent");
        }
        // What arrives first is the peer's, and arrives at the peer.
        pass(&a, to_a, &b, sequence);
        pass(&b, to_b, &a, sequence);
    }
    stranger.set_nonblocking(true).expect("a flag");
    assert_eq!(stranger.recv(&mut [0; 10]).map_err(|e| e.kind()), Err(io::ErrorKind::WouldBlock));
}

fn a_storm_on_one_leg_does_not_keep_the_packets_of_another(base: RelayConfig) {
    let bench = Bench::new(RelayConfig { ports: 44_000..=44_999, ..base });
    let (quiet, loud) = (phone("127.0.0.1:0"), phone("127.0.0.1:0"));
    let mut mint = LegMint::heard(AdapterId(1));
    let mut echo = |number: u64, socket: &UdpSocket| {
        let id = mint.mint();
        let legs = vec![leg(id, socket, Source::Echo)];
        let graph = Graph { call: CallId(number), revision: 1, legs, taps: Vec::new() };
        bench.relay.order(RelayCommand::Apply(graph)).expect("room");
        bench.address(id)
    };
    let (to_quiet, to_loud) = (echo(1, &quiet), echo(2, &loud));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sequence = 0u16;
            while !is_over.load(Ordering::Relaxed) {
                sequence = sequence.wrapping_add(1);
                let _ = loud.send_to(&packet(sequence), to_loud);
            }
        });
        let mut buffer = [0; 2000];
        for sequence in 1..=100 {
            quiet.send_to(&packet(sequence), to_quiet).expect("sent");
            let got = quiet.recv(&mut buffer).map(|length| Packet::parse(&buffer[..length]).is_some());
            assert!(matches!(got, Ok(true)), "{got:?} of packet {sequence}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn what_is_more_than_a_socket_holds_is_counted_as_refused(base: RelayConfig) {
    let bench = Bench::new(RelayConfig { ports: 45_000..=45_999, ..base });
    let loud = phone("127.0.0.1:0");
    let id = LegMint::heard(AdapterId(1)).mint();
    let legs = vec![leg(id, &loud, Source::Nothing)];
    let call = CallId(1);
    bench.relay.order(RelayCommand::Apply(Graph { call, revision: 1, legs, taps: Vec::new() })).expect("room");
    let relay = bench.address(id);
    let storm: Vec<[u8; 172]> = (0..1000).map(packet).collect();
    loop {
        storm.iter().for_each(|packet| {
            let _ = loud.send_to(packet, relay);
        });
        bench.relay.order(RelayCommand::Stats(call)).expect("room");
        let refused = bench.wait(|event| match event {
            RelayEvent::Stats { legs, .. } => legs.first().map(|leg| leg.refused),
            _ => None,
        });
        if refused > 0 {
            break;
        }
    }
}

#[test]
fn a_recorded_call_leaves_a_file_for_its_owner_alone_with_each_phone_on_its_channel() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let recording = RecordingConfig { directory: Some(folder.path().join("made")), ..RecordingConfig::default() };
    let config = RelayConfig { ports: 46_000..=46_999, recording, ..RelayConfig::loopback() };
    let bench = Bench::new(config);
    let (a_phone, b_phone) = (phone("127.0.0.1:0"), phone("127.0.0.1:0"));
    let mut mint = LegMint::heard(AdapterId(1));
    let (a, b) = (mint.mint(), mint.mint());
    let call = CallId(1);
    let legs = vec![leg(a, &a_phone, Source::Leg(b)), leg(b, &b_phone, Source::Leg(a))];
    let to = TapEnd::File { path: "call.wav".into(), format: RecordingFormat::Wav };
    let good = Tap { id: TapId(1), legs: [Some(a), Some(b)], to };
    let to = TapEnd::File { path: "../call.wav".into(), format: RecordingFormat::Wav };
    let bad = Tap { id: TapId(2), to, ..good.clone() };
    let graph = Graph { call, revision: 1, legs, taps: Vec::new() };
    bench.relay.order(RelayCommand::Apply(graph.clone())).expect("room");
    let to_a = bench.address(a);
    let taps = vec![good, bad];
    bench.relay.order(RelayCommand::Apply(Graph { revision: 2, taps, ..graph })).expect("room");
    let ended = |wanted: u32| {
        bench.wait(|event| match event {
            RelayEvent::TapEnded { tap, why, .. } if tap.0 == wanted => Some(why.clone()),
            _ => None,
        })
    };
    assert!(ended(2).expect("a reason").contains("out of the folder"));
    // µ-law 0x9f is loud; only the caller says anything.
    for sequence in 1..=10 {
        let mut loud = packet(sequence);
        loud[12..].iter_mut().enumerate().for_each(|(n, octet)| *octet = if n % 16 < 8 { 0x9f } else { 0x1f });
        a_phone.send_to(&loud, to_a).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.relay.order(RelayCommand::Remove(call)).expect("room");
    assert_eq!(ended(1), None);
    let path = folder.path().join("made/call.wav");
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let file = std::fs::read(&path).expect("a file");
    let loudest = |channel: usize| {
        let samples =
            file[44..].chunks_exact(4).map(|pair| i16::from_le_bytes([pair[2 * channel], pair[2 * channel + 1]]));
        samples.map(i16::unsigned_abs).max()
    };
    assert!(loudest(0) > Some(1000), "{:?}", loudest(0));
    assert_eq!(loudest(1), Some(0));
    bench.relay.stop();
}

/// A program at the end of a fork: hears the caller alone, says something to the callee alone, and goes.
// The crate wants so large an error.
#[allow(clippy::result_large_err)]
async fn bot(listener: tokio::net::TcpListener, shown: mpsc::SyncSender<String>) {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    let (stream, _) = listener.accept().await.expect("a connection");
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let header = request.headers().get("authorization").and_then(|h| h.to_str().ok()).unwrap_or_default();
        let _ = shown.try_send(format!("{} {header}", request.uri().path()));
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, note).await.expect("a WebSocket");
    let start = socket.next().await.expect("a message").expect("a message").into_text().expect("text");
    let _ = shown.try_send(start.to_string());
    let mut loudest = [0, 0];
    while loudest[0] < 3000 {
        let Message::Binary(octets) = socket.next().await.expect("a message").expect("a message") else { continue };
        assert_eq!(octets.len(), 1280);
        for (n, pair) in octets.chunks_exact(2).enumerate() {
            loudest[n % 2] = i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs().max(loudest[n % 2]);
        }
    }
    assert_eq!(loudest[1], 0, "the callee says nothing");
    socket.send(Message::text(r#"{"type":"to","parties":["callee"]}"#)).await.expect("sent");
    let speech: Vec<u8> =
        (0..16_000).flat_map(|n| if n % 50 < 25 { 12_000i16 } else { -12_000 }.to_le_bytes()).collect();
    socket.send(Message::binary(speech)).await.expect("sent");
    let until = tokio::time::Instant::now() + Duration::from_secs(1);
    while tokio::time::timeout_at(until, socket.next()).await.is_ok() {}
    socket.close(None).await.expect("closed");
}

#[test]
fn a_fork_hears_each_party_on_its_channel_and_whom_it_speaks_to_hears_it_mixed_with_the_other() {
    let forks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let listener = forks.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a socket");
    let url = format!("ws://{}/listen", listener.local_addr().expect("an address"));
    let (shown, told) = mpsc::sync_channel(10);
    let bot = forks.spawn(bot(listener, shown));
    let fork_token = Some(crate::base::Secret::new("it-is-us"));
    let bench = Bench::new(RelayConfig { ports: 47_000..=47_999, fork_token, ..RelayConfig::loopback() });
    let (a_phone, b_phone) = (phone("127.0.0.1:0"), phone("127.0.0.1:0"));
    let mut mint = LegMint::heard(AdapterId(1));
    let (a, b) = (mint.mint(), mint.mint());
    let legs = vec![leg(a, &a_phone, Source::Leg(b)), leg(b, &b_phone, Source::Leg(a))];
    let taps = vec![Tap { id: TapId(1), legs: [Some(a), Some(b)], to: TapEnd::WebSocket { url, rate_hz: 16_000 } }];
    bench.relay.order(RelayCommand::Apply(Graph { call: CallId(1), revision: 1, legs, taps })).expect("room");
    let to_a = bench.address(a);
    let linear = |octet: u8| crate::media::codec::g711::LINEAR_OF_ULAW[usize::from(octet)];
    let (mut sequence, mut buffer) = (0, [0; 2000]);
    let (mut peaks, mut mixed) = ([0, 0], Vec::new());
    // µ-law 0xaf is a third as loud as what the program says.
    let mut say = |peaks: &mut [u16; 2], mixed: &mut Vec<i16>| {
        sequence += 1;
        let mut loud = packet(sequence);
        loud[12..].iter_mut().enumerate().for_each(|(n, octet)| *octet = if n % 16 < 8 { 0xaf } else { 0x2f });
        a_phone.send_to(&loud, to_a).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
        for (phone, peak) in [&a_phone, &b_phone].into_iter().zip(peaks) {
            phone.set_nonblocking(true).expect("a flag");
            while let Ok(length) = phone.recv(&mut buffer) {
                let heard = Packet::parse(&buffer[..length]).expect("RTP").payload().to_vec();
                let loudest = heard.iter().map(|o| linear(*o).unsigned_abs()).max().unwrap_or(0);
                *peak = loudest.max(*peak);
                if loudest > 9000 {
                    mixed.extend(heard.iter().map(|o| linear(*o)));
                }
            }
        }
    };
    while !bot.is_finished() {
        say(&mut peaks, &mut mixed);
    }
    forks.block_on(bot).expect("the program is content");
    assert_eq!(told.recv().expect("a request"), "/listen Bearer it-is-us");
    let start: serde_json::Value = serde_json::from_str(&told.recv().expect("a message")).expect("JSON");
    assert_eq!((&start["type"], &start["rate"], &start["channels"]), (&"start".into(), &16_000.into(), &2.into()));
    assert_eq!(peaks[0], 0, "nothing was said to the caller");
    let level = |hz: f64| {
        let angle = |n: usize| std::f64::consts::TAU * hz * n as f64 / 8000.0;
        let part = |f: fn(f64) -> f64| mixed.iter().enumerate().map(|(n, s)| f64::from(*s) * f(angle(n))).sum::<f64>();
        2.0 * part(f64::sin).hypot(part(f64::cos)) / mixed.len() as f64
    };
    // A frame that comes late on a busy machine leaves a gap, which lowers both.
    assert!(level(500.0) > 1500.0, "the callee hears the caller: {}", level(500.0));
    assert!(level(320.0) > 5000.0, "and the program: {}", level(320.0));
    let why = bench.wait(|event| match event {
        RelayEvent::TapEnded { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert!(why.expect("a reason").contains("was closed"));
    // The way back to the caller alone.
    let mut peaks = [0, 0];
    (0..20).for_each(|_| say(&mut [0, 0], &mut Vec::new()));
    (0..10).for_each(|_| say(&mut peaks, &mut Vec::new()));
    assert!((3000..6000).contains(&peaks[1]), "the callee hears the caller alone again: {}", peaks[1]);
    bench.relay.stop();
}

/// A program that listens at 8 kHz until the gateway is done: the lengths of what it heard, and what it was told.
async fn listener(
    listener: tokio::net::TcpListener,
    hears: mpsc::SyncSender<()>,
) -> (Vec<usize>, Vec<serde_json::Value>) {
    use futures_util::StreamExt;
    use tokio_tungstenite::tungstenite::Message;
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
    let (mut lengths, mut told) = (Vec::new(), Vec::new());
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(octets))) => {
                lengths.push(octets.len());
                let _ = hears.try_send(());
            }
            Some(Ok(Message::Text(words))) => told.push(serde_json::from_str(words.as_str()).expect("JSON")),
            Some(Ok(Message::Close(_))) | None => return (lengths, told),
            Some(Ok(_)) => {}
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

#[test]
fn a_fork_hears_at_its_own_rate_and_is_told_of_keys_and_of_the_end() {
    let forks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let socket = forks.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a socket");
    let url = format!("ws://{}/", socket.local_addr().expect("an address"));
    let (hears, heard) = mpsc::sync_channel(1);
    let listening = forks.spawn(listener(socket, hears));
    let bench = Bench::new(RelayConfig { ports: 45_800..=45_899, ..RelayConfig::loopback() });
    let phone = phone("127.0.0.1:0");
    let a = LegMint::heard(AdapterId(1)).mint();
    let to = TapEnd::WebSocket { url, rate_hz: 8000 };
    let (call, tap) = (CallId(1), TapId(1));
    let graph = Graph {
        call,
        revision: 1,
        legs: vec![leg(a, &phone, Source::Nothing)],
        taps: vec![Tap { id: tap, legs: [Some(a), None], to }],
    };
    bench.relay.order(RelayCommand::Apply(graph)).expect("room");
    bench.address(a);
    let digit = TapWord::Digit { leg: a, digit: '#', duration: Duration::from_millis(120) };
    heard.recv_timeout(PATIENCE).expect("the program hears");
    for word in [digit, TapWord::Over(Cause::Busy)] {
        bench.relay.order(RelayCommand::Tell { call, tap, word }).expect("room");
    }
    bench.relay.order(RelayCommand::Remove(call)).expect("room");
    let (lengths, told) = forks.block_on(listening).expect("the program is content");
    assert!(!lengths.is_empty() && lengths.iter().all(|length| *length == 640), "20 ms at 8 kHz: {lengths:?}");
    assert_eq!((&told[0]["type"], &told[0]["rate"]), (&"start".into(), &8000.into()));
    let digit = serde_json::json!({ "type": "digit", "party": "caller", "digit": "#", "duration_ms": 120 });
    assert_eq!(told[1..], [digit, serde_json::json!({ "type": "stop", "cause": "busy" })]);
    bench.relay.stop();
}
