//! Two gateways, and what a page at the second is told of whether a caller's number is the caller's own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::house::{Gateway, LISTEN, USERS, until};
use super::page::Page;
use super::phone::Phone;

/// A provider, in the extension of RFC 8226 §9.
const PROVIDER: &[u8] = b"\x30\x08\xa0\x06\x16\x04709J";

/// A root, with what it signs.
struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root of calls");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Authority { root, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, with names of hosts or with numbers.
    fn sign(&self, hosts: Vec<String>, numbers: Option<&[u8]>) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(hosts).unwrap();
        let list = numbers.map(|list| CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list.to_vec()));
        params.custom_extensions.extend(list);
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }
}

/// A web server that has one certificate for everybody, and counts who asks for it.
fn serve(authority: &Authority, file: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let (certificate, key) = authority.sign(vec!["localhost".into()], None);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (config, count) = (Arc::new(config), Arc::clone(&asked));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                match stream.read(&mut octet) {
                    Ok(1) => request.push(octet[0]),
                    _ => break,
                }
            }
            if request.starts_with(b"GET /calls.der HTTP/1.1\r\n") {
                count.fetch_add(1, Ordering::Relaxed);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
                // A gateway that has gone needs nothing any more.
                let _ = stream.write_all(&[head.as_bytes(), &file].concat());
            }
        }
    });
    (address, asked)
}

/// What the network does to a message.
type Change = fn(String) -> String;

/// The network between two gateways, which each takes for its trunk.
struct Between {
    address: SocketAddr,
    /// The gateways, and what becomes of the words of the first.
    way: Arc<Mutex<(SocketAddr, SocketAddr, Change)>>,
}

impl Between {
    fn new() -> Between {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let way: Arc<Mutex<(_, _, Change)>> = Arc::new(Mutex::new((address, address, |text| text)));
        let known = Arc::clone(&way);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let (first, second, change) = *known.lock().unwrap();
                let (text, to) = if from == first { (change(text), second) } else { (text, first) };
                // A gateway that has gone hears nothing any more.
                let _ = socket.send_to(text.as_bytes(), to);
            }
        });
        Between { address, way }
    }

    fn carry(&self, first: &Gateway, second: &Gateway, change: Change) {
        *self.way.lock().unwrap() = (first.sip, second.sip, change);
    }
}

impl Page {
    /// Is called and declines: who called, and what is known of the number.
    fn declines(&mut self) -> (Value, Value, Value) {
        let incoming = self.expect("incoming");
        self.say(&json!({"type": "hangup", "call": incoming["call"], "cause": "declined"}));
        self.expect("ended");
        (incoming["from"].clone(), incoming["verstat"].clone(), incoming["attestation"].clone())
    }
}

fn leave(text: String) -> String {
    text
}

fn forge(text: String) -> String {
    text.replace("+15550123@", "+15550666@")
}

fn strip(text: String) -> String {
    text.lines().filter(|line| !line.starts_with("Identity:")).map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn a_signed_call_is_shown_as_verified_at_the_next_gateway_and_a_forged_one_is_marked_or_refused() {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text).unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.sign(Vec::new(), Some(PROVIDER));
    let (web, asked) = serve(&authority, certificate.to_vec());
    write("root.pem", &authority.root);
    write("web-root.pem", &authority.root);
    write("key.pem", &key.serialize_pem());
    let between = Between::new();
    let trunk = format!("address = \"{}\"\n", between.address);
    let first = Gateway::with(&format!(
        "{LISTEN}limits.caller.calls_per_second = 100\n[stir]\nkey = \"{}\"\ncertificate_url = \"https://localhost:{}/calls.der\"\n\
         [[trunk]]\nname = \"second\"\nsign = true\n{trunk}\
         [[rule]]\nwhen = {{ entry = \"user\", to = \"+*\" }}\ndial = \"trunk:second\"\n\
         [[user]]\nname = \"alice\"\npassword = \"wonderland\"\nnumber = \"+15550123\"\n",
        path("key.pem"),
        web.port()
    ));
    let second = |check: &str| {
        Gateway::with(&format!(
            "{LISTEN}[stir]\nroots = \"{}\"\nfetch = true\nfetch_hosts = [\"localhost\"]\nfetch_roots = \"{}\"\n\
             [[trunk]]\nname = \"first\"\nidentity_check = \"{check}\"\n{trunk}\
             [[rule]]\nwhen = {{ entry = \"trunk:first\" }}\ndial = \"user:bob\"\n{USERS}",
            path("root.pem"),
            path("web-root.pem")
        ))
    };
    let mut alice = Phone::new(first.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    let mut called = |page: &mut Page| {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| alice.call("+15550100"));
            let shown = page.declines();
            assert_eq!(call.join().unwrap().unwrap_err(), 603);
            shown
        })
    };
    let shown = |number: &str, verstat: &str, attestation: Value| (json!(number), json!(verstat), attestation);
    let verified = shown("+15550123", "TN-Validation-Passed", json!("A"));

    let mut marking = second("mark");
    let mut page = Page::open(marking.page, "bob", "builder");
    between.carry(&first, &marking, leave);
    assert_eq!(called(&mut page), verified);
    assert_eq!(called(&mut page), verified);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the certificate is fetched once");
    between.carry(&first, &marking, forge);
    assert_eq!(called(&mut page), shown("+15550666", "TN-Validation-Failed", Value::Null));
    between.carry(&first, &marking, strip);
    assert_eq!(called(&mut page), shown("+15550123", "No-TN-Validation", Value::Null));
    // Whom the gateway believes is another from SIGHUP on.
    write("root.pem", &other.root);
    marking.program.signal(libc::SIGHUP);
    marking.program.log.expect("have been read again");
    between.carry(&first, &marking, leave);
    assert_eq!(called(&mut page), shown("+15550123", "TN-Validation-Failed", Value::Null));
    until("five records", || marking.records().len() == 5);
    let identities: Vec<Value> = marking.records().iter().map(|record| record["identity"].clone()).collect();
    assert_eq!((&identities[0]["verstat"], &identities[0]["attestation"]), (&verified.1, &verified.2));
    assert_eq!(identities[4]["why"], "the certificate is not believed");

    write("root.pem", &authority.root);
    let rejecting = second("reject");
    let mut page = Page::open(rejecting.page, "bob", "builder");
    between.carry(&first, &rejecting, leave);
    assert_eq!(called(&mut page), verified);
    for (change, status) in [(forge as Change, 438), (strip, 428)] {
        between.carry(&first, &rejecting, change);
        assert_eq!(alice.call("+15550100").unwrap_err(), status);
    }
}
