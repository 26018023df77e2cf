//! The core that owns the browsers' sessions.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Config;
use crate::base::{AdapterId, Dice, LegId, Secret};
use crate::model::{Binding, Directory, Signal};

/// One WebSocket, by a number that is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a frame.
    Text {
        /// To whom.
        conn: ConnId,
        /// The frame.
        text: String,
    },
    /// Close the socket, after the frames before this.
    Close {
        /// Which.
        conn: ConnId,
        /// The WebSocket's closing code (RFC 6455 §7.4).
        code: u16,
    },
    /// Tell the calls what the party on a leg said.
    Signal {
        /// The leg.
        leg: LegId,
        /// What it said.
        signal: Signal,
    },
    /// A page can be rung from now on.
    Bind(Binding),
    /// It cannot any more.
    Unbind(Binding),
}

/// The browsers' sessions and their calls.
pub struct Endpoint {
    outputs: VecDeque<Output>,
}

impl Endpoint {
    /// How long a sign-in token is good for.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

    /// An endpoint without sessions.
    pub fn new(adapter: AdapterId, config: Config, directory: Arc<Directory>, dice: Dice) -> Endpoint {
        let _ = (adapter, config, directory, dice);
        Endpoint { outputs: VecDeque::new() }
    }

    /// Takes the users as they are from now on.
    pub fn set_directory(&mut self, directory: &Arc<Directory>) {
        let _ = directory;
    }

    /// A token with which `user`, who has proven to be that, may open one connection; `None` if too many
    /// are out.
    pub fn mint_token(&mut self, now: Instant, user: &str) -> Option<Secret> {
        let _ = (now, user);
        None
    }

    /// A socket was opened from that address.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, peer: IpAddr) {
        let _ = (now, conn, peer);
    }

    /// A text message came in.
    pub fn handle_text(&mut self, now: Instant, conn: ConnId, text: &str) {
        let _ = (now, conn, text);
    }

    /// A message came in that was too large to be read.
    pub fn handle_oversized(&mut self, now: Instant, conn: ConnId) {
        let _ = (now, conn);
    }

    /// The socket is gone.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId) {
        let _ = (now, conn);
    }

    /// The calls had no room for a signal of that leg.
    pub fn handle_overflow(&mut self, now: Instant, leg: LegId) {
        let _ = (now, leg);
    }

    /// Says a signal to the party on a leg. A leg that has ended hears nothing any more.
    pub fn say(&mut self, now: Instant, leg: LegId, signal: Signal) {
        let _ = (now, leg, signal);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// What is to be done, one thing at a time.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
