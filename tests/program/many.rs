//! Many calls, one after the other.

use super::house::{Gateway, until};
use super::phone::Phone;

fn handles(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn fifty_calls_leave_no_socket_and_no_call_behind() {
    let mut gateway = Gateway::start("");
    let pid = gateway.program.pid();
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let before = handles(pid);
    let mut most = 0;
    for _ in 0..50 {
        let mut up = alice.call("echo").unwrap();
        alice.talk(&up, 2);
        most = most.max(handles(pid));
        assert_eq!(alice.hang_up(&mut up), 200);
    }
    assert!(most > before, "a call has sockets");
    assert!(most < before + 20, "{most} handles in a call, {before} before");
    until("every socket is closed", || handles(pid) <= before);
    gateway.program.signal(libc::SIGTERM);
    // With a call left behind it would wait for a minute.
    assert_eq!(gateway.program.wait().code(), Some(0));
    assert_eq!(gateway.records().len(), 50);
}
