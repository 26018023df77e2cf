//! What the systems of the parties say to each other in the responses to an INVITE and in a BYE (RFC 7433 §3). In answers to
//! a BYE it is left out.

use tracing::info;

use super::{At, Leg};
use crate::model::{Hangup, Signal, UserToUser};
use crate::sip::along;
use crate::sip::message::{Header, Headers};
use crate::sip::wire::Wire;

impl Leg {
    /// Whether the peer is trusted with words of users, and heard.
    pub fn is_trusted_with_words(&self, wire: &Wire) -> bool {
        match &self.trunk {
            Some(name) => wire.config.trunks.get(name).is_some_and(|trunk| trunk.profile.user_to_user),
            None => self.is_ours,
        }
    }

    /// They are said with what is said next.
    pub(super) fn keep_words(&mut self, wire: &Wire, words: UserToUser) {
        if self.is_trusted_with_words(wire) {
            self.words = words;
        } else {
            info!(leg = %self.id, "User-to-User is left out: the peer is not trusted with it");
        }
    }
}

impl At<'_> {
    /// Hears them of the peer.
    pub(super) fn hear_words(&mut self, headers: &Headers) {
        let words = along::words(headers);
        if words.0.is_empty() {
            return;
        }
        if self.leg.is_trusted_with_words(self.wire) {
            self.hear(Signal::UserToUser(words));
        } else {
            info!(leg = %self.leg.id, "User-to-User is left out: its sender is not trusted with it");
        }
    }

    /// The headers that say what goes with a refusal.
    pub(super) fn words_of(&self, hangup: &Hangup) -> impl Iterator<Item = Header> + use<> {
        let words = hangup.detail.as_ref().map(|detail| detail.words.clone()).unwrap_or_default();
        let is_trusted = self.leg.is_trusted_with_words(self.wire);
        if !is_trusted && !words.0.is_empty() {
            info!(leg = %self.leg.id, "User-to-User is left out: the peer is not trusted with it");
        }
        along::word_headers(words).filter(move |_| is_trusted)
    }

    /// The headers that say what was kept, once.
    pub(super) fn take_words(&mut self) -> impl Iterator<Item = Header> + use<> {
        along::word_headers(std::mem::take(&mut self.leg.words))
    }
}
