//! Asking the peer for a whole picture by [INFO](super::inform) (RFC 5168): not more than once a second, and not again
//! once it has been refused.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info};

use super::At;
use super::confirmed::Confirmed;
use super::inform::Inform;
use crate::sip::refresh::{BODY, TYPE};
use crate::sip::wire::About;

/// The least time from one request to the next: a whole picture takes that long to be made, sent and shown.
const PAUSE: Duration = Duration::from_secs(1);

/// What a session asks of its peer's pictures.
#[derive(Debug, Default)]
pub struct Refreshing {
    pub(super) inform: Inform,
    last: Option<Instant>,
    /// The peer has refused it once.
    is_refused: bool,
}

impl Confirmed {
    /// The call wants a whole picture of the peer. One that is asked for too soon after another comes with that one.
    pub(super) fn say_refresh(&mut self, at: &mut At<'_>) {
        let asking = &mut self.refreshing;
        let is_soon = asking.last.is_some_and(|last| at.now < last + PAUSE);
        if asking.is_refused || asking.inform.is_under_way() || is_soon || self.unacknowledged.is_some() {
            return;
        }
        asking.last = Some(at.now);
        let body = (TYPE, Bytes::from_static(BODY.as_bytes()));
        asking.inform.send(at, (&mut self.dialog, self.flow), About::Refresh, body);
    }

    pub(super) fn refresh_is_refused(&mut self, at: &mut At<'_>, status: u16) {
        if matches!(status, 491 | 500 | 503) {
            return debug!(leg = %at.leg.id, status, "makes no whole picture just now");
        }
        info!(leg = %at.leg.id, status, "takes no wish for a whole picture by INFO");
        self.refreshing.is_refused = true;
    }
}
