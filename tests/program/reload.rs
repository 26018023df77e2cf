//! SIGHUP.

use super::house::{Gateway, LISTEN, USERS};
use super::phone::Phone;

#[test]
fn after_sighup_new_calls_go_by_the_new_file_and_calls_that_are_up_stay_up() {
    let mut gateway = Gateway::start("");
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut carol = Phone::new(gateway.sip, "carol", "new here");
    assert_eq!(alice.register(), 200);
    assert_ne!(carol.register(), 200);
    assert_eq!(alice.call("600").unwrap_err(), 403);
    let mut up = alice.call("echo").unwrap();
    alice.talk(&up, 5);

    let users = USERS.replace("wonderland", "looking glass");
    let more = "[[user]]\nname = \"carol\"\npassword = \"new here\"\n[[rule]]\nwhen.to = \"600\"\necho = true\n";
    gateway.rewrite(&format!("{LISTEN}{users}{more}"));
    gateway.program.log.expect("have been read again");
    alice.talk(&up, 5);
    assert_eq!(carol.register(), 200);
    let mut new = carol.call("600").unwrap();
    carol.talk(&new, 5);
    assert_eq!(carol.hang_up(&mut new), 200);
    assert!(alice.call("echo").is_err(), "the old password is good no more");
    assert!(Phone::new(gateway.sip, "alice", "looking glass").call("echo").is_ok());
    alice.talk(&up, 5);
    assert_eq!(alice.hang_up(&mut up), 200);
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_the_log_says_where() {
    let mut gateway = Gateway::start("");
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut up = alice.call("echo").unwrap();
    gateway.rewrite(&format!("{LISTEN}[[rule]]\nwhen.to = \"echo\"\nreject = \"bussy\"\n"));
    let line = gateway.program.log.expect("the configuration stays as it was");
    assert!(line.contains("gateway.toml:5: "), "{line}");
    alice.talk(&up, 5);
    assert_eq!(alice.hang_up(&mut up), 200);
    let mut again = alice.call("echo").unwrap();
    assert_eq!(alice.hang_up(&mut again), 200);
    std::fs::remove_file(gateway.home.path().join("gateway.toml")).unwrap();
    gateway.program.signal(libc::SIGHUP);
    gateway.program.log.expect("cannot be read");
    assert!(alice.call("echo").is_ok());
}

#[test]
fn what_a_reload_cannot_change_is_said() {
    let mut gateway = Gateway::start("");
    gateway.rewrite(&format!("{LISTEN}sip.domains = [\"gateway.example\"]\n{USERS}"));
    gateway.program.log.expect("stay as they are until the gateway is started anew");
}
