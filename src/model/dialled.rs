//! What is keyed in after a call was answered: the number of a room and its PIN.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Address;

/// The most keys and pauses after a number.
pub const KEYS_LIMIT: usize = 64;

/// How long a `,` waits.
pub const PAUSE: Duration = Duration::from_secs(2);

/// Keys to be pressed once the call is answered. It never prints itself: a PIN is a secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Keys(Vec<Key>);

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Waits for [`PAUSE`].
    Pause,
    /// One of `0-9*#A-D`.
    Digit(char),
}

/// The text is no row of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not keys: write up to 64 of 0-9 * # A-D, and a comma for a pause of two seconds")]
pub struct NoKeys;

impl Keys {
    /// In the order in which they are pressed.
    pub fn iter(&self) -> impl Iterator<Item = Key> + '_ {
        self.0.iter().copied()
    }

    /// Whether there is nothing to press.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the keys off what a person dialled: `600,,1234#` is `600`, then two pauses and five keys. What has no
    /// comma, or no keys behind it, is dialled as it is.
    pub fn split(dialled: &str) -> (&str, Keys) {
        let (number, rest) = dialled.split_at(dialled.find(',').unwrap_or(dialled.len()));
        match rest.parse() {
            Ok(keys) if !number.is_empty() => (number, keys),
            _ => (dialled, Keys::default()),
        }
    }

    /// The same of an address whose user part has them.
    pub fn take_off(to: &mut Address) -> Keys {
        let (user, keys) = Keys::split(&to.user);
        let length = user.len();
        to.user.truncate(length);
        keys
    }
}

impl FromStr for Keys {
    type Err = NoKeys;

    fn from_str(text: &str) -> Result<Keys, NoKeys> {
        let key = |c: char| match c {
            ',' => Ok(Key::Pause),
            '0'..='9' | '*' | '#' | 'A'..='D' => Ok(Key::Digit(c)),
            'a'..='d' => Ok(Key::Digit(c.to_ascii_uppercase())),
            _ => Err(NoKeys),
        };
        if text.len() > KEYS_LIMIT {
            return Err(NoKeys);
        }
        text.chars().map(key).collect::<Result<_, _>>().map(Keys)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("no keys") } else { f.write_str("keys (hidden)") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_behind_a_room_is_taken_off_and_never_printed() {
        let (room, keys) = Keys::split("600,,12a#");
        let heard: Vec<Option<char>> =
            keys.iter().map(|k| if let Key::Digit(d) = k { Some(d) } else { None }).collect();
        assert_eq!((room, heard), ("600", vec![None, None, Some('1'), Some('2'), Some('A'), Some('#')]));
        assert_eq!(format!("{keys:?}"), "keys (hidden)");
    }

    #[test]
    fn what_has_no_keys_is_dialled_as_it_is() {
        for plain in ["600", "alice", ",,12", "Smith, John", ""] {
            assert_eq!(Keys::split(plain), (plain, Keys::default()), "{plain:?}");
        }
        assert_eq!("1".repeat(KEYS_LIMIT + 1).parse::<Keys>(), Err(NoKeys));
    }
}
