//! A telephone that answers and sends nothing.

use std::time::{Duration, Instant};

use super::house::{Gateway, until};
use super::phone::Phone;

#[test]
fn a_telephone_that_answers_and_sends_nothing_is_named_in_the_log_and_in_the_record() {
    let mut gateway = Gateway::start("");
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut bob = Phone::new(gateway.sip, "bob", "builder");
    assert_eq!((alice.register(), bob.register()), (200, 200));
    let (up, answered) = std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("bob"));
        let invite = bob.asked("INVITE");
        let answered = Instant::now();
        bob.pick_up(&invite);
        (call.join().unwrap(), answered)
    });
    let mut up = up.unwrap();
    let mut line = None;
    until("the silence is in the log", || {
        alice.say(&up);
        alice.hears();
        line = gateway.program.log.found("silent");
        line.is_some()
    });
    assert!(answered.elapsed() >= Duration::from_millis(2500), "too soon to call it silence");
    assert_eq!(alice.hang_up(&mut up), 200);
    let bye = bob.asked("BYE");
    bob.reply(&bye, 200);
    gateway.program.signal(libc::SIGTERM);
    assert_eq!(gateway.program.wait().code(), Some(0));
    let record = &gateway.records()[0];
    let why = record["why"].as_str().expect("a sentence");
    assert!(line.is_some_and(|line| line.contains(why)), "{record}");
    assert_eq!((record["cause"].as_str(), record["target"].as_str()), (Some("normal"), Some("user:bob")));
}
