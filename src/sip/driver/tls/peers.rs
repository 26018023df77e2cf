//! Whom we expect at which address, when we connect by TLS.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::sip::config::{Config, Trunk};
use crate::sip::endpoint::ResolveId;
use crate::sip::flow::Transport;
use crate::sip::locate::Located;

/// The most addresses that are known besides those of trunks.
const MAX_OTHERS: usize = 1024;

/// Who is expected at an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// The trunk.
    pub trunk: Option<String>,
    /// The host to ask for (RFC 6066 §3); without it, its address.
    pub host: Option<String>,
    /// The names that its certificate has to carry.
    pub names: Vec<String>,
}

impl Peer {
    /// Whom a trunk's configuration expects.
    pub fn of_trunk(name: &str, trunk: &Trunk) -> Peer {
        let host = trunk.hop().ip().is_none().then(|| trunk.hop().host.clone());
        let wanted = trunk.tls.name.clone().unwrap_or_else(|| trunk.hop().host.clone());
        Peer { trunk: Some(name.to_owned()), host, names: vec![wanted] }
    }
}

/// Whom we expect. Whatever a name resolves to, it is the name as it was configured that the certificate has to carry
/// (RFC 5922 §4): so nobody gains by forging DNS.
#[derive(Debug, Default)]
pub struct Peers {
    /// The trunks that are reached by TLS, with their places among all.
    trunks: Vec<(usize, String, Trunk)>,
    of_trunks: HashMap<SocketAddr, Peer>,
    others: HashMap<SocketAddr, Peer>,
    asked: HashMap<ResolveId, String>,
}

impl Peers {
    /// Knows the trunks whose addresses are written down.
    pub fn new(config: &Config) -> Peers {
        let all = config.trunks.iter().enumerate();
        let trunks: Vec<_> = all
            .filter(|(_, (_, trunk))| trunk.may_be_by_tls())
            .map(|(at, (name, trunk))| (at, name.clone(), trunk.clone()))
            .collect();
        let mut peers = Peers { trunks, ..Peers::default() };
        for at in 0..peers.trunks.len() {
            let trunk = peers.trunks.get(at).map(|(_, _, trunk)| trunk).filter(|t| t.transport == Transport::Tls);
            let address = trunk.and_then(|trunk| trunk.hop().socket(Transport::Tls));
            peers.expect_trunk(at, address.as_slice());
        }
        peers
    }

    /// A name is being looked up, to connect by TLS perhaps.
    pub fn note_question(&mut self, id: ResolveId, host: &str) {
        self.asked.insert(id, host.to_owned());
    }

    /// Its addresses are found.
    pub fn note_answer(&mut self, id: ResolveId, located: &Located) {
        let Some(host) = self.asked.remove(&id) else { return };
        let by_tls = located.ways.iter().filter(|way| way.transport == Transport::Tls);
        let addresses: Vec<SocketAddr> = by_tls.flat_map(|way| &way.addresses).copied().collect();
        let of_trunk = self.trunks.iter().position(|(place, _, trunk)| match id {
            ResolveId::Trunk(asked) => *place == asked,
            ResolveId::Leg(_) | ResolveId::Text(_) => trunk.hop().host == host,
        });
        if let Some(at) = of_trunk {
            return self.expect_trunk(at, &addresses);
        }
        if self.others.len() + addresses.len() > MAX_OTHERS {
            self.others.clear();
        }
        let peer = Peer { trunk: None, names: vec![host.clone()], host: Some(host) };
        self.others.extend(addresses.iter().map(|address| (*address, peer.clone())));
    }

    fn expect_trunk(&mut self, at: usize, addresses: &[SocketAddr]) {
        let Some((_, name, trunk)) = self.trunks.get(at) else { return };
        let expected = Peer::of_trunk(name, trunk);
        for address in addresses {
            // Two trunks at one address share its connection, which so has to be that of both.
            let peer = self.of_trunks.entry(*address).or_insert_with(|| Peer { names: Vec::new(), ..expected.clone() });
            for wanted in &expected.names {
                if !peer.names.contains(wanted) {
                    peer.names.push(wanted.clone());
                }
            }
        }
    }

    /// Who is expected there. What others say of the address of a trunk does not count.
    pub fn at(&self, address: SocketAddr) -> Peer {
        self.of_trunks.get(&address).or_else(|| self.others.get(&address)).cloned().unwrap_or_default()
    }
}
