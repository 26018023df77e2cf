//! What the systems of two parties say to each other (RFC 7433), beside what opens the call.

use super::two_party::Call;
use crate::base::LegId;
use crate::model::{Signal, UserToUser};

impl Call {
    /// The system of a party says something. A callee's waits until the caller is told who picked up; what somebody says
    /// who comes in by a transfer is for whoever wished it, who has no ear for it.
    pub(super) fn hear_words(&mut self, leg: LegId, words: UserToUser) {
        if self.is_newcomer(leg) {
            return;
        }
        if self.answered {
            if let Some(other) = self.other(leg) {
                self.say(other, Signal::UserToUser(words));
            }
        } else if leg != self.caller.id {
            self.words = Some((leg, words));
        }
    }

    /// The callee picked up: the caller hears what its system said with that.
    pub(super) fn pass_words(&mut self) {
        if let Some((leg, words)) = self.words.take()
            && self.callees.iter().any(|callee| callee.id == leg)
        {
            self.say(self.caller.id, Signal::UserToUser(words));
        }
    }
}
