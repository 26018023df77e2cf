//! The core of all XMPP: which stanza is whose.
//!
//! ```text
//!   iq set with <jingle/>              ─▶ calls, by session and both accounts; acknowledged before anything else
//!   message with a word of XEP-0353    ─▶ calls
//!   answers to our requests            ─▶ whoever asked: the call that the name begins with, or the contacts
//!   everything else in an iq           ─▶ contacts
//!   presence                           ─▶ contacts
//!   other messages                     ─▶ texts
//! ```
//! A stanza reaches a call only if both accounts are those of the call: nobody speaks in the call of another.

pub mod calls;
mod dial;
mod hear;
pub mod link;
pub mod pace;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;

use super::config::{Config, ConnectionId};
use super::contact::Contacts;
use super::session::Said;
use super::stanza::{self, Stanza};
use super::text::Texts;
use crate::base::{AdapterId, Dice, LegId, LegMint};
use crate::model::{Cause, Directory, Hangup, Signal, Text, TextId, Undelivered};
use calls::Calls;
use link::Link;
use pace::Pace;

/// What reaches the endpoint.
#[derive(Debug)]
pub enum Input {
    /// The stream of a connection is up (again), and this is our address on it: a component's domain, or a
    /// client's full JID. `resumed`: it is the old stream (XEP-0198), nothing was lost.
    Up {
        /// The connection.
        connection: ConnectionId,
        /// Our address.
        jid: Jid,
        /// Nothing was lost.
        resumed: bool,
    },
    /// The stream is lost.
    Down {
        /// The connection.
        connection: ConnectionId,
    },
    /// A stanza, in the namespace `jabber:client` whatever the stream's is.
    Stanza {
        /// The connection.
        connection: ConnectionId,
        /// The stanza.
        stanza: Element,
    },
    /// The call says a signal.
    Say(LegId, Box<Signal>),
    /// The switch has a message to deliver.
    Deliver(Box<Text>),
    /// What became of a message that a peer of ours wrote.
    Delivered(TextId, Result<(), Undelivered>),
    /// The users have changed.
    Directory(Arc<Directory>),
    /// The calls had no room for a signal of this leg: it ends, and its peer is told so.
    Overflow(LegId),
    /// The gateway ends: every connection that is up is about to be closed.
    Leave,
}

/// What the endpoint gives out.
#[derive(Debug)]
pub enum Output {
    /// Send a stanza, in the namespace `jabber:client`.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The stanza.
        stanza: Element,
    },
    /// A peer says a signal.
    Hear(LegId, Signal),
    /// A peer wrote a message.
    Text(Box<Text>),
    /// What became of a message of [`Input::Deliver`].
    Delivered(TextId, Result<(), Undelivered>),
    /// Keep the subscribers of a connection across restarts: who gets the presence of which of our addresses. It is
    /// the whole list, each time it changes.
    Keep {
        /// The connection.
        connection: ConnectionId,
        /// The account, and the address of ours that it has in its roster.
        subscribers: Vec<(BareJid, BareJid)>,
    },
}

/// The characters of a name that no other has: what the names of a call's stanzas begin with.
const TAG: usize = 10;

/// The subscribers of every connection, as [`Output::Keep`] last gave them.
pub type Kept = BTreeMap<ConnectionId, Vec<(BareJid, BareJid)>>;

/// The core of all XMPP of a gateway.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    directory: Arc<Directory>,
    contacts: Contacts,
    texts: Texts,
    calls: Calls,
    pace: Pace,
    links: BTreeMap<ConnectionId, Link>,
    mint: LegMint,
    dice: Dice,
    outputs: VecDeque<Output>,
}

impl Endpoint {
    /// An endpoint without a stream: every connection is down until [`Input::Up`].
    pub fn new(adapter: AdapterId, config: Config, directory: Arc<Directory>, kept: Kept, mut dice: Dice) -> Endpoint {
        let links = (0..).zip(&config.connections).map(|(at, _)| (ConnectionId(at), Link::default()));
        Endpoint {
            contacts: Contacts::new(&config, kept),
            texts: Texts::new(adapter, dice.split()),
            calls: Calls::default(),
            pace: Pace::default(),
            links: links.collect(),
            mint: LegMint::heard(adapter),
            config,
            directory,
            dice,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Up { connection, jid, resumed } => self.up(now, connection, &jid, resumed),
            Input::Down { connection } => self.down(now, connection),
            Input::Stanza { connection, stanza } => self.hear(now, connection, stanza),
            Input::Say(leg, signal) => match *signal {
                Signal::Start(start) => self.dial(now, leg, *start),
                signal => {
                    let is_list = matches!(signal, Signal::Roster(_));
                    self.in_call(now, leg, |leg, out| leg.say(now, signal, out));
                    if is_list {
                        self.show_list(now, leg);
                    }
                }
            },
            Input::Deliver(text) => self.deliver(now, &text),
            Input::Delivered(id, result) => self.texts.delivered(id, result, &mut self.outputs),
            Input::Directory(directory) => self.directory = directory,
            Input::Leave => self.contacts.leave(&mut self.outputs),
            Input::Overflow(leg) => {
                let hangup = Hangup::new(Cause::Congestion);
                self.in_call(now, leg, |leg, out| leg.hang_up(&hangup, out));
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(leg) = self.calls.due(now) {
            self.in_call(now, leg, |leg, out| leg.handle_timeout(now, out));
        }
        self.contacts.handle_timeout(now, &self.directory, &mut self.outputs);
        self.texts.handle_timeout(now, &mut self.outputs);
    }

    /// How many accounts are known to be online.
    pub fn online(&self) -> usize {
        self.contacts.online()
    }

    /// When [`Endpoint::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let others = [self.contacts.poll_timeout(), self.texts.poll_timeout()];
        self.calls.poll_timeout().into_iter().chain(others.into_iter().flatten()).min()
    }

    /// What is to be done, first first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn up(&mut self, now: Instant, connection: ConnectionId, jid: &Jid, resumed: bool) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let waiting = link.up();
        // First presence: a client that gets a call from somebody offline may not show it.
        self.contacts.up(now, connection, jid, resumed, &self.directory, &mut self.outputs);
        let is_component = self.contacts.home(connection).is_some_and(|home| home.is_component());
        if !is_component && !resumed {
            self.ask_for_copies(connection, jid);
        }
        for leg in self.calls.of(connection) {
            // A client that has another resource from now on cannot be spoken to in its calls.
            let is_lost = !is_component && self.calls.ends(leg).is_some_and(|ends| ends.ours != *jid);
            self.in_call(now, leg, |leg, out| {
                if is_lost {
                    leg.hang_up(&Hangup::new(Cause::Network), out);
                }
            });
        }
        self.outputs.extend(waiting.into_iter().map(|stanza| Output::Send { connection, stanza }));
        for leg in self.calls.of(connection) {
            self.in_call(now, leg, |leg, out| leg.come_back(now, resumed, out));
        }
    }

    /// A client is one device of its account: it has to see when another takes a call (XEP-0280).
    fn ask_for_copies(&mut self, connection: ConnectionId, jid: &Jid) {
        let enable = Element::bare("enable", hear::CARBONS);
        let iq = stanza::Iq::set(jid, &jid.to_bare().into(), &self.dice.token(TAG), enable);
        self.send(connection, iq.write());
    }

    fn down(&mut self, now: Instant, connection: ConnectionId) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.down();
        self.contacts.down(connection);
        self.texts.down(connection, &mut self.outputs);
        for leg in self.calls.of(connection) {
            self.in_call(now, leg, |leg, out| leg.lose(now, out));
        }
    }

    fn hear(&mut self, now: Instant, connection: ConnectionId, stanza: Element) {
        if self.contacts.home(connection).is_none() {
            return;
        }
        match stanza::read(stanza) {
            Stanza::Iq(iq) => self.hear_iq(now, connection, iq),
            Stanza::Message(message) => self.hear_message(now, connection, &message),
            Stanza::Presence(presence) => {
                self.contacts.presence(now, connection, &presence, &self.directory, &mut self.outputs);
            }
            Stanza::Malformed(malformed) => {
                tracing::debug!(why = malformed.why, name = malformed.name, "a stanza that cannot be read");
                if let Some(answer) = malformed.answer() {
                    self.send(connection, answer);
                }
            }
        }
    }

    fn deliver(&mut self, now: Instant, text: &Text) {
        let contact = text.contact.as_ref().and_then(|c| Jid::new(&c.0).ok());
        let to = contact.or_else(|| super::address::account(&text.to).ok().map(Jid::from));
        let connection = to.and_then(|to| self.connection_to(&to));
        let home = connection.and_then(|c| Some((c, self.contacts.home(c)?)));
        match home {
            Some((connection, home)) => self.texts.deliver(now, connection, home, text, &mut self.outputs),
            None => {
                let result = Err(Undelivered::new(Cause::Unavailable));
                self.outputs.push_back(Output::Delivered(text.id, result));
            }
        }
    }

    /// Runs a step of a call and does what it wants.
    fn in_call(&mut self, now: Instant, leg: LegId, step: impl FnOnce(&mut super::session::Leg, &mut Said)) {
        let Some(known) = self.calls.leg_mut(leg) else { return };
        let mut out = Said::default();
        step(known, &mut out);
        self.settle(now, leg, out);
    }

    /// A client is told who is in the conference it is in if it says that it shows that (XEP-0298 §7); if it has said
    /// nothing yet it is asked.
    fn show_list(&mut self, now: Instant, leg: LegId) {
        let Some((connection, ends)) = self.calls.connection(leg).zip(self.calls.ends(leg)) else { return };
        if !self.calls.has_list(leg) {
            return;
        }
        let Ok(device) = ends.peer.try_as_full() else { return };
        match self.contacts.features(connection, device) {
            Some(features) if features.lists => self.in_call(now, leg, |leg, out| leg.show_list(out)),
            Some(_) => {}
            None => self.contacts.ask(connection, &ends.ours, &ends.peer, &mut self.outputs),
        }
    }

    /// Does what a call wants, and forgets it if it is over.
    fn settle(&mut self, now: Instant, leg: LegId, out: Said) {
        let Some(connection) = self.calls.connection(leg) else { return };
        for stanza in out.stanzas {
            self.send(connection, stanza);
        }
        self.outputs.extend(out.signals.into_iter().map(|signal| Output::Hear(leg, signal)));
        let instead = out.instead.and_then(|beside| Some((beside, self.calls.call(leg)?)));
        match self.calls.settle(leg) {
            calls::Settled::Began(ours) => {
                self.contacts.call_began(now, connection, &ours);
                self.show_list(now, leg);
            }
            calls::Settled::Ended(ours) => self.contacts.call_ended(now, connection, &ours),
            calls::Settled::Same => {}
        }
        if let Some((beside, (ours, from))) = instead {
            self.call_instead(now, leg, *beside, ours, from);
        }
    }

    fn send(&mut self, connection: ConnectionId, stanza: Element) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        if let Some(stanza) = link.send(stanza) {
            self.outputs.push_back(Output::Send { connection, stanza });
        }
    }
}
