//! Places that did not answer, and so are tried last for a while (RFC 3263 §4.3).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::sip::flow::{Flow, Transport};

/// How long a place that did not answer is tried last.
pub const SHUNNED_FOR: Duration = Duration::from_secs(60);
/// The longest, whatever it asks for itself.
pub const LONGEST_SHUN: Duration = Duration::from_secs(300);
/// The most places remembered.
pub const MAX_SHUNNED: usize = 1024;

/// The places. One that is shunned is still tried where there is no other.
#[derive(Debug, Default)]
pub struct Shun {
    until: HashMap<(Transport, SocketAddr), Instant>,
}

impl Shun {
    /// A place did not answer, or asked to be left alone for `wait`.
    pub fn failed(&mut self, now: Instant, flow: &Flow, wait: Duration) {
        self.until.retain(|_, until| *until > now);
        if self.until.len() < MAX_SHUNNED {
            self.until.insert((flow.transport, flow.remote), now + wait.min(LONGEST_SHUN));
        }
    }

    /// It answers.
    pub fn answers(&mut self, flow: &Flow) {
        if !self.until.is_empty() {
            self.until.remove(&(flow.transport, flow.remote));
        }
    }

    /// Whether a place is tried last.
    pub fn is_shunned(&self, now: Instant, flow: &Flow) -> bool {
        self.until.get(&(flow.transport, flow.remote)).is_some_and(|until| *until > now)
    }

    /// Takes the next way to try: the first that is not shunned, or else the first.
    pub fn take_next(&self, now: Instant, flows: &mut VecDeque<Flow>) -> Option<Flow> {
        let at = flows.iter().position(|flow| !self.is_shunned(now, flow)).unwrap_or(0);
        flows.remove(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_that_failed_is_tried_last_until_it_answers_or_its_time_is_over() {
        let now = Instant::now();
        let flow = |n: u8| Flow {
            transport: Transport::Udp,
            local: "10.0.0.1:5060".parse().unwrap(),
            remote: SocketAddr::from(([10, 0, 0, n], 5060)),
        };
        let next = |shun: &Shun, after_s: u64| {
            let mut flows = VecDeque::from([flow(1), flow(2)]);
            shun.take_next(now + Duration::from_secs(after_s), &mut flows).unwrap().remote.ip().to_string()
        };
        let mut shun = Shun::default();
        assert_eq!(next(&shun, 0), "10.0.0.1");
        shun.failed(now, &flow(1), SHUNNED_FOR);
        assert_eq!((next(&shun, 59).as_str(), next(&shun, 60).as_str()), ("10.0.0.2", "10.0.0.1"));
        shun.failed(now, &flow(2), Duration::from_secs(100_000));
        assert_eq!(next(&shun, 0), "10.0.0.1", "where all failed, the first is tried");
        assert_eq!(next(&shun, 61), "10.0.0.1");
        shun.answers(&flow(1));
        assert_eq!(next(&shun, 0), "10.0.0.1");
        assert_eq!(shun.take_next(now + LONGEST_SHUN, &mut VecDeque::from([flow(2)])), Some(flow(2)));
    }
}
