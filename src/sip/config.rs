//! What a SIP endpoint is told once: where it listens, its trunks, its limits.

mod profile;
mod stir;
mod tls;

pub use profile::{DiversionForm, IdentityForm, NumberFormat, Profile};
pub use stir::{Fetch, IdentityCheck, Signing, StirFiles, TrunkStir};
pub use tls::{Own, Tls, TrunkTls};

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flow::Transport;
use super::session::timer::TimerPolicy;
use super::transaction::Timers;
use crate::base::{Proxies, Secret};
use crate::model::{IceMode, KeyPolicy, SrtpPolicy};

/// The port of SIP over UDP and TCP (RFC 3261 §19.1.2).
pub const DEFAULT_PORT: u16 = 5060;

/// The configuration of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The sockets, with the ports that they really have once bound.
    pub listen: Vec<Listen>,
    /// The host that peers reach us at, for `Via` and `Contact`; without it the address of the socket by
    /// which a message leaves. Needed when a socket listens on a wildcard address.
    pub advertise: Option<String>,
    /// Names under which we are called, besides our own addresses: the domains of our users. The first is
    /// used in our own addresses.
    pub domains: Vec<String>,
    /// The realm in challenges (RFC 3261 §22.1).
    pub realm: String,
    /// Takes INVITEs from anybody without a challenge, as [`Entry::Open`](crate::model::Entry::Open).
    pub open: bool,
    /// Whether the media of telephones, and of whoever calls without being known, are to be protected.
    pub srtp: SrtpPolicy,
    /// SRTP keys may stand in their descriptions though the signalling is not protected by TLS (RFC 4568 §7).
    pub srtp_over_plain: bool,
    /// How digits of a keypad reach telephones, and whoever calls without being known.
    pub dtmf: KeyPolicy,
    /// While the other side is silent, the noise of a room is sent, so that none takes the line for a dead one.
    pub keep_sending: bool,
    /// Certificates: our own, and whose we trust.
    pub tls: Tls,
    /// Whose word on callers' numbers counts, and how we give ours.
    pub stir: StirFiles,
    /// Pages of these origins may open a WebSocket, and programs that are no page.
    pub origins: Vec<String>,
    /// The proxies that are believed when they say whose WebSocket they pass on.
    pub proxies: Proxies,
    /// How ICE is done with SIP clients in browsers.
    pub ice: IceMode,
    /// Whether sessions with telephones, and with whoever calls without being known, have to be refreshed.
    pub session_timer: TimerPolicy,
    /// The trunks, by name.
    pub trunks: BTreeMap<String, Trunk>,
    /// What the registrar grants.
    pub registrar: RegistrarLimits,
    /// The name servers that are asked where trunks are; empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Where a caller whom we block may complain: the `https` address of a signed card (RFC 8688 §3.1).
    pub complaints: Option<String>,
    /// What we call ourselves in `User-Agent` and `Server`.
    pub agent: String,
    /// The timers of the transactions.
    #[serde(skip)]
    pub timers: Timers,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: Vec::new(),
            advertise: None,
            domains: Vec::new(),
            realm: "patchcord".into(),
            open: false,
            srtp: SrtpPolicy::default(),
            srtp_over_plain: false,
            dtmf: KeyPolicy::default(),
            keep_sending: true,
            tls: Tls::default(),
            stir: StirFiles::default(),
            origins: Vec::new(),
            proxies: Proxies::default(),
            ice: IceMode::Lite,
            session_timer: TimerPolicy::default(),
            trunks: BTreeMap::new(),
            registrar: RegistrarLimits::default(),
            name_servers: Vec::new(),
            complaints: None,
            agent: "Patchcord".into(),
            timers: Timers::default(),
        }
    }
}

/// A socket to listen on: `udp:127.0.0.1:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen {
    /// By which transport.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// The text names no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a socket to listen on: write udp:ADDRESS:PORT, or one of tcp, tls, ws and wss")]
pub struct NoListen;

impl FromStr for Listen {
    type Err = NoListen;

    fn from_str(text: &str) -> Result<Listen, NoListen> {
        let (transport, address) = text.split_once(':').ok_or(NoListen)?;
        Ok(Listen {
            transport: Transport::by_word(transport).ok_or(NoListen)?,
            address: address.parse().map_err(|_| NoListen)?,
        })
    }
}

impl TryFrom<String> for Listen {
    type Error = NoListen;

    fn try_from(text: String) -> Result<Listen, NoListen> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> String {
        format!("{}:{}", listen.transport.word(), listen.address)
    }
}

/// A carrier or another exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// `host`, `host:port`, `10.0.0.1`, `[2001:db8::1]:5060`.
    pub address: HostPort,
    /// UDP unless said otherwise; never a WebSocket.
    #[serde(default = "udp")]
    pub transport: Transport,
    /// It listens by TCP too, at the port of its UDP: requests that are too long for a datagram go there (RFC 3261 §18.1.1).
    #[serde(default)]
    pub tcp_for_large: bool,
    /// Certificates towards the trunk, where it is reached by TLS.
    #[serde(default)]
    pub tls: TrunkTls,
    /// Whether its callers' numbers are verified, and ours signed.
    #[serde(default)]
    pub stir: TrunkStir,
    /// The user name for digest authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// The password for digest authentication.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The realm the credentials are for; without it any realm that the trunk names.
    #[serde(default)]
    pub realm: Option<String>,
    /// Which number the trunk is told as the caller's.
    #[serde(default)]
    pub caller: CallerPolicy,
    /// The number of our own for [`CallerPolicy::OwnNumber`].
    #[serde(default)]
    pub number: Option<String>,
    /// The domain in our `From`; without it the trunk's own host.
    #[serde(default)]
    pub from_domain: Option<String>,
    /// Whether the trunk is trusted with the caller's identity and believed in it: `P-Asserted-Identity`
    /// (RFC 3325) is written and read.
    #[serde(default)]
    pub asserted_identity: bool,
    /// Whether numbers carry `;user=phone` (RFC 3261 §19.1.1).
    #[serde(default)]
    pub user_phone: bool,
    /// Speech codecs by name, most wanted first; an offer to the trunk keeps only these. Empty: as offered.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// Whether a call is the trunk's only if it comes from the trunk's own port. Always so on loopback,
    /// where the address tells nobody apart.
    #[serde(default)]
    pub same_port: bool,
    /// Whether it carries pictures. Telephone networks do not, and some refuse a call that offers any.
    #[serde(default)]
    pub video: bool,
    /// Whether its media are to be protected.
    #[serde(default)]
    pub srtp: SrtpPolicy,
    /// SRTP keys may stand in its descriptions though the signalling is not protected by TLS (RFC 4568 §7).
    #[serde(default)]
    pub srtp_over_plain: bool,
    /// How digits of a keypad reach it.
    #[serde(default)]
    pub dtmf: KeyPolicy,
    /// While the other side is silent, the noise of a room is sent, so that none takes the line for a dead one.
    #[serde(default = "yes")]
    pub keep_sending: bool,
    /// Whether sessions with it have to be refreshed.
    #[serde(default)]
    pub session_timer: TimerPolicy,
    /// What differs from carrier to carrier.
    #[serde(default)]
    pub profile: Profile,
}

fn yes() -> bool {
    true
}

fn udp() -> Transport {
    Transport::Udp
}

impl Trunk {
    /// A trunk without credentials at an address.
    pub fn at(address: HostPort) -> Trunk {
        Trunk {
            address,
            transport: Transport::Udp,
            tcp_for_large: false,
            tls: TrunkTls::default(),
            stir: TrunkStir::default(),
            user: None,
            password: None,
            realm: None,
            caller: CallerPolicy::default(),
            number: None,
            from_domain: None,
            asserted_identity: false,
            user_phone: false,
            codecs: Vec::new(),
            same_port: false,
            video: false,
            srtp: SrtpPolicy::default(),
            srtp_over_plain: false,
            dtmf: KeyPolicy::default(),
            keep_sending: true,
            session_timer: TimerPolicy::default(),
            profile: Profile::default(),
        }
    }
}

/// Whose number a trunk is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerPolicy {
    /// The trunk's `number`, whoever calls; carriers refuse foreign ones.
    OwnNumber,
    /// The caller's own address.
    #[default]
    PassThrough,
}

/// A host with or without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, if one was written.
    pub port: Option<u16>,
}

impl HostPort {
    /// The address, if the host is one rather than a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The address and port, if the host is no name; without a port that of the transport.
    pub fn socket(&self, transport: Transport) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, self.port.unwrap_or(transport.default_port())))
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> HostPort {
        HostPort { host: address.ip().to_string(), port: Some(address.port()) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a host: write a name or an address, with :PORT if it is not 5060 (IPv6 in brackets)")]
pub struct NoHost;

impl FromStr for HostPort {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<HostPort, NoHost> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(NoHost)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| NoHost)?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NoHost)?) };
            (host, port)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if host.is_empty() || !host.chars().all(legal) {
            return Err(NoHost);
        }
        let port = port.map(|p| p.parse::<u16>().map_err(|_| NoHost)).transpose()?;
        Ok(HostPort { host: host.to_ascii_lowercase(), port })
    }
}

impl TryFrom<String> for HostPort {
    type Error = NoHost;

    fn try_from(text: String) -> Result<HostPort, NoHost> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(host: HostPort) -> String {
        host.to_string()
    }
}

/// What the registrar grants (RFC 3261 §10.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrarLimits {
    /// A shorter wish is answered with 423 and this, in seconds.
    pub expires_min_s: u32,
    /// A longer wish is granted this, in seconds.
    pub expires_max_s: u32,
    /// Without a wish, in seconds.
    pub expires_default_s: u32,
    /// Devices per user.
    pub contacts_per_user: usize,
}

impl Default for RegistrarLimits {
    fn default() -> RegistrarLimits {
        RegistrarLimits { expires_min_s: 30, expires_max_s: 3600, expires_default_s: 300, contacts_per_user: 10 }
    }
}

impl RegistrarLimits {
    /// The default validity.
    pub fn expires_default(&self) -> Duration {
        Duration::from_secs(u64::from(self.expires_default_s))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_is_read_with_and_without_a_port() {
        let read = |t: &str| t.parse::<HostPort>().map(|h| (h.host, h.port));
        assert_eq!(read("sip.Example.org"), Ok(("sip.example.org".into(), None)));
        assert_eq!(read("10.0.0.1:5080"), Ok(("10.0.0.1".into(), Some(5080))));
        assert_eq!(read("[2001:db8::1]:5080"), Ok(("2001:db8::1".into(), Some(5080))));
        for text in ["", ":5060", "a b", "host:", "host:99999", "[::1", "[::1]5060", "2001:db8::1"] {
            assert_eq!(read(text), Err(NoHost), "{text:?}");
        }
        assert_eq!("[::1]:5060".parse::<HostPort>().unwrap().to_string(), "[::1]:5060");
    }

    #[test]
    fn a_socket_to_listen_on_names_its_transport() {
        let listen: Listen = "tcp:[::1]:5060".parse().unwrap();
        assert_eq!((listen.transport, listen.address), (Transport::Tcp, "[::1]:5060".parse().unwrap()));
        assert_eq!("127.0.0.1:5060".parse::<Listen>(), Err(NoListen));
    }

    #[test]
    fn a_trunk_needs_an_address_and_no_more() {
        let trunk: Trunk = toml::from_str("address = 'sip.example.org'").unwrap();
        assert_eq!(trunk, Trunk::at("sip.example.org".parse().unwrap()));
        assert!(toml::from_str::<Trunk>("address = 'sip.example.org'\npasword = 'x'").is_err());
    }
}
