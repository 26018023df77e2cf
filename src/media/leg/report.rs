//! What a leg tells of itself: figures, and why it is silent.

use std::time::{Duration, Instant};

use super::path::Path;
use super::quality::Line;
use super::watch::{SILENCE, SUPPRESSED_SILENCE};
use super::{Context, Leg};
use crate::model::{Codec, LegStats, RelayEvent};

impl Leg {
    /// Its figures.
    pub fn stats(&self) -> LegStats {
        let (packets_in, bytes_in) = self.hearing.counts();
        let (packets_out, bytes_out) = self.track.counts();
        let checks = self.ice().and_then(|ice| ice.round_trip());
        let round_trip = self.control.round_trip().or(checks);
        let codec = self.hearing.speech().and_then(|index| self.codecs.get(index)).map(|c| c.name.clone());
        let line = codec.as_deref().map(|codec| Line { codec, round_trip, jitter_ms: self.hearing.jitter_ms() });
        let (mos, mos_lately) = (
            line.and_then(|line| self.quality.whole(&self.hearing, line)),
            line.and_then(|line| self.quality.lately(&self.hearing, line)),
        );
        LegStats {
            leg: Some(self.id),
            codec,
            packets_in,
            bytes_in,
            packets_out,
            bytes_out,
            lost_in: self.hearing.lost(),
            lost_out: self.control.lost_out(),
            jitter_ms: self.hearing.jitter_ms(),
            jitter_out_ms: self.control.jitter_out_ms(self.clock_hz),
            rtt_ms: round_trip.map(|time| time.as_secs_f64() * 1000.0),
            refused: self.link.refused,
            seal: self.link.seal.name(),
            mos,
            mos_lately,
            video: self.picture_stats(),
        }
    }

    /// How long the leg may be silent.
    pub(super) fn patience(&self) -> Duration {
        let suppresses = |c: &Codec| {
            c.name.eq_ignore_ascii_case("CN") || c.parameters.as_deref().is_some_and(|p| p.contains("usedtx=1"))
        };
        let may_suppress =
            self.hearing.suppresses_silence() || (self.hearing.last().is_some() && self.codecs.iter().any(suppresses));
        if may_suppress { SUPPRESSED_SILENCE } else { SILENCE }
    }

    /// The last sign of life of the peer's media.
    pub(super) fn last_life(&self) -> Option<Instant> {
        let reports = self.control.last_heard().filter(|_| self.patience() == SUPPRESSED_SILENCE);
        self.hearing.last().max(reports)
    }

    pub(super) fn look(&mut self, cx: &mut Context) {
        let (last, patience) = (self.last_life(), self.patience());
        if self.watch.handle_timeout(cx.now, last, patience) {
            let why = self.complaint(patience);
            cx.events.push_back(RelayEvent::Silent { call: self.call, leg: self.id, why });
        }
    }

    /// One sentence on why nothing comes in.
    fn complaint(&self, patience: Duration) -> String {
        let peer = self.link.peer_word();
        if let Path::Ice(ice) = &self.link.path
            && !ice.is_nominated()
        {
            return format!("ICE with {peer} did not finish: {}", ice.complaint());
        }
        if !self.link.seal.is_open() {
            if matches!(self.link.seal, super::Seal::Sdes(_)) {
                return format!("{peer} has not said its SRTP key, so nothing could be sent to it or taken from it");
            }
            return format!("DTLS with {peer} did not finish within {} s; {}", patience.as_secs(), self.seal_words());
        }
        let Some(target) = self.link.path.target() else {
            return format!("{peer} did not say where it listens, so nothing was sent to it, and nothing came");
        };
        let sent = self.track.counts().0;
        let when = if self.hearing.last().is_some() { "the last packet" } else { "the answer" };
        let strangers = match (&self.link.stranger, self.link.refused) {
            (Some((from, count)), _) => {
                format!("; {count} came from {from}, which was not described, and were dropped")
            }
            (None, 0) => String::new(),
            (None, refused) => {
                format!("; {refused} were turned away for their key, their payload type or their form")
            }
        };
        let seconds = patience.as_secs();
        format!(
            "no RTP came from {peer} at {target} for {seconds} s after {when}; {sent} packets were sent to it{strangers}"
        )
    }

    fn seal_words(&self) -> &'static str {
        match self.link.role {
            None => "the peer has not described itself yet",
            Some(super::Role::Active) => "we opened the handshake and wait for its answer",
            Some(super::Role::Passive) => "it was to open the handshake",
        }
    }
}
