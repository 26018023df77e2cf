//! SIP over WebSocket (RFC 7118).

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::base::Proxies;

type Socket = WebSocketStream<TcpStream>;

fn bench(limits: Limits) -> Bench {
    behind(&[], limits)
}

/// A bench that believes these proxies.
fn behind(proxies: &[&str], limits: Limits) -> Bench {
    let listen = ["udp:127.0.0.1:0", "ws:127.0.0.1:0"].map(|l| l.parse().unwrap()).to_vec();
    let proxies = Proxies::new(proxies.iter().map(|proxy| proxy.parse().unwrap()).collect());
    let origins = vec!["https://app.example.org".into()];
    Bench::with(Config { listen, origins, proxies, ..Config::default() }, limits, Vec::new())
}

async fn open(bench: &Bench, origin: Option<&str>) -> Result<Socket, u16> {
    open_for(bench, origin, None).await
}

/// Opens one as a proxy that says whose it is.
async fn open_for(bench: &Bench, origin: Option<&str>, client: Option<&str>) -> Result<Socket, u16> {
    let address = bench.address(Transport::Ws);
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    if let Some(client) = client {
        request.headers_mut().insert("X-Forwarded-For", client.parse().unwrap());
    }
    match client_async(request, TcpStream::connect(address).await.unwrap()).await {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
            Ok(socket)
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// An OPTIONS as browsers write one: a host that is none, and no length.
fn options_of_a_browser() -> String {
    "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/WS emnsav6d9orp.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
     To: <sip:h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\nbody"
        .into()
}

async fn next(socket: &mut Socket) -> Frame {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Frame::Ping(_) | Frame::Pong(_) => {}
            frame => return frame,
        }
    }
}

#[test]
fn a_message_is_a_frame_of_text_or_octets_and_is_answered_on_its_socket() {
    run(async {
        let mut bench = bench(Limits::default());
        let mut browser = open(&bench, Some("https://app.example.org")).await.unwrap();
        for frame in [Frame::text(options_of_a_browser()), Frame::binary(options_of_a_browser().into_bytes())] {
            browser.send(frame).await.unwrap();
            let Frame::Text(answer) = next(&mut browser).await else { panic!("no text") };
            assert!(answer.starts_with("SIP/2.0 200 OK\r\n") && answer.contains("emnsav6d9orp.invalid"), "{answer}");
            assert!(answer.contains(";received=127.0.0.1"), "{answer}");
            assert_eq!(bench.seen().await, "OPTIONS 4");
        }
        browser.send(Frame::text("\r\n\r\n")).await.unwrap();
        assert_eq!(next(&mut browser).await, Frame::text("\r\n"));
        drop(browser);
        assert!(bench.seen().await.starts_with("closed 127.0.0.1:"));
    });
}

#[test]
fn a_page_of_another_origin_and_a_frame_without_end_are_refused() {
    run(async {
        let bench = bench(Limits::default());
        assert_eq!(open(&bench, Some("https://evil.example")).await.err(), Some(403));
        let mut program = open(&bench, None).await.unwrap();
        // The gateway closes before it has read all.
        let _ = program.send(Frame::text("x".repeat(8 * 1024 * 1024))).await;
        assert!(!matches!(program.next().await, Some(Ok(Frame::Text(_)))));
    });
}

#[test]
fn a_browser_that_has_gone_is_not_called_back_and_that_is_told() {
    run(async {
        let mut bench = bench(Limits::default());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let message = request("MESSAGE", "sip:127.0.0.1:9;transport=ws", "");
        phone.send_to(&message, bench.address(Transport::Udp)).await.unwrap();
        assert_eq!(bench.seen().await, "closed 127.0.0.1:9");
    });
}

#[test]
fn a_websocket_counts_by_the_client_that_a_trusted_proxy_names() {
    run(async {
        let mut bench = behind(&["127.0.0.0/8"], Limits { connections_per_peer: 1, ..Limits::default() });
        let mut held = Vec::new();
        for client in ["192.0.2.1", "2001:db8::7"] {
            let mut socket = open_for(&bench, None, Some(&format!("203.0.113.9, {client}"))).await.unwrap();
            assert_eq!(bench.seen().await, format!("client {client}"));
            socket.send(Frame::text(options_of_a_browser())).await.unwrap();
            assert_eq!(bench.seen().await, "OPTIONS 4");
            held.push(socket);
        }
        let mut second = open_for(&bench, None, Some("192.0.2.1")).await.unwrap();
        assert!(matches!(next(&mut second).await, Frame::Close(_)));
        assert!(bench.seen().await.starts_with("closed 127.0.0.1:"));
        // Whoever leaves makes room.
        drop(held);
        for _ in 0..2 {
            assert!(bench.seen().await.starts_with("closed 127.0.0.1:"));
        }
        let _third = open_for(&bench, None, Some("192.0.2.1")).await.unwrap();
        assert_eq!(bench.seen().await, "client 192.0.2.1");
    });
}

#[test]
fn what_anybody_else_says_of_whose_websocket_it_is_counts_for_nothing() {
    run(async {
        let mut bench = behind(&["192.0.2.0/24"], Limits { connections_per_peer: 1, ..Limits::default() });
        let mut socket = open_for(&bench, None, Some("192.0.2.1")).await.unwrap();
        socket.send(Frame::text(options_of_a_browser())).await.unwrap();
        assert_eq!(bench.seen().await, "OPTIONS 4");
    });
}

#[test]
fn who_never_opens_the_websocket_is_let_go() {
    run(async {
        let bench = bench(Limits { handshake: Duration::from_millis(50), ..Limits::default() });
        let mut silent = TcpStream::connect(bench.address(Transport::Ws)).await.unwrap();
        silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert!(is_closed(&mut silent).await);
    });
}

#[test]
fn stopping_closes_the_socket_with_a_word() {
    run(async {
        let mut bench = bench(Limits::default());
        let mut browser = open(&bench, None).await.unwrap();
        browser.send(Frame::text(options_of_a_browser())).await.unwrap();
        assert_eq!(bench.seen().await, "OPTIONS 4");
        bench.running.handle.stop().await;
        assert!(matches!(next(&mut browser).await, Frame::Text(_)));
        let Frame::Close(Some(close)) = next(&mut browser).await else { panic!("no word") };
        assert_eq!(u16::from(close.code), 1001);
    });
}
