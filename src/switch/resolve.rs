//! From a call that comes in to a plan: the dialplan is asked, and its targets become devices and trunks.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tracing::debug;

use super::bindings::Bindings;
use super::calls::Adapters;
use super::config::Routing;
use crate::base::{AdapterId, LegId, LegMint};
use crate::call::{self, Attempt, Branch, Plan};
use crate::model::{Address, Directory, Entry, MediaPolicy, Party, Start};
use crate::route::{self, Dial, Minute, Request, Target};

/// The adapter of SIP.
pub const SIP: AdapterId = AdapterId(1);
/// The adapter of browsers.
pub const WEB: AdapterId = AdapterId(2);

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
        let mints = [SIP, WEB].map(|a| (a, LegMint::said(a))).into();
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
        let request = Request::gather(
            &self.routing.numbering,
            &self.directory,
            start.entry.clone(),
            if adapter == WEB { "web" } else { "sip" },
            (&start.from.address, &start.to),
            minute(wall_ms, &self.routing.time_zone),
        );
        let decision = route::decide(&self.routing.dialplan, &request);
        debug!(?request, ?decision, "decided");
        let rule = decision.rule.and_then(|r| self.routing.dialplan.name_of(r)).map(str::to_owned);
        let action = match decision.action {
            route::Action::Echo => call::Action::Echo,
            route::Action::Reject(cause) => call::Action::Reject(cause),
            route::Action::Dial(dial) => call::Action::Dial(self.attempts(dial, start, bindings, adapters)),
        };
        Resolved { plan: Plan { rule, action }, emergency: decision.emergency }
    }

    fn attempts(&mut self, dial: Dial, start: &Start, bindings: &Bindings, adapters: &Adapters) -> Vec<Attempt> {
        let Dial { targets, parallel, ring, media: _ } = dial;
        let mut attempts: Vec<Attempt> = targets
            .into_iter()
            .map(|target| {
                let (name, branches) = match &target {
                    Target::User(user) => (format!("user:{user}"), self.devices(user, start, bindings, adapters)),
                    Target::Trunk { name, number } => {
                        (format!("trunk:{name}"), self.trunk(name, number, start, adapters).into_iter().collect())
                    }
                    Target::Xmpp(jid) => (format!("xmpp:{jid}"), Vec::new()),
                };
                Attempt { target: name, media: MediaPolicy::Auto, ring, branches }
            })
            .collect();
        if parallel && attempts.len() > 1 {
            let target = attempts.iter().map(|a| a.target.as_str()).collect::<Vec<_>>().join("+");
            let branches = attempts.drain(..).flat_map(|a| a.branches).collect();
            attempts = vec![Attempt { target, media: MediaPolicy::Auto, ring, branches }];
        }
        attempts
    }

    fn devices(&mut self, user: &str, start: &Start, bindings: &Bindings, adapters: &Adapters) -> Vec<Branch> {
        let from = self.caller_for_users(start);
        let devices = bindings.of(user).to_vec();
        devices
            .into_iter()
            .filter_map(|device| {
                Some(Branch {
                    leg: self.mints.get_mut(&device.adapter)?.mint(),
                    abilities: adapters.get(&device.adapter)?.abilities_towards(Some(&device.contact), None),
                    from: from.clone(),
                    to: Address::here(user),
                    contact: Some(device.contact),
                    trunk: None,
                })
            })
            .collect()
    }

    fn trunk(&mut self, trunk: &str, number: &str, start: &Start, adapters: &Adapters) -> Option<Branch> {
        Some(Branch {
            leg: self.mints.get_mut(&SIP)?.mint(),
            abilities: adapters.get(&SIP)?.abilities_towards(None, Some(trunk)),
            from: self.caller_for_trunks(start),
            to: Address::here(number),
            contact: None,
            trunk: Some(trunk.to_owned()),
        })
    }

    /// Our own users see each other by name.
    fn caller_for_users(&self, start: &Start) -> Party {
        match &start.entry {
            Entry::User(name) => Party {
                address: Address::here(name.clone()),
                display: self.directory.users.get(name).and_then(|u| u.display.clone()).or(start.from.display.clone()),
                private: start.from.private,
            },
            Entry::Trunk(_) | Entry::Account(_) | Entry::Open => start.from.clone(),
        }
    }

    /// The telephone network sees the number of the user, if it has one.
    fn caller_for_trunks(&self, start: &Start) -> Party {
        let number = match &start.entry {
            Entry::User(name) => self.directory.users.get(name).and_then(|u| u.number.clone()),
            Entry::Trunk(_) | Entry::Account(_) | Entry::Open => None,
        };
        match number {
            Some(number) => Party { address: Address::here(number), ..self.caller_for_users(start) },
            None => self.caller_for_users(start),
        }
    }
}

/// The legs that a plan will open.
pub fn legs_of(plan: &Plan) -> Vec<LegId> {
    match &plan.action {
        call::Action::Dial(attempts) => attempts.iter().flat_map(|a| &a.branches).map(|b| b.leg).collect(),
        call::Action::Echo | call::Action::Reject(_) => Vec::new(),
    }
}

/// The minute of the week at a time of day.
pub fn minute(wall_ms: u64, zone: &TimeZone) -> Minute {
    let at = i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let local = at.to_zoned(zone.clone());
    let day = local.weekday().to_monday_zero_offset() as u8;
    Minute::of(day, local.hour() as u8, local.minute() as u8)
}
