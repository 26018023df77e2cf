//! The people and devices that may sign in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Secret;

/// Everybody who may sign in, by name. Replaced as a whole when the configuration is read again; the
/// adapters hold the version they were last given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// The users, by name.
    pub users: BTreeMap<String, User>,
}

/// Somebody who may sign in, from a phone or from a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The password, for SIP digest and for the page's sign-in.
    pub password: Secret,
    /// The name to show to those who are called.
    pub display: Option<String>,
    /// The number in E.164 form under which the user calls out and can be dialled.
    pub number: Option<String>,
    /// The XMPP account (a bare JID, in its normal form) that is this user too: calls from it are the user's, and
    /// it rings with the user's other devices.
    pub jid: Option<String>,
}
