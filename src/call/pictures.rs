//! The pictures of a relayed call: offered on, agreed to by both sides, begun and ended while they talk.
//!
//! ```text
//!  the caller offers some, the callee can show some:
//!    offered to the callee ──▶ its answer ──▶ the caller's answer has what the callee took, or a refused slot
//!
//!  a party offers more than the other was ever asked for, while they talk:
//!    its offer stays open ──▶ the other is asked ──▶ answered, refused, or too late ──▶ its offer is answered
//!
//!  a party offers less, or none any more: it is answered at once, and the other gets an offer
//! ```
//!
//! The sound never waits for pictures longer than [`PATIENCE`], and no trouble with them ends a call.

mod darkness;
pub mod extensions;
pub mod formats;
mod h264;
pub mod send_time;
pub mod transport_cc;

use std::time::{Duration, Instant};

use tracing::info;

use super::leg::Leg;
use super::leg::pictures::{self, Heard, Pictures};
use super::plan::Branch;
use super::two_party::{Call, State};
use crate::base::LegId;
use crate::model::{Description, Direction, GraphVideo, RelayCommand, Signal};

/// How long a party may take to say whether it wants the pictures that the other would like to show. Programs answer
/// in a second; a telephone may ask a person.
const PATIENCE: Duration = Duration::from_secs(10);

/// An offer with pictures that is answered when the other side has been asked for them.
#[derive(Debug)]
pub struct Asking {
    asker: LegId,
    asked: LegId,
    until: Instant,
}

impl Call {
    /// The pictures to offer to a callee, if the caller offers some that can pass and the callee can show any.
    pub(super) fn callee_pictures(&self, branch: &Branch, callee: &mut Leg) -> Option<Box<Pictures>> {
        if self.late_offer || !self.caller.abilities.video || !branch.abilities.video {
            return None;
        }
        let heard = self.pictures_of(&self.caller, self.caller.offered()?)?;
        let codecs = callee.pictures_to_offer(&heard.stream.codecs);
        (!codecs.is_empty()).then(|| callee.pictures_of(codecs))
    }

    /// What the caller's pictures are before anybody has agreed to them.
    pub(super) fn prepare_pictures(&mut self) {
        let on = self.callees.iter().find_map(|c| c.pictures.as_ref()).map(|p| p.codecs.clone());
        let heard = self.caller.offered().and_then(|o| self.pictures_of(&self.caller, o));
        self.caller.pictures = on.zip(heard).map(|(on, heard)| {
            let codecs = formats::for_now(&heard.stream.codecs, &on);
            Box::new(Pictures { codecs, ..Pictures::offered(self.caller.spec, &heard) })
        });
    }

    /// The pictures in a description of the leg's peer that the leg can carry.
    fn pictures_of(&self, leg: &Leg, description: &Description) -> Option<Heard> {
        pictures::heard(leg.spec, description).unwrap_or_else(|why| {
            info!(call = %self.id, leg = %leg.id, why, "its pictures do not pass");
            None
        })
    }

    /// A leg's peer answered an offer of ours: what it took of the pictures in it.
    pub(super) fn take_pictures(&mut self, leg: LegId, description: &Description) {
        let Some(heard) = self.leg(leg).map(|l| self.pictures_of(l, description)) else { return };
        let Some(known) = self.leg_mut(leg) else { return };
        let spec = known.spec;
        known.pictures = known.pictures.take().zip(heard).and_then(|(mut pictures, heard)| {
            pictures.hear(spec, &heard.stream, false);
            (pictures.take_transport(heard.bundled) && !pictures.taken().is_empty()).then_some(pictures)
        });
    }

    /// The pictures that somebody offers who comes into a talk: in the format that the party `stays` has, if it has some.
    pub(super) fn pictures_that_come_in(&self, leg: &Leg, stays: LegId) -> Option<Box<Pictures>> {
        let heard = leg.offered().filter(|_| leg.abilities.video).and_then(|o| self.pictures_of(leg, o))?;
        let mut pictures = Pictures::offered(leg.spec, &heard);
        let in_use = self.leg(stays).and_then(|l| l.pictures.as_deref()).and_then(Pictures::codec);
        if let (Some(in_use), Some(remote)) = (in_use, &mut pictures.remote) {
            remote.codecs.retain(|codec| formats::fits(codec, in_use));
        }
        Some(Box::new(pictures))
    }

    /// A callee has said what it takes: the caller gets the same, or none.
    pub(super) fn settle_pictures(&mut self, callee: LegId) {
        let is_laid = self.caller.local.as_ref().is_none_or(|l| l.video.is_some());
        if !is_laid || !self.agree_on_pictures(self.caller.id, callee) {
            self.caller.pictures = None;
        }
    }

    /// Both sides have described pictures: whether they share a format, which is agreed on then. `offerer`: whose offer
    /// the other one took.
    pub(super) fn agree_on_pictures(&mut self, offerer: LegId, other: LegId) -> bool {
        let taken = |leg: Option<&Leg>| leg.and_then(|l| l.pictures.as_ref()).map(|p| p.taken().to_vec());
        let (Some(offered), Some(took)) = (taken(self.leg(offerer)), taken(self.leg(other))) else { return false };
        let Some(codec) = formats::to_answer(&offered, &took) else { return false };
        self.ledger.pictures(&codec);
        if let Some(other) = self.leg_mut(other) {
            let numbered = other.pictures_to_offer(std::slice::from_ref(&codec));
            if let Some(pictures) = &mut other.pictures {
                pictures.codecs.retain(|c| formats::fits(c, &codec));
                if pictures.codecs.is_empty() {
                    pictures.codecs = numbered;
                }
                pictures.agreed = true;
            }
        }
        if let Some(pictures) = self.leg_mut(offerer).and_then(|l| l.pictures.as_mut()) {
            pictures.codecs = vec![codec];
            pictures.agreed = true;
        }
        true
    }

    /// Says what the pictures of each leg are to say next: what the far side shows and takes.
    pub(super) fn aim_pictures(&mut self) {
        for leg in self.leg_ids() {
            let Some((wish, limit)) = self.pictures_wish(leg) else { continue };
            if let Some(pictures) = self.leg_mut(leg).and_then(|l| l.pictures.as_mut()) {
                (pictures.wish, pictures.far_limit_kbps) = (wish, limit);
            }
        }
    }

    fn leg_ids(&self) -> Vec<LegId> {
        std::iter::once(self.caller.id).chain(self.callees.iter().map(|c| c.id)).collect()
    }

    fn pictures_wish(&self, leg: LegId) -> Option<(Direction, Option<u32>)> {
        let (near, far) = (self.leg(leg)?, self.leg(self.other(leg)?)?);
        let (shown, far_shown) = (near.pictures.as_ref()?, far.pictures.as_ref()?);
        let limit = far_shown.limit_kbps;
        if near.abilities.hold && far.holds() && shown.agreed {
            // It is told of the hold in words, and its pictures are not in the way.
            return Some((shown.said_direction, limit));
        }
        let far_way = far_shown.remote_direction;
        let sends = far_way.sends() && (near.abilities.hold || !near.holds());
        Some((Direction::of(sends, far_way.receives() && !far.holds()), limit))
    }

    /// Takes in the pictures, or their absence, of an offer that a leg's peer made in the session.
    pub(super) fn pictures_offered(&mut self, now: Instant, leg: LegId) {
        let Some(known) = self.leg(leg) else { return };
        let heard = known.offered().and_then(|o| self.pictures_of(known, o));
        let spec = known.spec;
        if self.asking.as_ref().is_some_and(|a| a.asked == leg) {
            return self.both_asked(now, leg, heard);
        }
        let far = self.other(leg).and_then(|o| self.leg(o)).filter(|_| matches!(self.state, State::Talking));
        let can = known.abilities.video && far.is_some_and(|f| f.abilities.video);
        // Another transport for pictures that are there already is not taken.
        let was = known.pictures.as_ref().map(|p| p.bundled);
        let heard = heard.filter(|h| was.is_none_or(|was| was == h.bundled));
        match (heard, far.map(|f| f.id)) {
            (Some(heard), Some(far)) if can => self.pictures_wanted(now, leg, far, &heard),
            (Some(heard), _) => {
                // Whoever is being rung has been offered what there was; nothing new begins before it answers.
                if let Some(pictures) = self.leg_mut(leg).and_then(|l| l.pictures.as_mut()) {
                    pictures.hear(spec, &heard.stream, true);
                }
            }
            (None, _) => {
                if let Some(known) = self.leg_mut(leg) {
                    known.pictures = None;
                }
            }
        }
        self.level_pictures();
    }

    /// A party offers pictures while both talk.
    fn pictures_wanted(&mut self, now: Instant, leg: LegId, far: LegId, heard: &Heard) {
        let stream = &heard.stream;
        let Some(known) = self.leg_mut(leg) else { return };
        let spec = known.spec;
        let restarts = known.pictures.as_ref().is_some_and(|p| p.restarts(stream));
        known.pictures.get_or_insert_with(|| Box::new(Pictures::offered(spec, heard))).hear(spec, stream, true);
        if restarts && !self.awaiting_ready.contains(&leg) {
            self.awaiting_ready.push(leg);
        }
        let spoken = self.leg(far).and_then(|f| f.pictures.as_deref()).and_then(Pictures::codec).cloned();
        let is_shared = spoken.is_some() && self.agree_on_pictures(leg, far);
        let Some(other) = self.leg_mut(far) else { return };
        if !is_shared {
            let codecs = other.pictures_to_offer(&stream.codecs);
            let said = other.pictures.take();
            other.pictures = (!codecs.is_empty()).then(|| match said {
                Some(said) => Box::new(Pictures { codecs, agreed: false, ..*said }),
                None => other.pictures_of(codecs),
            });
        }
        self.aim_pictures();
        let Some(shown) = self.leg_mut(far).and_then(|f| f.pictures.as_mut()) else { return };
        shown.changed |= spoken.is_some_and(|was| !shown.codecs.iter().any(|is| formats::fits(is, &was)));
        let asks = !is_shared || goes_beyond(shown.wish, shown.said_direction);
        let is_owed = asks || shown.changed || shown.wish != shown.said_direction;
        if asks {
            self.asking = Some(Asking { asker: leg, asked: far, until: now + PATIENCE });
        }
        if is_owed {
            self.owe(far);
        }
    }

    /// The party that is to be asked for pictures makes an offer of its own at the same time: what it offers is its word
    /// on them.
    fn both_asked(&mut self, now: Instant, leg: LegId, heard: Option<Heard>) {
        if let Some(known) = self.leg_mut(leg) {
            let spec = known.spec;
            known.pictures = known.pictures.take().zip(heard).and_then(|(mut pictures, heard)| {
                pictures.hear(spec, &heard.stream, true);
                pictures.codecs = formats::for_now(&heard.stream.codecs, &pictures.codecs);
                pictures.take_transport(heard.bundled).then_some(pictures)
            });
        }
        self.asked(now);
    }

    /// A party has another one before it: pictures go on if both show some, and an offer that waited for whoever was
    /// there before is answered.
    pub(super) fn agree_anew(&mut self, now: Instant, stays: LegId, newcomer: LegId) {
        let is_laid = |leg: Option<&Leg>| leg.and_then(|l| l.local.as_ref()).is_some_and(|l| l.video.is_some());
        let both = is_laid(self.leg(stays)) && is_laid(self.leg(newcomer));
        if !both || !self.agree_on_pictures(stays, newcomer) {
            for leg in [stays, newcomer] {
                if let Some(leg) = self.leg_mut(leg) {
                    leg.pictures = None;
                }
            }
        }
        if self.asking.take().is_some_and(|a| a.asker == stays) {
            self.answer_offer(now, stays);
        }
    }

    /// Whether an offer of this leg waits for the other side.
    pub(super) fn waits_for_pictures(&self, leg: LegId) -> bool {
        self.asking.as_ref().is_some_and(|a| a.asker == leg)
    }

    /// A leg's peer has answered an offer of ours while both talk.
    pub(super) fn pictures_answered(&mut self, now: Instant, leg: LegId, description: &Description) {
        self.take_pictures(leg, description);
        if self.asking.as_ref().is_some_and(|a| a.asked == leg) {
            self.asked(now);
        } else {
            self.level_pictures();
        }
    }

    /// The party that was asked for pictures has said its word on them.
    fn asked(&mut self, now: Instant) {
        let Some(Asking { asker, asked, .. }) = self.asking.take() else { return };
        let is_laid = self.leg(asker).is_some_and(|l| l.local.as_ref().is_some_and(|l| l.video.is_some()));
        if !is_laid || !self.agree_on_pictures(asker, asked) {
            info!(call = %self.id, leg = %asked, "has no pictures in common with the other side");
            self.drop_pictures();
        }
        self.apply();
        self.answer_offer(now, asker);
        self.level_pictures();
    }

    /// The party that was asked for pictures refuses the offer, or says nothing in time: all stays as it was.
    fn not_asked(&mut self, now: Instant) {
        let Some(Asking { asker, asked, .. }) = self.asking.take() else { return };
        info!(call = %self.id, leg = %asked, "was asked for pictures and gives no answer to it");
        let was_agreed = self.leg(asked).and_then(|l| l.pictures.as_ref()).is_some_and(|p| p.agreed);
        if !was_agreed {
            self.drop_pictures();
        }
        self.apply();
        self.answer_offer(now, asker);
        self.level_pictures();
    }

    /// A leg's peer refused an offer of ours.
    pub(super) fn pictures_refused(&mut self, now: Instant, leg: LegId) {
        if self.asking.as_ref().is_some_and(|a| a.asked == leg) {
            self.not_asked(now);
        }
    }

    /// When [`Call::pictures_timeout`] is due.
    pub(super) fn pictures_deadline(&self) -> Option<Instant> {
        self.asking.as_ref().map(|a| a.until)
    }

    /// Time has passed.
    pub(super) fn pictures_timeout(&mut self, now: Instant) {
        if self.pictures_deadline().is_some_and(|at| at <= now) {
            self.not_asked(now);
        }
    }

    fn drop_pictures(&mut self) {
        for leg in self.leg_ids() {
            if let Some(leg) = self.leg_mut(leg) {
                leg.pictures = None;
            }
        }
    }

    /// Makes both legs have pictures or neither: one that describes what is not there any more gets an offer.
    pub(super) fn level_pictures(&mut self) {
        if self.asking.is_some() || !matches!(self.state, State::Talking) || self.echo {
            return;
        }
        let agreed = |l: &Leg| l.pictures.as_ref().is_some_and(|p| p.agreed);
        if !agreed(&self.caller) || !self.callees.iter().all(agreed) {
            self.drop_pictures();
        }
        for leg in self.leg_ids() {
            if self.leg(leg).is_some_and(|l| l.describes_pictures() && l.pictures.is_none()) {
                self.owe(leg);
            }
        }
        self.aim_pictures();
        self.apply();
        for leg in self.leg_ids() {
            self.pay(leg);
        }
    }

    /// The pictures of a leg as the relay is to carry them; `far`: the leg whose pictures it may see.
    pub(super) fn graph_video(leg: &Leg, far: Option<&Leg>) -> Option<Box<GraphVideo>> {
        let pictures = leg.pictures.as_ref()?;
        let is_agreed = |l: &Leg| l.pictures.as_ref().is_some_and(|p| p.agreed);
        Some(Box::new(GraphVideo {
            bundled: pictures.bundled,
            remote: pictures.remote.clone(),
            codecs: pictures.codecs.clone(),
            sends: pictures.agreed && pictures.remote_direction.receives(),
            receives: pictures.agreed && pictures.remote_direction.sends() && !leg.is_silenced(),
            sees: far.filter(|f| pictures.agreed && is_agreed(f)).map(|f| f.id),
            limit_kbps: pictures.limit_kbps,
            expected: pictures.agreed
                && pictures.remote_direction.sends()
                && pictures.said_direction.receives()
                && far.is_some(),
            transport_cc: pictures.extensions.transport_cc,
            send_time: pictures.extensions.send_time,
        }))
    }

    /// A party says that it needs a whole picture: the relay asks the other one for it.
    pub(super) fn hear_refresh(&mut self, leg: LegId) {
        let Some(shower) = self.other(leg) else { return };
        if self.leg(shower).is_some_and(|l| l.pictures.as_ref().is_some_and(|p| p.agreed)) {
            self.order(RelayCommand::Refresh { call: self.id, leg: shower });
        }
    }

    /// The relay cannot ask for a whole picture in the media: the party that shows is asked in words.
    pub(super) fn refresh_wanted(&mut self, leg: LegId) {
        self.pass_if(leg, Signal::Refresh, |a| a.refresh);
    }
}

/// Whether a direction has a way that another has not.
fn goes_beyond(wish: Direction, said: Direction) -> bool {
    (wish.sends() && !said.sends()) || (wish.receives() && !said.receives())
}
