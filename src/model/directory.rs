//! The people and devices that may sign in.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::base::Secret;

/// Everybody who may sign in, by name. Replaced as a whole when the configuration is read again; the
/// adapters hold the version they were last given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// The users, by name.
    pub users: Users,
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

/// Users by their names, who are found by what else they are called without a look at all of them.
#[derive(Debug, Clone, Default)]
pub struct Users {
    by_name: BTreeMap<String, User>,
    /// Made when it is asked for, and forgotten when the users change.
    index: OnceLock<Index>,
}

/// The names of the users by what else they are called.
#[derive(Debug, Clone, Default)]
struct Index {
    numbers: HashMap<String, String>,
    /// In small letters.
    accounts: HashMap<String, String>,
    /// Those names that are not all in small letters, by themselves in small letters.
    capitals: HashMap<String, Vec<String>>,
}

impl Users {
    /// The user whose number it is, in E.164 form; of several the first by name.
    pub fn by_number(&self, number: &str) -> Option<&str> {
        self.index().numbers.get(number).map(String::as_str)
    }

    /// The user whose XMPP account it is, in any case; of several the first by name.
    pub fn by_account(&self, jid: &str) -> Option<&str> {
        self.index().accounts.get(&jid.to_ascii_lowercase()).map(String::as_str)
    }

    /// The users whose names differ from this one by case at most, in the order of their names.
    pub fn spelled_like<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let small = name.to_ascii_lowercase();
        let capitals = self.index().capitals.get(&small).into_iter().flatten();
        // Capitals come before small letters.
        capitals.chain(self.by_name.get_key_value(&small).map(|(name, _)| name)).map(String::as_str)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            for (name, user) in &self.by_name {
                if let Some(number) = &user.number {
                    index.numbers.entry(number.clone()).or_insert_with(|| name.clone());
                }
                if let Some(jid) = &user.jid {
                    index.accounts.entry(jid.to_ascii_lowercase()).or_insert_with(|| name.clone());
                }
                let small = name.to_ascii_lowercase();
                if small != *name {
                    index.capitals.entry(small).or_default().push(name.clone());
                }
            }
            index
        })
    }
}

impl Deref for Users {
    type Target = BTreeMap<String, User>;

    fn deref(&self) -> &BTreeMap<String, User> {
        &self.by_name
    }
}

impl DerefMut for Users {
    fn deref_mut(&mut self) -> &mut BTreeMap<String, User> {
        self.index.take();
        &mut self.by_name
    }
}

impl PartialEq for Users {
    fn eq(&self, other: &Users) -> bool {
        self.by_name == other.by_name
    }
}

impl Eq for Users {}

impl FromIterator<(String, User)> for Users {
    fn from_iter<I: IntoIterator<Item = (String, User)>>(users: I) -> Users {
        Users { by_name: users.into_iter().collect(), index: OnceLock::new() }
    }
}

impl<const N: usize> From<[(String, User); N]> for Users {
    fn from(users: [(String, User); N]) -> Users {
        Users::from_iter(users)
    }
}

impl From<BTreeMap<String, User>> for Users {
    fn from(by_name: BTreeMap<String, User>) -> Users {
        Users { by_name, index: OnceLock::new() }
    }
}

impl<'a> IntoIterator for &'a Users {
    type Item = (&'a String, &'a User);
    type IntoIter = std::collections::btree_map::Iter<'a, String, User>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_name.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user(number: Option<&str>, jid: Option<&str>) -> User {
        let (number, jid) = (number.map(str::to_owned), jid.map(str::to_owned));
        User { password: Secret::new("secret"), display: None, number, jid }
    }

    #[test]
    fn a_user_is_found_by_number_by_account_and_by_a_name_in_another_case() {
        let mut users: Users = [
            ("ALICE".to_owned(), user(Some("+49301"), None)),
            ("Alice".to_owned(), user(None, Some("alice@montague.lit"))),
            ("alice".to_owned(), user(Some("+49301"), Some("Alice@Montague.lit"))),
            ("bob".to_owned(), user(None, None)),
        ]
        .into();
        assert_eq!([users.by_number("+49301"), users.by_number("49301")], [Some("ALICE"), None]);
        assert_eq!(users.by_account("ALICE@montague.lit"), Some("Alice"));
        assert_eq!(users.by_account("bob@montague.lit"), None);
        let like = |name: &str| users.spelled_like(name).collect::<Vec<_>>().join(" ");
        assert_eq!([like("aLICE"), like("BOB"), like("carol")], ["ALICE Alice alice", "bob", ""]);
        users.get_mut("bob").unwrap().jid = Some("bob@montague.lit".into());
        assert_eq!(users.by_account("bob@montague.lit"), Some("bob"), "changed after somebody had asked");
    }
}
