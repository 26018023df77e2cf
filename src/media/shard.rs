//! One core's worth of legs.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::base::Dice;
use crate::model::{RelayCommand, RelayEvent};

/// A UDP socket of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub u32);

/// Two neighbouring ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPair {
    /// For RTP, on the even port.
    pub rtp: SocketId,
    /// For RTCP, on the next.
    pub rtcp: SocketId,
    /// The RTP port.
    pub port: u16,
}

/// The sockets that a shard asks its driver for.
pub trait Ports {
    /// Opens two neighbouring ports, the lower one even; `None` if none are free.
    fn open_pair(&mut self, ipv6: bool) -> Option<PortPair>;

    /// Closes a pair; its ports rest for a while before they are given out again.
    fn close_pair(&mut self, pair: PortPair);
}

/// What a shard is made with.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// The addresses at which peers reach us over IPv4, best first.
    pub advertised_v4: Vec<IpAddr>,
    /// The same over IPv6.
    pub advertised_v6: Vec<IpAddr>,
    /// The socket of all ICE legs over IPv4, with its port.
    pub ice_v4: Option<(SocketId, u16)>,
    /// The same over IPv6.
    pub ice_v6: Option<(SocketId, u16)>,
}

/// A datagram that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// The socket that it leaves by.
    pub socket: SocketId,
    /// Where to.
    pub to: SocketAddr,
    /// Its first byte in the buffer.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// The legs of some calls.
#[derive(Debug)]
pub struct Shard {
    #[allow(dead_code)]
    config: ShardConfig,
    #[allow(dead_code)]
    dice: Dice,
}

impl Shard {
    /// A shard without legs.
    pub fn new(config: ShardConfig, dice: Dice) -> Shard {
        Shard { config, dice }
    }

    /// Takes an order.
    pub fn handle_command(&mut self, _now: Instant, _command: RelayCommand, _ports: &mut dyn Ports) {}

    /// Takes a datagram: the first `length` bytes of `buffer`, which should have room to spare behind them.
    /// If it is to be passed on, it has been made so in the same buffer.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _socket: SocketId,
        _from: SocketAddr,
        _buffer: &mut [u8],
        _length: usize,
    ) -> Option<Outgoing> {
        None
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The next datagram of the shard's own making, written to `buffer`.
    pub fn poll_transmit(&mut self, _buffer: &mut [u8]) -> Option<Outgoing> {
        None
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        None
    }

    /// When [`Shard::handle_timeout`] should be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
