//! Over which wire a message came, and by which it goes.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A transport of SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams: a message may be lost, and the transactions repeat it.
    Udp,
    /// A stream (RFC 3261 §18.3 framing by `Content-Length`).
    Tcp,
    /// The same under TLS (RFC 3261 §26.3.1, RFC 5922).
    Tls,
    /// A WebSocket: each of its messages is one of SIP (RFC 7118).
    Ws,
    /// The same under TLS.
    Wss,
}

impl Transport {
    /// All that there are.
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// Whether the transport delivers by itself, so that transactions repeat nothing (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Whether nobody on the way can read it.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether it is a WebSocket, which only the peer can open.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The port if none is written (RFC 3261 §19.1.2, RFC 7118 §5.1).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// The word in a `Via`: `UDP`.
    pub fn via_word(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The word in the configuration and in a flow's name: `udp`.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The word in a URI's `transport` parameter, where it is needed; a secure WebSocket has no word of its own there
    /// (RFC 7118 §5.1).
    pub fn uri_word(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }

    /// The transport of that name, in any case.
    pub fn by_word(word: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|t| word.eq_ignore_ascii_case(t.word()))
    }
}

/// A path between one of our listening sockets and one peer: the datagrams of the two addresses, or the
/// connection between them. What came by a flow is answered on it (RFC 3261 §18.2.2, RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// What it is made of.
    pub transport: Transport,
    /// Our socket's address. For a stream that of the listening socket, also on connections that we open: the
    /// peer's own port and `transport` tell connections apart.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.transport.word(), self.local, self.remote)
    }
}

/// The text is no flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a flow: write transport:local-remote")]
pub struct NoFlow;

impl FromStr for Flow {
    type Err = NoFlow;

    fn from_str(text: &str) -> Result<Flow, NoFlow> {
        let (transport, rest) = text.split_once(':').ok_or(NoFlow)?;
        let (local, remote) = rest.split_once('-').ok_or(NoFlow)?;
        Ok(Flow {
            transport: Transport::by_word(transport).ok_or(NoFlow)?,
            local: local.parse().map_err(|_| NoFlow)?,
            remote: remote.parse().map_err(|_| NoFlow)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flow_is_read_back_as_it_was_written() {
        for (local, remote) in [("127.0.0.1:5060", "10.0.0.7:31000"), ("[::1]:5060", "[2001:db8::7]:5062")] {
            for transport in Transport::ALL {
                let flow = Flow { transport, local: local.parse().unwrap(), remote: remote.parse().unwrap() };
                assert_eq!(flow.to_string().parse(), Ok(flow));
            }
        }
        assert_eq!("sctp:127.0.0.1:1-127.0.0.1:2".parse::<Flow>(), Err(NoFlow));
    }
}
