//! What is counted over the life of the gateway, for whoever watches it: plain facts, in no format.
//!
//! Whatever is called "now" may rise and fall; all else only rises.

use serde::{Deserialize, Serialize};

use super::{IceMode, LegSpec, LegStats, SealKind, VideoStats};

/// What a histogram measures, and with which steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// From a call that comes in until somebody rings, in seconds.
    Ringing,
    /// From a call that comes in until it is answered, in seconds.
    Answer,
    /// A mean opinion score, from 1 to 4.5.
    Score,
    /// Interarrival jitter, in seconds.
    Jitter,
    /// A round trip, in seconds.
    RoundTrip,
}

impl Scale {
    /// The upper ends of the steps; above the last there is one more.
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Scale::Ringing => &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0],
            Scale::Answer => &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0],
            Scale::Score => &[1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.2, 4.3, 4.4],
            Scale::Jitter => &[0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1],
            Scale::RoundTrip => &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0],
        }
    }
}

/// How many values fell into which step of a scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    scale: Scale,
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Histogram {
        Histogram { scale, counts: vec![0; scale.bounds().len() + 1], sum: 0.0 }
    }

    /// Takes a value in. What is no number is not counted.
    pub fn observe(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let step = self.scale.bounds().partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
            self.sum += value;
        }
    }

    /// Takes in what another of the same scale has counted.
    pub fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
    }

    /// The values in each step, by the upper end of that; the last has none.
    pub fn steps(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let ends = self.scale.bounds().iter().copied().map(Some).chain([None]);
        ends.zip(self.counts.iter().copied())
    }

    /// All values together.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// A kind of media leg: how its packets are protected, and whether they find the peer by ICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Plain RTP.
    Plain,
    /// SRTP with keys in the descriptions, or either of the two as the peer does it.
    Sdes,
    /// DTLS-SRTP without ICE.
    Dtls,
    /// DTLS-SRTP with ICE: browsers, IM clients.
    DtlsIce,
}

impl MediaKind {
    /// The kind of a leg.
    pub fn of(spec: LegSpec) -> MediaKind {
        match (spec.seal, spec.ice) {
            (SealKind::Plain, _) => MediaKind::Plain,
            (SealKind::Sdes | SealKind::Opportunistic, _) => MediaKind::Sdes,
            (SealKind::Dtls, IceMode::None) => MediaKind::Dtls,
            (SealKind::Dtls, IceMode::Lite | IceMode::LitePair | IceMode::Full) => MediaKind::DtlsIce,
        }
    }
}

/// Packets of RTP and what was in them, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Packets that came in and were taken.
    pub packets_in: u64,
    /// Bytes of payload in them.
    pub octets_in: u64,
    /// Packets that went out.
    pub packets_out: u64,
    /// Bytes of payload in them.
    pub octets_out: u64,
    /// Packets that peers sent and that never came in.
    pub lost_in: u64,
    /// Packets that went out and that peers missed, by their reports.
    pub lost_out: u64,
}

impl Flow {
    /// Takes in what another has counted.
    pub fn add(&mut self, other: &Flow) {
        self.packets_in += other.packets_in;
        self.octets_in += other.octets_in;
        self.packets_out += other.packets_out;
        self.octets_out += other.octets_out;
        self.lost_in += other.lost_in;
        self.lost_out += other.lost_out;
    }

    /// Rises to what was told before where it is less: losses are guesses that a late packet takes back.
    pub fn at_least(&mut self, before: &Flow) {
        self.lost_in = self.lost_in.max(before.lost_in);
        self.lost_out = self.lost_out.max(before.lost_out);
    }
}

impl From<&LegStats> for Flow {
    fn from(stats: &LegStats) -> Flow {
        Flow {
            packets_in: stats.packets_in,
            octets_in: stats.bytes_in,
            packets_out: stats.packets_out,
            octets_out: stats.bytes_out,
            lost_in: stats.lost_in,
            lost_out: stats.lost_out,
        }
    }
}

impl From<&VideoStats> for Flow {
    fn from(stats: &VideoStats) -> Flow {
        Flow {
            packets_in: stats.packets_in,
            octets_in: stats.bytes_in,
            packets_out: stats.packets_out,
            octets_out: stats.bytes_out,
            lost_in: stats.lost_in,
            lost_out: stats.lost_out,
        }
    }
}

/// The legs of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegFigures {
    /// Legs now.
    pub now: u64,
    /// Legs that were ever opened.
    pub opened: u64,
    /// Their sound.
    pub sound: Flow,
    /// Their pictures.
    pub pictures: Flow,
    /// What the speech of peers was worth, of legs that have ended.
    pub score: Histogram,
    /// The jitter of what came in, of legs that have ended.
    pub jitter: Histogram,
    /// The round trip to peers, of legs that have ended.
    pub round_trip: Histogram,
}

impl Default for LegFigures {
    fn default() -> LegFigures {
        LegFigures {
            now: 0,
            opened: 0,
            sound: Flow::default(),
            pictures: Flow::default(),
            score: Histogram::new(Scale::Score),
            jitter: Histogram::new(Scale::Jitter),
            round_trip: Histogram::new(Scale::RoundTrip),
        }
    }
}

impl LegFigures {
    /// Takes in the packets of a leg.
    pub fn carry(&mut self, stats: &LegStats) {
        self.sound.add(&stats.into());
        if let Some(video) = &stats.video {
            self.pictures.add(&video.into());
        }
    }

    /// Takes in how a leg was when it ended.
    pub fn end(&mut self, stats: &LegStats) {
        self.carry(stats);
        stats.mos.into_iter().for_each(|score| self.score.observe(score));
        stats.rtt_ms.into_iter().for_each(|ms| self.round_trip.observe(ms / 1000.0));
        if stats.packets_in > 0 {
            self.jitter.observe(stats.jitter_ms / 1000.0);
        }
    }

    fn add(&mut self, other: &LegFigures) {
        self.now += other.now;
        self.opened += other.opened;
        self.sound.add(&other.sound);
        self.pictures.add(&other.pictures);
        self.score.add(&other.score);
        self.jitter.add(&other.jitter);
        self.round_trip.add(&other.round_trip);
    }
}

/// Packets of media that were turned away, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dropped {
    /// They came from where no peer is.
    pub stranger: u64,
    /// There were more of them than one leg may take.
    pub budget: u64,
    /// They had waited too long.
    pub stale: u64,
    /// They had come before, or were too old to tell (RFC 3711 §3.3.2).
    pub replay: u64,
    /// They came before there were keys, or could not be opened with them.
    pub key: u64,
    /// Their payload type was not agreed on.
    pub payload_type: u64,
    /// All else: no RTP, or the first of a source on probation.
    pub other: u64,
}

impl Dropped {
    /// Each, with its reason in a word.
    pub fn by_reason(&self) -> [(&'static str, u64); 7] {
        [
            ("stranger", self.stranger),
            ("budget", self.budget),
            ("stale", self.stale),
            ("replay", self.replay),
            ("key", self.key),
            ("payload-type", self.payload_type),
            ("other", self.other),
        ]
    }

    fn add(&mut self, other: &Dropped) {
        self.stranger += other.stranger;
        self.budget += other.budget;
        self.stale += other.stale;
        self.replay += other.replay;
        self.key += other.key;
        self.payload_type += other.payload_type;
        self.other += other.other;
    }
}

/// Ears of one sort that listen to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EarFigures {
    /// Ears now.
    pub now: u64,
    /// Ears that ever began to listen.
    pub begun: u64,
}

impl EarFigures {
    fn add(&mut self, other: EarFigures) {
        self.now += other.now;
        self.begun += other.begun;
    }
}

/// What a media plane has counted, or a part of one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MediaFigures {
    plain: LegFigures,
    sdes: LegFigures,
    dtls: LegFigures,
    dtls_ice: LegFigures,
    /// Legs now whose peers hear speech in another format than it came in.
    pub transcoded: u64,
    /// Packets that were turned away.
    pub dropped: Dropped,
    /// DTLS handshakes that ended with keys.
    pub handshakes: u64,
    /// DTLS handshakes that did not.
    pub handshakes_failed: u64,
    /// Recordings.
    pub recordings: EarFigures,
    /// Forks.
    pub forks: EarFigures,
}

impl MediaFigures {
    /// The legs of a kind.
    pub fn of(&mut self, kind: MediaKind) -> &mut LegFigures {
        match kind {
            MediaKind::Plain => &mut self.plain,
            MediaKind::Sdes => &mut self.sdes,
            MediaKind::Dtls => &mut self.dtls,
            MediaKind::DtlsIce => &mut self.dtls_ice,
        }
    }

    /// The legs of each kind, with its name.
    pub fn by_kind(&self) -> [(&'static str, &LegFigures); 4] {
        [("plain", &self.plain), ("sdes", &self.sdes), ("dtls", &self.dtls), ("dtls-ice", &self.dtls_ice)]
    }

    /// Takes in what another part has counted.
    pub fn add(&mut self, other: &MediaFigures) {
        self.plain.add(&other.plain);
        self.sdes.add(&other.sdes);
        self.dtls.add(&other.dtls);
        self.dtls_ice.add(&other.dtls_ice);
        self.transcoded += other.transcoded;
        self.dropped.add(&other.dropped);
        self.handshakes += other.handshakes;
        self.handshakes_failed += other.handshakes_failed;
        self.recordings.add(other.recordings);
        self.forks.add(other.forks);
    }

    /// Rises to what was told before wherever it may not fall.
    pub fn at_least(&mut self, before: &MediaFigures) {
        let kinds = [MediaKind::Plain, MediaKind::Sdes, MediaKind::Dtls, MediaKind::DtlsIce];
        for (kind, (_, told)) in kinds.into_iter().zip(before.by_kind()) {
            let figures = self.of(kind);
            figures.sound.at_least(&told.sound);
            figures.pictures.at_least(&told.pictures);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_step_that_holds_it() {
        let mut scores = Histogram::new(Scale::Score);
        [1.0, 1.5, 1.51, 4.41, f64::NAN].into_iter().for_each(|score| scores.observe(score));
        let steps: Vec<_> = scores.steps().filter(|(_, count)| *count > 0).collect();
        assert_eq!(steps, [(Some(1.5), 2), (Some(2.0), 1), (None, 1)]);
        assert_eq!((scores.count(), scores.sum()), (4, 1.0 + 1.5 + 1.51 + 4.41));
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let stats = LegStats {
            packets_in: 50,
            bytes_in: 8000,
            lost_in: 2,
            mos: Some(4.1),
            rtt_ms: Some(20.0),
            video: Some(VideoStats { packets_out: 7, ..VideoStats::default() }),
            ..LegStats::default()
        };
        let mut part = MediaFigures::default();
        part.of(MediaKind::of(LegSpec::BROWSER)).end(&stats);
        part.of(MediaKind::of(LegSpec::PHONE)).carry(&stats);
        let mut whole = part.clone();
        whole.add(&part);
        let [(_, plain), _, (_, dtls), (_, ice)] = whole.by_kind();
        assert_eq!((plain.sound.packets_in, plain.score.count(), dtls), (100, 0, &LegFigures::default()));
        assert_eq!((ice.sound.octets_in, ice.sound.lost_in, ice.pictures.packets_out), (16_000, 4, 14));
        assert_eq!((ice.score.count(), ice.jitter.count(), ice.round_trip.sum()), (2, 2, 0.04));
    }

    #[test]
    fn a_loss_that_was_told_is_not_taken_back() {
        let mut told = MediaFigures::default();
        told.of(MediaKind::Plain).sound = Flow { lost_in: 5, packets_in: 9, ..Flow::default() };
        let mut now = MediaFigures::default();
        now.of(MediaKind::Plain).sound = Flow { lost_in: 4, packets_in: 10, ..Flow::default() };
        now.at_least(&told);
        assert_eq!(now.of(MediaKind::Plain).sound, Flow { lost_in: 5, packets_in: 10, ..Flow::default() });
    }
}
