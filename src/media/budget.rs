//! How much of a turn one peer may take, so that a storm from one cannot starve the others.

use std::time::Instant;

/// Datagrams that one leg may have handled in one turn of its shard. A picture comes in bursts of some dozens; the
/// turns of a busy shard are a millisecond apart. What is more stays in the leg's own socket, and is dropped from a
/// socket that it shares.
pub const LEG_BUDGET: u16 = 64;

/// What has been taken of the turn that began at `turn`.
#[derive(Debug, Clone, Copy)]
struct Account {
    turn: Instant,
    taken: u16,
    refused: u64,
}

impl Account {
    fn new(now: Instant) -> Account {
        Account { turn: now, taken: 0, refused: 0 }
    }

    /// The driver gives all datagrams of a turn the same time.
    fn take(&mut self, now: Instant, budget: u16) -> Verdict {
        if self.turn != now {
            (self.turn, self.taken) = (now, 0);
        }
        if self.taken < budget {
            self.taken += 1;
            return Verdict::Granted;
        }
        self.refused += 1;
        if self.refused == 1 { Verdict::RefusedFirst } else { Verdict::Refused }
    }
}

/// Whether a datagram is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Granted,
    /// It is not, and it is the first one ever: worth a word.
    RefusedFirst,
    /// It is not.
    Refused,
}

/// The accounts of the legs that share a socket, by their places in the shard.
#[derive(Debug, Default)]
pub struct Budgets {
    legs: Vec<Option<Account>>,
}

impl Budgets {
    /// A datagram of a leg, or a connectivity check that names it: those that name none cost next to nothing.
    pub fn take(&mut self, now: Instant, place: usize) -> Verdict {
        if self.legs.len() <= place {
            self.legs.resize(place + 1, None);
        }
        match self.legs.get_mut(place) {
            Some(account) => account.get_or_insert(Account::new(now)).take(now, LEG_BUDGET),
            None => Verdict::Refused,
        }
    }

    /// So many of a leg's datagrams, in all, never came in, because they were more than its socket holds; returns
    /// whether that is news.
    pub fn note_overflow(&mut self, now: Instant, place: usize, dropped: u64) -> bool {
        if self.legs.len() <= place {
            self.legs.resize(place + 1, None);
        }
        let Some(account) = self.legs.get_mut(place) else { return false };
        let account = account.get_or_insert(Account::new(now));
        let is_news = account.refused == 0 && dropped > 0;
        account.refused = account.refused.max(dropped);
        is_news
    }

    /// How many of a leg's datagrams were refused.
    pub fn refused(&self, place: usize) -> u64 {
        self.legs.get(place).copied().flatten().map_or(0, |account| account.refused)
    }

    /// The leg is gone.
    pub fn close(&mut self, place: usize) {
        if let Some(account) = self.legs.get_mut(place) {
            *account = None;
        }
    }
}
