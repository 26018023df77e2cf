//! What a message says, in the model's words.

use super::cause;
use super::flow::Flow;
use super::message::{Headers, Name, NameAddr, Response, Text, Uri};
use super::multipart::{self, Part};
use super::wire::Wire;
use crate::model::{Address, Description, Detail, Hangup, Party};
use crate::sdp::{self, SdpError};

/// The media type of a description.
pub const SDP: &str = "application/sdp";

/// The media type of where a caller is (RFC 4119).
const LOCATION: &str = "application/pidf+xml";

/// The longest element of `Call-Info` that is read, in octets.
const LONGEST_CARD: usize = 512;

/// What a body holds.
#[derive(Debug)]
pub enum Body {
    /// No description, nor anything in its place.
    Empty,
    /// A description.
    Description(Box<Description>),
    /// A description that cannot be understood: 400 or 488.
    Broken(SdpError),
    /// Something that we do not take: 415.
    Foreign,
}

/// Reads the body of an INVITE, of its responses and of its ACK. A body of several parts counts by its
/// description (RFC 5621 §3.1).
pub fn body(headers: &Headers, body: &[u8]) -> Body {
    if body.is_empty() {
        return Body::Empty;
    }
    match headers.content_type() {
        Ok(Some(t)) if t.media_type == SDP => description(body),
        // RFC 3261 §20.15: the type has to be there; peers that forget it mean a description.
        Ok(None) => description(body),
        Ok(Some(t)) if t.media_type.starts_with("multipart/") => {
            let parts = multipart::parts(body, &t.params.text("boundary").unwrap_or_default());
            let is_beside = |part: &Part<'_>| is_beside(&part.media_type(), part.header("Content-Disposition"));
            match parts.iter().find(|part| part.media_type() == SDP) {
                Some(part) => description(part.content),
                None if !parts.is_empty() && parts.iter().all(is_beside) => Body::Empty,
                None => Body::Foreign,
            }
        }
        Ok(Some(t)) if is_beside(&t.media_type, headers.get(&Name::ContentDisposition).map(Text::as_str)) => {
            Body::Empty
        }
        _ => Body::Foreign,
    }
}

/// Whether a body stands beside a description and not in its place: where a caller is, what a header refers to, and
/// whatever its sender does not insist on (RFC 3261 §20.11, RFC 5621 §3.1 and §9).
fn is_beside(media_type: &str, disposition: Option<&str>) -> bool {
    let disposition = disposition.unwrap_or_default().to_ascii_lowercase();
    let mut words = disposition.split(';').map(str::trim);
    let is_referred_to = words.next() == Some("by-reference");
    let is_optional = words.any(|word| word.split('=').map(str::trim).eq(["handling", "optional"]));
    media_type == LOCATION || is_referred_to || is_optional
}

fn description(body: &[u8]) -> Body {
    match sdp::read(&String::from_utf8_lossy(body)) {
        Ok(description) => Body::Description(Box::new(description)),
        Err(error) => Body::Broken(error),
    }
}

/// Whom a Request-URI dials, in our words: our own domain is left out. An `@` within the user part, escaped on the
/// wire, tells of another domain that we speak for, as in the addresses that we give out ourselves. `None` for an
/// address without a user.
pub fn dialled(uri: &Uri, flow: &Flow, wire: &Wire) -> Option<Address> {
    let user = without_params(uri.user().filter(|u| !u.is_empty())?.into_owned());
    let domain = match uri {
        Uri::Sip(sip) if !wire.is_ours(&sip.host, flow) => Some(sip.host.to_string()),
        _ => None,
    };
    match domain {
        None if user.contains('@') => Some(user.parse().unwrap_or(Address::here(user))),
        domain => Some(Address { user, domain }),
    }
}

/// The user part of an address without the parameters of a number, if it is one.
fn without_params(user: String) -> String {
    match user.split_once(';') {
        Some((number, _)) if Address::here(number).is_number() => number.to_owned(),
        _ => user,
    }
}

/// Who a `From` or `P-Asserted-Identity` names. A number is a number whatever host stands behind it, and whatever
/// parameters a telephone network gives it (RFC 3261 §19.1.6): `+12155550121;verstat=…`.
pub fn party(name: &NameAddr, flow: &Flow, wire: &Wire) -> Party {
    let user = name.uri.user().map_or_else(|| "anonymous".to_owned(), |u| u.into_owned());
    let bare = Address::here(without_params(user));
    let address = match &name.uri {
        Uri::Sip(sip) if !bare.is_number() && !wire.is_ours(&sip.host, flow) => {
            Address { domain: Some(sip.host.to_string()), ..bare }
        }
        _ => bare,
    };
    let display = name.display.as_deref().map(str::trim).filter(|d| !d.is_empty()).map(str::to_owned);
    Party { address, display, private: false }
}

/// Whether the sender asks not to be named (RFC 3323 §4.2), or names nobody.
pub fn is_private(headers: &Headers, from: &NameAddr) -> bool {
    let asks = headers.privacy().any(|p| ["id", "user", "header"].iter().any(|w| p.eq_ignore_ascii_case(w)));
    // RFC 3323 §4.1.1.3 has the one host; telephone networks write their own behind the same name.
    let is_nobody = |user: &str| user.eq_ignore_ascii_case("anonymous");
    let anonymous = from
        .uri
        .sip()
        .is_some_and(|u| u.host.to_string() == "anonymous.invalid" || u.user().is_some_and(|u| is_nobody(&u)));
    asks || anonymous
}

/// What the `Reason` headers say: the SIP status, the Q.850 value, words.
#[derive(Debug, Default)]
pub struct Reasons {
    /// `Reason: SIP;cause=…`
    pub sip: Option<u16>,
    /// `Reason: Q.850;cause=…`
    pub q850: Option<u8>,
    /// The words of either.
    pub text: Option<String>,
}

/// Reads the `Reason` headers (RFC 3326).
pub fn reasons(headers: &Headers) -> Reasons {
    let mut found = Reasons::default();
    for reason in headers.reasons() {
        if reason.protocol.eq_ignore_ascii_case("SIP") {
            found.sip = found.sip.or(reason.cause);
        } else if reason.protocol.eq_ignore_ascii_case("Q.850") {
            let value = reason.cause.and_then(|c| u8::try_from(c).ok()).filter(|c| (1..=127).contains(c));
            found.q850 = found.q850.or(value);
        }
        found.text = found.text.or(reason.text);
    }
    found
}

/// Why an INVITE of ours failed.
pub fn failure(response: &Response) -> Hangup {
    let reasons = reasons(&response.headers);
    let text = reasons.text.or_else(|| Some(response.reason.as_str().to_owned()).filter(|t| !t.is_empty()));
    Hangup {
        cause: cause::of_status(response.code(), reasons.q850),
        detail: Some(Detail {
            sip_status: Some(response.code()),
            q850: reasons.q850,
            text,
            complaints: complaints(response),
            ..Detail::default()
        }),
    }
}

/// Where whoever blocks a call may be asked to do so no more: the signed card of a 608 (RFC 8688 §3.1).
fn complaints(response: &Response) -> Option<String> {
    let is_card = |element: &&str| {
        let params = element.rsplit_once('>').map_or("", |(_, params)| params);
        let mut params = params.split(';').filter_map(|param| param.split_once('='));
        params.any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("purpose") && value.trim().eq_ignore_ascii_case("jwscard")
        })
    };
    let elements = response.headers.elements(&Name::CallInfo).filter(|_| response.code() == 608);
    let card = elements.filter(|element| element.len() <= LONGEST_CARD).find(is_card)?;
    let address = card.trim().strip_prefix('<')?.split('>').next()?;
    let is_fit = address.bytes().all(|b| b.is_ascii_graphic() && !b"<\"".contains(&b));
    (is_fit && address.starts_with("https://")).then(|| address.to_owned())
}

/// Why a peer ended a session.
pub fn bye(headers: &Headers) -> Hangup {
    let reasons = reasons(headers);
    let cause = cause::of_bye(reasons.sip, reasons.q850);
    Hangup { cause, detail: detail(reasons) }
}

/// Why a peer cancelled its INVITE.
pub fn cancel(headers: &Headers) -> Hangup {
    let reasons = reasons(headers);
    let cause = cause::of_cancel(reasons.sip, reasons.q850);
    Hangup { cause, detail: detail(reasons) }
}

fn detail(reasons: Reasons) -> Option<Detail> {
    let Reasons { sip, q850, text } = reasons;
    let said = sip.is_some() || q850.is_some() || text.is_some();
    said.then_some(Detail { sip_status: sip.filter(|s| *s >= 300), q850, text, ..Detail::default() })
}
