//! The core of the SIP side: takes messages, signals and time in; gives messages, signals and bindings out.
//!
//! ```text
//!   message ─▶ receive ─┬─▶ transaction table ─▶ leg (session) ─▶ Signal
//!                       ├─▶ admission ─▶ new leg ─▶ Signal::Start
//!                       ├─▶ texts ─▶ Text, Delivered
//!                       └─▶ registrar ─▶ Bind, Unbind
//!   Signal ─▶ say ─┬─▶ leg (session) ─▶ transaction table ─▶ message
//!                  └─▶ deliver ─▶ new leg ─▶ INVITE
//! ```
//!
//! After each of the `handle_…` and [`Endpoint::say`] the outputs are to be drained.

mod admission;
mod clients;
mod deliver;
pub mod held;
mod identity;
mod receive;
mod refer;
mod register;
#[cfg(test)]
mod tests;
mod texts;
mod trunks;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracing::debug;

use super::config::Config;
use super::digest::Authority;
use super::flow::Flow;
use super::locate::{Located, Wish};
use super::message::{Header, Method, Name, Request, Response, Text};
use super::registrar::{Change, Registrar};
use super::session::Leg;
use super::transaction::{Tell, TransactionId};
use super::wire::{ALLOW, Owner, SUPPORTED, Wire};
use crate::base::{AdapterId, Dice, IdMap, LegId, LegMint};
use crate::model::{self, About, Address, Binding, Directory, Entry, Party, Signal, TextId, Undelivered};
use admission::Guard;
use clients::Clients;
use held::Waiting;
use texts::Texts;
use trunks::Trunks;

/// The most legs at once; more calls are answered with 503.
pub const LEGS_LIMIT: usize = 50_000;

/// A question for the resolver, named so that its answer finds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResolveId {
    /// A leg waits for it.
    Leg(LegId),
    /// A trunk's address, by the trunk's place in the order of names.
    Trunk(usize),
    /// A message to be sent waits for it.
    Text(u64),
}

/// What the endpoint wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send `bytes` to `flow.remote` from `flow.local`: a datagram, or on the connection of that name, which
    /// is opened if there is none.
    Transmit {
        /// By which way.
        flow: Flow,
        /// One whole message, or what keeps the flow alive (RFC 5626 §4.4).
        bytes: Bytes,
    },
    /// Let go of the connection of that name, if there is one, then call [`Endpoint::handle_transport_error`]: nothing comes by
    /// it any more.
    Close {
        /// Its name.
        flow: Flow,
    },
    /// A peer said something on a leg.
    Signal {
        /// The leg.
        leg: LegId,
        /// What it said.
        signal: Signal,
    },
    /// A peer wrote a message; [`Endpoint::text_delivered`] is to say what became of it.
    Text(Box<model::Text>),
    /// What became of a message of [`Endpoint::send_text`].
    Delivered(TextId, Result<(), Undelivered>),
    /// A device can be rung from now on.
    Bind(Binding),
    /// It is gone.
    Unbind(Binding),
    /// Look a host name up, then call [`Endpoint::handle_resolved`].
    Resolve {
        /// Names the question.
        id: ResolveId,
        /// What is looked for.
        wish: Wish,
    },
    /// Fetch the certificate that lies at an address of https, then call [`Endpoint::handle_fetched`].
    Fetch {
        /// The address.
        address: String,
    },
}

/// An INVITE that may come in.
#[derive(Debug)]
pub struct Admitted {
    /// It.
    pub invite: Request,
    /// Its transaction.
    pub transaction: TransactionId,
    /// The way it came.
    pub flow: Flow,
    /// By which door.
    pub entry: Entry,
    /// Who calls.
    pub from: Party,
    /// Who is dialled.
    pub to: Address,
    /// What else is known of it.
    pub about: About,
    /// How many more hops the call may take.
    pub hops_left: u8,
}

/// The endpoint.
#[derive(Debug)]
pub struct Endpoint {
    adapter: AdapterId,
    wire: Wire,
    directory: Arc<Directory>,
    mint: LegMint,
    legs: IdMap<LegId, Box<Leg>>,
    /// Legs by our tag.
    tags: HashMap<String, LegId>,
    registrar: Registrar,
    authority: Authority,
    guard: Guard,
    clients: Clients,
    trunks: Trunks,
    texts: Texts,
    held: Waiting,
}

impl Endpoint {
    /// An endpoint that listens nowhere yet: the driver binds the sockets first and puts their real ports into
    /// `config.listen`.
    pub fn new(
        now: Instant,
        adapter: AdapterId,
        config: Config,
        directory: Arc<Directory>,
        mut dice: Dice,
    ) -> Endpoint {
        let config = Arc::new(config);
        let mut authority = Authority::new(config.realm.clone(), now, &mut dice);
        authority.follow(&Directory::default(), &directory);
        let registrar = Registrar::new(adapter, config.registrar.clone(), &mut dice);
        let mint = LegMint::heard(adapter);
        let mut wire = Wire::new(config, dice);
        let trunks = Trunks::new(now, &mut wire);
        let mut endpoint = Endpoint {
            adapter,
            wire,
            directory,
            mint,
            legs: IdMap::default(),
            tags: HashMap::new(),
            registrar,
            authority,
            guard: Guard::default(),
            clients: Clients::default(),
            trunks,
            texts: Texts::default(),
            held: Waiting::default(),
        };
        endpoint.wire.takes_tcp = endpoint.trunks.take_tcp(&endpoint.wire.config);
        endpoint.trunks.handle_timeout(now, &mut endpoint.wire);
        endpoint
    }

    /// The adapter that the endpoint is.
    pub fn adapter(&self) -> AdapterId {
        self.adapter
    }

    /// Other people may sign in from here on. Who is gone is signed out; calls go on.
    pub fn set_directory(&mut self, directory: Arc<Directory>) {
        let users: HashSet<&str> = directory.users.keys().map(String::as_str).collect();
        let changes = self.registrar.keep_users(&users);
        self.authority.follow(&self.directory, &directory);
        self.directory = directory;
        self.tell_changes(changes);
    }

    /// Says a signal on a leg; [`Signal::Start`] opens it.
    pub fn say(&mut self, now: Instant, leg: LegId, signal: Signal) {
        if let Signal::Start(start) = signal {
            self.deliver(now, leg, start);
        } else if let Signal::Transfer(wish) = signal {
            self.send_somewhere(now, leg, wish);
        } else if let Some(known) = self.legs.get_mut(&leg) {
            known.say(now, &mut self.wire, signal);
        } else {
            debug!(%leg, "said on a leg that is gone");
        }
    }

    /// The answer to [`Output::Resolve`].
    pub fn handle_resolved(&mut self, now: Instant, id: ResolveId, located: Located) {
        match id {
            ResolveId::Trunk(at) => {
                self.trunks.handle_resolved(at, located);
                self.wire.takes_tcp = self.trunks.take_tcp(&self.wire.config);
            }
            ResolveId::Text(number) => self.handle_text_resolved(now, number, &located),
            ResolveId::Leg(leg) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.handle_resolved(now, &mut self.wire, &located);
                }
            }
        }
    }

    /// A flow failed: a datagram could not be sent, a connection could not be opened or was closed; `why`, in words that
    /// say what is wrong with the peer, if that is known.
    pub fn handle_transport_error(&mut self, now: Instant, flow: Flow, why: Option<&'static str>) {
        let hit = self.wire.transactions.handle_transport_error(&flow);
        self.wire.broken_because = why;
        for (owner, tell) in hit {
            self.tell(now, owner, tell);
        }
        self.wire.broken_because = None;
        if flow.transport.is_reliable() {
            self.clients.forget(&flow);
            self.trunks.handle_closed(now, &flow, &mut self.wire);
            let changes = self.registrar.drop_flow(&flow);
            self.tell_changes(changes);
        }
    }

    /// ICMP says that nobody is at the end of that flow. Requests to which nothing was heard yet fail (RFC 3261 §18.4);
    /// what was answered goes on, for anybody can forge ICMP.
    pub fn handle_unreachable(&mut self, now: Instant, flow: Flow) {
        for (owner, tell) in self.wire.transactions.handle_unreachable(&flow) {
            self.tell(now, owner, tell);
        }
    }

    /// The first deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.wire.transactions.poll_timeout(),
            self.wire.legs_due.next(),
            self.registrar.poll_timeout(),
            self.trunks.poll_timeout(),
            self.texts.poll_timeout(),
            self.held.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(outcome) = self.wire.transactions.handle_timeout(now) {
            if let Some((flow, bytes)) = outcome.send {
                self.wire.transmit(flow, bytes);
            }
            if let Some((owner, tell)) = outcome.tell {
                self.tell(now, owner, tell);
            }
        }
        while let Some(id) = self.wire.legs_due.take_due(now) {
            let stays = self.legs.get_mut(&id).is_some_and(|leg| leg.handle_timeout(now, &mut self.wire));
            if !stays {
                self.forget(id);
            }
        }
        let changes = self.registrar.handle_timeout(now);
        self.tell_changes(changes);
        self.trunks.handle_timeout(now, &mut self.wire);
        self.handle_texts_timeout(now);
        self.handle_held_timeout(now);
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wire.outputs.pop_front()
    }

    /// How many legs are answered or to be answered.
    pub fn live_legs(&self) -> usize {
        self.legs.values().filter(|l| l.is_alive()).count()
    }

    /// Whether nothing at all is remembered of any call or message: no leg and no transaction.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.texts.is_empty() && self.held.is_empty() && self.wire.transactions.is_empty()
    }

    /// The dialogs of all legs that have one.
    pub fn dialogs(&self) -> impl Iterator<Item = &super::dialog::Dialog> {
        self.legs.values().filter_map(|leg| leg.dialog())
    }

    fn tell(&mut self, now: Instant, owner: Owner, tell: Tell) {
        match owner {
            Owner::Leg(id, purpose) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.handle_tell(now, &mut self.wire, purpose, tell);
                }
            }
            Owner::Text(number) => self.handle_text_failure(now, number, tell),
            Owner::Trunk(at, errand) => self.trunks.handle_failure(now, at, errand, tell, &mut self.wire),
            Owner::Nobody => {}
        }
    }

    fn tell_changes(&mut self, changes: Vec<Change>) {
        self.wire.outputs.extend(changes.into_iter().map(|change| match change {
            Change::Bind(binding) => Output::Bind(binding),
            Change::Unbind(binding) => Output::Unbind(binding),
        }));
    }

    fn keep(&mut self, leg: Leg) {
        self.tags.insert(leg.tag.clone(), leg.id);
        self.legs.insert(leg.id, Box::new(leg));
    }

    fn forget(&mut self, id: LegId) {
        self.wire.names.remove(&id);
        if let Some(leg) = self.legs.remove(&id) {
            self.tags.remove(&leg.tag);
        }
    }
}

/// What we can do (RFC 3261 §11.2).
pub fn options(request: &Request) -> Response {
    Response::to(request, 200)
        .with(Header::new(Name::Allow, Text::fixed(ALLOW)))
        .with(Header::new(
            Name::Accept,
            Text::fixed("application/sdp, text/plain, application/dtmf-relay, application/dtmf"),
        ))
        .with(Header::new(Name::Supported, Text::fixed(SUPPORTED)))
}

/// To a SUBSCRIBE: of whoever is in a call we tell in transfers alone, and there are no messages that could wait
/// (RFC 6665 §4.2.1.1; message-summary, dialog, presence).
pub fn no_such_event(request: &Request) -> Response {
    Response::to(request, 489).with(Header::new(Name::AllowEvents, Text::fixed("refer")))
}

/// To a method that we do not do: 405 if we know it, 501 if not (RFC 3261 §8.2.1).
pub fn not_allowed(request: &Request) -> Response {
    let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
    Response::to(request, status).with(Header::new(Name::Allow, Text::fixed(ALLOW)))
}
