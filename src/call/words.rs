//! What the systems of two parties say to each other (RFC 7433), beside what opens the call.

use super::two_party::Call;
use crate::base::LegId;
use crate::model::{Detail, Hangup, Progress, Signal, Stage, UserToUser};

impl Call {
    /// The system of a party says something. A callee's waits for what it goes with: that somebody rings, picks up or
    /// refuses. What somebody says who comes in by a transfer is for whoever wished it, who has no ear for it.
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

    /// The caller is about to hear of a callee, and before that what its system said with it; whether it said anything.
    pub(super) fn pass_words(&mut self, leg: LegId) -> bool {
        let Some(words) = self.take_words_of(leg) else { return false };
        self.say(self.caller.id, Signal::UserToUser(words));
        true
    }

    /// The same of the only callee that is left.
    pub(super) fn pass_words_of_callee(&mut self) {
        if let [callee] = self.callees.as_slice() {
            self.pass_words(callee.id);
        }
    }

    /// How far a callee got, with what its system said: that is told again, where it was told of another.
    pub(super) fn tell_of(&mut self, leg: LegId, progress: Progress) {
        // Whoever merely tries says nothing that every caller hears.
        if progress.stage != Stage::Trying && self.pass_words(leg) {
            self.tell_anew(progress);
        } else {
            self.tell(progress);
        }
    }

    /// A refusal, with what the callee's system said with it.
    pub(super) fn with_words(&mut self, leg: LegId, hangup: Hangup) -> Hangup {
        let Some(words) = self.take_words_of(leg) else { return hangup };
        let detail = Detail { words, ..hangup.detail.unwrap_or_default() };
        Hangup { detail: Some(detail), ..hangup }
    }

    fn take_words_of(&mut self, leg: LegId) -> Option<UserToUser> {
        self.words.take_if(|(of, _)| *of == leg).map(|(_, words)| words)
    }
}
