//! Keypad events in RTP (RFC 4733).

/// Bytes of a telephone-event payload.
pub const PAYLOAD: usize = 4;

/// Times that the last packet of an event is sent (RFC 4733 §2.5.1.4).
pub const END_PACKETS: u8 = 3;

/// The payload of one packet of an event (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0 to 9, 10 `*`, 11 `#`, 12 to 15 `A` to `D`, 16 flash.
    pub code: u8,
    /// The event has ended.
    pub end: bool,
    /// Loudness in dB below zero: 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in units of the clock.
    pub duration: u16,
}

impl Event {
    /// Reads a payload. Packets with several events (RFC 4733 §2.5.1.5) give the first.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let [code, flags, high, low] = *payload.first_chunk::<PAYLOAD>()?;
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) })
    }

    /// The payload.
    pub fn to_bytes(self) -> [u8; PAYLOAD] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }

    /// The key, if the event is one.
    pub fn digit(self) -> Option<char> {
        "0123456789*#ABCD".chars().nth(usize::from(self.code))
    }
}

/// The event code of a key.
pub fn code_of(digit: char) -> Option<u8> {
    let index = "0123456789*#ABCD".chars().position(|d| d == digit.to_ascii_uppercase())?;
    u8::try_from(index).ok()
}
