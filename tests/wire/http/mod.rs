//! The HTTP server and the WebSocket over real sockets.

mod pages;
mod proxies;
mod socket;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use patchcord::base::{AdapterId, Dice, LegId, Proxies, Secret};
use patchcord::http::{DialHint, HttpConfig, HttpHandle, Tls};
use patchcord::model::{Binding, Directory, Overflow, Signal, Switchboard, User};
use patchcord::web::{self, WebHandle};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// The calls' end of a gateway without calls.
struct Board {
    heard: mpsc::Sender<(LegId, Signal)>,
    bound: Mutex<Vec<Binding>>,
    full: bool,
}

impl Switchboard for Board {
    fn hear(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        if self.full { Err(Overflow) } else { self.heard.try_send((leg, signal)).map_err(|_| Overflow) }
    }

    fn bind(&self, binding: Binding) {
        self.bound.lock().unwrap().push(binding);
    }

    fn unbind(&self, binding: &Binding) {
        self.bound.lock().unwrap().retain(|b| b != binding);
    }
}

pub struct Server {
    pub http: HttpHandle,
    pub web: WebHandle,
    pub heard: mpsc::Receiver<(LegId, Signal)>,
}

/// What a test wants of a server.
pub struct Wish {
    pub tls: Tls,
    pub guest: bool,
    pub full: bool,
    /// The proxies that it believes.
    pub proxies: &'static [&'static str],
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { tls: Tls::Off, guest: true, full: false, proxies: &[] }
    }
}

pub async fn server(wish: Wish) -> Server {
    let alice = User { password: Secret::new("pencil"), display: Some("Alice".into()), number: None, jid: None };
    let directory = Directory { users: [("alice".to_owned(), alice)].into() };
    let directory = Arc::new(ArcSwap::from_pointee(directory));
    let guest = wish.guest.then(|| "web".to_owned());
    let (sender, heard) = mpsc::channel(64);
    let board = Arc::new(Board { heard: sender, bound: Mutex::default(), full: wish.full });
    let config = web::Config { guest: guest.clone(), ..web::Config::default() };
    let web = web::driver::start(AdapterId(2), config, Arc::clone(&directory), board, Dice::for_test(7));
    let config = HttpConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: wish.tls,
        origins: vec!["https://app.example.org".into()],
        proxies: Proxies::new(wish.proxies.iter().map(|proxy| proxy.parse().unwrap()).collect()),
        guest,
        dial_hints: vec![DialHint { to: "echo".into(), text: "Hear yourself".into() }],
    };
    let http = patchcord::http::start(config, web.clone(), None, directory).await.unwrap();
    Server { http, web, heard }
}

/// A response, as it came.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Server {
    /// Asks as a page of the gateway's own would, with further headers.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        ask(TcpStream::connect(self.http.address).await.unwrap(), self, method, path, headers, body).await
    }
}

pub async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {}\r\n", server.http.address);
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_owned(), body: body.to_owned() }
}
