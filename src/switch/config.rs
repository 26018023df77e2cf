//! The configuration: one file, checked as a whole before anything starts.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::Secret;
use crate::model::Directory;
use crate::route::{Dialplan, Numbering};

/// A configuration that has been checked; nothing in it can fail later but the world.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where SIP listens.
    pub sip: Sip,
    /// Where the page is.
    pub web: Web,
    /// Where media flows.
    pub media: Media,
    /// The trunks, in the order of the file.
    pub trunks: Vec<Trunk>,
    /// The users.
    pub directory: Directory,
    /// Who may call what.
    pub routing: Routing,
    /// Whether the demo trunk runs: a trunk called `demo`, which is not in `trunks`.
    pub demo: bool,
    /// Where call records are appended, one JSON object a line; `None`: nowhere.
    pub records: Option<PathBuf>,
    /// What is logged.
    pub log: Log,
    /// How much is taken.
    pub limits: Limits,
    /// Where the gateway keeps what it makes itself, such as its certificate.
    pub state_directory: PathBuf,
}

/// Where SIP listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    /// The sockets.
    pub listen: Vec<SipListen>,
    /// The address to write in Via and Contact, if it is not the one listened on.
    pub advertise: Option<IpAddr>,
    /// The domains that are ours, beside the addresses listened on.
    pub domains: Vec<String>,
}

/// A socket that SIP listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipListen {
    /// UDP or TCP.
    pub transport: SipTransport,
    /// Where.
    pub address: SocketAddr,
}

/// What carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SipTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// Where the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The socket of the page and of the browsers' WebSocket.
    pub listen: SocketAddr,
    /// What protects it.
    pub tls: Tls,
    /// The origins that may connect, beside the page's own.
    pub origins: Vec<String>,
    /// The user that a page becomes when nobody signs in; only ever on loopback.
    pub guest: Option<String>,
}

/// What protects the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Nothing: on loopback.
    Off,
    /// A certificate that the gateway makes itself at first start, in the state directory.
    SelfSigned,
    /// A given certificate chain and its key, PEM files.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// Where media flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The address that media sockets are bound to.
    pub address: IpAddr,
    /// The address that peers are told, if it is another.
    pub advertise: Option<IpAddr>,
    /// The ports of telephones' media.
    pub ports: RangeInclusive<u16>,
    /// The port of browsers' media; further threads take those after it.
    pub ice_port: u16,
}

/// A telephone network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// What rules call it.
    pub name: String,
    /// Host name or address, with a port if it is not the standard one.
    pub address: String,
    /// What carries it.
    pub transport: SipTransport,
    /// The account, if the trunk challenges.
    pub user: Option<String>,
    /// The account's password.
    pub password: Option<Secret>,
    /// The domain of From and To, if it is not the address.
    pub domain: Option<String>,
    /// The number that is ours at the trunk, in E.164 form.
    pub number: Option<String>,
    /// Which number the trunk is shown.
    pub caller: CallerPolicy,
    /// The addresses that calls from the trunk may come from, beside those `address` resolves to.
    pub accept_from: Vec<IpAddr>,
}

/// Which caller's number a trunk is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerPolicy {
    /// The trunk's own `number`.
    OwnNumber,
    /// The number of the calling user, if it has one; otherwise the trunk's own.
    UserNumber,
    /// What the caller says.
    PassThrough,
}

/// Who may call what.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The rules.
    pub dialplan: Dialplan,
    /// How numbers are dialled.
    pub numbering: Numbering,
    /// The time zone of `hours`.
    pub time_zone: jiff::tz::TimeZone,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter as `tracing-subscriber` understands it: `info`, `info,patchcord::sip=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most calls at once.
    pub calls: usize,
    /// How long calls may go on once the gateway was told to end.
    pub drain: Duration,
}
