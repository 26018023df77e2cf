//! How much earlier than they are needed packets come, and what follows for the delay.
//!
//! ```text
//!              LEAST   SPARE          AMPLE           MOST
//!  too late ─────┼───────┼──────────────┼───────────────┼─────▶ least time by which packets were early
//!    lengthen ◀──┘       │              └◀── shorten ───┘
//!    in a pause ◀────────┘
//! ```
//!
//! A sender's clock that is off by 100 ppm moves this by 6 ms a minute, so it leaves the band about every four minutes, and
//! is put back into it. A slow one goes from `SPARE` to `LEAST` in nearly a minute (300 ppm: 17 s), in which there is a pause
//! in any talk; only after that a place within a word has to do.

use std::time::Duration;

/// So many packets are watched before the delay becomes shorter; one that is nearly late is enough to make it longer.
pub const WATCHED: u32 = 100;

/// So many after it has become longer by a little: is it enough?
const WATCHED_AGAIN: u32 = 10;

/// Less than that is too little: the next packet that is a bit later than the others would be missed.
pub const LEAST: Duration = Duration::from_millis(5);

/// Less than that is not much: if there is a pause, the delay had better be longer.
pub const SPARE: Duration = Duration::from_millis(10);

/// More than that, all the time, is more delay than is needed.
pub const MOST: Duration = Duration::from_millis(40);

/// What is left of it then.
pub const AMPLE: Duration = Duration::from_millis(25);

/// A change smaller than that is none.
const WORTH: Duration = Duration::from_micros(2500);

/// What is to be done about the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Nothing.
    Stay,
    /// It should be a bit longer, if nobody hears the change.
    MayLengthen,
    /// It should be a bit longer.
    Lengthen,
    /// It may be shorter.
    Shorten,
}

/// The least time by which the last packets were early.
#[derive(Debug, Clone, Default)]
pub struct Slack {
    least: Option<Duration>,
    watched: u32,
    /// By so much the delay may be shorter; zero: it may not.
    excess: Duration,
    /// The delay was made longer, and it is not known yet whether by enough.
    has_lengthened: bool,
}

impl Slack {
    /// A packet came so much earlier than it was needed.
    pub fn note(&mut self, early: Duration) {
        if !self.excess.is_zero() {
            return self.has_excess(self.excess.min(early.saturating_sub(AMPLE)));
        }
        let least = self.least.map_or(early, |least| least.min(early));
        self.least = Some(least);
        self.watched += 1;
        let is_known = self.watched >= if self.has_lengthened { WATCHED_AGAIN } else { WATCHED };
        if is_known && least >= LEAST {
            self.watch_anew();
            if least >= MOST {
                self.excess = least - AMPLE;
            }
        }
    }

    /// What the packets since the last change say.
    pub fn advice(&self) -> Advice {
        match self.least {
            _ if !self.excess.is_zero() => Advice::Shorten,
            Some(least) if least < LEAST => Advice::Lengthen,
            Some(least) if least < SPARE => Advice::MayLengthen,
            _ => Advice::Stay,
        }
    }

    /// Whether the delay is about to be changed, or was and it is not known yet whether by enough.
    pub fn is_unsettled(&self) -> bool {
        self.has_lengthened || matches!(self.advice(), Advice::Lengthen | Advice::Shorten)
    }

    /// The delay has become shorter by so much.
    pub fn has_shortened(&mut self, by: Duration) {
        self.has_excess(self.excess.saturating_sub(by));
    }

    fn has_excess(&mut self, excess: Duration) {
        self.excess = excess;
        if excess < WORTH {
            self.watch_anew();
        }
    }

    /// The delay has become a bit longer.
    pub fn has_lengthened(&mut self) {
        *self = Slack { has_lengthened: true, ..Slack::default() };
    }

    /// All that was seen counts no more.
    pub fn watch_anew(&mut self) {
        *self = Slack::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(early: impl Iterator<Item = u64>) -> Slack {
        let mut slack = Slack::default();
        early.for_each(|early| slack.note(Duration::from_millis(early)));
        slack
    }

    #[test]
    fn what_is_early_enough_and_not_too_early_changes_nothing() {
        for early in [10, 20, 39] {
            assert_eq!(after((0..1000).map(|n| early + n % 70)).advice(), Advice::Stay);
        }
    }

    #[test]
    fn one_packet_that_is_nearly_late_is_enough_to_wait_longer_and_one_in_time_to_wait_no_shorter() {
        let all_but_one = |usual, once| move |n| if n == 7 { once } else { usual };
        assert_eq!(after((0..8).map(all_but_one(80, 4))).advice(), Advice::Lengthen);
        assert_eq!(after((0..8).map(all_but_one(80, 9))).advice(), Advice::MayLengthen);
        assert_eq!(after((0..100).map(all_but_one(80, 30))).advice(), Advice::Stay);
        assert_eq!(after((0..99).map(|_| 80)).advice(), Advice::Stay, "it is not known yet");
        assert_eq!(after((0..100).map(|_| 80)).advice(), Advice::Shorten);
    }

    #[test]
    fn what_may_be_longer_stays_as_it_is_once_all_packets_are_early_enough_again() {
        let mut slack = after((0..100).map(|n| if n == 7 { 8 } else { 20 }));
        assert_eq!(slack.advice(), Advice::Stay);
        slack.note(Duration::from_millis(20));
        assert_eq!(slack.advice(), Advice::Stay);
    }

    #[test]
    fn the_delay_becomes_shorter_until_what_is_left_is_ample() {
        let mut slack = after((0..100).map(|_| 60));
        for (by, then) in [(15, Advice::Shorten), (15, Advice::Shorten), (5, Advice::Stay)] {
            assert_eq!(slack.advice(), Advice::Shorten);
            slack.has_shortened(Duration::from_millis(by));
            assert_eq!(slack.advice(), then);
        }
    }

    #[test]
    fn a_packet_that_is_less_early_ends_what_is_taken_away() {
        let mut slack = after((0..100).map(|_| 60));
        slack.has_shortened(Duration::from_millis(5));
        slack.note(Duration::from_millis(80));
        assert_eq!(slack.advice(), Advice::Shorten);
        slack.note(Duration::from_millis(26));
        assert_eq!(slack.advice(), Advice::Stay);
    }

    #[test]
    fn a_longer_delay_is_soon_judged_again() {
        let mut slack = after((0..100).map(|_| 2));
        slack.has_lengthened();
        assert!(slack.advice() == Advice::Stay && slack.is_unsettled());
        slack.note(Duration::from_millis(4));
        assert_eq!(slack.advice(), Advice::Lengthen);
        slack.has_lengthened();
        (0..10).for_each(|_| slack.note(Duration::from_millis(22)));
        assert!(slack.advice() == Advice::Stay && !slack.is_unsettled());
    }
}
