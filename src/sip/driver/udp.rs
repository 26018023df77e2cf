//! UDP sockets, read in batches by the task that owns the endpoint.

mod errors;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::debug;

use crate::sip::flow::{Flow, Transport};
use crate::stun;

/// What the kernel may keep of datagrams that nobody has read yet, in octets.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// The longest datagram there is.
const LONGEST: usize = 64 * 1024;
/// Datagrams read of one socket before the others have their turn.
const BATCH: usize = 64;
/// Datagrams that wait to be sent together.
const LONGEST_MAIL: usize = 32;

/// All UDP sockets of an endpoint.
pub struct Udp {
    sockets: Vec<Port>,
    /// The socket to look at first, so that a busy one starves no other.
    first: usize,
    buffer: Box<[u8]>,
    /// Where nobody was found, since last asked.
    unreachable: Vec<Flow>,
    /// What is to be sent together.
    mail: Vec<(Flow, Bytes)>,
}

struct Port {
    local: SocketAddr,
    /// Watched for what comes alone: who watches for room to send as well is woken up once more by each datagram that a peer
    /// has taken.
    socket: AsyncFd<std::net::UdpSocket>,
}

impl Udp {
    /// Without sockets.
    pub fn new() -> Udp {
        let buffer = vec![0; LONGEST].into();
        Udp { sockets: Vec::new(), first: 0, buffer, unreachable: Vec::new(), mail: Vec::new() }
    }

    /// Binds a socket; returns the address it has.
    pub fn bind(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // The kernel may grant less; that is no reason not to start.
        if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
            debug!(%error, "no larger receive buffer");
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket: std::net::UdpSocket = socket.into();
        errors::keep(&socket, address.is_ipv6());
        let local = socket.local_addr()?;
        // SAFETY: the descriptor is that of a socket which the registration owns and nobody can exchange in it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        self.sockets.push(Port { local, socket });
        Ok(local)
    }

    /// Waits for a socket with datagrams.
    pub fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        let count = self.sockets.len();
        for turn in 0..count {
            let at = (self.first + turn) % count;
            let Some(port) = self.sockets.get(at) else { continue };
            if port.socket.poll_read_ready(context).is_ready() {
                self.first = at + 1;
                return Poll::Ready(at);
            }
        }
        Poll::Pending
    }

    /// Reads a batch of datagrams of a socket, and takes what is SIP or a response of STUN; `true` if there are no more for now.
    pub fn read(&mut self, at: usize, mut take: impl FnMut(Flow, &[u8])) -> bool {
        let Some(port) = self.sockets.get(at) else { return true };
        for _ in 0..BATCH {
            match port.socket.try_io(Interest::READABLE, |socket| socket.recv_from(&mut self.buffer)) {
                Ok((length, remote)) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    // A keep-alive (RFC 5626 §4.4.1 is for streams, but phones send line ends by UDP too).
                    if datagram.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
                        continue;
                    }
                    // A phone behind a NAT asks where it is seen, and keeps its way open so (RFC 5626 §4.4.2, §5.4).
                    if stun::is_stun(datagram) {
                        if let Some(reply) = stun::seen_at(datagram, remote) {
                            if let Err(error) = port.socket.get_ref().send_to(&reply, remote) {
                                debug!(%error, %remote, "a STUN response could not leave");
                            }
                            continue;
                        }
                        if stun::Message::parse(datagram).is_none() {
                            continue;
                        }
                    }
                    let flow = Flow { transport: Transport::Udp, local: port.local, remote };
                    take(flow, datagram);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // ICMP, about an earlier datagram.
                Err(_) => self.unreachable.extend(port.unreachable()),
            }
        }
        false
    }

    /// Sends a datagram with the next [`Udp::flush`], or with the many that wait for it already.
    pub fn post(&mut self, flow: Flow, bytes: Bytes) {
        self.mail.push((flow, bytes));
        if self.mail.len() >= LONGEST_MAIL {
            self.flush();
        }
    }

    /// Whether datagrams wait to be sent.
    pub fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// Sends what waits. A peer that is woken by the first is still awake when the others come: to wake it costs more than to
    /// send.
    pub fn flush(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        for (flow, bytes) in mail.drain(..) {
            self.send(&flow, &bytes);
        }
        self.mail = mail;
    }

    /// Sends a datagram. One that cannot leave is lost, as it may be on the way: the transactions repeat it.
    pub fn send(&mut self, flow: &Flow, bytes: &[u8]) {
        let Some(port) = self.sockets.iter().find(|p| p.local == flow.local) else {
            debug!(%flow, "no such UDP socket");
            return;
        };
        let mut sent = port.socket.get_ref().send_to(bytes, flow.remote);
        if sent.is_err() {
            // The error may be that of an earlier datagram, and this one has not been tried.
            self.unreachable.extend(port.unreachable());
            sent = port.socket.get_ref().send_to(bytes, flow.remote);
        }
        if let Err(error) = sent {
            debug!(%error, %flow, octets = bytes.len(), "a datagram could not leave");
            if matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) {
                self.unreachable.push(*flow);
            }
        }
    }

    /// Takes the flows at whose ends nobody was found.
    pub fn take_unreachable(&mut self) -> Vec<Flow> {
        std::mem::take(&mut self.unreachable)
    }
}

impl Port {
    fn unreachable(&self) -> impl Iterator<Item = Flow> {
        let local = self.local;
        let peers = errors::take(self.socket.get_ref()).into_iter();
        peers.map(move |remote| Flow { transport: Transport::Udp, local, remote })
    }
}
