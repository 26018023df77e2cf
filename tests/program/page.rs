//! A page at the gateway's door, that says and hears frames.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::house::PATIENCE;

/// A page, as a program.
pub struct Page(WebSocket<TcpStream>);

impl Page {
    /// Signs in.
    pub fn open(page: SocketAddr, user: &str, password: &str) -> Page {
        let mut stream = TcpStream::connect(page).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = json!({"user": user, "password": password}).to_string();
        let head = format!(
            "POST /session HTTP/1.1\r\nHost: {page}\r\nOrigin: http://{page}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let session: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).expect(&answer);

        let mut request = format!("ws://{page}/ws").into_client_request().unwrap();
        let header = |text: &str| HeaderValue::from_str(text).unwrap();
        request.headers_mut().insert("origin", header(&format!("http://{page}")));
        request.headers_mut().insert("sec-websocket-protocol", header("patchcord.1"));
        let stream = TcpStream::connect(page).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut page = Page(client(request, stream).unwrap().0);
        page.say(&json!({"type": "hello", "version": 1, "token": session["token"]}));
        page.expect("welcome");
        page
    }

    /// Says a frame.
    pub fn say(&mut self, frame: &Value) {
        self.0.send(Message::Text(frame.to_string().into())).unwrap();
    }

    /// The next frame of this kind; others are passed over.
    pub fn expect(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The gateway's pings come in meanwhile.
            assert!(Instant::now() < deadline, "no {kind}");
            let Message::Text(text) = self.0.read().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}
