//! A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4), on every transport.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::sip::transaction::{Backoff, Timers};

/// The 2xx that waits for its ACK.
#[derive(Debug)]
pub struct Unacknowledged {
    /// The number of the INVITE, which the ACK repeats.
    pub cseq: u32,
    response: Bytes,
    repeat: Backoff,
    give_up_at: Instant,
    longest_wait: Duration,
    times: u32,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Send the 2xx again.
    Repeat(Bytes),
    /// Nobody acknowledged for 64 T1: end the session.
    GiveUp {
        /// How often the 2xx was sent.
        times: u32,
    },
}

impl Unacknowledged {
    /// The 2xx was sent for the first time.
    pub fn new(now: Instant, cseq: u32, response: Bytes, timers: &Timers) -> Unacknowledged {
        Unacknowledged {
            cseq,
            response,
            repeat: Backoff::start(now, timers.t1),
            give_up_at: now + timers.patience(),
            longest_wait: timers.t2,
            times: 1,
        }
    }

    /// When [`Unacknowledged::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        self.repeat.at.min(self.give_up_at)
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if self.give_up_at <= now {
            return Some(Due::GiveUp { times: self.times });
        }
        if self.repeat.at > now {
            return None;
        }
        self.repeat = self.repeat.next(self.longest_wait);
        self.times += 1;
        Some(Due::Repeat(self.response.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_2xx_is_repeated_with_waits_up_to_t2_and_given_up_after_32_seconds() {
        let start = Instant::now();
        let mut waiting = Unacknowledged::new(start, 1, Bytes::from_static(b"200"), &Timers::default());
        let mut at_ms = Vec::new();
        loop {
            let at = waiting.poll_timeout();
            match waiting.handle_timeout(at) {
                Some(Due::Repeat(_)) => at_ms.push((at - start).as_millis()),
                Some(Due::GiveUp { times }) => {
                    assert_eq!((at - start).as_millis(), 32_000);
                    assert_eq!(times, 11);
                    break;
                }
                None => unreachable!("a deadline that does nothing"),
            }
        }
        assert_eq!(at_ms, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    }
}
