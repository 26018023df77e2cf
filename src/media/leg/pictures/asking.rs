//! Asking the one who shows for a whole picture, not too often.

use std::time::{Duration, Instant};

use super::feedback::Feedback;
use crate::base::LegId;

/// The least time between two requests for a whole picture to one peer: such a picture is ten times as large as
/// another, and asked for without end it leaves room for nothing else.
pub const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// The requests for whole pictures to one peer.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// For which leg one is wanted, and when it may be asked for.
    wanted: Option<(LegId, Instant)>,
    last: Option<Instant>,
    number: u8,
    asked: u64,
}

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// By RTCP: a picture loss indication.
    Pli,
    /// By RTCP: a full intra request with this number.
    Fir(u8),
    /// The peer has no such RTCP: the call may know another way.
    Call(LegId),
}

impl Asking {
    /// A whole picture is wanted for a leg.
    pub fn want(&mut self, now: Instant, viewer: LegId) {
        let due = self.last.map_or(now, |last| now.max(last + REFRESH_INTERVAL));
        self.wanted.get_or_insert((viewer, due));
    }

    /// How often the peer was asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// When a request is due; `is_heard`: whether there is a source that can be asked by RTCP.
    pub fn poll_timeout(&self, feedback: Feedback, is_heard: bool) -> Option<Instant> {
        let (_, due) = self.wanted.filter(|_| is_heard || !feedback.can_ask())?;
        Some(due)
    }

    /// The request that is due.
    pub fn take(&mut self, now: Instant, feedback: Feedback, is_heard: bool) -> Option<Request> {
        if self.poll_timeout(feedback, is_heard)? > now {
            return None;
        }
        let (viewer, _) = self.wanted.take()?;
        self.last = Some(now);
        self.asked += 1;
        if feedback.pli {
            return Some(Request::Pli);
        }
        if feedback.fir {
            self.number = self.number.wrapping_add(1);
            return Some(Request::Fir(self.number));
        }
        Some(Request::Call(viewer))
    }
}
