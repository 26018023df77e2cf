//! The contacts of all users (the location service of RFC 3261 §10), ordered by what comes to pass with them: whose time
//! ends next, and which are reached by a connection. So nothing that happens to one of a hundred thousand users is a look
//! at the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::device::Registered;
use crate::sip::flow::Flow;

/// All contacts.
#[derive(Debug, Default)]
pub(super) struct Location {
    users: BTreeMap<Arc<str>, Vec<Registered>>,
    /// Each user once, by the contact that ends first.
    ends: BTreeSet<(Instant, Arc<str>)>,
    /// The users who are reached by a connection; datagrams have nothing that could be closed.
    connected: BTreeSet<(Flow, Arc<str>)>,
    count: usize,
    /// How many contacts and entries were looked at, so that a test sees what it costs.
    #[cfg(test)]
    pub looks: std::cell::Cell<usize>,
}

impl Location {
    /// The contacts of a user, those that registered last at the end.
    pub fn of(&self, user: &str) -> &[Registered] {
        let of_user = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        self.note_looks(of_user.len());
        of_user
    }

    #[cfg(test)]
    fn note_looks(&self, count: usize) {
        self.looks.set(self.looks.get() + count);
    }

    #[cfg(not(test))]
    fn note_looks(&self, _: usize) {}

    /// How many contacts there are of all users.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Everybody who has one.
    pub fn users(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.keys()
    }

    /// Changes the contacts of a user in any way.
    pub fn change<T>(&mut self, user: &str, change: impl FnOnce(&mut Vec<Registered>) -> T) -> T {
        let (name, mut of_user) = self.users.remove_entry(user).unwrap_or_else(|| (user.into(), Vec::new()));
        self.note_looks(of_user.len());
        if let Some(ends) = first_end(&of_user) {
            self.ends.remove(&(ends, Arc::clone(&name)));
        }
        for flow in connections(&of_user) {
            self.connected.remove(&(flow, Arc::clone(&name)));
        }
        self.count -= of_user.len();
        let made = change(&mut of_user);
        self.count += of_user.len();
        if let Some(ends) = first_end(&of_user) {
            self.ends.insert((ends, Arc::clone(&name)));
        }
        self.connected.extend(connections(&of_user).map(|flow| (flow, Arc::clone(&name))));
        if !of_user.is_empty() {
            self.users.insert(name, of_user);
        }
        made
    }

    /// When the first contact ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    /// Users of whom a contact has ended by then, at most so many.
    pub fn ended(&self, now: Instant, most: usize) -> Vec<Arc<str>> {
        let ended = self.ends.iter().inspect(|_| self.note_looks(1)).take_while(|(ends, _)| *ends <= now);
        ended.take(most).map(|(_, user)| Arc::clone(user)).collect()
    }

    /// The users who are reached by a connection.
    pub fn connected_by(&self, flow: &Flow) -> Vec<Arc<str>> {
        let from = (*flow, Arc::from(""));
        let users = self.connected.range(from..).inspect(|_| self.note_looks(1)).take_while(|(by, _)| by == flow);
        users.map(|(_, user)| Arc::clone(user)).collect()
    }
}

fn first_end(of_user: &[Registered]) -> Option<Instant> {
    of_user.iter().map(|r| r.expires_at).min()
}

fn connections(of_user: &[Registered]) -> impl Iterator<Item = Flow> {
    of_user.iter().map(|r| r.flow).filter(|flow| flow.transport.is_reliable())
}
