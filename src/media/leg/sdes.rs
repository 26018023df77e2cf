//! SRTP with keys in the descriptions (RFC 4568) of one leg.
//!
//! ```text
//!            they offer: their first line that we know, ours beside it
//!  Waiting ──they answer: the line of ours that they chose────────────▶ Open ──another key of theirs──▶ Open
//!     └──────they answer without keys, and ours were only an offer (RFC 8643)──▶ Plain
//! ```
//!
//! A line that is said again changes nothing: its roll-over counters go on, and what it has used of its lifetime. Our own key stays as long as its
//! transform does, whatever the peer does with its key.

use super::seal::SealError;
use crate::base::Dice;
use crate::model::crypto::OFFERED;
use crate::model::{Crypto, Keying, Sdes as Words, Seal as SealWords};
use crate::rtp::{Profile, Srtp, SrtpError};

/// Our key for one transform.
struct Own {
    tag: u32,
    profile: Profile,
    line: Crypto,
    /// There from when the peer has chosen the line.
    outward: Option<Box<Srtp>>,
}

/// What the peer sends with.
struct Theirs {
    keying: Keying,
    /// Packets of RTP and of RTCP that were taken under the key.
    taken: [u64; 2],
    inward: Srtp,
    /// The same key, had the peer begun its roll-over counters anew with it (or gone on with them).
    alternative: Option<Srtp>,
}

enum State {
    Waiting,
    Plain,
    /// The first of our lines is the one in use.
    Open(Box<Theirs>),
}

/// The keys of one leg.
pub struct Sdes {
    /// Plain RTP will do, if the peer has no keys.
    optional: bool,
    ours: Vec<Own>,
    state: State,
}

impl Sdes {
    /// Keys to be agreed on. `offers`: with a line for each transform that we offer, for a description of ours that comes
    /// first.
    pub fn new(dice: &mut Dice, optional: bool, offers: bool) -> Sdes {
        Sdes::with(dice, optional, if offers { &OFFERED } else { &[] })
    }

    fn with(dice: &mut Dice, optional: bool, suites: &[&str]) -> Sdes {
        let suites = suites.iter().filter_map(|name| Profile::by_name(name));
        let ours = suites.zip(1..).map(|(profile, tag)| Own::new(dice, tag, profile)).collect();
        Sdes { optional, ours, state: State::Waiting }
    }

    /// What the peer's description says: to be called with every description.
    ///
    /// # Errors
    /// One sentence without a full stop: no packet will be protected as the description wants it.
    pub fn set_remote(&mut self, dice: &mut Dice, words: &SealWords, is_offer: bool) -> Result<(), String> {
        match words {
            SealWords::Sdes(words) if is_offer => self.hear_offer(dice, words),
            SealWords::Sdes(words) => self.hear_answer(words),
            SealWords::Plain if self.optional && !matches!(self.state, State::Open(_)) => {
                self.state = State::Plain;
                Ok(())
            }
            SealWords::Plain => Err("this leg speaks SRTP, and the peer described plain RTP".into()),
            SealWords::Dtls { .. } => {
                Err("this leg speaks SRTP with keys in the description, and the peer described DTLS-SRTP".into())
            }
        }
    }

    /// Of the peer's lines the one in use stays, then its transform; else the peer's first counts (RFC 4568 §5.1.2).
    fn hear_offer(&mut self, dice: &mut Dice, words: &Words) -> Result<(), String> {
        words.check()?;
        let mut usable: Vec<Keying> = words.cryptos.iter().filter_map(|crypto| crypto.read().ok()).collect();
        let now = self.theirs().map(|t| &t.keying);
        let is_now = |k: &Keying| now.is_some_and(|n| n.suite == k.suite && n.key_and_salt == k.key_and_salt);
        let is_suite = |k: &Keying| now.is_some_and(|n| n.suite == k.suite);
        let at = usable.iter().position(is_now).or(usable.iter().position(is_suite)).unwrap_or(0);
        let keying = usable.swap_remove(at);
        let profile = Profile::by_name(keying.suite).ok_or("the crypto suite is not known here")?;
        // What was only offered may be known to whoever answered it, so it serves one exchange.
        self.ours.truncate(1);
        match self.ours.first_mut().filter(|own| own.profile == profile && matches!(self.state, State::Open(_))) {
            Some(own) => own.rename(keying.tag),
            None => self.ours = vec![Own::new(dice, keying.tag, profile)],
        }
        self.open(profile, keying)
    }

    /// The peer chose one of our lines. The transform says which if the tag does not: some peers number anew.
    fn hear_answer(&mut self, words: &Words) -> Result<(), String> {
        words.check()?;
        let usable: Vec<Keying> = words.cryptos.iter().filter_map(|crypto| crypto.read().ok()).collect();
        let chosen = usable.into_iter().find_map(|keying| {
            let is_suite = |own: &Own| own.profile.name() == keying.suite;
            let by_tag = self.ours.iter().position(|own| own.tag == keying.tag && is_suite(own));
            Some((by_tag.or(self.ours.iter().position(is_suite))?, keying))
        });
        let Some((at, keying)) = chosen else {
            return Err("the peer answered with a key for a crypto suite that was not offered to it".into());
        };
        self.ours.swap(0, at);
        let profile = self.ours.first().map(|own| own.profile).ok_or("nothing was offered to the peer")?;
        self.open(profile, keying)
    }

    fn open(&mut self, profile: Profile, keying: Keying) -> Result<(), String> {
        let cannot = |error: SrtpError| error.to_string();
        self.ours.first_mut().map_or(Ok(()), Own::open).map_err(cannot)?;
        if let State::Open(theirs) = &mut self.state
            && (theirs.keying.suite, &theirs.keying.key_and_salt) == (keying.suite, &keying.key_and_salt)
        {
            theirs.keying = keying;
            return Ok(());
        }
        let fresh = srtp(profile, &keying.key_and_salt).map_err(cannot)?;
        let before = self.theirs().map(|t| &t.inward);
        // RFC 3711 §3.3.1 lets the counters go on under a new key; many peers begin anew.
        let alternative = match before.filter(|before| before.has_rolled_over()) {
            Some(before) => Some(srtp(profile, &keying.key_and_salt).map_err(cannot)?.going_on_from(before)),
            None => None,
        };
        self.state = State::Open(Box::new(Theirs { keying, taken: [0; 2], inward: fresh, alternative }));
        Ok(())
    }

    fn theirs(&self) -> Option<&Theirs> {
        match &self.state {
            State::Open(theirs) => Some(theirs),
            State::Waiting | State::Plain => None,
        }
    }

    /// For our description: every line while the peer has not chosen, then the one in use.
    pub fn words(&self) -> SealWords {
        let lines = match self.state {
            State::Plain => return SealWords::Plain,
            State::Waiting => self.ours.as_slice(),
            State::Open(_) => self.ours.get(..1).unwrap_or_default(),
        };
        SealWords::Sdes(Words { cryptos: lines.iter().map(|own| own.line.clone()).collect(), optional: self.optional })
    }

    /// Whether packets go unprotected, as both sides agreed.
    pub fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    /// Whether media can pass.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Waiting)
    }

    /// The transform in use.
    pub fn profile(&self) -> Option<Profile> {
        self.theirs().map(|theirs| theirs.inward.profile())
    }

    /// Opens a received RTP packet in place; returns its plain length.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match &mut self.state {
            State::Waiting => Err(SealError::NotOpen),
            State::Plain => Ok(packet.len()),
            State::Open(theirs) => theirs.unprotect(0, packet, Profile::rtp_tag, Srtp::unprotect_rtp),
        }
    }

    /// Opens a received RTCP compound in place; returns its plain length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SealError> {
        match &mut self.state {
            State::Waiting => Err(SealError::NotOpen),
            State::Plain => Ok(packet.len()),
            State::Open(theirs) => theirs.unprotect(1, packet, Profile::rtcp_tag, Srtp::unprotect_rtcp),
        }
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        self.protect(buffer, length, Srtp::protect_rtp)
    }

    /// Protects the RTCP compound in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        self.protect(buffer, length, Srtp::protect_rtcp)
    }

    fn protect(
        &mut self,
        buffer: &mut [u8],
        length: usize,
        protect: fn(&mut Srtp, &mut [u8], usize) -> Result<usize, SrtpError>,
    ) -> Result<usize, SealError> {
        match (&self.state, self.ours.first_mut().and_then(|own| own.outward.as_mut())) {
            (State::Plain, _) => Ok(length),
            (State::Open(_), Some(outward)) => Ok(protect(outward, buffer, length)?),
            _ => Err(SealError::NotOpen),
        }
    }
}

impl Own {
    fn new(dice: &mut Dice, tag: u32, profile: Profile) -> Own {
        let mut key_and_salt = vec![0; profile.key_length() + profile.salt_length()];
        dice.fill(&mut key_and_salt);
        Own { tag, profile, line: Crypto::of(tag, profile.name(), &key_and_salt), outward: None }
    }

    /// Packets can be protected with it from then on.
    fn open(&mut self) -> Result<(), SrtpError> {
        if self.outward.is_none() {
            let keying = self.line.read().map_err(|_| SrtpError::Keys)?;
            self.outward = Some(Box::new(srtp(self.profile, &keying.key_and_salt)?));
        }
        Ok(())
    }

    fn rename(&mut self, tag: u32) {
        if let Some((_, rest)) = self.line.expose().split_once(' ').filter(|_| tag != self.tag) {
            self.line = Crypto::new(format!("{tag} {rest}"));
            self.tag = tag;
        }
    }
}

impl Theirs {
    /// `sort`: 0 for RTP, 1 for RTCP, which have a lifetime each (RFC 4568 §6.1).
    fn unprotect(
        &mut self,
        sort: usize,
        packet: &mut [u8],
        tag: fn(Profile) -> usize,
        unprotect: fn(&mut Srtp, &mut [u8]) -> Result<usize, SrtpError>,
    ) -> Result<usize, SealError> {
        let taken = self.taken.get(sort).copied().unwrap_or_default();
        if self.keying.lifetime.is_some_and(|lifetime| taken >= lifetime) {
            return Err(SrtpError::Exhausted.into());
        }
        let length = strip(packet, &self.keying.mki, tag(self.inward.profile()))?;
        let packet = packet.get_mut(..length).ok_or(SrtpError::Malformed)?;
        let opened = unprotect(&mut self.inward, packet);
        match opened {
            Ok(_) => {
                self.alternative = None;
                self.taken.get_mut(sort).into_iter().for_each(|taken| *taken += 1);
            }
            // The packet may be spoilt by the attempt: the next one tells.
            Err(SrtpError::Authentication) => {
                if let Some(other) = &mut self.alternative {
                    std::mem::swap(&mut self.inward, other);
                }
            }
            Err(_) => {}
        }
        Ok(opened?)
    }
}

/// Takes the key's name out of a packet that ends with `tag` bytes behind it; returns the length of what is left.
fn strip(packet: &mut [u8], mki: &[u8], tag: usize) -> Result<usize, SrtpError> {
    if mki.is_empty() {
        return Ok(packet.len());
    }
    let end = packet.len().checked_sub(tag).ok_or(SrtpError::Malformed)?;
    let start = end.checked_sub(mki.len()).ok_or(SrtpError::Malformed)?;
    if packet.get(start..end) != Some(mki) {
        return Err(SrtpError::Authentication);
    }
    packet.copy_within(end.., start);
    Ok(packet.len() - mki.len())
}

fn srtp(profile: Profile, key_and_salt: &[u8]) -> Result<Srtp, SrtpError> {
    let (key, salt) = key_and_salt.split_at_checked(profile.key_length()).ok_or(SrtpError::Keys)?;
    Srtp::new(profile, key, salt)
}

#[cfg(test)]
mod tests;
