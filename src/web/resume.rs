//! Tokens: to open a connection with after signing in, and to come back with.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::base::{Dice, Secret};

/// Tokens that are good once, each for what it stands for.
#[derive(Debug)]
pub struct Tokens<T> {
    limit: usize,
    known: HashMap<String, Entry<T>>,
    by_end: BTreeSet<(Instant, String)>,
}

#[derive(Debug)]
struct Entry<T> {
    means: T,
    until: Instant,
}

impl<T> Tokens<T> {
    /// A little under 190 bits of chance.
    const LENGTH: usize = 32;

    /// No tokens yet, and never more than `limit`.
    pub fn new(limit: usize) -> Tokens<T> {
        Tokens { limit, known: HashMap::new(), by_end: BTreeSet::new() }
    }

    /// A new token that is good until then; `None` if too many are out.
    pub fn mint(&mut self, now: Instant, until: Instant, means: T, dice: &mut Dice) -> Option<Secret> {
        self.forget_old(now);
        if self.known.len() >= self.limit {
            return None;
        }
        let token = dice.token(Self::LENGTH);
        self.by_end.insert((until, token.clone()));
        self.known.insert(token.clone(), Entry { means, until });
        Some(Secret::new(token))
    }

    /// What the token stands for; it is used up with that.
    pub fn redeem(&mut self, now: Instant, token: &str) -> Option<T> {
        let entry = self.known.remove(token)?;
        self.by_end.remove(&(entry.until, token.to_owned()));
        (entry.until > now).then_some(entry.means)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((until, token)) = self.by_end.first() {
            if *until > now {
                return;
            }
            self.known.remove(token);
            self.by_end.pop_first();
        }
    }
}
