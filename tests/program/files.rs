//! Configurations, good and bad, and what the dialplan says of a call.

use std::path::Path;
use std::process::Output;

use super::house::{LISTEN, USERS, run};

fn home(file: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("gateway.toml"), file).unwrap();
    home
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn with(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    said(&run(home, &[arguments, &["--config", "gateway.toml"]].concat()))
}

const TRUNK: &str = "[[trunk]]\nname = \"carrier\"\naddress = \"192.0.2.9\"\nuser = \"me\"\npassword = \"cleartext\"\n";

#[test]
fn check_prints_a_good_file_with_every_default_and_no_secret() {
    let home = home(&format!("{LISTEN}{USERS}{TRUNK}"));
    let (code, out, log) = with(home.path(), &["check"]);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    for part in ["alice", "192.0.2.9", "drain = \"1m\"", "threads"] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    for secret in ["wonderland", "builder", "cleartext"] {
        assert!(!out.contains(secret), "{out}");
    }
}

#[test]
fn check_and_start_name_every_mistake_with_its_line_and_start_nothing() {
    for (file, mistakes) in [
        ("sip.listen = \"udp:127.0.0.1:0\"\nspi.open = true\n", vec!["gateway.toml:2: "]),
        ("this is no TOML\n", vec!["gateway.toml:1: "]),
        (
            "[web]\nlisten = \"nowhere\"\n[limits]\ncalls = -1\n[[user]]\nname = \"a\"\n[[rule]]\ndial = \"trunk:x\"\n",
            vec!["gateway.toml:2: ", "gateway.toml:4: ", "gateway.toml:5: ", "gateway.toml:8: "],
        ),
        (
            "web.listen = \"0.0.0.0:0\"\nmedia.advertise = \"192.0.2.1\"\nweb.guest = \"alice\"\n\
             [[user]]\nname = \"alice\"\npassword = \"long enough\"\n",
            vec!["gateway.toml:3: anybody who reaches the page could call"],
        ),
        (
            "[[sound]]\nname = \"music\"\nfile = \"gateway.toml\"\n[[rule]]\nplay = \"musik\"\n",
            vec!["gateway.toml:3: `", "gateway.toml:5: `play`: there is no sound `musik`: write \"music\""],
        ),
    ] {
        let home = home(file);
        for arguments in [&["check"][..], &[]] {
            let (code, out, log) = with(home.path(), arguments);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{file}");
            let lines: Vec<&str> = log.lines().collect();
            assert_eq!(lines.len(), mistakes.len(), "{log}");
            for (line, mistake) in lines.iter().zip(&mistakes) {
                assert!(line.starts_with(mistake), "{line} is not {mistake}");
            }
            assert!(!home.path().join("state").exists(), "something was started");
        }
    }
}

#[test]
fn a_file_that_is_not_there_and_a_command_that_does_not_exist_are_said() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, log) = with(home.path(), &["check"]);
    assert_eq!(code, Some(1));
    assert!(log.starts_with("gateway.toml:1: cannot be read: "), "{log}");
    let (code, _, log) = said(&run(home.path(), &["fly"]));
    assert_eq!(code, Some(2));
    assert!(log.contains("fly"), "{log}");
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_else_starts() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = home(&format!("sip.listen = \"udp:{address}\"\nweb.listen = \"127.0.0.1:0\"\n"));
    let (code, out, log) = with(home.path(), &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let last = log.lines().last().unwrap();
    assert!(last.contains(&address.to_string()) && last.contains("in use"), "{log}");
}

#[test]
fn explain_says_the_decision_and_its_reasons() {
    let home =
        home(&format!("{LISTEN}{USERS}[[rule]]\nname = \"bob's desk\"\nwhen.to = \"600\"\ndial = \"user:bob\"\n"));
    let (code, out, _) = with(home.path(), &["explain", "--from", "alice", "--to", "600", "--at", "Mo 10:00"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("alice (entry user:alice, by web) calls 600 at Mo 10:00\n"), "{out}");
    let reasons: Vec<&str> = out.lines().filter(|line| line.contains("gateway.toml:")).collect();
    assert!(matches!(reasons[..], [reason] if reason.contains("bob's desk") && reason.ends_with("yes")), "{out}");
    assert!(out.lines().last().unwrap().starts_with("dial user:bob"), "{out}");
    let (code, out, _) = with(home.path(), &["explain", "--from", "alice", "--to", "601"]);
    assert_eq!(code, Some(0));
    assert!(out.lines().last().unwrap().starts_with("reject "), "{out}");
}

#[test]
fn the_dialplan_tests_itself() {
    let bare = tempfile::tempdir().unwrap();
    let (code, out, _) = said(&run(bare.path(), &["dialplan", "test"]));
    assert_eq!(code, Some(0));
    assert!(out.ends_with("calls are decided as expected.\n"), "{out}");

    let home = home(&format!("{LISTEN}dialplan.expected = \"rows.toml\"\n{USERS}"));
    let row = |decided: &str| format!("call = [\n{{ from = \"alice\", to = \"bob\", decided = \"{decided}\" }},\n]\n");
    std::fs::write(home.path().join("rows.toml"), row("dial user:bob")).unwrap();
    assert_eq!(
        with(home.path(), &["dialplan", "test"]),
        (Some(0), "1 calls are decided as expected.\n".into(), "".into())
    );
    std::fs::write(home.path().join("rows.toml"), row("echo")).unwrap();
    let (code, out, log) = with(home.path(), &["dialplan", "test"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(log.contains("rows.toml:2: alice → bob: expected \"echo\", decided \"dial user:bob\""), "{log}");
}

#[test]
fn the_configuration_of_every_style_of_carriers_passes_check_and_says_what_its_profile_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans/carriers");
    let expected: [(&str, &[&str]); 5] = [
        ("registration.toml", &["register = true", "caller = \"own-number\"", "number_format = \"e164\""]),
        (
            "static-ip.toml",
            &[
                "health = \"1m\"",
                "identity = \"pai\"",
                "number_format = \"plain\"",
                "user_phone = true",
                "diversion = \"diversion\"",
                "from_domain = \"192.0.2.10\"",
                "codecs = [\"PCMA\", \"PCMU\"]",
                "calls = 30",
                "calls_per_second = 5",
                "tcp_for_large = true",
            ],
        ),
        (
            "sipconnect.toml",
            &[
                "register = true",
                "bulk = true",
                "identity = \"pai\"",
                "diversion = \"history-info\"",
                "dtmf = \"rfc4733\"",
                "session_timer = \"request\"",
                "session_expires = \"30m\"",
                "transport = \"tcp\"",
            ],
        ),
        ("encrypted.toml", &["transport = \"tls\"", "srtp = \"required\"", "identity = \"ppi\""]),
        (
            "exchange.toml",
            &["health = \"1m\"", "identity = \"rpid\"", "dtmf = \"info\"", "session_timer = \"off\"", "free = true"],
        ),
    ];
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut known: Vec<_> = expected.iter().map(|(file, _)| (*file).to_owned()).collect();
    known.sort();
    assert_eq!(files, known);
    for (file, parts) in expected {
        let home = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join(file), home.path().join("gateway.toml")).unwrap();
        let (code, out, log) = with(home.path(), &["check"]);
        assert_eq!((code, log.as_str()), (Some(0), ""), "{file}");
        let (_, trunk) = out.split_once("[[trunk]]").unwrap();
        let (trunk, _) = trunk.split_once("\n[[").unwrap_or((trunk, ""));
        for part in parts {
            assert!(trunk.contains(part), "{file}: {part} is not in\n{trunk}");
        }
        assert!(!out.contains("what the carrier gave you"), "{file}");
    }
}
