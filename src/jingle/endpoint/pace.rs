//! How fast an account may begin calls.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use xmpp_parsers::jid::BareJid;

/// How many calls an account may begin in [`PACE_WINDOW`], whatever became of them: each of them may ring somebody.
pub const MAX_BEGUN: u32 = 30;
/// The time in which the calls of an account are counted.
pub const PACE_WINDOW: Duration = Duration::from_secs(60);
/// How many accounts are counted at once.
const MAX_WATCHED: usize = 4096;

/// Counts the calls that accounts begin.
#[derive(Debug, Default)]
pub struct Pace {
    begun: HashMap<BareJid, (u32, Instant)>,
}

impl Pace {
    /// An account begins a call. `false` if it has begun too many.
    pub fn begin(&mut self, now: Instant, account: &BareJid) -> bool {
        if self.begun.len() >= MAX_WATCHED && !self.begun.contains_key(account) {
            self.begun.retain(|_, (_, since)| now < *since + PACE_WINDOW);
            // Full of live entries: a flood of many accounts, against which counting by account is no help.
            if self.begun.len() >= MAX_WATCHED {
                self.begun.clear();
            }
        }
        let entry = self.begun.entry(account.clone()).or_insert((0, now));
        if now >= entry.1 + PACE_WINDOW {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(1);
        entry.0 <= MAX_BEGUN
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_of_a_flood_of_accounts_does_not_grow() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for n in 0..3 * MAX_WATCHED {
            assert!(pace.begin(now, &BareJid::new(&format!("a{n}@example.org")).unwrap()));
            assert!(pace.begun.len() <= MAX_WATCHED);
        }
    }

    #[test]
    fn an_account_that_is_still_counted_is_kept_when_others_are_forgotten() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let later = now + PACE_WINDOW;
        let fast = BareJid::new("romeo@montague.lit").unwrap();
        for n in 1..MAX_WATCHED {
            pace.begin(now, &BareJid::new(&format!("a{n}@example.org")).unwrap());
        }
        for _ in 0..MAX_BEGUN {
            assert!(pace.begin(later, &fast));
        }
        assert!(pace.begin(later, &BareJid::new("one@more.example").unwrap()));
        assert_eq!(pace.begun.len(), 2);
        assert!(!pace.begin(later, &fast));
    }
}
