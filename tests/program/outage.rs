//! The outage drill over real sockets: what a caller sees, after how many seconds, when a carrier is gone, or the name
//! service, or a certificate.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;

use super::house::{Gateway, USERS, free_port, until};
use super::names::Names;
use super::phone::{Dialog, Phone};

/// What a caller waits at most until the next server or trunk rings, where nobody is at the first: without word of that it
/// is 32 s. A machine that is busy has room here.
const SOON: Duration = Duration::from_secs(12);
/// How long a server that swallows everything is waited for, if there is another, and room for a machine that is busy.
const SILENT: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(14);
/// What it takes at most to know that a name cannot be found, and the same room.
const UNFOUND: Duration = Duration::from_secs(20);

/// The service of a carrier whose name is in the zone.
const SERVICE: &str = "_sip._udp.carrier.test";

/// Trunks `first` and `second`; +1 goes to both, +2 to the first alone.
fn gateway(sip: SocketAddr, more: &str, first: &str, second: SocketAddr) -> Gateway {
    Gateway::with(&format!(
        "sip.listen = [\"udp:{sip}\", \"tcp:{sip}\", \"tls:127.0.0.1:0\"]\nweb.listen = \"127.0.0.1:0\"\n{more}\
         [[trunk]]\nname = \"first\"\n{first}\n[[trunk]]\nname = \"second\"\naddress = \"{second}\"\n\
         [[rule]]\nname = \"both\"\nwhen = {{ entry = \"user\", to = \"+1*\" }}\n\
         dial = [\"trunk:first\", \"trunk:second\"]\nring = \"8s\"\n\
         [[rule]]\nname = \"alone\"\nwhen = {{ entry = \"user\", to = \"+49*\" }}\ndial = \"trunk:first\"\n{USERS}"
    ))
}

fn at(address: SocketAddr) -> String {
    format!("address = \"{address}\"")
}

const NAMED: &str = "address = \"carrier.test\"";

fn alice(gateway: &Gateway) -> Phone {
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    alice
}

/// Alice calls, and `taker` answers: the call, and how long it was until it rang there.
fn answered_by(alice: &mut Phone, taker: &mut Phone) -> (Dialog, Dialog, Duration) {
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let call = scope.spawn(|| alice.call("+15550100"));
        let invite = taker.asked("INVITE");
        let waited = begun.elapsed();
        let theirs = taker.pick_up(&invite);
        (call.join().unwrap().unwrap(), theirs, waited)
    })
}

/// Alice calls by the first trunk alone, and is refused: the status, and after how long.
fn refused(alice: &mut Phone) -> (u16, Duration) {
    let begun = Instant::now();
    let status = alice.call("+4930123456").map(|_| ()).unwrap_err();
    (status, begun.elapsed())
}

/// Ends the gateway: the record of the last call.
fn last_record(gateway: &mut Gateway) -> Value {
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    gateway.records().pop().expect("a record")
}

fn why(record: &Value) -> &str {
    record["why"].as_str().unwrap_or_default()
}

#[test]
fn a_carrier_that_is_gone_costs_the_caller_seconds_and_the_next_one_takes_the_call() {
    let (sip, gone) = (free_port(), free_port());
    let mut second = Phone::new(sip, "second", "");
    let mut gateway = gateway(sip, "", &at(gone), second.address());
    let mut alice = alice(&gateway);
    let (mut up, _, waited) = answered_by(&mut alice, &mut second);
    assert!(waited < SOON, "{waited:?}");
    assert_eq!(alice.hang_up(&mut up), 200);
    gateway.program.log.expect("event=\"failover\"");
    let (status, waited) = refused(&mut alice);
    assert!(status == 502 && waited < SOON, "{status} after {waited:?}");
    let record = last_record(&mut gateway);
    assert_eq!(
        (record["cause"].as_str(), why(&record)),
        (Some("network"), "trunk:first: the peer could not be reached")
    );
}

#[test]
fn a_carrier_that_dies_in_the_middle_of_setting_up_is_left_for_the_next() {
    let sip = free_port();
    let (first, mut second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    let gateway = gateway(sip, "", &at(first.address()), second.address());
    let mut alice = alice(&gateway);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("+15550100").map(|_| ()));
        first.asked("INVITE");
        drop(first);
        let invite = second.asked("INVITE");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        second.pick_up(&invite);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_carrier_that_dies_while_it_rings_is_left_when_its_time_to_ring_is_over() {
    let sip = free_port();
    let (first, mut second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    let gateway = gateway(sip, "", &at(first.address()), second.address());
    let mut alice = alice(&gateway);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("+15550100").map(|_| ()));
        let invite = first.asked("INVITE");
        first.reply(&invite, 180);
        drop(first);
        let invite = second.asked("INVITE");
        let waited = begun.elapsed();
        let ring = Duration::from_secs(8);
        assert!(waited > ring && waited < ring + SOON, "{waited:?}");
        second.pick_up(&invite);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_carrier_that_dies_in_the_middle_of_a_call_is_told_in_log_and_record_and_the_caller_can_hang_up_at_once() {
    let sip = free_port();
    let (mut first, second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    let mut gateway = gateway(sip, "", &at(first.address()), second.address());
    let mut alice = alice(&gateway);
    let (mut up, theirs, _) = answered_by(&mut alice, &mut first);
    std::thread::scope(|scope| {
        let talk = scope.spawn(|| alice.talk(&up, 20));
        first.talk(&theirs, 20);
        talk.join().unwrap();
    });
    let dead = Instant::now();
    drop(first);
    let mut line = None;
    until("the silence is in the log", || {
        alice.say(&up);
        alice.hears();
        line = gateway.program.log.found("silent");
        line.is_some()
    });
    assert!(dead.elapsed() < Duration::from_secs(20), "{:?}", dead.elapsed());
    let begun = Instant::now();
    assert_eq!(alice.hang_up(&mut up), 200);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let record = last_record(&mut gateway);
    assert!(!why(&record).is_empty() && line.is_some_and(|line| line.contains(why(&record))), "{record}");
}

#[test]
fn of_several_servers_of_a_carrier_one_that_is_lost_costs_the_caller_seconds() {
    let (sip, gone, names) = (free_port(), free_port(), Names::start());
    let (mut first, second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    names.host("gw.carrier.test");
    names.server(SERVICE, 10, gone.port(), "gw.carrier.test");
    names.server(SERVICE, 20, first.address().port(), "gw.carrier.test");
    let mut gateway = gateway(sip, &names.setting(), NAMED, second.address());
    let mut alice = alice(&gateway);
    let (mut up, _, waited) = answered_by(&mut alice, &mut first);
    assert!(waited < SOON, "{waited:?}");
    assert_eq!(alice.hang_up(&mut up), 200);
    let line = gateway.program.log.expect("event=\"failover\"");
    assert!(line.contains(&gone.to_string()) && line.contains("the peer could not be reached"), "{line}");
    let record = last_record(&mut gateway);
    assert_eq!((record["target"].as_str(), why(&record)), (Some("trunk:first"), ""), "the carrier took the call");
}

#[test]
fn a_server_of_a_carrier_that_swallows_everything_costs_the_caller_four_seconds() {
    let (sip, names) = (free_port(), Names::start());
    let swallows = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut first, second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    names.host("gw.carrier.test");
    names.server(SERVICE, 10, swallows.local_addr().unwrap().port(), "gw.carrier.test");
    names.server(SERVICE, 20, first.address().port(), "gw.carrier.test");
    let mut gateway = gateway(sip, &names.setting(), NAMED, second.address());
    let mut alice = alice(&gateway);
    let (mut up, _, waited) = answered_by(&mut alice, &mut first);
    assert!(SILENT.contains(&waited), "{waited:?}");
    let line = gateway.program.log.expect("event=\"failover\"");
    assert!(line.contains("says nothing for 4 s"), "{line}");
    assert_eq!(alice.hang_up(&mut up), 200);
    let (.., waited) = answered_by(&mut alice, &mut first);
    assert!(waited < SOON, "it is tried last for a minute: {waited:?}");
}

#[test]
fn while_the_name_service_is_down_calls_go_where_they_went() {
    let (sip, names) = (free_port(), Names::start());
    let (mut first, second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    names.host("gw.carrier.test");
    names.server(SERVICE, 10, first.address().port(), "gw.carrier.test");
    let gateway = gateway(sip, &names.setting(), NAMED, second.address());
    let mut alice = alice(&gateway);
    let (mut up, ..) = answered_by(&mut alice, &mut first);
    assert_eq!(alice.hang_up(&mut up), 200);
    names.be_down(true);
    let (.., waited) = answered_by(&mut alice, &mut first);
    assert!(waited < SILENT.start, "{waited:?}");
}

#[test]
fn a_carrier_that_nobody_can_find_is_left_for_the_next_and_the_record_says_why() {
    let (sip, names) = (free_port(), Names::start());
    names.be_down(true);
    let mut second = Phone::new(sip, "second", "");
    let mut gateway = gateway(sip, &names.setting(), NAMED, second.address());
    let mut alice = alice(&gateway);
    let (mut up, _, waited) = answered_by(&mut alice, &mut second);
    assert!(waited < UNFOUND, "{waited:?}");
    assert_eq!(alice.hang_up(&mut up), 200);
    gateway.program.log.expect("event=\"dns\"");
    let (status, waited) = refused(&mut alice);
    assert!(status == 480 && waited < UNFOUND, "{status} after {waited:?}");
    let record = last_record(&mut gateway);
    assert_eq!(
        (record["cause"].as_str(), why(&record)),
        (Some("unavailable"), "trunk:first: the name service does not answer")
    );
}

#[test]
fn a_server_that_dies_at_its_address_of_ipv6_is_left_for_one_of_ipv4() {
    let (sip, names) = (free_port(), Names::start());
    let by_ipv6 = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let mut second = Phone::new(sip, "second", "");
    names.host_by_ipv6("six.carrier.test");
    names.host("four.carrier.test");
    names.server(SERVICE, 10, by_ipv6.local_addr().unwrap().port(), "six.carrier.test");
    names.server(SERVICE, 20, second.address().port(), "four.carrier.test");
    let mut gateway = Gateway::with(&format!(
        "sip.listen = [\"udp:{sip}\", \"udp:[::1]:0\"]\nweb.listen = \"127.0.0.1:0\"\n{}\
         [[trunk]]\nname = \"first\"\n{NAMED}\n[[rule]]\nname = \"all\"\n\
         when = {{ entry = \"user\", to = \"+1*\" }}\ndial = \"trunk:first\"\n{USERS}",
        names.setting()
    ));
    let mut alice = alice(&gateway);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("+15550100").map(|_| ()));
        let mut buffer = [0; 4096];
        by_ipv6.set_read_timeout(Some(super::house::PATIENCE)).unwrap();
        let length = by_ipv6.recv(&mut buffer).expect("an INVITE by IPv6");
        assert!(buffer[..length].starts_with(b"INVITE sip:+15550100@carrier.test"));
        let dead = Instant::now();
        drop(by_ipv6);
        let invite = second.asked("INVITE");
        assert!(dead.elapsed() < SILENT.end, "{:?}", dead.elapsed());
        second.pick_up(&invite);
        call.join().unwrap().unwrap();
    });
    assert!(gateway.program.log.expect("event=\"failover\"").contains("[::1]"));
}

#[test]
fn where_any_transport_will_do_naptr_says_which() {
    let (sip, names) = (free_port(), Names::start());
    let carrier = TcpListener::bind("127.0.0.1:0").unwrap();
    names.service("carrier.test", 20, "SIP+D2U", SERVICE);
    names.service("carrier.test", 10, "SIP+D2T", "_sip._tcp.carrier.test");
    names.host("gw.carrier.test");
    names.server("_sip._tcp.carrier.test", 10, carrier.local_addr().unwrap().port(), "gw.carrier.test");
    let second = Phone::new(sip, "second", "");
    let named = format!("{NAMED}\ntransport = \"any\"");
    let gateway = gateway(sip, &names.setting(), &named, second.address());
    let mut alice = alice(&gateway);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("+15550100").map(|_| ()));
        let (stream, _) = carrier.accept().unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        assert!(lines.next().unwrap().starts_with("INVITE sip:+15550100@carrier.test"));
        assert!(lines.next().unwrap().starts_with("Via: SIP/2.0/TCP"));
        // The carrier dies: its connection breaks, and the next trunk is asked at once.
        drop((lines, carrier));
        second.reply(&second.asked("INVITE"), 486);
        assert_eq!(call.join().unwrap(), Err(486));
    });
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(names.was_asked_for_naptr("carrier.test"));
}

/// A server by TLS with a certificate that was good until 2020: where it is, its root, and the thread that serves the one
/// connection.
fn expired() -> (SocketAddr, tempfile::TempDir, PathBuf, std::thread::JoinHandle<()>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, issuer.pem()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())];
    params.not_after = date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        assert!(connection.complete_io(&mut stream).is_err(), "the gateway takes the certificate");
    });
    (address, folder, root, thread)
}

#[test]
fn a_carrier_whose_certificate_has_expired_is_left_for_the_next_and_both_log_and_record_say_why() {
    let sip = free_port();
    let (address, _folder, root, server) = expired();
    let mut second = Phone::new(sip, "second", "");
    let first = format!("{}\ntransport = \"tls\"\nca = \"{}\"", at(address), root.display());
    let mut gateway = gateway(sip, "", &first, second.address());
    let mut alice = alice(&gateway);
    let begun = Instant::now();
    let status = alice.call("+4930123456").map(|_| ()).unwrap_err();
    assert!(status == 502 && begun.elapsed() < SOON, "{status} after {:?}", begun.elapsed());
    server.join().unwrap();
    gateway.program.log.expect("certificate expired");
    let (mut up, _, waited) = answered_by(&mut alice, &mut second);
    assert!(waited < SOON, "{waited:?}");
    assert_eq!(alice.hang_up(&mut up), 200);
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let records = gateway.records();
    let record = records.iter().find(|r| r["cause"] == "network").expect("a record");
    assert_eq!(why(record), "trunk:first: the peer could not be reached: its certificate has expired");
}
