//! Identifiers that must never be swapped for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One call: two or more legs that hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}", self.0)
    }
}

/// One adapter of the running gateway (the SIP endpoint, the browsers' endpoint …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdapterId(pub u8);

/// One party's one dialog. The adapter that owns the dialog can be read off the identifier, so that a
/// signal finds its way without a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LegId(u64);

impl LegId {
    const ADAPTER_SHIFT: u32 = 56;
    const SAID_BIT: u64 = 1 << 55;

    /// The adapter that owns the dialog behind this leg.
    pub fn adapter(self) -> AdapterId {
        AdapterId((self.0 >> Self::ADAPTER_SHIFT) as u8)
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.0 & Self::SAID_BIT == 0 { "in" } else { "out" };
        let number = self.0 & (Self::SAID_BIT - 1);
        write!(f, "{}{}.{}", way, self.adapter().0, number)
    }
}

/// Mints the legs of one adapter. Incoming legs are minted by the adapter that heard them, outgoing ones by
/// the switch that orders them; a bit keeps the two apart, so neither needs to ask the other.
#[derive(Debug)]
pub struct LegMint {
    next: u64,
}

impl LegMint {
    /// Legs that a peer opens towards us, heard by `adapter`.
    pub fn heard(adapter: AdapterId) -> LegMint {
        LegMint { next: u64::from(adapter.0) << LegId::ADAPTER_SHIFT }
    }

    /// Legs that we open towards a peer through `adapter`.
    pub fn said(adapter: AdapterId) -> LegMint {
        LegMint { next: (u64::from(adapter.0) << LegId::ADAPTER_SHIFT) | LegId::SAID_BIT }
    }

    /// The next leg; never the same twice.
    pub fn mint(&mut self) -> LegId {
        self.next += 1;
        LegId(self.next)
    }
}

/// One offer/answer exchange on one leg (RFC 3264). Exchanges that the peer opens and those that we open
/// are numbered apart, so both may start one at the same moment (glare) without a clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExchangeId(u32);

impl ExchangeId {
    /// The `n`th exchange that the peer of the leg opened.
    pub fn heard(n: u32) -> ExchangeId {
        ExchangeId(n << 1)
    }

    /// The `n`th exchange that we opened on the leg.
    pub fn said(n: u32) -> ExchangeId {
        ExchangeId((n << 1) | 1)
    }

    /// The same exchange as its other end names it, where both ends are ours.
    pub fn mirrored(self) -> ExchangeId {
        ExchangeId(self.0 ^ 1)
    }

    /// Whether the offer came from us.
    pub fn is_said(self) -> bool {
        self.0 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_names_its_adapter_and_heard_and_said_legs_never_clash() {
        let mut heard = LegMint::heard(AdapterId(3));
        let mut said = LegMint::said(AdapterId(3));
        let (a, b) = (heard.mint(), said.mint());
        assert_ne!(a, b);
        assert_eq!((a.adapter(), b.adapter()), (AdapterId(3), AdapterId(3)));
        assert_eq!((a.to_string(), b.to_string()), ("in3.1".into(), "out3.1".into()));
    }
}
