//! JID ⇄ address ⇄ SIP URI, for all identifiers.

use patchcord::jingle::address::{account, escape, of_account, of_component, on_component};
use patchcord::model::Address;
use patchcord::sip::message::{Host, SipUri, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use xmpp_parsers::jid::{BareJid, DomainPart, Jid};

const IDENTIFIERS: u32 = 10_000;

fn component() -> DomainPart {
    DomainPart::new("phone.example.org").unwrap().into_owned()
}

/// User parts that are hard on escaping: everything that is escaped, what looks like an escape of one world or the
/// other, numbers, and letters from beyond ASCII. In the form that XMPP folds to.
fn user() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9.!#$*+=?^_`{|}~%-]{1,6}",
        3 => prop::sample::select(vec![" ", "\"", "&", "'", "/", ":", "<", ">", "@", "\\"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "\\20", "\\22", "\\40", "\\5c", "\\5c5c", "\\2", "\\5", "%40", "%2540", "%", "\\\\", ";gr=", ";user=phone",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["é", "ß", "日本", "д", "ñ", "ü"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..8)
        .prop_map(|pieces| pieces.concat())
        // What Unicode folds away does not come back: taken in its folded form.
        .prop_map(|user| user.replace('ß', "ss"))
        .prop_filter("spaces at the ends have no JID", |u| u.trim() == u)
}

fn address() -> impl Strategy<Value = Address> {
    let domain =
        prop::sample::select(vec!["example.org", "sip.example.net", "192.0.2.7", "[2001:db8::7]", "x--y.example"]);
    prop_oneof![
        user()
            .prop_map(|u| u.replace('@', ""))
            .prop_filter("a name", |u| !u.is_empty() && u.trim() == u)
            .prop_map(Address::here),
        "[+]?[1-9][0-9]{1,14}".prop_map(Address::here),
        (user(), domain).prop_map(|(user, domain)| Address::at(user, domain)),
    ]
    .prop_filter("visual separators are not kept", |a| {
        !a.is_number() || a.domain.is_some() || a.user.chars().all(|c| c.is_ascii_digit() || c == '+')
    })
}

fn check<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(Config { cases: IDENTIFIERS, failure_persistence: None, ..Config::default() });
    if let Err(failure) = runner.run(&strategy, property) {
        panic!("{failure}");
    }
}

/// The address as it comes out of the SIP URI on the wire.
fn over_sip(address: &Address) -> Address {
    let host = Host::from(address.domain.as_deref().unwrap_or("gateway.example.com"));
    let wire = Uri::from(SipUri::new(host).with_user(&address.user)).to_string();
    let uri: Uri = wire.parse().unwrap();
    let user = uri.user().unwrap().into_owned();
    match &address.domain {
        None => Address::here(user),
        Some(_) => Address::at(user, uri.sip().unwrap().host.to_string()),
    }
}

#[test]
fn address_to_jid_and_back_is_identity() {
    check(address(), |address| {
        let jid = on_component(&address, &component()).unwrap();
        let read = Jid::new(&jid.to_string()).unwrap();
        prop_assert_eq!(of_component(&read), Some(address));
        Ok(())
    });
}

#[test]
fn jid_to_sip_uri_and_back_is_identity() {
    check(address(), |address| {
        let jid = on_component(&address, &component()).unwrap();
        let said = of_component(&jid.clone().into()).unwrap();
        prop_assert_eq!(on_component(&over_sip(&said), &component()), Ok(jid));
        Ok(())
    });
}

#[test]
fn an_account_is_its_address_and_back() {
    check((user(), "[a-z]{1,8}[.]example"), |(user, domain)| {
        let jid = account(&Address::at(&user, &domain)).unwrap();
        let address = of_account(&jid.clone().into()).unwrap();
        prop_assert_eq!(&address, &Address::at(user, domain));
        prop_assert_eq!(account(&address), Ok(jid));
        Ok(())
    });
}

#[test]
fn no_two_jids_are_one_address_whatever_a_peer_writes() {
    check("\\PC{1,12}", |node| {
        let Ok(jid) = BareJid::new(&format!("{node}@phone.example.org")) else { return Ok(()) };
        if let Some(address) = of_account(&jid.clone().into()) {
            prop_assert_eq!(account(&address), Ok(jid));
        }
        Ok(())
    });
}

#[test]
fn any_text_is_escaped_or_refused() {
    check("\\PC{0,12}|[\\\\0-9a-fA-F＼４０ @]{0,8}", |user| {
        if let Ok(node) = escape(&user) {
            let again = patchcord::jingle::address::unescape(&node);
            let node_again = again.and_then(|u| escape(&u).ok());
            prop_assert_eq!(node_again, Some(node));
        }
        Ok(())
    });
}
