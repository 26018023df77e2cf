//! Who can be reached where (RFC 3261 §10.3): the bindings, in virtual time. Who may register is decided
//! before, in admission; what goes over the wire is written after.

mod device;
mod gruu;
mod location;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::RegistrarLimits;
use super::flow::Flow;
use super::message::{NameAddr, Uri};
use crate::base::{AdapterId, Dice};
use crate::model::{Binding, Contact};
pub use device::{Outbound, gr_of, read_contact, read_path, write_contact};
use device::{Registered, devices, instance_of};
pub use gruu::Aliases;
use location::Location;

/// The most contacts in one REGISTER.
pub const CONTACTS_PER_REQUEST: usize = 20;
/// The most bindings of all users together: two devices for each of as many users as may be.
pub const BINDINGS_LIMIT: usize = 200_000;
/// The most users whose time has ended that are seen to in one go. Where many end at once, as after the outage of a
/// network, whoever else is waiting has a turn in between.
const ENDS_AT_ONCE: usize = 256;

/// A REGISTER of somebody who may.
#[derive(Debug)]
pub struct Register<'a> {
    /// Whose bindings.
    pub user: &'a str,
    /// The `Call-ID`, which orders requests of one device together with `cseq`.
    pub call_id: &'a str,
    /// The number in `CSeq`.
    pub cseq: u32,
    /// The `Expires` header, in seconds.
    pub expires_s: Option<u32>,
    /// What is asked for.
    pub wish: Wish,
    /// Where it came from; calls go back that way.
    pub flow: Flow,
    /// The proxies that calls are to pass on their way back (RFC 3327), nearest first.
    pub path: Vec<Uri>,
}

/// What a REGISTER asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// `Contact: *`
    RemoveAll,
    /// These contacts; none at all asks for the list only.
    Contacts(Vec<NameAddr>),
}

/// Why a REGISTER changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400
    #[error("a star stands alone and expires at once")]
    BadStar,
    /// 423 with `Min-Expires`.
    #[error("the validity is below {min_s} s")]
    TooBrief {
        /// What is granted at least, in seconds.
        min_s: u32,
    },
    /// 500: an older request than the last one.
    #[error("the request is older than the last one")]
    Stale,
    /// 403: the user has as many devices as may be.
    #[error("too many contacts")]
    TooMany,
}

/// A contact in the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Granted<'a> {
    /// The address as registered.
    pub uri: &'a Uri,
    /// For how many seconds more.
    pub expires_s: u64,
    /// The preference as registered.
    pub q: Option<&'a str>,
    /// The device and its flow as registered.
    pub outbound: Option<&'a Outbound>,
    /// The device alone, in its quotes.
    pub instance: Option<&'a str>,
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// A device can be rung.
    Bind(Binding),
    /// It is gone.
    Unbind(Binding),
}

/// All bindings.
#[derive(Debug)]
pub struct Registrar {
    adapter: AdapterId,
    limits: RegistrarLimits,
    location: Location,
    aliases: Aliases,
    /// Whose registration each number in a temporary GRUU is.
    by_alias: HashMap<u64, String>,
    last_alias: u64,
}

impl Registrar {
    /// Without bindings.
    pub fn new(adapter: AdapterId, limits: RegistrarLimits, dice: &mut Dice) -> Registrar {
        let (location, aliases) = (Location::default(), Aliases::new(dice));
        Registrar { adapter, limits, location, aliases, by_alias: HashMap::new(), last_alias: 0 }
    }

    /// Does what a REGISTER asks, whole or not at all.
    ///
    /// # Errors
    /// [`Refused`] says what to answer instead; nothing has changed then.
    pub fn register(&mut self, now: Instant, request: Register<'_>) -> Result<Vec<Change>, Refused> {
        match &request.wish {
            Wish::RemoveAll if request.expires_s != Some(0) => Err(Refused::BadStar),
            Wish::RemoveAll => {
                if self.location.of(request.user).iter().any(|r| r.is_newer_than(&request)) {
                    return Err(Refused::Stale);
                }
                Ok(self.drop_of(request.user, |_| true))
            }
            Wish::Contacts(_) => self.register_contacts(now, request),
        }
    }

    fn register_contacts(&mut self, now: Instant, request: Register<'_>) -> Result<Vec<Change>, Refused> {
        let Wish::Contacts(contacts) = &request.wish else { return Ok(Vec::new()) };
        let mut wanted = Vec::with_capacity(contacts.len());
        for contact in contacts {
            wanted.push((contact, self.granted(contact, request.expires_s)?));
        }
        let known = self.location.of(request.user);
        let mut adds = 0;
        for (contact, validity) in &wanted {
            match known.iter().find(|r| r.is_of(contact)) {
                Some(registered) if registered.is_newer_than(&request) => return Err(Refused::Stale),
                Some(_) => {}
                None => adds += usize::from(!validity.is_zero()),
            }
        }
        let room = self.limits.contacts_per_user.saturating_sub(known.len());
        if adds > room || self.location.count() + adds > BINDINGS_LIMIT {
            return Err(Refused::TooMany);
        }
        let before = self.devices_of(request.user);
        let by_alias = &mut self.by_alias;
        self.location.change(request.user, |of_user| {
            for (contact, validity) in wanted {
                put(now, of_user, &request, contact, validity, by_alias);
            }
        });
        Ok(self.changes(&request, before))
    }

    fn devices_of(&self, user: &str) -> Vec<Binding> {
        devices(self.location.of(user)).map(|device| device.binding(user, self.adapter)).collect()
    }

    /// What a REGISTER has changed. What it has said again is told again: a binding said twice changes nothing.
    fn changes(&self, request: &Register<'_>, before: Vec<Binding>) -> Vec<Change> {
        let after: Vec<(Binding, bool)> = devices(self.location.of(request.user))
            .map(|device| (device.binding(request.user, self.adapter), device.is_by(request)))
            .collect();
        let gone = before.iter().filter(|old| !after.iter().any(|(new, _)| new.is_of_device(old)));
        let told = after.iter().filter(|(new, is_said)| *is_said || !before.contains(new));
        let told = told.map(|(new, _)| Change::Bind(new.clone()));
        gone.map(|old| Change::Unbind(old.clone())).chain(told).collect()
    }

    /// The validity that a contact is granted; zero removes it.
    fn granted(&self, contact: &NameAddr, header_s: Option<u32>) -> Result<Duration, Refused> {
        // RFC 3261 §10.3: a malformed value counts as the default.
        let own = contact.params.get("expires").map(|v| v.parse().unwrap_or(self.limits.expires_default_s));
        let wish = own.or(header_s).unwrap_or(self.limits.expires_default_s);
        match wish {
            0 => Ok(Duration::ZERO),
            brief if brief < self.limits.expires_min_s => Err(Refused::TooBrief { min_s: self.limits.expires_min_s }),
            wish => Ok(Duration::from_secs(u64::from(wish.min(self.limits.expires_max_s)))),
        }
    }

    /// The user part of a temporary GRUU for an instance that is registered (RFC 5627 §3.2); another one each time.
    pub fn alias(&mut self, user: &str, instance: &str, dice: &mut Dice) -> Option<String> {
        let is_own = |r: &Registered| r.instance.as_deref() == Some(instance);
        if !self.location.of(user).iter().any(is_own) {
            return None;
        }
        let next = self.last_alias + 1;
        let number = self.location.change(user, |of_user| {
            let own = of_user.iter_mut().filter(|r| is_own(r));
            own.fold(next, |number, registered| *registered.alias.get_or_insert(number))
        });
        if number == next {
            self.last_alias = next;
            self.by_alias.insert(next, user.to_owned());
        }
        Some(self.aliases.write(number, dice))
    }

    /// Who and which device is meant by the user part of a temporary GRUU; `None` if it leads nowhere any more.
    pub fn behind(&self, alias: &str) -> Option<(&str, Contact)> {
        let number = self.aliases.read(alias)?;
        let user = self.by_alias.get(&number)?;
        let device = self.location.of(user).iter().rev().find(|r| r.alias == Some(number))?;
        Some((user, device.contact()))
    }

    /// The contacts of a user, for the answer.
    pub fn contacts(&self, now: Instant, user: &str) -> Vec<Granted<'_>> {
        let registered = self.location.of(user).iter();
        registered
            .map(|r| Granted {
                uri: &r.uri,
                expires_s: r.expires_at.saturating_duration_since(now).as_secs(),
                q: r.q.as_deref(),
                outbound: r.outbound.as_ref(),
                instance: r.instance.as_deref(),
            })
            .collect()
    }

    /// The device of a user that a GRUU means (RFC 5627 §5.1): of several of its flows the one that it registered last.
    pub fn device(&self, user: &str, gr: &str) -> Option<Contact> {
        let means = |r: &&Registered| r.instance.as_deref().and_then(gr_of) == Some(gr);
        Some(self.location.of(user).iter().rev().find(means)?.contact())
    }

    /// The other flows of the device that has this one, the latest first (RFC 5626 §7).
    pub fn other_flows(&self, user: &str, contact: &Contact) -> Vec<Contact> {
        let of_user = self.location.of(user);
        let Some(meant) = of_user.iter().find(|r| r.contact() == *contact) else { return Vec::new() };
        let others = of_user.iter().rev().filter(|r| !std::ptr::eq(*r, meant) && r.is_same_device(meant));
        others.map(Registered::contact).collect()
    }

    /// Whoever keeps the flow says that it is gone (RFC 5626 §5.3.1, 430).
    pub fn drop_contact(&mut self, user: &str, contact: &Contact) -> Vec<Change> {
        self.drop_of(user, |r| r.contact() == *contact)
    }

    /// When the first binding ends.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.location.next_end()
    }

    /// Takes out what has expired; where that is much, only a part of it, and [`Registrar::poll_timeout`] is due still.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        let ended = self.location.ended(now, ENDS_AT_ONCE);
        ended.iter().flat_map(|user| self.drop_of(user, |r| r.expires_at <= now)).collect()
    }

    /// A connection is gone, and with it the devices that were reached by it.
    pub fn drop_flow(&mut self, flow: &Flow) -> Vec<Change> {
        let connected = self.location.connected_by(flow);
        connected.iter().flat_map(|user| self.drop_of(user, |r| r.flow == *flow)).collect()
    }

    /// Somebody may not sign in any more.
    pub fn keep_users(&mut self, users: &HashSet<&str>) -> Vec<Change> {
        let gone: Vec<Arc<str>> = self.location.users().filter(|user| !users.contains(&***user)).cloned().collect();
        gone.iter().flat_map(|user| self.drop_of(user, |_| true)).collect()
    }

    fn drop_of(&mut self, user: &str, is_gone: impl Fn(&Registered) -> bool) -> Vec<Change> {
        if !self.location.of(user).iter().any(&is_gone) {
            return Vec::new();
        }
        let before = self.devices_of(user);
        let by_alias = &mut self.by_alias;
        self.location.change(user, |of_user| {
            let dropped: Vec<u64> = of_user.iter().filter(|r| is_gone(r)).filter_map(|r| r.alias).collect();
            of_user.retain(|r| !is_gone(r));
            forget(by_alias, of_user, dropped);
        });
        let after = self.devices_of(user);
        let gone = before.iter().filter(|old| !after.contains(old)).cloned().map(Change::Unbind);
        gone.chain(after.iter().filter(|new| !before.contains(new)).cloned().map(Change::Bind)).collect()
    }
}

/// Puts a contact in the place of what it was before, or takes it out if its validity is zero.
fn put(
    now: Instant,
    of_user: &mut Vec<Registered>,
    request: &Register<'_>,
    contact: &NameAddr,
    validity: Duration,
    by_alias: &mut HashMap<u64, String>,
) {
    let known = of_user.iter().position(|r| r.is_of(contact)).map(|at| of_user.remove(at));
    let instance = instance_of(contact).map(str::to_owned);
    // RFC 5627 §5.1: the temporary GRUUs of an instance are good for as long as it registers by the same `Call-ID`.
    let is_own = |r: &&mut Registered| instance.is_some() && r.instance == instance;
    let mut dropped = Vec::from_iter(known.as_ref().and_then(|k| k.alias));
    for other in of_user.iter_mut().filter(is_own).filter(|other| other.call_id != request.call_id) {
        dropped.extend(other.alias.take());
    }
    let beside = of_user.iter_mut().filter(is_own).find_map(|other| other.alias);
    let alias = known.as_ref().filter(|k| k.call_id == request.call_id && k.instance == instance);
    let alias = alias.and_then(|k| k.alias).or(beside);
    if !validity.is_zero() {
        // Most users have one device, and with a hundred thousand of them room for three more each counts.
        of_user.reserve_exact(1);
        of_user.push(Registered {
            uri: contact.uri.clone(),
            flow: request.flow,
            q: contact.params.get("q").map(str::to_owned),
            outbound: Outbound::of(contact),
            instance,
            path: request.path.clone(),
            call_id: request.call_id.to_owned(),
            cseq: request.cseq,
            expires_at: now + validity,
            alias,
        });
    }
    forget(by_alias, of_user, dropped);
}

/// Forgets the numbers of temporary GRUUs that no contact has any more.
fn forget(by_alias: &mut HashMap<u64, String>, of_user: &[Registered], dropped: Vec<u64>) {
    for number in dropped {
        if !of_user.iter().any(|r| r.alias == Some(number)) {
            by_alias.remove(&number);
        }
    }
}

impl Registered {
    /// RFC 3261 §10.3 step 7: of one device's requests a late one does not undo a later one.
    fn is_newer_than(&self, request: &Register<'_>) -> bool {
        self.call_id == request.call_id && self.cseq >= request.cseq
    }

    fn is_by(&self, request: &Register<'_>) -> bool {
        self.call_id == request.call_id && self.cseq == request.cseq
    }
}

#[cfg(test)]
mod tests;
