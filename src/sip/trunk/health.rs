//! Whether a carrier is there: each of its addresses is asked by OPTIONS now and then (RFC 3261 §11).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an answer is waited for; the request is repeated four times in it.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// The most addresses that are asked.
const ADDRESSES_LIMIT: usize = 16;

/// What is known of the addresses of one trunk. Whoever has not been asked yet counts as there.
#[derive(Debug)]
pub struct Health {
    every: Duration,
    ask_at: Instant,
    probes: BTreeMap<SocketAddr, Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    is_down: bool,
    give_up_at: Option<Instant>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Ask this address.
    Ask(SocketAddr),
    /// It does not answer, and did before.
    Down(SocketAddr),
}

impl Health {
    /// Asks for the first time at once.
    pub fn new(now: Instant, every: Duration) -> Health {
        Health { every, ask_at: now, probes: BTreeMap::new() }
    }

    /// Whether an address answers, as far as is known.
    pub fn is_up(&self, address: &SocketAddr) -> bool {
        self.probes.get(address).is_none_or(|probe| !probe.is_down)
    }

    /// The first deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.probes.values().filter_map(|probe| probe.give_up_at);
        waits.chain([self.ask_at]).min()
    }

    /// Does what is due; `known` are the trunk's addresses.
    pub fn handle_timeout(&mut self, now: Instant, known: &[SocketAddr]) -> Vec<Due> {
        let mut due = Vec::new();
        self.probes.retain(|address, _| known.contains(address));
        for (address, probe) in &mut self.probes {
            if probe.give_up_at.is_some_and(|at| at <= now) {
                probe.give_up_at = None;
                if !std::mem::replace(&mut probe.is_down, true) {
                    due.push(Due::Down(*address));
                }
            }
        }
        if self.ask_at <= now {
            self.ask_at = now + self.every;
            for address in known.iter().take(ADDRESSES_LIMIT) {
                let probe = self.probes.entry(*address).or_default();
                if probe.give_up_at.is_none() {
                    probe.give_up_at = Some(now + PATIENCE);
                    due.push(Due::Ask(*address));
                }
            }
        }
        due
    }

    /// A final response came from an address; whether it is there again. A server that is full, or that has lost what
    /// stands behind it, is not there.
    pub fn handle_response(&mut self, address: &SocketAddr, status: u16) -> Option<Change> {
        if status < 200 {
            return None;
        }
        self.note(address, matches!(status, 408 | 503 | 504))
    }

    /// The transport says that it cannot be reached.
    pub fn handle_failure(&mut self, address: &SocketAddr) -> Option<Change> {
        self.note(address, true)
    }

    fn note(&mut self, address: &SocketAddr, is_down: bool) -> Option<Change> {
        let probe = self.probes.get_mut(address)?;
        probe.give_up_at = None;
        match (std::mem::replace(&mut probe.is_down, is_down), is_down) {
            (false, true) => Some(Change::Down),
            (true, false) => Some(Change::Up),
            _ => None,
        }
    }
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is there again.
    Up,
    /// It is gone.
    Down,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_that_does_not_answer_is_down_after_the_patience_and_up_with_its_next_answer() {
        let (now, every) = (Instant::now(), Duration::from_secs(30));
        let [a, b]: [SocketAddr; 2] = ["10.0.0.7:5060", "10.0.0.8:5060"].map(|text| text.parse().unwrap());
        let mut health = Health::new(now, every);
        assert!(health.is_up(&a), "not asked yet");
        assert_eq!(health.handle_timeout(now, &[a, b]), [Due::Ask(a), Due::Ask(b)]);
        assert_eq!(health.handle_response(&b, 405), None, "any answer is one");
        assert_eq!(health.poll_timeout(), Some(now + PATIENCE));
        assert_eq!(health.handle_timeout(now + PATIENCE, &[a, b]), [Due::Down(a)]);
        assert!(!health.is_up(&a) && health.is_up(&b));
        assert_eq!(health.handle_timeout(now + every, &[a, b]), [Due::Ask(a), Due::Ask(b)]);
        assert_eq!(health.handle_response(&a, 200), Some(Change::Up));
        assert_eq!(health.handle_response(&b, 503), Some(Change::Down), "full is not there");
        assert!(health.is_up(&a) && !health.is_up(&b));
        health.handle_timeout(now + every, &[a]);
        assert!(health.is_up(&b), "an address that the name has no more is forgotten");
    }
}
