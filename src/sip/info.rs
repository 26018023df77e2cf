//! Keys of a keypad in INFO requests: nobody's standard and everybody's practice.
//!
//! | type | body | who |
//! | --- | --- | --- |
//! | `application/dtmf-relay` | `Signal=5`, `Duration=160` in milliseconds | Cisco, and after it everybody |
//! | `application/dtmf` | the bare key, `5` | older gateways |
//! | `application/vnd.nortelnetworks.digits` | `p=Digit-Collection`, `y=Digits`, `d=5` | Nortel |
//!
//! The key may be the number of its event instead (RFC 4733 §3.2: 10 is `*`, 11 `#`, 12 to 15 `A` to `D`), and a hook
//! flash 16, `hf` or `!`.

use std::time::Duration;

use super::message::Headers;
use crate::model::Dtmf;

/// What we take in an INFO.
pub const ACCEPT: &str = "application/dtmf-relay, application/dtmf, application/media_control+xml";
/// The type of the first form.
pub const RELAY: &str = "application/dtmf-relay";
/// The type of the bare key.
pub const BARE: &str = "application/dtmf";

const NORTEL: &str = "application/vnd.nortelnetworks.digits";
/// How long a key is held of which nothing else is said.
const USUAL: Duration = Duration::from_millis(160);
/// The longest that a key is believed to be held.
const LONGEST: Duration = Duration::from_secs(10);
/// Octets of a body that are looked at.
const MOST_OCTETS: usize = 512;

/// What an INFO says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Info {
    /// A key was pressed.
    Digit(Dtmf),
    /// The hook was flashed: a word for exchanges, which nothing follows from here.
    Flash,
    /// The type is one of keys, and the body names none.
    Garbled,
    /// Another type.
    Foreign,
}

/// Reads the body of an INFO.
pub fn read(headers: &Headers, body: &[u8]) -> Info {
    let Ok(Some(content)) = headers.content_type() else { return Info::Foreign };
    let media_type = content.media_type.to_ascii_lowercase();
    if ![RELAY, BARE, NORTEL].contains(&media_type.as_str()) {
        return Info::Foreign;
    }
    let text = String::from_utf8_lossy(body.get(..MOST_OCTETS).unwrap_or(body));
    let field = |names: [&str; 2]| {
        let fields = text.split(['\r', '\n']).filter_map(|line| line.split_once(['=', ':']));
        let is_wanted = |name: &str| names.iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted));
        fields.into_iter().find(|(name, _)| is_wanted(name)).map(|(_, value)| value.trim())
    };
    let key = match field(["Signal", "d"]) {
        Some(key) => key,
        None if media_type == BARE => text.trim(),
        None => return Info::Garbled,
    };
    let duration = field(["Duration", "Duration"]).and_then(|ms| ms.parse::<u64>().ok()).filter(|ms| *ms > 0);
    let duration = duration.map_or(USUAL, |ms| Duration::from_millis(ms).min(LONGEST));
    match (key_of(key), is_flash(key)) {
        (Some(digit), _) => Info::Digit(Dtmf { digit, duration }),
        (None, true) => Info::Flash,
        (None, false) => Info::Garbled,
    }
}

fn key_of(text: &str) -> Option<char> {
    const KEYS: &str = "0123456789*#ABCD";
    let text = text.trim_matches('"');
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Some(one.to_ascii_uppercase()).filter(|key| KEYS.contains(*key)),
        _ if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) => KEYS.chars().nth(text.parse().ok()?),
        _ => None,
    }
}

fn is_flash(text: &str) -> bool {
    ["16", "hf", "!", "flash", "hookflash"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The body that tells of a key, in the type [`RELAY`].
pub fn relay(dtmf: Dtmf) -> String {
    format!("Signal={}\r\nDuration={}\r\n", dtmf.digit, dtmf.duration.min(LONGEST).as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::{Header, Name};

    fn heard(media_type: &str, body: &str) -> Info {
        let headers: Headers = [Header::new(Name::ContentType, media_type)].into_iter().collect();
        read(&headers, body.as_bytes())
    }

    fn digit(digit: char, ms: u64) -> Info {
        Info::Digit(Dtmf { digit, duration: Duration::from_millis(ms) })
    }

    #[test]
    fn a_key_is_read_in_every_form_that_is_seen_in_the_wild() {
        for (who, body, expected) in [
            ("Cisco", "Signal= 5\r\nDuration= 250\r\n", digit('5', 250)),
            ("Asterisk", "Signal=*\r\nDuration=100\r\n", digit('*', 100)),
            ("FreeSWITCH", "Signal=#\r\nDuration=250\r\n", digit('#', 250)),
            ("baresip", "Signal=7\r\nDuration=250\r\n", digit('7', 250)),
            ("the number of an event", "Signal=10\r\nDuration=160", digit('*', 160)),
            ("the number of an event", "Signal=11\nDuration=160\n", digit('#', 160)),
            ("the number of a letter", "Signal=12", digit('A', 160)),
            ("a small letter", "Signal=d\r\nDuration=90", digit('D', 90)),
            ("small names, the other order", "duration=80\r\nsignal=0\r\n\r\n", digit('0', 80)),
            ("colons", "Signal: 3\r\nDuration: 120", digit('3', 120)),
            ("quotes", "Signal=\"4\"\r\nDuration=120", digit('4', 120)),
            ("no duration", "Signal=9\r\n", digit('9', 160)),
            ("an empty duration", "Signal=9\r\nDuration=\r\n", digit('9', 160)),
            ("no time at all", "Signal=9\r\nDuration=0\r\n", digit('9', 160)),
            ("a whole day", "Signal=9\r\nDuration=86400000\r\n", digit('9', 10_000)),
            ("a flash", "Signal=hf\r\nDuration=300\r\n", Info::Flash),
            ("a flash", "Signal=16\r\n", Info::Flash),
            ("a flash of Asterisk", "Signal=!\r\n", Info::Flash),
            ("no key", "Signal=17\r\n", Info::Garbled),
            ("two keys", "Signal=55\r\n", Info::Garbled),
            ("a key with a sign", "Signal=+5\r\n", Info::Garbled),
            ("nothing", "Signal=\r\n", Info::Garbled),
            ("another word", "Key=5\r\n", Info::Garbled),
        ] {
            assert_eq!(heard("application/dtmf-relay", body), expected, "{who}: {body:?}");
        }
        for (body, expected) in [("5", digit('5', 160)), ("#\r\n", digit('#', 160)), ("11", digit('#', 160))] {
            assert_eq!(heard("application/dtmf", body), expected, "{body:?}");
            assert_eq!(heard("Application/DTMF;charset=us-ascii", body), expected, "{body:?}");
        }
        assert_eq!(heard("application/dtmf", "Signal=2\r\nDuration=70\r\n"), digit('2', 70));
        assert_eq!(heard("application/dtmf", "five"), Info::Garbled);
        let nortel = "p=Digit-Collection\r\ny=Digits\r\ns=success\r\nu=12345678\r\ni=87654321\r\nv=0\r\nd=8\r\n";
        assert_eq!(heard("application/vnd.nortelnetworks.digits", nortel), digit('8', 160));
        assert_eq!(heard("application/media_control+xml", "<x/>"), Info::Foreign);
        assert_eq!(read(&Headers::default(), b"Signal=5"), Info::Foreign);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for digit in "0123456789*#ABCD".chars() {
            let dtmf = Dtmf { digit, duration: Duration::from_millis(137) };
            assert_eq!(heard(RELAY, &relay(dtmf)), Info::Digit(dtmf));
            assert_eq!(heard(BARE, &digit.to_string()), Info::Digit(Dtmf { duration: USUAL, ..dtmf }));
        }
    }
}
