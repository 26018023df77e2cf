//! What must hold of every message before anybody acts on it (RFC 3261 §8.1.1, §8.2, §16.3).

use rsip::StatusCode;

use super::{BRANCH_COOKIE, BadHeader, Headers, Malformed, Method, Name, Request, Response, Uri};

/// Headers of which one message has at most one (RFC 3261 §7.3.1, table 2).
const SINGLE: [Name; 8] = [
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::MaxForwards,
    Name::ContentLength,
    Name::ContentType,
    Name::Expires,
];

fn bad(why: impl Into<super::Text>) -> Malformed {
    Malformed::new(StatusCode::BadRequest, why)
}

fn unreadable(error: BadHeader) -> Malformed {
    bad(error.to_string())
}

fn singles(headers: &Headers) -> Result<(), Malformed> {
    let mut seen = 0u8;
    for header in headers.iter() {
        let Some(at) = SINGLE.iter().position(|name| *name == header.name) else { continue };
        if seen & (1 << at) != 0 {
            return Err(bad(format!("{} stands there twice", header.name)));
        }
        seen |= 1 << at;
    }
    Ok(())
}

/// Who calls whom, in which call.
fn parties(headers: &Headers) -> Result<(), BadHeader> {
    headers.check_address(&Name::From)?;
    headers.check_address(&Name::To)?;
    headers.call_id().map(drop)
}

/// A request.
pub(super) fn request(request: &Request) -> Result<(), Malformed> {
    let headers = &request.headers;
    singles(headers)?;
    headers.check_vias().map_err(unreadable)?;
    // A branch of the cookie alone would make all such requests one transaction.
    if headers.branch().is_some_and(|b| b.eq_ignore_ascii_case(BRANCH_COOKIE)) {
        return Err(bad("Via: the branch is empty behind its cookie"));
    }
    parties(headers).map_err(unreadable)?;
    let cseq = headers.cseq().map_err(unreadable)?;
    if cseq.method != request.method {
        return Err(bad("CSeq: counts another method"));
    }
    headers.max_forwards().map_err(unreadable)?;
    headers.expires().map_err(unreadable)?;
    let is_star = headers.check_contacts().map_err(unreadable)?;
    if is_star && request.method != Method::REGISTER {
        return Err(bad("Contact: * is for REGISTER only"));
    }
    headers.check_addresses(&Name::Route).map_err(unreadable)?;
    headers.check_addresses(&Name::RecordRoute).map_err(unreadable)?;
    headers.content_type().map_err(unreadable)?;
    // RFC 3261 §19.1.1, table 1: a Request-URI carries no headers.
    match &request.uri {
        Uri::Sip(uri) if uri.has_headers() => Err(bad("the Request-URI carries headers")),
        _ => Ok(()),
    }
}

/// A response.
pub(super) fn response(response: &Response) -> Result<(), Malformed> {
    let headers = &response.headers;
    singles(headers)?;
    headers.check_via().map_err(unreadable)?;
    parties(headers).map_err(unreadable)?;
    headers.cseq().map_err(unreadable)?;
    Ok(())
}
