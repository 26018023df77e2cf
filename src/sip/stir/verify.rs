//! Whether the proof in an INVITE holds (RFC 8224 §6.2).

use ::aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::certificate::Trust;
use super::header::{ES256, Element, MAX_ELEMENTS};
use super::passport::{self, Claims, DIV, Dest, Orig, Protected, SHAKEN, Signed, Token};
use super::{FRESH_S, canonical};
use crate::model::{Attestation, Identity, Verstat};
use crate::sip::config::NumberFormat;
use crate::sip::message::{Headers, Name, Request};

/// Why nothing is proven (RFC 8224 §6.2.2), with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// No proof that we could look at: 428.
    Missing(&'static str),
    /// It is too old, or from the future: 403.
    Stale(&'static str),
    /// The certificate cannot be had: 436.
    NoCertificate(&'static str),
    /// The certificate is not believed, or not for this number: 437.
    Unsupported(&'static str),
    /// The proof is not of this call: 438.
    Invalid(&'static str),
}

impl Problem {
    /// The status and its words (RFC 8224 §6.2.2).
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Problem::Missing(_) => (428, "Use Identity Header"),
            Problem::Stale(_) => (403, "Stale Date"),
            Problem::NoCertificate(_) => (436, "Bad Identity Info"),
            Problem::Unsupported(_) => (437, "Unsupported Credential"),
            Problem::Invalid(_) => (438, "Invalid Identity Header"),
        }
    }

    /// The sentence.
    pub fn why(self) -> &'static str {
        let (Problem::Missing(why)
        | Problem::Stale(why)
        | Problem::NoCertificate(why)
        | Problem::Unsupported(why)
        | Problem::Invalid(why)) = self;
        why
    }

    /// What people are shown. Without a proof that could be looked at, nothing is known.
    pub fn identity(self) -> Identity {
        let verstat = match self {
            Problem::Missing(_) | Problem::NoCertificate(_) => Verstat::None,
            Problem::Stale(_) | Problem::Unsupported(_) | Problem::Invalid(_) => Verstat::Failed,
        };
        Identity { verstat, attestation: None, why: Some(self.why().to_owned()) }
    }
}

/// What a proof has to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The caller's number, canonical.
    pub caller: String,
    /// The numbers that are called: of `To` and of the Request-URI, canonical.
    pub called: Vec<String>,
    /// The `Date` of the request, in seconds since 1970.
    pub date: Option<u64>,
}

impl Call {
    /// What an INVITE has to prove for a caller that is taken from it, on a trunk that writes numbers in its own way. A
    /// caller without a name may have one for those who are trusted with it.
    ///
    /// # Errors
    /// There is no number to prove.
    pub fn of(invite: &Request, caller: &str, format: NumberFormat) -> Result<Call, Problem> {
        let number = |user: &str| canonical(&format.read(user));
        let asserted = || {
            let all = invite.headers.asserted_identities().unwrap_or_default();
            all.iter().filter_map(|name| name.uri.user()).find_map(|user| number(&user))
        };
        let caller = canonical(caller).or_else(asserted);
        let caller = caller.ok_or(Problem::Missing("the caller has no number that could be proven"))?;
        let to = invite.headers.to().ok().and_then(|to| to.uri.user().and_then(|user| number(&user)));
        let asked = invite.uri.user().and_then(|user| number(&user));
        Ok(Call { caller, called: to.into_iter().chain(asked).collect(), date: date(&invite.headers) })
    }
}

/// The `Date` of a message (RFC 3261 §20.17), in seconds since 1970.
pub fn date(headers: &Headers) -> Option<u64> {
    let text = headers.get(&Name::Date)?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.as_str().trim()).ok()?;
    u64::try_from(parsed.as_second()).ok()
}

/// Verifies the proofs of a request about a call. The first that holds counts, and without one the first problem.
///
/// # Errors
/// [`Problem`]
pub fn verify(trust: &Trust, headers: &Headers, call: &Call, unix_s: u64) -> Result<Option<Attestation>, Problem> {
    let call = diverted(trust, headers, call, unix_s);
    let mut problem = None;
    for element in headers.elements(&Name::Identity).take(MAX_ELEMENTS) {
        let proven = Claimed::read(element, &call, unix_s).and_then(|claimed| match claimed {
            // A diversion is no proof of a caller, and an extension that we do not know is passed over (RFC 8224 §6.2
            // step 1).
            Some(claimed) if !claimed.is_diversion() => claimed.prove(trust, unix_s).map(Some),
            _ => Ok(None),
        });
        match proven {
            Ok(Some(claims)) => return Ok(claims.attest),
            Ok(None) => {}
            Err(wrong) => problem = problem.or(Some(wrong)),
        }
    }
    Err(problem.unwrap_or(Problem::Missing("the call came without a proof of the caller's number")))
}

/// The address of a certificate that is to be fetched before these proofs can be judged.
pub fn wanted(trust: &Trust, headers: &Headers, call: &Call, unix_s: u64) -> Option<String> {
    let call = diverted(trust, headers, call, unix_s);
    let mut claimed = headers.elements(&Name::Identity).take(MAX_ELEMENTS).filter_map(|element| {
        // What cannot be of this call is worth no question.
        Claimed::read(element, &call, unix_s).ok().flatten().map(|claimed| claimed.element.info)
    });
    claimed.find(|address| trust.may_fetch(address, unix_s))
}

/// The call, with the numbers that it was diverted from, as whoever diverted it has signed (RFC 8946 §4.2). The first
/// proof is for the first of them.
fn diverted(trust: &Trust, headers: &Headers, call: &Call, unix_s: u64) -> Call {
    let mut call = call.clone();
    for _ in 0..MAX_DIVERSIONS {
        let elements = headers.elements(&Name::Identity).take(MAX_ELEMENTS);
        let found = elements.filter_map(|element| {
            let claimed = Claimed::read(element, &call, unix_s).ok().flatten().filter(Claimed::is_diversion)?;
            let from = claimed.speaks_for.clone();
            (!call.called.contains(&from) && claimed.prove(trust, unix_s).is_ok()).then_some(from)
        });
        let found: Vec<String> = found.collect();
        if found.is_empty() {
            break;
        }
        call.called.extend(found);
    }
    call
}

/// The most diversions in a row that are followed.
const MAX_DIVERSIONS: usize = 4;

/// An element whose claims are those of the call, and not proven yet.
struct Claimed {
    element: Element,
    /// What the signature may be over.
    candidates: Vec<Signed>,
    /// The number that the certificate has to speak for.
    speaks_for: String,
}

impl Claimed {
    /// `None` for an element of a kind that we pass over.
    fn read(element: &str, call: &Call, unix_s: u64) -> Result<Option<Claimed>, Problem> {
        let element = Element::read(element).map_err(Problem::Invalid)?;
        if element.ppt.as_deref().is_some_and(|ppt| ![SHAKEN, DIV].contains(&ppt)) {
            return Ok(None);
        }
        if element.alg != ES256 {
            return Err(Problem::Unsupported("the Identity header names an algorithm that is not ES256"));
        }
        let is_fresh = |seconds: u64, other: u64| seconds.abs_diff(other) <= FRESH_S;
        if call.date.is_some_and(|date| !is_fresh(date, unix_s)) {
            return Err(Problem::Stale("the request's Date is more than a minute from the time here"));
        }
        let mut speaks_for = call.caller.clone();
        let candidates = match passport::read(&element.token).map_err(Problem::Invalid)? {
            Token::Full(signed) => {
                check(&signed, &element, call)?;
                if element.ppt.as_deref() == Some(DIV) {
                    let from = signed.claims.div.as_ref().and_then(|div| div.tn.as_deref()).and_then(canonical);
                    speaks_for = from.ok_or(Problem::Invalid("the proof does not say who diverted the call"))?;
                }
                vec![*signed]
            }
            Token::Compact(_) if element.ppt.is_some() => {
                return Err(Problem::Invalid("a proof with an extension came in compact form"));
            }
            Token::Compact(signature) => rebuild(&element, call, signature)?,
        };
        let stale =
            |s: &Signed| !is_fresh(s.claims.iat, unix_s) || call.date.is_some_and(|d| !is_fresh(s.claims.iat, d));
        if candidates.iter().any(stale) {
            return Err(Problem::Stale("the proof was signed more than a minute from the time here"));
        }
        Ok(Some(Claimed { element, candidates, speaks_for }))
    }

    /// It tells that the call was sent on, and not who calls.
    fn is_diversion(&self) -> bool {
        self.element.ppt.as_deref() == Some(DIV)
    }

    fn prove(self, trust: &Trust, unix_s: u64) -> Result<Claims, Problem> {
        let chain = trust.find(&self.element.info, unix_s).map_err(Problem::NoCertificate)?;
        let key = trust.key_for(chain, unix_s, &self.speaks_for).map_err(Problem::Unsupported)?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        let holds = |s: &Signed| key.verify(s.input.as_bytes(), &s.signature).is_ok();
        let proven = self.candidates.into_iter().find(holds);
        proven.map(|s| s.claims).ok_or(Problem::Invalid("the signature of the proof does not hold"))
    }
}

/// Whether claims are those of the call and of the header that carries them.
fn check(signed: &Signed, element: &Element, call: &Call) -> Result<(), Problem> {
    let Signed { protected, claims, .. } = signed;
    if protected.alg != element.alg || protected.x5u != element.info || protected.ppt != element.ppt {
        return Err(Problem::Invalid("the proof and the header around it do not agree"));
    }
    if protected.ppt.as_deref() == Some(SHAKEN) && (claims.attest.is_none() || claims.origid.is_none()) {
        return Err(Problem::Invalid("the proof does not say what the network answers for"));
    }
    if claims.orig.tn.as_deref().and_then(canonical).as_deref() != Some(call.caller.as_str()) {
        return Err(Problem::Invalid("the proof is for another caller"));
    }
    let is_called = |tn: &String| canonical(tn).is_some_and(|tn| call.called.contains(&tn));
    if !claims.dest.tn.iter().any(is_called) {
        return Err(Problem::Invalid("the proof is for a call to somebody else"));
    }
    Ok(())
}

/// What the signature of a compact form may be over (RFC 8225 §7): the claims that follow from the request.
fn rebuild(element: &Element, call: &Call, signature: [u8; passport::SIGNATURE]) -> Result<Vec<Signed>, Problem> {
    let iat = call.date.ok_or(Problem::Invalid("a proof in compact form came without a Date"))?;
    let protected = Protected::new(&element.info, None);
    let candidate = |called: &String| {
        let dest = Dest { tn: vec![called.clone()], uri: Vec::new() };
        let orig = Orig { tn: Some(call.caller.clone()), uri: None };
        let claims = Claims { attest: None, dest, div: None, iat, orig, origid: None };
        let input = passport::input(&protected, &claims);
        Signed { protected: protected.clone(), claims, input, signature }
    };
    Ok(call.called.iter().map(candidate).collect())
}
