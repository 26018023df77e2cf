//! Chance for the cores: tags, branches, tokens and SSRCs.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A seeded, cryptographically strong generator. The driver seeds it from the system's entropy, a test from
/// a number, so that a core is a function of its inputs.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha12Rng);

impl Dice {
    /// A generator that gives the same sequence for the same seed.
    pub fn from_seed(seed: [u8; 32]) -> Dice {
        Dice(ChaCha12Rng::from_seed(seed))
    }

    /// A generator for tests.
    pub fn for_test(seed: u64) -> Dice {
        Dice(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Sixty-four random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Thirty-two random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `bound`, or 0 if `bound` is 0. The slight bias of the modulo does not matter to any
    /// use in the gateway (back-off, ports).
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { (self.u64() % u64::from(bound)) as u32 }
    }

    /// Draws one of several by their weights (RFC 2782): each as often as its weight says, those without any hardly ever,
    /// and where none has any all alike. Gives its place, 0 of none.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u16> + Clone) -> usize {
        let total: u32 = weights.clone().map(u32::from).sum();
        let unweighted = weights.clone().filter(|weight| *weight == 0).count();
        // RFC 2782 draws from 0 to the sum, so that those without weight have one chance among them.
        let chance = u32::from(unweighted > 0);
        let drawn = self.below(total.saturating_add(chance));
        if drawn >= total {
            let nth = self.below(u32::try_from(unweighted).unwrap_or(u32::MAX)) as usize;
            let mut places = weights.enumerate().filter(|(_, weight)| *weight == 0).map(|(at, _)| at);
            return places.nth(nth).unwrap_or(0);
        }
        let mut left = drawn;
        for (at, weight) in weights.enumerate() {
            let weight = u32::from(weight);
            if left < weight {
                return at;
            }
            left -= weight;
        }
        0
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// `length` characters of the alphabet `a-zA-Z0-9`, a little under six bits of chance each: legal as a
    /// SIP tag, an ICE ufrag and a URL component alike.
    pub fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..length).map(|_| char::from(ALPHABET[self.below(62) as usize])).collect()
    }

    /// A generator of its own for one part, so that two parts never share a sequence.
    pub fn split(&mut self) -> Dice {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Dice::from_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_weights_each_is_drawn_as_often_as_it_says_whatever_the_seed() {
        const DRAWS: u32 = 20_000;
        let cases: [&[u16]; 7] =
            [&[1, 1], &[90, 10], &[10, 90], &[1, 2, 3, 4], &[65_535, 65_535], &[0, 0, 0], &[0, 50, 0, 50]];
        for (seed, weights) in cases.into_iter().enumerate() {
            let mut dice = Dice::for_test(seed as u64);
            let mut drawn = vec![0u32; weights.len()];
            for _ in 0..DRAWS {
                drawn[dice.weighted(weights.iter().copied())] += 1;
            }
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            let none = weights.iter().filter(|w| **w == 0).count() as f64;
            for (at, weight) in weights.iter().enumerate() {
                let whole = total + if none > 0.0 { 1.0 } else { 0.0 };
                let share = if *weight == 0 { 1.0 / none / whole } else { f64::from(*weight) / whole };
                let expected = share * f64::from(DRAWS);
                // Five standard deviations.
                let room = 5.0 * (expected * (1.0 - share)).sqrt() + 1.0;
                assert!((f64::from(drawn[at]) - expected).abs() < room, "{weights:?}: {drawn:?}");
            }
        }
        assert_eq!(Dice::for_test(1).weighted(std::iter::empty()), 0);
    }
}
