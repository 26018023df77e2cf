//! Where a request goes (RFC 3263 §4): from a host to transports, addresses and ports, without asking anybody.
//!
//! ```text
//!   a number ───────────────────────────────────────────────▶ that address
//!   a name with a port ────────────────────────────▶ A, AAAA ─▶ its addresses, at that port
//!   a name with transport= ───────────▶ SRV of it ─▶ A, AAAA ─▶ by priority, and by chance after weight
//!   a name ──▶ NAPTR ─▶ its transport ─▶ SRV ──────▶ A, AAAA ─▶ the same
//!                └ none: SRV of each transport ───▶ none: A, AAAA at the usual port
//! ```
//! [`locate`] is a function of what has been answered: it gives the ways, or what to ask next.

mod order;
mod shun;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::flow::Transport;

pub use order::Target;
pub use shun::{LONGEST_SHUN, MAX_SHUNNED, SHUNNED_FOR, Shun};

/// The most SRV records of one service that are used; those of highest priority.
pub const MAX_SERVERS: usize = 8;
/// The most addresses of one name that are used.
pub const MAX_ADDRESSES: usize = 8;
/// The longest that an answer is good, whatever it says itself.
pub const LONGEST_TTL: Duration = Duration::from_secs(3600);

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wish {
    /// A name, or an address (IPv6 without brackets).
    pub host: String,
    /// The port that is written beside it.
    pub port: Option<u16>,
    /// The transport that is written beside it.
    pub transport: Option<Transport>,
    /// A `sips:` URI: nothing but TLS will do (RFC 3261 §26.2.2).
    pub secure: bool,
}

impl Wish {
    /// The way to an address, for which nobody has to be asked.
    pub fn at_once(&self) -> Option<Located> {
        self.host.parse::<IpAddr>().ok()?;
        match locate(self, &[], &HashMap::new()) {
            Outcome::Found(located) => Some(located),
            Outcome::Ask(_) => None,
        }
    }
}

/// A question to the name service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// The services of a domain (RFC 3403).
    Naptr(String),
    /// The servers of a service (RFC 2782): `_sip._udp.example.org`.
    Srv(String),
    /// The addresses of a host, of both families.
    Addresses(String),
}

/// One service of a domain (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first.
    pub order: u16,
    /// Lower first, within the order.
    pub preference: u16,
    /// `s` if `replacement` is the name of a service.
    pub flags: String,
    /// `SIP+D2U`.
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

/// One server of a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// How often it is tried first among those of its priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its host; `.` if the service does not exist.
    pub target: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// To [`Query::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Query::Srv`].
    Srv(Vec<Srv>),
    /// To [`Query::Addresses`], in the order of the answer.
    Addresses(Vec<IpAddr>),
    /// There are none.
    Nothing,
    /// Nobody could say.
    Failed,
}

/// An answer and for how long it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// It.
    pub records: Records,
    /// Its time to live.
    pub ttl: Duration,
}

/// One server, with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// By which transport.
    pub transport: Transport,
    /// Lower first (RFC 2782).
    pub priority: u16,
    /// How often it is tried first among those of its priority.
    pub weight: u16,
    /// Its host's name.
    pub name: String,
    /// Its addresses, the families by turns (RFC 8305 §4).
    pub addresses: Vec<SocketAddr>,
}

/// The ways to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The servers.
    pub ways: Vec<Way>,
    /// How long all of it is good.
    pub ttl: Duration,
    /// A question was not answered at all, so that there may be more, or others.
    pub doubtful: bool,
}

impl Located {
    /// One host with these addresses, for as long as may be.
    pub fn at(transport: Transport, addresses: Vec<SocketAddr>) -> Located {
        let ways = match addresses.is_empty() {
            true => Vec::new(),
            false => vec![plain(transport, String::new(), addresses)],
        };
        Located { ways, ttl: LONGEST_TTL, doubtful: false }
    }

    /// Whether there is no way.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }

    /// All addresses, each once, those of the highest priority first.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut ways: Vec<&Way> = self.ways.iter().collect();
        ways.sort_by_key(|way| way.priority);
        let mut all = Vec::new();
        for address in ways.into_iter().flat_map(|way| &way.addresses) {
            if !all.contains(address) {
                all.push(*address);
            }
        }
        all
    }

    /// By which transport an address is reached.
    pub fn transport_of(&self, address: &SocketAddr) -> Option<Transport> {
        self.ways.iter().find(|way| way.addresses.contains(address)).map(|way| way.transport)
    }
}

/// How far [`locate`] comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// These are to be asked first, at once.
    Ask(Vec<Query>),
    /// The ways; none if there are none.
    Found(Located),
}

/// The ways to a host, by transports of `have` (the most wanted first), as far as `known` says.
pub fn locate(wish: &Wish, have: &[Transport], known: &HashMap<Query, Answer>) -> Outcome {
    let mut reader = Reader { known, missing: Vec::new(), ttl: LONGEST_TTL, doubtful: false };
    let ways = ways(wish, have, &mut reader);
    if !reader.missing.is_empty() {
        return Outcome::Ask(reader.missing);
    }
    Outcome::Found(Located { ways, ttl: reader.ttl, doubtful: reader.doubtful })
}

fn ways(wish: &Wish, have: &[Transport], reader: &mut Reader<'_>) -> Vec<Way> {
    let host = wish.host.trim_end_matches('.').to_ascii_lowercase();
    let usual = usual(wish, have);
    let port = wish.port.unwrap_or(usual.default_port());
    if let Ok(ip) = host.parse::<IpAddr>() {
        return vec![plain(usual, host, vec![SocketAddr::new(ip, port)])];
    }
    if wish.port.is_some() {
        return at_host(usual, host, port, reader);
    }
    let (services, chosen) = services(wish, have, &host, reader);
    let mut denied = false;
    for (transport, name) in services {
        match reader.get(Query::Srv(name)) {
            // RFC 2782: a target "." says that there is no such service.
            Some(Records::Srv(list)) if list.iter().all(|srv| srv.target == ".") => denied |= !list.is_empty(),
            Some(Records::Srv(list)) => return servers(transport, list, reader),
            // Services that no NAPTR named are asked for all at once.
            None if chosen => return Vec::new(),
            _ => {}
        }
    }
    if !reader.missing.is_empty() {
        // In case that there is no service: asked at the same time, so that a name service that is slow is waited for once.
        reader.get(Query::Addresses(host.clone()));
    }
    if denied || !reader.missing.is_empty() { Vec::new() } else { at_host(usual, host, port, reader) }
}

/// The transport where nothing says which (RFC 3263 §4.1).
fn usual(wish: &Wish, have: &[Transport]) -> Transport {
    let first = || have.iter().copied().find(|t| *t == Transport::Udp).or(have.first().copied());
    match wish.transport {
        _ if wish.secure => Transport::Tls,
        Some(transport) => transport,
        None => first().unwrap_or(Transport::Udp),
    }
}

/// The services to look for, the most wanted first; whether NAPTR records named them.
fn services(wish: &Wish, have: &[Transport], host: &str, reader: &mut Reader<'_>) -> (Vec<(Transport, String)>, bool) {
    let fits = |t: Transport| have.contains(&t) && !t.is_websocket() && (!wish.secure || t == Transport::Tls);
    if wish.transport.is_some() {
        let transport = usual(wish, have);
        let service = fits(transport).then(|| service(transport, host)).flatten();
        return (service.map(|name| (transport, name)).into_iter().collect(), false);
    }
    let records = match reader.get(Query::Naptr(host.to_owned())) {
        None => return (Vec::new(), false),
        Some(Records::Naptr(list)) => list.as_slice(),
        Some(_) => &[],
    };
    let mut records: Vec<&Naptr> = records.iter().filter(|r| r.flags.eq_ignore_ascii_case("s")).collect();
    records.sort_by_key(|r| (r.order, r.preference));
    let named = records.iter().filter_map(|r| Some((by_service(&r.service)?, clean(&r.replacement))));
    let named: Vec<_> = named.filter(|(transport, _)| fits(*transport)).take(MAX_SERVERS).collect();
    if !named.is_empty() {
        return (named, true);
    }
    let all = have.iter().copied().filter(|t| fits(*t));
    (all.filter_map(|t| Some((t, service(t, host)?))).collect(), false)
}

/// The transport of a service field (RFC 3263 §4.1). Browsers open WebSockets; we never do (RFC 7118).
fn by_service(field: &str) -> Option<Transport> {
    match field.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

/// The name of a service's SRV records.
fn service(transport: Transport, host: &str) -> Option<String> {
    match transport {
        Transport::Udp => Some(format!("_sip._udp.{host}")),
        Transport::Tcp => Some(format!("_sip._tcp.{host}")),
        Transport::Tls => Some(format!("_sips._tcp.{host}")),
        Transport::Ws | Transport::Wss => None,
    }
}

fn servers(transport: Transport, list: &[Srv], reader: &mut Reader<'_>) -> Vec<Way> {
    let mut list: Vec<&Srv> = list.iter().filter(|srv| srv.target != ".").collect();
    list.sort_by_key(|srv| srv.priority);
    let mut ways = Vec::new();
    for srv in list.into_iter().take(MAX_SERVERS) {
        for way in at_host(transport, clean(&srv.target), srv.port, reader) {
            ways.push(Way { priority: srv.priority, weight: srv.weight, ..way });
        }
    }
    ways
}

fn at_host(transport: Transport, host: String, port: u16, reader: &mut Reader<'_>) -> Vec<Way> {
    // Some write an address where a name belongs.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return vec![plain(transport, host, vec![SocketAddr::new(ip, port)])];
    }
    match reader.get(Query::Addresses(host.clone())) {
        Some(Records::Addresses(all)) if !all.is_empty() => {
            let addresses = by_turns(all).into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            vec![plain(transport, host, addresses)]
        }
        _ => Vec::new(),
    }
}

fn plain(transport: Transport, name: String, addresses: Vec<SocketAddr>) -> Way {
    Way { transport, priority: 0, weight: 0, name, addresses }
}

/// The families by turns, that of the first address first (RFC 8305 §4), so that one that leads nowhere costs one try.
fn by_turns(all: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_ipv6 = all.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second) =
        (all.iter().filter(|ip| ip.is_ipv6() == first_is_ipv6), all.iter().filter(|ip| ip.is_ipv6() != first_is_ipv6));
    let mut turns: Vec<IpAddr> = Vec::new();
    for _ in 0..all.len() {
        for ip in first.next().into_iter().chain(second.next()) {
            if turns.len() < MAX_ADDRESSES && !turns.contains(ip) {
                turns.push(*ip);
            }
        }
    }
    turns
}

fn clean(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

struct Reader<'a> {
    known: &'a HashMap<Query, Answer>,
    missing: Vec<Query>,
    ttl: Duration,
    doubtful: bool,
}

impl<'a> Reader<'a> {
    /// What was answered; if nothing yet, it is to be asked.
    fn get(&mut self, query: Query) -> Option<&'a Records> {
        let Some(answer) = self.known.get(&query) else {
            if !self.missing.contains(&query) {
                self.missing.push(query);
            }
            return None;
        };
        self.ttl = self.ttl.min(answer.ttl);
        self.doubtful |= answer.records == Records::Failed;
        Some(&answer.records)
    }
}
