//! Whether a caller's number is the caller's own: STIR/SHAKEN (RFC 8224, 8225, 8226, 8588).
//!
//! ```text
//!   INVITE of a trunk ─▶ header ─▶ passport ─▶ certificate ─▶ verify ─▶ Proven, or a Problem
//!   INVITE to a trunk ◀─ header ◀─ passport ◀─ sign
//! ```
//! Certificates of others come from a directory of the configuration, or are fetched from their addresses: the endpoint
//! asks for them ([`Output::Fetch`](crate::sip::Output::Fetch)), and the driver gets them.

pub mod certificate;
pub mod fetched;
pub mod header;
pub mod pass;
pub mod passport;
pub mod place;
pub mod sign;
pub mod verify;

use std::time::Instant;

pub use certificate::Trust;
pub use sign::Signer;
pub use verify::Problem;

/// How far the time of a proof may be from ours and from the `Date` (RFC 8224 §6.2 step 4), in seconds.
pub const FRESH_S: u64 = 60;

/// What an endpoint needs to verify and to sign.
#[derive(Debug, Default)]
pub struct Stir {
    /// Whose certificates are believed; `None`: nothing is verified.
    pub trust: Option<Trust>,
    /// What signs; `None`: nothing is signed.
    pub signer: Option<Signer>,
    /// Proofs go on to trunks with the calls they came with.
    pub passes: bool,
    /// A moment, and the seconds since 1970 at that moment.
    clock: Option<(Instant, u64)>,
}

impl Stir {
    /// With what the configuration names.
    pub fn new(trust: Option<Trust>, signer: Option<Signer>) -> Stir {
        Stir { trust, signer, passes: false, clock: None }
    }

    /// Whether there is anything to do.
    pub fn is_off(&self) -> bool {
        self.trust.is_none() && self.signer.is_none() && !self.passes
    }

    /// Goes on with other roots and keys, and with the certificates that were fetched.
    pub fn replace(&mut self, with: Stir) {
        let Stir { trust, signer, passes, .. } = with;
        let fetched = self.trust.take().map(|trust| trust.fetched);
        self.trust = trust;
        if let (Some(trust), Some(fetched)) = (&mut self.trust, fetched) {
            trust.fetched = fetched;
        }
        (self.signer, self.passes) = (signer, passes);
    }

    /// Sets the clock: the seconds since 1970 at that moment.
    pub fn set_clock(&mut self, now: Instant, unix_s: u64) {
        self.clock = Some((now, unix_s));
    }

    /// The seconds since 1970; `None` before the clock was set.
    pub fn unix_s(&self, now: Instant) -> Option<u64> {
        let (at, unix_s) = self.clock?;
        Some(unix_s + now.saturating_duration_since(at).as_secs())
    }
}

/// A telephone number in its canonical form: digits without `+` and separators (RFC 8224 §8.3). `None` for what is
/// no number.
pub fn canonical(user: &str) -> Option<String> {
    const LONGEST: usize = 32;
    // The user part may carry parameters of a tel URI.
    let bare = user.split(';').next().unwrap_or_default().trim();
    let bare = bare.strip_prefix('+').unwrap_or(bare);
    if !bare.chars().all(|c| c.is_ascii_digit() || "#* -.()/".contains(c)) {
        return None;
    }
    let digits: String = bare.chars().filter(|c| c.is_ascii_digit() || matches!(c, '#' | '*')).collect();
    ((1..=LONGEST).contains(&digits.len()) && digits.contains(|c: char| c.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests;
