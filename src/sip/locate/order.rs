//! In which order servers are tried (RFC 2782).

use std::net::SocketAddr;

use super::{Located, Way};
use crate::base::Dice;
use crate::sip::flow::Transport;

/// The most places that one request is tried at.
const MAX_TARGETS: usize = 8;

/// A place to send a request to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// By which transport.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// The name of the host there.
    pub name: String,
}

impl Located {
    /// The places in the order in which they are to be tried: by priority, and by chance after weight within it. To be
    /// asked anew for each request, so that the weights tell how many requests each server gets.
    pub fn targets(&self, dice: &mut Dice) -> Vec<Target> {
        let mut ways: Vec<&Way> = self.ways.iter().collect();
        ways.sort_by_key(|way| way.priority);
        let mut targets = Vec::new();
        while let Some(first) = ways.first() {
            let priority = first.priority;
            let group = ways.iter().take_while(|way| way.priority == priority);
            let at = dice.weighted(group.map(|way| way.weight));
            let way = ways.remove(at.min(ways.len() - 1));
            for address in &way.addresses {
                targets.push(Target { transport: way.transport, address: *address, name: way.name.clone() });
            }
        }
        targets.truncate(MAX_TARGETS);
        targets
    }
}
