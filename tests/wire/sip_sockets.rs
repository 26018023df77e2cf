//! The torture tests of RFC 4475 and the messages of RFC 5118 against the running endpoint, over UDP, TCP, TLS and
//! WebSocket: what is to be answered is, what is to be dropped is not, and the endpoint lives on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{join_all, ready};
use futures_util::{SinkExt, StreamExt, stream};
use patchcord::base::{AdapterId, Dice, LegId, certificates};
use patchcord::model::{Binding, Directory, Overflow, Signal, Switchboard};
use patchcord::sip::config::{Own, Tls};
use patchcord::sip::driver::{Limits, Running, start};
use patchcord::sip::flow::Transport;
use patchcord::sip::{Config, driver};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::shared;

/// Takes every call and says nothing.
struct Silent;

impl Switchboard for Silent {
    fn hear(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Ok(())
    }

    fn bind(&self, _: Binding) {}

    fn unbind(&self, _: &Binding) {}
}

/// An endpoint, and where its certificate is.
struct End {
    running: Running,
    folder: tempfile::TempDir,
}

fn endpoint() -> End {
    endpoint_with(Limits::default())
}

fn endpoint_with(limits: Limits) -> End {
    let listen = ["udp", "tcp", "tls", "ws"].map(|t| format!("{t}:127.0.0.1:0").parse().expect("a socket")).to_vec();
    let folder = tempfile::tempdir().expect("a folder");
    let tls = Tls { own: Some(Own::SelfSigned(folder.path().to_owned())), ..Tls::default() };
    let config = Config { listen, tls, open: true, domains: vec!["example.com".into()], ..Config::default() };
    let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
    let dice = Dice::for_test(4475);
    let running = start(AdapterId(1), config, limits, directory, Arc::new(Silent), dice).expect("free ports");
    End { running, folder }
}

fn address(running: &driver::Running, transport: Transport) -> SocketAddr {
    running.listen.iter().find(|l| l.transport == transport).expect("a socket").address
}

/// An OPTIONS of ours, whose answer comes after those to what was sent before it.
fn probe(transport: Transport, sent_by: SocketAddr) -> Vec<u8> {
    options("probe", transport, sent_by)
}

/// Another one, whose answer is looked at.
fn well(after: &str, transport: Transport) -> Vec<u8> {
    options(&format!("{after}-{}", transport.word()), transport, "127.0.0.1:5060".parse().expect("an address"))
}

fn options(name: &str, transport: Transport, sent_by: SocketAddr) -> Vec<u8> {
    format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/{} {sent_by};branch=z9hG4bK{name};rport\r\n\
         From: <sip:p@h>;tag=p\r\nTo: <sip:example.com>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        transport.via_word()
    )
    .into_bytes()
}

/// A response, read no further than needed: an answer to a malformed request repeats its malformed headers.
struct Answer {
    code: u16,
    to_probe: bool,
}

/// The first response of some bytes, and where it ends.
fn first_answer(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (_, length) = head.rsplit_once("\r\nContent-Length: ").expect("Content-Length stands last");
    let length: usize = length.trim().parse().expect("a number");
    let code = head.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).expect("a response");
    let answer = Answer { code: code.parse().expect("a number"), to_probe: head.contains("\r\nCall-ID: probe\r\n") };
    (bytes.len() >= end + length).then_some((answer, end + length))
}

/// What the endpoint says to a message by this transport, but for what it says to a probe behind it.
async fn answers(end: &End, by: Transport, bytes: &[u8]) -> Vec<u16> {
    let to = address(&end.running, by);
    match by {
        Transport::Udp => by_udp(to, bytes).await,
        Transport::Tcp => by_stream(TcpStream::connect(to).await.expect("an endpoint"), by, bytes).await,
        Transport::Tls => by_stream(by_tls(end).await, by, bytes).await,
        Transport::Ws | Transport::Wss => by_websocket(to, bytes).await,
    }
}

/// A connection by TLS.
async fn by_tls(end: &End) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let chain = certificates::chain(&end.folder.path().join("sip-certificate.pem")).expect("a certificate");
    roots.add_parsable_certificates(chain);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address(&end.running, Transport::Tls)).await.expect("an endpoint");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS")
}

/// The answers to a datagram go to its source, which its Via does not name.
async fn by_udp(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    phone.connect(to).await.expect("an endpoint");
    phone.send(bytes).await.expect("sent");
    phone.send(&probe(Transport::Udp, phone.local_addr().expect("bound"))).await.expect("sent");
    let (mut answers, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let length = phone.recv(&mut buffer).await.expect("an answer");
        let (answer, end) = first_answer(&buffer[..length]).expect("a whole response");
        assert_eq!(end, length);
        if answer.to_probe {
            return answers;
        }
        answers.push(answer.code);
    }
}

/// The end of a connection is an answer too.
async fn by_stream(mut phone: impl AsyncRead + AsyncWrite + Unpin, by: Transport, bytes: &[u8]) -> Vec<u16> {
    let probe = probe(by, "127.0.0.1:5060".parse().expect("an address"));
    // A message whose Content-Length counts more than there is swallows the probe, a stream that has lost
    // its frame ends; the blank lines keep what follows a message from running into the probe.
    phone.write_all(&[bytes, b"\r\n\r\n", &probe].concat()).await.expect("sent");
    phone.flush().await.expect("sent");
    let (mut read, mut answers, mut buffer) = (Vec::new(), Vec::new(), [0; 8192]);
    loop {
        while let Some((answer, end)) = first_answer(&read) {
            read.drain(..end);
            if answer.to_probe {
                return answers;
            }
            answers.push(answer.code);
        }
        match phone.read(&mut buffer).await {
            Ok(0) | Err(_) => return answers,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
        // Pongs stand between responses.
        let start = read.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(read.len());
        read.drain(..start);
    }
}

/// A WebSocket of a SIP client.
async fn websocket(to: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{to}/").into_client_request().expect("a URL");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().expect("a value"));
    let stream = TcpStream::connect(to).await.expect("an endpoint");
    tokio_tungstenite::client_async(request, stream).await.expect("a WebSocket").0
}

/// A message of a WebSocket ends where it ends, as a datagram does.
async fn by_websocket(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut phone = websocket(to).await;
    phone.send(Frame::binary(bytes.to_vec())).await.expect("sent");
    let probe = probe(Transport::Ws, "127.0.0.1:5060".parse().expect("an address"));
    phone.send(Frame::binary(probe)).await.expect("sent");
    let mut answers = Vec::new();
    loop {
        let frame = phone.next().await.expect("an answer").expect("a frame");
        if !(frame.is_text() || frame.is_binary()) {
            continue;
        }
        let (answer, end) = first_answer(&frame.clone().into_data()).expect("a whole response");
        assert_eq!(end, frame.len());
        if answer.to_probe {
            return answers;
        }
        answers.push(answer.code);
    }
}

fn torture() -> Vec<(String, Value, Vec<u8>)> {
    let files = shared::files("cases/sip/rfc4475");
    let Some((_, expect)) = files.iter().find(|(name, _)| name == "EXPECT.json") else { return Vec::new() };
    let expect: Value = serde_json::from_slice(expect).expect("JSON");
    let cases = expect["cases"].as_object().expect("cases");
    cases
        .iter()
        .map(|(name, case)| {
            let file = case["file"].as_str().expect("a file");
            let (_, bytes) = files.iter().find(|(name, _)| name == file).expect("the message");
            (name.clone(), case.clone(), bytes.clone())
        })
        .collect()
}

fn judge(by: &str, name: &str, case: &Value, answers: &[u16], wrong: &mut Vec<String>) {
    let acceptable: Vec<&str> =
        case["acceptable_answers"].as_array().expect("answers").iter().filter_map(Value::as_str).collect();
    let finals: Vec<u16> = answers.iter().copied().filter(|code| *code != 100).collect();
    // RFC 3261 §10.3: the registrar asks who it is before it looks at what is to be registered.
    let registers = ["cparam02", "unksm2"].contains(&name);
    let fits = |code: u16| acceptable.iter().any(|a| a.starts_with(&code.to_string())) || (registers && code == 401);
    let processed = acceptable.iter().any(|a| {
        ["process", "fall back", "treat as"].iter().any(|w| a.starts_with(w)) || a.contains("normal REGISTER")
    });
    let dropped = acceptable.iter().any(|a| a.starts_with("discard") || a.starts_with("treat as"));
    let good = match finals.as_slice() {
        [] => dropped || processed,
        [code] => fits(*code) || processed,
        _ => false,
    };
    if !good {
        wrong.push(format!("{by} {name}: {finals:?} instead of {acceptable:?}"));
    }
}

/// One of each kind of framing: a WebSocket under TLS is the sum of two.
const TRANSPORTS: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws];

#[tokio::test]
async fn every_message_of_rfc_4475_gets_its_answer_over_every_transport() {
    let test = async {
        let mut wrong = Vec::new();
        for by in TRANSPORTS {
            // An endpoint for each: to one the second of two equal requests would be the first one repeated.
            let end = endpoint();
            for (name, case, bytes) in torture() {
                let answers = answers(&end, by, &bytes).await;
                // Over a stream the two requests of dblreq are two.
                let is_two = name == "dblreq" && matches!(by, Transport::Tcp | Transport::Tls);
                let answers = if is_two { answers.get(..1).unwrap_or_default() } else { &answers };
                judge(by.word(), &name, &case, answers, &mut wrong);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    tokio::time::timeout(Duration::from_secs(300), test).await.expect("the endpoint hangs");
}

/// The messages of RFC 5118 §4, with what is right to answer: those that are well formed come to their user (`INVITE`s of
/// the domain are taken, so that nothing final is said) or are asked for a password.
fn ipv6_messages() -> Vec<(&'static str, String, &'static [u16])> {
    let register = |uri: &str, to: &str, via: &str, contact: &str| {
        let branch = via.rsplit('-').next().unwrap_or_default();
        format!(
            "REGISTER {uri} SIP/2.0\r\nTo: {to}\r\nFrom: sip:user@example.com;tag=81x2\r\nVia: {via}\r\n\
             Call-ID: SSG95{branch}@[2001:db8::20]\r\nMax-Forwards: 70\r\nContact: {contact}\r\n\
             CSeq: 98176 REGISTER\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let invite = |name: &str, uri: &str, extra: &str, body: &str| {
        format!(
            "INVITE {uri} SIP/2.0\r\nTo: sip:user@[2001:db8::10]\r\nFrom: sip:user@example.com;tag=81x2\r\n\
             Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-{name}\r\n{extra}Call-ID: {name}@[2001:db8::20]\r\n\
             Contact: \"Caller\" <sip:caller@[2001:db8::20]>\r\nCSeq: 8612 INVITE\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let sdp = |origin: &str, connection: &str| {
        format!(
            "v=0\r\no=assistant 971731711378798081 0 IN {origin}\r\ns=Live video feed for today's meeting\r\n\
             c=IN {connection}\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n\
             m=audio 6024 RTP/AVP 0 8\r\n"
        )
    };
    let v6 = sdp("IP6 2001:db8::20", "IP6 2001:db8::20");
    let via = |rest: &str| format!("SIP/2.0/UDP [2001:db8::9:1]{rest}");
    let contact = "\"Caller\" <sip:caller@[2001:db8::1]>";
    let (domain, user) = ("sip:[2001:db8::10]", "sip:user@example.com");
    vec![
        (
            "4.1 a valid message with an IPv6 reference",
            register(domain, user, &via(";branch=z9hG4bKas3-111"), contact),
            &[401],
        ),
        (
            "4.2 an IPv6 reference without its brackets",
            register("sip:2001:db8::10", user, &via(";branch=z9hG4bKas3-112"), contact),
            &[400],
        ),
        (
            "4.3 a port that is ambiguous, and so is part of the address",
            register("sip:[2001:db8::10:5070]", user, &via(";branch=z9hG4bKas3-113"), contact),
            &[401],
        ),
        (
            "4.4 a port that is not",
            register("sip:[2001:db8::10]:5070", user, &via(";branch=z9hG4bKas3-114"), contact),
            &[401],
        ),
        (
            "4.5 received with brackets and without",
            register(domain, user, &via(";received=[2001:db8::9:255];branch=z9hG4bKas3-115"), contact),
            &[401],
        ),
        (
            "4.5 the other",
            register(domain, user, &via(";received=2001:db8::9:255;branch=z9hG4bKas3-116"), contact),
            &[401],
        ),
        (
            "4.6 several addresses in SIP headers",
            invite(
                "46",
                "sip:user@[2001:db8::10]",
                "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\nVia: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\n",
                &v6,
            ),
            &[],
        ),
        (
            "4.7 several addresses in a description",
            invite(
                "47",
                "sip:user@[2001:db8::10]",
                "",
                &v6.replace("m=audio 6024", "m=audio 22334")
                    .replace("RTP/AVP 0 8\r\n", "RTP/AVP 0 8\r\nc=IN IP4 192.0.2.1\r\n"),
            ),
            &[],
        ),
        (
            "4.8 IPv4-mapped addresses",
            invite("48", "sip:user@example.com", "", &sdp("IP6 ::ffff:192.0.2.10", "IP6 ::ffff:192.0.2.10")),
            &[],
        ),
        (
            "4.9 reliability of the parser: %-escaped zone is no host",
            register("sip:[fe80::1%25eth0]", user, &via(";branch=z9hG4bKas3-119"), contact),
            &[400],
        ),
        ("4.10 three colons", invite("410", "sip:user@[2001:db8:::192.0.2.1]", "", &v6), &[400]),
    ]
}

#[tokio::test]
async fn every_message_of_rfc_5118_gets_its_answer_over_every_transport() {
    let test = async {
        for by in TRANSPORTS {
            let end = endpoint();
            for (name, text, right) in ipv6_messages() {
                let answers = answers(&end, by, text.as_bytes()).await;
                let finals: Vec<u16> = answers.into_iter().filter(|code| *code >= 200).collect();
                assert_eq!(finals, right, "{} {name}", by.word());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(300), test).await.expect("the endpoint hangs");
}

/// How long a message may be under way where many declare more than they have: no test is to wait for them.
const UNFINISHED: Duration = Duration::from_millis(500);

/// Whether it is neither a response nor an ACK.
fn wants_an_answer(message: &[u8]) -> bool {
    let message = message.trim_ascii_start();
    !message.starts_with(b"SIP/2.0") && !message.starts_with(b"ACK")
}

/// Sends the suites of other stacks by this transport. Each message is read by the parser: most are answered, and behind
/// each the endpoint answers on the same connection, or has closed it.
async fn hostile(by: Transport) {
    let end = endpoint_with(Limits { message: UNFINISHED, ..Limits::default() });
    // What a socket of datagrams cannot hold is lost.
    let at_once = if by == Transport::Udp { 1 } else { 16 };
    for suite in super::hostile::suites() {
        let all = stream::iter(&suite.messages).map(|message| answers(&end, by, message)).buffer_unordered(at_once);
        let answered = all.filter(|codes| ready(!codes.is_empty())).count().await;
        let (name, sent) = (suite.name, suite.messages.len());
        let asking = suite.messages.iter().filter(|message| wants_an_answer(message)).count();
        println!("{name} by {}: {sent} messages, {answered} of {asking} answered", by.word());
        assert!(2 * answered > asking, "{name} by {}: {answered} of {asking} are answered", by.word());
        assert_eq!(answers(&end, by, &well(name, by)).await, [200], "after {name} by {}", by.word());
    }
    end.running.handle.stop().await;
    end.running.task.await.expect("the task ends without a panic");
}

#[tokio::test]
async fn hostile_messages_do_not_end_the_endpoint() {
    let test = join_all(TRANSPORTS.map(hostile));
    tokio::time::timeout(Duration::from_secs(300), test).await.expect("the endpoint hangs");
}

#[tokio::test]
async fn what_is_neither_tls_nor_a_websocket_is_let_go_at_their_doors() {
    let test = async {
        let end = endpoint();
        for bytes in super::hostile::suites().iter().flat_map(|suite| &suite.messages).step_by(20) {
            for by in [Transport::Tls, Transport::Ws] {
                let mut stream = TcpStream::connect(address(&end.running, by)).await.expect("an endpoint");
                // The endpoint may close before all is written.
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
        for by in TRANSPORTS {
            assert_eq!(answers(&end, by, &well("doors", by)).await, [200], "{}", by.word());
        }
    };
    tokio::time::timeout(Duration::from_secs(300), test).await.expect("the endpoint hangs");
}
