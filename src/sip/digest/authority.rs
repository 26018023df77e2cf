//! The server: mints nonces it need not remember, and checks what comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::accounts::Accounts;
use super::{Algorithm, Challenge, Credentials, hex, response};
use crate::base::Dice;
use crate::model::Directory;
use crate::sip::message::{Header, Method, Name};

/// How long a nonce is good for.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// How many nonces in use are remembered, to know a replay; the oldest is forgotten, and with it all that
/// were minted before it. Only who has proven a password makes one be remembered, in some 60 octets: these are a thousand
/// users a second who each bring another one, over the lifetime of a nonce, and room to spare.
pub const MAX_NONCES: usize = 400_000;
/// How far a nonce count may lag behind the highest one seen: requests overtake each other on UDP.
const WINDOW: u32 = 64;

/// What credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The sender knows the password.
    Proven,
    /// The sender knows the password, but the nonce is too old or was used before: challenge again with
    /// `stale`, and nobody need be asked for the password.
    Stale,
    /// The password is wrong, the nonce is not ours, or the user is unknown.
    Refused,
}

/// A realm of ours.
pub struct Authority {
    realm: String,
    accounts: Accounts,
    key: [u8; 32],
    epoch: Instant,
    /// Nonces minted before this are no longer good.
    floor_ms: u64,
    used: BTreeMap<Stamp, Counts>,
    most: usize,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// When a nonce was minted, and chance, so that no two clients share one.
type Stamp = (u64, u64);

/// The nonce counts seen of one nonce: the highest, and as bits the 64 up to it.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    highest: u32,
    seen: u64,
}

impl Counts {
    /// Notes a count; `false` if it was there before or lies too far back.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead >= WINDOW { 1 } else { (self.seen << ahead) | 1 };
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let fresh = count > 0 && behind < WINDOW && self.seen & (1 << behind) == 0;
        if fresh {
            self.seen |= 1 << behind;
        }
        fresh
    }
}

impl Authority {
    /// A realm with a key of its own, where nobody may sign in yet; nonces of an earlier run are refused.
    pub fn new(realm: impl Into<String>, now: Instant, dice: &mut Dice) -> Authority {
        let mut key = [0; 32];
        dice.fill(&mut key);
        let realm = realm.into();
        let accounts = Accounts::new(&realm, &key);
        Authority { realm, accounts, key, epoch: now, floor_ms: 0, used: BTreeMap::new(), most: MAX_NONCES }
    }

    /// Those of `directory` may sign in from here on, who were those of `before`.
    pub fn follow(&mut self, before: &Directory, directory: &Directory) {
        self.accounts.follow(&self.realm, before, directory);
    }

    /// The realm's name.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The challenges for a 401 ([`Name::WwwAuthenticate`]) or 407 ([`Name::ProxyAuthenticate`]), most
    /// wanted first (RFC 8760 §2.4): SHA-256, then MD5 for those that know nothing else.
    pub fn challenges(&self, name: Name, stale: bool, now: Instant, dice: &mut Dice) -> [Header; 2] {
        let nonce = self.mint((self.millis(now), dice.u64()));
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| {
            let (realm, nonce) = (self.realm.clone(), nonce.clone());
            Header::of(name.clone(), Challenge { realm, nonce, opaque: None, stale, algorithm, auth: true })
        })
    }

    /// Checks credentials. The `uri` is not compared with the Request-URI, which proxies rewrite on the way; a replay is
    /// known by its nonce count. The same is hashed whether there is such a user or not, and compared without telling by
    /// its time how much of it is right.
    pub fn verify(&mut self, credentials: &Credentials, method: &Method, now: Instant) -> Verdict {
        let Some((ha1, is_known)) = self.accounts.of(&credentials.username, credentials.algorithm) else {
            return Verdict::Refused;
        };
        let expected = response(credentials, method, &ha1);
        let right = is_same(expected.as_bytes(), credentials.response.as_bytes()) & is_known;
        let Some(stamp) = self.stamp_of(&credentials.nonce) else { return Verdict::Refused };
        if !right || credentials.realm != self.realm {
            return Verdict::Refused;
        }
        let now_ms = self.millis(now);
        let oldest = now_ms.saturating_sub(NONCE_LIFETIME.as_millis() as u64).max(self.floor_ms);
        if stamp.0 < oldest || stamp.0 > now_ms {
            return Verdict::Stale;
        }
        match &credentials.auth {
            // Without a count a repeated request cannot be told from a replay; the lifetime limits it.
            None => Verdict::Proven,
            Some(auth) if self.note(stamp, auth.count, oldest) => Verdict::Proven,
            Some(_) => Verdict::Stale,
        }
    }

    fn note(&mut self, stamp: Stamp, count: u32, oldest: u64) -> bool {
        while let Some(first) = self.used.first_entry() {
            let expired = first.key().0 < oldest;
            if !expired && (self.used.len() < self.most || self.used.contains_key(&stamp)) {
                break;
            }
            if let Some(((minted, _), _)) = self.used.pop_first()
                && !expired
            {
                self.floor_ms = minted + 1;
            }
        }
        stamp.0 >= self.floor_ms && self.used.entry(stamp).or_default().take(count)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.used.len()
    }

    #[cfg(test)]
    pub(super) fn remember_at_most(&mut self, nonces: usize) {
        self.most = nonces;
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }

    fn mint(&self, (minted, chance): Stamp) -> String {
        format!("{minted:012x}{chance:016x}{}", self.seal((minted, chance)))
    }

    fn seal(&self, (minted, chance): Stamp) -> String {
        #[cfg(test)]
        super::work::note(16 + self.realm.len());
        // A key of any length is good for HMAC, so this does not fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(&minted.to_be_bytes());
        mac.update(&chance.to_be_bytes());
        mac.update(self.realm.as_bytes());
        hex(mac.finalize().into_bytes().get(..16).unwrap_or_default())
    }

    /// When the nonce was minted, if by us.
    fn stamp_of(&self, nonce: &str) -> Option<Stamp> {
        let minted = u64::from_str_radix(nonce.get(..12)?, 16).ok()?;
        let chance = u64::from_str_radix(nonce.get(12..28)?, 16).ok()?;
        is_same(self.mint((minted, chance)).as_bytes(), nonce.as_bytes()).then_some((minted, chance))
    }
}

/// Compares without telling by its time where the two differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
