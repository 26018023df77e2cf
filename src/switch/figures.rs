//! What is counted of calls as they go by, and all figures of the gateway for whoever watches it.
//!
//! Nobody can be told from a figure: calls are counted by the worlds they join and by how they ended.

use std::collections::BTreeMap;
use std::time::Instant;

use super::driver::CallsHandle;
use super::resolve::{SIP, WEB, XMPP};
use crate::base::{AdapterId, LegId, line};
use crate::jingle::driver::XmppHandle;
use crate::media::driver::RelayHandle;
use crate::model::{Cause, Histogram, MediaFigures, Overflow, RelayEvent, Scale, Signal, Stage};
use crate::sip::driver::SipHandle;
use crate::web::WebHandle;

/// The worlds that a call joins, by name: that of the caller, that of the callee (`none` until there is one, and where
/// the gateway itself answers).
pub type Worlds = (&'static str, &'static str);

/// What is counted of calls.
#[derive(Debug, Clone, Default)]
pub struct CallFigures {
    /// Calls now.
    pub now: BTreeMap<Worlds, u64>,
    /// Calls that ever came in, by the world of the caller.
    pub begun: BTreeMap<&'static str, u64>,
    /// Calls that have ended, with why.
    pub ended: BTreeMap<(Worlds, &'static str), u64>,
    /// How long it took until somebody rang, or answered at once.
    pub ringing: BTreeMap<Worlds, Histogram>,
    /// How long it took until somebody answered.
    pub answer: BTreeMap<Worlds, Histogram>,
    /// Devices that can be rung, by world.
    pub bindings: BTreeMap<&'static str, u64>,
    /// Silences on answered legs that were told.
    pub silences: u64,
    /// Recordings and forks that ended before they should.
    pub ears_failed: u64,
}

/// What is counted while calls go by.
#[derive(Debug, Default)]
pub struct Tally {
    counted: CallFigures,
}

impl Tally {
    /// The relay tells something.
    pub fn relay(&mut self, event: &RelayEvent) {
        match event {
            RelayEvent::Silent { .. } => self.counted.silences += 1,
            RelayEvent::TapEnded { why: Some(_), .. } => self.counted.ears_failed += 1,
            _ => {}
        }
    }

    /// A call has ended.
    pub fn ended(&mut self, worlds: Worlds, cause: Cause) {
        *self.counted.ended.entry((worlds, cause.name())).or_default() += 1;
    }

    /// What has been counted, with these calls and so many devices now.
    pub fn figures(
        &self,
        now: impl Iterator<Item = Worlds>,
        bindings: impl Iterator<Item = (AdapterId, usize)>,
    ) -> CallFigures {
        let mut figures = self.counted.clone();
        now.for_each(|worlds| *figures.now.entry(worlds).or_default() += 1);
        figures.bindings = bindings.map(|(adapter, count)| (world(adapter), count as u64)).collect();
        figures
    }
}

/// The course of one call, as far as it is counted.
#[derive(Debug)]
pub struct Course {
    began: Instant,
    caller: LegId,
    callee: Option<AdapterId>,
    has_rung: bool,
    is_answered: bool,
}

impl Course {
    /// A call comes in on this leg.
    pub fn new(now: Instant, caller: LegId, tally: &mut Tally) -> Course {
        *tally.counted.begun.entry(world(caller.adapter())).or_default() += 1;
        Course { began: now, caller, callee: None, has_rung: false, is_answered: false }
    }

    /// The worlds that it joins.
    pub fn pair(&self) -> Worlds {
        (world(self.caller.adapter()), self.callee.map_or("none", world))
    }

    /// A party says something.
    pub fn hear(&mut self, leg: LegId, signal: &Signal) {
        if leg != self.caller && matches!(signal, Signal::Accept) {
            self.callee = Some(leg.adapter());
        }
    }

    /// Something is said to a party.
    pub fn say(&mut self, now: Instant, leg: LegId, signal: &Signal, tally: &mut Tally) {
        match signal {
            Signal::Start(_) if leg != self.caller => self.callee = Some(leg.adapter()),
            Signal::Progress(progress) if leg == self.caller && progress.stage == Stage::Ringing => {
                self.ring(now, tally);
            }
            Signal::Accept if leg == self.caller && !self.is_answered => {
                self.is_answered = true;
                self.ring(now, tally);
                let answer = tally.counted.answer.entry(self.pair());
                answer.or_insert_with(|| Histogram::new(Scale::Answer)).observe(self.seconds(now));
            }
            _ => {}
        }
    }

    fn ring(&mut self, now: Instant, tally: &mut Tally) {
        if !std::mem::replace(&mut self.has_rung, true) {
            let ringing = tally.counted.ringing.entry(self.pair());
            ringing.or_insert_with(|| Histogram::new(Scale::Ringing)).observe(self.seconds(now));
        }
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.began).as_secs_f64()
    }
}

/// The world that an adapter speaks to.
fn world(adapter: AdapterId) -> &'static str {
    match adapter {
        SIP => "sip",
        WEB => "web",
        XMPP => "xmpp",
        _ => "none",
    }
}

/// New calls that come by one way.
#[derive(Debug, Clone, Copy)]
pub struct Newcomers {
    /// How many wait to be taken up.
    pub waiting: u64,
    /// How many were turned away because there were too many.
    pub turned_away: u64,
}

impl Newcomers {
    fn of(figures: &line::Figures) -> Newcomers {
        Newcomers { waiting: figures.waiting() as u64, turned_away: figures.turned_away() }
    }
}

/// All figures of a gateway.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Of the calls.
    pub calls: CallFigures,
    /// Of the media plane.
    pub media: MediaFigures,
    /// New calls by SIP.
    pub sip: Newcomers,
    /// New calls from pages and IM clients.
    pub others: Newcomers,
    /// Pages that are signed in.
    pub pages: u64,
    /// Accounts of IM clients that are known to be online.
    pub contacts: u64,
    /// The connections to XMPP servers by name, and whether each is up.
    pub connections: Vec<(String, bool)>,
}

/// A running gateway, for whoever watches it.
#[derive(Clone)]
pub struct Watch {
    pub(super) calls: CallsHandle,
    pub(super) relay: RelayHandle,
    pub(super) sip: SipHandle,
    pub(super) web: WebHandle,
    pub(super) xmpp: Option<XmppHandle>,
}

impl Watch {
    /// What has been counted up to here.
    ///
    /// # Errors
    /// [`Overflow`] if a part of the gateway is too busy to tell, or gone.
    pub async fn figures(&self) -> Result<Figures, Overflow> {
        Ok(Figures {
            calls: self.calls.figures().await.ok_or(Overflow)?,
            media: self.relay.figures().await?,
            sip: Newcomers::of(self.sip.newcomers()),
            others: Newcomers::of(self.calls.newcomers()),
            pages: self.web.sessions() as u64,
            contacts: self.xmpp.as_ref().map_or(0, XmppHandle::online) as u64,
            connections: self.xmpp.as_ref().map(XmppHandle::connections).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::base::LegMint;
    use crate::model::Progress;

    #[test]
    fn a_call_is_counted_by_whom_it_joined_how_long_that_took_and_how_it_ended() {
        let start = Instant::now();
        let mut tally = Tally::default();
        let (caller, callee) = (LegMint::heard(WEB).mint(), LegMint::said(SIP).mint());
        let mut course = Course::new(start, caller, &mut tally);
        assert_eq!(course.pair(), ("web", "none"));
        course.hear(callee, &Signal::Accept);
        let worlds = course.pair();
        assert_eq!(worlds, ("web", "sip"));
        let ringing = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
        for (seconds, signal) in [(1, &ringing), (2, &ringing), (9, &Signal::Accept), (10, &Signal::Accept)] {
            course.say(start + Duration::from_secs(seconds), caller, signal, &mut tally);
        }
        course.say(start, callee, &Signal::Accept, &mut tally);
        tally.ended(worlds, Cause::Normal);
        let figures = tally.figures([worlds].into_iter(), [(SIP, 3)].into_iter());
        assert_eq!((figures.ringing[&worlds].sum(), figures.ringing[&worlds].count()), (1.0, 1));
        assert_eq!((figures.answer[&worlds].sum(), figures.answer[&worlds].count()), (9.0, 1));
        assert_eq!(figures.ended, BTreeMap::from([((worlds, "normal"), 1)]));
        assert_eq!((figures.now[&worlds], figures.begun["web"], figures.bindings["sip"]), (1, 1, 3));
    }
}
