//! Who listens along: the recording of a call, with the notice that both parties hear of it, and its fork.
//!
//! ```text
//!          answered, or a party asks            a party asks, the disk is full, the call ends
//!  (none) ─────────────────────────▶ recording ──────────────────────────────────────────────▶ (none)
//!                  each leg hears the notice, then the other party
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::two_party::{Call, State};
use crate::base::LegId;
use crate::model::{Fork, Play, RecordingFormat, RelayCommand, Signal, Tap, TapEnd, TapId, TapWord};

/// A notice that is not over by then is cut off: the parties want to talk.
pub const LONGEST_NOTICE: Duration = Duration::from_secs(30);

/// What a party is told that asks for a recording which the dialplan does not allow.
const NOT_ALLOWED: &str = "This call is not recorded: the dialplan does not allow it.";

/// What a party is told that wants to end a recording which the dialplan wants.
const NOT_YOURS: &str = "This call is recorded to its end: the dialplan wants it so.";

/// The ears of a call.
#[derive(Debug, Default)]
pub struct Ears {
    given: u32,
    recording: Option<(TapId, TapEnd)>,
    fork: Option<(TapId, TapEnd)>,
    /// The legs that hear the notice.
    noticing: Vec<LegId>,
    until: Option<Instant>,
}

impl Ears {
    fn next_id(&mut self) -> TapId {
        self.given += 1;
        TapId(self.given)
    }

    /// When [`Call::notice_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn heard_notice(&mut self, leg: LegId) -> bool {
        let before = self.noticing.len();
        self.noticing.retain(|l| *l != leg);
        if self.noticing.is_empty() {
            self.until = None;
        }
        self.noticing.len() < before
    }
}

impl Call {
    /// The ears that the relay is to have.
    pub(super) fn taps(&self) -> Vec<Tap> {
        let legs = [Some(self.caller.id), self.callees.first().map(|c| c.id)];
        let ears = [&self.ears.recording, &self.ears.fork];
        ears.into_iter().flatten().map(|(id, to)| Tap { id: *id, legs, to: to.clone() }).collect()
    }

    /// The leg is not of the call any more.
    pub(super) fn ears_forget(&mut self, leg: LegId) {
        self.ears.heard_notice(leg);
    }

    /// What the leg hears of a recording that begins.
    pub(super) fn notice_on(&self, leg: LegId) -> Option<Play> {
        let recording = self.services.record.as_ref().filter(|_| self.ears.noticing.contains(&leg))?;
        recording.notice.clone().map(|sound| Play { sound, repeats: false })
    }

    /// The call is answered: whoever is to listen from here on does.
    pub(super) fn begin_to_listen(&mut self, now: Instant) {
        if let Some(Fork { url, rate_hz }) = self.services.fork.clone() {
            let id = self.ears.next_id();
            self.ears.fork = Some((id, TapEnd::WebSocket { url, rate_hz }));
        }
        match self.services.record.as_ref().map(|r| r.on_demand) {
            Some(false) => self.begin_to_record(now),
            // So that the parties know what they may ask for.
            Some(true) => self.tell_of_recording(false),
            None => {}
        }
    }

    fn begin_to_record(&mut self, now: Instant) {
        let Some(recording) = self.services.record.clone() else { return };
        let id = self.ears.next_id();
        let ending = match recording.format {
            RecordingFormat::Wav => "wav",
            RecordingFormat::Opus => "opus",
        };
        // Nothing of the people is in the name; the record of the call tells who they were.
        let path = PathBuf::from(format!("{}-{}.{ending}", self.id, id.0));
        self.ledger.recording(path.clone());
        self.ears.recording = Some((id, TapEnd::File { path, format: recording.format }));
        if recording.notice.is_some() {
            self.ears.noticing = self.parties();
            self.ears.until = Some(now + LONGEST_NOTICE);
        }
        self.tell_of_recording(true);
    }

    fn end_recording(&mut self) {
        if self.ears.recording.take().is_some() {
            self.ears.noticing.clear();
            self.ears.until = None;
            self.tell_of_recording(false);
        }
    }

    /// Tells the fork something, if there is one.
    pub(super) fn tell_fork(&mut self, word: TapWord) {
        if let Some((tap, _)) = self.ears.fork {
            self.order(RelayCommand::Tell { call: self.id, tap, word });
        }
    }

    fn parties(&self) -> Vec<LegId> {
        std::iter::once(self.caller.id).chain(self.callees.iter().map(|c| c.id)).collect()
    }

    fn tell_of_recording(&mut self, on: bool) {
        self.parties().into_iter().for_each(|leg| self.say(leg, Signal::Record(on)));
    }

    /// A party asks for a recording, or for its end.
    pub(super) fn hear_record(&mut self, now: Instant, leg: LegId, on: bool) {
        let allowed = self.services.record.as_ref().map(|r| r.on_demand);
        match (allowed, on) {
            (None, true) => self.say(leg, Signal::Notice(NOT_ALLOWED.into())),
            (Some(false), false) => self.say(leg, Signal::Notice(NOT_YOURS.into())),
            (Some(_), true) if self.ears.recording.is_none() && matches!(self.state, State::Talking) => {
                info!(call = %self.id, %leg, "wants the call recorded");
                self.begin_to_record(now);
            }
            (Some(true), false) => {
                info!(call = %self.id, %leg, "wants the recording ended");
                self.end_recording();
            }
            _ => {}
        }
        self.apply();
    }

    /// A sound that was to be played once is over; if it was the notice, the leg hears the other party.
    pub(super) fn played_notice(&mut self, leg: LegId) {
        if self.ears.heard_notice(leg) {
            self.apply();
        }
    }

    /// The notice has been heard long enough, if it is time.
    pub(super) fn notice_timeout(&mut self, now: Instant) {
        if self.ears.deadline().is_none_or(|at| at > now) {
            return;
        }
        warn!(call = %self.id, "the notice of the recording was not over in time");
        self.ears.noticing.clear();
        self.ears.until = None;
        self.apply();
    }

    /// An ear came to its end before it should: the call goes on without.
    pub(super) fn tap_ended(&mut self, tap: TapId, why: Option<String>) {
        let Some(why) = why else { return };
        warn!(call = %self.id, tap = tap.0, why, "an ear came to its end");
        self.ledger.why(why.clone());
        if self.ears.fork.take_if(|(id, _)| *id == tap).is_none() {
            if self.ears.recording.as_ref().is_none_or(|(id, _)| *id != tap) {
                return;
            }
            self.end_recording();
            for leg in self.parties() {
                self.say(leg, Signal::Notice(format!("This call is not recorded any more: {why}.")));
            }
        }
        self.apply();
    }
}
