//! The core of the SIP side: takes messages, signals and time in; gives messages, signals and bindings out.

use std::net::SocketAddr;

use bytes::Bytes;

use super::flow::{Flow, Transport};
use crate::base::LegId;
use crate::model::{Binding, Signal};

/// A question for the resolver, named so that its answer finds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub u64);

/// What the endpoint wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send `bytes` to `flow.remote` from `flow.local`: a datagram, or on the connection of that name, which
    /// is opened if there is none.
    Transmit {
        /// By which way.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// A peer said something on a leg.
    Signal {
        /// The leg.
        leg: LegId,
        /// What it said.
        signal: Signal,
    },
    /// A device can be rung from now on.
    Bind(Binding),
    /// It is gone.
    Unbind(Binding),
    /// Look a host name up, then call [`Endpoint::handle_resolved`].
    Resolve {
        /// Names the question.
        id: ResolveId,
        /// The name.
        host: String,
        /// The port, if the configuration or the URI has one; without it SRV records may say (RFC 3263).
        port: Option<u16>,
        /// For which transport.
        transport: Transport,
    },
}

/// The endpoint.
#[derive(Debug)]
pub struct Endpoint {}

impl Endpoint {
    /// The answer to [`Output::Resolve`]: the addresses in the order of preference, none if there are none.
    pub fn handle_resolved(&mut self, _id: ResolveId, _addresses: Vec<SocketAddr>) {}
}
