//! Keys that the peer is told of: an INFO each, one after the other, for a later one may not overtake
//! an earlier. A peer that has no word for a key and its duration is told the bare key from then on; one that takes no
//! INFO is told no more, and the call is told so.

use std::collections::VecDeque;

use bytes::Bytes;
use tracing::{debug, info};

use super::At;
use super::confirmed::Confirmed;
use super::inform::{Body, Inform};
use crate::model::{Dtmf, Signal};
use crate::sip::info::{BARE, RELAY, relay};
use crate::sip::message::Method;
use crate::sip::wire::About;

/// Keys that wait until those before them are answered for; more are left out.
pub const MAX_WAITING: usize = 32;

/// The keys of one session.
#[derive(Debug, Default)]
pub struct Keys {
    pub(super) inform: Inform,
    waiting: VecDeque<Dtmf>,
    /// The last that was said.
    said: Option<Dtmf>,
    /// The peer takes the bare key alone.
    is_bare: bool,
}

impl Keys {
    fn body(&self, dtmf: Dtmf) -> Body {
        match self.is_bare {
            true => (BARE, Bytes::from(dtmf.digit.to_string())),
            false => (RELAY, Bytes::from(relay(dtmf))),
        }
    }
}

impl Confirmed {
    /// The call says a key.
    pub(super) fn say_key(&mut self, at: &mut At<'_>, dtmf: Dtmf) {
        if self.keys.waiting.len() >= MAX_WAITING {
            return debug!(leg = %at.leg.id, "too many keys wait; one is left out");
        }
        self.keys.waiting.push_back(dtmf);
        self.next_key(at);
    }

    /// Sends the next key, if there is one and none is under way. Before the ACK of our 2xx the peer may not know of
    /// the session.
    pub(super) fn next_key(&mut self, at: &mut At<'_>) {
        if self.keys.inform.is_under_way() || self.unacknowledged.is_some() {
            return;
        }
        self.keys.said = self.keys.waiting.pop_front();
        if let Some(dtmf) = self.keys.said {
            let body = self.keys.body(dtmf);
            self.keys.inform.send(at, (&mut self.dialog, self.flow), About::Key, body);
        }
    }

    pub(super) fn key_is_refused(&mut self, at: &mut At<'_>, status: u16) {
        match (status, self.keys.said) {
            (415, Some(dtmf)) if !self.keys.is_bare => {
                self.keys.is_bare = true;
                let body = self.keys.body(dtmf);
                return self.keys.inform.send_again(at, (&mut self.dialog, self.flow), About::Key, body);
            }
            (401 | 405 | 407 | 408 | 415 | 469 | 501, _) => self.takes_no_keys(at, status),
            _ => info!(leg = %at.leg.id, status, "a key was refused"),
        }
        self.next_key(at);
    }

    fn takes_no_keys(&mut self, at: &mut At<'_>, status: u16) {
        info!(leg = %at.leg.id, status, "takes no keys by INFO");
        self.keys.waiting.clear();
        at.leg.takes_info = false;
        at.hear(Signal::TakesDigits(false));
    }
}

impl At<'_> {
    /// Notes whether the peer takes INFO and UPDATE, where it says what it takes; the call is told of INFO when that is news.
    pub(super) fn note_allow(&mut self, allow: Option<Vec<Method>>) {
        let Some(allow) = allow else { return };
        self.leg.takes_update = allow.contains(&Method::UPDATE);
        let takes = allow.contains(&Method::INFO);
        if std::mem::replace(&mut self.leg.takes_info, takes) != takes {
            self.hear(Signal::TakesDigits(takes));
        }
    }
}
