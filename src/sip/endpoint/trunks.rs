//! Where the trunks are: their addresses, looked up now and then; and what goes on there.

mod errands;
mod flows;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{Endpoint, Output, ResolveId};
use crate::model::Address;
use crate::sip::config::{Config, Trunk};
use crate::sip::flow::{Flow, Transport};
use crate::sip::locate::Located;
use crate::sip::message::{NameAddr, Request, Via};
use crate::sip::say;
use crate::sip::trunk::Registration;
use crate::sip::wire::Wire;
use errands::Line;

/// How often a trunk's name is asked for again; what is remembered is the answer for as long as it is good.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// The addresses of all trunks, in the order of their names.
#[derive(Debug)]
pub struct Trunks {
    located: Vec<Located>,
    lines: Vec<Line>,
    look_up_at: Option<Instant>,
}

impl Trunks {
    /// With the addresses that need no look-up.
    pub fn new(now: Instant, wire: &mut Wire) -> Trunks {
        let config = wire.config.clone();
        let nowhere = || Located::at(Transport::Udp, Vec::new());
        let located: Vec<Located> =
            config.trunks.values().map(|t| t.wish().at_once().unwrap_or_else(nowhere)).collect();
        let lines = config.trunks.iter().map(|(name, trunk)| Line::new(now, name, trunk, wire)).collect();
        let names = located.iter().any(Located::is_empty);
        Trunks { located, lines, look_up_at: names.then_some(now) }
    }

    /// Where a trunk is; nowhere while its name was not found.
    pub fn located(&self, config: &Config, name: &str) -> Option<&Located> {
        place(config, name).and_then(|at| self.located.get(at))
    }

    /// Whether an address of a trunk answers, as far as is known.
    pub fn is_up(&self, config: &Config, name: &str, address: &SocketAddr) -> bool {
        let health = self.line(config, name).and_then(|line| line.health.as_ref());
        health.is_none_or(|health| health.is_up(address))
    }

    /// The way that a request to a trunk is to take: what its registrar said (RFC 3608 §6.1), else by its proxy.
    pub fn routes(&self, config: &Config, name: &str) -> Vec<NameAddr> {
        let held = self.line(config, name).and_then(|l| l.registration.as_ref()).and_then(Registration::held);
        match held.map(|held| held.routes.as_slice()).filter(|routes| !routes.is_empty()) {
            Some(routes) => routes.to_vec(),
            None => config.trunks.get(name).map(say::by_proxy).unwrap_or_default(),
        }
    }

    /// The addresses of trunks that take long requests by TCP.
    pub fn take_tcp(&self, config: &Config) -> HashSet<SocketAddr> {
        let all = config.trunks.values().zip(&self.located);
        all.filter(|(trunk, _)| trunk.tcp_for_large).flat_map(|(_, located)| located.addresses()).collect()
    }

    fn line(&self, config: &Config, name: &str) -> Option<&Line> {
        place(config, name).and_then(|at| self.lines.get(at))
    }

    /// The trunk by whose registration a request came: it asks for the contact that only the trunk was told, from where
    /// we registered or from an address of the trunk.
    pub fn by_contact<'a>(&self, config: &'a Config, flow: &Flow, request: &Request) -> Option<(&'a str, &'a Trunk)> {
        let at = self.called_line(request)?;
        let held = self.lines.get(at)?.registration.as_ref()?.held()?;
        let known = self.located.get(at).map(Located::addresses).unwrap_or_default();
        let ip: IpAddr = flow.remote.ip();
        let is_there = held.flow.remote.ip() == ip || known.iter().any(|a| a.ip() == ip);
        let (name, trunk) = config.trunks.iter().nth(at)?;
        let is_protected = trunk.transport != Transport::Tls || flow.transport == Transport::Tls;
        (is_there && is_protected).then_some((name.as_str(), trunk))
    }

    /// The trunk by whose bulk registration (RFC 6140) a request came: by the connection that we registered by, or from
    /// there.
    pub fn by_bulk<'a>(&self, config: &'a Config, flow: &Flow) -> Option<(&'a str, &'a Trunk)> {
        let ip = flow.remote.ip();
        let mut all = config.trunks.iter().zip(&self.lines);
        let is_there = |trunk: &Trunk, line: &Line| {
            let held = line.registration.as_ref().filter(|r| r.is_bulk()).and_then(Registration::held);
            held.is_some_and(|held| {
                let is_strict = trunk.same_port || ip.is_loopback();
                let is_protected = trunk.transport != Transport::Tls || flow.transport == Transport::Tls;
                held.flow == *flow || (is_protected && !is_strict && held.flow.remote.ip() == ip)
            })
        };
        all.find(|((_, trunk), line)| is_there(trunk, line)).map(|((name, trunk), _)| (name.as_str(), trunk))
    }

    fn called_line(&self, request: &Request) -> Option<usize> {
        let user = request.uri.user()?;
        let is_asked = |line: &Line| line.registration.as_ref().is_some_and(|r| r.token() == user);
        self.lines.iter().position(is_asked)
    }

    /// Whom a request to our contact at a trunk is meant for: the number in its `To`; if that is the account itself, the
    /// trunk's own number.
    pub fn called(&self, config: &Config, request: &Request) -> Option<Address> {
        let at = self.called_line(request)?;
        let trunk = config.trunks.values().nth(at)?;
        let account = self.lines.get(at)?.registration.as_ref()?.account();
        let to = request.headers.to().ok()?.uri.user().filter(|user| !user.is_empty()).map(|user| user.into_owned());
        let meant = match &trunk.number {
            Some(number) if to.is_none() || to == account => Some(number.clone()),
            _ => to.or(account).map(|user| trunk.profile.number_format.read(&user)),
        };
        meant.map(Address::here)
    }

    /// A name was looked up. A look-up that fails leaves what was known.
    pub fn handle_resolved(&mut self, at: usize, located: Located) {
        if let Some(known) = self.located.get_mut(at).filter(|_| !located.is_empty()) {
            *known = located;
        }
    }

    /// When names are to be looked up again, or something is due at a trunk.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.look_up_at.into_iter().chain(self.lines.iter().filter_map(Line::poll_timeout)).min()
    }

    /// Asks for the names that are due, and does what is due at the trunks.
    pub fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) {
        self.look_up(now, wire);
        self.run_errands(now, wire);
    }

    fn look_up(&mut self, now: Instant, wire: &mut Wire) {
        if self.look_up_at.is_none_or(|at| at > now) {
            return;
        }
        self.look_up_at = Some(now + LOOK_UP_EVERY);
        for (at, trunk) in wire.config.trunks.values().enumerate().filter(|(_, t)| t.hop().ip().is_none()) {
            wire.outputs.push_back(Output::Resolve { id: ResolveId::Trunk(at), wish: trunk.wish() });
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
            Transport::Tcp | Transport::Tls => via.port.unwrap_or(flow.transport.default_port()),
            // What runs in a browser is never a trunk.
            Transport::Ws | Transport::Wss => return None,
        };
        let here = |trunk: &Trunk, known: &Located, exact: bool| {
            let strict = exact || trunk.same_port || ip.is_loopback();
            // A trunk that is reached by TLS comes by TLS: anybody can forge the source of a datagram.
            let protected = trunk.transport != Transport::Tls || flow.transport == Transport::Tls;
            let mut known = known.ways.iter().flat_map(|way| &way.addresses);
            protected && known.any(|a| a.ip() == ip && (!strict || a.port() == port))
        };
        let find = |exact: bool| {
            let mut all = config.trunks.iter().zip(&self.located);
            all.find(|((_, trunk), known)| here(trunk, known, exact)).map(|((name, trunk), _)| (name.as_str(), trunk))
        };
        find(true).or_else(|| find(false))
    }
}

fn place(config: &Config, name: &str) -> Option<usize> {
    config.trunks.keys().position(|known| known == name)
}
