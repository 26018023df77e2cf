//! Via (RFC 3261 §20.42, RFC 3581 for `rport`).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use memchr::memchr2;

use super::scan::{cut, is_token, trim};
use super::uri::{read_host_port, write_host_port};
use super::{BadUri, Host, Params};
use crate::base::Printed;

/// RFC 3261 §8.1.1.7: a branch that begins so names its transaction alone.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// How a message travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ViaTransport {
    /// One that the standards name.
    Known(rsip::Transport),
    /// Any other token, in upper case: it may well stand in a lower Via, where it matters to others only.
    Other(String),
}

impl ViaTransport {
    /// UDP
    pub const UDP: ViaTransport = ViaTransport::Known(rsip::Transport::Udp);
    /// TCP
    pub const TCP: ViaTransport = ViaTransport::Known(rsip::Transport::Tcp);

    /// Reads a transport's name; case does not matter (RFC 3261 §7.3.1).
    pub fn read(text: &str) -> ViaTransport {
        use rsip::Transport::*;
        for known in [Udp, Tcp, Tls, TlsSctp, Sctp, Ws, Wss] {
            let known = ViaTransport::Known(known);
            if text.eq_ignore_ascii_case(known.as_str()) {
                return known;
            }
        }
        ViaTransport::Other(text.to_ascii_uppercase())
    }

    /// The name in a Via.
    pub fn as_str(&self) -> &str {
        use rsip::Transport::*;
        match self {
            ViaTransport::Other(name) => name,
            ViaTransport::Known(known) => match known {
                Udp => "UDP",
                Tcp => "TCP",
                Tls => "TLS",
                TlsSctp => "TLS-SCTP",
                Sctp => "SCTP",
                Ws => "WS",
                Wss => "WSS",
            },
        }
    }
}

impl fmt::Display for ViaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hop that a request took, and that its responses take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The transport.
    pub transport: ViaTransport,
    /// `sent-by`: the host.
    pub host: Host,
    /// `sent-by`: the port.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

impl Via {
    /// A Via of ours, with `rport` asked for (RFC 3581 §3).
    pub fn new(transport: ViaTransport, sent_by: SocketAddr, branch: &str) -> Via {
        let mut params = Params::default();
        params.set("branch", branch);
        params.flag("rport");
        Via { transport, host: sent_by.ip().into(), port: Some(sent_by.port()), params }
    }

    /// Host and port, as they are written.
    pub fn sent_by(&self) -> String {
        let mut text = self.host.to_string();
        if let Some(port) = self.port {
            text.push(':');
            text.push_str(itoa::Buffer::new().format(port));
        }
        text
    }

    /// The branch, if there is one.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|b| !b.is_empty())
    }

    /// The branch, if it names the transaction alone (RFC 3261 §17.2.3).
    pub fn cookie_branch(&self) -> Option<&str> {
        let branch = self.branch()?;
        let cookie = branch.get(..BRANCH_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(BRANCH_COOKIE) && branch.len() > cookie.len()).then_some(branch)
    }

    /// Where the request really came from.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port it really came from, as filled in by the next hop; `None` also if it is asked for only.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Notes where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp(&mut self, source: SocketAddr) {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", itoa::Buffer::new().format(source.port()));
        }
        if asked || self.host.ip() != Some(source.ip()) {
            self.params.set("received", Printed(source.ip()).to_string());
        } else {
            self.params.remove("received");
        }
    }
}

/// A Via that is taken apart, its text not yet copied.
struct Parts<'a> {
    transport: &'a str,
    sent_by: &'a str,
    params: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Parts<'a>, BadUri> {
        const SHAPE: BadUri = BadUri("a Via is not SIP/2.0/transport host");
        let (name, rest) = cut(text, b'/').ok_or(SHAPE)?;
        let (version, rest) = cut(rest, b'/').ok_or(SHAPE)?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return Err(SHAPE);
        }
        let (transport, rest) = trim(rest).split_once([' ', '\t']).ok_or(SHAPE)?;
        if !is_token(transport) {
            return Err(SHAPE);
        }
        let (sent_by, params) = match cut(rest, b';') {
            Some((sent_by, params)) => (sent_by, Some(params)),
            None => (rest, None),
        };
        Ok(Parts { transport, sent_by: trim(sent_by), params })
    }

    fn host_port(&self) -> Result<(Host, Option<u16>), BadUri> {
        // RFC 3261 §25.1: white space may stand around the colon before the port.
        match memchr2(b' ', b'\t', self.sent_by.as_bytes()) {
            Some(_) => read_host_port(&self.sent_by.split(':').map(trim).collect::<Vec<_>>().join(":")),
            None => read_host_port(self.sent_by),
        }
    }
}

impl Via {
    /// Whether it can be read.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn check(text: &str) -> Result<(), BadUri> {
        let parts = Parts::read(text)?;
        parts.params.map_or(Ok(()), |params| Params::check(params, true)).map_err(BadUri)?;
        parts.host_port().map(drop)
    }
}

impl FromStr for Via {
    type Err = BadUri;

    fn from_str(text: &str) -> Result<Via, BadUri> {
        let parts = Parts::read(text)?;
        let params = parts.params.map_or_else(|| Ok(Params::default()), |params| Params::read(params, true));
        let params = params.map_err(BadUri)?;
        let (host, port) = parts.host_port()?;
        Ok(Via { transport: ViaTransport::read(parts.transport), host, port, params })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SIP/2.0/")?;
        f.write_str(self.transport.as_str())?;
        f.write_char(' ')?;
        write_host_port(f, &self.host, self.port)?;
        self.params.fmt(f)
    }
}
