//! The core of all XMPP: which stanza is whose.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;

use super::config::{Config, ConnectionId};
use crate::base::{AdapterId, Dice, LegId};
use crate::model::{Cause, Directory, Hangup, Signal, Text, TextId, Undelivered};

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

/// The subscribers of every connection, as [`Output::Keep`] last gave them.
pub type Kept = BTreeMap<ConnectionId, Vec<(BareJid, BareJid)>>;

/// The core of all XMPP of a gateway.
#[derive(Debug)]
#[allow(dead_code)]
pub struct Endpoint {
    adapter: AdapterId,
    config: Config,
    directory: Arc<Directory>,
    kept: Kept,
    dice: Dice,
    outputs: VecDeque<Output>,
}

impl Endpoint {
    /// An endpoint without a stream: every connection is down until [`Input::Up`].
    pub fn new(adapter: AdapterId, config: Config, directory: Arc<Directory>, kept: Kept, dice: Dice) -> Endpoint {
        Endpoint { adapter, config, directory, kept, dice, outputs: VecDeque::new() }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        let _ = now;
        match input {
            Input::Say(leg, signal) => {
                if let Signal::Start(_) = *signal {
                    let hangup = Hangup::new(Cause::Unavailable);
                    self.outputs.push_back(Output::Hear(leg, Signal::Hangup(hangup)));
                }
            }
            Input::Deliver(text) => {
                let result = Err(Undelivered::new(Cause::Unavailable));
                self.outputs.push_back(Output::Delivered(text.id, result));
            }
            Input::Directory(directory) => self.directory = directory,
            Input::Up { .. }
            | Input::Down { .. }
            | Input::Stanza { .. }
            | Input::Delivered(..)
            | Input::Overflow(_) => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Endpoint::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What is to be done, first first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
