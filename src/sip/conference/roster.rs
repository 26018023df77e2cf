//! Documents in their order to the list of who is there (RFC 4575 §4.6, §5.1).

use super::document::{Document, Endpoint, PARTS_LIMIT, State, USERS_LIMIT, User, Users};
use crate::model::{self, Address, MEMBERS_LIMIT, Member, MemberState, Roster};
use crate::sip::message::Uri;

/// What is known of a conference.
#[derive(Debug, Default)]
pub struct Conference {
    /// The version of the last document that was taken; `None` before the first, and once one was missed.
    version: Option<u32>,
    subject: Option<String>,
    count: Option<usize>,
    users: Vec<User>,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is part of what is known.
    Merged,
    /// It is older than what is known, or adds to what is not: of no use.
    Stale,
    /// One before it is missing: the whole state is to be asked for, and this one is of no use.
    Gap,
}

impl Conference {
    /// Takes a document.
    pub fn take(&mut self, document: Document) -> Taken {
        let is_full = document.state == State::Full;
        match self.version {
            Some(last) if document.version <= last => return Taken::Stale,
            Some(last) if !is_full && document.version - last > 1 => {
                self.version = None;
                return Taken::Gap;
            }
            // Of a subscription's first document, or after a gap, only the whole will do.
            None if !is_full => return Taken::Stale,
            _ => {}
        }
        self.version = Some(document.version);
        match document.state {
            State::Full => {
                self.subject = document.subject;
                self.count = document.count;
                self.users = document.users.map(|u| u.users).unwrap_or_default();
                self.users.retain(|u| u.state != State::Deleted);
            }
            State::Partial => {
                self.subject = document.subject.or(self.subject.take());
                self.count = document.count.or(self.count);
                if let Some(users) = document.users {
                    self.merge(users);
                }
            }
            State::Deleted => *self = Conference { version: self.version, ..Conference::default() },
        }
        Taken::Merged
    }

    /// Another subscription begins: its documents count from anew, and the first is the whole.
    pub fn forget_version(&mut self) {
        self.version = None;
    }

    /// Whether nothing is missing.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    fn merge(&mut self, users: Users) {
        if users.state != State::Partial {
            self.users = if users.state == State::Full { users.users } else { Vec::new() };
            self.users.retain(|u| u.state != State::Deleted);
            return;
        }
        merge_all(&mut self.users, users.users, USERS_LIMIT, |u| (&u.entity, u.state), merge_user);
    }

    /// The list, as the party sees it whose dialog with the focus has this `Call-ID` and whose own address is `ours`.
    pub fn roster(&self, call_id: &str, ours: Option<&Address>) -> Roster {
        let present = || self.users.iter().filter_map(|u| Some((u, presence(u)?)));
        let is_dialog = |u: &User| u.endpoints.iter().any(|e| e.call_id.as_deref() == Some(call_id));
        let named = self.users.iter().any(is_dialog);
        let is_you = |u: &User| match named {
            true => is_dialog(u),
            false => ours.is_some() && address(&u.entity).as_ref() == ours,
        };
        let members: Vec<Member> = present()
            .take(MEMBERS_LIMIT)
            .map(|(user, state)| Member {
                id: user.entity.clone(),
                name: name(user),
                address: address(&user.entity),
                state,
                muted: is_muted(user),
                talking: is_talking(user),
                you: is_you(user),
            })
            .collect();
        let known = present().count();
        let count = if known < MEMBERS_LIMIT { known } else { known.max(self.count.unwrap_or_default()) };
        Roster { subject: self.subject.clone(), members, count }
    }
}

fn merge_user(known: &mut User, change: User) {
    known.name = change.name.or(known.name.take());
    known.talking = change.talking.or(known.talking);
    merge_all(&mut known.endpoints, change.endpoints, PARTS_LIMIT, |e| (&e.entity, e.state), merge_endpoint);
}

fn merge_endpoint(known: &mut Endpoint, change: Endpoint) {
    known.name = change.name.or(known.name.take());
    known.status = change.status.or(known.status.take());
    known.call_id = change.call_id.or(known.call_id.take());
    known.talking = change.talking.or(known.talking);
    merge_all(&mut known.media, change.media, PARTS_LIMIT, |m| (&m.id, State::Full), |known, media| *known = media);
}

/// Takes each change to what is known by the same name: it replaces that, is merged into it, or takes it away.
fn merge_all<T>(
    known: &mut Vec<T>,
    changes: Vec<T>,
    limit: usize,
    name: fn(&T) -> (&String, State),
    merge: fn(&mut T, T),
) {
    for change in changes {
        let (id, state) = name(&change);
        let at = known.iter().position(|k| name(k).0 == id);
        match (at, state) {
            (Some(at), State::Deleted) => drop(known.remove(at)),
            (Some(at), state) => match known.get_mut(at) {
                Some(known) if state == State::Partial => merge(known, change),
                Some(known) => *known = change,
                None => {}
            },
            (None, State::Deleted) => {}
            (None, _) if known.len() < limit => known.push(change),
            (None, _) => {}
        }
    }
}

/// How far a user is in by the best of its endpoints; `None` for one that has left by all of them.
fn presence(user: &User) -> Option<MemberState> {
    let states = user.endpoints.iter().filter_map(|e| match e.status.as_deref() {
        Some("disconnected") => None,
        Some("pending" | "alerting" | "dialing-in" | "dialing-out") => Some(MemberState::Joining),
        Some("on-hold") => Some(MemberState::OnHold),
        Some("disconnecting") => Some(MemberState::Leaving),
        _ => Some(MemberState::Joined),
    });
    let order = [MemberState::Joined, MemberState::OnHold, MemberState::Joining, MemberState::Leaving];
    let place = |state: &MemberState| order.iter().position(|s| s == state);
    match user.endpoints.is_empty() {
        true => Some(MemberState::Joined),
        false => states.min_by_key(place),
    }
}

/// By every endpoint: by its state, or in all of its streams of speech.
fn is_muted(user: &User) -> bool {
    let is_silent = |e: &Endpoint| {
        let mut speech = e.media.iter().filter(|m| m.is_audio).peekable();
        speech.peek().is_some() && speech.all(|m| m.is_silent)
    };
    let is_muted = |e: &Endpoint| e.status.as_deref() == Some("muted-via-focus") || is_silent(e);
    let mut present = user.endpoints.iter().filter(|e| e.status.as_deref() != Some("disconnected")).peekable();
    present.peek().is_some() && present.all(is_muted)
}

fn is_talking(user: &User) -> bool {
    user.talking == Some(true) || user.endpoints.iter().any(|e| e.talking == Some(true))
}

fn name(user: &User) -> Option<String> {
    user.name.clone().or_else(|| user.endpoints.iter().find_map(|e| e.name.clone()))
}

/// The address in an entity; nothing for one that names nobody.
pub fn address(entity: &str) -> Option<model::Address> {
    let uri: Uri = entity.parse().ok()?;
    let user = uri.user().filter(|u| !u.is_empty())?.into_owned();
    match &uri {
        Uri::Sip(sip) => Some(Address::at(user, sip.host.to_string())),
        _ => Some(Address::here(user)),
    }
}
