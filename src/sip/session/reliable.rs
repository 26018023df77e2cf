//! Provisional responses that must arrive (RFC 3262 §3): one at a time, each repeated until its PRACK comes.
//!
//! ```text
//!          push                       PRACK
//!   Idle ───────▶ Out, repeated ─────────────▶ Idle, or the next that waits
//!                   │ 64 T1
//!                   └──▶ given up: the INVITE fails
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::base::Dice;
use crate::sip::message::{Header, Method, Name, RAck, Response};
use crate::sip::transaction::{Backoff, Timers};

/// Responses that wait for the PRACK of those before them; more are left out.
pub const WAITING_LIMIT: usize = 8;
/// The option tag.
pub const OPTION: &str = "100rel";

/// The provisional responses to one INVITE whose caller insists on their arrival.
#[derive(Debug)]
pub struct Reliable {
    /// The number of the next one.
    next: u32,
    out: Option<Out>,
    waiting: VecDeque<Response>,
}

#[derive(Debug)]
struct Out {
    rseq: u32,
    bytes: Bytes,
    is_described: bool,
    repeat: Backoff,
    give_up_at: Instant,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Send the response again.
    Repeat(Bytes),
    /// Nobody acknowledged it for 64 T1: the INVITE fails.
    GiveUp,
}

impl Reliable {
    /// Before the first. Its number is chosen by chance, and leaves room for those after it (RFC 3262 §3).
    pub fn new(dice: &mut Dice) -> Reliable {
        Reliable { next: 1 + dice.u32() / 4, out: None, waiting: VecDeque::new() }
    }

    /// A response is to be sent when its turn comes.
    pub fn push(&mut self, response: Response) {
        if self.waiting.len() < WAITING_LIMIT {
            self.waiting.push_back(response);
        }
    }

    /// The response whose turn it is, with its number; [`Reliable::sent`] follows.
    pub fn turn(&mut self) -> Option<Response> {
        if self.out.is_some() {
            return None;
        }
        let response = self.waiting.pop_front()?;
        Some(response.with(Header::new(Name::Require, OPTION)).with(Header::of(Name::RSeq, self.next)))
    }

    /// The response of [`Reliable::turn`] is sent.
    pub fn sent(&mut self, now: Instant, bytes: Bytes, is_described: bool, timers: &Timers) {
        let repeat = Backoff::start(now, timers.t1);
        self.out = Some(Out { rseq: self.next, bytes, is_described, repeat, give_up_at: now + timers.patience() });
        self.next += 1;
    }

    /// A PRACK came to the INVITE of that number. Gives whether the response that it is for has a description; `None`
    /// if it is for none that waits (RFC 3262 §3: 481).
    pub fn acknowledge(&mut self, rack: &RAck, cseq: u32) -> Option<bool> {
        let is_ours = |out: &mut Out| out.rseq == rack.rseq && rack.cseq == cseq && rack.method == Method::INVITE;
        self.out.take_if(is_ours).map(|out| out.is_described)
    }

    /// Whether the 2xx has to wait: a response with a description has not arrived (RFC 3262 §5).
    pub fn holds_success(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.is_described)
    }

    /// The response whose PRACK may still come after a final response.
    pub fn unacknowledged(&self) -> Option<u32> {
        self.out.as_ref().map(|out| out.rseq)
    }

    /// When [`Reliable::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.out.as_ref().map(|out| out.repeat.at.min(out.give_up_at))
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        let out = self.out.as_mut()?;
        if out.give_up_at <= now {
            self.out = None;
            return Some(Due::GiveUp);
        }
        if out.repeat.at > now {
            return None;
        }
        out.repeat = out.repeat.next(Duration::MAX / 2);
        Some(Due::Repeat(out.bytes.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Request, Uri};

    #[test]
    fn a_response_is_repeated_with_doubled_waits_and_given_up_after_64_times_t1() {
        let start = Instant::now();
        let mut reliable = Reliable::new(&mut Dice::for_test(1));
        let invite = Request::new(Method::INVITE, "sip:us@10.0.0.1".parse::<Uri>().unwrap());
        for status in [180, 183] {
            reliable.push(Response::to(&invite, status));
        }
        let first = reliable.turn().unwrap();
        reliable.sent(start, Bytes::from_static(b"180"), false, &Timers::default());
        assert!(reliable.turn().is_none(), "the second waits for the first");
        let mut at_ms = Vec::new();
        loop {
            let at = reliable.poll_timeout().unwrap();
            at_ms.push((at - start).as_millis());
            if reliable.handle_timeout(at) == Some(Due::GiveUp) {
                break;
            }
        }
        assert_eq!(at_ms, [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]);
        let second = reliable.turn().unwrap();
        assert_eq!(second.headers.rseq().unwrap(), first.headers.rseq().unwrap() + 1);
    }

    #[test]
    fn a_prack_is_for_one_response_of_one_invite() {
        let mut reliable = Reliable::new(&mut Dice::for_test(2));
        let invite = Request::new(Method::INVITE, "sip:us@10.0.0.1".parse::<Uri>().unwrap());
        reliable.push(Response::to(&invite, 183));
        let rseq = reliable.turn().unwrap().headers.rseq().unwrap();
        reliable.sent(Instant::now(), Bytes::new(), true, &Timers::default());
        assert!(reliable.holds_success());
        let rack = |rseq, cseq, method| RAck { rseq, cseq, method };
        for wrong in [rack(rseq + 1, 7, Method::INVITE), rack(rseq, 8, Method::INVITE), rack(rseq, 7, Method::UPDATE)] {
            assert_eq!(reliable.acknowledge(&wrong, 7), None);
        }
        assert_eq!(reliable.acknowledge(&rack(rseq, 7, Method::INVITE), 7), Some(true));
        assert_eq!(reliable.acknowledge(&rack(rseq, 7, Method::INVITE), 7), None, "once");
        assert!(!reliable.holds_success());
    }
}
