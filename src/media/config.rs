//! What the operator says of the relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// Most shards that a relay may have.
pub const MAX_SHARDS: usize = 64;

/// Where the relay listens, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// The IPv4 address of the sockets; `None`: no IPv4 legs.
    pub bind_v4: Option<Ipv4Addr>,
    /// The IPv6 address of the sockets; `None`: no IPv6 legs.
    pub bind_v6: Option<Ipv6Addr>,
    /// The IPv4 addresses at which peers reach us, best first; empty: `bind_v4`. Descriptions without ICE
    /// name the first; with ICE each is a host candidate.
    pub advertised_v4: Vec<Ipv4Addr>,
    /// The same for IPv6.
    pub advertised_v6: Vec<Ipv6Addr>,
    /// The ports of legs without ICE: a pair each, RTP on the even one, RTCP on the next.
    pub ports: RangeInclusive<u16>,
    /// The UDP port of all legs with ICE of the first shard, the next shard takes the next port; 0: any free.
    pub ice_port: u16,
    /// Threads, at most [`MAX_SHARDS`]. Both legs of a call live on one shard.
    pub shards: usize,
}

impl RelayConfig {
    /// All on this machine's loopback, one shard: for trying things out.
    pub fn loopback() -> RelayConfig {
        RelayConfig {
            bind_v4: Some(Ipv4Addr::LOCALHOST),
            bind_v6: None,
            advertised_v4: Vec::new(),
            advertised_v6: Vec::new(),
            ports: 20_000..=29_999,
            ice_port: 0,
            shards: 1,
        }
    }

    /// The addresses at which peers reach us, of one family, best first.
    pub fn advertised(&self, ipv6: bool) -> Vec<IpAddr> {
        if ipv6 {
            let own = self.bind_v6.into_iter().collect();
            let list = if self.advertised_v6.is_empty() { own } else { self.advertised_v6.clone() };
            list.into_iter().map(IpAddr::V6).collect()
        } else {
            let own = self.bind_v4.into_iter().collect();
            let list = if self.advertised_v4.is_empty() { own } else { self.advertised_v4.clone() };
            list.into_iter().map(IpAddr::V4).collect()
        }
    }

    /// The ports of one shard: the range in equal parts, so that shards need not ask one another.
    pub fn ports_of(&self, shard: usize) -> RangeInclusive<u16> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let part = ((last.saturating_sub(first) + 1) / self.shards.max(1) as u32) & !1;
        let start = first + part * shard as u32;
        let end = if shard + 1 >= self.shards { last } else { start + part - 1 };
        start.min(65_535) as u16..=end.min(65_535) as u16
    }
}
