//! How far a speaker is ahead of the clock by which it is heard.
//!
//! A program that speaks as it goes sends ten seconds of speech in ten seconds, by its own clock. If that is fast by 100 ppm,
//! 0.36 s more wait after an hour; if it is slow, the queue runs dry again and again. Both are seen by the least that waited
//! in each ten seconds:
//!
//! ```text
//!          SPARE                 at first        at first + GROWN
//!  dry ──────┼──────────────────────┼────────────────────┼─────▶ least that waits in ten seconds
//!     put in ◀┘                                          └▶ take out
//! ```
//!
//! A program that sends its sentences faster than they are said, and then nothing, is ahead because it wants to be, and is
//! left alone. So is one that began with a store for bad times: what is kept is what there was at first.

use super::WIDE_HZ;

/// So long one looks for what waits at the least: ten seconds, in samples.
const WINDOW: usize = 10 * WIDE_HZ as usize;

/// Whoever sent so much more or less than ten seconds in that time does not speak as it goes: a second.
const OUT_OF_STEP: usize = WIDE_HZ as usize;

/// Clocks do not change what waits by more than that within [`WINDOW`]: 100 ms.
const LEAP: usize = WIDE_HZ as usize / 10;

/// Less than that is too little: 30 ms. What comes just after a frame was taken, in place of just before, makes a whole frame
/// less.
pub const SPARE: usize = WIDE_HZ as usize / 100 * 3;

/// So much more than there was at first is too much: 80 ms.
pub const GROWN: usize = WIDE_HZ as usize / 25 * 2;

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A bit is to be put in.
    PutIn,
    /// A bit is to be taken out.
    TakeOut,
}

/// Watches what waits.
#[derive(Debug, Clone, Default)]
pub struct Lead {
    /// What was taken since the window began, in samples.
    taken: usize,
    /// What had been said when it began.
    said: u64,
    /// What waited at the least, in samples.
    least: Option<usize>,
    /// It ran dry in this window.
    was_dry: bool,
    /// The least of the window before, if the speaker was in step in it.
    before: Option<usize>,
    /// What there was at first.
    first: Option<usize>,
    step: Option<Step>,
}

impl Lead {
    /// So many samples were taken, so many wait on; so many were ever said. `is_dry`: there were not enough.
    pub fn note(&mut self, taken: usize, waits: usize, said: u64, is_dry: bool) {
        self.taken += taken;
        self.was_dry |= is_dry;
        self.least = Some(self.least.map_or(waits, |least| least.min(waits)));
        if self.taken >= WINDOW {
            self.judge(said);
        }
    }

    fn judge(&mut self, said: u64) {
        let came = usize::try_from(said.saturating_sub(self.said)).unwrap_or(usize::MAX);
        let is_in_step = !self.was_dry && came.abs_diff(self.taken) <= OUT_OF_STEP;
        let least = self.least.take().filter(|_| is_in_step);
        let steady = least.zip(self.before).filter(|(least, before)| least.abs_diff(*before) <= LEAP);
        self.step = None;
        match steady {
            Some((least, before)) => {
                let first = *self.first.get_or_insert(least.min(before));
                if least < SPARE {
                    self.step = Some(Step::PutIn);
                } else if least >= first + GROWN {
                    self.step = Some(Step::TakeOut);
                }
            }
            None => self.first = None,
        }
        (self.taken, self.said, self.was_dry, self.before) = (0, said, false, least);
    }

    /// What is to be done, until [`Lead::is_done`] says that it was.
    pub fn step(&self) -> Option<Step> {
        self.step
    }

    /// It was done: there is one step at most in each window, so that nobody is heard to hurry.
    pub fn is_done(&mut self) {
        self.step = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 320;

    /// What is to be done after some windows, in each of which so many samples wait and so many were said in all.
    fn after(windows: &[(usize, usize)]) -> Option<Step> {
        let (mut lead, mut said) = (Lead::default(), 0);
        for (waits, came) in windows {
            said += *came as u64;
            (0..WINDOW / FRAME).for_each(|_| lead.note(FRAME, *waits, said, false));
        }
        lead.step()
    }

    #[test]
    fn who_speaks_as_it_goes_is_kept_at_what_it_began_with() {
        let in_step = |waits| (waits, WINDOW);
        for first in [SPARE, 50 * SPARE] {
            let grown = first + GROWN;
            assert_eq!(after(&[in_step(first), in_step(first), in_step(grown - 1)]), None);
            assert_eq!(after(&[in_step(first), in_step(first), in_step(grown)]), Some(Step::TakeOut));
        }
        assert_eq!(after(&[in_step(SPARE), in_step(SPARE - 1)]), Some(Step::PutIn));
        assert_eq!(after(&[in_step(0)]), None, "it is not known yet");
    }

    #[test]
    fn who_sends_faster_than_it_is_heard_or_nothing_is_left_alone() {
        let far = 10 * GROWN;
        for came in [0, WINDOW - OUT_OF_STEP - 1, WINDOW + OUT_OF_STEP + 1, 5 * WINDOW] {
            assert_eq!(after(&[(SPARE, WINDOW), (SPARE, WINDOW), (SPARE + GROWN, came)]), None, "{came}");
        }
        assert_eq!(after(&[(SPARE, WINDOW), (SPARE, WINDOW), (far, WINDOW)]), None, "a leap");
    }

    #[test]
    fn a_queue_that_ran_dry_begins_anew_and_a_step_is_taken_once() {
        let mut lead = Lead::default();
        let window = |lead: &mut Lead, number: usize, waits, is_dry| {
            (0..WINDOW / FRAME).for_each(|_| lead.note(FRAME, waits, (number * WINDOW) as u64, is_dry));
        };
        (1..3).for_each(|number| window(&mut lead, number, 0, false));
        assert_eq!(lead.step(), Some(Step::PutIn));
        lead.is_done();
        assert_eq!(lead.step(), None);
        window(&mut lead, 3, 0, true);
        window(&mut lead, 4, 0, false);
        assert_eq!(lead.step(), None);
        window(&mut lead, 5, 0, false);
        assert_eq!(lead.step(), Some(Step::PutIn));
    }
}
