//! Calls that we make: by which connection, as whom, and by a proposal or directly.

use std::time::Instant;

use tracing::info;
use xmpp_parsers::jid::Jid;

use super::calls::{Place, key};
use super::{Endpoint, Output, TAG};
use crate::base::{LegId, Pii};
use crate::jingle::address;
use crate::jingle::config::ConnectionId;
use crate::jingle::session::{Beside, Ends, Leg, Said};
use crate::model::{Address, Cause, Hangup, Offer, Replaces, Signal, Start};

/// As whom somebody calls who does not want to be named, or whom no JID can name.
const ANONYMOUS: &str = "anonymous";

impl Endpoint {
    /// The call opens a leg.
    pub(super) fn dial(&mut self, now: Instant, leg: LegId, start: Start) {
        if let Err(cause) = self.try_dial(now, leg, start) {
            info!(%leg, %cause, "no call over XMPP");
            self.outputs.push_back(Output::Hear(leg, Signal::Hangup(Hangup::new(cause))));
        }
    }

    fn try_dial(&mut self, now: Instant, leg: LegId, start: Start) -> Result<(), Cause> {
        let first = match start.about.replaces {
            Some(Replaces::Leg(first)) => Some((first, self.calls.place(first).ok_or(Cause::Unavailable)?)),
            _ => None,
        };
        let peer = match (&first, &start.contact) {
            (Some((_, place)), _) => place.peer.clone(),
            (None, Some(contact)) => Jid::new(&contact.0).map_err(|_| Cause::BadNumber)?,
            (None, None) => address::account(&start.to).map(Jid::from).map_err(|_| Cause::BadNumber)?,
        };
        let offer = start.offer.ok_or(Cause::NotSupported)?;
        let known = first.as_ref().map(|(_, place)| place.connection);
        let connection = known.or_else(|| self.connection_to(&peer)).ok_or(Cause::Unavailable)?;
        let home = self.contacts.home(connection).ok_or(Cause::Unavailable)?;
        let from = if start.from.private { Address::here(ANONYMOUS) } else { start.from.address };
        let speaker = home.speaker(&from).or_else(|_| home.speaker(&Address::here(ANONYMOUS)));
        let ours = speaker.map_err(|_| Cause::NotSupported)?;
        let is_us =
            if home.is_component() { peer.domain() == home.jid().domain() } else { peer.to_bare() == ours.to_bare() };
        if is_us {
            return Err(Cause::Loop);
        }
        if !self.calls.has_room(connection) {
            return Err(Cause::Congestion);
        }
        // XEP-0353 §3.1: a client shows a call of somebody whom it knows to be there.
        self.contacts.called(connection, &from, &peer, &self.directory, &mut self.outputs);
        let direct = match &first {
            Some((_, place)) => (!place.by_message).then(|| peer.clone()),
            None => self.direct_to(connection, &peer),
        };
        let place = Place { connection, by_message: direct.is_none(), peer: direct.unwrap_or(peer) };
        let beside = first.map(|(first, _)| Box::new(Beside { first, offer: offer.clone() }));
        self.call(now, leg, (ours, from), place, offer, beside);
        Ok(())
    }

    /// Calls somebody at this place.
    fn call(
        &mut self,
        now: Instant,
        leg: LegId,
        (ours, from): (Jid, Address),
        place: Place,
        offer: Offer,
        beside: Option<Box<Beside>>,
    ) {
        let Place { connection, peer, by_message } = place;
        info!(%leg, peer = %Pii(&peer), directly = !by_message, "calls over XMPP");
        let peer = if by_message { peer.to_bare().into() } else { peer };
        let ends = Ends { id: leg, tag: self.dice.token(TAG), sid: self.uuid(), ours, peer };
        let mut out = Said::default();
        let made = match by_message {
            true => Leg::propose(now, ends, offer, &mut out),
            false => Leg::initiate_directly(now, ends, offer, &mut out),
        };
        self.calls.insert(connection, from, None, made.beside(beside));
        self.settle(now, leg, out);
    }

    /// A client that is in one call at a time has refused a second, which is to take the place of the first: that one is
    /// given up, and it is called again.
    pub(super) fn call_instead(&mut self, now: Instant, leg: LegId, beside: Beside, ours: Jid, from: Address) {
        let Some(place) = self.calls.place(beside.first) else {
            return self.outputs.push_back(Output::Hear(leg, Signal::Hangup(Hangup::new(Cause::Busy))));
        };
        info!(%leg, first = %beside.first, "has one call at a time: gives up the first for the second");
        self.in_call(now, beside.first, |leg, out| leg.hang_up(&Hangup::new(Cause::Normal), out));
        self.call(now, leg, (ours, from), place, beside.offer, None);
    }

    /// The device to begin a session with directly: the one that was dialled, or the best of an account of which it
    /// is known that none takes proposals. `None` if the account is to be proposed to.
    fn direct_to(&self, connection: ConnectionId, peer: &Jid) -> Option<Jid> {
        if peer.is_full() {
            return Some(peer.clone());
        }
        let resources = self.contacts.peer(connection, &peer.to_bare());
        let calls = |r: &&crate::jingle::contact::Resource| r.features.is_some_and(|f| f.calls);
        if resources.iter().any(|r| r.features.is_none_or(|f| f.proposals)) {
            return None;
        }
        resources.iter().find(calls).map(|r| r.jid.clone().into())
    }

    /// The connection by which an account is reached: the first that is up and is for its domain.
    pub(super) fn connection_to(&self, peer: &Jid) -> Option<ConnectionId> {
        let domain = peer.domain().as_str();
        let connections = (0..).map(ConnectionId).zip(&self.config.connections);
        let is_for = |domains: &[String]| domains.is_empty() || domains.iter().any(|d| d.eq_ignore_ascii_case(domain));
        let up = connections.filter(|(id, _)| self.contacts.home(*id).is_some());
        up.filter(|(_, connection)| is_for(&connection.domains)).map(|(id, _)| id).next()
    }

    /// A UUID of version 4 (RFC 9562 §5.4), as XEP-0353 wants it.
    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.dice.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    pub(super) fn ends_heard(&mut self, ours: Jid, peer: Jid, sid: &str) -> Ends {
        Ends { id: self.mint.mint(), tag: self.dice.token(TAG), sid: sid.to_owned(), ours, peer }
    }

    /// Whether a session of that name was or is between these two.
    pub(super) fn is_known(&self, connection: ConnectionId, ours: &Jid, peer: &Jid, sid: &str) -> bool {
        let key = key(connection, ours, peer, sid);
        self.calls.find(&key).is_some() || self.calls.is_over(&key)
    }
}
