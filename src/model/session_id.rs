//! The name that a call has on all its legs and in all systems on its way (RFC 7989).

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::base::{Dice, LegId};

/// One half of the name of a call, which stands for one of its parties: a UUID (RFC 7989 §5). It is random, or made from a
/// random one, and says nothing of the party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionUuid(NonZeroU128);

/// What is no half of a name: neither 32 hexadecimal digits nor anything but zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no UUID of 32 hexadecimal digits")]
pub struct NoUuid;

/// The whole name of a call, as one of its parties sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionIds {
    /// The half of the party itself.
    pub own: Option<SessionUuid>,
    /// That of the party at the other end, once there is one.
    pub peer: Option<SessionUuid>,
}

impl SessionUuid {
    /// A new one (RFC 4122 §4.4, version 4).
    pub fn random(dice: &mut Dice) -> SessionUuid {
        let mut bytes = [0; 16];
        dice.fill(&mut bytes);
        SessionUuid::with_version(bytes, 4)
    }

    /// One for a party that has none of its own, in a call of this name (RFC 4122 §4.3, version 5): the same each time.
    pub fn of_leg(self, leg: LegId) -> SessionUuid {
        let mut hash = Sha1::new();
        hash.update(self.0.get().to_be_bytes());
        hash.update(leg.to_string());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        SessionUuid::with_version(bytes, 5)
    }

    fn with_version(bytes: [u8; 16], version: u128) -> SessionUuid {
        let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62);
        // The variant alone makes it another number than zero.
        let bits = bits | (version << 76) | (0b10 << 62);
        SessionUuid(NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN))
    }
}

impl fmt::Display for SessionUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut rest = self.0.get();
        let mut digits = [0; 32];
        for digit in digits.iter_mut().rev() {
            *digit = HEX[(rest & 15) as usize];
            rest >>= 4;
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl FromStr for SessionUuid {
    type Err = NoUuid;

    fn from_str(text: &str) -> Result<SessionUuid, NoUuid> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NoUuid);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NoUuid)?;
        NonZeroU128::new(number).map(SessionUuid).ok_or(NoUuid)
    }
}

impl TryFrom<String> for SessionUuid {
    type Error = NoUuid;

    fn try_from(text: String) -> Result<SessionUuid, NoUuid> {
        text.parse()
    }
}

impl From<SessionUuid> for String {
    fn from(half: SessionUuid) -> String {
        half.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AdapterId, LegMint};

    #[test]
    fn halves_of_names_are_uuids_of_their_version_and_read_back() {
        let mut dice = Dice::for_test(7989);
        let mut mint = LegMint::said(AdapterId(1));
        for _ in 0..100 {
            let random = SessionUuid::random(&mut dice);
            let leg = mint.mint();
            let made = random.of_leg(leg);
            assert_eq!(made, random.of_leg(leg));
            assert_ne!(made, random.of_leg(mint.mint()));
            for (half, version) in [(random, "4"), (made, "5")] {
                let text = half.to_string();
                assert_eq!(&text[12..13], version, "{text}");
                assert!("89ab".contains(&text[16..17]), "{text}");
                assert_eq!(text.parse(), Ok(half));
                assert_eq!(text.to_uppercase().parse(), Ok(half));
            }
        }
        for text in ["", "0", &"0".repeat(32), &"g".repeat(32), &"1".repeat(31), "+1111111111111111111111111111111"] {
            assert_eq!(text.parse::<SessionUuid>(), Err(NoUuid), "{text}");
        }
    }
}
