//! Calls whose stream is lost, and comes back.

use std::time::{Duration, Instant};

use super::requests::Asked;
use super::{Leg, Said, Stage};
use crate::jingle::stanza::{Action, Jingle};
use crate::model::{Cause, Hangup, Signal};

/// How long a call lives whose stream is lost.
pub const LOST_PATIENCE: Duration = Duration::from_secs(120);
/// How long after that the peer, whose stream was lost too, may take to come back.
pub const RETURN_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const PING_EVERY: Duration = Duration::from_secs(2);
/// A server that was away has lost its clients too, and they come back in their own time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// How long a peer that is not there may still come back.
    pub(super) until: Instant,
    /// When it is asked again.
    pub(super) next: Option<Instant>,
}

impl Leg {
    /// The stream is lost.
    pub fn lose(&mut self, now: Instant, out: &mut Said) {
        if self.lost.is_none() && !self.has_ended() {
            self.lost = Some(now + LOST_PATIENCE);
            self.doubt = None;
            out.signals.push(Signal::Lost);
        }
    }

    /// The stream is there again; `resumed`: and lost nothing meanwhile.
    pub fn come_back(&mut self, now: Instant, resumed: bool, out: &mut Said) {
        if self.lost.take().is_none() {
            return;
        }
        out.signals.push(Signal::Back);
        if !resumed && matches!(self.stage, Stage::Active | Stage::Initiated { .. }) {
            // The peer may have ended it while nobody could tell us.
            self.doubt = Some(Doubt { until: now + RETURN_PATIENCE, next: None });
            self.ping(out);
        }
    }

    /// XEP-0166 §6.8: an empty session-info asks whether the session is there.
    pub(super) fn ping(&mut self, out: &mut Said) {
        self.request(Jingle::new(Action::SessionInfo, &self.ends.sid), Asked::Ping, out);
    }

    /// Nobody answers a ping but the peer's server.
    pub(super) fn hear_peer_away(&mut self, now: Instant, out: &mut Said) {
        match &mut self.doubt {
            Some(doubt) if now < doubt.until => doubt.next = Some(now + PING_EVERY),
            _ => self.be_hung_up(Hangup::new(Cause::Network), out),
        }
    }

    /// Asks a peer again that was not there.
    pub(super) fn ask_again(&mut self, now: Instant, out: &mut Said) {
        if let Some(doubt) = &mut self.doubt
            && doubt.next.is_some_and(|next| next <= now)
        {
            doubt.next = None;
            if !self.has_ended() {
                self.ping(out);
            }
        }
    }
}
