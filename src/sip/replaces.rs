//! `Replaces` (RFC 3891): which dialog a call takes the place of, and `Refer-To` (RFC 3515), which may carry one;
//! `Target-Dialog` (RFC 4538): which dialog a request outside it belongs to.

use super::along;
use super::dialog::Dialog;
use super::message::{BadHeader, Headers, Name, NameAddr, Uri};
use crate::model::UserToUser;

/// The longest value that is looked at.
const LONGEST: usize = 512;

/// The option tag.
pub const OPTION: &str = "replaces";

/// The option tag of whoever need not be told how a transfer goes (RFC 4488 §7).
pub const NO_SUBSCRIPTION: &str = "norefersub";

/// A dialog as whoever is in it sees it: `to-tag` is its own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The `Call-ID`.
    pub call_id: String,
    /// The tag of whoever is called.
    pub to_tag: String,
    /// The tag of the other one.
    pub from_tag: String,
    /// Only as long as the dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the value of the header (RFC 3891 §6.1).
    pub fn read(value: &str) -> Option<Replaces> {
        let (call_id, rest) = value.get(..LONGEST.min(value.len())).filter(|v| *v == value)?.split_once(';')?;
        let tag = |name: &str| param(rest, name).filter(|t| !t.is_empty()).map(str::to_owned);
        Some(Replaces {
            call_id: Some(call_id.trim()).filter(|c| !c.is_empty())?.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: param(rest, "early-only").is_some(),
        })
    }

    /// A dialog of ours as the peer sees it, as the header of a request to the peer.
    pub fn of_dialog(dialog: &Dialog, local_tag: &str) -> Option<String> {
        let remote_tag = dialog.remote_tag.as_deref()?;
        Some(format!("{};to-tag={remote_tag};from-tag={local_tag}", dialog.call_id))
    }

    /// The header of a request; `None` if it has none.
    ///
    /// # Errors
    /// It cannot be read, or there are several: the request is answered with 400 (RFC 3891 §3).
    pub fn of(headers: &Headers) -> Result<Option<Replaces>, BadHeader> {
        let bad = |what| BadHeader { name: Name::Replaces, what };
        let mut all = headers.all(&Name::Replaces);
        let Some(value) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(bad("is there twice"));
        }
        Replaces::read(value.as_str()).map(Some).ok_or(bad("names no dialog"))
    }
}

/// A dialog as whoever names it sees it (RFC 4538 §7): `local_tag` is its own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The `Call-ID`.
    pub call_id: String,
    /// The tag of whoever names it.
    pub local_tag: String,
    /// The tag of the other one.
    pub remote_tag: String,
}

/// The `Target-Dialog` of a request; `None` if it has none.
///
/// # Errors
/// It cannot be read, or there are several.
pub fn target_dialog(headers: &Headers) -> Result<Option<Target>, BadHeader> {
    let name = Name::from("Target-Dialog");
    let mut all = headers.all(&name);
    let Some(value) = all.next().map(|v| v.as_str()) else { return Ok(None) };
    let bad = |what| BadHeader { name: name.clone(), what };
    if all.next().is_some() {
        return Err(bad("is there twice"));
    }
    let read = || {
        let (call_id, rest) = value.get(..LONGEST.min(value.len())).filter(|v| *v == value)?.split_once(';')?;
        let tag = |name: &str| param(rest, name).filter(|t| !t.is_empty()).map(str::to_owned);
        let call_id = Some(call_id.trim()).filter(|c| !c.is_empty())?.to_owned();
        Some(Target { call_id, local_tag: tag("local-tag")?, remote_tag: tag("remote-tag")? })
    };
    read().map(Some).ok_or(bad("names no dialog"))
}

/// The value of a parameter, empty if it is a flag; `None` if it is not there.
fn param<'v>(text: &'v str, wanted: &str) -> Option<&'v str> {
    let pairs = text.split(';').map(|part| part.split_once('=').unwrap_or((part, "")));
    pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(n, _)| n.eq_ignore_ascii_case(wanted)).map(|(_, v)| v)
}

/// Where a REFER wants somebody to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address, without what is to be done there.
    pub uri: Uri,
    /// The dialog whose place is to be taken there, as its header is to say.
    pub replaces: Option<String>,
    /// What goes along with the call there (RFC 7433 §3.1).
    pub user_to_user: UserToUser,
}

/// Why a REFER asks for nothing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// 400: there is not exactly one address, or it cannot be read.
    Garbled(&'static str),
    /// 416: calls of this scheme are not made.
    Scheme,
    /// 603: it asks for another request than a call.
    Method,
}

/// Reads the `Refer-To` of a REFER (RFC 3515 §2.1).
///
/// # Errors
/// What is wrong with it.
pub fn refer_to(headers: &Headers) -> Result<Destination, Unfit> {
    let mut all = headers.elements(&Name::ReferTo);
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(Unfit::Garbled("a REFER has one Refer-To"));
    };
    let name: NameAddr = value.parse().map_err(|_| Unfit::Garbled("the Refer-To cannot be read"))?;
    let Uri::Sip(uri) = &name.uri else {
        return match name.uri {
            Uri::Tel(_) => Ok(Destination { uri: name.uri, replaces: None, user_to_user: UserToUser::default() }),
            _ => Err(Unfit::Scheme),
        };
    };
    if uri.params.get("method").is_some_and(|m| !m.eq_ignore_ascii_case("INVITE")) {
        return Err(Unfit::Method);
    }
    let mut replaces = uri.headers().filter(|(name, _)| name.eq_ignore_ascii_case("Replaces")).map(|(_, v)| v);
    let found = replaces.next().map(std::borrow::Cow::into_owned);
    if found.as_deref().is_some_and(|value| Replaces::read(value).is_none()) || replaces.next().is_some() {
        return Err(Unfit::Garbled("the Refer-To has a Replaces that names no dialog"));
    }
    let user_to_user = along::words_in(uri);
    let uri = Uri::Sip(uri.clone().for_request_line());
    Ok(Destination { uri, replaces: found, user_to_user })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::Header;

    fn referring(value: &str) -> Result<Destination, Unfit> {
        refer_to(&[Header::new(Name::ReferTo, value)].into_iter().collect())
    }

    #[test]
    fn a_dialog_is_named_by_its_call_id_and_both_tags_in_any_order() {
        let full = Replaces::read("a84b4c@host;from-tag=1;to-tag=2;early-only").unwrap();
        assert_eq!((full.call_id.as_str(), full.to_tag.as_str(), full.from_tag.as_str()), ("a84b4c@host", "2", "1"));
        assert!(full.early_only);
        assert!(!Replaces::read(" x ; to-tag=7 ;from-tag= 8").unwrap().early_only);
        for nothing in ["", "x", "x;to-tag=1", "x;from-tag=1;to-tag=", ";to-tag=1;from-tag=2", &"x".repeat(2000)] {
            assert_eq!(Replaces::read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn an_attended_transfer_carries_the_dialog_escaped_in_the_address() {
        let to =
            referring("<sip:carol@example.org;user=phone?Replaces=12%40host%3Bto-tag%3D7%3Bfrom-tag%3D8>").unwrap();
        assert_eq!(to.replaces.as_deref(), Some("12@host;to-tag=7;from-tag=8"));
        assert_eq!(to.uri.to_string(), "sip:carol@example.org;user=phone");
        assert_eq!(referring("tel:+15550100").unwrap().uri.to_string(), "tel:+15550100");
        assert_eq!(referring("Carol <sip:carol@example.org>").unwrap().replaces, None);
    }

    #[test]
    fn words_of_users_are_escaped_in_the_address_and_bounded() {
        let to = referring("<sip:carol@example.org?User-to-User=56a3%3Bencoding%3Dhex&x=1&user-to-user=42>").unwrap();
        assert_eq!(to.user_to_user.0, ["56a3;encoding=hex", "42"]);
        let long = format!("<sip:carol@example.org?User-to-User={}>", "0".repeat(513));
        assert!(referring(&long).unwrap().user_to_user.0.is_empty());
        let many = format!("<sip:carol@example.org?x=1{}>", "&User-to-User=1".repeat(20));
        assert_eq!(referring(&many).unwrap().user_to_user.0.len(), UserToUser::MOST);
    }

    #[test]
    fn what_is_no_call_is_not_referred_to() {
        for (value, expected) in [
            ("<http://example.org>", Unfit::Scheme),
            ("<mailto:carol@example.org>", Unfit::Scheme),
            ("<sip:carol@example.org;method=BYE>", Unfit::Method),
            ("<sip:a@x>, <sip:b@x>", Unfit::Garbled("a REFER has one Refer-To")),
            ("<sip:a@x", Unfit::Garbled("the Refer-To cannot be read")),
            ("<sip:a@x?Replaces=1>", Unfit::Garbled("the Refer-To has a Replaces that names no dialog")),
        ] {
            assert_eq!(referring(value), Err(expected), "{value}");
        }
        assert_eq!(refer_to(&Headers::default()), Err(Unfit::Garbled("a REFER has one Refer-To")));
        let twice = ["a;to-tag=1;from-tag=2"; 2].map(|v| Header::new(Name::Replaces, v));
        assert!(Replaces::of(&twice.into_iter().collect()).is_err());
    }
}
