//! Who stands behind a proxy: what `Forwarded` (RFC 7239) and `X-Forwarded-For` say, as far as it can be believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The most hops that are looked at, counted from our side.
const MAX_HOPS: usize = 16;

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// The text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network: write an address, or address/bits")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Network, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| NoNetwork)?.to_canonical();
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| NoNetwork)?,
            None => IpNet::from(address).max_prefix_len(),
        };
        IpNet::new(address, bits).map(|net| Network(net.trunc())).map_err(|_| NoNetwork)
    }
}

impl TryFrom<String> for Network {
    type Error = NoNetwork;

    fn try_from(text: String) -> Result<Network, NoNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Network {
    /// Whether the address is one of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The proxies whose word is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// Those of these networks.
    pub fn new(networks: Vec<Network>) -> Proxies {
        Proxies(networks)
    }

    /// Their networks.
    pub fn networks(&self) -> &[Network] {
        &self.0
    }

    /// Whether an address is that of a proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whose request it is that came from `peer`, with these values of `Forwarded` and of `X-Forwarded-For`, in the order of
    /// the message: of all hops the last one that is no proxy. What a stranger says counts for nothing, and so does what is
    /// said before whatever cannot be read. A proxy writes one of the two and passes the other on as it came; so where
    /// both are there and do not mean the same, the request is the proxy's own.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl Iterator<Item = &'a str>,
        x_forwarded_for: impl Iterator<Item = &'a str>,
    ) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let forwarded: Vec<Option<IpAddr>> = forwarded.flat_map(|v| split(v, b',')).map(forwarded_for).collect();
        let plain: Vec<Option<IpAddr>> = x_forwarded_for.flat_map(|v| split(v, b',')).map(node).collect();
        match (forwarded.is_empty(), plain.is_empty()) {
            (true, _) => self.behind(peer, &plain),
            (false, true) => self.behind(peer, &forwarded),
            (false, false) => {
                let (one, other) = (self.behind(peer, &forwarded), self.behind(peer, &plain));
                if one == other { one } else { peer }
            }
        }
    }

    /// The last of the hops that is no proxy; `None` is one that does not say who it is.
    fn behind(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut client = peer;
        for hop in hops.iter().rev().take(MAX_HOPS) {
            match hop {
                Some(address) if self.contains(client) => client = *address,
                _ => break,
            }
        }
        client
    }
}

/// The parts between separators that stand in no quotes; of quotes that do not end, nothing can be read.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            octet if octet == separator && !quoted => {
                parts.push(text.get(begin..at).unwrap_or_default());
                begin = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return vec![""];
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

/// The `for` of one element of `Forwarded` (RFC 7239 §5.2).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = split(element, b';');
    let mut named = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    // Twice is none (§4).
    let value = named.next().filter(|_| named.next().is_none())?.trim();
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, with a port or without (RFC 7239 §6); IPv6 in brackets, or bare where there is no port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let is_good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(address.parse().ok().filter(|_| is_good)?)
        }
        None => match text.rsplit_once(':') {
            Some((address, port)) if !address.contains(':') && is_port(port) => IpAddr::V4(address.parse().ok()?),
            _ => text.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"].map(|n| n.parse().unwrap()).to_vec())
    }

    /// Whose request it is, by headers of which each may have several lines, between bars.
    fn client(peer: &str, forwarded: &str, plain: &str) -> String {
        proxies().client(peer.parse().unwrap(), lines(forwarded), lines(plain)).to_string()
    }

    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.split('|').filter(|line| !line.is_empty())
    }

    #[test]
    fn what_a_stranger_says_counts_for_nothing() {
        assert_eq!(client("192.0.2.1", "for=198.51.100.1", ""), "192.0.2.1");
        assert_eq!(client("192.0.2.1", "", "198.51.100.1, 10.0.0.1"), "192.0.2.1");
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(Proxies::default().client(own, lines("for=192.0.2.7"), lines("192.0.2.7")), own);
    }

    #[test]
    fn of_all_hops_the_last_one_that_is_no_proxy_is_the_client() {
        for (forwarded, plain, whose) in [
            ("", "", "10.0.0.1"),
            ("", "198.51.100.1", "198.51.100.1"),
            // The first one is what the client itself has made up.
            ("", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("", "203.0.113.9, 198.51.100.1, 10.2.3.4, 2001:db8:1::7", "198.51.100.1"),
            ("", "203.0.113.9|198.51.100.1|10.2.3.4", "198.51.100.1"),
            ("", "10.7.7.7, 10.2.3.4", "10.7.7.7"),
            ("for=198.51.100.1", "", "198.51.100.1"),
            ("for=203.0.113.9;proto=http, For=198.51.100.1;by=10.0.0.1|for=10.2.3.4", "", "198.51.100.1"),
            ("for=198.51.100.1", "198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(client("10.0.0.1", forwarded, plain), whose, "{forwarded} / {plain}");
        }
    }

    #[test]
    fn a_header_that_the_proxy_has_passed_on_as_it_came_is_not_believed() {
        assert_eq!(client("10.0.0.1", "for=203.0.113.9", "198.51.100.1"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", "for=198.51.100.1", "203.0.113.9"), "10.0.0.1");
    }

    #[test]
    fn addresses_of_both_families_are_read_with_ports_and_without() {
        for (forwarded, plain, whose) in [
            ("for=\"[2001:db8:cafe::17]:4711\"", "", "2001:db8:cafe::17"),
            ("for=\"[2001:DB8:cafe::17]\"", "", "2001:db8:cafe::17"),
            ("for=\"192.0.2.43:47011\";proto=https", "", "192.0.2.43"),
            ("", "2001:db8:cafe::17", "2001:db8:cafe::17"),
            ("", "[2001:db8:cafe::17]:443", "2001:db8:cafe::17"),
            ("", "192.0.2.43:47011", "192.0.2.43"),
            ("", "::ffff:192.0.2.43", "192.0.2.43"),
        ] {
            assert_eq!(client("::ffff:10.0.0.1", forwarded, plain), whose, "{forwarded} / {plain}");
        }
    }

    #[test]
    fn nothing_is_read_before_a_hop_that_does_not_say_who_it_is() {
        for (forwarded, plain) in [
            ("for=unknown", ""),
            ("for=198.51.100.1, for=_hidden", ""),
            ("for=198.51.100.1, proto=https", ""),
            ("for=198.51.100.1;for=198.51.100.2", ""),
            ("for=\"198.51.100.1, for=198.51.100.2", ""),
            ("for=198.51.100.1:", ""),
            ("for=\"[198.51.100.1]\"", ""),
            (",", ""),
            ("", "198.51.100.1, "),
            ("", "198.51.100.1, localhost"),
            ("", "198.51.100.1:99999"),
            ("", "1.2.3"),
            ("", "fe80::1%eth0"),
        ] {
            assert_eq!(client("10.0.0.1", forwarded, plain), "10.0.0.1", "{forwarded} / {plain}");
        }
        let endless = format!("198.51.100.1{}", ", 10.0.0.2".repeat(10_000));
        assert_eq!(client("10.0.0.1", "", &endless), "10.0.0.2");
    }

    #[test]
    fn a_network_is_an_address_or_what_begins_with_the_same_bits() {
        for (text, printed) in
            [("10.1.2.3/8", "10.0.0.0/8"), ("127.0.0.1", "127.0.0.1/32"), ("::/0", "::/0"), ("0.0.0.0/0", "0.0.0.0/0")]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), printed);
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "::1/129", "example.org", "10.0.0.0/8/8", "10/8"] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
        let every: Network = "::/0".parse().unwrap();
        assert!(every.contains("2001:db8::1".parse().unwrap()) && !every.contains("10.0.0.1".parse().unwrap()));
    }
}
