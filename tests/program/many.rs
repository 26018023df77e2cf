//! Many calls, one after the other.
#![cfg(target_os = "linux")]

use serde_json::json;

use super::house::{Gateway, until};
use super::page::Page;
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

#[test]
fn new_calls_of_pages_and_telephones_share_one_limit_and_a_page_hears_that_there_are_too_many() {
    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n\
c=IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlS1\r\na=fingerprint:sha-256 \
75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r\n\
a=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n";
    let gateway = Gateway::start("[limits]\nnew_calls_per_second = 1\n");
    let mut page = Page::open(gateway.page, "alice", "wonderland");
    let mut phone = Phone::new(gateway.sip, "bob", "builder");
    assert_eq!(phone.register(), 200);
    // One a second, so that of as many as this in a row some are too many, however slow the machine is.
    let ended: Vec<_> = (0..20)
        .map(|number| {
            page.say(&json!({"type": "call", "call": number.to_string(), "to": "nobody", "sdp": OFFER}));
            page.expect("ended")["cause"].clone()
        })
        .collect();
    assert!(ended.contains(&json!("congestion")) && ended.contains(&json!("not-found")), "{ended:?}");
    let refused: Vec<_> = (0..20).map(|_| phone.refused("nobody").0).collect();
    assert!(refused.contains(&503), "{refused:?}");
}
