//! Temporary GRUUs (RFC 5627 §3.2): addresses of one device that say nothing of whose it is.
//!
//! Nothing is kept of them, however many are given out: each carries the number of its registration, hidden and sealed
//! with a key of this run (appendix A.2). When the registration's number is gone, none of its addresses leads anywhere.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::Dice;

/// What the user part of each begins with.
const MARK: &str = "tgruu.";
/// Octets of each of the three parts: chance, the hidden number, the seal.
const PART: usize = 8;

/// Makes and reads them.
pub struct Aliases {
    key: [u8; 32],
}

impl std::fmt::Debug for Aliases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aliases").finish_non_exhaustive()
    }
}

impl Aliases {
    /// With a key of its own: addresses of an earlier run lead nowhere.
    pub fn new(dice: &mut Dice) -> Aliases {
        let mut key = [0; 32];
        dice.fill(&mut key);
        Aliases { key }
    }

    /// A user part for the registration of that number, another one each time.
    pub fn write(&self, number: u64, dice: &mut Dice) -> String {
        let salt = dice.u64();
        format!("{MARK}{salt:016x}{:016x}{:016x}", number ^ self.mask(salt), self.seal(salt, number))
    }

    /// The number of the registration that a user part stands for; `None` if it is not one of ours.
    pub fn read(&self, user: &str) -> Option<u64> {
        let parts = user.strip_prefix(MARK).filter(|hex| hex.len() == 6 * PART)?;
        let part = |at: usize| u64::from_str_radix(parts.get(2 * PART * at..2 * PART * (at + 1))?, 16).ok();
        let (salt, hidden, seal) = (part(0)?, part(1)?, part(2)?);
        let number = hidden ^ self.mask(salt);
        (self.seal(salt, number) == seal).then_some(number)
    }

    /// Whether a user part means to be one.
    pub fn is_one(user: &str) -> bool {
        user.starts_with(MARK)
    }

    fn mask(&self, salt: u64) -> u64 {
        self.hash(&[b"mask", &salt.to_be_bytes()])
    }

    fn seal(&self, salt: u64, number: u64) -> u64 {
        self.hash(&[b"seal", &salt.to_be_bytes(), &number.to_be_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        // A key of any length is good for HMAC, so this does not fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return 0 };
        for part in parts {
            mac.update(part);
        }
        let mut first = [0; PART];
        first.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        u64::from_be_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_read_by_whoever_wrote_it_and_no_two_are_alike() {
        let mut dice = Dice::for_test(1);
        let (ours, others) = (Aliases::new(&mut dice), Aliases::new(&mut dice));
        let mut seen = std::collections::HashSet::new();
        for number in (0..50).flat_map(|n| [n, n]) {
            let alias = ours.write(number, &mut dice);
            assert_eq!((ours.read(&alias), others.read(&alias)), (Some(number), None));
            assert!(Aliases::is_one(&alias) && seen.insert(alias));
        }
    }

    #[test]
    fn no_digit_of_an_alias_can_be_changed() {
        let mut dice = Dice::for_test(2);
        let aliases = Aliases::new(&mut dice);
        let alias = aliases.write(7, &mut dice);
        for at in MARK.len()..alias.len() {
            let mut other: Vec<char> = alias.chars().collect();
            other[at] = if other[at] == '0' { '1' } else { '0' };
            assert_eq!(aliases.read(&other.iter().collect::<String>()), None, "{at}");
        }
        for nonsense in ["alice", "tgruu.", "tgruu.zz", &alias[..alias.len() - 1], &format!("{alias}0")] {
            assert_eq!(aliases.read(nonsense), None, "{nonsense}");
        }
    }
}
