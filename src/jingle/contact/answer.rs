//! Answers to requests: discovery (XEP-0030), the prompt (XEP-0100), ping (XEP-0199) and version (XEP-0092).

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns as names;

use super::Contacts;
use super::info::{GATEWAY, NAME, Sort};
use crate::jingle::address::{self, Home, NoJid};
use crate::jingle::config::ConnectionId;
use crate::jingle::stanza::{DefinedCondition, ErrorType, StanzaError, xml::Tag};
use crate::model::{Address, Directory};

/// The digits of a number with its country (ITU-T E.164), the shortest in use and the longest allowed.
const E164: std::ops::RangeInclusive<usize> = 7..=15;
/// The most digits of a number as it is dialled.
const LONGEST_DIALLED: usize = 20;

/// The payload of the result, or the error.
pub(super) fn answer(
    contacts: &Contacts,
    connection: ConnectionId,
    home: &Home,
    to: Option<&Jid>,
    payload: &Element,
    is_get: bool,
    directory: &Directory,
) -> Result<Option<Element>, StanzaError> {
    let to = to.unwrap_or(home.jid());
    let Some(sort) = contacts.sort(connection, to, directory) else {
        return Err(StanzaError::item_not_found());
    };
    let is = |name: &str, namespace: &str| payload.is(name, namespace);
    if is_get && is("query", names::DISCO_INFO) {
        let answer = contacts.info(sort).answer(payload.attr("node"));
        return answer.map(Some).ok_or_else(StanzaError::item_not_found);
    }
    if is_get && is("query", names::DISCO_ITEMS) {
        // Who our users are is nobody's business.
        return Ok(Some(Element::bare("query", names::DISCO_ITEMS)));
    }
    if is_get && is("ping", names::PING) {
        return Ok(None);
    }
    if is_get && is("query", names::VERSION) {
        let child = |name, text: &str| Tag::new(name, names::VERSION).text(text).build();
        let version = [child("name", NAME), child("version", env!("CARGO_PKG_VERSION"))];
        return Ok(Some(Tag::new("query", names::VERSION).children(version).build()));
    }
    if sort == Sort::Host && is("query", GATEWAY) {
        return if is_get { Ok(Some(prompt())) } else { jid_of(payload, home, directory).map(Some) };
    }
    Err(StanzaError::service_unavailable())
}

/// XEP-0100 §4.6.1
fn prompt() -> Element {
    let child = |name, text: &str| Tag::new(name, GATEWAY).text(text).build();
    let desc = "Enter a telephone number with its country, such as +15550100, or the address of somebody to call.";
    Tag::new("query", GATEWAY).children([child("desc", desc), child("prompt", "Number or address")]).build()
}

/// Number in, JID out.
fn jid_of(query: &Element, home: &Home, directory: &Directory) -> Result<Element, StanzaError> {
    let refuse = |why: &str| StanzaError::new(ErrorType::Modify, DefinedCondition::NotAcceptable).with_text(why);
    let text = query.get_child("prompt", GATEWAY).map(Element::text).ok_or_else(StanzaError::bad_request)?;
    let address = address::read(&text).map_err(|no| refuse(&no.to_string()))?;
    let address = address::spelled(address, directory);
    if !is_callable(&address, directory) {
        return Err(refuse("This is neither a telephone number nor anybody here."));
    }
    let jid = address::on_component(&address, home.jid().domain()).map_err(|no: NoJid| refuse(&no.to_string()))?;
    let child = |name, text: &str| Tag::new(name, GATEWAY).text(text).build();
    // Clients of the years before 2005 read the JID from `prompt`.
    Ok(Tag::new("query", GATEWAY).children([child("jid", jid.as_str()), child("prompt", jid.as_str())]).build())
}

fn is_callable(address: &Address, directory: &Directory) -> bool {
    if address.domain.is_some() || directory.users.contains_key(&address.user) {
        return true;
    }
    let digits = address.user.chars().filter(char::is_ascii_digit).count();
    let is_plausible = match address.user.starts_with('+') {
        true => E164.contains(&digits) && !address.user.starts_with("+0"),
        false => digits <= LONGEST_DIALLED,
    };
    address.is_number() && is_plausible
}
