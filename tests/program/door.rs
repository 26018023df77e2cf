//! The page, off loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::house::{Program, ask, greeting};

fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn over_tls(page: SocketAddr, config: &Arc<ClientConfig>) -> String {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(page).unwrap());
    let request = format!("GET /health HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The end of the connection may come without TLS's own word for it.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn off_loopback_the_page_is_served_over_https_with_a_certificate_that_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let file = "sip.listen = \"udp:127.0.0.1:0\"\nweb.listen = \"0.0.0.0:0\"\n\
                [media]\nadvertise = \"127.0.0.1\"\nice_port = 0\n";
    std::fs::write(home.path().join("gateway.toml"), file).unwrap();
    let certificate = home.path().join("state/patchcord/web-certificate.pem");
    let mut trusted = None;
    for _ in 0..2 {
        let mut program = Program::start(home.path(), &["--config", "gateway.toml"]);
        let (_, page) = greeting(&mut program);
        assert!(program.out.seen.iter().any(|line| line.contains("https://localhost:")));
        // What the first start showed is what the second one shows.
        let trusted = trusted.get_or_insert_with(|| trusting(&certificate));
        assert!(over_tls(page, trusted).starts_with("HTTP/1.1 200 "));
        let mut plain = TcpStream::connect(page).unwrap();
        plain.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "plain HTTP is answered");
        program.signal(libc::SIGTERM);
        assert!(program.wait().success());
    }
}

#[test]
fn on_loopback_the_page_needs_no_certificate() {
    let home = tempfile::tempdir().unwrap();
    let mut program = Program::start(home.path(), &[]);
    let (_, page) = greeting(&mut program);
    let answer = ask(&mut TcpStream::connect(page).unwrap(), page, "/");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<!doctype html>"), "{answer}");
    assert!(!home.path().join("state/patchcord/web-key.pem").exists());
}
