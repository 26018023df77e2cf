//! What the operator says of the relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::codec::Effort;
use crate::base::Secret;

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
    /// How the threads reach the network.
    pub driver: Driver,
    /// What encoding Opus may take where speech is translated.
    pub effort: Effort,
    /// What is recorded, and where to.
    pub recording: RecordingConfig,
    /// What a WebSocket that listens along is shown as proof of who we are (RFC 6750).
    pub fork_token: Option<Secret>,
}

/// How a relay's threads reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// io_uring where the kernel has it (Linux 6.1) and lets us, else epoll.
    #[default]
    Auto,
    /// epoll, on any kernel.
    Epoll,
    /// io_uring, or nothing.
    IoUring,
}

impl Driver {
    /// As it is written: `auto`, `epoll`, `io_uring`.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Auto => "auto",
            Driver::Epoll => "epoll",
            Driver::IoUring => "io_uring",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Driver> {
        [Driver::Auto, Driver::Epoll, Driver::IoUring].into_iter().find(|driver| driver.name() == name)
    }
}

/// Where recordings go, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingConfig {
    /// The folder; made if it is not there. `None`: nothing can be recorded.
    pub directory: Option<PathBuf>,
    /// How long one may last.
    pub longest: Duration,
    /// How many may be made at once.
    pub most: usize,
    /// Bytes that they leave free on the disk.
    pub keep_free: u64,
}

impl Default for RecordingConfig {
    fn default() -> RecordingConfig {
        RecordingConfig { directory: None, longest: Duration::from_secs(4 * 3600), most: 100, keep_free: 1 << 30 }
    }
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
            driver: Driver::Auto,
            effort: Effort::default(),
            recording: RecordingConfig::default(),
            fork_token: None,
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
