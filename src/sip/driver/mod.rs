//! The task that owns the endpoint, its sockets and its clock.
//!
//! ```text
//!   UDP sockets ──────────────┐                       ┌──▶ Switchboard
//!   streams ───────── events ─┼─▶ the task: Endpoint ─┼──▶ sockets
//!   Adapter::say ─── orders ──┘                       └──▶ resolver
//! ```
//! The task waits for nobody: a queue that is full is an answer. A connection's reader waits for the task,
//! so that TCP slows the peer down.

mod connection;
mod core;
mod families;
mod fetch;
pub mod line;
mod newcomers;
mod resolve;
mod run;
mod stir;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod udp;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use self::connection::Doors;
use self::core::Core;
use self::fetch::Fetcher;
use self::newcomers::Newcomers;
use self::stir::Prover;
use self::tls::{Certificates, Peers};
use super::config::{Config, Listen, Trunk};
use super::endpoint::Endpoint;
use super::flow::{Flow, Transport};
use super::locate::{Located, Wish};
use super::message::{Malformed, Message};
use super::registrar::read_contact;
use super::stir::Stir;
use super::stir::fetched::File;
use crate::base::line::Figures;
use crate::base::{AdapterId, Dice, LegId};
use crate::model::{
    Abilities, Adapter, Contact, Directory, Entry, IceMode, KeyPolicy, LegSpec, Overflow, Signal, SrtpPolicy,
    Switchboard, Text, TextId, Undelivered,
};

/// Messages and events of the connections that wait for the task.
const EVENTS: usize = 1024;
/// Signals of the calls that wait for the task.
const ORDERS: usize = 4096;

/// What peers may take of us.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address that the peer opened.
    pub connections_per_peer: usize,
    /// How long a connection may be silent.
    pub idle: Duration,
    /// How long a message may take from its first octet to its last.
    pub message: Duration,
    /// How long a peer that connects may take to say the first word.
    pub first: Duration,
    /// How long a peer may take to accept our connection.
    pub connect: Duration,
    /// How long it may take to agree on TLS, and on a WebSocket.
    pub handshake: Duration,
    /// How long a peer may take to accept what we send.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            connections_per_peer: 256,
            // Longer than the keep-alives and the registrations that hold a phone's connection open.
            idle: Duration::from_secs(900),
            message: Duration::from_secs(10),
            first: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(10),
        }
    }
}

/// What reaches the task from connections and from the resolver.
enum Event {
    Message {
        flow: Flow,
        message: Result<Message, Malformed>,
    },
    /// The last message of a connection that has lost its frame; the connection waits to be let go.
    Unframed {
        flow: Flow,
        id: u64,
        wrong: Malformed,
    },
    /// Who stands behind the proxy that has opened a connection, before anything else of it.
    Client {
        flow: Flow,
        id: u64,
        client: IpAddr,
    },
    /// The answer to a ping of the endpoint.
    Pong {
        flow: Flow,
    },
    Closed {
        flow: Flow,
        id: u64,
        /// Why it cannot be had, where that is worth telling the caller.
        why: Option<&'static str>,
    },
    Resolved {
        wish: Wish,
        located: Located,
    },
    Fetched {
        address: String,
        file: Result<File, &'static str>,
    },
}

/// What reaches the task from the calls.
enum Order {
    Say(LegId, Box<Signal>),
    Deliver(Box<Text>),
    Delivered(TextId, Result<(), Undelivered>),
    /// Other roots and keys for callers' numbers.
    Prove(Box<Stir>, Fetcher),
    Stop,
}

/// The SIP endpoint, for those who talk to its task. The task ends when the last handle is gone.
#[derive(Debug, Clone)]
pub struct SipHandle {
    orders: mpsc::Sender<Order>,
    /// The trunks that are reached over IPv6.
    ipv6_trunks: families::ByIpv6,
    policies: Arc<Policies>,
    certificates: Option<Arc<Certificates>>,
    /// What names the files that prove callers' numbers.
    prover: Arc<Prover>,
    newcomers: Arc<Figures>,
}

/// What the configuration says of the media of a peer.
#[derive(Debug, Default, Clone, Copy)]
struct Policy {
    srtp: SrtpPolicy,
    /// SRTP keys may stand in descriptions.
    keys_in_words: bool,
    dtmf: KeyPolicy,
    keeps_sending: bool,
    /// It is never offered pictures, nor answered with any.
    is_blind: bool,
    /// Takes its party somewhere else when asked.
    refers: bool,
}

/// What it says of the media of each trunk, and of everybody else's.
#[derive(Debug)]
struct Policies {
    trunks: HashMap<String, Policy>,
    others: Policy,
    /// How ICE is done with browsers.
    ice: IceMode,
}

impl Policies {
    fn of(config: &Config) -> Policies {
        let trunk = |t: &Trunk| Policy {
            srtp: t.srtp,
            keys_in_words: t.srtp_over_plain || t.transport == Transport::Tls,
            dtmf: t.dtmf,
            keeps_sending: t.keep_sending,
            is_blind: !t.video,
            refers: t.profile.refer,
        };
        let others = Policy {
            srtp: config.srtp,
            keys_in_words: config.srtp_over_plain,
            dtmf: config.dtmf,
            keeps_sending: config.keep_sending,
            is_blind: false,
            refers: false,
        };
        let trunks = config.trunks.iter().map(|(name, t)| (name.clone(), trunk(t))).collect();
        Policies { trunks, others, ice: config.ice }
    }

    /// What a peer can do that is reached by this trunk, or by this way.
    fn apply(&self, trunk: Option<&str>, way: Option<Transport>, ipv6: bool) -> Abilities {
        if way.is_some_and(Transport::is_websocket) {
            let offers = LegSpec { ice: self.ice, ipv6, ..LegSpec::BROWSER };
            return Abilities { offers, connected: true, ..Abilities::WEB_PHONE }.with_keys(self.others.dtmf);
        }
        let abilities = Abilities { offers: LegSpec { ipv6, ..LegSpec::PHONE }, ..Abilities::PHONE };
        let policy = trunk.and_then(|name| self.trunks.get(name)).copied().unwrap_or(self.others);
        // Nobody on the way reads the keys of SRTP in a description (RFC 4568 §7).
        let keys_in_words = policy.keys_in_words || way.is_some_and(Transport::is_secure);
        let (keeps_sending, video) = (policy.keeps_sending, abilities.video && !policy.is_blind);
        let transfer = policy.refers;
        let abilities = Abilities { keeps_sending, video, transfer, connected: true, ..abilities };
        abilities.with_srtp(policy.srtp, keys_in_words).with_keys(policy.dtmf)
    }
}

impl SipHandle {
    /// What is counted of new calls that wait, and that are turned away.
    pub fn newcomers(&self) -> &Figures {
        &self.newcomers
    }

    /// Ends the task, after all signals said before it. Calls should have been hung up.
    pub async fn stop(&self) {
        // A task that is gone already has stopped.
        let _ = self.orders.send(Order::Stop).await;
    }

    /// Reads certificates and keys again, those of TLS and those of callers' numbers; connections and calls that are up
    /// stay as they are. Both are read without being asked, too, soon after a file has changed.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it, and what it belongs to stays as it was.
    pub fn reload_certificates(&self) -> io::Result<()> {
        let tls = self.certificates.as_ref().map_or(Ok(()), |certificates| certificates.reload());
        let (stir, fetcher) = self.prover.load()?;
        let order = Order::Prove(Box::new(stir), fetcher);
        self.orders.try_send(order).map_err(|_| io::Error::other("SIP is too busy, or at its end"))?;
        tls
    }
}

impl Adapter for SipHandle {
    fn abilities(&self) -> Abilities {
        Abilities::PHONE
    }

    fn holds_back(&self) -> bool {
        true
    }

    fn abilities_from(&self, entry: &Entry, contact: Option<&Contact>) -> Abilities {
        let trunk = match entry {
            Entry::Trunk(name) => Some(name.as_str()),
            Entry::User(_) | Entry::Account(_) | Entry::Open => None,
        };
        let way = contact.and_then(read_contact).map(|(flow, _)| flow.transport);
        self.policies.apply(trunk, way, false)
    }

    fn abilities_towards(&self, contact: Option<&Contact>, trunk: Option<&str>) -> Abilities {
        let way = contact.and_then(read_contact).map(|(flow, _)| flow);
        let ipv6 = way.is_some_and(|flow| flow.remote.is_ipv6())
            || trunk.is_some_and(|name| self.ipv6_trunks.load().contains(name));
        self.policies.apply(trunk, way.map(|flow| flow.transport), ipv6)
    }

    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        self.orders.try_send(Order::Say(leg, Box::new(signal))).map_err(|_| Overflow)
    }

    fn deliver(&self, text: Text) -> Result<(), Overflow> {
        self.orders.try_send(Order::Deliver(Box::new(text))).map_err(|_| Overflow)
    }

    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        if self.orders.try_send(Order::Delivered(id, result)).is_err() {
            // Its own deadline answers the peer.
            warn!("SIP is too busy: what became of a message is lost");
        }
    }
}

/// A socket of the configuration cannot be had, or what protects it.
#[derive(Debug, thiserror::Error)]
pub enum CannotListen {
    /// A socket.
    #[error("SIP cannot listen on {}: {error}", String::from(*.listen))]
    Socket {
        /// The socket.
        listen: Listen,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A certificate, a key or a root.
    #[error("SIP cannot speak TLS: {0}")]
    Certificate(#[source] io::Error),
    /// What proves callers' numbers.
    #[error("SIP cannot prove callers' numbers: {0}")]
    Identity(#[source] io::Error),
}

impl CannotListen {
    /// What the system said.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            CannotListen::Socket { error, .. } | CannotListen::Certificate(error) | CannotListen::Identity(error) => {
                error.kind()
            }
        }
    }
}

/// An endpoint that runs.
#[derive(Debug)]
pub struct Running {
    /// For the calls.
    pub handle: SipHandle,
    /// Where it listens, with the ports that it really has.
    pub listen: Vec<Listen>,
    /// Ends some time after [`SipHandle::stop`].
    pub task: JoinHandle<()>,
}

/// Binds the sockets of the configuration and starts the endpoint.
///
/// # Errors
/// [`CannotListen`], and nothing has been started.
pub fn start(
    adapter: AdapterId,
    config: Config,
    limits: Limits,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    mut dice: Dice,
) -> Result<Running, CannotListen> {
    let own = dice.split();
    start_core(config, limits, directory, switchboard, own, |config, directory| {
        Endpoint::new(Instant::now(), adapter, config, directory, dice)
    })
}

/// Binds the sockets of the configuration and starts the task. `core` makes the endpoint, told where it
/// listens.
///
/// # Errors
/// [`CannotListen`], and nothing has been started.
fn start_core<C: Core>(
    mut config: Config,
    limits: Limits,
    directory: Arc<ArcSwap<Directory>>,
    switchboard: Arc<dyn Switchboard>,
    mut dice: Dice,
    core: impl FnOnce(Config, Arc<Directory>) -> C,
) -> Result<Running, CannotListen> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let (orders, said) = mpsc::channel(ORDERS);
    let certificates = Certificates::load(&config).map_err(CannotListen::Certificate)?;
    let prover = Arc::new(Prover::new(&config));
    let (stir, fetcher) = prover.load().map_err(CannotListen::Identity)?;
    if let Some(certificates) = &certificates {
        tokio::spawn(tls::watch(Arc::downgrade(certificates)));
    }
    if prover.has_files() {
        tokio::spawn(stir::watch(tls::LOOK_EVERY, Arc::downgrade(&prover), orders.downgrade()));
    }
    let mut udp = udp::Udp::new();
    let peers = Peers::new(&config);
    let doors = Arc::new(Doors { origins: config.origins.clone(), proxies: config.proxies.clone() });
    let mut streams = streams::Streams::new(limits, events.clone(), certificates.clone(), peers, doors);
    for listen in &mut config.listen {
        let bound = match listen.transport {
            Transport::Udp => udp.bind(listen.address),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => streams.bind(*listen),
        };
        listen.address = bound.map_err(|error| CannotListen::Socket { listen: *listen, error })?;
    }
    let listen = config.listen.clone();
    let families = families::Families::new(&config);
    let ipv6_trunks = families.by_ipv6();
    let policies = Arc::new(Policies::of(&config));
    let newcomers = Newcomers::new(&config.agent, Arc::clone(&switchboard), &mut dice);
    let figures = newcomers.figures();
    let known = directory.load_full();
    let name_servers = config.name_servers.clone();
    let mut core = core(config, Arc::clone(&known));
    core.set_stir(stir);
    let have = Transport::ALL.into_iter().filter(|t| listen.iter().any(|l| l.transport == *t)).collect();
    let resolver = resolve::Resolver::new(events.clone(), have, name_servers);
    let driver = run::Driver {
        core,
        udp,
        newcomers,
        streams,
        resolver,
        families,
        fetcher,
        events,
        directory,
        known,
        switchboard,
        inbox,
        said,
        alarm: Default::default(),
    };
    Ok(Running {
        handle: SipHandle { orders, ipv6_trunks, policies, certificates, prover, newcomers: figures },
        listen,
        task: tokio::spawn(driver.run()),
    })
}
