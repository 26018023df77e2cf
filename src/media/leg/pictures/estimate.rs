//! How much one who shows pictures may send: as much as those who see take, by their own estimates
//! (draft-alvestrand-rmcat-remb), by their requests (RFC 5104 §4.2.1), by what was said for them (`b=AS`, `b=TIAS`) and by
//! what is lost on the way to them.

use std::time::{Duration, Instant};

use crate::base::LegId;

/// The time between two estimates that say the same.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The least time between two estimates.
pub const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// An estimate that is lower by more than this part of it is told at once, in 256ths.
const HASTE: u64 = 8;

/// Legs that see one other, as far as their estimates are told.
const MAX_VIEWERS: usize = 64;

/// The lowest estimate that is heeded, in bits a second: what is less is no picture, and a peer that says so by mistake
/// or malice would not see any more.
pub const LEAST: u64 = 30_000;

/// What one who sees takes, in bits a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taking {
    /// By its own estimate.
    estimate: Option<u64>,
    /// By its request, which holds until another comes.
    request: Option<u64>,
    /// By its description.
    limit: Option<u64>,
    /// By what is lost on the way to it.
    lossy: Option<u64>,
}

impl Taking {
    /// Takes in an estimate of the peer.
    pub fn hear(&mut self, bits_per_second: u64) {
        self.estimate = Some(bits_per_second.max(LEAST));
    }

    /// Takes in a request of the peer; returns what it is bound by then.
    pub fn hear_request(&mut self, bits_per_second: u64) -> u64 {
        *self.request.insert(bits_per_second.max(LEAST))
    }

    /// Takes in the limit of the peer's description.
    pub fn describe(&mut self, kilobits: Option<u32>) {
        self.limit = kilobits.map(|kilobits| (u64::from(kilobits) * 1000).max(LEAST));
    }

    /// Takes in what fits by loss; returns whether that is another bound than before.
    pub fn lose(&mut self, most: Option<u64>) -> bool {
        std::mem::replace(&mut self.lossy, most) != most
    }

    /// What may be sent; `None`: nobody said anything.
    pub fn most(&self) -> Option<u64> {
        [self.estimate, self.request, self.limit, self.lossy].into_iter().flatten().min()
    }
}

/// What one who shows is told.
#[derive(Debug, Default)]
pub struct Telling {
    viewers: Vec<(LegId, u64)>,
    /// When there was something to tell for the first time.
    since: Option<Instant>,
    told: Option<(u64, Instant)>,
}

impl Telling {
    /// A leg that sees takes so much.
    pub fn heed(&mut self, now: Instant, viewer: LegId, most: Option<u64>) {
        self.viewers.retain(|(known, _)| *known != viewer);
        if let Some(most) = most.filter(|_| self.viewers.len() < MAX_VIEWERS) {
            self.viewers.push((viewer, most));
            self.since.get_or_insert(now);
        }
    }

    /// Nobody sees from here on.
    pub fn forget(&mut self) {
        self.viewers.clear();
    }

    fn most(&self) -> Option<u64> {
        self.viewers.iter().map(|(_, most)| *most).min()
    }

    /// When it is to be told.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let most = self.most()?;
        let Some((told, at)) = self.told else { return self.since };
        let is_hasty = most < told - told / 256 * HASTE;
        Some(at + if is_hasty { LEAST_INTERVAL } else { INTERVAL })
    }

    /// What is to be told now.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let most = self.most().filter(|_| self.poll_timeout().is_some_and(|at| at <= now))?;
        self.told = Some((most, now));
        Some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AdapterId, LegMint};

    #[test]
    fn the_least_of_what_is_said_and_estimated_counts_and_noise_does_not() {
        let mut taking = Taking::default();
        assert_eq!(taking.most(), None);
        let mut most = |change: fn(&mut Taking)| {
            change(&mut taking);
            taking.most()
        };
        assert_eq!(most(|taking| taking.describe(Some(500))), Some(500_000));
        assert_eq!(most(|taking| taking.hear(900_000)), Some(500_000), "more than the description allows");
        assert_eq!(most(|taking| taking.hear(300_000)), Some(300_000));
        assert_eq!(most(|taking| taking.hear(0)), Some(LEAST));
        assert_eq!(most(|taking| taking.describe(None)), Some(LEAST));
        assert_eq!(most(|taking| taking.hear(u64::MAX)), Some(u64::MAX));
        let mut bound = |bits| (taking.hear_request(bits), taking.most());
        assert_eq!(bound(400_000), (400_000, Some(400_000)));
        assert_eq!(bound(1), (LEAST, Some(LEAST)));
        let mut taking = Taking::default();
        assert_eq!([Some(200_000), Some(200_000), None].map(|most| taking.lose(most)), [true, false, true]);
        taking.hear(500_000);
        taking.lose(Some(200_000));
        assert_eq!(taking.most(), Some(200_000));
    }

    #[test]
    fn the_one_who_shows_is_told_once_a_second_and_of_less_at_once_but_not_without_end() {
        let start = Instant::now();
        let mut mint = LegMint::heard(AdapterId(1));
        let (one, other) = (mint.mint(), mint.mint());
        let mut telling = Telling::default();
        assert_eq!((telling.poll_timeout(), telling.take(start)), (None, None));
        telling.heed(start, one, Some(1_000_000));
        assert_eq!((telling.take(start), telling.take(start)), (Some(1_000_000), None));
        telling.heed(start, other, Some(980_000));
        assert_eq!(telling.poll_timeout(), Some(start + INTERVAL), "hardly less");
        telling.heed(start, one, Some(500_000));
        assert_eq!(telling.poll_timeout(), Some(start + LEAST_INTERVAL));
        assert_eq!(telling.take(start + LEAST_INTERVAL), Some(500_000));
        telling.heed(start, one, Some(2_000_000));
        let next = start + LEAST_INTERVAL + INTERVAL;
        assert_eq!(telling.poll_timeout(), Some(next), "more can wait");
        assert_eq!(telling.take(next), Some(980_000));
        telling.forget();
        assert_eq!(telling.poll_timeout(), None);
    }
}
