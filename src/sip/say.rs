//! The model's words, as parts of messages.

use super::cause;
use super::config::{CallerPolicy, Trunk};
use super::flow::Flow;
use super::message::{Header, Host, Name, NameAddr, Reason, SipUri, Uri};
use super::wire::Wire;
use crate::model::{Address, Cause, Codec, Description, Hangup, Kind, Party, Start};

/// The most formats in a stream that we offer, so that an INVITE fits into one datagram.
pub const CODECS_OFFERED: usize = 6;

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
    let host = match &party.address.domain {
        Some(domain) => Host::from(domain.as_str()),
        None => wire.domain(flow),
    };
    Caller {
        from: named(SipUri::new(host).with_user(&party.address.user), party.display.as_deref()),
        identity: Vec::new(),
    }
}

/// Our `From` towards a trunk, by its policy.
pub fn caller_for_trunk(party: &Party, trunk: &Trunk) -> Caller {
    let own = trunk.number.clone();
    let theirs = Some(party.address.user.clone());
    let shown = match trunk.caller {
        CallerPolicy::OwnNumber => own.or(theirs),
        CallerPolicy::PassThrough => theirs,
    };
    let host = trunk.from_domain.as_deref().unwrap_or(&trunk.address.host);
    let mut uri = SipUri::new(Host::from(host)).with_user(&shown.unwrap_or_default());
    if trunk.user_phone && party.address.is_number() {
        uri = uri.with_param("user", "phone");
    }
    let open = named(uri, party.display.as_deref());
    let mut identity = Vec::new();
    if trunk.asserted_identity {
        identity.push(Header::of(Name::PAssertedIdentity, &open));
    }
    if party.private {
        identity.push(Header::new(Name::Privacy, "id"));
        return Caller { from: anonymous(), identity };
    }
    Caller { from: open, identity }
}

fn named(uri: SipUri, display: Option<&str>) -> NameAddr {
    let name = NameAddr::new(uri);
    match display {
        Some(display) => name.with_display(display),
        None => name,
    }
}

/// RFC 3323 §4.1.1.3
fn anonymous() -> NameAddr {
    NameAddr::new(SipUri::new(Host::from("anonymous.invalid")).with_user("anonymous")).with_display("Anonymous")
}

/// The Request-URI for a number at a trunk.
pub fn uri_at_trunk(to: &Address, trunk: &Trunk) -> Uri {
    let mut uri = SipUri::new(Host::from(trunk.address.host.as_str())).with_user(&to.user);
    if let Some(port) = trunk.address.port {
        uri = uri.with_port(port);
    }
    if trunk.user_phone && to.is_number() {
        uri = uri.with_param("user", "phone");
    }
    uri.into()
}

/// The `To` of a call to one of our users.
pub fn callee_for_user(start: &Start, flow: &Flow, wire: &Wire) -> NameAddr {
    let host = start.to.domain.as_deref().map_or_else(|| wire.domain(flow), Host::from);
    NameAddr::new(SipUri::new(host).with_user(&start.to.user))
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
