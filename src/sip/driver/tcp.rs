//! TCP: the listening sockets, and the connections by their flows.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::{Connection, Origin};
use super::{Event, Limits};
use crate::sip::flow::{Flow, Transport};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Messages that wait for one connection to take them.
const OUTGOING: usize = 256;
/// How long nothing is accepted after the system refused (for want of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// All TCP sockets of an endpoint.
pub struct Tcp {
    listeners: Vec<(SocketAddr, TcpListener)>,
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
    outgoing: mpsc::Sender<Bytes>,
}

impl Tcp {
    /// Without sockets.
    pub fn new(limits: Limits, events: mpsc::Sender<Event>) -> Tcp {
        Tcp {
            listeners: Vec::new(),
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
    pub fn bind(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
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
        self.listeners.push((local, listener));
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
        let accepted = self.listeners.iter().find_map(|(local, listener)| match listener.poll_accept(context) {
            Poll::Ready(accepted) => Some((*local, accepted)),
            Poll::Pending => None,
        });
        match accepted {
            None => return Poll::Pending,
            Some((local, Ok((stream, remote)))) => self.accept(local, remote, stream),
            Some((local, Err(error))) => {
                warn!(%local, %error, "no connection can be accepted");
                self.paused_until = Some(now + PAUSE);
            }
        }
        Poll::Ready(())
    }

    fn accept(&mut self, local: SocketAddr, remote: SocketAddr, stream: TcpStream) {
        let flow = Flow { transport: Transport::Tcp, local, remote };
        let from_peer = self.per_peer.get(&remote.ip()).copied().unwrap_or_default();
        if self.links.len() >= self.limits.connections || from_peer >= self.limits.connections_per_peer {
            debug!(%flow, from_peer, "a connection too many");
            return;
        }
        self.serve(flow, Origin::Accepted(stream));
    }

    fn serve(&mut self, flow: Flow, origin: Origin) -> &Link {
        self.forget(&flow, None);
        let id = self.next_id;
        self.next_id += 1;
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let connection = Connection { flow, id, limits: self.limits, events: self.events.clone(), outgoing };
        self.tasks.spawn(connection.run(origin));
        *self.per_peer.entry(flow.remote.ip()).or_default() += 1;
        self.links.entry(flow).or_insert(Link { id, outgoing: sender })
    }

    /// Sends by the connection of that name, which is opened if there is none. `false` if there is no way:
    /// the peer does not take what waits for it already, or there are too many connections.
    pub fn send(&mut self, flow: &Flow, bytes: Bytes) -> bool {
        let full = self.links.len() >= self.limits.connections;
        let link = match self.links.get(flow) {
            Some(link) => link,
            None if full => return false,
            None => self.serve(*flow, Origin::Open),
        };
        let taken = link.outgoing.try_send(bytes).is_ok();
        if !taken {
            debug!(%flow, "a connection does not take what is sent");
            self.forget(flow, None);
        }
        taken
    }

    /// A connection ended. `false` if another has taken its place already.
    pub fn ended(&mut self, flow: &Flow, id: u64) -> bool {
        self.forget(flow, Some(id))
    }

    fn forget(&mut self, flow: &Flow, id: Option<u64>) -> bool {
        let known = self.links.get(flow).is_some_and(|link| id.is_none_or(|id| id == link.id));
        if !known {
            return false;
        }
        self.links.remove(flow);
        let peer = flow.remote.ip();
        match self.per_peer.get_mut(&peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.per_peer.remove(&peer)),
        }
        true
    }

    /// Lets all connections send what they have, and close.
    pub async fn finish(&mut self) {
        self.listeners.clear();
        self.links.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}
