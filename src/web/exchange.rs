//! Offer and answer on one leg (RFC 3264), in JSEP's words (RFC 8829 §3.2), seen from the gateway.
//!
//! ```text
//!                      offer heard                      pranswer said
//!        ┌─────────┐ ─────────────▶ HaveRemoteOffer ─────────────────▶ HaveLocalPranswer ─┐
//!   ┌───▶│ Stable  │ ◀── answer, refusal said ─┴───────────────────────────── answer said ◀┘
//!   │    └─────────┘
//!   │         │ offer said
//!   │         ▼
//!   └─ HaveLocalOffer    answer, refusal heard; too late
//! ```

use std::time::{Duration, Instant};

use crate::base::ExchangeId;

/// How long a client may take for the answer to an offer in a call.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The state of offer and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is open.
    Stable,
    /// The client offered and waits.
    HaveRemoteOffer(ExchangeId),
    /// The client offered and has a provisional answer.
    HaveLocalPranswer(ExchangeId),
    /// We offered and wait.
    HaveLocalOffer {
        /// The exchange.
        exchange: ExchangeId,
        /// When we wait no longer; `None` for the offer that opens the leg, which waits as long as it rings.
        until: Option<Instant>,
    },
}

/// What came of an offer of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It opens this exchange.
    Opens(ExchangeId),
    /// It crossed one of ours, and the client gives way.
    Glare,
    /// The client has offered already.
    Early,
}

/// Offer and answer on one leg.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    heard: u32,
}

impl Exchange {
    /// A leg that the client opens; its offer is the first exchange.
    pub fn heard() -> (Exchange, ExchangeId) {
        let first = ExchangeId::heard(1);
        (Exchange { state: State::HaveRemoteOffer(first), heard: 1 }, first)
    }

    /// A leg that we open with an offer.
    pub fn said(exchange: ExchangeId) -> Exchange {
        Exchange { state: State::HaveLocalOffer { exchange, until: None }, heard: 0 }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The client offers.
    pub fn hear_offer(&mut self) -> Heard {
        match self.state {
            State::Stable => {
                self.heard += 1;
                let exchange = ExchangeId::heard(self.heard);
                self.state = State::HaveRemoteOffer(exchange);
                Heard::Opens(exchange)
            }
            State::HaveLocalOffer { .. } => Heard::Glare,
            State::HaveRemoteOffer(_) | State::HaveLocalPranswer(_) => Heard::Early,
        }
    }

    /// The client answers or refuses: the exchange that this closes, if one is open.
    pub fn hear_answer(&mut self) -> Option<ExchangeId> {
        let State::HaveLocalOffer { exchange, .. } = self.state else { return None };
        self.state = State::Stable;
        Some(exchange)
    }

    /// Whether an answer or refusal of ours in that exchange still means something to the client.
    pub fn awaits(&self, exchange: ExchangeId) -> bool {
        matches!(self.state, State::HaveRemoteOffer(e) | State::HaveLocalPranswer(e) if e == exchange)
    }

    /// We give the client a provisional answer.
    pub fn say_pranswer(&mut self, exchange: ExchangeId) {
        self.state = State::HaveLocalPranswer(exchange);
    }

    /// We give the client the last answer, or refuse its offer.
    pub fn settle(&mut self) {
        self.state = State::Stable;
    }

    /// We offer in a call. `false` while an offer of the client is open.
    pub fn say_offer(&mut self, now: Instant, exchange: ExchangeId) -> bool {
        if self.state != State::Stable {
            return false;
        }
        self.state = State::HaveLocalOffer { exchange, until: Some(now + ANSWER_WITHIN) };
        true
    }

    /// The socket is lost, and with it what was under way: the exchange that the client will not answer any
    /// more, if there is one. The offer that opened the leg stays good.
    pub fn void(&mut self) -> Option<ExchangeId> {
        match self.state {
            State::HaveLocalOffer { until: None, .. } => None,
            State::HaveLocalOffer { exchange, .. } => {
                self.state = State::Stable;
                Some(exchange)
            }
            State::Stable | State::HaveRemoteOffer(_) | State::HaveLocalPranswer(_) => {
                self.state = State::Stable;
                None
            }
        }
    }

    /// When [`Exchange::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::HaveLocalOffer { until, .. } => until,
            State::Stable | State::HaveRemoteOffer(_) | State::HaveLocalPranswer(_) => None,
        }
    }

    /// The exchange that the client left unanswered for too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ExchangeId> {
        let State::HaveLocalOffer { exchange, until: Some(until) } = self.state else { return None };
        if until > now {
            return None;
        }
        self.state = State::Stable;
        Some(exchange)
    }
}
