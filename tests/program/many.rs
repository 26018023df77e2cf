//! Many calls, one after the other.
#![cfg(target_os = "linux")]

use super::house::{Gateway, until};
use super::phone::Phone;

fn handles(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Alice calls bob, who answers as he is told.
fn between(alice: &mut Phone, bob: &mut Phone, status: u16, pid: u32) -> usize {
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let call = alice.call("bob");
            let most = handles(pid);
            assert_eq!(call.map(|mut up| alice.hang_up(&mut up)), if status == 200 { Ok(200) } else { Err(status) });
            most
        });
        let invite = bob.asked("INVITE");
        if status == 200 {
            bob.pick_up(&invite);
            let bye = bob.asked("BYE");
            bob.reply(&bye, 200);
        } else {
            bob.reply(&invite, status);
            bob.asked("ACK");
        }
        call.join().unwrap()
    })
}

#[test]
fn fifty_calls_leave_no_socket_and_no_call_behind() {
    let mut gateway = Gateway::start("");
    let pid = gateway.program.pid();
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut bob = Phone::new(gateway.sip, "bob", "builder");
    assert_eq!(bob.register(), 200);
    let before = handles(pid);
    let mut most = 0;
    for round in 0..50 {
        let during = match round % 4 {
            0 => between(&mut alice, &mut bob, 200, pid),
            1 => between(&mut alice, &mut bob, 486, pid),
            _ => {
                let mut up = alice.call("echo").unwrap();
                alice.talk(&up, 2);
                let during = handles(pid);
                assert_eq!(alice.hang_up(&mut up), 200);
                during
            }
        };
        most = most.max(during);
    }
    assert!(most > before, "a call has sockets");
    assert!(most < before + 20, "{most} handles in a call, {before} before");
    until("every socket is closed", || handles(pid) <= before);
    gateway.program.signal(libc::SIGTERM);
    // With a call left behind it would wait for a minute.
    assert_eq!(gateway.program.wait().code(), Some(0));
    assert_eq!(gateway.records().len(), 50);
}
