//! Proofs that go on with the call they came with (RFC 8224 §4), where what they are about is still so.

use super::header::{Element, MAX_ELEMENT, MAX_ELEMENTS};
use super::passport::{self, Signed, Token};
use super::{FRESH_S, canonical};
use crate::sip::message::{Header, Headers, Name};

/// The proofs of a request, as they stand there.
pub fn carried(headers: &Headers) -> Vec<String> {
    let elements = headers.elements(&Name::Identity).take(MAX_ELEMENTS);
    elements.filter(|element| element.len() <= MAX_ELEMENT).map(str::to_owned).collect()
}

/// The headers that carry on what is still true of a call between two numbers, in canonical form; none if nothing of it
/// is about this call. The first proof may be for a number that the call was diverted from (RFC 8946 §4.1), so that all
/// proofs of the caller go on as soon as one is for whom is called.
///
/// One in compact form is over the `Date` and the addresses of the request it came in: it cannot go on.
pub fn on(passports: &[String], caller: &str, called: &str, unix_s: u64) -> Vec<Header> {
    let is = |tn: &str, number: &str| canonical(tn).as_deref() == Some(number);
    let still: Vec<(&String, Signed)> = passports
        .iter()
        .filter_map(|text| {
            let element = Element::read(text).ok()?;
            let Ok(Token::Full(signed)) = passport::read(&element.token) else { return None };
            let orig = signed.claims.orig.tn.as_deref()?;
            let stays = is(orig, caller) && signed.claims.iat.abs_diff(unix_s) <= FRESH_S;
            stays.then_some((text, *signed))
        })
        .collect();
    let is_for_called = still.iter().any(|(_, signed)| signed.claims.dest.tn.iter().any(|tn| is(tn, called)));
    let kept = still.into_iter().filter(|_| is_for_called);
    kept.map(|(text, _)| Header::new(Name::Identity, text.as_str())).collect()
}
