//! Where a user can be reached now.

use serde::{Deserialize, Serialize};

use crate::base::{AdapterId, Pii};

/// Where exactly to deliver a call, in the words of the adapter that gave it: a SIP contact with its flow, a
/// browser's session. Nobody else reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contact(pub String);

/// A device of a user that can be rung.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The user, by name in the directory.
    pub user: String,
    /// The adapter it is reached through.
    pub adapter: AdapterId,
    /// Where.
    pub contact: Contact,
}

impl Binding {
    /// The user, safe to log.
    pub fn user(&self) -> Pii<&str> {
        Pii(&self.user)
    }
}
