//! What a leg tells of itself: figures, and why it is silent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::link::Link;
use super::path::Path;
use super::quality::Line;
use super::watch::{SILENCE, SUPPRESSED_SILENCE};
use super::{Context, Leg};
use crate::model::{LegStats, RelayEvent};

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
        if self.hearing.suppresses_silence() { SUPPRESSED_SILENCE } else { SILENCE }
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
        let seconds = patience.as_secs_f32();
        let target = match self.link.way(patience) {
            Ok(target) => target,
            Err(why) => return why,
        };
        let sent = self.track.counts().0;
        let when = if self.hearing.last().is_some() { "the last packet" } else { "the answer" };
        let others = self.refusals.as_ref().map(|refusals| refusals.words(self.hearing.counts().0)).unwrap_or_default();
        format!(
            "{peer} at {target} sends nothing: no RTP for {seconds} s after {when}; we sent {sent} packets to it{others}"
        )
    }
}

impl Link {
    /// Where its packets go, or in one sentence why they do not after so long.
    pub(super) fn way(&self, patience: Duration) -> Result<SocketAddr, String> {
        let peer = self.peer_word();
        if let Path::Ice(ice) = &self.path
            && !ice.is_nominated()
        {
            return Err(format!("ICE with {peer} did not finish: {}", ice.complaint()));
        }
        let Some(target) = self.path.target() else {
            let why = format!("{peer} did not say where it listens, so nothing was sent to it, and nothing came");
            return Err(why);
        };
        if self.seal.is_open() {
            return Ok(target);
        }
        if matches!(self.seal, super::Seal::Sdes(_)) {
            return Err(format!(
                "{peer} at {target} has not said its SRTP key, so nothing could be sent to it or taken from it"
            ));
        }
        let strangers = self.stranger.map_or_else(String::new, |(from, count)| {
            format!("; {count} DTLS packets came from {from}, which was not described, and were dropped")
        });
        let seconds = patience.as_secs_f32();
        Err(format!("DTLS with {peer} at {target} did not finish within {seconds} s: {}{strangers}", self.seal_words()))
    }

    fn seal_words(&self) -> &'static str {
        match self.role {
            None => "the peer has not described itself yet",
            Some(super::Role::Active) => "we opened the handshake and wait for its answer",
            Some(super::Role::Passive) => "it was to open the handshake",
        }
    }
}
