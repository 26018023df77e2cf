//! What a shard has counted, over the legs that it has and those that it had.

use super::leg::refusal::Refusal;
use super::shard::Shard;
use crate::model::{LegSpec, LegStats, MediaFigures, MediaKind};

/// What is counted as it happens. The packets of a leg are the leg's own figures until it ends.
#[derive(Debug, Default)]
pub struct Tally {
    counted: MediaFigures,
    /// What was told last.
    told: MediaFigures,
}

impl Tally {
    /// A leg is there.
    pub(super) fn opened(&mut self, spec: LegSpec) {
        self.counted.of(MediaKind::of(spec)).opened += 1;
    }

    /// A leg has ended with these figures, and so many of its packets were more than it may take.
    pub(super) fn ended(&mut self, spec: LegSpec, stats: &LegStats, over_budget: u64) {
        self.counted.of(MediaKind::of(spec)).end(stats);
        self.counted.dropped.budget += over_budget;
    }

    /// A packet is turned away.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        let dropped = &mut self.counted.dropped;
        *match refusal {
            Refusal::Stranger(_) => &mut dropped.stranger,
            Refusal::Early | Refusal::Key | Refusal::UsedUp => &mut dropped.key,
            Refusal::Replayed => &mut dropped.replay,
            Refusal::PayloadType(_) => &mut dropped.payload_type,
            Refusal::Other => &mut dropped.other,
        } += 1;
    }

    /// A packet has waited too long.
    pub(super) fn stale(&mut self) {
        self.counted.dropped.stale += 1;
    }

    /// A DTLS handshake came to its end, with keys or without.
    pub(super) fn handshake(&mut self, has_keys: bool) {
        *match has_keys {
            true => &mut self.counted.handshakes,
            false => &mut self.counted.handshakes_failed,
        } += 1;
    }
}

impl Shard {
    /// What the shard has counted up to here.
    pub fn figures(&mut self) -> MediaFigures {
        let mut figures = self.tally.counted.clone();
        for (place, leg) in &self.legs {
            let of_kind = figures.of(MediaKind::of(leg.link().spec()));
            of_kind.now += 1;
            of_kind.carry(&leg.stats());
            figures.transcoded += u64::from(leg.is_transcoding());
            figures.dropped.budget += self.budgets.refused(place);
        }
        figures.dropped.stranger += self.strangers();
        (figures.recordings, figures.forks) = self.ears.figures();
        figures.at_least(&self.tally.told);
        self.tally.told = figures.clone();
        figures
    }

    /// A datagram was dropped because it had waited too long.
    pub fn note_stale(&mut self) {
        self.tally.stale();
    }
}
