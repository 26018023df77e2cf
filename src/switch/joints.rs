//! Joints: two calls of the gateway go on as one, when a party that is in both leaves them (RFC 5589 §7).
//!
//! ```text
//!   first call:  B ─── asker      second call:  asker ─── C
//!   afterwards:  B ─── joint ═════════════════ joint ─── C
//! ```
//!
//! The two ends of a joint are legs like others, on plain RTP within the machine: what one call says on its end, the other
//! call hears on its own. So each call keeps its media, its music on hold, its ears and its record, wherever its parties
//! are, and neither B nor C is asked to move.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::calls::Calls;
use crate::base::{AdapterId, CallId, IdMap, LegId, LegMint};
use crate::call::{Action, Attempt, Branch, Plan, Step};
use crate::model::{
    Abilities, Cause, Description, Hangup, LegSpec, MediaPolicy, Services, SessionIds, Signal, SrtpPolicy, Start,
};

/// The adapter that joints would be of, which nobody is.
pub const JOINT: AdapterId = AdapterId(4);

/// How long the other call may take to answer: at once, unless its media go directly and its party is fetched first.
const PATIENCE: Duration = Duration::from_secs(40);

/// Signals that may wait to be heard; a call gives a few for each order.
const MOST_CROSSING: usize = 1024;

/// What an end of a joint hears and says: all that passes between two parties.
const ABILITIES: Abilities = Abilities {
    hold: true,
    plays_on_hold: true,
    mute: true,
    tones: false,
    srtp: SrtpPolicy::Off,
    video: true,
    refresh: true,
    keeps_sending: false,
    connected: true,
    ..Abilities::PHONE
};

/// All joints.
#[derive(Debug)]
pub struct Joints {
    mint: LegMint,
    /// Where the relay's sockets are within the machine.
    at: IpAddr,
    /// Ends that are being opened, and the leg whose place the other end is to take.
    opening: IdMap<LegId, LegId>,
    /// Each end by the other.
    ends: IdMap<LegId, LegId>,
    /// What was said on an end and has not been heard on the other.
    crossing: VecDeque<(LegId, Signal)>,
}

impl Default for Joints {
    fn default() -> Joints {
        let (opening, ends, crossing) = Default::default();
        Joints { mint: LegMint::said(JOINT), at: IpAddr::V4(Ipv4Addr::LOCALHOST), opening, ends, crossing }
    }
}

impl Joints {
    /// Tells where the relay's sockets are within the machine: where they are bound, whatever address they have outside.
    pub fn set_place(&mut self, bound: IpAddr) {
        self.at = match bound {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
    }

    /// A call says something on its end.
    pub fn say(&mut self, leg: LegId, signal: Signal) {
        if self.crossing.len() >= MOST_CROSSING {
            // A hang-up is never lost: without it the other call would stay.
            warn!(%leg, "too much is said between two calls; a signal is lost");
            if !matches!(signal, Signal::Hangup(_)) {
                return;
            }
        }
        self.crossing.push_back((leg, signal));
    }

    /// A leg is gone with its call.
    pub fn forget(&mut self, leg: LegId) {
        self.opening.remove(&leg);
        // The other end is forgotten by the hang-up that crosses, or with its own call.
        if self.crossing.iter().all(|(said_on, _)| *said_on != leg) {
            self.ends.remove(&leg);
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { offers: LegSpec { ipv6: self.at.is_ipv6(), ..LegSpec::PHONE }, ..ABILITIES }
    }

    /// What one end says, as the other hears it; `None` for what is meant for a party alone.
    fn mirrored(&self, signal: Signal) -> Option<Signal> {
        Some(match signal {
            Signal::Offer(mut offer) => {
                offer.exchange = offer.exchange.mirrored();
                self.place(&mut offer.description);
                Signal::Offer(offer)
            }
            Signal::Answer(mut answer) => {
                answer.exchange = answer.exchange.mirrored();
                self.place(&mut answer.description);
                Signal::Answer(answer)
            }
            Signal::Refuse { exchange, cause } => Signal::Refuse { exchange: exchange.mirrored(), cause },
            Signal::Solicit(exchange) => Signal::Solicit(exchange.mirrored()),
            Signal::Named(ids) => Signal::Named(SessionIds { own: ids.peer, peer: None }),
            Signal::Progress(_)
            | Signal::Accept
            | Signal::Hold(_)
            | Signal::Mute(_)
            | Signal::Connected(_)
            | Signal::UserToUser(_)
            | Signal::Refresh
            | Signal::Hangup(_) => signal,
            _ => return None,
        })
    }

    /// The media of a joint stay in the machine, even where the relay is known outside by an address that cannot be
    /// reached from within.
    fn place(&self, description: &mut Description) {
        let moved = |address: &mut Option<SocketAddr>| {
            if let Some(address) = address {
                address.set_ip(self.at);
            }
        };
        for stream in &mut description.streams {
            moved(&mut stream.transport.address);
            moved(&mut stream.transport.rtcp_address);
        }
    }
}

impl Calls {
    /// A party wishes that whoever it talks to be connected with whoever is at the other end of `place`, another leg of
    /// its own: only for who is at that leg too.
    pub(super) fn join(&mut self, now: Instant, id: CallId, place: LegId, start: &Start) {
        let refuse = |cause| Plan { rule: None, action: Action::Reject(cause), services: Services::default() };
        let other = self.legs.get(&place).copied().filter(|other| *other != id);
        let found = other.and_then(|other| Some((other, self.calls.get(&other)?)));
        let refusal = match found {
            None => Some(Cause::NotFound),
            Some((_, entry)) if entry.call.entry_of(place) != Some(&start.entry) => Some(Cause::Forbidden),
            Some((_, entry)) if !entry.call.can_be_replaced(place) => Some(Cause::Busy),
            Some(_) if self.is_draining => Some(Cause::Maintenance),
            Some(_) => None,
        };
        let far = found.and_then(|(other, entry)| Some((other, entry.call.far_of(place)?)));
        let (other, far) = match (far, refusal) {
            (Some(far), None) => far,
            (_, refusal) => {
                let plan = refuse(refusal.unwrap_or(Cause::NotFound));
                return self.with(now, id, |call| call.decided(now, plan));
            }
        };
        let leg = self.joints.mint.mint();
        self.joints.opening.insert(leg, place);
        info!(call = %id, %other, %leg, "is to be joined with the other call");
        let (from, to) = (start.from.clone(), far.party.address.clone());
        let abilities = self.joints.abilities();
        let branch = Branch { leg, abilities, from, to, contact: None, trunk: None, sent_on_by: None };
        let (target, media) = (format!("call:{other}"), MediaPolicy::Relay);
        let attempt =
            Attempt { target, media, ring: PATIENCE, branches: vec![branch], step: Step::Target, before: None };
        self.enlist(id, vec![leg]);
        self.with(now, id, |call| call.join(now, far, attempt));
    }

    /// Lets the calls hear what others said on joints.
    pub(super) fn cross(&mut self, now: Instant) {
        while let Some((leg, signal)) = self.joints.crossing.pop_front() {
            if let Signal::Start(start) = signal {
                self.open_joint(now, leg, *start);
                continue;
            }
            let Some(end) = self.joints.ends.get(&leg).copied() else { continue };
            if matches!(signal, Signal::Hangup(_)) {
                self.joints.ends.remove(&leg);
                self.joints.ends.remove(&end);
            }
            if let Some(signal) = self.joints.mirrored(signal) {
                self.cross_to(now, end, signal);
            }
        }
    }

    fn cross_to(&mut self, now: Instant, end: LegId, signal: Signal) {
        if let Some(id) = self.legs.get(&end).copied() {
            self.with(now, id, |call| call.hear(now, end, signal));
        }
    }

    fn open_joint(&mut self, now: Instant, leg: LegId, mut start: Start) {
        let place = self.joints.opening.remove(&leg);
        let found = place.and_then(|place| Some((place, *self.legs.get(&place)?)));
        let Some((place, id)) = found else {
            return self.cross_to(now, leg, Signal::Hangup(Hangup::new(Cause::Unavailable)));
        };
        let end = self.joints.mint.mint();
        self.joints.ends.extend([(leg, end), (end, leg)]);
        if let Some(offer) = &mut start.offer {
            offer.exchange = offer.exchange.mirrored();
            self.joints.place(&mut offer.description);
        }
        let abilities = self.joints.abilities();
        self.enlist(id, vec![end]);
        let other = self.legs.get(&leg).copied();
        self.with(now, id, |call| {
            call.replace(now, place, end, abilities, start);
            other.into_iter().for_each(|other| call.joins(other));
        });
    }
}

#[cfg(test)]
mod tests;
