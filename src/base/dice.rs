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
