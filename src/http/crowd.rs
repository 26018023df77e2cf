//! How many WebSockets one address has open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most of one address; of this machine itself, where a proxy may be, as many as there is room for.
pub const MOST_OF_ONE: usize = 256;

/// Everybody who has one.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// A place among them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// Takes a place; `None` if the address has as many as may be.
    pub fn enter(self: &Arc<Crowd>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        // Counting cannot fail half-way, so a poisoned lock is as good as another.
        let mut by_address = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= MOST_OF_ONE && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place { crowd: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        match by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_so_many_websockets_and_whoever_leaves_makes_room() {
        let crowd = Arc::new(Crowd::default());
        let [one, other, own] = ["192.0.2.1", "192.0.2.2", "127.0.0.1"].map(|a| a.parse::<IpAddr>().unwrap());
        let mut places: Vec<Place> = (0..MOST_OF_ONE).map(|_| crowd.enter(one).unwrap()).collect();
        assert!(crowd.enter(one).is_none() && crowd.enter("::ffff:192.0.2.1".parse().unwrap()).is_none());
        assert!(crowd.enter(other).is_some());
        places.pop();
        places.push(crowd.enter(one).unwrap());
        let of_own: Vec<_> = (0..2 * MOST_OF_ONE).map(|_| crowd.enter(own).unwrap()).collect();
        drop((places, of_own));
        assert!(crowd.0.lock().unwrap().is_empty(), "nothing is left behind");
    }
}
