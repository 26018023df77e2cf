//! What all sessions share towards the wire: who we are, the transactions, what is to go out.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracing::{debug, warn};

use super::config::Config;
use super::deadlines::Deadlines;
use super::endpoint::Output;
use super::flow::{Flow, Transport};
use super::locate::{Located, Shun};
use super::message::{Header, Host, Name, NameAddr, Params, Request, Response, SipUri, Text, Uri, Via, ViaTransport};
use super::naming::Naming;
use super::stir::Stir;
use super::transaction::{Table, TransactionId, key::COOKIE};
use super::trunk::Errand;
use crate::base::{Dice, IdMap, LegId};
use crate::model::{Contact, Signal};

/// The methods that we answer otherwise than with 405 or 501.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, PRACK, UPDATE, REFER";
/// The extensions that we know, by their option tags.
pub const SUPPORTED: &str = "100rel, timer, replaces, from-change, norefersub, tdialog";
/// What a longer datagram may not survive: RFC 3261 §18.1.1 wants a stream then, which most telephones and
/// trunks do not listen on.
pub const SAFE_DATAGRAM: usize = 1300;
/// What a `Via` of ours adds to a request.
pub const VIA_ROOM: usize = 120;

/// Who waits for a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A leg, for this purpose.
    Leg(LegId, Purpose),
    /// A message of ours between people, by its number.
    Text(u64),
    /// What we do at a trunk besides calling; the trunk by its place in the order of names.
    Trunk(usize, Errand),
    /// Nobody.
    Nobody,
}

/// What a leg uses a transaction for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The INVITE that opens the session.
    Invite,
    /// An INVITE within it.
    Reinvite,
    /// The end of it.
    Bye,
    /// The end of what is not yet a session.
    Cancel,
    /// A subscription beside it.
    Subscribe,
    /// The INVITE at a server that said nothing in time (RFC 3263 §4.3).
    Left {
        /// It has spoken since, and is cancelled.
        cancelled: bool,
    },
    /// An INFO within it.
    Info(About),
    /// An UPDATE within it that refreshes it.
    Update,
    /// A NOTIFY of how a transfer goes.
    Notify,
    /// A REFER: the peer is asked to go somewhere else.
    Refer,
    /// The word that a provisional response has come.
    Prack,
}

/// What an INFO of ours tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A key of a keypad.
    Key,
    /// A wish for a whole picture.
    Refresh,
}

/// What all sessions share.
#[derive(Debug)]
pub struct Wire {
    /// What we were told once.
    pub config: Arc<Config>,
    /// Chance.
    pub dice: Dice,
    /// All transactions.
    pub transactions: Table<Owner>,
    /// The deadline of each leg.
    pub legs_due: Deadlines<LegId>,
    /// Places that did not answer.
    pub shun: Shun,
    /// What is wrong with the peer whose flow has just failed, while that is told.
    pub broken_because: Option<&'static str>,
    /// Peers by UDP that are known to listen by TCP too, at the same port.
    pub takes_tcp: HashSet<SocketAddr>,
    /// Flows by which carriers call us, and that are kept for it (RFC 5626).
    pub kept: Vec<Flow>,
    /// What proves callers' numbers.
    pub stir: Stir,
    /// Registrations of users whose flow was said to be gone.
    pub gone: Vec<(String, Contact)>,
    /// How the calls of the legs are called.
    pub names: IdMap<LegId, Naming>,
    /// What is to be done, oldest first.
    pub outputs: VecDeque<Output>,
}

impl Wire {
    /// Before the first message.
    pub fn new(config: Arc<Config>, dice: Dice) -> Wire {
        Wire {
            transactions: Table::new(config.timers),
            config,
            dice,
            legs_due: Deadlines::default(),
            shun: Shun::default(),
            broken_because: None,
            takes_tcp: HashSet::new(),
            kept: Vec::new(),
            stir: Stir::default(),
            gone: Vec::new(),
            names: IdMap::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Says what a peer said.
    pub fn hear(&mut self, leg: LegId, signal: Signal) {
        debug!(%leg, signal = word(&signal), "heard");
        self.outputs.push_back(Output::Signal { leg, signal });
    }

    /// Sends bytes.
    pub fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        if flow.transport == Transport::Udp && bytes.len() > SAFE_DATAGRAM {
            warn!(octets = bytes.len(), "a datagram this long may be lost on the way");
        }
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }

    /// A way to a peer from one of our sockets; `None` if no socket fits its transport and address family.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let fits = |l: &&super::config::Listen| l.transport == transport && l.address.is_ipv4() == remote.is_ipv4();
        let near = |l: &&super::config::Listen| {
            l.address.ip().is_unspecified() || l.address.ip().is_loopback() == remote.ip().is_loopback()
        };
        let sockets = || self.config.listen.iter().filter(fits);
        let local = sockets().find(near).or_else(|| sockets().next())?.address;
        Some(Flow { transport, local, remote })
    }

    /// The ways to what was found, in the order in which they are to be tried, from our sockets that fit.
    pub fn flows_to(&mut self, located: &Located) -> VecDeque<Flow> {
        let targets = located.targets(&mut self.dice);
        targets.iter().filter_map(|target| self.flow_to(target.transport, target.address)).collect()
    }

    /// The host that peers on this flow reach us at.
    pub fn host(&self, flow: &Flow) -> Host {
        match &self.config.advertise {
            Some(host) => Host::from(host.as_str()),
            None => flow.local.ip().into(),
        }
    }

    /// The host in our own addresses: our domain, or where we are reached.
    pub fn domain(&self, flow: &Flow) -> Host {
        self.config.domains.first().map_or_else(|| self.host(flow), |domain| Host::from(domain.as_str()))
    }

    /// Whether a host is one of our names or addresses.
    pub fn is_ours(&self, host: &Host, flow: &Flow) -> bool {
        let named = |name: &str| Host::from(name) == *host;
        host.ip() == Some(flow.local.ip())
            || self.config.advertise.as_deref().is_some_and(named)
            || self.config.domains.iter().any(|d| named(d))
            || host.ip().is_some_and(|ip| self.config.listen.iter().any(|l| l.address.ip() == ip))
    }

    /// Our own address for requests within dialogs.
    ///
    /// A peer that is asked for by `sips:` is told one of that kind (RFC 3261 §8.1.1.8). Where the flow is kept, requests are
    /// to come by it (RFC 5626 §4.3).
    pub fn contact(&self, flow: &Flow, peer: &Uri) -> Header {
        let mut uri = SipUri::new(self.host(flow)).with_user("patchcord").with_port(flow.local.port());
        uri.secure = flow.transport.is_secure() && peer.scheme() == "sips";
        if let Some(word) = flow.transport.uri_word().filter(|_| !(uri.secure && flow.transport == Transport::Tls)) {
            uri = uri.with_param("transport", word);
        }
        if self.kept.contains(flow) {
            uri.params.flag("ob");
        }
        Header::of(Name::Contact, NameAddr::new(uri))
    }

    /// A new `Via` of ours, and its branch.
    fn via(&mut self, flow: &Flow) -> (Header, String) {
        let branch = format!("{COOKIE}{}", self.dice.token(16));
        let transport = ViaTransport::read(flow.transport.via_word());
        let mut params = Params::default();
        params.set("branch", &branch);
        params.flag("rport");
        let via = Via { transport, host: self.host(flow), port: Some(flow.local.port()), params };
        (Header::of(Name::Via, via), branch)
    }

    /// Sends a request of ours in a transaction of its own.
    pub fn request(&mut self, now: Instant, mut request: Request, flow: Flow, owner: Owner) -> TransactionId {
        let flow = self.way_of(&request, flow);
        let (via, branch) = self.via(&flow);
        request.headers.prepend(via);
        if let Owner::Leg(leg, _) = owner
            && let Some(name) = self.name_of(leg)
        {
            request.headers.push(name);
        }
        self.start(now, request, &branch, flow, owner)
    }

    /// The way of a request, which is TCP if it is too long for a datagram and the next hop takes it so (RFC 3261 §18.1.1).
    pub fn way_of(&self, request: &Request, flow: Flow) -> Flow {
        let may = flow.transport == Transport::Udp && self.takes_tcp.contains(&flow.remote);
        if !may || request.to_bytes().len() + VIA_ROOM <= SAFE_DATAGRAM {
            return flow;
        }
        self.flow_to(Transport::Tcp, flow.remote).unwrap_or(flow)
    }

    fn start(&mut self, now: Instant, request: Request, branch: &str, flow: Flow, owner: Owner) -> TransactionId {
        let bytes = request.to_bytes();
        self.transmit(flow, bytes.clone());
        self.transactions.start_client(now, request, bytes, branch, flow, owner)
    }

    /// Cancels an INVITE of ours, on its way and with its branch (RFC 3261 §9.1).
    pub fn cancel(&mut self, now: Instant, invite: TransactionId, owner: Owner, reasons: Vec<Header>) {
        let Some((request, flow)) = self.transactions.invite(invite) else { return };
        let mut cancel = super::transaction::table::cancel(request);
        let branch = cancel.headers.via().ok().and_then(|v| v.branch().map(str::to_owned)).unwrap_or_default();
        for reason in reasons {
            cancel.headers.push(reason);
        }
        self.start(now, cancel, &branch, flow, owner);
    }

    /// Sends an ACK of a 2xx, which is no transaction; gives its bytes, for when the 2xx comes again.
    pub fn acknowledge(&mut self, mut ack: Request, flow: Flow) -> Bytes {
        let (via, _) = self.via(&flow);
        ack.headers.prepend(via);
        let bytes = ack.to_bytes();
        self.transmit(flow, bytes.clone());
        bytes
    }

    /// Says a response on a server transaction; gives its bytes, for when a 2xx has to be said again.
    pub fn respond(&mut self, now: Instant, transaction: TransactionId, mut response: Response) -> Bytes {
        response.headers.push(Header::new(Name::Server, &self.config.agent));
        let bytes = response.to_bytes();
        if let Some((flow, bytes)) = self.transactions.respond(now, transaction, response.code(), bytes.clone()) {
            self.transmit(flow, bytes);
        }
        bytes
    }

    /// Says a response without remembering it.
    pub fn respond_stateless(&mut self, flow: Flow, mut response: Response) {
        response.headers.push(Header::new(Name::Server, &self.config.agent));
        let tag = self.dice.token(8);
        let bytes = response.with_to_tag(&tag).to_bytes();
        self.transmit(flow, bytes);
    }

    /// The header that names the call of a leg, if it has a name.
    pub fn name_of(&self, leg: LegId) -> Option<Header> {
        self.names.get(&leg)?.header()
    }

    /// A new tag of ours.
    pub fn tag(&mut self) -> String {
        self.dice.token(12)
    }

    /// A new `Call-ID`.
    pub fn call_id(&mut self) -> Text {
        self.dice.token(24).into()
    }
}

/// The name of a signal, for the log.
fn word(signal: &Signal) -> &'static str {
    match signal {
        Signal::Start(_) => "start",
        Signal::Progress(_) => "progress",
        Signal::Accept => "accept",
        Signal::Redirect(_) => "redirect",
        Signal::Offer(_) => "offer",
        Signal::Answer(_) => "answer",
        Signal::Refuse { .. } => "refuse",
        Signal::Solicit(_) => "solicit",
        Signal::Dtmf(_) => "dtmf",
        Signal::Refresh => "refresh",
        Signal::Roster(_) => "roster",
        Signal::Hangup(_) => "hangup",
        _ => "other",
    }
}
