//! Why packets of media are turned away, counted since the last that was taken: what a silence is explained by.

use std::fmt::Write;
use std::net::SocketAddr;

use super::seal::SealError;
use crate::rtp::SrtpError;

/// Why a packet of media is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from where the peer is not.
    Stranger(SocketAddr),
    /// It came before there were keys.
    Early,
    /// It cannot be opened with the key that was agreed on.
    Key,
    /// Its key has protected as many packets as it may.
    UsedUp,
    /// It came before, or is too old to tell.
    Replayed,
    /// Its payload type was not agreed on.
    PayloadType(u8),
    /// It is the first of a source on probation, or has another form.
    Other,
}

impl From<SealError> for Refusal {
    fn from(error: SealError) -> Refusal {
        match error {
            SealError::NotOpen => Refusal::Early,
            SealError::Srtp(SrtpError::Authentication) => Refusal::Key,
            SealError::Srtp(SrtpError::Exhausted) => Refusal::UsedUp,
            SealError::Srtp(SrtpError::Replayed) => Refusal::Replayed,
            SealError::Srtp(_) => Refusal::Other,
        }
    }
}

/// What was turned away since a packet was taken. Of strangers and of payload types the last is named.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// How many packets had been taken then.
    taken: u64,
    strangers: Option<(SocketAddr, u64)>,
    payload_types: Option<(u8, u64)>,
    early: u64,
    keys: u64,
    used_up: u64,
}

impl Refusals {
    /// Counts one; `taken`: packets that were taken up to now.
    pub fn count(&mut self, refusal: Refusal, taken: u64) {
        if taken != self.taken {
            *self = Refusals { taken, ..Refusals::default() };
        }
        match refusal {
            Refusal::Stranger(from) => self.strangers = Some((from, 1 + self.strangers.map_or(0, |s| s.1))),
            Refusal::PayloadType(number) => {
                self.payload_types = Some((number, 1 + self.payload_types.map_or(0, |p| p.1)));
            }
            Refusal::Early => self.early += 1,
            Refusal::Key => self.keys += 1,
            Refusal::UsedUp => self.used_up += 1,
            Refusal::Replayed | Refusal::Other => {}
        }
    }

    /// Clauses that begin with a semicolon, or nothing; `taken` as in [`Refusals::count`].
    pub fn words(&self, taken: u64) -> String {
        let mut words = String::new();
        if taken != self.taken {
            return words;
        }
        // Writing to a String cannot fail.
        if let Some((from, count)) = self.strangers {
            let _ = write!(words, "; {count} packets came from {from}, which was not described, and were dropped");
        }
        if let Some((number, count)) = self.payload_types {
            let _ = write!(words, "; {count} came with payload type {number}, which was not agreed on");
        }
        for (count, why) in [
            (self.early, "came before its keys were there"),
            (self.keys, "could not be opened with the SRTP key that was agreed on"),
            (self.used_up, "came under an SRTP key that has protected as many packets as it may"),
        ] {
            if count > 0 {
                let _ = write!(words, "; {count} {why}");
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_came_since_the_last_packet_that_was_taken() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.words(0), "");
        let from = SocketAddr::from(([198, 51, 100, 66], 9));
        (0..3).for_each(|_| refusals.count(Refusal::Stranger(from), 0));
        refusals.count(Refusal::Other, 0);
        assert_eq!(
            refusals.words(0),
            "; 3 packets came from 198.51.100.66:9, which was not described, and were dropped"
        );
        assert_eq!(refusals.words(1), "", "a packet was taken");
        refusals.count(Refusal::PayloadType(96), 1);
        refusals.count(Refusal::from(SealError::Srtp(SrtpError::Authentication)), 1);
        assert_eq!(
            refusals.words(1),
            "; 1 came with payload type 96, which was not agreed on; 1 could not be opened with the SRTP key that was \
             agreed on"
        );
    }
}
