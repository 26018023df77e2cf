//! How long to wait after a 491 (RFC 3261 §14.1).

use std::time::Duration;

use crate::base::Dice;

/// How often a change of ours may meet a change of the peer's before the call is told.
pub const GLARE_LIMIT: u32 = 30;

/// The wait before the change is tried again: 2.1 to 4 s in steps of 10 ms for the side that chose the
/// `Call-ID`, 0 to 2 s for the other, so that one comes first.
pub fn wait(owns_call_id: bool, dice: &mut Dice) -> Duration {
    let steps = if owns_call_id { 210 + dice.below(191) } else { dice.below(201) };
    Duration::from_millis(u64::from(steps) * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_call_id_waits_longer_than_the_other() {
        let mut dice = Dice::for_test(1);
        let mut extremes = [(u128::MAX, 0), (u128::MAX, 0)];
        for _ in 0..5000 {
            for owner in [false, true] {
                let ms = wait(owner, &mut dice).as_millis();
                assert_eq!(ms % 10, 0);
                let (low, high) = &mut extremes[usize::from(owner)];
                (*low, *high) = ((*low).min(ms), (*high).max(ms));
            }
        }
        assert_eq!(extremes, [(0, 2000), (2100, 4000)]);
    }
}
