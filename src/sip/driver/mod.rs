//! The task that owns the endpoint, its sockets and its clock.
//!
//! ```text
//!   UDP sockets ──────────────┐                       ┌──▶ Switchboard
//!   TCP connections ─ events ─┼─▶ the task: Endpoint ─┼──▶ sockets
//!   Adapter::say ─── orders ──┘                       └──▶ resolver
//! ```
//! The task waits for nobody: a queue that is full is an answer. A connection's reader waits for the task,
//! so that TCP slows the peer down.

mod connection;
mod core;
mod resolve;
mod run;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use self::core::Core;
use super::config::{Config, Listen, Trunk};
use super::endpoint::Endpoint;
use super::flow::{Flow, Transport};
use super::message::{Malformed, Message};
use super::registrar::read_contact;
use crate::base::{AdapterId, Dice, LegId};
use crate::model::{
    Abilities, Adapter, Contact, Directory, Entry, KeyPolicy, LegSpec, Overflow, Signal, SrtpPolicy, Switchboard, Text,
    TextId, Undelivered,
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
    /// How long a peer may take to accept our connection.
    pub connect: Duration,
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
            connect: Duration::from_secs(5),
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
    Closed {
        flow: Flow,
        id: u64,
    },
    Resolved {
        host: String,
        addresses: Vec<IpAddr>,
    },
}

/// What reaches the task from the calls.
enum Order {
    Say(LegId, Box<Signal>),
    Deliver(Box<Text>),
    Delivered(TextId, Result<(), Undelivered>),
    Stop,
}

/// The SIP endpoint, for those who talk to its task. The task ends when the last handle is gone.
#[derive(Debug, Clone)]
pub struct SipHandle {
    orders: mpsc::Sender<Order>,
    /// The trunks that are reached over IPv6.
    ipv6_trunks: Arc<HashSet<String>>,
    policies: Arc<Policies>,
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
}

/// What it says of the media of each trunk, and of everybody else's.
#[derive(Debug, Default)]
struct Policies {
    trunks: HashMap<String, Policy>,
    others: Policy,
}

impl Policies {
    fn of(config: &Config) -> Policies {
        let trunk = |t: &Trunk| Policy {
            srtp: t.srtp,
            keys_in_words: t.srtp_over_plain,
            dtmf: t.dtmf,
            keeps_sending: t.keep_sending,
            is_blind: !t.video,
        };
        let others = Policy {
            srtp: config.srtp,
            keys_in_words: config.srtp_over_plain,
            dtmf: config.dtmf,
            keeps_sending: config.keep_sending,
            is_blind: false,
        };
        Policies { trunks: config.trunks.iter().map(|(name, t)| (name.clone(), trunk(t))).collect(), others }
    }

    fn apply(&self, trunk: Option<&str>, abilities: Abilities) -> Abilities {
        let policy = trunk.and_then(|name| self.trunks.get(name)).copied().unwrap_or(self.others);
        let (keeps_sending, video) = (policy.keeps_sending, abilities.video && !policy.is_blind);
        let abilities = Abilities { keeps_sending, video, ..abilities };
        abilities.with_srtp(policy.srtp, policy.keys_in_words).with_keys(policy.dtmf)
    }
}

impl SipHandle {
    /// Ends the task, after all signals said before it. Calls should have been hung up.
    pub async fn stop(&self) {
        // A task that is gone already has stopped.
        let _ = self.orders.send(Order::Stop).await;
    }
}

impl Adapter for SipHandle {
    fn abilities(&self) -> Abilities {
        Abilities::PHONE
    }

    fn abilities_from(&self, entry: &Entry) -> Abilities {
        let trunk = match entry {
            Entry::Trunk(name) => Some(name.as_str()),
            Entry::User(_) | Entry::Account(_) | Entry::Open => None,
        };
        self.policies.apply(trunk, Abilities::PHONE)
    }

    fn abilities_towards(&self, contact: Option<&Contact>, trunk: Option<&str>) -> Abilities {
        let way_back = contact.and_then(read_contact).is_some_and(|(flow, _)| flow.remote.is_ipv6());
        let ipv6 = way_back || trunk.is_some_and(|name| self.ipv6_trunks.contains(name));
        let abilities = Abilities { offers: LegSpec { ipv6, ..LegSpec::PHONE }, ..Abilities::PHONE };
        self.policies.apply(trunk, abilities)
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

/// A socket of the configuration cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("SIP cannot listen on {}: {error}", String::from(*.listen))]
pub struct CannotListen {
    /// The socket.
    pub listen: Listen,
    /// Why.
    #[source]
    pub error: io::Error,
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
    dice: Dice,
) -> Result<Running, CannotListen> {
    start_core(config, limits, directory, switchboard, |config, directory| {
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
    core: impl FnOnce(Config, Arc<Directory>) -> C,
) -> Result<Running, CannotListen> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let (orders, said) = mpsc::channel(ORDERS);
    let (mut udp, mut tcp) = (udp::Udp::new(), tcp::Tcp::new(limits, events.clone()));
    for listen in &mut config.listen {
        let bound = match listen.transport {
            Transport::Udp => udp.bind(listen.address),
            Transport::Tcp => tcp.bind(listen.address),
        };
        listen.address = bound.map_err(|error| CannotListen { listen: *listen, error })?;
    }
    let listen = config.listen.clone();
    let is_ipv6 = |trunk: &Trunk| trunk.address.ip().is_some_and(|ip| ip.is_ipv6());
    let ipv6_trunks = config.trunks.iter().filter(|(_, t)| is_ipv6(t)).map(|(name, _)| name.clone()).collect();
    let policies = Arc::new(Policies::of(&config));
    let known = directory.load_full();
    let core = core(config, Arc::clone(&known));
    let resolver = resolve::Resolver::new(events);
    let driver = run::Driver { core, udp, tcp, resolver, directory, known, switchboard, inbox, said };
    Ok(Running {
        handle: SipHandle { orders, ipv6_trunks: Arc::new(ipv6_trunks), policies },
        listen,
        task: tokio::spawn(driver.run()),
    })
}
