//! The connectivity checks under way on a shared socket, by which their answers find the leg.

use std::collections::{HashMap, VecDeque};

use super::leg::LinkId;
use crate::stun::{Class, Message};

/// Checks that are remembered; the oldest give way.
pub const MAX_TRANSACTIONS: usize = 4096;

/// Which link made which check.
#[derive(Debug, Default)]
pub struct Transactions {
    links: HashMap<[u8; 12], LinkId>,
    order: VecDeque<[u8; 12]>,
}

impl Transactions {
    /// Remembers a datagram that goes out, if it is a request.
    pub fn note(&mut self, datagram: &[u8], link: LinkId) {
        let Some(message) = Message::parse(datagram).filter(|m| m.class() == Class::Request) else { return };
        if self.order.len() >= MAX_TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.links.remove(&oldest);
        }
        if self.links.insert(message.transaction(), link).is_none() {
            self.order.push_back(message.transaction());
        }
    }

    /// The link that made the check.
    pub fn find(&self, transaction: &[u8; 12]) -> Option<LinkId> {
        self.links.get(transaction).copied()
    }
}
