//! The sockets of one shard.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::net::Net;
use super::system::{ask_for_stamps, connect};
use crate::base::Dice;
use crate::media::shard::{PortPair, Ports, SocketId};

/// How long a port rests after its leg before it is given out again, so that late packets of one call do not
/// reach another.
pub const REST: Duration = Duration::from_secs(10);

/// Ports that are tried for one leg: others on the machine may hold some.
pub const MAX_TRIES: usize = 32;

/// Bytes that may wait in the kernel on a leg's socket: a burst of pictures, with the kernel's book-keeping. How long
/// a datagram may have waited is another matter (see [`super::pace`]).
pub const LEG_BUFFER: usize = 64 * 1024;

/// Bytes that may wait in the kernel on the socket of all ICE legs: what a thousand of them receive while the thread
/// stands still for some dozen milliseconds.
pub const SHARED_BUFFER: usize = 4 * 1024 * 1024;

/// A socket that is open.
struct Open {
    socket: Socket,
    /// The turn in which it had something to read last.
    read_in: u32,
    /// The address it is connected to.
    aim: Option<SocketAddr>,
}

/// The sockets of one shard, by number, and the ports that are free.
pub struct Sockets {
    net: Rc<RefCell<Net>>,
    bind: [Option<IpAddr>; 2],
    sockets: Vec<Option<Open>>,
    unused: Vec<u32>,
    free: VecDeque<u16>,
    resting: VecDeque<(Instant, u16)>,
}

impl Sockets {
    /// No sockets yet. `bind` are our addresses of IPv4 and IPv6, `ports` the range of this shard.
    pub fn new(
        net: Rc<RefCell<Net>>,
        bind: [Option<IpAddr>; 2],
        ports: RangeInclusive<u16>,
        dice: &mut Dice,
    ) -> Sockets {
        let last = *ports.end();
        let mut free: Vec<u16> = ports.filter(|port| port % 2 == 0 && *port > 0 && *port < last).collect();
        for at in (1..free.len()).rev() {
            free.swap(at, dice.below(at as u32 + 1) as usize);
        }
        Sockets { net, bind, sockets: Vec::new(), unused: Vec::new(), free: free.into(), resting: VecDeque::new() }
    }

    /// Opens the socket that ICE legs share; returns its number and port.
    ///
    /// # Errors
    /// The port is taken, or the address is not ours.
    pub fn open_shared(&mut self, ipv6: bool, port: u16) -> io::Result<Option<(SocketId, u16)>> {
        let Some(ip) = self.bind[usize::from(ipv6)] else { return Ok(None) };
        let (id, port) = self.open(SocketAddr::new(ip, port), SHARED_BUFFER)?;
        Ok(Some((id, port)))
    }

    /// The descriptor of a socket.
    pub fn fd(&self, id: SocketId) -> Option<RawFd> {
        self.sockets.get(id.0 as usize)?.as_ref().map(|open| open.socket.as_raw_fd())
    }

    /// The descriptor of a leg's socket that can be read in this turn, and whether it could in the turn before, so that
    /// there may be more than one datagram.
    pub fn ready(&mut self, id: SocketId, turn: u32) -> Option<(RawFd, bool)> {
        let open = self.sockets.get_mut(id.0 as usize)?.as_mut()?;
        let before = std::mem::replace(&mut open.read_in, turn);
        Some((open.socket.as_raw_fd(), turn.wrapping_sub(before) <= 1))
    }

    /// Connects a socket to the only address that it is to hear, or lets it hear any again. One that is bound to every
    /// address of the machine stays open: connected it would hear what comes to one of them alone.
    pub fn aim(&mut self, id: SocketId, aim: Option<SocketAddr>) {
        let Some(Some(open)) = self.sockets.get_mut(id.0 as usize) else { return };
        if open.aim == aim || self.bind.iter().flatten().any(IpAddr::is_unspecified) {
            return;
        }
        open.aim = aim.filter(|to| connect(open.socket.as_raw_fd(), Some(*to)));
        if open.aim.is_none() {
            connect(open.socket.as_raw_fd(), None);
        }
    }

    /// Whether a socket is connected to that address.
    pub fn is_aimed_at(&self, id: SocketId, to: SocketAddr) -> bool {
        self.sockets.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|open| open.aim == Some(to))
    }

    fn open(&mut self, address: SocketAddr, buffer: usize) -> io::Result<(SocketId, u16)> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Smaller buffers than wished for are no reason to refuse.
        let _ = socket.set_recv_buffer_size(buffer);
        if buffer == SHARED_BUFFER {
            // What one leg sends has room in what the system gives.
            let _ = socket.set_send_buffer_size(buffer);
        }
        ask_for_stamps(socket.as_raw_fd());
        socket.bind(&address.into())?;
        let port = match address.port() {
            0 => socket.local_addr()?.as_socket().map_or(0, |bound| bound.port()),
            port => port,
        };
        let number = self.unused.last().copied().unwrap_or(self.sockets.len() as u32);
        self.net.borrow_mut().open(socket.as_raw_fd(), number, buffer == SHARED_BUFFER)?;
        let open = Open { socket, read_in: 0, aim: None };
        match self.unused.pop() {
            Some(number) => self.sockets[number as usize] = Some(open),
            None => self.sockets.push(Some(open)),
        }
        Ok((SocketId(number), port))
    }

    fn close(&mut self, id: SocketId) {
        if let Some(open) = self.sockets.get_mut(id.0 as usize).and_then(Option::take) {
            self.net.borrow_mut().close(id.0);
            drop(open);
            self.unused.push(id.0);
        }
    }
}

impl Ports for Sockets {
    fn open_pair(&mut self, now: Instant, ipv6: bool) -> Option<PortPair> {
        let ip = self.bind[usize::from(ipv6)]?;
        while let Some((since, port)) = self.resting.front().copied()
            && now.saturating_duration_since(since) >= REST
        {
            self.resting.pop_front();
            self.free.push_back(port);
        }
        for _ in 0..MAX_TRIES.min(self.free.len()) {
            let port = self.free.pop_front()?;
            if let Ok((rtp, _)) = self.open(SocketAddr::new(ip, port), LEG_BUFFER) {
                if let Ok((rtcp, _)) = self.open(SocketAddr::new(ip, port + 1), LEG_BUFFER) {
                    return Some(PortPair { rtp, rtcp, port });
                }
                self.close(rtp);
            }
            self.free.push_back(port);
        }
        None
    }

    fn close_pair(&mut self, now: Instant, pair: PortPair) {
        self.close(pair.rtp);
        self.close(pair.rtcp);
        self.resting.push_back((now, pair.port));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::net::Ipv4Addr;

    use super::*;
    use crate::media::config::Driver;

    #[test]
    fn a_port_rests_before_it_is_given_out_again() {
        let net = Rc::new(RefCell::new(Net::new(Driver::Epoll, false).expect("an epoll")));
        let bind = [Some(Ipv4Addr::LOCALHOST.into()), None];
        let mut sockets = Sockets::new(net, bind, 48_000..=48_001, &mut Dice::for_test(1));
        let now = Instant::now();
        let pair = sockets.open_pair(now, false).expect("a pair");
        assert_eq!(pair.port, 48_000);
        sockets.close_pair(now, pair);
        assert_eq!(sockets.open_pair(now + REST - Duration::from_millis(1), false), None);
        assert_eq!(sockets.open_pair(now + REST, false).map(|pair| pair.port), Some(48_000));
    }

    #[test]
    fn a_socket_that_is_let_go_hears_everybody_again_on_the_port_it_had() {
        let net = Rc::new(RefCell::new(Net::new(Driver::Epoll, false).expect("an epoll")));
        let bind = [Some(Ipv4Addr::LOCALHOST.into()), None];
        let mut sockets = Sockets::new(net, bind, 48_100..=48_999, &mut Dice::for_test(1));
        let pair = sockets.open_pair(Instant::now(), false).expect("a pair");
        let [peer, other] = [0, 0].map(|port| std::net::UdpSocket::bind(("127.0.0.1", port)).expect("a socket"));
        let relay = SocketAddr::from((Ipv4Addr::LOCALHOST, pair.port));
        let from = |sockets: &Sockets| {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 8];
            let open = sockets.sockets[pair.rtp.0 as usize].as_ref().expect("open");
            let (_, from) = open.socket.recv_from(&mut buffer).ok()?;
            from.as_socket()
        };
        let aim = peer.local_addr().ok();
        sockets.aim(pair.rtp, aim);
        assert!(sockets.is_aimed_at(pair.rtp, aim.expect("an address")));
        other.send_to(b"stranger", relay).expect("sent");
        peer.send_to(b"peer", relay).expect("sent");
        assert_eq!((from(&sockets), from(&sockets)), (aim, None));
        sockets.aim(pair.rtp, None);
        other.send_to(b"other", relay).expect("sent");
        assert_eq!(from(&sockets), other.local_addr().ok());
    }
}
