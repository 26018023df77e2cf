//! Tables by numbers of our own. No peer chooses such a number, so none can fill one place of a table, and one
//! multiplication spreads them where `std`'s hasher takes a hundred steps.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by [`LegId`](super::LegId), [`CallId`](super::CallId) or another number that we count.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Spreads numbers that were counted. Never for what a peer can choose.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio: neighbours end up far apart. The upper half of the product brings what differs
        // in the upper bits of two numbers down to where a table looks.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;
    use crate::base::{AdapterId, LegMint};

    #[test]
    fn legs_of_both_ways_and_of_all_adapters_are_spread_over_a_table() {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let mints = (0..4).flat_map(|n| [LegMint::heard(AdapterId(n)), LegMint::said(AdapterId(n))]);
        let legs = mints.flat_map(|mut mint| std::iter::repeat_with(move || mint.mint()).take(512));
        let places: Vec<u64> = legs.map(|leg| hasher.hash_one(leg)).collect();
        // 4096 balls thrown at 4096 places hit 63 % of them.
        let low: HashSet<u64> = places.iter().map(|place| place % 4096).collect();
        assert!(low.len() > 4096 / 2, "{}", low.len());
        let high: HashSet<u64> = places.iter().map(|place| place >> 57).collect();
        assert_eq!(high.len(), 128, "the seven bits by which entries of one place are told apart");
    }
}
