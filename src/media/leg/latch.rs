//! How packets find a peer without ICE: the described address, then symmetric latching (RFC 4961, RFC 7362).
//!
//! ```text
//!            describe(address)                  packet from it, or enough of them from one
//!  Unknown ─────────────────────▶ Signalled ──────────────────────────────────────────────▶ Locked
//!                                     ▲                                                        │
//!                                     └────────────────── describe(another address) ───────────┘
//! ```
//!
//! We send to the described address at once. What a stranger may move is narrow: another port of the same
//! host after [`PROBATION_SAME_HOST`] packets of one source; another host only if the described one looks
//! unreachable from here or has kept silent for [`PATIENCE`], and after [`PROBATION_OTHER_HOST`] packets.
//! Once locked, only a new description moves it. Who spoke from where the description before said is a stranger then, until
//! the new address has kept silent for [`PATIENCE`]: what is still on its way from there, or another branch that talks on,
//! must not be taken for a peer that moved.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Packets of one source in sequence from another port of the described host, before it is believed.
pub const PROBATION_SAME_HOST: u8 = 3;

/// Packets of one source in sequence from another host, before it is believed.
pub const PROBATION_OTHER_HOST: u8 = 5;

/// How long the described address may keep silent before another host, or the address before it, is listened to.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What a packet's sender is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The peer.
    Peer,
    /// Perhaps the peer: its packets are not taken yet.
    Probation,
    /// Nobody we know; it gets no answer.
    Stranger,
}

/// What of a packet tells whether packets belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Its synchronisation source.
    pub ssrc: u32,
    /// Its sequence number.
    pub sequence: u16,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    from: SocketAddr,
    last: Sign,
    packets: u8,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Unknown,
    /// `former`: where the peer was, if it was where it had said.
    Signalled {
        address: SocketAddr,
        since: Instant,
        trial: Option<Trial>,
        former: Option<SocketAddr>,
    },
    Locked {
        signalled: SocketAddr,
        address: SocketAddr,
    },
}

/// The latch of one leg's RTP.
#[derive(Debug, Clone)]
pub struct Latch {
    state: State,
    /// Where a handshake comes from that is not finished: it is answered there.
    handshake: Option<SocketAddr>,
}

impl Default for Latch {
    fn default() -> Latch {
        Latch { state: State::Unknown, handshake: None }
    }
}

impl Latch {
    /// The peer's description names an address. The same one again changes nothing.
    pub fn describe(&mut self, now: Instant, address: Option<SocketAddr>) {
        match address {
            Some(address) if self.signalled() == Some(address) => {}
            Some(address) => {
                let state = State::Signalled { address, since: now, trial: None, former: self.former() };
                *self = Latch { state, handshake: None };
            }
            None => *self = Latch::default(),
        }
    }

    /// Whose packets are not to be believed after the next description.
    fn former(&self) -> Option<SocketAddr> {
        match self.state {
            State::Unknown => None,
            State::Signalled { former, .. } => former,
            // Behind a translation of addresses the peer may go on from where it was, whatever its description says.
            State::Locked { signalled, address } => (signalled == address).then_some(address),
        }
    }

    /// The address in the peer's description.
    pub fn signalled(&self) -> Option<SocketAddr> {
        match self.state {
            State::Unknown => None,
            State::Signalled { address, .. } => Some(address),
            State::Locked { signalled, .. } => Some(signalled),
        }
    }

    /// Where to send.
    pub fn target(&self) -> Option<SocketAddr> {
        match self.state {
            State::Unknown => None,
            State::Signalled { address, .. } | State::Locked { address, .. } => Some(address),
        }
    }

    /// Where to send a handshake.
    pub fn handshake_target(&self) -> Option<SocketAddr> {
        self.handshake.or(self.target())
    }

    /// A handshake comes from `from`, who may be the peer; its certificate will tell.
    pub fn note_handshake(&mut self, from: SocketAddr) {
        if matches!(self.state, State::Signalled { .. }) {
            self.handshake = Some(from);
        }
    }

    /// Whether the real address of the peer is known by its packets.
    pub fn is_locked(&self) -> bool {
        matches!(self.state, State::Locked { .. })
    }

    /// The only address that is listened to until the next description, once there is one.
    pub fn locked_to(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked { address, .. } => Some(address),
            State::Unknown | State::Signalled { .. } => None,
        }
    }

    /// Whether a sender's packets may be looked at before they have proved anything, as those of DTLS are.
    pub fn may_be_peer(&self, now: Instant, from: SocketAddr) -> bool {
        match self.state {
            State::Unknown => false,
            State::Locked { address, .. } => from == address,
            State::Signalled { address, since, .. } => from.ip() == address.ip() || may_move(now, address, since),
        }
    }

    /// A packet proved by its key that `from` is the peer.
    pub fn lock(&mut self, from: SocketAddr) {
        self.handshake = None;
        if let State::Signalled { address, .. } = self.state {
            self.state = State::Locked { signalled: address, address: from };
        }
    }

    /// Judges a plain RTP packet with a payload type that was negotiated.
    pub fn judge(&mut self, now: Instant, from: SocketAddr, sign: Sign) -> Sender {
        match &mut self.state {
            State::Unknown => Sender::Stranger,
            State::Locked { address, .. } if from == *address => Sender::Peer,
            State::Locked { .. } => Sender::Stranger,
            State::Signalled { address, .. } if from == *address => {
                self.lock(from);
                Sender::Peer
            }
            State::Signalled { since, former: Some(former), .. } if from == *former && !is_silent(now, *since) => {
                Sender::Stranger
            }
            State::Signalled { address, since, trial, .. } => {
                let same_host = from.ip() == address.ip();
                if !same_host && !may_move(now, *address, *since) {
                    return Sender::Stranger;
                }
                let needed = if same_host { PROBATION_SAME_HOST } else { PROBATION_OTHER_HOST };
                let packets = match trial {
                    Some(t) if t.from == from && t.last.ssrc == sign.ssrc && follows(t.last, sign) => t.packets + 1,
                    // A second stranger must not throw back one that is nearly through.
                    Some(t) if t.from != from && t.packets > 1 => {
                        t.packets -= 1;
                        return Sender::Stranger;
                    }
                    _ => 1,
                };
                if packets >= needed {
                    self.lock(from);
                    return Sender::Peer;
                }
                *trial = Some(Trial { from, last: sign, packets });
                Sender::Probation
            }
        }
    }
}

fn follows(last: Sign, next: Sign) -> bool {
    (1..=4).contains(&next.sequence.wrapping_sub(last.sequence))
}

fn may_move(now: Instant, described: SocketAddr, since: Instant) -> bool {
    looks_unreachable(described.ip()) || is_silent(now, since)
}

fn is_silent(now: Instant, since: Instant) -> bool {
    now.saturating_duration_since(since) >= PATIENCE
}

/// Whether a described address is likely to be wrong seen from outside of the peer's own network (RFC 1918,
/// RFC 6598, RFC 3927, RFC 4193).
pub fn looks_unreachable(ip: IpAddr) -> bool {
    const SHARED: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
    match ip {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || v4.is_unspecified() || (v4.to_bits() ^ SHARED.to_bits()) >> 22 == 0
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const PHONE: &str = "203.0.113.9:4000";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn latch(now: Instant, address: &str) -> Latch {
        let mut latch = Latch::default();
        latch.describe(now, Some(at(address)));
        latch
    }

    fn run(latch: &mut Latch, now: Instant, from: &str, first: u16, count: u16) -> Vec<Sender> {
        let sign = |n| Sign { ssrc: 7, sequence: first.wrapping_add(n) };
        (0..count).map(|n| latch.judge(now, at(from), sign(n))).collect()
    }

    #[test]
    fn sends_to_the_described_address_at_once_and_locks_to_it_with_its_first_packet() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        assert_eq!(latch.target(), Some(at(PHONE)));
        assert_eq!(run(&mut latch, now, PHONE, 1, 1), [Sender::Peer]);
        assert!(latch.is_locked());
    }

    #[test]
    fn another_port_of_the_same_host_is_believed_after_its_probation() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        let seen = run(&mut latch, now, "203.0.113.9:5000", 65534, 4);
        assert_eq!(seen, [Sender::Probation, Sender::Probation, Sender::Peer, Sender::Peer]);
        assert_eq!(latch.target(), Some(at("203.0.113.9:5000")));
    }

    #[test]
    fn another_host_is_a_stranger_while_the_described_public_one_may_still_speak() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        assert!(run(&mut latch, now, "198.51.100.6:4000", 1, 50).iter().all(|s| *s == Sender::Stranger));
        assert_eq!(latch.target(), Some(at(PHONE)));
        assert_eq!(run(&mut latch, now + PATIENCE, "198.51.100.6:4000", 51, 5)[4], Sender::Peer);
    }

    #[test]
    fn another_host_is_believed_after_its_probation_where_the_described_address_is_private() {
        let now = Instant::now();
        let mut latch = latch(now, "192.168.1.7:4000");
        let seen = run(&mut latch, now, "198.51.100.6:30000", 1, 5);
        assert_eq!(seen[3..], [Sender::Probation, Sender::Peer]);
    }

    #[test]
    fn once_locked_nothing_but_a_new_description_moves_it() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        run(&mut latch, now, PHONE, 1, 1);
        let later = now + PATIENCE * 100;
        for stranger in ["203.0.113.9:4002", "198.51.100.6:4000"] {
            assert!(run(&mut latch, later, stranger, 1, 50).iter().all(|s| *s == Sender::Stranger));
        }
        latch.describe(later, Some(at(PHONE)));
        assert!(latch.is_locked(), "the same description again changes nothing");
        latch.describe(later, Some(at("203.0.113.10:6000")));
        assert_eq!((latch.target(), latch.is_locked()), (Some(at("203.0.113.10:6000")), false));
    }

    #[test]
    fn what_still_comes_from_where_the_peer_was_does_not_hold_it_there() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        run(&mut latch, now, PHONE, 1, 1);
        for moved in ["203.0.113.9:6000", "203.0.113.9:7000"] {
            latch.describe(now, Some(at(moved)));
            assert_eq!(run(&mut latch, now, PHONE, 2, 9), [Sender::Stranger; 9]);
        }
        assert_eq!(run(&mut latch, now, "203.0.113.9:7000", 1, 1), [Sender::Peer]);
    }

    #[test]
    fn where_the_peer_was_is_believed_again_when_it_is_silent_where_it_said() {
        let now = Instant::now();
        let mut latch = latch(now, PHONE);
        run(&mut latch, now, PHONE, 1, 1);
        latch.describe(now, Some(at("203.0.113.9:6000")));
        assert_eq!(run(&mut latch, now + PATIENCE, PHONE, 2, 3)[2], Sender::Peer);
    }

    #[test]
    fn a_peer_behind_a_translation_goes_on_from_where_it_was_after_another_description() {
        let now = Instant::now();
        let mut latch = latch(now, "192.168.1.7:4000");
        assert_eq!(run(&mut latch, now, "198.51.100.6:30000", 1, 5)[4], Sender::Peer);
        latch.describe(now, Some(at("192.168.1.7:4002")));
        assert_eq!(run(&mut latch, now, "198.51.100.6:30000", 6, 5)[4], Sender::Peer);
    }

    #[test]
    fn packets_out_of_sequence_or_of_changing_sources_never_pass_probation() {
        let now = Instant::now();
        let mut latch = latch(now, "10.0.0.5:4000");
        for n in 0..100u16 {
            let sign = Sign { ssrc: u32::from(n), sequence: n };
            assert_eq!(latch.judge(now, at("198.51.100.6:1"), sign), Sender::Probation);
            let sign = Sign { ssrc: 9, sequence: n.wrapping_mul(977) };
            assert_ne!(latch.judge(now, at("198.51.100.6:1"), sign), Sender::Peer);
        }
    }

    #[test]
    fn before_a_description_everybody_is_a_stranger() {
        let now = Instant::now();
        let mut latch = Latch::default();
        assert_eq!(run(&mut latch, now, PHONE, 1, 9), [Sender::Stranger; 9]);
        assert_eq!(latch.target(), None);
    }
}
