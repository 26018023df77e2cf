//! `patchcord trunk test` against trunks that the test plays.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use patchcord::sip::message::{Header, Message, Name, Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

use super::house::{Gateway, LISTEN, USERS, free_port, run};

const CHALLENGE: &str = "Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";
const ACCOUNT: &str = "user = \"account\"\npassword = \"told to nobody\"\nregister = true\n";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
/// The description of one who says nothing.
const MUTE: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n";

/// A carrier over UDP: it answers each request by a script, until it is dropped.
struct Carrier {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// What it was asked.
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Carrier {
    fn new(mut script: impl FnMut(&Request) -> Option<Response> + Send + 'static) -> Carrier {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let (ended, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_over, asked) = (Arc::clone(&ended), Arc::clone(&requests));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            let mut media = None;
            while !is_over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let message = Message::read_datagram(Bytes::copy_from_slice(&buffer[..length])).unwrap();
                let Message::Request(request) = message else { continue };
                if request.method.as_str() == "ACK" {
                    media.take().into_iter().for_each(|to| drop(std::thread::spawn(move || sing(to))));
                }
                if let Some(response) = script(&request) {
                    let is_mute = response.body == MUTE.as_bytes();
                    if request.method.as_str() == "INVITE" && response.is_success() && !is_mute {
                        media = Some(wanted(&request));
                    }
                    let contact = Header::new(Name::Contact, format!("<sip:callee@{address}>"));
                    let response =
                        if request.method.as_str() == "REGISTER" { response } else { response.with(contact) };
                    socket.send_to(&response.with_to_tag("carrier").to_bytes(), from).unwrap();
                }
                asked.lock().unwrap().push(request);
            }
        });
        Carrier { address, ended, thread: Some(thread), requests }
    }

    /// One that takes everybody and everything, but for requests of this method.
    fn but_for(method: &'static str, status: u16) -> Carrier {
        Carrier::new(move |request| match request.method.as_str() {
            "ACK" => None,
            asked if asked == method => Some(Response::to(request, status)),
            _ => Some(Response::to(request, 200)),
        })
    }

    fn asked(&self, method: &str) -> Vec<Request> {
        self.requests.lock().unwrap().iter().filter(|r| r.method.as_str() == method).cloned().collect()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Where an INVITE wants its sound.
fn wanted(invite: &Request) -> SocketAddr {
    let sdp = String::from_utf8_lossy(&invite.body).into_owned();
    let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    SocketAddr::from(([127, 0, 0, 1], port.split(' ').next().unwrap().parse().unwrap()))
}

/// Half a second of a loud tone.
fn sing(to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..25u16 {
        let mut packet = vec![0x80, 8];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 160).to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend([[0x2a; 4], [0xaa; 4]].concat().repeat(20));
        socket.send_to(&packet, to).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn file(address: &str, settings: &str) -> String {
    format!("{LISTEN}[[trunk]]\nname = \"carrier\"\naddress = \"{address}\"\n{settings}\n{USERS}")
}

/// Tries a trunk: whether all is well, and what was said.
fn tried(text: &str, more: &[&str]) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("gateway.toml"), text).unwrap();
    let arguments = [&["--config", "gateway.toml", "trunk", "test", "carrier"], more].concat();
    let output = run(home.path(), &arguments);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), said)
}

/// What a trial says that fails.
fn wrong(address: &str, settings: &str, more: &[&str]) -> String {
    let (is_well, said) = tried(&file(address, settings), more);
    assert!(!is_well && said.contains("trunk `carrier`: ") && said.contains("What to do: "), "{said}");
    said
}

/// Registers whoever has the right password, and answers calls with a tone.
fn registrar() -> Carrier {
    Carrier::new(|request| match request.method.as_str() {
        "ACK" => None,
        "REGISTER" if !request.headers.has(&Name::Authorization) => {
            Some(Response::to(request, 401).with(Header::new(Name::WwwAuthenticate, CHALLENGE)))
        }
        "REGISTER" => Some(Response::to(request, 200).with(Header::of(Name::Expires, 300))),
        "INVITE" => Some(Response::to(request, 200).with_body("application/sdp", SDP)),
        _ => Some(Response::to(request, 200)),
    })
}

#[test]
fn a_trunk_that_is_well_is_tried_beside_the_gateway_and_left_as_it_was() {
    let carrier = registrar();
    let text = file(&carrier.address.to_string(), ACCOUNT);
    let mut gateway = Gateway::with(&text);
    gateway.program.log.expect("is registered at the trunk");
    let before = carrier.asked("REGISTER").len();
    let (is_well, said) = tried(&text, &["--call", "+4930123456"]);
    assert!(is_well, "{said}");
    for part in
        ["as account, for 300 s", "OPTIONS    200 OK", "answered after", "something to be heard", "All is well."]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let registers = carrier.asked("REGISTER").split_off(before);
    let contact = |request: &Request| request.headers.get(&Name::Contact).unwrap().to_string();
    assert!(contact(registers.last().unwrap()).ends_with("expires=0"), "it signs off");
    assert_ne!(contact(&registers[0]), contact(&carrier.asked("REGISTER")[0]), "and has a contact of its own");
    assert_eq!(carrier.asked("INVITE")[0].uri.user().unwrap(), "+4930123456");
    assert_eq!(carrier.asked("BYE").len(), 1);
}

#[test]
fn a_password_that_is_not_taken_and_one_that_is_missing_are_told_apart() {
    let carrier =
        Carrier::new(|request| Some(Response::to(request, 401).with(Header::new(Name::WwwAuthenticate, CHALLENGE))));
    let address = carrier.address.to_string();
    let said = wrong(&address, ACCOUNT, &[]);
    assert!(said.contains("it does not take the password of `account` (401"), "{said}");
    assert!(!said.contains("told to nobody"), "the password is told to nobody: {said}");
    let said = wrong(&address, &format!("{ACCOUNT}realm = \"other\"\n"), &[]);
    assert!(said.contains("asks for a password for `carrier`, and `realm` is `other`"), "{said}");
    let said = wrong(&address, "account = \"a\"\nregister = true\n", &[]);
    assert!(said.contains("asks for a password and none is configured"), "{said}");
}

#[test]
fn a_trunk_that_does_not_know_bulk_registrations_says_so() {
    let carrier = Carrier::new(|request| Some(Response::to(request, 420).with(Header::new(Name::Unsupported, "gin"))));
    let said = wrong(&carrier.address.to_string(), &format!("{ACCOUNT}bulk = true\n"), &[]);
    assert!(said.contains("RFC 6140") && said.contains("`bulk`"), "{said}");
}

/// Registers everybody, and says by these headers what becomes of the flow.
fn keeper(status: u16, headers: &'static [(Name, &'static str)]) -> Carrier {
    Carrier::new(move |request| {
        let asks = request.headers.supported().any(|tag| tag == "outbound");
        let mut response = Response::to(request, if asks { status } else { 200 });
        for (name, value) in headers {
            response = response.with(Header::new(name.clone(), *value));
        }
        Some(response)
    })
}

#[test]
fn what_becomes_of_the_flow_to_a_trunk_is_told_and_its_registration_by_the_gateway_stays() {
    let settings = format!("{ACCOUNT}outbound = true\n");
    let kept = keeper(200, &[(Name::Require, "outbound"), (Name::FlowTimer, "25")]);
    let text = file(&kept.address.to_string(), &settings);
    let mut gateway = Gateway::with(&text);
    gateway.program.log.expect("is registered at the trunk");
    let (is_well, said) = tried(&text, &[]);
    assert!(is_well && said.contains("it calls us by our flow, and wants to hear of it every 25 s"), "{said}");
    let contacts: Vec<_> =
        kept.asked("REGISTER").iter().map(|r| r.headers.contacts().unwrap().list()[0].clone()).collect();
    let instance = |at: usize| contacts[at].params.get("+sip.instance").unwrap();
    assert_ne!(instance(0), instance(1), "the trial takes the place of nobody");
    let (is_well, said) = tried(&file(&keeper(200, &[]).address.to_string(), &settings), &[]);
    assert!(is_well && said.contains("does not say that it calls us by our flow"), "{said}");
    let (is_well, said) = tried(&file(&keeper(439, &[]).address.to_string(), &settings), &[]);
    assert!(is_well && said.contains("the first hop keeps no flows (439") && said.contains("for 600 s"), "{said}");
}

/// A name server that knows no name: its address.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // The question again, as an answer that there is no such name (RFC 1035 §4.1.1).
            let mut answer = buffer[..length].to_vec();
            (answer[2], answer[3]) = (0x81, 0x83);
            let end = 12 + answer[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
            answer.truncate(end);
            answer[6..12].fill(0);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn a_host_that_does_not_exist_and_one_that_listens_to_nobody_are_named_with_the_key_to_correct() {
    let said = wrong("sip.nowhere.example", "", &[]);
    assert!(said.contains("sip.nowhere.example"), "{said}");
    let text = file("sip.nowhere.example", "")
        .replace(LISTEN, &format!("{LISTEN}sip.name_servers = [\"{}\"]\n", name_server()));
    let (is_well, said) = tried(&text, &[]);
    assert!(
        !is_well && said.contains("`sip.nowhere.example` is no host") && said.contains("correct `address`"),
        "{said}"
    );
    let nobody = free_port().to_string();
    for transport in ["udp", "tcp"] {
        let said = wrong(&nobody, &format!("transport = \"{transport}\""), &[]);
        assert!(said.contains(&format!("nobody listens at {nobody} by {transport}")), "{said}");
    }
}

#[test]
fn a_trunk_that_says_nothing_is_given_up_after_some_seconds() {
    let carrier = Carrier::new(|_| None);
    let said = wrong(&carrier.address.to_string(), "", &[]);
    assert!(said.contains("says nothing by udp to OPTIONS") && said.contains("firewall"), "{said}");
}

/// A server of TLS with a certificate for this name, which takes one connection after the other; where it is, and its root.
fn tls_server(name: &str, folder: &std::path::Path) -> SocketAddr {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("root.pem"), root.pem()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root).unwrap();
    let secret = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut talk = rustls::Stream::new(&mut connection, &mut stream);
            let _ = talk.read(&mut [0; 1]);
            let _ = talk.write(&[]);
        }
    });
    address
}

#[test]
fn a_certificate_of_another_name_is_told_with_the_name_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let address = tls_server("sip.carrier.example", folder.path()).to_string();
    let ca = folder.path().join("root.pem");
    let settings = |more: &str| format!("transport = \"tls\"\n{more}\n");
    let listen =
        |text: String| text.replace(LISTEN, "sip.listen = [\"tls:127.0.0.1:0\"]\nweb.listen = \"127.0.0.1:0\"\n");
    let other = settings(&format!("ca = {ca:?}\ntls_name = \"sip.example\""));
    let (is_well, said) = tried(&listen(file(&address, &other)), &[]);
    assert!(
        !is_well && said.contains("its certificate is for sip.carrier.example, and not for `sip.example`"),
        "{said}"
    );
    assert!(said.contains("tls_name = \"sip.carrier.example\""), "{said}");
    let (is_well, said) = tried(&listen(file(&address, &settings("tls_name = \"sip.carrier.example\""))), &[]);
    assert!(!is_well && said.contains("from nobody that is believed here") && said.contains("write `ca`"), "{said}");
}

#[test]
fn a_call_refused_for_the_host_in_its_from_is_told_with_what_was_said_and_works_with_another() {
    let carrier = Carrier::new(|request| {
        let from = request.headers.from().unwrap().uri.to_string();
        match request.method.as_str() {
            "ACK" => None,
            "INVITE" if !from.ends_with("@ours.example") => Some(Response::to(request, 403)),
            "INVITE" => Some(Response::to(request, 200).with_body("application/sdp", SDP)),
            _ => Some(Response::to(request, 200)),
        }
    });
    let (address, number) = (carrier.address.to_string(), "number = \"+4930123456\"\n");
    let said = wrong(&address, number, &["--call", "+4989555"]);
    assert!(said.contains("403 Forbidden. It was told that sip:+4930123456@127.0.0.1 calls"), "{said}");
    assert!(said.contains("`from_domain`"), "{said}");
    let (is_well, said) =
        tried(&file(&address, &format!("{number}from_domain = \"ours.example\"\n")), &["--call", "+4989555"]);
    assert!(is_well && said.contains("something to be heard"), "{said}");
}

#[test]
fn a_call_that_fails_for_its_codecs_for_nobody_at_the_number_or_for_a_trunk_that_is_full_is_told_as_that() {
    for (status, part, key) in [
        (488, "it takes nothing of what it is offered (PCMU, not protected): 488", "`codecs`"),
        (480, "nobody can be reached at that number now: 480", "call a number that answers"),
        (503, "it has no room for the call: 503", "`calls_per_second`"),
        (404, "it does not know sip:004989555@", "`number_format`"),
    ] {
        let carrier = Carrier::but_for("INVITE", status);
        let settings = "codecs = [\"PCMU\"]\nnumber_format = \"00\"\n";
        let said = wrong(&carrier.address.to_string(), settings, &["--call", "+4989555"]);
        assert!(said.contains(part) && said.contains(key), "{said}");
        assert_eq!(carrier.asked("ACK").len(), 1, "a refusal is acknowledged");
    }
}

#[test]
fn a_call_that_is_answered_and_stays_silent_is_told_with_the_address_that_nothing_came_to() {
    let carrier = Carrier::new(|request| match request.method.as_str() {
        "ACK" => None,
        "INVITE" => Some(Response::to(request, 200).with_body("application/sdp", MUTE)),
        _ => Some(Response::to(request, 200)),
    });
    let said = wrong(&carrier.address.to_string(), "", &["--call", "+4989555"]);
    assert!(
        said.contains("the call is answered, and no sound comes to 127.0.0.1:") && said.contains("`advertise`"),
        "{said}"
    );
    assert_eq!(carrier.asked("BYE").len(), 1);
}

#[test]
fn a_name_that_is_no_trunk_is_answered_with_those_that_there_are() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("gateway.toml"), file("127.0.0.1", "")).unwrap();
    let output = run(home.path(), &["--config", "gateway.toml", "trunk", "test", "carier"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("no trunk `carier`") && said.contains("there is: carrier"),
        "{said}"
    );
}
