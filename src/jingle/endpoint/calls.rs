//! The calls that are there: by leg, by session and both accounts, and by the names of our requests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Instant;

use xmpp_parsers::jid::{BareJid, Jid};

use crate::base::LegId;
use crate::jingle::config::ConnectionId;
use crate::jingle::session::{Ends, Leg};
use crate::model::Address;

/// The most calls of a connection at once.
pub const MAX_CALLS: usize = 4096;
/// The most calls at once that one account began: nobody fills a connection alone.
pub const MAX_CALLS_BEGUN: usize = 16;
/// How many calls that are over are remembered, so that what still comes of them begins no other.
pub const MAX_REMEMBERED: usize = 8192;

/// What a stanza finds a call by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The connection.
    pub connection: ConnectionId,
    /// Our account.
    pub ours: BareJid,
    /// The peer's.
    pub peer: BareJid,
    /// The session.
    pub sid: String,
}

impl Key {
    fn of(connection: ConnectionId, ends: &Ends) -> Key {
        let (ours, peer) = (ends.ours.to_bare(), ends.peer.to_bare());
        Key { connection, ours, peer, sid: ends.sid.clone() }
    }
}

/// Where somebody is in a call, to be called there again.
#[derive(Debug, Clone)]
pub struct Place {
    /// The connection.
    pub connection: ConnectionId,
    /// The device.
    pub peer: Jid,
    /// Its account takes proposals: the call began by one.
    pub by_message: bool,
}

/// What became of a call in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is up, and somebody of ours is on the phone.
    Began(Address),
    /// It was up, and is over.
    Ended(Address),
    /// Nothing of these.
    Same,
}

/// A call.
#[derive(Debug)]
struct Call {
    leg: Leg,
    connection: ConnectionId,
    /// Who of ours it is with.
    ours: Address,
    /// The account that began it, if we did not.
    began_by: Option<BareJid>,
    is_up: bool,
    due: Option<Instant>,
}

/// The calls.
#[derive(Debug, Default)]
pub struct Calls {
    calls: BTreeMap<LegId, Call>,
    by_key: HashMap<Key, LegId>,
    by_tag: HashMap<String, LegId>,
    counts: BTreeMap<ConnectionId, usize>,
    begun: HashMap<BareJid, usize>,
    due: BTreeSet<(Instant, LegId)>,
    over: HashSet<Key>,
    over_order: VecDeque<Key>,
}

impl Calls {
    /// Whether a connection can have one more.
    pub fn has_room(&self, connection: ConnectionId) -> bool {
        self.counts.get(&connection).copied().unwrap_or(0) < MAX_CALLS
    }

    /// Whether an account may begin one more.
    pub fn has_room_for(&self, account: &BareJid) -> bool {
        self.begun.get(account).copied().unwrap_or(0) < MAX_CALLS_BEGUN
    }

    /// A call begins, by an account or, without one, by us.
    pub fn insert(&mut self, connection: ConnectionId, ours: Address, began_by: Option<BareJid>, leg: Leg) {
        let ends = leg.ends();
        let id = ends.id;
        self.by_key.insert(Key::of(connection, ends), id);
        self.by_tag.insert(ends.tag.clone(), id);
        *self.counts.entry(connection).or_default() += 1;
        if let Some(account) = &began_by {
            *self.begun.entry(account.clone()).or_default() += 1;
        }
        self.calls.insert(id, Call { leg, connection, ours, began_by, is_up: false, due: None });
    }

    /// The leg.
    pub fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.calls.get_mut(&id).map(|call| &mut call.leg)
    }

    /// Whether a list of a conference waits to be told in a call.
    pub fn has_list(&self, id: LegId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.leg.has_list())
    }

    /// Whom a call is between.
    pub fn ends(&self, id: LegId) -> Option<&Ends> {
        self.calls.get(&id).map(|call| call.leg.ends())
    }

    /// As whom we are in a call, and who of ours it is with.
    pub fn call(&self, id: LegId) -> Option<(Jid, Address)> {
        self.calls.get(&id).map(|call| (call.leg.ends().ours.clone(), call.ours.clone()))
    }

    /// Where a party is that talks to somebody of ours.
    pub fn place(&self, id: LegId) -> Option<Place> {
        let call = self.calls.get(&id).filter(|call| call.leg.is_up())?;
        let (connection, peer) = (call.connection, call.leg.ends().peer.clone());
        Some(Place { connection, peer, by_message: call.leg.is_by_message() })
    }

    /// The connection of a call.
    pub fn connection(&self, id: LegId) -> Option<ConnectionId> {
        self.calls.get(&id).map(|call| call.connection)
    }

    /// The calls of a connection.
    pub fn of(&self, connection: ConnectionId) -> Vec<LegId> {
        self.calls.iter().filter(|(_, call)| call.connection == connection).map(|(id, _)| *id).collect()
    }

    /// The call of that session between these two.
    pub fn find(&self, key: &Key) -> Option<LegId> {
        self.by_key.get(key).copied()
    }

    /// The call of a client's account that has this session, whoever the peer is.
    pub fn find_own(&self, connection: ConnectionId, sid: &str) -> Option<LegId> {
        let is_it = |call: &Call| call.connection == connection && call.leg.ends().sid == sid;
        self.calls.iter().find(|(_, call)| is_it(call)).map(|(id, _)| *id)
    }

    /// The call that a request's name belongs to, with the number in it.
    pub fn asked_by(&self, connection: ConnectionId, name: &str) -> Option<(LegId, u32)> {
        let (tag, number) = name.rsplit_once('-')?;
        let id = *self.by_tag.get(tag)?;
        let is_there = self.calls.get(&id).is_some_and(|call| call.connection == connection);
        is_there.then_some(())?;
        Some((id, number.parse().ok()?))
    }

    /// The call between these two that we began and the peer has not answered.
    pub fn crossing(&self, connection: ConnectionId, ours: &BareJid, peer: &BareJid) -> Option<LegId> {
        let is_it = |call: &Call| {
            let ends = call.leg.ends();
            call.connection == connection
                && call.leg.is_ours_unanswered()
                && ends.peer.to_bare() == *peer
                && ends.ours.to_bare() == *ours
        };
        self.calls.iter().find(|(_, call)| is_it(call)).map(|(id, _)| *id)
    }

    /// Whether there was such a call not long ago.
    pub fn is_over(&self, key: &Key) -> bool {
        self.over.contains(key)
    }

    /// Remembers a session that never became a call.
    pub fn remember(&mut self, key: Key) {
        if self.over.insert(key.clone()) {
            self.over_order.push_back(key);
        }
        if self.over_order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.over_order.pop_front()
        {
            self.over.remove(&oldest);
        }
    }

    /// Takes note of what a step changed, and forgets the call if it is over.
    pub fn settle(&mut self, id: LegId) -> Settled {
        let Some(call) = self.calls.get_mut(&id) else { return Settled::Same };
        if call.leg.has_ended() {
            return self.remove(id);
        }
        let due = call.leg.deadline();
        if due != call.due {
            if let Some(before) = std::mem::replace(&mut call.due, due) {
                self.due.remove(&(before, id));
            }
            self.due.extend(due.map(|due| (due, id)));
        }
        if call.leg.is_up() && !std::mem::replace(&mut call.is_up, true) {
            return Settled::Began(call.ours.clone());
        }
        Settled::Same
    }

    fn remove(&mut self, id: LegId) -> Settled {
        let Some(call) = self.calls.remove(&id) else { return Settled::Same };
        let ends = call.leg.ends();
        let key = Key::of(call.connection, ends);
        self.by_key.remove(&key);
        self.by_tag.remove(&ends.tag);
        if let Some(due) = call.due {
            self.due.remove(&(due, id));
        }
        if let Some(count) = self.counts.get_mut(&call.connection) {
            *count = count.saturating_sub(1);
        }
        if let Some(account) = &call.began_by
            && let Some(count) = self.begun.get_mut(account)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.begun.remove(account);
            }
        }
        self.remember(key);
        if call.is_up { Settled::Ended(call.ours) } else { Settled::Same }
    }

    /// A call of which something is due; it is not given again before its step is settled.
    pub fn due(&mut self, now: Instant) -> Option<LegId> {
        let (due, id) = *self.due.first()?;
        if due > now {
            return None;
        }
        self.due.pop_first();
        if let Some(call) = self.calls.get_mut(&id) {
            call.due = None;
        }
        Some(id)
    }

    /// When something is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }
}

/// The key of a stanza.
pub fn key(connection: ConnectionId, ours: &Jid, peer: &Jid, sid: &str) -> Key {
    Key { connection, ours: ours.to_bare(), peer: peer.to_bare(), sid: sid.to_owned() }
}
