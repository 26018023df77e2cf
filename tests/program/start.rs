//! Without arguments.

use std::net::{TcpListener, UdpSocket};

use super::house::{Program, greeting};
use super::phone::Phone;

/// What the greeting names as the telephone's password.
fn password(program: &Program) -> String {
    let line = program.out.seen.iter().find(|line| line.contains("SIP phone")).expect("a line for the phone");
    let (_, rest) = line.split_once("user phone  password ").expect("a password");
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn without_arguments_it_says_where_everything_is_and_makes_new_passwords_each_time() {
    // Taken by us, or by somebody else already: either way the gateway has to find others.
    let _taken = (UdpSocket::bind("127.0.0.1:5060"), TcpListener::bind("127.0.0.1:8080"));
    let home = tempfile::tempdir().unwrap();
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let mut program = Program::start(home.path(), &[]);
        let (sip, page) = greeting(&mut program);
        assert!(sip.ip().is_loopback() && page.ip().is_loopback());
        assert_ne!((sip.port(), page.port()), (5060, 8080));
        assert_ne!(sip.port(), 5060);
        assert_ne!(page.port(), 8080);
        let said = program.out.seen.join("\n");
        for part in [&format!("udp:{sip}"), &format!("tcp:{sip}"), &format!("server {sip}"), "+15550100", "echo"] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        let password = password(&program);
        assert_eq!(Phone::new(sip, "phone", &password).register(), 200, "the password that is said works");
        program.signal(libc::SIGTERM);
        assert!(program.wait().success());
        let log = program.log.seen.join("\n");
        assert!(!log.contains(&password), "the log knows the password");
        assert!(!log.contains('\u{1b}'), "colours in a file");
        passwords.push(password);
    }
    assert_ne!(passwords[0], passwords[1]);
}

#[test]
fn several_gateways_without_arguments_run_beside_each_other() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut programs = homes.each_ref().map(|home| Program::start(home.path(), &[]));
    let places: Vec<_> = programs.iter_mut().map(greeting).collect();
    assert_ne!(places[0].0, places[1].0);
    assert_ne!(places[0].1, places[1].1);
}
