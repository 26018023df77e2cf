//! The torture tests of RFC 4475 against the running endpoint, over UDP and TCP: what is to be answered is,
//! what is to be dropped is not, and the endpoint lives on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patchcord::base::{AdapterId, Dice, LegId};
use patchcord::model::{Binding, Directory, Overflow, Signal, Switchboard};
use patchcord::sip::driver::{Limits, Running, start};
use patchcord::sip::flow::Transport;
use patchcord::sip::{Config, driver};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

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

fn endpoint() -> Running {
    let listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(|l| l.parse().expect("a socket")).to_vec();
    let config = Config { listen, open: true, domains: vec!["example.com".into()], ..Config::default() };
    let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
    let dice = Dice::for_test(4475);
    start(AdapterId(1), config, Limits::default(), directory, Arc::new(Silent), dice).expect("free ports")
}

fn address(running: &driver::Running, transport: Transport) -> SocketAddr {
    running.listen.iter().find(|l| l.transport == transport).expect("a socket").address
}

/// An OPTIONS of ours, whose answer comes after those to what was sent before it.
fn probe(transport: Transport, sent_by: SocketAddr) -> Vec<u8> {
    format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/{} {sent_by};branch=z9hG4bKprobe;rport\r\n\
         From: <sip:p@h>;tag=p\r\nTo: <sip:example.com>\r\nCall-ID: probe\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
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

/// What the endpoint says to a datagram, 100 left out. The answer goes to the datagram's source, which its
/// Via does not name.
async fn by_udp(running: &Running, bytes: &[u8]) -> Vec<u16> {
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    phone.connect(address(running, Transport::Udp)).await.expect("an endpoint");
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

/// The same on a connection; the end of the connection is an answer too.
async fn by_tcp(running: &Running, bytes: &[u8]) -> Vec<u16> {
    let mut phone = TcpStream::connect(address(running, Transport::Tcp)).await.expect("an endpoint");
    let probe = probe(Transport::Tcp, phone.local_addr().expect("bound"));
    // A message whose Content-Length counts more than there is swallows the probe, a stream that has lost
    // its frame ends; the blank lines keep what follows a message from running into the probe.
    phone.write_all(&[bytes, b"\r\n\r\n", &probe].concat()).await.expect("sent");
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

#[tokio::test]
async fn every_message_of_rfc_4475_gets_its_answer_over_udp_and_tcp() {
    let test = async {
        // Two endpoints: to one the second of two equal requests would be the first one repeated.
        let (udp, tcp) = (endpoint(), endpoint());
        let mut wrong = Vec::new();
        for (name, case, bytes) in torture() {
            judge("udp", &name, &case, &by_udp(&udp, &bytes).await, &mut wrong);
            let answers = by_tcp(&tcp, &bytes).await;
            // Over a stream the two requests of dblreq are two.
            let answers = if name == "dblreq" { answers.get(..1).unwrap_or_default() } else { &answers };
            judge("tcp", &name, &case, answers, &mut wrong);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the endpoint hangs");
}

#[tokio::test]
async fn hostile_messages_do_not_end_the_endpoint() {
    let test = async {
        let running = endpoint();
        for folder in ["cases/sip/kamailio-misc", "cases/sip/pjsip-seed", "cases/sip/protos-c07"] {
            for (_, bytes) in shared::files(folder) {
                let phone = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
                phone.send_to(&bytes, address(&running, Transport::Udp)).await.expect("sent");
                let mut stream = TcpStream::connect(address(&running, Transport::Tcp)).await.expect("an endpoint");
                // The endpoint may close before all is written.
                let _ = stream.write_all(&bytes).await;
            }
        }
        assert!(by_udp(&running, b"").await.is_empty());
        assert!(by_tcp(&running, b"").await.is_empty());
        running.handle.stop().await;
        running.task.await.expect("the task ends without a panic");
    };
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the endpoint hangs");
}
