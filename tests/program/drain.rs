//! SIGTERM.

use std::net::TcpStream;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, client};

use super::house::{Gateway, PATIENCE, until};
use super::phone::Phone;

/// The record says all there is to say of a call in PCMA to the echo.
fn is_whole(record: &Value, cause: &str) {
    let number = |key: &str| record[key].as_u64().unwrap_or_else(|| panic!("no {key} in {record}"));
    assert!(number("started_ms") <= number("answered_ms") && number("answered_ms") <= number("ended_ms"), "{record}");
    assert_eq!((record["entry"].as_str(), record["to"].as_str()), (Some("user:alice"), Some("echo")), "{record}");
    assert!(record["from"].as_str().is_some_and(|from| from.contains("alice")), "{record}");
    assert_eq!(record["cause"], cause);
    assert_eq!(record["codec"], "PCMA/8000");
    let caller = &record["media"][0];
    assert_eq!(caller["side"], "caller");
    assert!(caller["packets_in"].as_u64() >= Some(5) && caller["packets_out"].as_u64() >= Some(5), "{record}");
    assert_eq!((caller["lost_in"].as_u64(), caller["lost_out"].as_u64()), (Some(0), Some(0)));
    assert!(caller["jitter_ms"].is_f64(), "{record}");
}

#[test]
fn after_sigterm_no_call_is_taken_and_one_that_is_up_may_finish() {
    let mut gateway = Gateway::start("");
    assert_eq!(gateway.health(), (200, "ok".into()));
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut up = alice.call("echo").unwrap();
    alice.talk(&up, 5);
    gateway.program.signal(libc::SIGTERM);
    gateway.program.out.expect("1 calls are up and may finish");
    until("it says that it drains", || gateway.health() == (503, "draining".into()));
    gateway.program.log.expect("no new calls are taken");
    assert_eq!(Phone::new(gateway.sip, "bob", "builder").call("echo").unwrap_err(), 503);
    alice.talk(&up, 5);
    assert_eq!(alice.hang_up(&mut up), 200);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let records = gateway.records();
    assert_eq!(records.len(), 2, "{records:?}");
    let of = |user: &str| records.iter().find(|r| r["entry"] == format!("user:{user}")).unwrap();
    is_whole(of("alice"), "normal");
    assert_eq!(of("bob")["cause"], "maintenance");
}

#[test]
fn who_talks_longer_than_the_limit_is_hung_up() {
    let mut gateway = Gateway::start("limits.drain = \"1s\"\n");
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let up = alice.call("echo").unwrap();
    alice.talk(&up, 5);
    gateway.program.signal(libc::SIGTERM);
    let bye = alice.asked("BYE");
    assert_eq!(bye.headers.call_id().unwrap().as_str(), up.call_id);
    alice.reply(&bye, 200);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let records = gateway.records();
    assert_eq!(records.len(), 1);
    is_whole(&records[0], "maintenance");
}

#[test]
fn a_second_signal_ends_the_calls_at_once() {
    let mut gateway = Gateway::start("limits.drain = \"1h\"\n");
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let up = alice.call("echo").unwrap();
    alice.talk(&up, 5);
    gateway.program.signal(libc::SIGINT);
    gateway.program.out.expect("a second signal ends them");
    gateway.program.signal(libc::SIGINT);
    let bye = alice.asked("BYE");
    alice.reply(&bye, 200);
    assert_eq!(gateway.program.wait().code(), Some(0));
    is_whole(&gateway.records()[0], "maintenance");
}

#[test]
fn a_page_that_is_open_is_told_that_the_gateway_goes_down() {
    let mut gateway = Gateway::start("");
    let page = gateway.page;
    let mut request = format!("ws://{page}/ws").into_client_request().unwrap();
    let header = |text: &str| HeaderValue::from_str(text).unwrap();
    request.headers_mut().insert("origin", header(&format!("http://{page}")));
    request.headers_mut().insert("sec-websocket-protocol", header("patchcord.1"));
    let stream = TcpStream::connect(page).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, _) = client(request, stream).unwrap();
    gateway.program.signal(libc::SIGTERM);
    let Message::Close(Some(close)) = socket.read().unwrap() else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1001);
    // The client's half of the handshake; without it the gateway waits for a second.
    while socket.read().is_ok() {}
    assert_eq!(gateway.program.wait().code(), Some(0));
}
