//! Being a good contact: presence, discovery and the gateway's prompt, for all our JIDs on all connections.
//!
//! ```text
//!   peer                                  ours
//!   subscribe ──────────────────────────▶  subscribed, presence with caps; kept across restarts
//!   probe (its server, at each sign-in) ▶  presence with caps, or unsubscribed if nobody is there
//!   disco#info (node of the caps) ──────▶  identity and features: one hash for all numbers, one for all users
//!   up again ◀─────────────────────────── presence of every JID to its subscribers, in bursts
//!   call ◀──────────────────────────────▶ presence to whoever is called or calls: then there is a call button
//! ```

mod answer;
mod hear;
mod info;
mod peers;
mod services;
mod subscribers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use xmpp_parsers::jid::{BareJid, FullJid, Jid};
use xmpp_parsers::minidom::Element;

pub use peers::{Features, Resource};
pub use services::Service;

use self::info::{Info, Sort};
use self::peers::Peers;
use self::subscribers::Subscribers;
use super::address::{self, Home, RESOURCE};
use super::config::{Config, Connection, ConnectionId, Login};
use super::endpoint::{Kept, Output};
use super::stanza::{Iq, IqKind, Presence, PresenceKind, ns, xml::Tag};
use crate::model::{Address, Directory};

/// How many presences leave at once, so that a server is not flooded after a reconnect…
pub const BURST: usize = 100;
/// …and how long it is to the next of them.
pub const PACE: Duration = Duration::from_millis(100);
/// How long a change of the subscribers waits for others before all of them are kept.
pub const KEEP_EVERY: Duration = Duration::from_secs(1);

/// The most subscribers of a connection that are told when the gateway ends.
pub const FAREWELLS: usize = 500;

/// All contacts of a gateway. Pure: stanzas in, stanzas out.
#[derive(Debug)]
pub struct Contacts {
    sides: BTreeMap<ConnectionId, Side>,
    host: Info,
    voice: Info,
    video: Info,
    asked: u64,
    next_burst: Option<Instant>,
    /// The connections whose subscribers have changed since they were kept.
    unkept: BTreeSet<ConnectionId>,
    next_keep: Option<Instant>,
}

/// One connection.
#[derive(Debug)]
struct Side {
    config: Connection,
    /// Who we are on the stream that is up.
    home: Option<Home>,
    subscribers: Subscribers,
    /// Presences that are due, as account and our JID.
    due: BTreeSet<(BareJid, BareJid)>,
    /// The accounts whose presence is to be asked for again, and the JID of ours that asks.
    probes: BTreeMap<BareJid, BareJid>,
    /// How many calls each of our JIDs is in.
    calls: BTreeMap<BareJid, usize>,
    peers: Peers,
    services: services::Services,
}

impl Contacts {
    /// For these connections, with the subscribers that were kept.
    pub fn new(config: &Config, kept: Kept) -> Contacts {
        let sides = config.connections.iter().zip(0..).map(|(config, index)| {
            let connection = ConnectionId(index);
            let mut side = Side::new(config.clone());
            for (account, ours) in kept.get(&connection).into_iter().flatten() {
                if side.may_be_kept(ours) {
                    side.subscribers.add(account, ours);
                }
            }
            (connection, side)
        });
        Contacts {
            sides: sides.collect(),
            host: Info::of(Sort::Host),
            voice: Info::of(Sort::Voice),
            video: Info::of(Sort::Video),
            asked: 0,
            next_burst: None,
            unkept: BTreeSet::new(),
            next_keep: None,
        }
    }

    /// How many accounts are known to be online, over all connections.
    pub fn online(&self) -> usize {
        self.sides.values().map(|side| side.peers.online()).sum()
    }

    /// The stream is up. Unless it is the old one, presence goes to every subscriber again, and a client asks its
    /// server for STUN and TURN (XEP-0215).
    pub fn up(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        jid: &Jid,
        resumed: bool,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let id = self.next_id();
        let Some(side) = self.sides.get_mut(&connection) else { return };
        let home = Home::new(&side.config.login, jid.clone());
        let is_client = !home.is_component();
        side.home = Some(home);
        if resumed {
            return;
        }
        side.peers.forget();
        if is_client {
            let caps = self.sort(connection, jid, directory).map(|sort| self.info(sort).caps());
            self.send(connection, Tag::new("presence", ns::CLIENT).children(caps).build(), out);
            if let Some(side) = self.sides.get_mut(&connection) {
                side.services.ask(side.home.as_ref(), id, connection, out);
            }
            return;
        }
        let all = || side.subscribers.all().map(|(account, ours)| (account.clone(), ours.clone()));
        side.due = all().collect();
        // What was learnt of devices went with the stream. Whoever we subscribed to tells it again if asked.
        side.probes = if side.config.subscribe { all().collect() } else { BTreeMap::new() };
        if !side.due.is_empty() {
            self.next_burst = Some(now);
        }
    }

    /// The stream is lost.
    pub fn down(&mut self, connection: ConnectionId) {
        if let Some(side) = self.sides.get_mut(&connection) {
            side.home = None;
            side.due.clear();
            side.probes.clear();
        }
    }

    /// The gateway ends: whoever has one of a component's JIDs in a roster sees it go. A client's server says so by
    /// itself (RFC 6121 §4.5.2).
    pub fn leave(&self, out: &mut VecDeque<Output>) {
        for (connection, side) in &self.sides {
            if !side.home.as_ref().is_some_and(Home::is_component) {
                continue;
            }
            for (account, ours) in side.subscribers.all().take(FAREWELLS) {
                let Some(speaker) = speaker(ours) else { continue };
                let gone = Presence::new(PresenceKind::Unavailable, &speaker, &account.clone().into());
                self.send(*connection, gone.write(), out);
            }
        }
    }

    /// Who we are on a connection that is up.
    pub fn home(&self, connection: ConnectionId) -> Option<&Home> {
        self.sides.get(&connection)?.home.as_ref()
    }

    /// A presence came.
    pub fn presence(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        presence: &Presence,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let Some(home) = self.home(connection) else { return };
        // Of ourselves, our other resources and our own server nothing is learnt.
        let Some(from) = presence.from.clone().filter(|f| f.to_bare() != home.jid().to_bare()) else { return };
        let to = presence.to.clone().unwrap_or_else(|| home.jid().clone());
        if home.is_component() && (to.domain() != home.jid().domain() || from.domain() == home.jid().domain()) {
            return;
        }
        match presence.kind {
            PresenceKind::Subscribe => self.subscribe(now, connection, &from, &to, directory, out),
            PresenceKind::Unsubscribe => self.unsubscribe(now, connection, &from, &to, out),
            PresenceKind::Probe => self.probe(now, connection, &from, &to, directory, out),
            PresenceKind::Available => self.available(connection, &from, &to, presence, out),
            PresenceKind::Unavailable => {
                if let Some(side) = self.sides.get_mut(&connection) {
                    side.peers.unavailable(&from.to_bare(), from.try_as_full().ok());
                }
            }
            // Nothing to say: an answer to an answer goes round in a circle.
            PresenceKind::Subscribed | PresenceKind::Unsubscribed | PresenceKind::Error => {}
        }
    }

    /// A request came that is no Jingle: it is answered, whatever it is.
    pub fn asked(&self, connection: ConnectionId, iq: &Iq, directory: &Directory, out: &mut VecDeque<Output>) {
        let (payload, is_get) = match &iq.kind {
            IqKind::Get(payload) => (payload, true),
            IqKind::Set(payload) => (payload, false),
            IqKind::Result(_) | IqKind::Error(_) => return,
        };
        let answer = match self.home(connection) {
            Some(home) => answer::answer(self, connection, home, iq.to.as_ref(), payload, is_get, directory),
            None => return,
        };
        let answer = match answer {
            Ok(payload) => iq.result(payload),
            Err(error) => iq.error(error),
        };
        self.send(connection, answer.write(), out);
    }

    /// A result or an error came. `false` if it answers no question of the contacts.
    pub fn answered(&mut self, connection: ConnectionId, iq: &Iq) -> bool {
        let payload = match &iq.kind {
            IqKind::Result(payload) => payload.as_ref(),
            IqKind::Error(_) => None,
            IqKind::Get(_) | IqKind::Set(_) => return false,
        };
        let Some(side) = self.sides.get_mut(&connection) else { return false };
        if side.services.answered(iq.from.as_ref(), &iq.id, payload) {
            return true;
        }
        let from = iq.from.as_ref().and_then(|f| f.try_as_full().ok());
        from.is_some_and(|from| side.peers.answered(from, &iq.id, payload))
    }

    /// One of ours calls a peer, or is called: the peer gets its presence, without which many a client shows no call
    /// button (and some no call). What a full JID can is asked, unless it is known.
    pub fn called(
        &mut self,
        connection: ConnectionId,
        ours: &Address,
        peer: &Jid,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let Some(speaker) = self.home(connection).and_then(|home| home.speaker(ours).ok()) else { return };
        self.show(connection, &speaker, peer, directory, out);
        self.ask(connection, &speaker, peer, out);
    }

    /// One of ours asks a full JID what it can, unless that is known, or asked already.
    pub fn ask(&mut self, connection: ConnectionId, ours: &Jid, peer: &Jid, out: &mut VecDeque<Output>) {
        let id = self.next_id();
        let Some(side) = self.sides.get_mut(&connection) else { return };
        let Ok(peer) = peer.try_as_full() else { return };
        if let Some(query) = side.peers.met(peer, id.clone()) {
            let iq = Iq::get(ours, &Jid::from(peer.clone()), &id, query);
            self.send(connection, iq.write(), out);
        }
    }

    /// One of ours began a call: its subscribers see that it is on the phone.
    pub fn call_began(&mut self, now: Instant, connection: ConnectionId, ours: &Address) {
        self.count_call(now, connection, ours, |calls| calls + 1);
    }

    /// One of ours ended a call.
    pub fn call_ended(&mut self, now: Instant, connection: ConnectionId, ours: &Address) {
        self.count_call(now, connection, ours, |calls| calls.saturating_sub(1));
    }

    fn count_call(&mut self, now: Instant, connection: ConnectionId, ours: &Address, count: impl Fn(usize) -> usize) {
        let Some(side) = self.sides.get_mut(&connection) else { return };
        let Login::Component { domain, .. } = &side.config.login else { return };
        let Some(jid) = on_domain(ours, domain) else { return };
        let before = side.calls.get(&jid).copied().unwrap_or(0);
        let after = count(before);
        match after {
            0 => side.calls.remove(&jid),
            _ => side.calls.insert(jid.clone(), after),
        };
        if side.home.is_none() || (before == 0) == (after == 0) {
            return;
        }
        let subscribers: Vec<BareJid> = side.subscribers.of(&jid).cloned().collect();
        if !subscribers.is_empty() {
            side.due.extend(subscribers.into_iter().map(|account| (account, jid.clone())));
            self.next_burst.get_or_insert(now);
        }
    }

    /// The resources of an account that are known to be there, the most wanted first. None at all means that nothing
    /// is known: most accounts never show their presence to a component.
    pub fn peer(&self, connection: ConnectionId, account: &BareJid) -> Vec<Resource> {
        self.sides.get(&connection).map(|side| side.peers.of(account)).unwrap_or_default()
    }

    /// What a resource can, if it has said.
    pub fn features(&self, connection: ConnectionId, jid: &FullJid) -> Option<Features> {
        self.sides.get(&connection)?.peers.find(jid)?.features
    }

    /// The STUN and TURN servers that a client's own server named.
    pub fn external_services(&self, connection: ConnectionId) -> &[Service] {
        self.sides.get(&connection).map(|side| side.services.all()).unwrap_or_default()
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, directory: &Directory, out: &mut VecDeque<Output>) {
        if self.next_keep.is_some_and(|due| due <= now) {
            self.next_keep = None;
            for connection in std::mem::take(&mut self.unkept) {
                self.keep(connection, out);
            }
        }
        if self.next_burst.is_some_and(|due| due <= now) {
            self.burst(now, directory, out);
        }
    }

    fn burst(&mut self, now: Instant, directory: &Directory, out: &mut VecDeque<Output>) {
        let mut due = Vec::new();
        for (connection, side) in &mut self.sides {
            while due.len() < BURST
                && let Some((account, ours)) = side.due.pop_first()
            {
                let asks = side.probes.remove(&account);
                due.push((*connection, account, ours, asks));
            }
        }
        for (connection, account, ours, asks) in due {
            let account = Jid::from(account);
            if let Some(speaker) = speaker(&ours) {
                self.show(connection, &speaker, &account, directory, out);
            }
            if let Some(asks) = asks {
                let probe = Presence::new(PresenceKind::Probe, &asks.into(), &account);
                self.send(connection, probe.write(), out);
            }
        }
        let is_more = self.sides.values().any(|side| !side.due.is_empty());
        self.next_burst = is_more.then_some(now + PACE);
    }

    /// When [`Contacts::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_burst.into_iter().chain(self.next_keep).min()
    }
}

/// What leaves.
impl Contacts {
    /// Sends the presence of one of ours.
    fn show(&self, connection: ConnectionId, ours: &Jid, to: &Jid, directory: &Directory, out: &mut VecDeque<Output>) {
        let Some(sort) = self.sort(connection, ours, directory) else { return };
        let Some(side) = self.sides.get(&connection) else { return };
        let is_busy = side.calls.contains_key(&ours.to_bare());
        let child = |name, text: &str| Tag::new(name, ns::CLIENT).text(text).build();
        let busy = is_busy.then(|| [child("show", "dnd"), child("status", "On the phone")]);
        let presence = Presence::new(PresenceKind::Available, ours, to);
        let presence = busy.into_iter().flatten().fold(presence, Presence::with);
        self.send(connection, presence.with(self.info(sort).caps()).write(), out);
    }

    fn changed(&mut self, now: Instant, connection: ConnectionId) {
        self.unkept.insert(connection);
        self.next_keep.get_or_insert(now + KEEP_EVERY);
    }

    fn keep(&self, connection: ConnectionId, out: &mut VecDeque<Output>) {
        let Some(side) = self.sides.get(&connection) else { return };
        let subscribers = side.subscribers.all().map(|(account, ours)| (account.clone(), ours.clone())).collect();
        out.push_back(Output::Keep { connection, subscribers });
    }

    fn send(&self, connection: ConnectionId, stanza: Element, out: &mut VecDeque<Output>) {
        out.push_back(Output::Send { connection, stanza });
    }

    fn next_id(&mut self) -> String {
        self.asked += 1;
        format!("contact-{}", self.asked)
    }

    fn info(&self, sort: Sort) -> &Info {
        match sort {
            Sort::Host => &self.host,
            Sort::Voice => &self.voice,
            Sort::Video => &self.video,
        }
    }

    /// What a JID of ours is; `None` for nobody.
    fn sort(&self, connection: ConnectionId, ours: &Jid, directory: &Directory) -> Option<Sort> {
        let side = self.sides.get(&connection)?;
        let home = side.home.as_ref()?;
        if home.is_host(ours) {
            return Some(Sort::Host);
        }
        let address = address::spelled(home.whom(ours)?, directory);
        let is_user = address.domain.is_none() && directory.users.contains_key(&address.user);
        match is_user {
            true if side.config.video => Some(Sort::Video),
            true => Some(Sort::Voice),
            // Whether a number or an address elsewhere exists is known only once it is called.
            false if !home.is_component() || address.domain.is_some() || address.is_number() => Some(Sort::Voice),
            false => None,
        }
    }
}

impl Side {
    fn new(config: Connection) -> Side {
        Side {
            config,
            home: None,
            subscribers: Subscribers::default(),
            due: BTreeSet::new(),
            probes: BTreeMap::new(),
            calls: BTreeMap::new(),
            peers: Peers::default(),
            services: services::Services::default(),
        }
    }

    fn is_component(&self) -> bool {
        matches!(self.config.login, Login::Component { .. })
    }

    /// What was kept by a connection of another domain is not ours to say.
    fn may_be_kept(&self, ours: &BareJid) -> bool {
        match &self.config.login {
            Login::Component { domain, .. } => ours.domain().as_str() == domain,
            Login::Client { .. } => false,
        }
    }
}

/// The full JID under which one of ours on a component speaks; the host speaks under its resource too.
fn speaker(ours: &BareJid) -> Option<Jid> {
    ours.with_resource_str(RESOURCE).ok().map(Jid::from)
}

fn on_domain(ours: &Address, domain: &str) -> Option<BareJid> {
    let domain = BareJid::new(domain).ok()?;
    address::on_component(ours, domain.domain()).ok()
}
