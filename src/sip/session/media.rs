//! The descriptions of one leg: which exchange is open, and how ours are written.

use bytes::Bytes;

use super::exchange::Exchanges;
use crate::base::Dice;
use crate::model::Description;
use crate::sdp::{self, Origin};
use crate::sip::flow::Flow;

/// The descriptions of one leg.
#[derive(Debug)]
pub struct Media {
    /// Offers and answers.
    pub exchanges: Exchanges,
    session_id: u64,
    version: u64,
    last: Option<Description>,
}

impl Media {
    /// Before anything is said.
    pub fn new(dice: &mut Dice) -> Media {
        Media { exchanges: Exchanges::default(), session_id: u64::from(dice.u32()), version: 0, last: None }
    }

    /// Writes a description of ours. The version rises by one with each that differs from the one before
    /// (RFC 3264 §8).
    pub fn write(&mut self, description: &Description, flow: &Flow) -> Bytes {
        if self.last.as_ref() != Some(description) {
            self.version += 1;
            self.last = Some(description.clone());
        }
        let media_address = description.audio().and_then(|s| s.transport.address).map(|a| a.ip());
        let address = media_address.unwrap_or(flow.local.ip());
        let origin = Origin { version: self.version, ..Origin::new(self.session_id, address) };
        sdp::write(description, &origin).into()
    }
}
