//! `patchcord relay`.

use std::net::SocketAddr;

use super::house::{Program, free_port};
use super::phone::Phone;

fn relay(listen: SocketAddr, to: SocketAddr) -> Program {
    let home = std::env::temp_dir();
    let (listen, to) = (format!("udp:{listen}"), to.to_string());
    let mut program = Program::start(&home, &["relay", "--listen", &listen, "--to", &to]);
    program.out.expect("relays SIP from");
    program
}

#[test]
fn a_call_goes_through_the_relay_with_its_media_and_one_hop_less() {
    let listen = free_port();
    let mut callee = Phone::new(listen, "callee", "");
    let mut program = relay(listen, callee.address());
    let mut caller = Phone::new(listen, "caller", "");
    for ender in ["caller", "callee"] {
        let begun = caller.begin_call("+15550100");
        let invite = callee.asked("INVITE");
        assert_eq!(invite.uri.user().as_deref(), Some("+15550100"));
        assert_eq!(invite.headers.max_forwards().unwrap(), Some(69));
        assert_ne!(invite.headers.call_id().unwrap().as_str(), begun.call_id, "the two calls are two");
        callee.reply(&invite, 180);
        let mut answered = callee.pick_up(&invite);
        let mut up = caller.settled(begun).unwrap();
        assert_ne!(up.media, answered.media);
        super::house::until("both hear each other", || {
            caller.say(&up);
            callee.say(&answered);
            // Not `&&` of the calls: each has its ear emptied in every round.
            let heard = (caller.hears(), callee.hears());
            heard == (true, true)
        });
        if ender == "caller" {
            assert_eq!(caller.hang_up(&mut up), 200);
            let bye = callee.asked("BYE");
            callee.reply(&bye, 200);
        } else {
            assert_eq!(callee.hang_up(&mut answered), 200);
            let bye = caller.asked("BYE");
            caller.reply(&bye, 200);
        }
    }
    program.signal(libc::SIGTERM);
    assert!(program.wait().success());
}

#[test]
fn a_call_that_is_refused_is_refused_to_the_caller() {
    let listen = free_port();
    let callee = Phone::new(listen, "callee", "");
    let _program = relay(listen, callee.address());
    let mut caller = Phone::new(listen, "caller", "");
    let begun = caller.begin_call("+15550100");
    let invite = callee.asked("INVITE");
    callee.reply(&invite, 486);
    assert_eq!(caller.settled(begun).unwrap_err(), 486);
}

#[test]
fn a_loop_ends_with_483() {
    let (here, there) = (free_port(), free_port());
    let _programs = [relay(here, there), relay(there, here)];
    assert_eq!(Phone::new(here, "caller", "").call("+15550100").unwrap_err(), 483);
}
