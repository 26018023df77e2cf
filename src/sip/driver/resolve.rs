//! Host names to addresses, remembered for a while and never waited for.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::debug;

use super::Event;
use crate::sip::endpoint::ResolveId;

/// How long an answer is good. The system's resolver does not tell how long it is meant to be.
const FRESH: Duration = Duration::from_secs(60);
/// How long "there is no such host" is good.
const FRESH_NOTHING: Duration = Duration::from_secs(5);
/// How long the system's resolver may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most names remembered or asked for at once.
const MAX_NAMES: usize = 256;
/// The most questions that wait for one name.
const MAX_WAITING: usize = 1024;
/// The most addresses used of one name.
const MAX_ADDRESSES: usize = 8;

/// The names.
pub struct Resolver {
    names: HashMap<String, Known>,
    events: mpsc::Sender<Event>,
}

enum Known {
    Asked { waiting: Vec<(ResolveId, u16)> },
    Answered { addresses: Vec<IpAddr>, until: Instant },
}

/// An answer, to be handed to the endpoint.
pub type Resolved = (ResolveId, Vec<SocketAddr>);

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

impl Resolver {
    /// Knows nothing yet.
    pub fn new(events: mpsc::Sender<Event>) -> Resolver {
        Resolver { names: HashMap::new(), events }
    }

    /// Asks for a name. The answer comes at once if it is known, or if too much is being asked.
    pub fn ask(&mut self, id: ResolveId, host: String, port: u16, now: Instant) -> Option<Resolved> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some((id, with_port(&[ip], port)));
        }
        match self.names.get_mut(&host) {
            Some(Known::Answered { addresses, until }) if now < *until => {
                return Some((id, with_port(addresses, port)));
            }
            Some(Known::Asked { waiting }) if waiting.len() < MAX_WAITING => {
                waiting.push((id, port));
                return None;
            }
            Some(Known::Asked { .. }) => return Some((id, Vec::new())),
            Some(Known::Answered { .. }) | None => {}
        }
        self.names.retain(|_, known| !matches!(known, Known::Answered { until, .. } if *until <= now));
        if self.names.len() >= MAX_NAMES {
            debug!("too many names are asked for");
            return Some((id, Vec::new()));
        }
        self.names.insert(host.clone(), Known::Asked { waiting: vec![(id, port)] });
        let events = self.events.clone();
        tokio::spawn(async move {
            let addresses = look_up(&host).await;
            let _ = events.send(Event::Resolved { host, addresses }).await;
        });
        None
    }

    /// A name's addresses have come; returns all that waited for them.
    pub fn answered(&mut self, host: String, addresses: Vec<IpAddr>, now: Instant) -> Vec<Resolved> {
        let until = now + if addresses.is_empty() { FRESH_NOTHING } else { FRESH };
        let answer = Known::Answered { addresses: addresses.clone(), until };
        match self.names.insert(host, answer) {
            Some(Known::Asked { waiting }) => {
                waiting.into_iter().map(|(id, port)| (id, with_port(&addresses, port))).collect()
            }
            _ => Vec::new(),
        }
    }
}

async fn look_up(host: &str) -> Vec<IpAddr> {
    let looking = tokio::net::lookup_host((host, 0));
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|a| a.ip()) {
                if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                    addresses.push(address);
                }
            }
            addresses
        }
        Ok(Err(error)) => {
            debug!(host, %error, "a name has no address");
            Vec::new()
        }
        Err(_) => {
            debug!(host, "the resolver does not answer");
            Vec::new()
        }
    }
}
