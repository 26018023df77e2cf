//! What the parties hear of the gateway itself: announcements, sounds in place of a callee, ring-back, music on hold.
//!
//! ```text
//!  Playing(then: Dial) ──── the announcement is over ────▶ Dialling: ring-back, until there are media of a callee
//!  Playing(then: HangUp) ── the sound is over ───────────▶ Ending
//! ```

use std::time::{Duration, Instant};

use tracing::info;

use super::leg::Leg;
use super::negotiate;
use super::two_party::{CONNECT_PATIENCE, Call, RELAY_PATIENCE, State};
use crate::base::LegId;
use crate::model::{Cause, Hangup, MediaPath, Play, Progress, Sound, Stage, Tone};

/// The longest that a sound is waited for that is played once: longer than any sound is.
const LONGEST_PLAY: Duration = Duration::from_secs(615);

/// A sound is played to the caller, once.
#[derive(Debug)]
pub struct Playing {
    sound: Sound,
    /// Until when it may take: until the caller's media can flow, then until it must be over.
    pub deadline: Instant,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Dial,
    HangUp(Cause),
}

impl Call {
    /// The caller hears a sound in place of a callee. Without a cause it is answered first.
    pub(super) fn open_play(&mut self, now: Instant, sound: Sound, reject: Option<Cause>) {
        self.ledger.target(&format!("play {sound}"));
        self.ledger.path(MediaPath::Relayed, Some("the gateway itself plays"));
        if let Some(cause) = reject
            && !self.takes_early_media()
        {
            return self.finish(now, Hangup::new(cause));
        }
        if let Err(why) = self.prepare_to_be_heard() {
            return self.refuse_media(now, why);
        }
        match reject {
            Some(cause) => self.play(now, sound, Then::HangUp(cause)),
            None => {
                self.recital = Some(sound);
                self.state = State::Answering { deadline: now + RELAY_PATIENCE, callee_is_up: true };
                self.apply();
            }
        }
    }

    /// Plays the announcement before anybody rings; `false` if there is none, or this caller cannot hear it.
    pub(super) fn announce(&mut self, now: Instant) -> bool {
        let Some(sound) = self.services.announcement.clone() else { return false };
        if !self.takes_early_media() || self.prepare_to_be_heard().is_err() {
            info!(call = %self.id, %sound, "is not announced: the caller hears nothing before it is answered");
            return false;
        }
        // Whoever has heard something of ours is not going to play a tone by itself any more.
        self.services.ring_back.get_or_insert(Sound::Tone(Tone::Ringing));
        self.play(now, sound, Then::Dial);
        true
    }

    /// The caller was accepted: what it is to hear in place of a callee begins.
    pub(super) fn begin_talk(&mut self, now: Instant) {
        match self.recital.take() {
            Some(sound) => self.play(now, sound, Then::HangUp(Cause::Normal)),
            None => self.state = State::Talking,
        }
    }

    fn play(&mut self, now: Instant, sound: Sound, then: Then) {
        info!(call = %self.id, %sound, "plays");
        let patience = if self.caller.connected { LONGEST_PLAY } else { CONNECT_PATIENCE };
        self.state = State::Playing(Playing { sound, deadline: now + patience, then });
        self.apply();
    }

    /// Our end of the caller's media is ready.
    pub(super) fn ready_while_playing(&mut self) {
        if !self.answered {
            self.answer_early();
            self.tell(Progress { stage: Stage::Session, early_media: true });
        }
    }

    pub(super) fn connected_while_playing(&mut self, now: Instant) {
        if let State::Playing(playing) = &mut self.state {
            playing.deadline = now + LONGEST_PLAY;
        }
    }

    /// The sound that was to be played on the leg is over.
    pub(super) fn played(&mut self, now: Instant, leg: LegId) {
        if leg == self.caller.id && matches!(self.state, State::Playing(_)) {
            self.play_is_over(now);
        }
    }

    /// The sound is over, or has had its time.
    pub(super) fn play_is_over(&mut self, now: Instant) {
        let State::Playing(playing) = &self.state else { return };
        match playing.then {
            Then::HangUp(cause) => self.finish(now, Hangup::new(cause)),
            Then::Dial => {
                if self.caller.abilities.early_answer {
                    // It is answered anew once it is known who hears it, and what that side speaks.
                    self.caller.set_codecs(Vec::new());
                }
                self.next_attempt(now, Hangup::new(Cause::Unavailable));
            }
        }
    }

    /// A callee rings that sends nothing of its own.
    pub(super) fn ring_back(&mut self) {
        let is_wanted = self.services.ring_back.is_some() && self.takes_early_media();
        let State::Dialling(dialling) = &mut self.state else { return };
        if is_wanted && dialling.early.is_none() && !std::mem::replace(&mut dialling.rings_back, true) {
            self.begin_ring_back();
        }
    }

    /// The caller is told that there is something to hear, once our end of its media is ready.
    pub(super) fn begin_ring_back(&mut self) {
        let State::Dialling(dialling) = &self.state else { return };
        if !dialling.rings_back || self.caller.local.is_none() {
            return;
        }
        if !self.caller.abilities.early_answer {
            self.answer_early();
        }
        self.tell(Progress { stage: Stage::Ringing, early_media: true });
        self.apply();
    }

    /// Whether the caller can hear something before it is answered.
    fn takes_early_media(&self) -> bool {
        self.caller.abilities.early_media && !self.late_offer
    }

    /// What the caller was answered before anybody else spoke stays so: a telephone's answer is not to change between
    /// a provisional response and the last one (RFC 3261 §13.2.1).
    pub(super) fn is_settled(&self) -> bool {
        let hears_early = self.services.ring_back.is_some() || self.services.announcement.is_some();
        hears_early && self.takes_early_media() && !self.caller.abilities.early_answer
    }

    /// Settles on the formats of a caller that hears the gateway itself.
    fn prepare_to_be_heard(&mut self) -> Result<(), String> {
        if self.late_offer || !self.caller.codecs.is_empty() {
            return Ok(());
        }
        let offered = self.caller.offered_codecs();
        let taken = negotiate::for_gateway(offered, self.caller.spec);
        let codecs = negotiate::for_caller(offered, &taken, false);
        self.caller.set_codecs(codecs);
        if self.caller.codecs.is_empty() {
            return Err(negotiate::mismatch(self.caller.offered_codecs(), &negotiate::translatable()));
        }
        self.ledger.codec(self.caller.codecs.iter().find(|c| c.is_speech()));
        Ok(())
    }

    /// Settles on the formats of a caller that is to hear ring-back, before anybody is offered them.
    pub(super) fn settle_caller(&mut self) {
        if self.is_settled() {
            let _ = self.prepare_to_be_heard();
        }
    }

    /// What the gateway itself plays on a leg whose other side is `far`.
    pub(super) fn own_sound(&self, leg: &Leg, far: Option<&Leg>) -> Option<Play> {
        let is_caller = leg.id == self.caller.id;
        match (&self.state, far) {
            (State::Playing(playing), _) if is_caller => Some(Play { sound: playing.sound.clone(), repeats: false }),
            (State::Dialling(dialling), None) if is_caller && dialling.rings_back => {
                self.repeated(&self.services.ring_back)
            }
            (State::Talking, Some(far)) if far.holds() && !leg.holds() && !is_played_by(far) => {
                self.repeated(&self.services.hold_music)
            }
            _ => None,
        }
    }

    fn repeated(&self, sound: &Option<Sound>) -> Option<Play> {
        Some(Play { sound: sound.clone()?, repeats: true })
    }

    /// Whether it is worth a word that nothing comes from a leg whose party holds the other: then ours is played.
    pub(super) fn wants_music_of(&self, leg: &Leg, far: Option<&Leg>) -> bool {
        self.services.hold_music.is_some() && is_played_by(leg) && leg.holds() && far.is_some_and(|far| !far.holds())
    }

    /// Nothing comes from a leg. If its party holds the other and might have sent music, ours takes its place.
    pub(super) fn is_silent_on_hold(&mut self, leg: LegId) -> bool {
        let Some(holder) = self.leg_mut(leg).filter(|l| l.holds()) else { return false };
        holder.is_quiet_on_hold = true;
        info!(call = %self.id, %leg, "holds and sends no music of its own");
        self.apply();
        true
    }
}

/// Whether a party that holds sends what the other is to hear meanwhile.
fn is_played_by(holder: &Leg) -> bool {
    holder.remote_direction.sends() && !holder.is_silenced() && !holder.is_quiet_on_hold
}
