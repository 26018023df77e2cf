//! Which trunks are reached by IPv6 alone, so that their media are offered there.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::sip::config::Config;
use crate::sip::endpoint::ResolveId;
use crate::sip::locate::Located;

/// The names of those trunks, for everybody who asks.
pub type ByIpv6 = Arc<ArcSwap<HashSet<String>>>;

/// Keeps them as the name service says.
pub struct Families {
    /// All trunks, in the order of their names.
    trunks: Vec<String>,
    /// We listen by these at all.
    has: (bool, bool),
    by_ipv6: ByIpv6,
}

impl Families {
    /// Of the trunks whose addresses are written down.
    pub fn new(config: &Config) -> Families {
        let trunks: Vec<String> = config.trunks.keys().cloned().collect();
        let listens = |ipv6: bool| config.listen.iter().any(|l| l.address.is_ipv6() == ipv6);
        let families = Families { trunks, has: (listens(false), listens(true)), by_ipv6: ByIpv6::default() };
        for (at, trunk) in config.trunks.values().enumerate() {
            if let Some(located) = trunk.wish().at_once() {
                families.note(ResolveId::Trunk(at), &located);
            }
        }
        families
    }

    /// For those who ask.
    pub fn by_ipv6(&self) -> ByIpv6 {
        Arc::clone(&self.by_ipv6)
    }

    /// A name was found. What is reached by both families has its media by IPv4.
    pub fn note(&self, id: ResolveId, located: &Located) {
        let ResolveId::Trunk(at) = id else { return };
        let Some(name) = self.trunks.get(at).filter(|_| !located.is_empty()) else { return };
        let all = located.addresses();
        let (by_ipv4, by_ipv6) = (all.iter().any(|a| a.is_ipv4()), all.iter().any(|a| a.is_ipv6()));
        let is_ipv6 = by_ipv6 && self.has.1 && !(by_ipv4 && self.has.0);
        if is_ipv6 == self.by_ipv6.load().contains(name) {
            return;
        }
        let mut names = HashSet::clone(&self.by_ipv6.load());
        match is_ipv6 {
            true => names.insert(name.clone()),
            false => names.remove(name),
        };
        self.by_ipv6.store(Arc::new(names));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::config::Trunk;
    use crate::sip::flow::Transport;

    #[test]
    fn a_trunk_that_only_has_addresses_of_ipv6_has_its_media_there_and_one_with_both_has_not() {
        let mut config = Config {
            listen: ["udp:127.0.0.1:5060", "udp:[::1]:5060"].map(|l| l.parse().unwrap()).into(),
            ..Config::default()
        };
        for (name, address) in [("a", "named.example"), ("b", "[2001:db8::7]"), ("c", "192.0.2.7")] {
            config.trunks.insert(name.into(), Trunk::at(address.parse().unwrap()));
        }
        let families = Families::new(&config);
        let mut names: Vec<String> = families.by_ipv6().load().iter().cloned().collect();
        assert_eq!(names, ["b"]);
        let found = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            families.note(ResolveId::Trunk(0), &Located::at(Transport::Udp, addresses));
            families.by_ipv6().load().contains("a")
        };
        assert!(found(&["[2001:db8::1]:5060"]));
        assert!(found(&[]), "what is not found changes nothing");
        assert!(!found(&["[2001:db8::1]:5060", "192.0.2.1:5060"]));
        names = families.by_ipv6().load().iter().cloned().collect();
        assert_eq!(names, ["b"]);
    }
}
