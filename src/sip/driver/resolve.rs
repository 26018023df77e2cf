//! Host names to places, remembered for as long as DNS says and never waited for.
//!
//! What was found once is used on while nobody answers (RFC 8767): a name service that is down ends no call.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Event;
use crate::sip::endpoint::ResolveId;
use crate::sip::flow::Transport;
use crate::sip::locate::{self, Answer, Located, MAX_ADDRESSES, Naptr, Outcome, Query, Records, Srv, Wish};

/// How long an answer of the system's own resolver is good, which does not tell how long it is meant to be.
const FRESH: Duration = Duration::from_secs(60);
/// The least time that any answer is good, and how long what is found while some questions are not answered.
const FRESH_NOTHING: Duration = Duration::from_secs(5);
/// How long "there is no such thing" is good at most, whatever the zone says itself (RFC 2308 §5).
const LONGEST_NOTHING: Duration = Duration::from_secs(300);
/// How long what was found is used on while nobody answers (RFC 8767 §5).
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How long one question may take before it is asked again, and how often it is asked.
const QUESTION: (Duration, usize) = (Duration::from_secs(1), 2);
/// How long all questions about one name may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The most rounds of questions about one name: NAPTR, SRV, addresses, and one to spare for each kind of service.
const MAX_ROUNDS: usize = 6;
/// The most names remembered or asked for at once.
const MAX_NAMES: usize = 256;
/// The most questions that wait for one name.
const MAX_WAITING: usize = 1024;

/// The names.
pub struct Resolver {
    names: HashMap<Wish, Known>,
    events: mpsc::Sender<Event>,
    have: Arc<[Transport]>,
    servers: Arc<[SocketAddr]>,
}

#[derive(Default)]
struct Known {
    found: Option<Found>,
    /// Who waits, while the name is asked for.
    waiting: Option<Vec<ResolveId>>,
}

struct Found {
    located: Located,
    until: Instant,
    /// When it is too old to be of any use.
    stale_until: Instant,
}

/// An answer, to be handed to the endpoint.
pub type Resolved = (ResolveId, Located);

impl Resolver {
    /// Knows nothing yet. The endpoint has sockets for the transports `have`; `servers` are asked, or if there are none
    /// those of the system.
    pub fn new(events: mpsc::Sender<Event>, have: Vec<Transport>, servers: Vec<SocketAddr>) -> Resolver {
        Resolver { names: HashMap::new(), events, have: have.into(), servers: servers.into() }
    }

    /// Asks for a name. The answer comes at once if it is known, or if too much is being asked.
    pub fn ask(&mut self, id: ResolveId, wish: Wish, now: Instant) -> Option<Resolved> {
        if let Outcome::Found(located) = locate::locate(&wish, &self.have, &HashMap::new()) {
            return Some((id, located));
        }
        if let Some(known) = self.names.get_mut(&wish) {
            if let Some(found) = known.found.as_ref().filter(|found| now < found.until) {
                return Some((id, found.located.clone()));
            }
            if let Some(waiting) = &mut known.waiting {
                if waiting.len() < MAX_WAITING {
                    waiting.push(id);
                    return None;
                }
                return Some((id, nobody()));
            }
        }
        if !self.names.contains_key(&wish) && !self.make_room(now) {
            debug!("too many names are asked for");
            return Some((id, nobody()));
        }
        self.names.entry(wish.clone()).or_default().waiting = Some(vec![id]);
        let (events, have, servers) = (self.events.clone(), Arc::clone(&self.have), Arc::clone(&self.servers));
        tokio::spawn(async move {
            let located = find(&wish, &have, &servers).await;
            let _ = events.send(Event::Resolved { wish, located }).await;
        });
        None
    }

    /// Forgets what is too old, and if that is not enough what is oldest. `false` if all are being asked for.
    fn make_room(&mut self, now: Instant) -> bool {
        let useful = |known: &Known| known.found.as_ref().is_some_and(|found| now < found.stale_until);
        self.names.retain(|_, known| known.waiting.is_some() || useful(known));
        if self.names.len() >= MAX_NAMES {
            let idle = self.names.iter().filter(|(_, known)| known.waiting.is_none());
            let oldest = idle.min_by_key(|(_, known)| known.found.as_ref().map(|found| found.until));
            if let Some(oldest) = oldest.map(|(wish, _)| wish.clone()) {
                self.names.remove(&oldest);
            }
        }
        self.names.len() < MAX_NAMES
    }

    /// A name's places have come; returns all that waited for them.
    pub fn answered(&mut self, wish: Wish, located: Located, now: Instant) -> Vec<Resolved> {
        let host = wish.host.clone();
        let known = self.names.entry(wish).or_default();
        let waiting = known.waiting.take().unwrap_or_default();
        let first = || Found { located: nobody(), until: now, stale_until: now };
        let found = known.found.get_or_insert_with(first);
        if located.doubtful && now < found.stale_until {
            warn!(event = "dns", host, "the name service does not answer; what it said last is used on");
            found.until = now + FRESH_NOTHING;
        } else {
            if located.doubtful {
                warn!(event = "dns", host, "the name service does not answer");
            }
            let good = match located.is_empty() {
                _ if located.doubtful => FRESH_NOTHING,
                true => located.ttl.min(LONGEST_NOTHING),
                false => located.ttl,
            };
            found.until = now + good.max(FRESH_NOTHING);
            let is_poor = located.doubtful || located.is_empty();
            found.stale_until = if is_poor { found.until } else { now + STALE };
            found.located = located;
        }
        waiting.into_iter().map(|id| (id, found.located.clone())).collect()
    }
}

fn nobody() -> Located {
    Located { ways: Vec::new(), ttl: FRESH_NOTHING, doubtful: true }
}

/// Asks for a name until its places are known, for as long as anybody may wait. `servers` are asked, or if there are none those of the system.
pub async fn find(wish: &Wish, have: &[Transport], servers: &[SocketAddr]) -> Located {
    tokio::time::timeout(PATIENCE, look_up(wish, have, servers)).await.unwrap_or_else(|_| nobody())
}

async fn look_up(wish: &Wish, have: &[Transport], servers: &[SocketAddr]) -> Located {
    // Made anew each time, so that it knows the servers of today.
    let resolver = match resolver(servers) {
        Ok(resolver) => Some(Arc::new(resolver)),
        Err(error) => {
            debug!(%error, "no name service is configured");
            None
        }
    };
    let mut known = HashMap::new();
    for _ in 0..MAX_ROUNDS {
        let queries = match locate::locate(wish, have, &known) {
            Outcome::Found(located) => return located,
            Outcome::Ask(queries) => queries,
        };
        let mut answers = JoinSet::new();
        for query in queries.into_iter().collect::<HashSet<_>>() {
            let (resolver, is_own) = (resolver.clone(), !servers.is_empty());
            answers.spawn(async move {
                let answer = answer(resolver.as_deref(), is_own, &query).await;
                (query, answer)
            });
        }
        while let Some(answer) = answers.join_next().await {
            if let Ok((query, answer)) = answer {
                known.insert(query, answer);
            }
        }
    }
    nobody()
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = match servers {
        [] => TokioResolver::builder_tokio()?,
        servers => {
            let servers = servers.iter().map(|server| {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (server.port(), server.port());
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    (options.timeout, options.attempts) = QUESTION;
    // Media are of IPv4 where both will do.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

/// `is_own`: the name servers are configured here, and the system knows nothing better.
async fn answer(resolver: Option<&TokioResolver>, is_own: bool, query: &Query) -> Answer {
    let answer = match (query, resolver) {
        (Query::Naptr(name), Some(resolver)) => records(resolver, name, RecordType::NAPTR).await,
        (Query::Srv(name), Some(resolver)) => records(resolver, name, RecordType::SRV).await,
        (Query::Addresses(name), Some(resolver)) => addresses(resolver, name).await,
        // Without a name service there are no services.
        (Query::Naptr(_) | Query::Srv(_), None) => nothing(),
        (Query::Addresses(_), None) => failed(),
    };
    match query {
        Query::Addresses(name) if !is_own && !matches!(answer.records, Records::Addresses(_)) => {
            of_system(name, answer).await
        }
        _ => answer,
    }
}

fn nothing() -> Answer {
    Answer { records: Records::Nothing, ttl: FRESH_NOTHING }
}

fn failed() -> Answer {
    Answer { records: Records::Failed, ttl: FRESH_NOTHING }
}

async fn records(resolver: &TokioResolver, name: &str, kind: RecordType) -> Answer {
    let Ok(name) = Name::from_ascii(format!("{name}.")) else { return nothing() };
    let found = match resolver.lookup(name, kind).await {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let ttl = left(found.valid_until());
    let (mut services, mut servers) = (Vec::new(), Vec::new());
    for record in found.answers() {
        match &record.data {
            RData::NAPTR(naptr) if naptr.regexp.is_empty() => services.push(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                service: String::from_utf8_lossy(&naptr.services).into_owned(),
                replacement: naptr.replacement.to_ascii(),
            }),
            RData::SRV(srv) => servers.push(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            _ => {}
        }
    }
    let records = if kind == RecordType::NAPTR { Records::Naptr(services) } else { Records::Srv(servers) };
    Answer { records, ttl }
}

async fn addresses(resolver: &TokioResolver, name: &str) -> Answer {
    match resolver.lookup_ip(name).await {
        Ok(found) => Answer { records: Records::Addresses(found.iter().collect()), ttl: left(found.valid_until()) },
        Err(error) => refused(&error),
    }
}

fn refused(error: &NetError) -> Answer {
    debug!(%error, "a question to the name service");
    match error {
        // RFC 2308 §5: as long as the zone says, within bounds.
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => {
            let said = nothing.negative_ttl.map_or(FRESH_NOTHING, |ttl| Duration::from_secs(ttl.into()));
            Answer { records: Records::Nothing, ttl: said.clamp(FRESH_NOTHING, LONGEST_NOTHING) }
        }
        _ => failed(),
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// A name may be known to the system alone; `otherwise` if it is not.
async fn of_system(name: &str, otherwise: Answer) -> Answer {
    let Ok(found) = tokio::net::lookup_host((name, 0)).await else { return otherwise };
    let found: Vec<IpAddr> = found.map(|a| a.ip()).take(2 * MAX_ADDRESSES).collect();
    if found.is_empty() { otherwise } else { Answer { records: Records::Addresses(found), ttl: FRESH } }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::locate::Way;

    fn wish() -> Wish {
        Wish { host: "a.example".into(), port: None, transport: Some(Transport::Udp), secure: false }
    }

    fn found(address: &str, ttl_s: u64) -> Located {
        let addresses = vec![address.parse().unwrap()];
        let way = Way { transport: Transport::Udp, priority: 0, weight: 0, name: "a.example".into(), addresses };
        Located { ways: vec![way], ttl: Duration::from_secs(ttl_s), doubtful: false }
    }

    #[test]
    fn what_was_found_is_good_for_its_ttl_and_used_on_for_a_day_while_nobody_answers() {
        let (events, _inbox) = mpsc::channel(1);
        let mut resolver = Resolver::new(events, vec![Transport::Udp], Vec::new());
        let begin = Instant::now();
        let after = |seconds: u64| begin + Duration::from_secs(seconds);
        resolver.answered(wish(), found("192.0.2.1:5060", 60), after(0));
        let ask = |resolver: &mut Resolver, at: u64| {
            let answer = resolver.ask(ResolveId::Trunk(0), wish(), after(at));
            answer.map(|(_, located)| located.addresses().iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(ask(&mut resolver, 59).unwrap(), ["192.0.2.1:5060"]);
        assert_eq!(resolver.names[&wish()].found.as_ref().unwrap().until, after(60));
        resolver.answered(wish(), nobody(), after(61));
        assert_eq!(ask(&mut resolver, 62).unwrap(), ["192.0.2.1:5060"]);
        resolver.answered(wish(), found("192.0.2.2:5060", 60), after(70));
        assert_eq!(ask(&mut resolver, 71).unwrap(), ["192.0.2.2:5060"]);
        let day = STALE.as_secs();
        resolver.answered(wish(), nobody(), after(70 + day));
        assert!(ask(&mut resolver, 71 + day).unwrap().is_empty());
    }

    #[test]
    fn that_there_is_nothing_is_good_for_as_long_as_the_zone_says_and_five_minutes_at_most() {
        let (events, _inbox) = mpsc::channel(1);
        let mut resolver = Resolver::new(events, vec![Transport::Udp], Vec::new());
        let now = Instant::now();
        for (ttl_s, good_s) in [(0, 5), (30, 30), (86_400, 300)] {
            let empty = Located { ways: Vec::new(), ttl: Duration::from_secs(ttl_s), doubtful: false };
            resolver.answered(wish(), empty, now);
            let found = resolver.names[&wish()].found.as_ref().unwrap();
            assert_eq!(found.until, now + Duration::from_secs(good_s));
            assert_eq!(found.stale_until, found.until, "it is not held on to");
        }
    }

    #[test]
    fn of_more_names_than_are_remembered_the_oldest_is_forgotten() {
        let (events, _inbox) = mpsc::channel(1);
        let mut resolver = Resolver::new(events, vec![Transport::Udp], Vec::new());
        let now = Instant::now();
        for n in 0..MAX_NAMES as u64 {
            let wish = Wish { host: format!("{n}.example"), ..wish() };
            resolver.answered(wish, found("192.0.2.1:5060", 100 + n), now);
        }
        assert!(resolver.make_room(now));
        assert_eq!(resolver.names.len(), MAX_NAMES - 1);
        assert!(!resolver.names.keys().any(|wish| wish.host == "0.example"));
    }
}
