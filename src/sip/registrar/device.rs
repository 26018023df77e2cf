//! What a device is to the registrar: its instance and flows (RFC 5626), and the words by which it is found again.

use std::time::Instant;

use crate::base::AdapterId;
use crate::model::{Binding, Contact, PREFERRED};
use crate::sip::flow::Flow;
use crate::sip::message::{NameAddr, Uri};

/// The longest name of a device in a GRUU.
const LONGEST_GR: usize = 128;

/// Which device registers, and by which of its flows (RFC 5626 §4.2): a device that comes again by another way, with
/// another address, takes the place of what it registered before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// `+sip.instance`, in its quotes.
    pub instance: String,
    /// `reg-id`
    pub reg_id: String,
}

impl Outbound {
    /// What a contact says of itself.
    pub fn of(contact: &NameAddr) -> Option<Outbound> {
        let reg_id = contact.params.get("reg-id").filter(|id| id.parse::<u32>().is_ok())?;
        Some(Outbound { instance: instance_of(contact)?.to_owned(), reg_id: reg_id.to_owned() })
    }
}

/// Which device a contact is of, in its quotes.
pub(super) fn instance_of(contact: &NameAddr) -> Option<&str> {
    contact.params.get("+sip.instance").filter(|instance| !instance.is_empty())
}

/// The device of an instance as it stands in the `gr` of a GRUU (RFC 5627 §3.3); `None` of one that is no URN, or could
/// not stand there.
pub fn gr_of(instance: &str) -> Option<&str> {
    let urn = instance.strip_prefix("\"<")?.strip_suffix(">\"")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-._".contains(c);
    (urn.len() <= LONGEST_GR && urn.starts_with("urn:") && urn.chars().all(plain)).then_some(urn)
}

/// How much a contact is preferred, in thousandths (RFC 3261 §20.10); what cannot be read says nothing.
fn preference(q: Option<&str>) -> u16 {
    let said = q.and_then(|q| q.trim().parse::<f32>().ok()).filter(|q| q.is_finite());
    said.map_or(PREFERRED, |q| (q.clamp(0.0, 1.0) * f32::from(PREFERRED)).round() as u16)
}

/// One contact of a user.
#[derive(Debug)]
pub(super) struct Registered {
    pub uri: Uri,
    pub flow: Flow,
    pub q: Option<String>,
    pub outbound: Option<Outbound>,
    pub instance: Option<String>,
    pub path: Vec<Uri>,
    pub call_id: String,
    pub cseq: u32,
    pub expires_at: Instant,
    /// What its temporary GRUUs stand for; of an instance alone.
    pub alias: Option<u64>,
}

impl Registered {
    /// Whether a contact is this one: by its device and flow if both say them (RFC 5626 §6), else by its address.
    pub fn is_of(&self, contact: &NameAddr) -> bool {
        match (&self.outbound, Outbound::of(contact)) {
            (Some(known), Some(said)) => *known == said,
            _ => self.uri == contact.uri,
        }
    }

    /// Whether both are flows of the same device.
    pub fn is_same_device(&self, other: &Registered) -> bool {
        match (&self.outbound, &other.outbound) {
            (Some(ours), Some(theirs)) => ours.instance == theirs.instance,
            _ => self.uri == other.uri,
        }
    }

    /// What it is to those who ring it.
    pub fn binding(&self, user: &str, adapter: AdapterId) -> Binding {
        let preference = preference(self.q.as_deref());
        Binding { user: user.to_owned(), adapter, contact: self.contact(), preference }
    }

    /// Where exactly it is.
    pub fn contact(&self) -> Contact {
        write_contact(&self.flow, &self.uri, &self.path)
    }
}

/// The devices among a user's contacts. Of several flows of one the latest is meant, for they ring only one after the
/// other (RFC 5626 §7).
pub(super) fn devices(of_user: &[Registered]) -> impl Iterator<Item = &Registered> {
    let is_latest = |(at, r): &(usize, &Registered)| !of_user.iter().skip(at + 1).any(|later| later.is_same_device(r));
    of_user.iter().enumerate().filter(is_latest).map(|(_, r)| r)
}

/// A contact: the way back to the device, then the address to ask for, then the proxies between.
pub fn write_contact(flow: &Flow, uri: &Uri, path: &[Uri]) -> Contact {
    let path: String = path.iter().map(|proxy| format!(" {proxy}")).collect();
    Contact(format!("{flow} {uri}{path}"))
}

/// Reads a contact that the registrar wrote: the way and the address.
pub fn read_contact(contact: &Contact) -> Option<(Flow, Uri)> {
    let mut words = contact.0.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Reads the proxies of a contact that the registrar wrote.
pub fn read_path(contact: &Contact) -> Vec<NameAddr> {
    contact.0.split(' ').skip(2).filter_map(|proxy| Some(NameAddr::new(proxy.parse::<Uri>().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_read_in_thousandths_and_nonsense_is_none() {
        for (q, read) in [("1", 1000), ("0.5", 500), ("0.123", 123), ("0", 0), ("7", 1000), ("-1", 0)] {
            assert_eq!(preference(Some(q)), read, "{q}");
        }
        for q in [None, Some(""), Some("much"), Some("NaN")] {
            assert_eq!(preference(q), PREFERRED, "{q:?}");
        }
    }
}
