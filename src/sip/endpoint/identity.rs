//! Whether a caller's number is the caller's own: proofs in calls of trunks, and ours in calls to them.

use std::time::Instant;

use tracing::{debug, info, warn};

use super::held::{HELD_FOR, Held};
use super::{Admitted, Endpoint, Output};
use crate::model::{Entry, Identity, Start, Verstat};
use crate::sip::config::{CallerPolicy, IdentityCheck, IdentityForm};
use crate::sip::message::{Request, Response};
use crate::sip::stir::fetched::{Asking, File};
use crate::sip::stir::verify::{self, Call};
use crate::sip::stir::{Problem, Stir, canonical, pass, sign};

impl Endpoint {
    /// What verifies and signs from here on; without a clock ([`Endpoint::set_wall_clock`]) it does neither.
    /// Certificates that were fetched are kept.
    pub fn set_stir(&mut self, stir: Stir) {
        self.wire.stir.replace(stir);
    }

    /// The seconds since 1970 at a moment. It goes on by itself, and may be set again whenever it is known better.
    pub fn set_wall_clock(&mut self, now: Instant, unix_s: u64) {
        self.wire.stir.set_clock(now, unix_s);
    }

    /// Whether anything wants to know the time of day.
    pub fn wants_wall_clock(&self) -> bool {
        !self.wire.stir.is_off()
    }

    /// Looks at the proof of the caller's number, if the door's trunk wants that, and takes the call, refuses it, or lets
    /// it wait for a certificate.
    pub(super) fn identify(&mut self, now: Instant, mut admitted: Admitted) {
        let is_looked_at = self.check_of(&admitted.entry) != IdentityCheck::Off && self.wire.stir.trust.is_some();
        if self.wire.stir.passes && matches!(admitted.entry, Entry::Trunk(_)) {
            admitted.about.passports = pass::carried(&admitted.invite.headers);
        }
        let Some(unix_s) = self.wire.stir.unix_s(now).filter(|_| is_looked_at) else {
            return self.take(now, admitted);
        };
        let format = self.trunk_of(&admitted.entry).map(|trunk| trunk.profile.number_format).unwrap_or_default();
        match Call::of(&admitted.invite, &admitted.from.address.user, format) {
            Ok(call) => self.judge(now, Held { admitted, call, unix_s, until: now + HELD_FOR }),
            Err(problem) => self.take_unproven(now, admitted, problem),
        }
    }

    /// The answer to [`Output::Fetch`].
    pub fn handle_fetched(&mut self, now: Instant, address: String, file: Result<File, &'static str>) {
        if let Err(why) = file {
            info!(address, why, "the certificate of whoever signs calls is not to be had");
        }
        let Some(unix_s) = self.wire.stir.unix_s(now) else { return };
        let held = self.held.take_for(&address);
        if let Some(trust) = &mut self.wire.stir.trust {
            trust.fetched.answered(address, file, unix_s);
        }
        for held in held {
            self.judge(now, held);
        }
    }

    /// Judges the calls that have waited long enough by what is known.
    pub(super) fn handle_held_timeout(&mut self, now: Instant) {
        for held in self.held.take_due(now) {
            self.judge(now, held);
        }
    }

    fn judge(&mut self, now: Instant, held: Held) {
        // Nobody's word counts any more since it began to wait.
        let Some(trust) = &self.wire.stir.trust else { return self.take(now, held.admitted) };
        let headers = &held.admitted.invite.headers;
        match verify::verify(trust, headers, &held.call, held.unix_s) {
            Ok(attestation) => {
                let mut admitted = held.admitted;
                admitted.about.identity = Some(Identity { verstat: Verstat::Passed, attestation, why: None });
                self.take(now, admitted);
            }
            Err(problem) => match verify::wanted(trust, headers, &held.call, held.unix_s) {
                Some(address) if now < held.until && self.may_wait_for(&address) => self.hold(now, address, held),
                _ => self.take_unproven(now, held.admitted, problem),
            },
        }
    }

    /// Whether a call may wait for a certificate, which is asked for if it is not yet.
    fn may_wait_for(&mut self, address: &str) -> bool {
        let Some(trust) = self.wire.stir.trust.as_mut().filter(|_| !self.held.is_full()) else { return false };
        match trust.fetched.ask(address) {
            Asking::First => self.wire.outputs.push_back(Output::Fetch { address: address.to_owned() }),
            Asking::UnderWay => {}
            Asking::TooMany => return false,
        }
        true
    }

    fn hold(&mut self, now: Instant, address: String, held: Held) {
        debug!(address, "a call waits for the certificate of whoever signed its proof");
        self.wire.respond(now, held.admitted.transaction, Response::to(&held.admitted.invite, 100));
        self.held.hold(address, held);
    }

    fn take_unproven(&mut self, now: Instant, mut admitted: Admitted, problem: Problem) {
        info!(entry = ?admitted.entry_word(), why = problem.why(), "the caller's number is not proven");
        if self.check_of(&admitted.entry) == IdentityCheck::Reject {
            let response = refusal(&admitted.invite, problem);
            return self.refuse_request(now, admitted.transaction, response);
        }
        admitted.about.identity = Some(problem.identity());
        self.take(now, admitted);
    }

    pub(super) fn trunk_of(&self, door: &Entry) -> Option<&crate::sip::config::Trunk> {
        match door {
            Entry::Trunk(name) => self.wire.config.trunks.get(name),
            Entry::User(_) | Entry::Account(_) | Entry::Open => None,
        }
    }

    fn check_of(&self, door: &Entry) -> IdentityCheck {
        self.trunk_of(door).map_or(IdentityCheck::Off, |trunk| trunk.stir.check)
    }

    /// What we can say of the caller's number in a call to a trunk that wants it; `None` without a number that may be
    /// named.
    pub(super) fn answered(&self, start: &Start) -> Option<sign::Answered> {
        let trunk = self.wire.config.trunks.get(start.trunk.as_deref()?)?;
        let signs = trunk.stir.sign && self.wire.stir.signer.is_some();
        let passports = if trunk.stir.pass { start.about.passports.clone() } else { Vec::new() };
        if !signs && passports.is_empty() {
            return None;
        }
        let own = trunk.number.as_deref().filter(|_| trunk.caller == CallerPolicy::OwnNumber);
        // Whoever hides from the trunk is not named in a proof either.
        if start.from.private && trunk.identity_form() == IdentityForm::From {
            return None;
        }
        let shown = own.unwrap_or(&start.from.address.user);
        // Only a number with its country is one to the whole world.
        let caller = canonical(shown).filter(|_| shown.starts_with('+'));
        let (Some(caller), Some(called)) = (caller, canonical(&start.to.user)) else {
            warn!("a call to a trunk is not signed: its numbers are no numbers with their country");
            return None;
        };
        let theirs = self.trunk_of(&start.entry).map(|trunk| trunk.stir.attest);
        let policy = sign::Policy { users: self.wire.config.stir.attest_users, theirs };
        let attest = sign::attestation(&start.entry, &caller, trunk.number.as_deref(), &self.directory, policy);
        Some(sign::Answered { caller, called, attest, door: start.entry.clone(), signs, passports })
    }
}

fn refusal(invite: &Request, problem: Problem) -> Response {
    let (status, words) = problem.status();
    Response::to(invite, status).with_reason(format!("{words} - {}", problem.why()))
}
