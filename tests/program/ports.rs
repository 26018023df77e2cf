//! More calls than there are ports for.

use super::house::{Gateway, until};
use super::phone::Phone;

/// The first of a few ports that no other test of this program uses.
fn few_ports() -> String {
    let first = 16_000 + (std::process::id() % 300) as u16 * 12;
    format!("{first}-{}", first + 10)
}

#[test]
fn a_call_that_no_port_is_left_for_is_told_to_come_back_later() {
    let gateway = Gateway::start(&format!("media.ports = \"{}\"\n", few_ports()));
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let calls: Vec<_> = (0..6).map_while(|_| alice.call("echo").ok()).collect();
    assert!((1..6).contains(&calls.len()), "eleven ports are five pairs at most");
    assert_eq!(alice.refused("echo"), (503, Some("5".to_owned())));
    until("the record is written", || gateway.records().len() == 2);
    let record = &gateway.records()[1];
    assert_eq!(
        (record["cause"].as_str(), record["why"].as_str()),
        (Some("congestion"), Some("the relay has no free IPv4 port for a leg"))
    );
    for mut call in calls {
        assert_eq!(alice.hang_up(&mut call), 200);
    }
}
