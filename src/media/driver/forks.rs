//! The WebSockets that listen to calls and speak in them: one task each, on a thread beside the shards.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::{debug, info, warn};

use super::OnEvents;
use crate::base::{CallId, Secret};
use crate::media::bridge::FRAME;
use crate::media::sound::Mouth;
use crate::media::tap::rate::Rate;
use crate::media::tap::{Block, CHANNELS, RATE_HZ, TapKey};
use crate::model::{Cause, RelayEvent, TapWord};

/// Blocks that may wait for a WebSocket: two seconds. Of more the oldest is dropped.
pub const MAX_BLOCKS_WAITING: usize = 100;

/// Words that may wait for a WebSocket; what is more is lost.
pub const MAX_WORDS_WAITING: usize = 100;

/// The largest message that a WebSocket may send, in octets.
pub const LARGEST_MESSAGE: usize = 64 * 1024;

/// How long the way to a WebSocket may take: name, connection, TLS and upgrade.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long the last word to a WebSocket may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Starts the thread on which they all run.
///
/// # Errors
/// The system has no thread to give.
pub fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("forks").enable_all().build()
}

/// What a fork is begun with.
pub struct Fork {
    /// Its name.
    pub key: TapKey,
    /// Where it goes.
    pub url: String,
    /// The rate of its samples.
    pub rate_hz: u32,
    /// What is shown there.
    pub token: Option<Secret>,
    /// What the parties hear of it: the caller, the callee.
    pub mouths: [Mouth; CHANNELS],
    /// Who hears of its end.
    pub on_events: OnEvents,
}

/// The way from a shard to a fork.
#[derive(Clone)]
pub struct Line(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    blocks: usize,
    dropped: u64,
    is_closed: bool,
}

enum Item {
    Block(Block),
    Word(Word),
}

impl Waiting {
    fn drop_oldest_block(&mut self) {
        let oldest = self.items.iter().position(|item| matches!(item, Item::Block(_)));
        if oldest.and_then(|at| self.items.remove(at)).is_some() {
            self.blocks -= 1;
            self.dropped += 1;
        }
    }

    /// What is next; where nothing follows any more, the words alone.
    fn pop(&mut self) -> Option<Next> {
        if self.dropped > 0 {
            return Some(Next::Dropped(std::mem::take(&mut self.dropped)));
        }
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Word(word) => return Some(Next::Word(word)),
                Item::Block(block) => {
                    self.blocks -= 1;
                    if !self.is_closed {
                        return Some(Next::Block(block));
                    }
                }
            }
        }
        self.is_closed.then_some(Next::Closed)
    }
}

/// What a task takes from its line.
enum Next {
    Block(Block),
    Word(Word),
    /// So many were dropped before the next one.
    Dropped(u64),
    Closed,
}

impl Line {
    /// Hands a block on; never waits.
    pub fn send(&self, block: Block) {
        self.change(|waiting| {
            if waiting.blocks >= MAX_BLOCKS_WAITING {
                waiting.drop_oldest_block();
            }
            waiting.blocks += 1;
            waiting.items.push_back(Item::Block(block));
        });
    }

    /// Hands a word on, about the party of a channel; never waits.
    pub fn tell(&self, channel: Option<usize>, word: TapWord) {
        let word = match word {
            TapWord::Over(cause) => Some(Word::Stop { cause }),
            TapWord::Digit { digit, duration, .. } => {
                let party = channel.and_then(|channel| PARTIES.get(channel)).copied();
                let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                party.map(|party| Word::Digit { party, digit, duration_ms })
            }
        };
        self.change(|waiting| {
            let has_room = waiting.items.len() - waiting.blocks < MAX_WORDS_WAITING;
            waiting.items.extend(word.filter(|_| has_room).map(Item::Word));
        });
    }

    /// Nothing follows.
    pub fn close(&self) {
        self.change(|waiting| waiting.is_closed = true);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let result = change(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.bell.notify_one();
        result
    }

    async fn next(&self) -> Next {
        loop {
            let next = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(next) => return next,
                None => self.0.bell.notified().await,
            }
        }
    }
}

/// Begins a fork.
pub fn begin(runtime: &Handle, fork: Fork) -> Line {
    let line = Line(Arc::default());
    let own = line.clone();
    runtime.spawn(async move {
        let ended = fork.run(&own).await;
        let TapKey { call, tap } = fork.key;
        match &ended {
            Ok(()) => info!(%call, "the fork ends"),
            Err(why) => warn!(%call, why, "the fork ends before the call"),
        }
        fork.mouths.iter().for_each(Mouth::hush);
        (fork.on_events)(vec![RelayEvent::TapEnded { call, tap, why: ended.err() }]);
    });
    line
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// The first message.
#[derive(Serialize)]
struct Start {
    r#type: &'static str,
    version: u32,
    call: String,
    rate: u32,
    channels: usize,
    format: &'static str,
}

/// What a program may say beside speech.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Control {
    To { parties: Vec<PartyName> },
    Clear,
}

/// What a program is told beside speech.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Word {
    /// A party pressed a key.
    Digit { party: PartyName, digit: char, duration_ms: u64 },
    /// The call is over.
    Stop { cause: Cause },
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PartyName {
    Caller,
    Callee,
}

/// The parties, each at the place of its channel.
const PARTIES: [PartyName; CHANNELS] = [PartyName::Caller, PartyName::Callee];

impl Fork {
    async fn run(&self, line: &Line) -> Result<(), String> {
        let connected = timeout(CONNECT_PATIENCE, self.connect()).await;
        let socket = connected.map_err(|_| "the fork's WebSocket did not answer in 5 s".to_owned())??;
        info!(call = %self.key.call, "the fork listens");
        self.serve(socket, line).await
    }

    async fn connect(&self) -> Result<Socket, String> {
        let request = self.request()?;
        let uri = request.uri();
        let (host, is_secure) = (uri.host().unwrap_or_default().to_owned(), uri.scheme_str() == Some("wss"));
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let failed = |error: &dyn std::fmt::Display| format!("the fork's WebSocket cannot be reached: {error}");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((bare, port)).await.map_err(|e| failed(&e))?;
        tcp.set_nodelay(true).map_err(|e| failed(&e))?;
        let stream: Box<dyn Stream> = match is_secure {
            false => Box::new(tcp),
            true => {
                let name = ServerName::try_from(bare.to_owned()).map_err(|e| failed(&e))?;
                let tls = TlsConnector::from(trust().map_err(|e| failed(&e))?).connect(name, tcp).await;
                Box::new(tls.map_err(|e| failed(&e))?)
            }
        };
        let limits =
            WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE)).max_frame_size(Some(LARGEST_MESSAGE));
        let (socket, _) = client_async_with_config(request, stream, Some(limits)).await.map_err(|e| failed(&e))?;
        Ok(socket)
    }

    fn request(&self) -> Result<Request<()>, String> {
        let mut request =
            self.url.as_str().into_client_request().map_err(|e| format!("the fork's URL cannot be used: {e}"))?;
        if let Some(token) = &self.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut bearer = bearer.map_err(|_| "the fork's token cannot stand in a header".to_owned())?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        Ok(request)
    }

    async fn serve(&self, socket: Socket, line: &Line) -> Result<(), String> {
        let (mut out, mut incoming) = socket.split();
        let broke = |error: &dyn std::fmt::Display| format!("the fork's WebSocket broke: {error}");
        let start = Start {
            r#type: "start",
            version: 1,
            call: self.key.call.to_string(),
            rate: self.rate_hz,
            channels: CHANNELS,
            format: "s16le",
        };
        let unknown = || format!("there is no way to samples at {} Hz", self.rate_hz);
        let rate = |from, to| Rate::new(from, to).ok_or_else(unknown);
        let mut outward = [rate(RATE_HZ, self.rate_hz)?, rate(RATE_HZ, self.rate_hz)?];
        let inward = rate(self.rate_hz, RATE_HZ)?;
        let listening = async {
            out.send(text(&start)).await.map_err(|e| broke(&e))?;
            loop {
                match line.next().await {
                    Next::Block(block) => {
                        let octets = octets(&block, &mut outward);
                        out.send(Message::Binary(octets.into())).await.map_err(|e| broke(&e))?;
                    }
                    Next::Word(word) => out.send(text(&word)).await.map_err(|e| broke(&e))?,
                    Next::Dropped(blocks) => {
                        let ms = u128::from(blocks) * FRAME.as_millis();
                        let dropped = serde_json::json!({ "type": "dropped", "ms": ms as u64 });
                        out.send(text(&dropped)).await.map_err(|e| broke(&e))?;
                    }
                    Next::Closed => {
                        let _ = timeout(CLOSE_PATIENCE, out.close()).await;
                        return Ok(());
                    }
                }
            }
        };
        let speaking = async {
            let mut speech = Speech { call: self.key.call, parties: PARTIES.to_vec(), rate: inward, dropped: 0 };
            loop {
                match incoming.next().await {
                    Some(Ok(Message::Binary(octets))) => speech.say(&octets, &self.mouths),
                    Some(Ok(Message::Text(words))) => speech.obey(words.as_str(), &self.mouths),
                    Some(Ok(Message::Close(_))) | None => return Err("the fork's WebSocket was closed".to_owned()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Err(error)) => return Err(broke(&error)),
                }
            }
        };
        tokio::select! {
            ended = listening => ended,
            ended = speaking => ended,
        }
    }
}

/// What a program says, and to whom.
struct Speech {
    call: CallId,
    parties: Vec<PartyName>,
    rate: Rate,
    dropped: usize,
}

impl Speech {
    fn say(&mut self, octets: &Bytes, mouths: &[Mouth; CHANNELS]) {
        let samples: Vec<i16> = octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let samples = self.rate.process(&samples);
        for (mouth, party) in mouths.iter().zip(PARTIES) {
            let dropped = if self.parties.contains(&party) { mouth.say(&samples) } else { 0 };
            if dropped > 0 && self.dropped == 0 {
                warn!(call = %self.call, "the fork speaks far ahead of the time: the oldest is dropped");
            }
            self.dropped += dropped;
        }
    }

    fn obey(&mut self, words: &str, mouths: &[Mouth; CHANNELS]) {
        match serde_json::from_str(words) {
            Ok(Control::To { parties }) => self.parties = parties,
            Ok(Control::Clear) => mouths.iter().for_each(Mouth::hush),
            Err(error) => debug!(call = %self.call, %error, "the fork said something that means nothing"),
        }
    }
}

/// A block as a program wants it: left, right, left, right, low octet first.
fn octets(block: &Block, rates: &mut [Rate; CHANNELS]) -> Vec<u8> {
    let channel = |number| block.samples.iter().copied().skip(number).step_by(CHANNELS).collect::<Vec<i16>>();
    let [left, right] = rates;
    let (left, right) = (left.process(&channel(0)), right.process(&channel(1)));
    left.iter().zip(&right).flat_map(|(left, right)| [left.to_le_bytes(), right.to_le_bytes()]).flatten().collect()
}

fn text(words: &impl Serialize) -> Message {
    // Plain values always have a JSON form.
    Message::text(serde_json::to_string(words).unwrap_or_default())
}

/// What TLS connections trust: the system's roots, read once.
fn trust() -> io::Result<Arc<ClientConfig>> {
    static TRUST: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(known) = TRUST.get() {
        return Ok(known.clone());
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TRUST.get_or_init(|| Arc::new(config)).clone())
}
