//! What the XMPP connections of a gateway are told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use xmpp_parsers::jid::BareJid;

use crate::base::Secret;
use crate::model::Address;

/// A connection, by its place in [`Config::connections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u16);

/// All XMPP of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The connections, best first.
    pub connections: Vec<Connection>,
    /// Who is asked where servers are; the system's own name servers if there are none.
    pub name_servers: Vec<SocketAddr>,
}

impl Config {
    /// The domains of the components: their addresses are ours.
    pub fn component_domains(&self) -> Vec<String> {
        let domain = |connection: &Connection| match &connection.login {
            Login::Component { domain, .. } => Some(domain.clone()),
            Login::Client { .. } => None,
        };
        self.connections.iter().filter_map(domain).collect()
    }
}

/// One connection to an XMPP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name in the configuration and in the log.
    pub name: String,
    /// Who we are on it.
    pub login: Login,
    /// The server: `host` and `port`. Absent for a client that finds its server by its domain.
    pub server: Option<(String, u16)>,
    /// How the stream is protected.
    pub security: Security,
    /// A PEM file of further certificates to trust, for a server whose own stands in no public list.
    pub ca: Option<PathBuf>,
    /// The domains of the accounts that are called through this connection; empty: all.
    pub domains: Vec<String>,
    /// Whoever subscribes to the presence of one of ours is subscribed to in return, so that we know their devices.
    /// A client also takes nobody's subscription without it.
    pub subscribe: bool,
    /// Whether the users of the directory (never telephone numbers) are shown as able to see and show.
    pub video: bool,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.login {
            Login::Component { domain, .. } => write!(f, "component {domain}")?,
            Login::Client { jid, .. } => write!(f, "account {jid}")?,
        }
        match &self.server {
            Some((host, port)) => write!(f, " at {host}:{port}"),
            None => Ok(()),
        }
    }
}

/// Who we are on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A component (XEP-0114): a whole domain, in which every number and every user is a JID.
    Component {
        /// The domain.
        domain: String,
        /// The secret shared with the server.
        secret: Secret,
    },
    /// A client: one account.
    Client {
        /// The account.
        jid: BareJid,
        /// Its password.
        password: Secret,
        /// Who is dialled when somebody calls the account.
        inbound: Address,
    },
}

/// How a stream is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: a component beside its server, or a test.
    Plain,
    /// TLS after the stream has begun (RFC 6120 §5).
    StartTls,
    /// TLS from the first byte (XEP-0368).
    DirectTls,
}

/// How long a peer may take for the answer to an IQ before it counts as one that answers none.
pub const IQ_PATIENCE: Duration = Duration::from_secs(15);
/// How long after our `proceed` the `session-initiate` may take, and how long after our `session-initiate` the first
/// sign of life.
pub const INITIATE_PATIENCE: Duration = Duration::from_secs(30);
