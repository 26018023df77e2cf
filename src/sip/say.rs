//! The model's words, as parts of messages.

use super::cause;
use super::config::{CallerPolicy, IdentityForm, Trunk};
use super::flow::{Flow, Transport};
use super::message::{Header, Host, Name, NameAddr, Reason, SipUri, Uri};
use super::replaces;
use super::wire::Wire;
use crate::model::{Address, Cause, Codec, Description, Hangup, Kind, Party, Replaces, Start, Verstat};

/// The most formats in a stream that we offer, so that an INVITE fits into one datagram.
pub const CODECS_OFFERED: usize = 7;

/// Who is told to call, and the headers that say so.
#[derive(Debug)]
pub struct Caller {
    /// `From`, without tag.
    pub from: NameAddr,
    /// `P-Asserted-Identity` and `Privacy`.
    pub identity: Vec<Header>,
}

/// Our `From` towards one of our users.
pub fn caller_for_user(party: &Party, flow: &Flow, wire: &Wire) -> Caller {
    if party.private {
        return Caller { from: anonymous(), identity: Vec::new() };
    }
    // Somebody of another domain is an address of ours too, with theirs as its user part: when it is called back, the
    // call comes to us, whatever the telephone thinks of that domain. `hear::dialled` reads it.
    let address = party.address.bare().to_string();
    let display = party.display.as_deref().or(party.address.domain.is_some().then_some(address.as_str()));
    let from = named(SipUri::new(wire.domain(flow)).with_user(&address), display);
    Caller { from, identity: Vec::new() }
}

/// Our `From` towards a trunk, by its policy. Of a caller who has no name there at all (`anonymous`), the trunk's own
/// number is no secret.
pub fn caller_for_trunk(party: &Party, trunk: &Trunk) -> Caller {
    verified_caller_for_trunk(party, trunk, None)
}

/// The same with what came of verifying the caller's number, for a trunk that wants to know.
pub fn verified_caller_for_trunk(party: &Party, trunk: &Trunk, verstat: Option<Verstat>) -> Caller {
    let is_nameless = party.address == Address::here(NAMELESS);
    let own = trunk.number.clone().filter(|_| trunk.caller == CallerPolicy::OwnNumber);
    let is_hidden = party.private && !(is_nameless && own.is_some());
    let form = trunk.identity_form();
    let has_identity = !is_nameless || own.is_some();
    // What is known of the caller's number is not true of ours.
    let verstat = verstat.filter(|_| trunk.stir.verstat && own.is_none() && party.address.is_number());
    let theirs = Some(party.address.user.clone());
    let shown = own.or(theirs).map(|number| trunk.profile.number_format.write(&number));
    let host = trunk.from_domain.as_deref().unwrap_or(&trunk.address.host);
    let mut uri = SipUri::new(Host::from(host)).with_user(&shown.unwrap_or_default());
    if let Some(verstat) = verstat {
        uri = uri.with_user_param("verstat", verstat.word());
    }
    // The parameters of a number are some only where it says that it is one (RFC 3261 §19.1.6).
    if (trunk.user_phone && party.address.is_number()) || verstat.is_some() {
        uri = uri.with_param("user", "phone");
    }
    let open = named(uri, party.display.as_deref());
    let mut identity = Vec::new();
    if has_identity {
        identity.extend(identity_header(form, &open, is_hidden));
    }
    if is_hidden {
        identity.push(Header::new(Name::Privacy, "id"));
        return Caller { from: anonymous(), identity };
    }
    Caller { from: open, identity }
}

/// What tells a trunk who calls, besides `From`. It is told also of callers who wish not to be named: whoever configures
/// it trusts the trunk to keep that to itself (RFC 3325 §7).
fn identity_header(form: IdentityForm, caller: &NameAddr, is_hidden: bool) -> Option<Header> {
    match form {
        IdentityForm::From => None,
        IdentityForm::Pai => Some(Header::of(Name::PAssertedIdentity, caller)),
        IdentityForm::Ppi => Some(Header::of(Name::PPreferredIdentity, caller)),
        IdentityForm::Rpid => {
            let privacy = if is_hidden { "full" } else { "off" };
            let value = format!("{caller};party=calling;screen=yes;privacy={privacy}");
            Some(Header::new(Name::RemotePartyId, value))
        }
    }
}

/// The user part of whoever has no name in the telephone network: RFC 3323 §4.1.1.3.
const NAMELESS: &str = "anonymous";

fn named(uri: SipUri, display: Option<&str>) -> NameAddr {
    let name = NameAddr::new(uri);
    match display {
        Some(display) => name.with_display(display),
        None => name,
    }
}

/// RFC 3323 §4.1.1.3
fn anonymous() -> NameAddr {
    NameAddr::new(SipUri::new(Host::from("anonymous.invalid")).with_user(NAMELESS)).with_display("Anonymous")
}

/// The Request-URI for a number at a trunk.
pub fn uri_at_trunk(to: &Address, trunk: &Trunk) -> Uri {
    let number = trunk.profile.number_format.write(&to.user);
    let mut uri = SipUri::new(Host::from(trunk.address.host.as_str())).with_user(&number);
    if let Some(port) = trunk.address.port {
        uri = uri.with_port(port);
    }
    if trunk.transport == Transport::Tls {
        uri = uri.with_param("transport", "tls");
    }
    if trunk.user_phone && to.is_number() {
        uri = uri.with_param("user", "phone");
    }
    uri.into()
}

/// The hop that all requests to a trunk take first, if one is configured: a loose router (RFC 3261 §16.12).
pub fn by_proxy(trunk: &Trunk) -> Vec<NameAddr> {
    let Some(proxy) = &trunk.profile.proxy else { return Vec::new() };
    let mut uri = SipUri::new(Host::from(proxy.host.as_str()));
    if let Some(port) = proxy.port {
        uri = uri.with_port(port);
    }
    if let Some(word) = trunk.transport.uri_word() {
        uri = uri.with_param("transport", word);
    }
    uri.params.flag("lr");
    vec![NameAddr::new(uri)]
}

/// The `To` of a call to one of our users.
pub fn callee_for_user(to: &Address, flow: &Flow, wire: &Wire) -> NameAddr {
    let host = to.domain.as_deref().map_or_else(|| wire.domain(flow), Host::from);
    NameAddr::new(SipUri::new(host).with_user(&to.user))
}

/// What a call that is part of a transfer says of it: whose place it takes (RFC 3891), and to our own users who wished
/// it (RFC 3892).
pub fn about(start: &Start, flow: &Flow, wire: &Wire) -> Vec<Header> {
    let mut headers = Vec::new();
    if let Some(Replaces::Elsewhere(dialog)) = &start.about.replaces {
        headers.push(Header::new(Name::Require, replaces::OPTION));
        headers.push(Header::new(Name::Replaces, dialog.as_str()));
    }
    let by = start.about.referred_by.as_ref().filter(|by| start.trunk.is_none() && !by.private);
    headers.extend(by.map(|by| Header::of(Name::ReferredBy, caller_for_user(by, flow, wire).from)));
    headers
}

/// The `Reason` headers for a hang-up (RFC 3326).
pub fn reasons(hangup: &Hangup) -> Vec<Header> {
    let mut reasons = Vec::with_capacity(2);
    let mut push = |protocol: &str, cause: u16, text: Option<&str>| {
        let reason = Reason { protocol: protocol.to_owned(), cause: Some(cause), text: text.map(str::to_owned) };
        reasons.push(Header::of(Name::Reason, reason));
    };
    if hangup.cause == Cause::AnsweredElsewhere {
        // RFC 3326 §3.1: so that a phone does not show a missed call.
        push("SIP", 200, Some("Call completed elsewhere"));
    }
    let text = hangup.detail.as_ref().and_then(|d| d.text.as_deref());
    push("Q.850", u16::from(cause::q850(hangup)), text.filter(|t| t.is_ascii()));
    reasons
}

/// `Call-Info` of a 608: where a caller who was blocked may complain (RFC 8688 §3.1), as whoever blocked the call said, or
/// as the configuration has it.
pub fn complaints(hangup: &Hangup, configured: Option<&str>) -> Option<Header> {
    let said = hangup.detail.as_ref().and_then(|detail| detail.complaints.as_deref());
    let address = said.or(configured).filter(|_| hangup.cause == Cause::Blocked)?;
    Some(Header::new(Name::CallInfo, format!("<{address}>;purpose=jwscard")))
}

/// A description fit for an offer to a telephone or trunk: the trunk's codecs in its order, and no more
/// formats than a datagram has room for. Digits keep their place behind the speech.
pub fn lean(description: &Description, trunk: Option<&Trunk>) -> Description {
    let mut lean = description.clone();
    for stream in lean.streams.iter_mut().filter(|s| s.kind == Kind::Audio) {
        let wanted = trunk.map(|t| t.codecs.as_slice()).unwrap_or_default();
        if !wanted.is_empty() {
            let place = |c: &Codec| wanted.iter().position(|w| w.eq_ignore_ascii_case(&c.name));
            let mut kept: Vec<Codec> =
                stream.codecs.iter().filter(|c| place(c).is_some() && c.is_speech()).cloned().collect();
            kept.sort_by_key(place);
            // A trunk's list that has nothing in common with the offer would leave an empty stream.
            if !kept.is_empty() {
                kept.extend(stream.codecs.iter().filter(|c| !c.is_speech()).cloned());
                stream.codecs = kept;
            }
        }
        while stream.codecs.len() > CODECS_OFFERED {
            match stream.codecs.iter().rposition(Codec::is_speech) {
                Some(at) => drop(stream.codecs.remove(at)),
                None => drop(stream.codecs.pop()),
            }
        }
    }
    lean
}
