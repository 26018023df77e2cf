#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::base::Secret;
use crate::model::User;
use crate::sip::config::Listen;
use crate::sip::digest::work::{self, Work};
use crate::sip::digest::{self, Account};
use crate::sip::flow::Transport;
use crate::sip::message::Message;

/// Names of one length, of which two exist: one with a short password, one with a long one.
const NAMES: [&str; 3] = ["alice", "clara", "nadia"];

fn endpoint(now: Instant) -> Endpoint {
    let user = |password: &str| User { password: Secret::new(password), display: None, number: None, jid: None };
    let users = [("alice".to_owned(), user("pencil")), ("clara".to_owned(), user(&"long".repeat(100)))].into();
    let address = "192.0.2.1:5060".parse().unwrap();
    let config = Config { listen: vec![Listen { transport: Transport::Udp, address }], ..Config::default() };
    Endpoint::new(now, AdapterId(1), config, Arc::new(Directory { users }), Dice::for_test(7))
}

/// Sends a request of `user`, without proof or with one by a wrong password; the work that it makes, and the answer without
/// what is chance.
fn try_as(
    endpoint: &mut Endpoint,
    now: Instant,
    method: &str,
    user: &str,
    asked: &[digest::Challenge],
) -> (Work, String) {
    try_by(endpoint, now, flow(Transport::Udp, 5060), method, user, asked)
}

fn flow(transport: Transport, port: u16) -> Flow {
    Flow { transport, local: ([192, 0, 2, 1], 5060).into(), remote: ([192, 0, 2, 9], port).into() }
}

/// The same by another flow.
fn try_by(
    endpoint: &mut Endpoint,
    now: Instant,
    flow: Flow,
    method: &str,
    user: &str,
    asked: &[digest::Challenge],
) -> (Work, String) {
    let to = if method == "REGISTER" { user } else { "somebody" };
    let cseq = 1 + u32::from(!asked.is_empty());
    let password = Secret::new("wrong");
    let who = Account { user, password: &password, realm: None };
    let sent: Method = method.into();
    let proof = digest::answer(asked, who, &sent, "sip:192.0.2.1", 1, "c");
    let proof = proof.map_or(String::new(), |proof| format!("Authorization: {proof}\r\n"));
    let text = format!(
        "{method} sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}{user}{cseq}\r\n\
         From: <sip:{user}@192.0.2.1>;tag=f\r\nTo: <sip:{to}@192.0.2.1>\r\nCall-ID: of-{user}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:{user}@192.0.2.9>\r\nMax-Forwards: 70\r\n{proof}Content-Length: 0\r\n\r\n"
    );
    let message = Message::read_datagram(Bytes::from(text));
    let work = work::of(|| endpoint.handle_message(now, flow, message));
    let answer = std::iter::from_fn(|| endpoint.poll_output()).find_map(|output| match output {
        Output::Transmit { bytes, .. } => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    });
    (work, answer.unwrap())
}

fn challenges(answer: &str) -> Vec<digest::Challenge> {
    let Ok(Message::Response(response)) = Message::read_datagram(Bytes::from(answer.to_owned())) else {
        return Vec::new();
    };
    digest::challenges(&response.headers, &Name::WwwAuthenticate)
}

fn without_chance(answer: &str, user: &str) -> String {
    let lines = answer.lines().map(|line| line.split("nonce=").next().unwrap_or_default());
    let lines = lines.map(|line| line.split(";tag=").next().unwrap_or_default().replace(user, "USER"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_password_makes_the_same_hashes_and_the_same_answer_whoever_it_is_for() {
    let now = Instant::now();
    for method in ["REGISTER", "INVITE", "MESSAGE"] {
        for algorithm in [digest::Algorithm::Sha256, digest::Algorithm::Md5] {
            let seen = NAMES.map(|user| {
                let mut endpoint = endpoint(now);
                let (asking, asked) = try_as(&mut endpoint, now, method, user, &[]);
                let mut asked = challenges(&asked);
                asked.retain(|challenge| challenge.algorithm == algorithm);
                assert_eq!(asked.len(), 1);
                let (work, answer) = try_as(&mut endpoint, now, method, user, &asked);
                assert!(answer.starts_with("SIP/2.0 401 "), "{answer}");
                assert!(work.hashes > asking.hashes, "the proof is looked at");
                (asking, work, without_chance(&answer, user))
            });
            assert!(seen.iter().all(|of| *of == seen[0]), "{method} {algorithm:?}: {seen:?}");
        }
    }
}

#[test]
fn wrong_passwords_by_a_proxy_count_by_the_client_that_it_names() {
    let now = Instant::now();
    let mut endpoint = endpoint(now);
    let [one, other, none] = [1, 2, 3].map(|port| flow(Transport::Ws, port));
    endpoint.handle_client(one, "203.0.113.1".parse().unwrap());
    endpoint.handle_client(other, "203.0.113.2".parse().unwrap());
    let mut ask = |flow, asked: &[digest::Challenge]| try_by(&mut endpoint, now, flow, "REGISTER", "alice", asked).1;
    let asked = challenges(&ask(one, &[]));
    for _ in 0..admission::FAILURES_LIMIT {
        assert!(ask(one, &asked).starts_with("SIP/2.0 401 "));
    }
    let answers = [one, other, none].map(|flow| ask(flow, &asked)[..12].to_owned());
    assert_eq!(answers, ["SIP/2.0 403 ", "SIP/2.0 401 ", "SIP/2.0 401 "]);
    // The next connection from that port of the proxy is somebody else's.
    endpoint.handle_transport_error(now, one, None);
    let (_, answer) = try_by(&mut endpoint, now, one, "REGISTER", "alice", &asked);
    assert!(answer.starts_with("SIP/2.0 401 "), "{answer}");
}
