//! What a stolen password is worth.

use std::net::SocketAddr;

use super::house::{Gateway, USERS, free_port};
use super::phone::{Dialog, Phone};

/// Two trunks, whose telephones the test is, and who may call what.
fn gateway(sip: SocketAddr, first: &Phone, second: &Phone) -> Gateway {
    Gateway::with(&format!(
        "sip.listen = \"udp:{sip}\"\nweb.listen = \"127.0.0.1:0\"\n\
         limits.caller.calls = 2\nlimits.caller.calls_per_second = 10\n\
         [[trunk]]\nname = \"first\"\naddress = \"{}\"\nsame_port = true\ncalls = 1\n\
         [[trunk]]\nname = \"second\"\naddress = \"{}\"\nsame_port = true\n\
         [[rule]]\nname = \"abroad\"\nwhen = {{ entry = \"user\", to = \"+*\" }}\ndial = [\"trunk:first\", \"trunk:second\"]\n{USERS}",
        first.address(),
        second.address()
    ))
}

/// What comes of a call of the phone's while the other side does something.
fn while_called(phone: &mut Phone, meanwhile: impl FnOnce()) -> Result<Dialog, u16> {
    std::thread::scope(|scope| {
        let call = scope.spawn(|| phone.call("+15550100"));
        meanwhile();
        call.join().unwrap()
    })
}

#[test]
fn a_rule_that_takes_a_call_for_a_nuisance_is_heard_as_607_or_608_and_noted_so() {
    let rule = |name: &str, to: &str, cause: &str| {
        format!("[[rule]]\nname = \"{name}\"\nwhen = {{ entry = \"user\", to = \"{to}\" }}\nreject = \"{cause}\"\n")
    };
    let rules = [rule("list", "+1*", "unwanted"), rule("engine", "+49*", "blocked")].concat();
    let mut gateway = Gateway::start(&rules);
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    assert_eq!(alice.call("+15550100").unwrap_err(), 607);
    assert_eq!(alice.call("+4930123456").unwrap_err(), 608);
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let causes: Vec<_> = gateway.records().iter().map(|record| record["cause"].clone()).collect();
    assert_eq!(causes, ["unwanted", "blocked"]);
}

#[test]
fn a_full_trunk_leaves_the_call_to_the_next_and_a_caller_has_only_so_many_calls() {
    let sip = free_port();
    let (mut first, mut second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    let mut gateway = gateway(sip, &first, &second);
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    let mut up = Vec::new();
    for trunk in [&mut first, &mut second] {
        let called = while_called(&mut alice, || {
            let invite = trunk.asked("INVITE");
            trunk.pick_up(&invite);
        });
        up.push(called.unwrap());
    }
    assert_eq!(alice.call("+15550100").unwrap_err(), 503);
    gateway.program.log.expect("event=\"guard\"");
    for (dialog, trunk) in up.iter_mut().zip([&first, &second]) {
        assert_eq!(alice.hang_up(dialog), 200);
        trunk.reply(&trunk.asked("BYE"), 200);
    }
    let called = while_called(&mut alice, || first.reply(&first.asked("INVITE"), 486));
    assert_eq!(called.unwrap_err(), 486, "the place on the first trunk is free again");
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let refused = gateway.records().into_iter().find(|r| r["cause"] == "congestion").expect("a record");
    let why = refused["why"].as_str().unwrap_or_default();
    assert!(why.contains("the caller has 2 calls at once, the most that are allowed through trunks"), "{why}");
}

#[test]
fn a_number_that_fraud_is_paid_through_is_refused_though_the_dialplan_allows_it() {
    let sip = free_port();
    let (first, second) = (Phone::new(sip, "first", ""), Phone::new(sip, "second", ""));
    let mut gateway = gateway(sip, &first, &second);
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    assert_eq!(alice.call("+88213012345").unwrap_err(), 403);
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let record = &gateway.records()[0];
    let why = record["why"].as_str().unwrap_or_default();
    assert!(why.contains("begin with +882"), "{record}");
}
