//! DTLS-SRTP against OpenSSL, over loopback: both roles, certificates of both kinds, each transform. The
//! program prints the key that it exports, which must be ours.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use patchcord::media::leg::dtls::State;
use patchcord::media::leg::{Certificate, Dtls, Role};
use patchcord::model::description::Fingerprint;
use patchcord::rtp::Profile;

/// A limit for a machine under load; nothing waits so long when all is well.
const LIMIT: Duration = Duration::from_secs(20);

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl_is_there() -> bool {
    let there = Command::new("openssl").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "openssl is missing");
        println!("skipped: openssl is not there");
    }
    there
}

fn openssl(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A certificate of the kind, and its fingerprint.
fn make_certificate(kind: &str, folder: &Path) -> Fingerprint {
    let key: &[&str] = match kind {
        "rsa" => &["-newkey", "rsa:2048"],
        _ => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    };
    let rest = ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=peer"];
    openssl(&[&["req", "-x509"], key, &rest].concat(), folder);
    let printed = openssl(&["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"], folder);
    let hex = printed.trim().split_once('=').unwrap().1;
    let bytes = hex.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
    Fingerprint { algorithm: "SHA-256".into(), bytes }
}

/// Starts OpenSSL and gives the lines that it prints.
fn start(arguments: &[String], folder: &Path) -> (Program, mpsc::Receiver<String>) {
    let mut child = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    (Program(child), lines)
}

/// Runs our side until `until` says so.
fn run(dtls: &mut Dtls, socket: &UdpSocket, until: impl Fn(&State) -> bool) {
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut buffer = [0; 2048];
    while !until(dtls.state()) {
        assert!(began.elapsed() < LIMIT, "nothing came of it within {LIMIT:?}");
        while let Some(datagram) = dtls.poll_transmit() {
            // The program may not listen yet; the flight is repeated.
            let _ = socket.send(&datagram);
        }
        if let Ok(length) = socket.recv(&mut buffer) {
            dtls.handle_datagram(Instant::now(), &buffer[..length]);
        }
        dtls.handle_timeout(Instant::now());
    }
    while let Some(datagram) = dtls.poll_transmit() {
        let _ = socket.send(&datagram);
    }
}

/// One handshake with OpenSSL; its key against ours.
fn shake(role: Role, kind: &str, transforms: &str, expected: Profile) {
    let folder = tempfile::tempdir().unwrap();
    let theirs = make_certificate(kind, folder.path());
    let ours = Certificate::generate().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = |s: &UdpSocket| s.local_addr().unwrap().port();
    let length = 2 * (expected.key_length() + expected.salt_length());
    let mut arguments: Vec<String> = match role {
        Role::Active => {
            let free = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(free.local_addr().unwrap()).unwrap();
            let accept = format!("127.0.0.1:{}", port(&free));
            ["s_server", "-accept", &accept, "-Verify", "1"].map(String::from).to_vec()
        }
        Role::Passive => ["s_client", "-connect", &format!("127.0.0.1:{}", port(&socket))].map(String::from).to_vec(),
    };
    let rest = ["-dtls1_2", "-cert", "cert.pem", "-key", "key.pem", "-use_srtp", transforms, "-mtu", "1200"];
    let export = ["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length.to_string()].map(String::from);
    arguments.extend(rest.map(String::from).into_iter().chain(export));
    let mut dtls = Dtls::new(&ours, role, vec![theirs], Instant::now());
    let (mut program, lines) = start(&arguments, folder.path());
    if role == Role::Passive {
        let mut buffer = [0; 2048];
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.connect(from).unwrap();
        dtls.handle_datagram(Instant::now(), &buffer[..length]);
    }
    run(&mut dtls, &socket, |state| !matches!(state, State::Handshaking));
    if let State::Failed(why) = dtls.state() {
        panic!("{role:?} {kind} {transforms}: {why}");
    }
    let keys = dtls.keys_mut().unwrap();
    assert_eq!(keys.profile, expected);

    let printed = loop {
        let line = lines.recv_timeout(LIMIT).unwrap();
        if let Some(hex) = line.trim().strip_prefix("Keying material: ") {
            break hex.to_owned();
        }
    };
    let material: Vec<u8> =
        (0..printed.len()).step_by(2).map(|i| u8::from_str_radix(&printed[i..i + 2], 16).unwrap()).collect();
    let (key, salt) = (expected.key_length(), expected.salt_length());
    let at = usize::from(role == Role::Passive);
    let (our_key, our_salt) = (&material[at * key..][..key], &material[2 * key + at * salt..][..salt]);
    let mut peer = patchcord::rtp::Srtp::new(expected, our_key, our_salt).unwrap();
    let mut packet = [0x80; 100];
    let length = keys.outward.protect_rtp(&mut packet, 60).unwrap();
    assert_eq!(peer.unprotect_rtp(&mut packet[..length]), Ok(60));

    // The end of its input makes the program say close_notify.
    drop(program.0.stdin.take());
    if role == Role::Passive {
        run(&mut dtls, &socket, |state| matches!(state, State::Closed));
    }
}

const ALL: &str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM";

#[test]
fn openssl_with_either_kind_of_certificate_opens_to_us_and_we_choose_the_transform() {
    if openssl_is_there() {
        shake(Role::Passive, "ec", ALL, Profile::AeadAes128Gcm);
        shake(Role::Passive, "rsa", ALL, Profile::AeadAes128Gcm);
        shake(Role::Passive, "rsa", "SRTP_AES128_CM_SHA1_80", Profile::AesCm128HmacSha1_80);
        shake(Role::Passive, "ec", "SRTP_AEAD_AES_256_GCM", Profile::AeadAes256Gcm);
    }
}

#[test]
fn we_open_to_openssl_with_either_kind_of_certificate() {
    if openssl_is_there() {
        shake(Role::Active, "ec", "SRTP_AEAD_AES_128_GCM", Profile::AeadAes128Gcm);
        shake(Role::Active, "rsa", "SRTP_AES128_CM_SHA1_80", Profile::AesCm128HmacSha1_80);
        shake(Role::Active, "rsa", "SRTP_AEAD_AES_256_GCM", Profile::AeadAes256Gcm);
    }
}
