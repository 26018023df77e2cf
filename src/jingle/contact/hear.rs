//! What a presence makes us do (RFC 6121 §3 and §4).

use std::collections::VecDeque;
use std::time::Instant;

use xmpp_parsers::jid::Jid;

use super::{Contacts, speaker};
use crate::jingle::config::ConnectionId;
use crate::jingle::endpoint::Output;
use crate::jingle::stanza::{Iq, Presence, PresenceKind};
use crate::model::Directory;

impl Contacts {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        from: &Jid,
        to: &Jid,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let is_there = self.sort(connection, to, directory).is_some();
        let Some(side) = self.sides.get_mut(&connection) else { return };
        let (account, ours) = (from.to_bare(), to.to_bare());
        let (account_jid, ours_jid) = (Jid::from(account.clone()), Jid::from(ours.clone()));
        let subscribe = side.config.subscribe;
        let say = |kind| Presence::new(kind, &ours_jid, &account_jid).write();
        if !side.is_component() {
            // RFC 6121 §3.1: a client's own server keeps its roster; without a word the question stays open.
            if subscribe {
                self.send(connection, say(PresenceKind::Subscribed), out);
                self.send(connection, say(PresenceKind::Subscribe), out);
            }
            return;
        }
        let taken = if is_there { side.subscribers.add(&account, &ours) } else { None };
        let Some(is_other) = taken else {
            self.send(connection, say(PresenceKind::Unsubscribed), out);
            return;
        };
        self.send(connection, say(PresenceKind::Subscribed), out);
        if is_other {
            self.changed(now, connection);
        }
        if let Some(speaker) = speaker(&ours) {
            self.show(connection, &speaker, &account_jid, directory, out);
        }
        if subscribe && is_other {
            self.send(connection, say(PresenceKind::Subscribe), out);
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        from: &Jid,
        to: &Jid,
        out: &mut VecDeque<Output>,
    ) {
        let Some(side) = self.sides.get_mut(&connection) else { return };
        if !side.is_component() {
            return;
        }
        let (account, ours) = (from.to_bare(), to.to_bare());
        let had = side.subscribers.remove(&account, &ours);
        side.due.remove(&(account.clone(), ours.clone()));
        let (account, ours) = (Jid::from(account), Jid::from(ours));
        self.send(connection, Presence::new(PresenceKind::Unsubscribed, &ours, &account).write(), out);
        if had {
            if let Some(speaker) = speaker(&ours.to_bare()) {
                self.send(connection, Presence::new(PresenceKind::Unavailable, &speaker, &account).write(), out);
            }
            self.changed(now, connection);
        }
    }

    /// RFC 6121 §4.3: the server of an account that believes it is subscribed asks for the presence.
    pub(super) fn probe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        from: &Jid,
        to: &Jid,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let is_there = self.sort(connection, to, directory).is_some();
        let Some(side) = self.sides.get_mut(&connection) else { return };
        if !side.is_component() {
            return;
        }
        let (account, ours) = (from.to_bare(), to.to_bare());
        let known = side.subscribers.has(&account, &ours);
        // A probe comes only where a roster has the subscription; what we lost of it is so found again.
        match if is_there { side.subscribers.add(&account, &ours) } else { None } {
            Some(is_other) => {
                if is_other {
                    self.changed(now, connection);
                }
                if let Some(speaker) = speaker(&ours) {
                    self.show(connection, &speaker, from, directory, out);
                }
            }
            None => {
                side.subscribers.remove(&account, &ours);
                let gone = Presence::new(PresenceKind::Unsubscribed, &ours.into(), &account.into());
                self.send(connection, gone.write(), out);
                if known {
                    self.changed(now, connection);
                }
            }
        }
    }

    pub(super) fn available(
        &mut self,
        connection: ConnectionId,
        from: &Jid,
        to: &Jid,
        presence: &Presence,
        out: &mut VecDeque<Output>,
    ) {
        let id = self.next_id();
        let Some(side) = self.sides.get_mut(&connection) else { return };
        let Ok(resource) = from.try_as_full() else { return };
        let Some(query) = side.peers.available(resource, presence.priority(), presence.caps(), id.clone()) else {
            return;
        };
        // Asked by whom the presence was for: a stranger to the peer might get no answer.
        let asks = match side.is_component() {
            true => speaker(&to.to_bare()),
            false => side.home.as_ref().map(|home| home.jid().clone()),
        };
        if let Some(asks) = asks {
            self.send(connection, Iq::get(&asks, from, &id, query).write(), out);
        }
    }
}
