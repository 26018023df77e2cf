//! From a call that comes in to a plan: the dialplan is asked, and its targets become devices and trunks.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tracing::debug;

use super::bindings::Bindings;
use super::calls::Adapters;
use super::config::Routing;
use super::places::{Asking, Place, Places};
use crate::base::{AdapterId, LegId, LegMint};
use crate::call::{self, Attempt, Branch, Plan};
use crate::model::{Cause, Directory, Services, Start, Text};
use crate::route::{self, Decision, Dial, Minute, Request, Target};

/// The adapter of SIP.
pub const SIP: AdapterId = AdapterId(1);
/// The adapter of browsers.
pub const WEB: AdapterId = AdapterId(2);
/// The adapter of IM clients.
pub const XMPP: AdapterId = AdapterId(3);

/// Turns calls that come in into plans.
pub struct Resolver {
    routing: Arc<Routing>,
    directory: Arc<Directory>,
    mints: HashMap<AdapterId, LegMint>,
}

/// A plan, and whether no limit may stand in its way.
pub struct Resolved {
    /// What to do.
    pub plan: Plan,
    /// An emergency call.
    pub emergency: bool,
}

impl Resolver {
    /// By this dialplan and for these users.
    pub fn new(routing: Arc<Routing>, directory: Arc<Directory>) -> Resolver {
        let mints = [SIP, WEB, XMPP].map(|a| (a, LegMint::said(a))).into();
        Resolver { routing, directory, mints }
    }

    /// Goes by another dialplan and for other users from here on; legs are still never named twice.
    pub fn replan(&mut self, routing: Arc<Routing>, directory: Arc<Directory>) {
        self.routing = routing;
        self.directory = directory;
    }

    /// Asks the dialplan, and finds who can be rung.
    pub fn resolve(
        &mut self,
        adapter: AdapterId,
        start: &Start,
        bindings: &Bindings,
        adapters: &Adapters,
        wall_ms: u64,
    ) -> Resolved {
        let asking = Asking { adapter, entry: &start.entry, from: &start.from, to: &start.to };
        let decision = self.decide(asking, wall_ms);
        let rule = self.rule_of(&decision);
        let action = match decision.action {
            route::Action::Echo => call::Action::Echo,
            route::Action::Play { sound, reject } => call::Action::Play { sound, reject },
            route::Action::Reject(cause) => call::Action::Reject(cause),
            route::Action::Dial(dial) => call::Action::Dial(self.attempts(dial, asking, bindings, adapters)),
        };
        let hold_music = decision.services.hold_music.or_else(|| self.routing.hold_music.clone());
        let services = Services { hold_music, ..decision.services };
        Resolved { plan: Plan { rule, action, services }, emergency: decision.emergency }
    }

    /// Asks the dialplan about a message, as about a call: the places of each target, one target after the other, and
    /// the rule that decided.
    ///
    /// # Errors
    /// Why it may not go anywhere.
    pub fn resolve_text(
        &self,
        text: &Text,
        bindings: &Bindings,
        adapters: &Adapters,
        wall_ms: u64,
    ) -> (Option<String>, Result<Vec<Vec<Place>>, Cause>) {
        let asking = Asking { adapter: text.id.adapter, entry: &text.entry, from: &text.from, to: &text.to };
        let decision = self.decide(asking, wall_ms);
        let places = Places { directory: &self.directory, bindings, adapters };
        let found = match &decision.action {
            route::Action::Echo => places.back(asking).map(|places| vec![places]).ok_or(Cause::NotSupported),
            route::Action::Play { reject, .. } => Err(reject.unwrap_or(Cause::NotSupported)),
            route::Action::Reject(cause) => Err(*cause),
            route::Action::Dial(dial) => Ok(dial.targets.iter().map(|t| places.of(t, asking)).collect()),
        };
        (self.rule_of(&decision), found)
    }

    fn decide(&self, asking: Asking<'_>, wall_ms: u64) -> Decision {
        let request = Request::gather(
            &self.routing.numbering,
            &self.directory,
            asking.entry.clone(),
            name_of(asking.adapter),
            (&asking.from.address, &self.routing.dialled(asking.to)),
            minute(wall_ms, &self.routing.time_zone),
        );
        let decision = route::decide(&self.routing.dialplan, &request);
        debug!(?request, ?decision, "decided");
        decision
    }

    fn rule_of(&self, decision: &Decision) -> Option<String> {
        decision.rule.and_then(|r| self.routing.dialplan.name_of(r)).map(str::to_owned)
    }

    fn attempts(&mut self, dial: Dial, asking: Asking<'_>, bindings: &Bindings, adapters: &Adapters) -> Vec<Attempt> {
        let Dial { targets, parallel, ring, media } = dial;
        let places = Places { directory: &self.directory, bindings, adapters };
        let mints = &mut self.mints;
        let mut attempts: Vec<Attempt> = targets
            .iter()
            .map(|target| {
                let branches = places.of(target, asking).into_iter().filter_map(|place| branch(mints, adapters, place));
                Attempt { target: named(target), ring, media, branches: branches.collect() }
            })
            .collect();
        if parallel && attempts.len() > 1 {
            let target = attempts.iter().map(|a| a.target.as_str()).collect::<Vec<_>>().join("+");
            let branches = attempts.drain(..).flat_map(|a| a.branches).collect();
            attempts = vec![Attempt { target, ring, media, branches }];
        }
        attempts
    }
}

fn branch(mints: &mut HashMap<AdapterId, LegMint>, adapters: &Adapters, place: Place) -> Option<Branch> {
    let Place { adapter, from, to, contact, trunk } = place;
    let abilities = adapters.get(&adapter)?.abilities_towards(contact.as_ref(), trunk.as_deref());
    Some(Branch { leg: mints.get_mut(&adapter)?.mint(), abilities, from, to, contact, trunk })
}

/// A target as records name it.
fn named(target: &Target) -> String {
    match target {
        Target::User(user) => format!("user:{user}"),
        Target::Trunk { name, .. } => format!("trunk:{name}"),
        Target::Xmpp(jid) => format!("xmpp:{jid}"),
    }
}

/// The name of an adapter in rules.
fn name_of(adapter: AdapterId) -> &'static str {
    match adapter {
        WEB => "web",
        XMPP => "xmpp",
        _ => "sip",
    }
}

/// The legs that a plan will open.
pub fn legs_of(plan: &Plan) -> Vec<LegId> {
    match &plan.action {
        call::Action::Dial(attempts) => attempts.iter().flat_map(|a| &a.branches).map(|b| b.leg).collect(),
        call::Action::Echo | call::Action::Play { .. } | call::Action::Reject(_) => Vec::new(),
    }
}

/// The minute of the week at a time of day.
pub fn minute(wall_ms: u64, zone: &TimeZone) -> Minute {
    let at = i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let local = at.to_zoned(zone.clone());
    let day = local.weekday().to_monday_zero_offset() as u8;
    Minute::of(day, local.hour() as u8, local.minute() as u8)
}
