//! Offers of ours that met one of the peer's, and are made once more.
//!
//! ```text
//!  our offer ──▶ refused for glare ──▶ the peer's own offer comes, and is answered ──▶ made again, if it still says
//!                        │                                                             something else
//!                        └──▶ nothing comes for [`WAIT`] ──▶ made again
//! ```
//!
//! Adapters whose wire has a rule for it repeat by themselves (RFC 3261 §14.1); what is refused for
//! [`Cause::Glare`](crate::model::Cause::Glare) is left to the call.

use std::time::{Duration, Instant};

use tracing::info;

use super::two_party::{Call, State};
use crate::base::LegId;

/// How long the peer has time to make its own offer before ours is made again: the least that RFC 3261 §14.1 has for the
/// side that comes second.
pub const WAIT: Duration = Duration::from_millis(2100);

/// How often one offer may be refused for glare before it is left at that.
pub const MOST: u32 = 4;

/// An offer on a leg that met one of the peer's.
#[derive(Debug, Clone, Copy)]
pub struct Met {
    leg: LegId,
    times: u32,
    /// When it is made again.
    until: Option<Instant>,
}

impl Call {
    /// The peer of a leg refuses our offer because it makes one of its own: whether ours is made again.
    pub(super) fn repeats_later(&mut self, now: Instant, leg: LegId) -> bool {
        let times = self.met.iter().find(|met| met.leg == leg).map_or(0, |met| met.times) + 1;
        self.met_no_more(leg);
        if times > MOST || !matches!(self.state, State::Talking) {
            return false;
        }
        let Some(known) = self.leg_mut(leg) else { return false };
        known.is_unsaid = true;
        self.met.push(Met { leg, times, until: Some(now + WAIT) });
        self.owe(leg);
        info!(call = %self.id, %leg, "our offer met one of its own, and is made again");
        true
    }

    /// The peer of a leg has answered an offer of ours.
    pub(super) fn met_no_more(&mut self, leg: LegId) {
        self.met.retain(|met| met.leg != leg);
    }

    /// When [`Call::repeat_due`] is due.
    pub(super) fn repeat_deadline(&self) -> Option<Instant> {
        self.met.iter().filter_map(|met| met.until).min()
    }

    /// Makes the offers again whose time has come.
    pub(super) fn repeat_due(&mut self, now: Instant) {
        let is_due = |met: &Met| met.until.is_some_and(|until| until <= now);
        let due: Vec<LegId> = self.met.iter().filter(|met| is_due(met)).map(|met| met.leg).collect();
        for leg in due {
            if let Some(met) = self.met.iter_mut().find(|met| met.leg == leg) {
                met.until = None;
            }
            self.pay(leg);
        }
    }
}
