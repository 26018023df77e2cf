//! Who sent a call on: those before us, and we ourselves, where the dialplan dials somebody else than the caller did.

use super::plan::Branch;
use crate::model::{About, Cause, Diversion, DiversionReason, Hangup, Party, Start};

/// What is known of it.
#[derive(Debug)]
pub struct Diverted {
    /// As the caller's side says, the last one first.
    heard: Vec<Diversion>,
    /// Why the attempt at hand is made; `None` before the first.
    reason: Option<DiversionReason>,
}

impl Diverted {
    /// Of a call that comes in.
    pub fn new(start: &Start) -> Diverted {
        Diverted { heard: start.about.diversions.clone(), reason: None }
    }

    /// Another attempt is made, because the last one ended so.
    pub fn attempt(&mut self, last: &Hangup) {
        let because = match last.cause {
            Cause::Busy => DiversionReason::Busy,
            Cause::NoAnswer => DiversionReason::NoAnswer,
            Cause::Unavailable => DiversionReason::Unavailable,
            _ => DiversionReason::Other,
        };
        self.reason = Some(if self.reason.is_none() { DiversionReason::Unconditional } else { because });
    }

    /// What a branch is told.
    pub fn about(&self, branch: &Branch) -> About {
        let reason = self.reason.unwrap_or(DiversionReason::Other);
        let ours = branch.sent_on_by.clone().map(|by| Diversion { by: Party::new(by), reason });
        About { diversions: ours.into_iter().chain(self.heard.iter().cloned()).collect(), ..About::default() }
    }
}
