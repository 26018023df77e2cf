//! Streams (TCP, TLS, WebSocket): the listening sockets, and the connections by their flows.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::{Connection, Doors, Origin};
use super::tls::{Certificates, Peers};
use super::{Event, Limits};
use crate::sip::config::Listen;
use crate::sip::flow::{Flow, Transport};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Messages that wait for one connection to take them.
const OUTGOING: usize = 256;
/// How long nothing is accepted after the system refused (for want of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// All streams of an endpoint.
pub struct Streams {
    listeners: Vec<(Transport, SocketAddr, TcpListener)>,
    certificates: Option<Arc<Certificates>>,
    /// Whom we expect where we connect by TLS.
    pub peers: Peers,
    /// Who may open a WebSocket, and by which proxies.
    doors: Arc<Doors>,
    paused_until: Option<Instant>,
    links: HashMap<Flow, Link>,
    per_peer: HashMap<IpAddr, usize>,
    next_id: u64,
    limits: Limits,
    events: mpsc::Sender<Event>,
    tasks: JoinSet<()>,
}

/// A connection, seen from here. Dropped, it sends what it still has and closes.
struct Link {
    id: u64,
    /// By which address it counts.
    client: IpAddr,
    outgoing: mpsc::Sender<Bytes>,
}

impl Streams {
    /// Without sockets.
    pub fn new(
        limits: Limits,
        events: mpsc::Sender<Event>,
        certificates: Option<Arc<Certificates>>,
        peers: Peers,
        doors: Arc<Doors>,
    ) -> Streams {
        Streams {
            listeners: Vec::new(),
            certificates,
            peers,
            doors,
            paused_until: None,
            links: HashMap::new(),
            per_peer: HashMap::new(),
            next_id: 0,
            limits,
            events,
            tasks: JoinSet::new(),
        }
    }

    /// Binds a listening socket; returns the address it has.
    pub fn bind(&mut self, listen: Listen) -> io::Result<SocketAddr> {
        let Listen { transport, address } = listen;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of an earlier run may still be closing.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = listener.local_addr()?;
        self.listeners.push((transport, local, listener));
        Ok(local)
    }

    /// When accepting goes on, if it pauses.
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Waits for a new connection and serves it.
    pub fn poll_accept(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<()> {
        if self.paused_until.is_some_and(|until| now < until) {
            return Poll::Pending;
        }
        self.paused_until = None;
        // Ended tasks leave a word each.
        while self.tasks.try_join_next().is_some() {}
        let accepted =
            self.listeners.iter().find_map(|(transport, local, listener)| match listener.poll_accept(context) {
                Poll::Ready(accepted) => Some((*transport, *local, accepted)),
                Poll::Pending => None,
            });
        match accepted {
            None => return Poll::Pending,
            Some((transport, local, Ok((stream, remote)))) => self.accept(Flow { transport, local, remote }, stream),
            Some((_, local, Err(error))) => {
                warn!(%local, %error, "no connection can be accepted");
                self.paused_until = Some(now + PAUSE);
            }
        }
        Poll::Ready(())
    }

    fn accept(&mut self, flow: Flow, stream: TcpStream) {
        let from_peer = self.per_peer.get(&flow.remote.ip()).copied().unwrap_or_default();
        // A proxy carries the WebSockets of everybody; that of a client that it names counts among the client's own.
        let remote = flow.remote.ip();
        let is_proxy = flow.transport.is_websocket() && (remote.is_loopback() || self.doors.proxies.contains(remote));
        let too_many = from_peer >= self.limits.connections_per_peer && !is_proxy;
        if self.links.len() >= self.limits.connections || too_many {
            debug!(%flow, from_peer, "a connection too many");
            return;
        }
        let tls = match flow.transport.is_secure() {
            true => match self.certificates.as_ref().and_then(|c| c.acceptor(flow.transport)) {
                Some(tls) => Some(tls),
                None => return,
            },
            false => None,
        };
        self.serve(flow, Origin::Accepted { stream, tls, doors: Arc::clone(&self.doors) });
    }

    /// How a connection of ours begins; `None` if only the peer can open one.
    fn origin(&self, flow: &Flow) -> Option<Origin> {
        match flow.transport {
            Transport::Tcp => Some(Origin::Open(None)),
            Transport::Tls => {
                let peer = self.peers.at(flow.remote);
                match self.certificates.as_ref()?.connector(&peer, flow.remote) {
                    Ok((connector, name)) => Some(Origin::Open(Some((connector, name)))),
                    Err(error) => {
                        warn!(%flow, %error, "a peer cannot be reached by TLS");
                        None
                    }
                }
            }
            Transport::Udp | Transport::Ws | Transport::Wss => None,
        }
    }

    fn serve(&mut self, flow: Flow, origin: Origin) -> &Link {
        self.forget(&flow, None);
        let id = self.next_id;
        self.next_id += 1;
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let connection = Connection {
            flow,
            id,
            limits: self.limits,
            events: self.events.clone(),
            outgoing,
            pings: Default::default(),
        };
        self.tasks.spawn(connection.run(origin));
        let client = flow.remote.ip();
        *self.per_peer.entry(client).or_default() += 1;
        self.links.entry(flow).or_insert(Link { id, client, outgoing: sender })
    }

    /// A proxy has named the client whose connection it is, which counts among the client's from here on. `false` if the
    /// client has too many, and then it ends; `None` if it has ended already.
    pub fn belongs_to(&mut self, flow: &Flow, id: u64, client: IpAddr) -> Option<bool> {
        let link = self.links.get_mut(flow).filter(|link| link.id == id)?;
        if link.client == client {
            return Some(true);
        }
        let before = std::mem::replace(&mut link.client, client);
        self.count_off(before);
        let of_client = self.per_peer.entry(client).or_default();
        *of_client += 1;
        if *of_client <= self.limits.connections_per_peer {
            return Some(true);
        }
        debug!(%flow, "a connection too many of a client behind a proxy");
        self.forget(flow, Some(id));
        Some(false)
    }

    fn count_off(&mut self, client: IpAddr) {
        match self.per_peer.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.per_peer.remove(&client)),
        }
    }

    /// Sends by the connection of that name, which is opened if there is none. `false` if there is no way:
    /// the peer does not take what waits for it already, only the peer could open the connection, or there are too many.
    pub fn send(&mut self, flow: &Flow, bytes: Bytes) -> bool {
        let full = self.links.len() >= self.limits.connections;
        let link = match self.links.get(flow) {
            Some(link) => link,
            None if full => return false,
            None => match self.origin(flow) {
                Some(origin) => self.serve(*flow, origin),
                None => return false,
            },
        };
        let taken = link.outgoing.try_send(bytes).is_ok();
        if !taken {
            debug!(%flow, "a connection does not take what is sent");
            self.forget(flow, None);
        }
        taken
    }

    /// Lets go of the connection of that name.
    pub fn close(&mut self, flow: &Flow) {
        self.forget(flow, None);
    }

    /// A connection ended. `false` if another has taken its place already.
    pub fn ended(&mut self, flow: &Flow, id: u64) -> bool {
        self.forget(flow, Some(id))
    }

    fn forget(&mut self, flow: &Flow, id: Option<u64>) -> bool {
        let Some(link) = self.links.get(flow).filter(|link| id.is_none_or(|id| id == link.id)) else { return false };
        let client = link.client;
        self.links.remove(flow);
        self.count_off(client);
        true
    }

    /// Lets all connections send what they have, and close.
    pub async fn finish(&mut self) {
        self.listeners.clear();
        self.links.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}
