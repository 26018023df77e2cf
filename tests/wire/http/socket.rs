//! The WebSocket, over HTTP and over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use patchcord::base::LegId;
use patchcord::http::Tls;
use patchcord::model::{Adapter, Cause, Hangup, Signal};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Server, Wish, ask, server};

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n\
c=IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlS1\r\na=fingerprint:sha-256 \
75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r\n\
a=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n";

/// Nothing here takes as long, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(120);

struct Client<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn frame(&mut self) -> Value {
        serde_json::from_str(self.next().await.to_text().unwrap()).unwrap()
    }

    async fn close_code(&mut self) -> u16 {
        let Message::Close(Some(close)) = self.next().await else { panic!("no close") };
        close.code.into()
    }
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    origin: Option<&str>,
    protocol: Option<&str>,
) -> Result<Client<S>, u16> {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [("origin", origin), ("sec-websocket-protocol", protocol)] {
        if let Some(value) = value {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    match client_async(request, stream).await {
        Ok((stream, _)) => Ok(Client(stream)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn connect(server: &Server) -> Client<TcpStream> {
    let stream = TcpStream::connect(server.http.address).await.unwrap();
    let origin = server.http.url.trim_end_matches('/').to_owned();
    let url = format!("ws://{}/ws", server.http.address);
    open(stream, &url, Some(&origin), Some("patchcord.1")).await.ok().unwrap()
}

async fn token(server: &Server) -> Value {
    server.ask("POST", "/session", &[], "{}").await.json()["token"].clone()
}

async fn signed_in(server: &Server) -> Client<TcpStream> {
    let token = token(server).await;
    let mut client = connect(server).await;
    client.send(json!({"type": "hello", "version": 1, "token": token})).await;
    assert_eq!(client.frame().await["user"], "web");
    client
}

async fn heard(server: &mut Server) -> (LegId, Signal) {
    tokio::time::timeout(PATIENCE, server.heard.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_page_signs_in_calls_is_told_and_hangs_up() {
    let mut server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    client.send(json!({"type": "call", "call": "1", "to": "+15550100", "sdp": OFFER})).await;
    let (leg, start) = heard(&mut server).await;
    assert!(matches!(start, Signal::Start(s) if s.to.user == "+15550100"));
    server.web.say(leg, Signal::Accept).unwrap();
    assert_eq!(client.frame().await["type"], "accepted");
    client.send(json!({"type": "hangup", "call": "1"})).await;
    assert_eq!(client.frame().await["cause"], "normal");
    assert!(matches!(heard(&mut server).await, (l, Signal::Hangup(Hangup { .. })) if l == leg));
}

#[tokio::test]
async fn a_socket_that_is_dropped_is_lost_and_can_be_taken_back() {
    let mut server = server(Wish::default()).await;
    let token = token(&server).await;
    let mut client = connect(&server).await;
    client.send(json!({"type": "hello", "version": 1, "token": token})).await;
    let welcome = client.frame().await;
    client.send(json!({"type": "call", "call": "1", "to": "echo", "sdp": OFFER})).await;
    let (leg, _) = heard(&mut server).await;
    drop(client);
    assert_eq!(heard(&mut server).await, (leg, Signal::Lost));
    let mut again = connect(&server).await;
    again.send(json!({"type": "hello", "version": 1, "resume": welcome["resume"]})).await;
    assert_eq!(again.frame().await["calls"][0]["call"], "1");
    assert_eq!(heard(&mut server).await, (leg, Signal::Back));
}

#[tokio::test]
async fn a_socket_that_is_closed_with_1000_ends_its_calls_and_one_closed_otherwise_is_lost() {
    let frame = |code: CloseCode| Some(CloseFrame { code, reason: Default::default() });
    for (close, expected) in [
        (frame(CloseCode::Normal), Signal::Hangup(Hangup::new(Cause::Cancelled))),
        (frame(CloseCode::Away), Signal::Lost),
        (None, Signal::Lost),
    ] {
        let mut server = server(Wish::default()).await;
        let mut client = signed_in(&server).await;
        client.send(json!({"type": "call", "call": "1", "to": "echo", "sdp": OFFER})).await;
        let (leg, _) = heard(&mut server).await;
        client.0.close(close.clone()).await.unwrap();
        assert_eq!(heard(&mut server).await, (leg, expected), "{close:?}");
    }
}

#[tokio::test]
async fn only_pages_of_known_origins_open_the_socket_and_only_in_this_version() {
    let server = server(Wish::default()).await;
    let own = server.http.url.trim_end_matches('/').to_owned();
    let right = Some("patchcord.1");
    for (origin, protocol, expected) in [
        (Some(own.as_str()), right, None),
        (Some("https://app.example.org"), right, None),
        (Some(own.as_str()), Some("patchcord.2, patchcord.1"), None),
        (Some("https://evil.example"), right, Some(403)),
        (Some("null"), right, Some(403)),
        (None, right, Some(403)),
        (Some(own.as_str()), Some("patchcord.2"), Some(400)),
        (Some(own.as_str()), None, Some(400)),
    ] {
        let stream = TcpStream::connect(server.http.address).await.unwrap();
        let url = format!("ws://{}/ws", server.http.address);
        let refused = open(stream, &url, origin, protocol).await.err();
        assert_eq!(refused, expected, "{origin:?} {protocol:?}");
    }
}

#[tokio::test]
async fn a_frame_over_64_kib_is_named_and_closes_with_1009() {
    let server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    client.0.send(Message::text("x".repeat(65_537))).await.unwrap();
    assert_eq!(client.frame().await["code"], "too-large");
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn a_frame_that_is_far_too_large_is_not_read() {
    let server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    // The header of a text frame of one megabyte, and none of it.
    let head = [0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4];
    tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), &head).await.unwrap();
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn binary_messages_are_refused_and_bad_json_is_named() {
    let server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    client.0.send(Message::text("{")).await.unwrap();
    assert_eq!(client.frame().await["code"], "bad-json");
    client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.close_code().await, 1003);
}

#[tokio::test]
async fn another_version_in_hello_is_refused() {
    let server = server(Wish::default()).await;
    let mut client = connect(&server).await;
    client.send(json!({"type": "hello", "version": 2, "token": "x"})).await;
    assert_eq!(client.frame().await["code"], "bad-version");
    assert_eq!(client.close_code().await, 1008);
}

#[tokio::test]
async fn a_call_for_which_the_gateway_has_no_room_is_refused() {
    let server = server(Wish { full: true, ..Wish::default() }).await;
    let mut client = signed_in(&server).await;
    client.send(json!({"type": "call", "call": "1", "to": "echo", "sdp": OFFER})).await;
    let frame = client.frame().await;
    assert_eq!((&frame["code"], &frame["call"]), (&json!("congestion"), &json!("1")));
}

#[tokio::test]
async fn a_page_that_does_not_read_is_closed_and_its_session_waits() {
    let mut server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    client.send(json!({"type": "call", "call": "1", "to": "echo", "sdp": OFFER})).await;
    let (leg, _) = heard(&mut server).await;
    let notice = Signal::Notice("x".repeat(60_000));
    let flood = async {
        loop {
            // The task may lag behind the test; it never waits for the page.
            let _ = server.web.say(leg, notice.clone());
            tokio::task::yield_now().await;
            if let Ok((_, signal)) = server.heard.try_recv() {
                return signal;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, flood).await, Ok(Signal::Lost));
}

#[tokio::test]
async fn stopping_the_server_closes_what_is_open() {
    let server = server(Wish::default()).await;
    let mut client = signed_in(&server).await;
    let address = server.http.address;
    drop(server.http);
    assert_eq!(client.close_code().await, 1001);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it still listens");
        tokio::task::yield_now().await;
    }
}

fn trusting(certificate: &std::path::Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn https_with_a_certificate_of_its_own_works_and_keeps_it() {
    let state = tempfile::tempdir().unwrap();
    let certificate = state.path().join("web-certificate.pem");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let server = server(Wish { tls: Tls::SelfSigned(state.path().join(".")), ..Wish::default() }).await;
        assert!(server.http.url.starts_with("https://127.0.0.1:"));
        seen.push(std::fs::read(&certificate).unwrap());
        let tls = trusting(&certificate);
        let name = || ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(server.http.address).await.unwrap();
        let stream = tls.connect(name(), stream).await.unwrap();
        let token = ask(stream, &server, "POST", "/session", &[], "{}").await.json()["token"].clone();
        let stream = TcpStream::connect(server.http.address).await.unwrap();
        let stream = tls.connect(name(), stream).await.unwrap();
        let origin = server.http.url.trim_end_matches('/').to_owned();
        let url = format!("wss://{}/ws", server.http.address);
        let mut client = open(stream, &url, Some(&origin), Some("patchcord.1")).await.ok().unwrap();
        client.send(json!({"type": "hello", "version": 1, "token": token})).await;
        assert_eq!(client.frame().await["type"], "welcome");
    }
    assert_eq!(seen[0], seen[1]);
    #[cfg(unix)]
    {
        let mode = std::fs::metadata(state.path().join("web-key.pem")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("certificate.pem");
    std::fs::write(&file, "nonsense").unwrap();
    let tls = Tls::Files { certificate: file.clone(), key: file.clone() };
    let config = patchcord::http::HttpConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls,
        origins: vec![],
        proxies: Default::default(),
        guest: None,
        dial_hints: vec![],
    };
    let server = server(Wish::default()).await;
    let error = patchcord::http::start(config, server.web.clone(), None, Arc::default()).await.unwrap_err();
    assert!(error.to_string().contains("certificate.pem"), "{error}");
}
