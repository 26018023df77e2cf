//! Which JID is whose, in both directions (RFC 7622, XEP-0106, RFC 7247 §5).
//!
//! ```text
//!   Address::here("+1 555-0100")       ⇄  +15550100@component         a number, without visual separators
//!   Address::here("o'hara")            ⇄  o\27hara@component
//!   Address::at("bob", "example.org")  ⇄  bob\40example.org@component   an address of another world, one of our JIDs
//!   Address::at("romeo", "m.lit")      ⇄  romeo@m.lit                   a peer's own account
//! ```
//!
//! Escapes are read and written exactly once, here. XMPP folds case (RFC 7622 §3.3), so what comes back is the folded
//! form; a JID that is no one's normal form (`\5cx` where `\x` needs no escape) is nobody's.

use xmpp_parsers::jid::{BareJid, DomainPart, DomainRef, Jid, NodePart, NodeRef, ResourcePart};

use super::config::Login;
use crate::model::{Address, Directory, Entry};

/// The resource of all our JIDs on a component.
pub const RESOURCE: &str = "patchcord";

/// What XEP-0106 §3.2 escapes, and how. The backslash only stands here for reading: it is escaped only where what
/// follows would be read as an escape.
const ESCAPES: [(char, &str); 10] = [
    (' ', "20"),
    ('"', "22"),
    ('&', "26"),
    ('\'', "27"),
    ('/', "2f"),
    (':', "3a"),
    ('<', "3c"),
    ('>', "3e"),
    ('@', "40"),
    ('\\', "5c"),
];

/// Why an address has no JID, or a text names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoJid {
    /// The user part is empty, too long, begins or ends with a space, or has characters that no JID may have.
    #[error("the name cannot be written as an XMPP address")]
    User,
    /// The domain is none.
    #[error("the domain is not valid")]
    Domain,
    /// An address of ours was needed, or one of another domain.
    #[error("the address belongs to another domain")]
    Elsewhere,
    /// `sips:` promises TLS on every hop, which nothing behind a gateway can keep (RFC 7247 §5).
    #[error("a sips address cannot be reached over XMPP: write sip")]
    Secure,
    /// The text is no address at all.
    #[error("not an address: write a number, a name or name@domain")]
    Text,
}

/// A user part as the localpart of a JID (XEP-0106 §4.2).
///
/// # Errors
/// [`NoJid::User`].
pub fn escape(user: &str) -> Result<NodePart, NoJid> {
    // XEP-0106 §4.1: \20 may neither begin nor end a localpart.
    if user.starts_with(' ') || user.ends_with(' ') {
        return Err(NoJid::User);
    }
    let mut escaped = String::with_capacity(user.len());
    for (at, c) in user.char_indices() {
        let rest = &user[at + c.len_utf8()..];
        match ESCAPES.iter().find(|(plain, _)| *plain == c) {
            Some(_) if c == '\\' && !ESCAPES.iter().any(|(_, code)| starts_with_code(rest, code)) => escaped.push(c),
            Some((_, code)) => escaped.extend(['\\'].into_iter().chain(code.chars())),
            None => escaped.push(c),
        }
    }
    let folded = NodePart::new(&escaped).map_err(|_| NoJid::User)?;
    // Some letters fold to a capital, which the next reader folds again.
    let node = NodePart::new(folded.as_str()).map_err(|_| NoJid::User)?.into_owned();
    // Compatibility forms (a full-width backslash or digit) fold into escapes that nobody wrote.
    let special = |text: &str| text.chars().filter(|c| ESCAPES.iter().any(|(p, _)| p == c)).collect::<String>();
    if special(user) == special(&unescape_once(node.as_str())) { Ok(node) } else { Err(NoJid::User) }
}

/// The user part that a localpart stands for (XEP-0106 §3.3). `None` for a localpart that is not the normal form of
/// what it says: two JIDs must not mean one person.
///
/// (The `jid` crate has an `unescape` of its own, which panics where a backslash is among the last two bytes.)
pub fn unescape(node: &NodeRef) -> Option<String> {
    let user = unescape_once(node.as_str());
    escape(&user).is_ok_and(|again| again.as_str() == node.as_str()).then_some(user)
}

fn unescape_once(node: &str) -> String {
    let mut user = String::with_capacity(node.len());
    let mut rest = node;
    while let Some(at) = rest.find('\\') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        user.push_str(before);
        match ESCAPES.iter().find(|(_, code)| after.starts_with(code)) {
            Some((plain, code)) => {
                user.push(*plain);
                rest = &after[code.len()..];
            }
            None => {
                user.push('\\');
                rest = after;
            }
        }
    }
    user + rest
}

/// Nodeprep folds case after escaping, so that `\5C` is an escape too.
fn starts_with_code(text: &str, code: &str) -> bool {
    text.get(..code.len()).is_some_and(|t| t.eq_ignore_ascii_case(code))
}

/// The JID on a component that stands for an address: of ours, or of another world.
///
/// # Errors
/// [`NoJid::User`] or [`NoJid::Domain`].
pub fn on_component(address: &Address, component: &DomainRef) -> Result<BareJid, NoJid> {
    let node = match &address.domain {
        None if address.user.contains('@') => return Err(NoJid::User),
        None => escape(&without_separators(address))?,
        Some(domain) => {
            let domain = DomainPart::new(domain).map_err(|_| NoJid::Domain)?;
            if address.user.is_empty() {
                return Err(NoJid::User);
            }
            escape(&format!("{}@{}", address.user, domain.as_str()))?
        }
    };
    Ok(BareJid::from_parts(Some(&node), component))
}

/// Whom a JID on a component stands for. `None` for the component itself and for what is nobody's normal form.
pub fn of_component(jid: &Jid) -> Option<Address> {
    let user = unescape(jid.node()?)?;
    match user.rsplit_once('@') {
        None => {
            let address = Address::here(user);
            Some(Address::here(without_separators(&address)))
        }
        Some((user, domain)) => {
            let normal = DomainPart::new(domain).ok()?;
            (!user.is_empty() && normal.as_str() == domain).then(|| Address::at(user, domain))
        }
    }
}

/// The account of a peer that an address names.
///
/// # Errors
/// [`NoJid::Elsewhere`] for an address without a domain; [`NoJid::User`], [`NoJid::Domain`].
pub fn account(address: &Address) -> Result<BareJid, NoJid> {
    let domain = address.domain.as_deref().ok_or(NoJid::Elsewhere)?;
    let domain = DomainPart::new(domain).map_err(|_| NoJid::Domain)?;
    Ok(BareJid::from_parts(Some(&escape(&address.user)?), &domain))
}

/// The address of a peer's account, whichever of its resources speaks. `None` for a server, and for a localpart that
/// is not in normal form.
pub fn of_account(jid: &Jid) -> Option<Address> {
    Some(Address::at(unescape(jid.node()?)?, jid.domain().as_str()))
}

/// What a person typed or a URI says: escapes of the URI are read once (RFC 3261 §19.1.2, RFC 5122 §2.2).
///
/// # Errors
/// [`NoJid::Secure`] for `sips:`, [`NoJid::Text`] for what is no address.
pub fn read(text: &str) -> Result<Address, NoJid> {
    let text = text.trim();
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    if begins("sips:") {
        return Err(NoJid::Secure);
    }
    let address: Address = text.parse().map_err(|_| NoJid::Text)?;
    if !begins("sip:") && !begins("xmpp:") {
        return Ok(address);
    }
    let user = percent_decoded(&address.user).filter(|u| !u.is_empty()).ok_or(NoJid::Text)?;
    Ok(Address { user, ..address })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|c| std::str::from_utf8(c).ok());
        match code.filter(|c| c.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// A number without its visual separators (RFC 3966 §5.1.1); everything else as it is.
fn without_separators(address: &Address) -> String {
    if !address.is_number() {
        return address.user.clone();
    }
    address.user.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// The address with its user spelled as the directory does: XMPP has folded the case of the name.
pub fn spelled(address: Address, directory: &Directory) -> Address {
    if address.domain.is_some() || address.is_number() || directory.users.contains_key(&address.user) {
        return address;
    }
    let mut same = directory.users.spelled_like(&address.user);
    match (same.next(), same.next()) {
        (Some(name), None) => Address::here(name),
        _ => address,
    }
}

/// By which door somebody comes in whose account was vouched for by the peer's own server: as the user of the directory
/// that has it, or as the account.
pub fn entry(account: &BareJid, directory: &Directory) -> Entry {
    let has_it =
        |name: &&str| directory.users.get(*name).and_then(|user| user.jid.as_deref()) == Some(account.as_str());
    match directory.users.by_account(account.as_str()).filter(has_it) {
        Some(name) => Entry::User(name.to_owned()),
        None => Entry::Account(account.to_string()),
    }
}

/// Our side of a connection: whom of us a JID means, and as whom we speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    jid: Jid,
    inbound: Option<Address>,
}

impl Home {
    /// For a login, with our address on the stream: a component's domain, or a client's full JID.
    pub fn new(login: &Login, jid: Jid) -> Home {
        let inbound = match login {
            Login::Component { .. } => None,
            Login::Client { inbound, .. } => Some(inbound.clone()),
        };
        Home { jid, inbound }
    }

    /// Our address on the stream.
    pub fn jid(&self) -> &Jid {
        &self.jid
    }

    /// Whether we are a whole domain.
    pub fn is_component(&self) -> bool {
        self.inbound.is_none()
    }

    /// Whether a JID is the component itself, and nobody in it.
    pub fn is_host(&self, to: &Jid) -> bool {
        self.is_component() && to.node().is_none() && to.domain() == self.jid.domain()
    }

    /// Whom of us a stanza is for. `None` for the host, for what is nobody's JID, and for what is not ours at all.
    pub fn whom(&self, to: &Jid) -> Option<Address> {
        match &self.inbound {
            None => (to.domain() == self.jid.domain()).then(|| of_component(to)).flatten(),
            Some(inbound) => (to.to_bare() == self.jid.to_bare()).then(|| inbound.clone()),
        }
    }

    /// The full JID that speaks for the JID of ours that a stanza was for.
    pub fn resource_of(&self, to: &Jid) -> Option<Jid> {
        if !self.is_component() {
            return Some(self.jid.clone());
        }
        to.to_bare().with_resource_str(RESOURCE).ok().map(Jid::from)
    }

    /// The full JID under which we speak for one of ours, or for a party of another world.
    ///
    /// # Errors
    /// [`NoJid`] where a component has no JID for it; a client has one for all.
    pub fn speaker(&self, address: &Address) -> Result<Jid, NoJid> {
        if !self.is_component() {
            return Ok(self.jid.clone());
        }
        let resource = ResourcePart::new(RESOURCE).map_err(|_| NoJid::User)?;
        Ok(on_component(address, self.jid.domain())?.with_resource(&resource).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn component() -> DomainPart {
        DomainPart::new("phone.example.org").unwrap().into_owned()
    }

    fn jid(address: &Address) -> Result<String, NoJid> {
        on_component(address, &component()).map(|j| j.to_string())
    }

    fn back(jid: &str) -> Option<Address> {
        of_component(&Jid::new(jid).unwrap())
    }

    #[test]
    fn the_examples_of_xep_0106_hold_both_ways() {
        for (user, node) in [
            ("space cadet", r"space\20cadet"),
            (r#"call me "ishmael""#, r"call\20me\20\22ishmael\22"),
            ("at&t guy", r"at\26t\20guy"),
            ("d'artagnan", r"d\27artagnan"),
            ("/.fanboy", r"\2f.fanboy"),
            ("::foo::", r"\3a\3afoo\3a\3a"),
            ("<foo>", r"\3cfoo\3e"),
            ("user@host", r"user\40host"),
            (r"c:\net", r"c\3a\net"),
            (r"c:\\net", r"c\3a\\net"),
            (r"c:\cool stuff", r"c\3a\cool\20stuff"),
            (r"c:\5commas", r"c\3a\5c5commas"),
            (r"\3and\2is\5cool", r"\5c3and\2is\5c5cool"),
            ("tréville", "tréville"),
        ] {
            assert_eq!(escape(user).unwrap().as_str(), node);
            let node = NodePart::new(node).unwrap();
            assert_eq!(unescape(&node).unwrap(), user);
        }
    }

    #[test]
    fn addresses_of_ours_and_of_other_worlds_are_jids_of_the_component() {
        for (address, expected) in [
            (Address::here("+15550100"), r"+15550100@phone.example.org"),
            (Address::here("alice"), r"alice@phone.example.org"),
            (Address::at("bob", "sip.example.org"), r"bob\40sip.example.org@phone.example.org"),
            (Address::at("+4930123456", "192.0.2.1"), r"+4930123456\40192.0.2.1@phone.example.org"),
            (Address::at("bob", "[2001:db8::1]"), r"bob\40[2001\3adb8\3a\3a1]@phone.example.org"),
            (Address::at("a@b", "c.example"), r"a\40b\40c.example@phone.example.org"),
        ] {
            assert_eq!(jid(&address).unwrap(), expected);
            assert_eq!(back(expected), Some(address));
        }
    }

    #[test]
    fn numbers_lose_their_visual_separators_and_names_their_case() {
        assert_eq!(jid(&Address::here("+1 (555) 01-00")).unwrap(), "+15550100@phone.example.org");
        assert_eq!(back("+1-555.0100@phone.example.org"), Some(Address::here("+15550100")));
        assert_eq!(jid(&Address::here("Alice")).unwrap(), "alice@phone.example.org");
        assert_eq!(back("phone.example.org"), None);
    }

    #[test]
    fn what_no_jid_can_say_is_refused() {
        for user in
            ["", " a", "a ", "a\u{0}b", "a\nb", &"x".repeat(1024), "a\u{ff20}b", "a\u{ff3c}40b", "a\\\u{ff14}0b"]
        {
            assert_eq!(escape(user), Err(NoJid::User), "{user:?}");
        }
        assert_eq!(jid(&Address::here("a@b")), Err(NoJid::User));
        assert_eq!(jid(&Address::at("a", "no domain")), Err(NoJid::Domain));
        assert_eq!(account(&Address::here("a")), Err(NoJid::Elsewhere));
    }

    #[test]
    fn a_jid_in_no_normal_form_is_nobody() {
        for nobody in [r"\5cx@p", r"\20x@p", r"x\20@p", r"\40example.org@p", r"x\40@p", r"x\40a\20b@p"] {
            assert_eq!(back(nobody), None, "{nobody}");
        }
        for end in [r"x\", r"x\5", r"\"] {
            assert_eq!(back(&format!("{end}@p")), Some(Address::here(end)));
        }
    }

    #[test]
    fn escapes_of_a_uri_are_read_once_and_sips_is_refused() {
        assert_eq!(read("sip:value%2541@example.org"), Ok(Address::at("value%41", "example.org")));
        assert_eq!(read("sip:a%40b@example.org"), Ok(Address::at("a@b", "example.org")));
        assert_eq!(read("100%25"), Ok(Address::here("100%25")));
        assert_eq!(read("tel:+1-555-0100"), Ok(Address::here("+1-555-0100")));
        assert_eq!(read("SIPS:bob@example.org"), Err(NoJid::Secure));
        assert_eq!(read("sip:%ff@example.org"), Err(NoJid::Text));
    }

    #[test]
    fn a_client_speaks_for_all_as_itself_and_a_component_for_each() {
        let login = Login::Client {
            jid: BareJid::new("gateway@example.org").unwrap(),
            password: crate::base::Secret::new("x"),
            inbound: Address::here("reception"),
        };
        let client = Home::new(&login, Jid::new("gateway@example.org/abc").unwrap());
        assert_eq!(client.whom(&Jid::new("gateway@example.org").unwrap()), Some(Address::here("reception")));
        assert_eq!(client.whom(&Jid::new("other@example.org").unwrap()), None);
        assert_eq!(client.speaker(&Address::here("+15550100")).unwrap().as_str(), "gateway@example.org/abc");

        let login = Login::Component { domain: "phone.example.org".into(), secret: crate::base::Secret::new("x") };
        let component = Home::new(&login, Jid::new("phone.example.org").unwrap());
        assert!(component.is_host(&Jid::new("phone.example.org").unwrap()));
        assert_eq!(component.whom(&Jid::new("x@other.example").unwrap()), None);
        let number = component.speaker(&Address::here("+15550100")).unwrap();
        assert_eq!(number.as_str(), "+15550100@phone.example.org/patchcord");
        assert_eq!(component.whom(&number), Some(Address::here("+15550100")));
    }

    #[test]
    fn a_name_whose_case_was_folded_is_spelled_as_in_the_directory() {
        let user =
            crate::model::User { password: crate::base::Secret::new("x"), display: None, number: None, jid: None };
        let directory = Directory { users: [("Alice".to_owned(), user)].into() };
        assert_eq!(spelled(Address::here("alice"), &directory), Address::here("Alice"));
        assert_eq!(spelled(Address::here("bob"), &directory), Address::here("bob"));
    }
}
