//! Where the servers of domains are: by the name servers of the configuration, or else by those of the system.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use tracing::debug;

/// The most servers of one domain, and addresses of one server, that are tried in one attempt.
pub const MOST_SERVERS: usize = 8;

/// Where a domain's server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The lowest is tried first (RFC 2782).
    pub priority: u16,
    /// How often it is tried first among those of its priority.
    pub weight: u16,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Who is asked.
#[derive(Debug, Clone, Default)]
pub struct Names {
    servers: Arc<[SocketAddr]>,
}

impl Names {
    /// These name servers are asked, or if there are none those of the system.
    pub fn new(servers: &[SocketAddr]) -> Names {
        Names { servers: servers.into() }
    }

    /// Whether the addresses of a name are asked for here. A name without a dot is one of this machine or its network, such
    /// as `localhost`, of which only the system knows.
    pub fn are_asked_for(&self, host: &str) -> bool {
        !self.servers.is_empty() && host.trim_end_matches('.').contains('.')
    }

    /// The servers of a service; none if there are none, or nobody says.
    pub async fn services(&self, domain: &str, service: &str) -> Vec<Target> {
        let found = async {
            let name = Name::from_utf8(format!("{service}.{domain}."))?;
            self.resolver()?.srv_lookup(name).await
        };
        let found = match found.await {
            Ok(found) => found,
            Err(error) => {
                debug!(domain, service, %error, "there are no service records");
                return Vec::new();
            }
        };
        let target = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(Target { priority: srv.priority, weight: srv.weight, host: srv.target.to_ascii(), port: srv.port })
            }
            _ => None,
        };
        found.answers().iter().filter_map(|record| target(&record.data)).collect()
    }

    /// The addresses of a server; none if there are none, or nobody says.
    pub async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let found = async {
            let name = Name::from_utf8(format!("{}.", host.trim_end_matches('.')))?;
            self.resolver()?.lookup_ip(name).await
        };
        match found.await {
            Ok(found) => found.iter().take(MOST_SERVERS).collect(),
            Err(error) => {
                debug!(host, %error, "there are no addresses");
                Vec::new()
            }
        }
    }

    /// Made anew each time, so that it knows the system's servers of today.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        if self.servers.is_empty() {
            return TokioResolver::builder_tokio()?.build();
        }
        let servers = self.servers.iter().map(|server| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (server.port(), server.port());
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build()
    }
}
