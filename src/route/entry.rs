//! Patterns for doors: `user`, `user:alice|trunk:carrier-*`, `account:*@example.org`, `web`, `open`.

use std::fmt;

use super::pattern::{BadPattern, Pattern};
use crate::base::settings::nearest;
use crate::model::Entry;

/// The adapters that callers come in by.
pub const ADAPTERS: [&str; 3] = ["web", "sip", "xmpp"];

/// A condition on the door of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPattern {
    text: String,
    doors: Vec<Door>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Door {
    /// `user`, `user:PATTERN`
    User(Option<Pattern>),
    /// `trunk`, `trunk:PATTERN`
    Trunk(Option<Pattern>),
    /// `account`, `account:PATTERN`: an XMPP account that is no user of ours.
    Account(Option<Pattern>),
    /// `web`, `sip`, `xmpp`: anybody whom the door knows.
    Adapter(&'static str),
    /// Callers whom no door knows.
    Open,
}

impl EntryPattern {
    /// Reads doors, separated by `|`.
    ///
    /// # Errors
    /// [`BadPattern`], with what to write instead.
    pub fn read(text: &str) -> Result<EntryPattern, BadPattern> {
        let doors = text.split('|').map(|door| read_door(door.trim())).collect::<Result<_, _>>()?;
        Ok(EntryPattern { text: text.to_owned(), doors })
    }

    /// Whether a call came by one of the doors.
    pub fn fits(&self, entry: &Entry, adapter: &str) -> bool {
        let named =
            |pattern: &Option<Pattern>, name: &str| pattern.as_ref().is_none_or(|p| p.fits(name, None).is_some());
        self.doors.iter().any(|door| match (door, entry) {
            (Door::User(pattern), Entry::User(name)) | (Door::Trunk(pattern), Entry::Trunk(name)) => {
                named(pattern, name)
            }
            (Door::Account(pattern), Entry::Account(jid)) => pattern.as_ref().is_none_or(|p| p.fits_jid(jid)),
            // An adapter lets in only whom it knows: a rule for phones must not open a trunk to strangers, nor one
            // for our users' XMPP accounts to those of others.
            (Door::Adapter(own), Entry::User(_) | Entry::Trunk(_)) => *own == adapter,
            (Door::Open, Entry::Open) => true,
            _ => false,
        })
    }
}

impl fmt::Display for EntryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn read_door(text: &str) -> Result<Door, BadPattern> {
    let pattern = |name: &str| Pattern::read(name).map(Some);
    match text.split_once(':') {
        Some(("user", name)) => return Ok(Door::User(pattern(name)?)),
        Some(("trunk", name)) => return Ok(Door::Trunk(pattern(name)?)),
        Some(("account", jid)) => {
            let pattern = pattern(jid)?;
            if !pattern.as_ref().is_some_and(Pattern::has_domain) {
                let advice = "write a pattern with a domain, such as `account:*@example.org`, or `account`";
                return Err(BadPattern::new(format!("`{text}` fits no account: {advice}")));
            }
            return Ok(Door::Account(pattern));
        }
        _ => {}
    }
    match text {
        "user" => Ok(Door::User(None)),
        "trunk" => Ok(Door::Trunk(None)),
        "account" => Ok(Door::Account(None)),
        "open" => Ok(Door::Open),
        other => match ADAPTERS.into_iter().find(|a| *a == other) {
            Some(adapter) => Ok(Door::Adapter(adapter)),
            None => {
                let known = [
                    "user",
                    "user:NAME",
                    "trunk",
                    "trunk:NAME",
                    "account",
                    "account:*@DOMAIN",
                    "web",
                    "sip",
                    "xmpp",
                    "open",
                ];
                let advice = match nearest(other, &known) {
                    Some(near) => format!("write `{near}`"),
                    None => format!("write one of {}", known.join(", ")),
                };
                Err(BadPattern::new(format!("`{other}` is no door: {advice}")))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tells_doors_apart() {
        let fits =
            |pattern: &str, entry: &Entry, adapter: &str| EntryPattern::read(pattern).unwrap().fits(entry, adapter);
        let alice = Entry::User("alice".into());
        let carrier = Entry::Trunk("carrier-a".into());
        assert!(fits("user", &alice, "web") && fits("user:al*", &alice, "sip") && fits("trunk|web", &alice, "web"));
        assert!(!fits("user:bob", &alice, "web") && !fits("trunk", &alice, "sip") && !fits("sip", &alice, "web"));
        assert!(fits("trunk:carrier-*", &carrier, "sip") && fits("sip", &carrier, "sip"));
        assert!(!fits("user", &carrier, "sip"));
    }

    #[test]
    fn only_the_word_open_lets_strangers_in() {
        for pattern in ["user", "user:*", "trunk:*", "sip", "web", "user|trunk|sip|web|account"] {
            assert!(!EntryPattern::read(pattern).unwrap().fits(&Entry::Open, "sip"), "{pattern}");
        }
        assert!(EntryPattern::read("open").unwrap().fits(&Entry::Open, "sip"));
    }

    #[test]
    fn only_the_word_account_lets_accounts_of_others_in() {
        let romeo = Entry::Account("romeo@montague.lit".into());
        let fits = |pattern: &str, entry: &Entry| EntryPattern::read(pattern).unwrap().fits(entry, "xmpp");
        for pattern in ["xmpp", "user", "user:*", "trunk", "open", "account:*@example.org", "account:juliet@*"] {
            assert!(!fits(pattern, &romeo), "{pattern}");
        }
        for pattern in ["account", "account:*@montague.lit", "account:Romeo@*", "user|account:*@*.lit"] {
            assert!(fits(pattern, &romeo), "{pattern}");
        }
        assert!(fits("xmpp", &Entry::User("romeo".into())));
        assert!(!fits("account", &Entry::User("romeo".into())));
    }

    #[test]
    fn what_is_no_door_is_said_with_what_to_write() {
        assert_eq!(EntryPattern::read("users").unwrap_err().to_string(), "`users` is no door: write `user`");
        let said = EntryPattern::read("gate").unwrap_err().to_string();
        assert!(said.contains("write one of user, user:NAME, trunk"), "{said}");
        let said = EntryPattern::read("account:*").unwrap_err().to_string();
        assert!(said.contains("such as `account:*@example.org`"), "{said}");
    }
}
