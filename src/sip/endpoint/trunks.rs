//! Where the trunks are: their addresses, looked up now and then.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Output, ResolveId};
use crate::sip::config::{Config, Trunk};
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Via;
use crate::sip::wire::Wire;

/// How often a trunk's name is looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(300);

/// The addresses of all trunks, in the order of their names.
#[derive(Debug)]
pub struct Trunks {
    addresses: Vec<Vec<SocketAddr>>,
    look_up_at: Option<Instant>,
}

impl Trunks {
    /// With the addresses that need no look-up.
    pub fn new(now: Instant, config: &Config) -> Trunks {
        let addresses: Vec<Vec<SocketAddr>> =
            config.trunks.values().map(|t| t.address.socket().into_iter().collect()).collect();
        let names = addresses.iter().any(Vec::is_empty);
        Trunks { addresses, look_up_at: names.then_some(now) }
    }

    /// The addresses of a trunk; none while its name was not found.
    pub fn addresses(&self, config: &Config, name: &str) -> &[SocketAddr] {
        let at = config.trunks.keys().position(|n| n == name);
        at.and_then(|at| self.addresses.get(at)).map(Vec::as_slice).unwrap_or_default()
    }

    /// A name was looked up. A look-up that fails leaves what was known.
    pub fn handle_resolved(&mut self, at: usize, addresses: Vec<SocketAddr>) {
        if let Some(known) = self.addresses.get_mut(at).filter(|_| !addresses.is_empty()) {
            *known = addresses;
        }
    }

    /// When names are to be looked up again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.look_up_at
    }

    /// Asks for the names that are due.
    pub fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) {
        if self.look_up_at.is_none_or(|at| at > now) {
            return;
        }
        self.look_up_at = Some(now + LOOK_UP_EVERY);
        for (at, trunk) in wire.config.trunks.values().enumerate().filter(|(_, t)| t.address.ip().is_none()) {
            wire.outputs.push_back(Output::Resolve {
                id: ResolveId::Trunk(at),
                host: trunk.address.host.clone(),
                port: trunk.address.port,
                transport: trunk.transport,
            });
        }
    }

    /// The trunk that a request from there is of.
    ///
    /// The address decides. Several trunks at one address are told apart by port, and on loopback the port
    /// has to fit, since everything on the machine has that address.
    pub fn by_source<'a>(&self, config: &'a Config, flow: &Flow, via: &Via) -> Option<(&'a str, &'a Trunk)> {
        let ip = flow.remote.ip();
        // A connection comes from a port of its own; the peer's listening port is in its Via.
        let port = match flow.transport {
            Transport::Udp => flow.remote.port(),
            Transport::Tcp => via.port.unwrap_or(crate::sip::config::DEFAULT_PORT),
        };
        let here = |trunk: &Trunk, known: &[SocketAddr], exact: bool| {
            let strict = exact || trunk.same_port || ip.is_loopback();
            known.iter().any(|a| a.ip() == ip && (!strict || a.port() == port))
        };
        let find = |exact: bool| {
            let mut all = config.trunks.iter().zip(&self.addresses);
            all.find(|((_, trunk), known)| here(trunk, known, exact)).map(|((name, trunk), _)| (name.as_str(), trunk))
        };
        find(true).or_else(|| find(false))
    }
}
