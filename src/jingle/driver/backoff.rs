//! How long to wait before the next attempt.

use std::time::Duration;

use super::Pace;
use super::fault::Fault;
use crate::base::Dice;

/// Exponential back-off with jitter, so that the clients of a server that was down do not all come at once.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    steady: Duration,
    failures: u32,
}

impl Backoff {
    /// Nothing has failed yet.
    pub fn new(pace: &Pace) -> Backoff {
        Backoff { first: pace.first_wait, most: pace.most_wait, steady: pace.steady, failures: 0 }
    }

    /// A stream has ended that was up for so long.
    pub fn lived(&mut self, long: Duration) {
        if long >= self.steady {
            self.failures = 0;
        }
    }

    /// How long to wait after this: between half and the whole of a time that doubles up to its limit. Where only a
    /// person can help, it is the limit at once.
    pub fn after(&mut self, fault: &Fault, dice: &mut Dice) -> Duration {
        if fault.is_stubborn() {
            return self.most;
        }
        let whole = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let jitter = u32::try_from(half.as_millis()).unwrap_or(u32::MAX);
        half + Duration::from_millis(dice.below(jitter.saturating_add(1)).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pace() -> Pace {
        Pace::default()
    }

    #[test]
    fn waits_double_up_to_a_limit_and_never_fall_below_half() {
        let (mut backoff, mut dice) = (Backoff::new(&pace()), Dice::for_test(7));
        for whole in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.after(&Fault::Closed, &mut dice);
            let whole = Duration::from_secs(whole);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
    }

    #[test]
    fn a_stream_that_lived_begins_anew_and_one_that_did_not_does_not() {
        let (mut backoff, mut dice) = (Backoff::new(&pace()), Dice::for_test(7));
        for _ in 0..6 {
            backoff.after(&Fault::Closed, &mut dice);
        }
        backoff.lived(Duration::from_secs(1));
        assert!(backoff.after(&Fault::Closed, &mut dice) >= Duration::from_secs(30));
        backoff.lived(Duration::from_secs(3600));
        assert!(backoff.after(&Fault::Closed, &mut dice) <= Duration::from_secs(1));
    }

    #[test]
    fn a_wrong_secret_is_not_tried_again_soon() {
        let (mut backoff, mut dice) = (Backoff::new(&pace()), Dice::for_test(7));
        assert_eq!(backoff.after(&Fault::Refused("not-authorized".into()), &mut dice), pace().most_wait);
    }
}
