//! Notices when pictures that should come do not.

use std::time::Instant;

use super::Pictures;
use crate::media::leg::watch::DARKNESS;
use crate::media::leg::{Context, Leg};
use crate::model::RelayEvent;

impl Pictures {
    /// One came in.
    pub(super) fn note_seen(&mut self, now: Instant) {
        if self.watch.is_told() {
            self.watch.is_over();
            self.seen_again = Some(now);
            self.is_due = true;
        }
    }

    /// When they are to be looked after for want of any.
    pub(super) fn watch_deadline(&self) -> Option<Instant> {
        let dark = self.watch.poll_timeout(self.hearing.last(), DARKNESS);
        dark.into_iter().chain(self.seen_again).min()
    }
}

impl Leg {
    /// Tells that its pictures are missing, or there again. Where they have no way of their own, nothing is said of them
    /// while nothing is heard either.
    pub(in crate::media::leg) fn look_at_pictures(&mut self, cx: &mut Context) {
        let is_silent = self.watch.is_told();
        let Some(pictures) = self.pictures.as_deref_mut() else { return };
        if pictures.seen_again.take().is_some() {
            cx.events.push_back(RelayEvent::SeenAgain { call: self.call, leg: self.id });
        }
        let last = pictures.hearing.last();
        if pictures.bundled && is_silent {
            return pictures.watch.restart(cx.now);
        }
        if pictures.watch.handle_timeout(cx.now, last, DARKNESS) {
            let why = self.picture_complaint();
            cx.events.push_back(RelayEvent::Unseen { call: self.call, leg: self.id, why });
        }
    }

    /// One sentence on why no pictures come in.
    fn picture_complaint(&self) -> String {
        let Some(pictures) = self.pictures.as_deref() else { return String::new() };
        let link = self.picture_link.as_deref().filter(|_| !pictures.bundled).unwrap_or(&self.link);
        let (peer, seconds) = (link.peer_word(), DARKNESS.as_secs());
        let target = match link.way(DARKNESS) {
            Ok(target) => target,
            Err(why) => return format!("no pictures come: {why}"),
        };
        let sent = pictures.track.counts().0;
        let when = if pictures.hearing.last().is_some() { "the last packet" } else { "they were agreed on" };
        let taken = pictures.hearing.counts().0;
        let others = pictures.refusals.as_ref().map(|refusals| refusals.words(taken)).unwrap_or_default();
        format!(
            "{peer} at {target} sends no pictures: no RTP for {seconds} s after {when}; we sent {sent} packets of them to \
             it{others}"
        )
    }
}
