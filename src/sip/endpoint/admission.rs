//! Who may come in (RFC 3261 §22.2, §26.3.2): trunks by their address, users by their password.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::receive::Named;
use super::{Admitted, Endpoint, LEGS_LIMIT};
use crate::base::Pii;
use crate::model::{About, Address, Contact, Diversion, Entry, Keys, Party};
use crate::sip::along;
use crate::sip::dialog::Dialog;
use crate::sip::digest::{self, Verdict};
use crate::sip::diversion;
use crate::sip::flow::Flow;
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Name, Request, Response, Text, Uri, Via};
use crate::sip::registrar::Aliases;
use crate::sip::session::Leg;
use crate::sip::transaction::TransactionId;
use crate::sip::wire::SUPPORTED;

/// How many wrong passwords an address may try in [`FAILURES_WINDOW`] before it is not listened to.
pub const FAILURES_LIMIT: u32 = 20;
/// The time in which wrong passwords are counted.
pub const FAILURES_WINDOW: Duration = Duration::from_secs(60);
/// How many addresses are watched at once.
const WATCHED_LIMIT: usize = 10_000;
/// What a call may take in hops if it does not say (RFC 3261 §16.6 step 3).
const HOPS: u8 = 70;

/// Counts wrong passwords by where they come from.
#[derive(Debug, Default)]
pub struct Guard {
    failures: HashMap<IpAddr, (u32, Instant)>,
}

impl Guard {
    /// Whether an address has tried too often.
    pub fn is_blocked(&self, now: Instant, ip: IpAddr) -> bool {
        self.failures.get(&ip).is_some_and(|(n, since)| *n >= FAILURES_LIMIT && now < *since + FAILURES_WINDOW)
    }

    /// A wrong password.
    pub fn note_failure(&mut self, now: Instant, ip: IpAddr) {
        if self.failures.len() >= WATCHED_LIMIT && !self.failures.contains_key(&ip) {
            self.failures.retain(|_, (_, since)| now < *since + FAILURES_WINDOW);
            // Full of live entries: an attack from everywhere, against which counting by address is no help.
            if self.failures.len() >= WATCHED_LIMIT {
                self.failures.clear();
            }
        }
        let entry = self.failures.entry(ip).or_insert((0, now));
        if now >= entry.1 + FAILURES_WINDOW {
            *entry = (0, now);
        }
        entry.0 += 1;
        if entry.0 == FAILURES_LIMIT {
            warn!(source = %ip, "too many wrong passwords; not listened to for a minute");
        }
    }
}

/// Who sent a request.
pub enum Proven {
    /// A user, by name.
    User(String),
    /// Nobody yet: this says what to do.
    Not(Response),
}

/// Whether the peer gives up when it sees a challenge of another algorithm, instead of passing over it as
/// RFC 8760 §2.4 asks. Seen: baresip 1.0.0 ends with "Function not implemented".
fn knows_md5_only(request: &Request) -> bool {
    let agent = request.headers.get(&Name::UserAgent).map(ToString::to_string).unwrap_or_default();
    let version = agent.trim().strip_prefix("baresip v");
    version.is_some_and(|v| v.starts_with("0.") || v.starts_with("1."))
}

impl Endpoint {
    /// The user whose password the request proves, or the response that asks for it.
    pub(super) fn prove(&mut self, now: Instant, request: &Request, flow: &Flow) -> Proven {
        let ip = self.clients.address(flow);
        if self.guard.is_blocked(now, ip) {
            let words = "Forbidden - too many wrong passwords from this address";
            return Proven::Not(Response::to(request, 403).with_reason(words));
        }
        let realm = self.authority.realm();
        let all = digest::credentials(&request.headers, &Name::Authorization);
        let given = all.iter().find(|c| c.realm == realm);
        let mut stale = false;
        if let Some(given) = given {
            match self.authority.verify(given, &request.method, now) {
                Verdict::Proven => return Proven::User(given.username.clone()),
                Verdict::Stale => stale = true,
                Verdict::Refused => {
                    info!(user = %Pii(&given.username), source = %ip, "wrong user name or password");
                    self.guard.note_failure(now, ip);
                }
            }
        }
        let challenges = self.authority.challenges(Name::WwwAuthenticate, stale, now, &mut self.wire.dice);
        // The last one is MD5's.
        let from = if knows_md5_only(request) { challenges.len() - 1 } else { 0 };
        let mut response = Response::to(request, 401);
        for challenge in challenges.into_iter().skip(from) {
            response.headers.push(challenge);
        }
        Proven::Not(response)
    }

    /// An INVITE outside any dialog.
    pub(super) fn admit(&mut self, now: Instant, request: Request, flow: Flow, named: &Named) {
        if self.legs.len() >= LEGS_LIMIT || self.wire.transactions.is_full() {
            let response = Response::to(&request, 503).with(Header::of(Name::RetryAfter, 5));
            return self.wire.respond_stateless(flow, response);
        }
        let (entry, asserted) = match self.door(now, &request, &flow, &named.via) {
            Ok(door) => door,
            // RFC 3261 §26.3.2.4: a challenge is not worth remembering.
            Err(response) => return self.wire.respond_stateless(flow, *response),
        };
        let transaction = self.serve(&request, flow, named);
        let checked = self.check(&request, &flow);
        let checked = checked.and_then(|(to, hops)| Ok((to, hops, self.replaced_by(&request)?)));
        let checked = checked.and_then(|(to, hops, replaces)| Ok((to, hops, replaces, self.device(&request, &flow)?)));
        match checked {
            Ok((mut to, hops_left, replaces, device)) => {
                let keys = Keys::take_off(&mut to);
                let from = self.caller(&request, &flow, &entry, asserted);
                let diversions = self.sent_on_by(&request, &flow, &entry, &mut to);
                let along = along::read(&request, &entry, self.trunk_of(&entry));
                let about = About { replaces, keys, diversions, device, along, ..About::default() };
                self.identify(now, Admitted { invite: request, transaction, flow, entry, from, to, about, hops_left });
            }
            Err(response) => self.refuse_request(now, transaction, *response),
        }
    }

    /// The door by which a request comes in, and whether the identity that it asserts is believed; or the response
    /// that asks for a proof.
    pub(super) fn door(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        via: &Via,
    ) -> Result<(Entry, bool), Box<Response>> {
        let config = &self.wire.config;
        let trunks = &self.trunks;
        let known = trunks.by_contact(config, flow, request).or_else(|| trunks.by_source(config, flow, via));
        match known.or_else(|| trunks.by_bulk(config, flow)) {
            Some((name, trunk)) => Ok((Entry::Trunk(name.to_owned()), trunk.asserted_identity)),
            None if self.wire.config.open => Ok((Entry::Open, false)),
            None => match self.prove(now, request, flow) {
                Proven::User(user) => Ok((Entry::User(user), false)),
                Proven::Not(response) => Err(Box::new(response)),
            },
        }
    }

    /// What can be wrong with an INVITE or MESSAGE of somebody who may send one; in the order of RFC 3261 §8.2.
    pub(super) fn check(&self, request: &Request, flow: &Flow) -> Result<(Address, u8), Box<Response>> {
        let hops = request.headers.max_forwards().ok().flatten().unwrap_or(HOPS);
        let hops_left = hops.checked_sub(1).ok_or_else(|| Box::new(Response::to(request, 483)))?;
        match &request.uri {
            Uri::Sip(uri) if !uri.secure => {}
            Uri::Tel(_) => {}
            _ => return Err(Box::new(Response::to(request, 416))),
        }
        let by_registration = self.trunks.called(&self.wire.config, request);
        let dialled = by_registration.or_else(|| hear::dialled(&request.uri, flow, &self.wire));
        let to = dialled.and_then(|to| self.behind_alias(to)).ok_or_else(|| {
            Box::new(Response::to(request, 404).with_reason("Not Found - the Request-URI names nobody"))
        })?;
        if let Some(unsupported) = unsupported(request) {
            return Err(Box::new(unsupported));
        }
        Ok((to, hops_left))
    }

    /// Who is dialled, where that is by a temporary GRUU of ours; `None` if it leads nowhere (RFC 5627 §5.1).
    fn behind_alias(&self, to: Address) -> Option<Address> {
        if to.domain.is_some() || !Aliases::is_one(&to.user) {
            return Some(to);
        }
        self.registrar.behind(&to.user).map(|(user, _)| Address::here(user))
    }

    /// The one device that a request means, if it is for a GRUU of ours (RFC 5627 §5.1).
    fn device(&self, request: &Request, flow: &Flow) -> Result<Option<Contact>, Box<Response>> {
        let Uri::Sip(uri) = &request.uri else { return Ok(None) };
        let gr = uri.params.get("gr").filter(|gr| !gr.is_empty() && self.wire.is_ours(&uri.host, flow));
        if let Some((_, device)) = uri.user().and_then(|alias| self.registrar.behind(&alias)) {
            return Ok(self.wire.is_ours(&uri.host, flow).then_some(device));
        }
        let (Some(gr), Some(user)) = (gr, uri.user()) else { return Ok(None) };
        let device = self.registrar.device(&user, gr);
        device.map(Some).ok_or_else(|| Box::new(Response::to(request, 480)))
    }

    pub(super) fn caller(&self, request: &Request, flow: &Flow, entry: &Entry, asserted: bool) -> Party {
        let Ok(from) = request.headers.from() else { return Party::new(Address::here("anonymous")) };
        let private = hear::is_private(&request.headers, &from);
        let mut party = hear::party(&from, flow, &self.wire);
        match entry {
            // Whatever the phone says, the password says who it is.
            Entry::User(user) => {
                let known = self.directory.users.get(user).and_then(|u| u.display.clone());
                party = Party { address: Address::here(user.clone()), display: known.or(party.display), private };
            }
            Entry::Trunk(_) if asserted => {
                let identities = request.headers.asserted_identities().unwrap_or_default();
                if let Some(identity) = identities.first() {
                    let named = hear::party(identity, flow, &self.wire);
                    party = Party { display: named.display.or(party.display), ..named };
                }
            }
            Entry::Trunk(_) | Entry::Account(_) | Entry::Open => {}
        }
        if let Some(trunk) = self.trunk_of(entry) {
            party.address.user = trunk.profile.number_format.read(&party.address.user);
        }
        party.private = private;
        party
    }

    /// Who sent a call of a trunk on before; nobody else is believed in that. The number that it dials is read in the
    /// trunk's own way of writing numbers.
    fn sent_on_by(&self, request: &Request, flow: &Flow, entry: &Entry, to: &mut Address) -> Vec<Diversion> {
        let Some(trunk) = self.trunk_of(entry) else { return Vec::new() };
        let format = trunk.profile.number_format;
        to.user = format.read(&to.user);
        diversion::read(&request.headers, format, |name| hear::party(name, flow, &self.wire))
    }

    /// Takes a call, if we can speak with the caller.
    pub(super) fn take(&mut self, now: Instant, admitted: Admitted) {
        let request = &admitted.invite;
        // RFC 3261 §21.4.7: the caller would not understand an answer.
        if !request.headers.accepts(hear::SDP) {
            let response = Response::to(request, 406);
            return self.refuse_request(now, admitted.transaction, response);
        }
        let timer = match &admitted.entry {
            Entry::Trunk(name) => self.wire.config.trunks.get(name).map(|t| t.session_timer),
            _ => None,
        };
        if let Some(response) = timer.unwrap_or(self.wire.config.session_timer).refuse(request) {
            return self.refuse_request(now, admitted.transaction, response);
        }
        let offer = match hear::body(&request.headers, &request.body) {
            Body::Empty => None,
            Body::Description(description) => Some(*description),
            Body::Broken(error) => {
                let words = format!("Not Acceptable Here - {error}");
                let response = Response::to(request, 488).with_reason(words);
                return self.refuse_request(now, admitted.transaction, response);
            }
            Body::Foreign => {
                let accept = Header::new(Name::Accept, Text::fixed(hear::SDP));
                let response = Response::to(request, 415).with(accept);
                return self.refuse_request(now, admitted.transaction, response);
            }
        };
        let tag = self.wire.tag();
        let dialog = match Dialog::as_server(request, &tag) {
            Ok(dialog) => Dialog { symmetric: matches!(admitted.entry, Entry::User(_)), ..dialog },
            Err(error) => {
                let response = Response::to(request, 400).with_reason(format!("Bad Request - {error}"));
                return self.refuse_request(now, admitted.transaction, response);
            }
        };
        let id = self.mint.mint();
        info!(
            leg = %id,
            from = %Pii(&admitted.from.address),
            to = %Pii(&admitted.to),
            entry = ?admitted.entry_word(),
            "is called"
        );
        debug!(leg = %id, from = %admitted.from.address, to = %admitted.to, "is called");
        let transaction = admitted.transaction;
        let leg = Leg::take(now, &mut self.wire, id, admitted, dialog, tag, offer);
        self.own(transaction, id);
        self.keep(leg);
    }

    /// The final response to a request that opens no dialog.
    pub(super) fn refuse_request(&mut self, now: Instant, transaction: TransactionId, response: Response) {
        let tag = self.wire.tag();
        self.wire.respond(now, transaction, response.with_to_tag(&tag));
    }
}

impl Admitted {
    pub(super) fn entry_word(&self) -> &str {
        match &self.entry {
            Entry::User(_) => "user",
            Entry::Trunk(name) => name,
            Entry::Account(_) => "account",
            Entry::Open => "open",
        }
    }
}

/// The 420 for a request that requires what we do not do (RFC 3261 §8.2.2.3).
pub(super) fn unsupported(request: &Request) -> Option<Response> {
    unsupported_beside(request, &[])
}

/// The same, where a few more are done.
pub(super) fn unsupported_beside(request: &Request, also: &[&str]) -> Option<Response> {
    let is_known = |tag: &&str| {
        let mut known = SUPPORTED.split(", ").chain(also.iter().copied());
        known.any(|known| known.eq_ignore_ascii_case(tag))
    };
    let unknown: Vec<&str> = request.headers.require().filter(|tag| !is_known(tag)).collect();
    if unknown.is_empty() {
        return None;
    }
    let tags = unknown.join(", ");
    Some(Response::to(request, 420).with(Header::new(Name::Unsupported, tags)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_too_many_wrong_passwords_is_not_listened_to_for_a_minute() {
        let (mut guard, now) = (Guard::default(), Instant::now());
        let [a, b] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        for _ in 0..FAILURES_LIMIT {
            assert!(!guard.is_blocked(now, a));
            guard.note_failure(now, a);
        }
        assert!(guard.is_blocked(now, a) && !guard.is_blocked(now, b));
        assert!(guard.is_blocked(now + FAILURES_WINDOW - Duration::from_secs(1), a));
        assert!(!guard.is_blocked(now + FAILURES_WINDOW, a));
        guard.note_failure(now + FAILURES_WINDOW, a);
        assert!(!guard.is_blocked(now + FAILURES_WINDOW, a), "counted anew");
    }
}
