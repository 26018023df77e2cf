//! Where a user can be reached now.

use serde::{Deserialize, Serialize};

use crate::base::{AdapterId, Pii};

/// Where exactly to deliver a call, in the words of the adapter that gave it: a SIP contact with its flow, a
/// browser's session. Nobody else reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contact(pub String);

/// The preference of a device that says none (RFC 3841 §7.2.4): the highest.
pub const PREFERRED: u16 = 1000;

/// A device of a user that can be rung.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The user, by name in the directory.
    pub user: String,
    /// The adapter it is reached through.
    pub adapter: AdapterId,
    /// Where.
    pub contact: Contact,
    /// How much the user prefers it to be rung, in thousandths (RFC 3261 §20.10, `q`): devices of the same preference
    /// ring at once, those of a lower one after them.
    pub preference: u16,
}

impl Binding {
    /// Whether the two are the same device of the same user.
    pub fn is_of_device(&self, other: &Binding) -> bool {
        (self.adapter, &self.contact, &self.user) == (other.adapter, &other.contact, &other.user)
    }

    /// The user, safe to log.
    pub fn user(&self) -> Pii<&str> {
        Pii(&self.user)
    }
}
