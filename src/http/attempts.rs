//! How often one may try a password.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong passwords from one address in [`WINDOW`].
pub const MAX_WRONG: u32 = 10;
/// How long a wrong password counts.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are watched; beyond that those that ask are told to wait.
const MAX_ADDRESSES: usize = 10_000;

/// The attempts of late.
#[derive(Debug, Default)]
pub struct Attempts {
    by_address: HashMap<IpAddr, Window>,
}

#[derive(Debug)]
struct Window {
    until: Instant,
    count: u32,
}

impl Attempts {
    /// Counts an attempt as wrong before it is looked at, so that many at once do not slip through. `false`:
    /// there were too many.
    pub fn begin(&mut self, now: Instant, address: IpAddr) -> bool {
        if self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.retain(|_, window| window.until > now);
        }
        let address = network(address);
        if !self.by_address.contains_key(&address) && self.by_address.len() >= MAX_ADDRESSES {
            return false;
        }
        let window = self.by_address.entry(address).or_insert(Window { until: now + WINDOW, count: 0 });
        if window.until <= now {
            *window = Window { until: now + WINDOW, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= MAX_WRONG
    }

    /// The attempt was right after all.
    pub fn was_right(&mut self, address: IpAddr) {
        if let Some(window) = self.by_address.get_mut(&network(address)) {
            window.count = window.count.saturating_sub(1);
        }
    }
}

/// What one subscriber holds: an IPv4 address, or an IPv6 /64 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ten_wrong_passwords_a_minute_are_enough_and_right_ones_do_not_count() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let (alice, bob) = ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        for _ in 0..20 {
            assert!(attempts.begin(now, alice));
            attempts.was_right(alice);
        }
        for _ in 0..MAX_WRONG {
            assert!(attempts.begin(now, alice));
        }
        assert!(!attempts.begin(now, "2001:db8::2".parse().unwrap()), "a neighbour in the same /64");
        assert!(attempts.begin(now, bob));
        assert!(attempts.begin(now + WINDOW, alice));
    }

    #[test]
    fn a_full_table_forgets_those_whose_minute_is_over() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..MAX_ADDRESSES {
            assert!(attempts.begin(now, IpAddr::V4(std::net::Ipv4Addr::from_bits(n as u32))));
        }
        let late = "198.51.100.1".parse().unwrap();
        assert!(!attempts.begin(now, late));
        assert!(attempts.begin(now + WINDOW, late));
    }
}
