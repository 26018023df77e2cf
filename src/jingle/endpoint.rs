//! The core of all XMPP: which stanza is whose.

use std::sync::Arc;

use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;

use super::config::ConnectionId;
use crate::base::LegId;
use crate::model::{Directory, Signal, Text, TextId, Undelivered};

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
