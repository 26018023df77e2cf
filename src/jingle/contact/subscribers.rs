//! Who gets the presence of which of our JIDs.

use std::collections::{BTreeMap, BTreeSet};

use xmpp_parsers::jid::BareJid;

/// The most subscriptions of a connection.
pub(super) const MAX_SUBSCRIPTIONS: usize = 10_000;
/// The most subscriptions of one account.
pub(super) const MAX_OF_ACCOUNT: usize = 500;

/// By our JID: the accounts that have it in their roster.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    ours: BTreeMap<BareJid, BTreeSet<BareJid>>,
    accounts: BTreeMap<BareJid, usize>,
    count: usize,
}

impl Subscribers {
    /// Takes a subscription in. `None` if there are too many; otherwise whether it is another than before.
    pub(super) fn add(&mut self, account: &BareJid, ours: &BareJid) -> Option<bool> {
        if self.has(account, ours) {
            return Some(false);
        }
        let of_account = self.accounts.entry(account.clone()).or_default();
        if self.count >= MAX_SUBSCRIPTIONS || *of_account >= MAX_OF_ACCOUNT {
            if *of_account == 0 {
                self.accounts.remove(account);
            }
            return None;
        }
        *of_account += 1;
        self.count += 1;
        self.ours.entry(ours.clone()).or_default().insert(account.clone());
        Some(true)
    }

    /// Ends a subscription; whether there was one.
    pub(super) fn remove(&mut self, account: &BareJid, ours: &BareJid) -> bool {
        let Some(accounts) = self.ours.get_mut(ours) else { return false };
        if !accounts.remove(account) {
            return false;
        }
        if accounts.is_empty() {
            self.ours.remove(ours);
        }
        self.count -= 1;
        if let Some(of_account) = self.accounts.get_mut(account) {
            *of_account -= 1;
            if *of_account == 0 {
                self.accounts.remove(account);
            }
        }
        true
    }

    pub(super) fn has(&self, account: &BareJid, ours: &BareJid) -> bool {
        self.ours.get(ours).is_some_and(|accounts| accounts.contains(account))
    }

    /// The accounts that have one of our JIDs in their roster.
    pub(super) fn of(&self, ours: &BareJid) -> impl Iterator<Item = &BareJid> {
        self.ours.get(ours).into_iter().flatten()
    }

    /// All: the account, and our JID.
    pub(super) fn all(&self) -> impl Iterator<Item = (&BareJid, &BareJid)> {
        self.ours.iter().flat_map(|(ours, accounts)| accounts.iter().map(move |account| (account, ours)))
    }
}
