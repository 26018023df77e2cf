//! The streams to the XMPP servers, and the task that owns the endpoint.
//!
//! ```text
//!   link (one a connection)                                   ┌──▶ Switchboard
//!     connect ▸ login ▸ pump ─ events ─┐                      │
//!                    ▲                 ├─▶ the task: Endpoint ─┼──▶ keep: subscribers, in files
//!                    │   Adapter::say ─┘        │              │
//!                    └───────────── stanzas ────┴──────────────┘
//! ```
//! The task waits for nobody. A link's reader waits for the task, so that TCP slows the server down; a server that
//! does not take what is sent to it loses its stream.

mod backoff;
mod client;
mod component;
mod connect;
mod core;
mod fault;
mod keep;
mod link;
mod management;
mod names;
mod pump;
mod run;
mod sasl;
mod stream;
#[cfg(test)]
mod tests;
mod xml;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use self::core::Core;
use super::config::{Config, ConnectionId};
use super::endpoint::{Endpoint, Kept};
use crate::base::{AdapterId, Dice, LegId};
use crate::model::{Abilities, Adapter, Directory, Overflow, Signal, Switchboard, Text, TextId, Undelivered};

/// Stanzas of all servers that wait for the task.
const EVENTS: usize = 1024;
/// Signals and messages of the switch that wait for the task.
const ORDERS: usize = 4096;
/// Stanzas that wait for one server to take them.
const OUTBOX: usize = 1024;

/// How long things may take, and how often they are tried.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The wait before the first further attempt.
    pub first_wait: Duration,
    /// The longest wait before a further attempt.
    pub most_wait: Duration,
    /// A stream that was up for so long was a good one: waits begin anew.
    pub steady: Duration,
    /// How long a stream may take from the first packet until it is up.
    pub negotiate: Duration,
    /// How long a server may be silent before it is asked for a sign of life.
    pub quiet: Duration,
    /// How long it may take for that sign.
    pub patience: Duration,
    /// How long a stream may take to close.
    pub linger: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            first_wait: Duration::from_secs(1),
            most_wait: Duration::from_secs(60),
            steady: Duration::from_secs(60),
            negotiate: Duration::from_secs(20),
            quiet: Duration::from_secs(60),
            patience: Duration::from_secs(20),
            linger: Duration::from_secs(1),
        }
    }
}

/// What reaches the task from a link.
enum Event {
    /// The stream is up.
    Up { connection: ConnectionId, jid: Jid, outbox: Outbox },
    /// It was lost for a moment, and is the same as before (XEP-0198).
    Resumed { connection: ConnectionId, jid: Jid },
    /// The stream is lost.
    Down { connection: ConnectionId },
    /// A stanza has come.
    Stanza { connection: ConnectionId, stanza: Element },
}

/// A stream that is up, as the task holds it; dropping it closes the stream.
struct Outbox {
    stanzas: mpsc::Sender<Element>,
    _hold: oneshot::Sender<()>,
}

/// What reaches the task from the switch.
enum Order {
    Say(LegId, Box<Signal>),
    Deliver(Box<Text>),
    Delivered(TextId, Result<(), Undelivered>),
    Stop(oneshot::Sender<()>),
}

/// Whether a connection is up, for whoever asks.
#[derive(Debug)]
struct Lamp {
    name: String,
    is_up: AtomicBool,
}

/// All XMPP of the gateway, for those who talk to its task. The task ends when the last handle is gone.
#[derive(Debug, Clone)]
pub struct XmppHandle {
    orders: mpsc::Sender<Order>,
    lamps: Arc<Vec<Lamp>>,
    online: Arc<AtomicUsize>,
}

impl XmppHandle {
    /// Takes leave of the servers and ends the task, after all that was said before.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        // A task that is gone already has stopped.
        if self.orders.send(Order::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }

    /// How many accounts are known to be online.
    pub fn online(&self) -> usize {
        self.online.load(Ordering::Relaxed)
    }

    /// Each connection, and whether its stream is up.
    pub fn connections(&self) -> Vec<(String, bool)> {
        self.lamps.iter().map(|lamp| (lamp.name.clone(), lamp.is_up.load(Ordering::Relaxed))).collect()
    }
}

impl Adapter for XmppHandle {
    fn abilities(&self) -> Abilities {
        Abilities::CLIENT
    }

    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        self.orders.try_send(Order::Say(leg, Box::new(signal))).map_err(|_| Overflow)
    }

    fn deliver(&self, text: Text) -> Result<(), Overflow> {
        self.orders.try_send(Order::Deliver(Box::new(text))).map_err(|_| Overflow)
    }

    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        if self.orders.try_send(Order::Delivered(id, result)).is_err() {
            tracing::warn!("XMPP is too busy: the writer of a message is not told what became of it");
        }
    }
}

/// Starts the task and a link for each connection. The subscribers of each are kept in a file in `state`.
///
/// # Errors
/// A file that a connection needs cannot be read; the text says which.
pub fn start(
    adapter: AdapterId,
    config: Config,
    state: PathBuf,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    dice: Dice,
) -> io::Result<XmppHandle> {
    start_core(config, Pace::default(), state, directory, switchboard, dice, |config, directory, kept, dice| {
        Endpoint::new(adapter, config, directory, kept, dice)
    })
}

/// Starts the task and the links; `core` makes the endpoint.
fn start_core<C: Core>(
    config: Config,
    pace: Pace,
    state: PathBuf,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    mut dice: Dice,
    core: impl FnOnce(Config, Arc<Directory>, Kept, Dice) -> C,
) -> io::Result<XmppHandle> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let (orders, said) = mpsc::channel(ORDERS);
    let (stop, stopping) = watch::channel(false);
    let mut links = Vec::new();
    let mut lamps = Vec::new();
    let asked = names::Names::new(&config.name_servers);
    for (number, connection) in (0..).zip(&config.connections) {
        let (id, dice) = (ConnectionId(number), dice.split());
        links.push(link::Link::new(id, connection.clone(), asked.clone(), pace, &events, &stopping, dice)?);
        lamps.push(Lamp { name: connection.name.clone(), is_up: AtomicBool::new(false) });
    }
    let lamps = Arc::new(lamps);
    let names: Vec<String> = config.connections.iter().map(|c| c.name.clone()).collect();
    let (kept, keeper) = keep::start(&state, &names);
    let online = Arc::new(AtomicUsize::new(0));
    let known = directory.load_full();
    let core = core(config, Arc::clone(&known), kept, dice);
    let driver = run::Driver {
        core,
        outboxes: links.iter().map(|_| None).collect(),
        tasks: links.into_iter().map(|link| tokio::spawn(link.run())).collect(),
        lamps: Arc::clone(&lamps),
        online: Arc::clone(&online),
        keeper,
        directory,
        known,
        switchboard,
        inbox,
        said,
        stop,
        linger: pace.linger,
    };
    tokio::spawn(driver.run());
    Ok(XmppHandle { orders, lamps, online })
}
