//! Who can be reached where (RFC 3261 §10.3): the bindings, in virtual time. Who may register is decided
//! before, in admission; what goes over the wire is written after.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::config::RegistrarLimits;
use super::flow::Flow;
use super::message::{NameAddr, Uri};
use crate::base::AdapterId;
use crate::model::{Binding, Contact};

/// The most contacts in one REGISTER.
pub const CONTACTS_PER_REQUEST: usize = 20;
/// The most bindings of all users together.
pub const BINDINGS_LIMIT: usize = 100_000;

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
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// A device can be rung.
    Bind(Binding),
    /// It is gone.
    Unbind(Binding),
}

#[derive(Debug)]
struct Registered {
    uri: Uri,
    flow: Flow,
    q: Option<String>,
    call_id: String,
    cseq: u32,
    expires_at: Instant,
}

/// All bindings.
#[derive(Debug)]
pub struct Registrar {
    adapter: AdapterId,
    limits: RegistrarLimits,
    users: BTreeMap<String, Vec<Registered>>,
    count: usize,
    /// No binding ends before this.
    earliest: Option<Instant>,
}

impl Registrar {
    /// Without bindings.
    pub fn new(adapter: AdapterId, limits: RegistrarLimits) -> Registrar {
        Registrar { adapter, limits, users: BTreeMap::new(), count: 0, earliest: None }
    }

    /// Does what a REGISTER asks, whole or not at all.
    ///
    /// # Errors
    /// [`Refused`] says what to answer instead; nothing has changed then.
    pub fn register(&mut self, now: Instant, request: Register<'_>) -> Result<Vec<Change>, Refused> {
        match &request.wish {
            Wish::RemoveAll if request.expires_s != Some(0) => Err(Refused::BadStar),
            Wish::RemoveAll => {
                let gone = self.users.get(request.user).map(Vec::as_slice).unwrap_or_default();
                if gone.iter().any(|r| r.is_newer_than(&request)) {
                    return Err(Refused::Stale);
                }
                Ok(self.drop_where(|user, _| user == request.user))
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
        let known = self.users.get(request.user).map(Vec::as_slice).unwrap_or_default();
        let mut adds = 0;
        for (contact, validity) in &wanted {
            match known.iter().find(|r| r.uri == contact.uri) {
                Some(registered) if registered.is_newer_than(&request) => return Err(Refused::Stale),
                Some(_) => {}
                None => adds += usize::from(!validity.is_zero()),
            }
        }
        let room = self.limits.contacts_per_user.saturating_sub(known.len());
        if adds > room || self.count + adds > BINDINGS_LIMIT {
            return Err(Refused::TooMany);
        }
        let mut changes = Vec::new();
        for (contact, validity) in wanted {
            self.put(now, &request, contact, validity, &mut changes);
        }
        Ok(changes)
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

    fn put(
        &mut self,
        now: Instant,
        request: &Register<'_>,
        contact: &NameAddr,
        validity: Duration,
        changes: &mut Vec<Change>,
    ) {
        let adapter = self.adapter;
        let of_user = self.users.entry(request.user.to_owned()).or_default();
        let at = of_user.iter().position(|r| r.uri == contact.uri);
        if let Some(at) = at {
            let moved = of_user[at].flow != request.flow;
            if moved || validity.is_zero() {
                let gone = of_user.remove(at);
                self.count -= 1;
                changes.push(Change::Unbind(gone.binding(request.user, adapter)));
            } else {
                of_user.remove(at);
                self.count -= 1;
            }
        }
        if !validity.is_zero() {
            let registered = Registered {
                uri: contact.uri.clone(),
                flow: request.flow,
                q: contact.params.get("q").map(str::to_owned),
                call_id: request.call_id.to_owned(),
                cseq: request.cseq,
                expires_at: now + validity,
            };
            // Said again on each refresh: a binding said twice changes nothing.
            changes.push(Change::Bind(registered.binding(request.user, adapter)));
            self.earliest = Some(self.earliest.map_or(registered.expires_at, |e| e.min(registered.expires_at)));
            of_user.push(registered);
            self.count += 1;
        }
        if of_user.is_empty() {
            self.users.remove(request.user);
        }
    }

    /// The contacts of a user, for the answer.
    pub fn contacts(&self, now: Instant, user: &str) -> Vec<Granted<'_>> {
        let registered = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        registered
            .iter()
            .map(|r| Granted {
                uri: &r.uri,
                expires_s: r.expires_at.saturating_duration_since(now).as_secs(),
                q: r.q.as_deref(),
            })
            .collect()
    }

    /// When the first binding may end.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes out what has expired.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        if self.earliest.is_none_or(|e| e > now) {
            return Vec::new();
        }
        let changes = self.drop_where(|_, r| r.expires_at <= now);
        self.earliest = self.users.values().flatten().map(|r| r.expires_at).min();
        changes
    }

    /// A connection is gone, and with it the devices that were reached by it.
    pub fn drop_flow(&mut self, flow: &Flow) -> Vec<Change> {
        self.drop_where(|_, r| r.flow == *flow)
    }

    /// Somebody may not sign in any more.
    pub fn keep_users(&mut self, users: &HashSet<&str>) -> Vec<Change> {
        self.drop_where(|user, _| !users.contains(user))
    }

    fn drop_where(&mut self, gone: impl Fn(&str, &Registered) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let adapter = self.adapter;
        self.users.retain(|user, of_user| {
            of_user.retain(|r| {
                let goes = gone(user, r);
                if goes {
                    changes.push(Change::Unbind(r.binding(user, adapter)));
                }
                !goes
            });
            !of_user.is_empty()
        });
        self.count -= changes.len();
        changes
    }
}

impl Registered {
    /// RFC 3261 §10.3 step 7: of one device's requests a late one does not undo a later one.
    fn is_newer_than(&self, request: &Register<'_>) -> bool {
        self.call_id == request.call_id && self.cseq >= request.cseq
    }

    fn binding(&self, user: &str, adapter: AdapterId) -> Binding {
        Binding { user: user.to_owned(), adapter, contact: write_contact(&self.flow, &self.uri) }
    }
}

/// A binding's contact: the way back to the device, then the address to ask for.
fn write_contact(flow: &Flow, uri: &Uri) -> Contact {
    Contact(format!("{flow} {uri}"))
}

/// Reads a contact that the registrar wrote.
pub fn read_contact(contact: &Contact) -> Option<(Flow, Uri)> {
    let (flow, uri) = contact.0.split_once(' ')?;
    Some((flow.parse().ok()?, uri.parse().ok()?))
}
