//! SIGKILL: what nobody can prepare for.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::house::{Gateway, USERS, free_port, records_file, until};
use super::phone::Phone;

/// By when a gateway that was killed is there again.
const BACK: Duration = Duration::from_secs(20);

#[test]
fn a_gateway_that_is_killed_leaves_no_zombie_and_every_call_its_record() {
    let listen = format!("sip.listen = \"udp:{}\"\nweb.listen = \"127.0.0.1:0\"\n", free_port());
    let mut gateway = Gateway::with(&format!("{listen}{USERS}"));
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut bob = Phone::new(gateway.sip, "bob", "builder");
    let mut over = alice.call("echo").unwrap();
    assert_eq!(alice.hang_up(&mut over), 200);
    let mut up = bob.call("echo").unwrap();
    bob.talk(&up, 5);
    until("the call that is over has its record", || gateway.records().len() == 1);
    until("it is noted that the other one was answered", || noted_as_answered(&gateway, "user:bob"));
    let killed = Instant::now();
    gateway.kill_and_start();
    let next = alice.call("echo").unwrap();
    alice.talk(&next, 5);
    assert!(killed.elapsed() < BACK, "{:?}", killed.elapsed());
    assert!(next.call_id != up.call_id);
    // Whoever asks after a call that is no more is told so, and may end it.
    assert_eq!(bob.refresh(&mut up), 481);
    assert_eq!(bob.hang_up(&mut up), 481);
    let records = gateway.records();
    let causes: Vec<_> = records.iter().map(|r| (r["entry"].as_str(), r["cause"].as_str())).collect();
    assert_eq!(causes, [(Some("user:alice"), Some("normal")), (Some("user:bob"), Some("server-error"))]);
    let lost = &records[1];
    assert!(lost["why"].as_str().is_some_and(|why| why.contains("stopped without notice")), "{lost}");
    assert!(lost["answered_ms"].as_u64() >= lost["started_ms"].as_u64(), "{lost}");
    assert!(lost["ended_ms"].as_u64() >= lost["answered_ms"].as_u64(), "{lost}");
    assert_ne!(lost["call"], records[0]["call"]);
}

/// Whether the file of the calls that are up has one from there that was answered.
fn noted_as_answered(gateway: &Gateway, entry: &str) -> bool {
    let noted = records_file(gateway.home.path()).with_extension("jsonl.up");
    let text = std::fs::read_to_string(noted).unwrap();
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.any(|line| line["up"]["entry"] == entry && line["up"]["answered_ms"].is_u64())
}
