//! Offer and answer on one leg (RFC 3264), whatever messages carry them.
//!
//! ```text
//!              offer heard                 offer said
//!   HaveRemoteOffer ◀───────── Stable ─────────▶ HaveLocalOffer
//!          └──── answer or refusal said ──▲──────── answer or refusal heard ───┘
//! ```

use crate::base::ExchangeId;

/// The state, with JSEP's names (RFC 8829 §3.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing is open.
    #[default]
    Stable,
    /// We offered.
    HaveLocalOffer(ExchangeId),
    /// The peer offered.
    HaveRemoteOffer(ExchangeId),
}

/// The exchanges of one leg.
#[derive(Debug, Default)]
pub struct Exchanges {
    state: Exchange,
    heard: u32,
}

impl Exchanges {
    /// Where we are.
    pub fn state(&self) -> Exchange {
        self.state
    }

    /// The peer opens an exchange: gives its name. The session has made sure that none is open.
    pub fn offer_heard(&mut self) -> ExchangeId {
        let id = self.name_heard();
        self.state = Exchange::HaveRemoteOffer(id);
        id
    }

    /// The peer opens an exchange that we have asked it for, under the name that we gave it.
    pub fn offer_heard_as(&mut self, id: ExchangeId) {
        self.state = Exchange::HaveRemoteOffer(id);
    }

    /// A name for an exchange that the peer opens or asks for, without opening it yet.
    pub fn name_heard(&mut self) -> ExchangeId {
        let id = ExchangeId::heard(self.heard);
        self.heard += 1;
        id
    }

    /// We open an exchange of the call's naming.
    pub fn offer_said(&mut self, id: ExchangeId) {
        self.state = Exchange::HaveLocalOffer(id);
    }

    /// The open exchange is done, by an answer or a refusal.
    pub fn close(&mut self) {
        self.state = Exchange::Stable;
    }

    /// The exchange in which the peer owes us an answer.
    pub fn awaits_answer(&self) -> Option<ExchangeId> {
        match self.state {
            Exchange::HaveLocalOffer(id) => Some(id),
            _ => None,
        }
    }

    /// The exchange in which we owe the peer an answer.
    pub fn owes_answer(&self) -> Option<ExchangeId> {
        match self.state {
            Exchange::HaveRemoteOffer(id) => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exchange_is_open_at_a_time_and_heard_ones_are_numbered_apart() {
        let mut exchanges = Exchanges::default();
        let first = exchanges.offer_heard();
        assert_eq!((exchanges.owes_answer(), exchanges.awaits_answer()), (Some(first), None));
        exchanges.close();
        exchanges.offer_said(ExchangeId::said(0));
        assert_eq!((exchanges.owes_answer(), exchanges.awaits_answer()), (None, Some(ExchangeId::said(0))));
        exchanges.close();
        let second = exchanges.offer_heard();
        assert_ne!(first, second);
        assert!(!second.is_said());
    }
}
