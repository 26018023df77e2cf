//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): one direction of one association, in place.
//!
//! ```text
//!  protect    index from sequence and roll-over counter, encrypt, append the tag
//!  unprotect  guess the index (RFC 3711 §3.3.1), replayed?, authentic?, only then decrypt and remember
//! ```

mod sources;
mod suite;

pub use sources::REPLAY_WINDOW;
pub use suite::SessionKeys;

use super::packet::header_length;
use sources::Sources;
use suite::{Counter, GCM_TAG, Gcm};

/// The transforms that can be negotiated by DTLS (RFC 5764 §4.1.2, RFC 7714 §14.2) or in SDP (RFC 4568 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    AesCm128HmacSha1_80,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`: a short tag on RTP, the long one on RTCP.
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188), in SDP alone.
    AesCm256HmacSha1_80,
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 5] = [
        Profile::AesCm128HmacSha1_80,
        Profile::AesCm128HmacSha1_32,
        Profile::AesCm256HmacSha1_80,
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
    ];

    /// Bytes of the master key.
    pub fn key_length(self) -> usize {
        match self {
            Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 | Profile::AeadAes128Gcm => 16,
            Profile::AesCm256HmacSha1_80 | Profile::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    pub fn salt_length(self) -> usize {
        match self {
            Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 | Profile::AesCm256HmacSha1_80 => 14,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub fn rtp_overhead(self) -> usize {
        match self {
            Profile::AesCm128HmacSha1_80 | Profile::AesCm256HmacSha1_80 => 10,
            Profile::AesCm128HmacSha1_32 => 4,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
        }
    }

    /// Bytes that protection adds to an RTCP packet: the index and the tag.
    pub fn rtcp_overhead(self) -> usize {
        match self {
            Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 | Profile::AesCm256HmacSha1_80 => 4 + 10,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 4 + 16,
        }
    }

    /// Bytes of an RTP packet that stand behind a master key identifier: the tag, but under GCM (RFC 7714 §8.2).
    pub fn rtp_tag(self) -> usize {
        if self.is_gcm() { 0 } else { self.rtp_overhead() }
    }

    /// The same of an RTCP packet.
    pub fn rtcp_tag(self) -> usize {
        if self.is_gcm() { 0 } else { RTCP_MAC_TAG }
    }

    /// Whether encryption and authentication are one (RFC 7714).
    pub(crate) fn is_gcm(self) -> bool {
        matches!(self, Profile::AeadAes128Gcm | Profile::AeadAes256Gcm)
    }

    /// The transform of a name in SDP.
    pub fn by_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(name))
    }

    /// The name in SDP (RFC 4568 §6.2, RFC 6188 §3, RFC 7714 §14.1).
    pub fn name(self) -> &'static str {
        match self {
            Profile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Profile::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Profile::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }
}

/// Why a packet was not protected or not accepted. The packet is to be dropped; the context goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// The key or the salt has not the length of the profile.
    #[error("the master key or salt does not have the length of the profile")]
    Keys,
    /// No RTP or RTCP packet, or too short for its tag.
    #[error("the packet is malformed or too short")]
    Malformed,
    /// The buffer has no room for the tag.
    #[error("the buffer has no room for the authentication tag")]
    NoRoom,
    /// The tag is wrong: other keys, or tampered with.
    #[error("the authentication tag does not match")]
    Authentication,
    /// Seen before, or too old to tell.
    #[error("the packet was seen before or is too old to tell")]
    Replayed,
    /// More sources than [`MAX_SOURCES`] in one direction.
    #[error("the direction has too many sources")]
    TooManySources,
    /// The keys have protected as many packets as they may (RFC 3711 §9.2).
    #[error("the keys are used up")]
    Exhausted,
}

/// Sources (SSRC) that one direction may have in its life. They are never forgotten: a forgotten roll-over
/// counter would use a key stream twice when sending, and take replays when receiving.
pub const MAX_SOURCES: usize = 64;

/// The bit before the SRTCP index that says the compound is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;
/// Bytes of an RTCP compound that stay readable: the first header and the sender's SSRC.
const RTCP_HEADER: usize = 8;
/// Bytes of the SRTCP index and its flag.
const RTCP_INDEX: usize = 4;
/// The tag of SRTCP under HMAC-SHA1, whatever RTP's is (RFC 5764 §4.1.2).
const RTCP_MAC_TAG: usize = 10;

enum Suite {
    Counter { rtp: Box<Counter>, rtcp: Box<Counter> },
    Gcm { rtp: Gcm, rtcp: Gcm },
}

/// One direction of SRTP and SRTCP under one master key.
pub struct Srtp {
    profile: Profile,
    suite: Suite,
    rtp: Sources,
    rtcp: Sources,
}

impl Srtp {
    /// A direction under a master key and salt.
    pub fn new(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> Result<Srtp, SrtpError> {
        let [rtp, rtcp] = SessionKeys::derive(profile, master_key, master_salt)?;
        Srtp::with_session_keys(profile, &rtp, &rtcp)
    }

    /// A direction under session keys that are derived already.
    pub fn with_session_keys(profile: Profile, rtp: &SessionKeys, rtcp: &SessionKeys) -> Result<Srtp, SrtpError> {
        let suite = if profile.is_gcm() {
            Suite::Gcm { rtp: Gcm::new(rtp)?, rtcp: Gcm::new(rtcp)? }
        } else {
            Suite::Counter { rtp: Box::new(Counter::new(rtp)?), rtcp: Box::new(Counter::new(rtcp)?) }
        };
        Ok(Srtp { profile, suite, rtp: Sources::default(), rtcp: Sources::default() })
    }

    /// The transform.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether a source of RTP is beyond its first 65 536 sequence numbers.
    pub fn has_rolled_over(&self) -> bool {
        self.rtp.has_rolled_over()
    }

    /// The same keys, with the roll-over counters of another direction: for a sender that changes its key and goes on
    /// counting.
    pub fn going_on_from(self, before: &Srtp) -> Srtp {
        Srtp { rtp: before.rtp.unseen(), ..self }
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer`; returns its new length. Sequence
    /// numbers of one source go on from packet to packet, so that the roll-over counter can follow them (RFC
    /// 3711 §3.3.1). A sequence number that was used already is [`SrtpError::Replayed`]: a key stream is
    /// never used twice.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed)?;
        let RtpHead { ssrc, sequence, header } = RtpHead::read(packet)?;
        let index = self.rtp.index(ssrc, sequence)?;
        if index > MAX_RTP_INDEX {
            return Err(SrtpError::Exhausted);
        }
        self.rtp.check(ssrc, index)?;
        let sealed = length + self.profile.rtp_overhead();
        let sealed_packet = buffer.get_mut(..sealed).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = sealed_packet.split_at_mut(length);
        match &self.suite {
            Suite::Counter { rtp, .. } => {
                rtp.apply(ssrc, index, packet.get_mut(header..).unwrap_or_default())?;
                rtp.sign([packet, &roll_over(index)], tag);
            }
            Suite::Gcm { rtp, .. } => {
                let (head, text) = packet.split_at_mut(header);
                tag.copy_from_slice(&rtp.seal(ssrc, index, head, text)?);
            }
        }
        self.rtp.remember(ssrc, index);
        Ok(sealed)
    }

    /// Checks and decrypts an SRTP packet; returns the length of the RTP packet at the start of `packet`.
    /// The contents of a packet that is refused are unspecified.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let RtpHead { ssrc, sequence, header } = RtpHead::read(packet)?;
        let plain = packet.len().checked_sub(self.profile.rtp_overhead()).ok_or(SrtpError::Malformed)?;
        if header > plain {
            return Err(SrtpError::Malformed);
        }
        let index = self.rtp.index(ssrc, sequence)?;
        if index > MAX_RTP_INDEX {
            return Err(SrtpError::Exhausted);
        }
        self.rtp.check(ssrc, index)?;
        match &self.suite {
            Suite::Counter { rtp, .. } => {
                let (packet, tag) = packet.split_at_mut(plain);
                rtp.verify([packet, &roll_over(index)], tag)?;
                rtp.apply(ssrc, index, packet.get_mut(header..).unwrap_or_default())?;
            }
            Suite::Gcm { rtp, .. } => {
                let (head, text) = packet.split_at_mut(header);
                rtp.open(ssrc, index, head, text)?;
            }
        }
        self.rtp.remember(ssrc, index);
        Ok(plain)
    }

    /// Protects the RTCP compound in the first `length` bytes of `buffer`; returns its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let ssrc = rtcp_sender(buffer.get(..length).ok_or(SrtpError::Malformed)?)?;
        let index = self.rtcp.next_index(ssrc);
        let word = match u32::try_from(index) {
            Ok(index) if index < ENCRYPTED => (index | ENCRYPTED).to_be_bytes(),
            _ => return Err(SrtpError::Exhausted),
        };
        self.rtcp.check(ssrc, index)?;
        let sealed = length + self.profile.rtcp_overhead();
        let sealed_packet = buffer.get_mut(..sealed).ok_or(SrtpError::NoRoom)?;
        match &self.suite {
            Suite::Counter { rtcp, .. } => {
                let (packet, tag) = sealed_packet.split_at_mut(length + RTCP_INDEX);
                let (compound, trailer) = packet.split_at_mut(length);
                rtcp.apply(ssrc, index, compound.get_mut(RTCP_HEADER..).unwrap_or_default())?;
                trailer.copy_from_slice(&word);
                rtcp.sign([packet, &[]], tag);
            }
            Suite::Gcm { rtcp, .. } => {
                let (head, rest) = sealed_packet.split_at_mut(RTCP_HEADER);
                let (text, trailer) = rest.split_at_mut(length - RTCP_HEADER);
                let (tag, index_at) = trailer.split_at_mut(GCM_TAG);
                tag.copy_from_slice(&rtcp.seal(ssrc, index, &rtcp_aad(head, word), text)?);
                index_at.copy_from_slice(&word);
            }
        }
        self.rtcp.remember(ssrc, index);
        Ok(sealed)
    }

    /// Checks and decrypts an SRTCP packet; returns the length of the RTCP compound at the start of `packet`.
    /// A compound that is authentic but was sent in the clear (RFC 3711 §3.4, the E flag) is taken.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_sender(packet)?;
        let plain = packet.len().checked_sub(self.profile.rtcp_overhead()).ok_or(SrtpError::Malformed)?;
        if plain < RTCP_HEADER {
            return Err(SrtpError::Malformed);
        }
        let word = self.rtcp_word(packet).ok_or(SrtpError::Malformed)?;
        let (index, encrypted) = (u64::from(word & !ENCRYPTED), word & ENCRYPTED != 0);
        self.rtcp.check(ssrc, index)?;
        match &self.suite {
            Suite::Counter { rtcp, .. } => {
                let (signed, tag) = packet.split_at_mut(plain + RTCP_INDEX);
                rtcp.verify([signed, &[]], tag)?;
                if encrypted {
                    rtcp.apply(ssrc, index, signed.get_mut(RTCP_HEADER..plain).unwrap_or_default())?;
                }
            }
            Suite::Gcm { rtcp, .. } => {
                let (sealed, word) = packet.split_at_mut(plain + GCM_TAG);
                let word: [u8; RTCP_INDEX] = word.try_into().map_err(|_| SrtpError::Malformed)?;
                if encrypted {
                    let (head, text) = sealed.split_at_mut(RTCP_HEADER);
                    rtcp.open(ssrc, index, &rtcp_aad(head, word), text)?;
                } else {
                    // RFC 7714 §9.3: all of the compound and the index are associated data.
                    let (clear, tag) = sealed.split_at_mut(plain);
                    let mut aad = [0; MAX_CLEAR_RTCP + RTCP_INDEX];
                    let aad = aad.get_mut(..plain + RTCP_INDEX).ok_or(SrtpError::Malformed)?;
                    aad[..plain].copy_from_slice(clear);
                    aad[plain..].copy_from_slice(&word);
                    rtcp.open(ssrc, index, aad, tag)?;
                }
            }
        }
        self.rtcp.remember(ssrc, index);
        Ok(plain)
    }

    /// The index and its flag: before the tag of an HMAC, at the end under GCM (RFC 7714 §9.2).
    fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let before = match self.suite {
            Suite::Counter { .. } => packet.get(..packet.len().checked_sub(RTCP_MAC_TAG)?)?,
            Suite::Gcm { .. } => packet,
        };
        Some(u32::from_be_bytes(*before.last_chunk::<RTCP_INDEX>()?))
    }
}

/// The largest index of RTP: 32 bits of roll-over counter and 16 of sequence number.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
/// The longest compound taken in the clear under GCM.
const MAX_CLEAR_RTCP: usize = 1500;

/// What SRTP needs of a packet's readable part.
struct RtpHead {
    ssrc: u32,
    sequence: u16,
    header: usize,
}

impl RtpHead {
    fn read(packet: &[u8]) -> Result<RtpHead, SrtpError> {
        let header = header_length(packet).ok_or(SrtpError::Malformed)?;
        let [_, _, s0, s1, _, _, _, _, c0, c1, c2, c3] = *packet.first_chunk().ok_or(SrtpError::Malformed)?;
        Ok(RtpHead { ssrc: u32::from_be_bytes([c0, c1, c2, c3]), sequence: u16::from_be_bytes([s0, s1]), header })
    }
}

fn rtcp_sender(packet: &[u8]) -> Result<u32, SrtpError> {
    let [version, _, _, _, c0, c1, c2, c3] = *packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if version >> 6 == 2 { Ok(u32::from_be_bytes([c0, c1, c2, c3])) } else { Err(SrtpError::Malformed) }
}

/// The roll-over counter, which is signed with the packet (RFC 3711 §4.2).
fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 §9.2: the readable header and the index with its flag.
fn rtcp_aad(head: &[u8], word: [u8; RTCP_INDEX]) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut aad = [0; RTCP_HEADER + RTCP_INDEX];
    for (to, from) in aad.iter_mut().zip(head.iter().take(RTCP_HEADER).chain(&word)) {
        *to = *from;
    }
    aad
}

#[cfg(test)]
mod tests;
