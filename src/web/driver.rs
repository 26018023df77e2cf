//! The task that owns the [`Endpoint`].
//!
//! A socket is a pair of bounded queues, so that this room need not know who serves it. Towards the task a
//! socket's reader waits (TCP then slows the page down); the task itself waits for nobody: a page that does
//! not read its frames is closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::{Config, ConnId, Endpoint, Output};
use crate::base::{AdapterId, Dice, LegId, Secret};
use crate::model::{Abilities, Adapter, Directory, Overflow, Signal, Switchboard, Text, TextId, Undelivered};

/// Frames and events of the sockets that wait for the task.
const INPUTS: usize = 256;
/// Signals of the calls, and messages of the switch, that wait for the task.
const SIGNALS: usize = 1024;
/// Frames that wait for one socket to take them.
const FRAMES: usize = 64;

/// What a socket is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// Send a text message.
    Text(String),
    /// Close with this code.
    Close(u16),
}

enum Input {
    Connected { conn: ConnId, peer: IpAddr, frames: mpsc::Sender<ToClient> },
    Text { conn: ConnId, text: String },
    Oversized { conn: ConnId },
    Left { conn: ConnId },
    Closed { conn: ConnId },
    Mint { user: String, reply: oneshot::Sender<Option<Secret>> },
}

enum Said {
    Signal { leg: LegId, signal: Signal },
    Deliver(Box<Text>),
    Delivered { id: TextId, result: Result<(), Undelivered> },
}

/// The browsers' endpoint, for those who talk to its task. The task ends when the last handle is gone.
#[derive(Clone)]
pub struct WebHandle {
    inputs: mpsc::Sender<Input>,
    signals: mpsc::Sender<Said>,
    abilities: Abilities,
    next_conn: Arc<AtomicU64>,
    sessions: Arc<AtomicUsize>,
}

impl WebHandle {
    /// A token with which `user`, who has proven to be that, may open one connection.
    ///
    /// # Errors
    /// [`Overflow`] if too many tokens are out, or the task is too busy.
    pub async fn mint_token(&self, user: &str) -> Result<Secret, Overflow> {
        let (reply, answer) = oneshot::channel();
        self.inputs.try_send(Input::Mint { user: user.to_owned(), reply }).map_err(|_| Overflow)?;
        answer.await.ok().flatten().ok_or(Overflow)
    }

    /// How many pages are signed in, those too that are waited for.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Takes a socket in that has been opened from that address.
    ///
    /// # Errors
    /// [`Overflow`] if the task is too busy.
    pub fn accept(&self, peer: IpAddr) -> Result<Socket, Overflow> {
        let conn = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        let (sender, frames) = mpsc::channel(FRAMES);
        self.inputs.try_send(Input::Connected { conn, peer, frames: sender }).map_err(|_| Overflow)?;
        Ok(Socket { conn, inputs: self.inputs.clone(), frames })
    }
}

impl Adapter for WebHandle {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        self.signals.try_send(Said::Signal { leg, signal }).map_err(|_| Overflow)
    }

    fn deliver(&self, text: Text) -> Result<(), Overflow> {
        self.signals.try_send(Said::Deliver(Box::new(text))).map_err(|_| Overflow)
    }

    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        // Where there is no room for it, the endpoint itself gives the message up in time.
        let _ = self.signals.try_send(Said::Delivered { id, result });
    }
}

/// One socket, seen from the one who serves it. Dropping it tells the endpoint that the socket is gone.
pub struct Socket {
    conn: ConnId,
    inputs: mpsc::Sender<Input>,
    frames: mpsc::Receiver<ToClient>,
}

impl Socket {
    /// Hands a text message in; waits while the task is busy.
    pub async fn text(&self, text: String) {
        let _ = self.inputs.send(Input::Text { conn: self.conn, text }).await;
    }

    /// Says that a message over [`super::FRAME_LIMIT`] came; a [`ToClient::Close`] follows.
    pub async fn oversized(&self) {
        let _ = self.inputs.send(Input::Oversized { conn: self.conn }).await;
    }

    /// Says that the client closes because it leaves (RFC 6455 §7.4.1, 1000); any other end of a socket is a
    /// loss, and dropping it says so.
    pub async fn left(&self) {
        let _ = self.inputs.send(Input::Left { conn: self.conn }).await;
    }

    /// What to do next; `None`: close, for the endpoint has gone or took the socket for too slow.
    pub async fn next(&mut self) -> Option<ToClient> {
        self.frames.recv().await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let closed = Input::Closed { conn: self.conn };
        if let Err(mpsc::error::TrySendError::Full(closed)) = self.inputs.try_send(closed) {
            let inputs = self.inputs.clone();
            // The endpoint must learn of it; only a runtime that is going down itself excuses from that.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { inputs.send(closed).await });
            }
        }
    }
}

/// Starts the task.
pub fn start(
    adapter: AdapterId,
    config: Config,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    dice: Dice,
) -> WebHandle {
    let (inputs, heard) = mpsc::channel(INPUTS);
    let (signals, said) = mpsc::channel(SIGNALS);
    let abilities = Abilities { offers: config.offers, ..Abilities::BROWSER };
    let endpoint = Endpoint::new(adapter, config, directory.load_full(), dice);
    let sessions = Arc::new(AtomicUsize::new(0));
    let task = Task { endpoint, directory, switchboard, sockets: HashMap::new(), sessions: Arc::clone(&sessions) };
    tokio::spawn(task.run(heard, said));
    WebHandle { inputs, signals, abilities, next_conn: Arc::new(AtomicU64::new(1)), sessions }
}

struct Task {
    endpoint: Endpoint,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    sockets: HashMap<ConnId, mpsc::Sender<ToClient>>,
    sessions: Arc<AtomicUsize>,
}

impl Task {
    async fn run(mut self, mut heard: mpsc::Receiver<Input>, mut said: mpsc::Receiver<Said>) {
        loop {
            let due = self.endpoint.poll_timeout();
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(said) = said.recv() => self.say(said),
                () = sleep => self.endpoint.handle_timeout(Instant::now()),
                input = heard.recv() => match input {
                    Some(input) => self.input(input),
                    None => return,
                },
            }
            self.drain();
            self.sessions.store(self.endpoint.sessions(), Ordering::Relaxed);
        }
    }
}

impl Task {
    fn say(&mut self, said: Said) {
        match said {
            Said::Signal { leg, signal } => self.endpoint.say(Instant::now(), leg, signal),
            Said::Deliver(text) => self.endpoint.deliver(*text),
            Said::Delivered { id, result } => self.endpoint.delivered(id, result),
        }
    }

    fn input(&mut self, input: Input) {
        let now = Instant::now();
        let directory = self.directory.load();
        self.endpoint.set_directory(&directory);
        match input {
            Input::Connected { conn, peer, frames } => {
                self.sockets.insert(conn, frames);
                self.endpoint.handle_connected(now, conn, peer);
            }
            Input::Text { conn, text } => self.endpoint.handle_text(now, conn, &text),
            Input::Oversized { conn } => self.endpoint.handle_oversized(now, conn),
            Input::Left { conn } => {
                self.sockets.remove(&conn);
                self.endpoint.handle_left(conn);
            }
            Input::Closed { conn } => {
                self.sockets.remove(&conn);
                self.endpoint.handle_closed(now, conn);
            }
            Input::Mint { user, reply } => {
                let _ = reply.send(self.endpoint.mint_token(now, &user));
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Text { conn, text } => self.send(conn, ToClient::Text(text)),
                Output::Close { conn, code } => {
                    self.send(conn, ToClient::Close(code));
                    self.sockets.remove(&conn);
                }
                Output::Signal { leg, signal } => {
                    let opens = matches!(signal, Signal::Start(_));
                    if self.switchboard.hear(leg, signal).is_err() {
                        self.endpoint.handle_overflow(leg, opens);
                    }
                }
                Output::Written(text) => {
                    let id = text.id;
                    if self.switchboard.text(text).is_err() {
                        self.endpoint.handle_text_overflow(id);
                    }
                }
                Output::Delivered { id, result } => self.switchboard.delivered(id, result),
                Output::Bind(binding) => self.switchboard.bind(binding),
                Output::Unbind(binding) => self.switchboard.unbind(&binding),
            }
        }
    }

    /// A socket whose queue is full has stopped reading; its queue's end tells the one who serves it to
    /// close, and the session waits to be taken back.
    fn send(&mut self, conn: ConnId, what: ToClient) {
        let Some(frames) = self.sockets.get(&conn) else { return };
        if frames.try_send(what).is_err() {
            self.sockets.remove(&conn);
            self.endpoint.handle_closed(Instant::now(), conn);
        }
    }
}
