//! Who calls whom, and by which door.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whom one can call: a user part and, unless it is one of ours, a domain. A telephone number is a user part
/// of digits, with a leading `+` once it is in E.164 form.
///
/// The adapters escape and unescape; here every character stands for itself (RFC 7247's trap is to do it
/// twice).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// `alice`, `+15550100`, `600`.
    pub user: String,
    /// The domain, in lower case and without a port; `None` means here. The full address of an XMPP client goes on
    /// with `/` and its resource, in its own case (RFC 7622 §3.4): `example.org/Orchard`.
    pub domain: Option<String>,
}

impl Address {
    /// An address of this gateway.
    pub fn here(user: impl Into<String>) -> Address {
        Address { user: user.into(), domain: None }
    }

    /// An address of a domain, perhaps with a resource.
    pub fn at(user: impl Into<String>, domain: impl AsRef<str>) -> Address {
        let mut domain = domain.as_ref().to_owned();
        let end = domain.find('/').unwrap_or(domain.len());
        if let Some(host) = domain.get_mut(..end) {
            host.make_ascii_lowercase();
        }
        Address { user: user.into(), domain: Some(domain) }
    }

    /// The domain without a resource.
    pub fn host(&self) -> Option<&str> {
        self.domain.as_deref().map(|d| d.split_once('/').map_or(d, |(host, _)| host))
    }

    /// The resource of an XMPP address.
    pub fn resource(&self) -> Option<&str> {
        self.domain.as_deref().and_then(|d| d.split_once('/')).map(|(_, resource)| resource)
    }

    /// The address without its resource.
    pub fn bare(&self) -> Address {
        Address { user: self.user.clone(), domain: self.host().map(str::to_owned) }
    }

    /// Whether the user part is a telephone number: an optional `+`, then two digits or more, with nothing
    /// else but visual separators (RFC 3966 §5.1.1).
    pub fn is_number(&self) -> bool {
        let digits = self.user.strip_prefix('+').unwrap_or(&self.user);
        digits.chars().filter(char::is_ascii_digit).count() >= 2
            && digits.chars().all(|c| c.is_ascii_digit() || " -.()/".contains(c))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{}@{}", self.user, domain),
            None => f.write_str(&self.user),
        }
    }
}

/// The text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address: write a number, a name or name@domain")]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    /// What a person types: `+1 555 0100`, `alice`, `alice@example.org`, each with or without a scheme.
    fn from_str(text: &str) -> Result<Address, NoAddress> {
        const LONGEST: usize = 256;
        let text = text.trim();
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(NoAddress);
        }
        let scheme = ["sip:", "sips:", "tel:", "xmpp:"]
            .into_iter()
            .find(|s| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)));
        let rest = scheme.map_or(text, |s| &text[s.len()..]);
        let rest = if scheme.is_some() { rest.split([';', '?']).next().unwrap_or(rest) } else { rest };
        // What follows the first `/` behind an `@` is a resource, and may have an `@` itself.
        let end = rest.find('@').and_then(|at| rest.get(at..)?.find('/').map(|slash| at + slash));
        let (address, resource) = rest.split_at(end.unwrap_or(rest.len()));
        let (user, host) = match address.rsplit_once('@') {
            Some((user, host)) => (user, Some(host)),
            None => (address, None),
        };
        if user.is_empty() || host == Some("") || resource == "/" {
            return Err(NoAddress);
        }
        Ok(match host {
            Some(host) => Address::at(user, format!("{host}{resource}")),
            None => Address::here(user),
        })
    }
}

/// A person or device at one end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Party {
    /// Where it can be reached.
    pub address: Address,
    /// The name to show.
    pub display: Option<String>,
    /// The party asked not to be named (RFC 3323); only trusted trunks are told.
    pub private: bool,
}

impl Party {
    /// A party without a display name.
    pub fn new(address: Address) -> Party {
        Party { address, display: None, private: false }
    }
}

/// By which door a call came in, and whom the door has proven the caller to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A user of the directory, authenticated.
    User(String),
    /// A trunk of the configuration.
    Trunk(String),
    /// Somebody of another domain whose own server vouches for the address: an XMPP account, by its bare JID.
    Account(String),
    /// Anybody: a door that asks for no identity.
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_person_types() {
        let read = |t: &str| t.parse::<Address>();
        assert_eq!(read("+1 555 0100"), Ok(Address::here("+1 555 0100")));
        assert_eq!(read("tel:+1-555-0100;phone-context=x"), Ok(Address::here("+1-555-0100")));
        assert_eq!(read(" sip:Bob@Example.ORG;transport=tcp "), Ok(Address::at("Bob", "example.org")));
        assert_eq!(read("alice"), Ok(Address::here("alice")));
        for nobody in ["", "  ", "sip:", "@example.org", "bob@", "bob@/x", "bob@example.org/", "a\nb"] {
            assert_eq!(read(nobody), Err(NoAddress), "{nobody:?}");
        }
    }

    #[test]
    fn a_resource_stays_with_the_domain_in_its_own_case() {
        let orchard: Address = "xmpp:romeo@Montague.LIT/Orchard@Home/1".parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(orchard, Address::at("romeo", "montague.lit/Orchard@Home/1"));
        assert_eq!((orchard.host(), orchard.resource()), (Some("montague.lit"), Some("Orchard@Home/1")));
        assert_eq!(orchard.to_string(), "romeo@montague.lit/Orchard@Home/1");
        assert_eq!(orchard.bare(), Address::at("romeo", "MONTAGUE.lit"));
        // A `/` between digits separates, and one before the `@` is a part of the name.
        assert_eq!("030/123456".parse(), Ok(Address::here("030/123456")));
        assert_eq!("a/b@example.org".parse(), Ok(Address::at("a/b", "example.org")));
    }

    #[test]
    fn tells_numbers_from_names() {
        for number in ["+15550100", "112", "+1 (555) 01-00"] {
            assert!(Address::here(number).is_number(), "{number}");
        }
        for name in ["alice", "+", "1", "12a", ""] {
            assert!(!Address::here(name).is_number(), "{name}");
        }
    }
}
