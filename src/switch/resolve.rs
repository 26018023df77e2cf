//! From a call that comes in to a plan: the dialplan is asked, and its targets become devices and trunks.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tracing::debug;

use super::bindings::Bindings;
use super::calls::Adapters;
use super::config::Routing;
use super::places::{Asking, Place, Places, steps};
use crate::base::{AdapterId, Dice, LegId, LegMint};
use crate::call::{self, Attempt, Branch, Plan, Step};
use crate::model::{Address, Cause, Directory, Entry, Services, SessionUuid, Start, Text};
use crate::route::{self, Decision, Dial, Group, Minute, Request, Target};

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
    dice: Dice,
}

/// A plan, and whether no limit may stand in its way.
pub struct Resolved {
    /// What to do.
    pub plan: Plan,
    /// An emergency call.
    pub emergency: bool,
    /// The number that was dialled, in E.164 form, if it has one.
    pub number: Option<String>,
}

impl Resolver {
    /// By this dialplan and for these users; `dice` draws among trunks of a group.
    pub fn new(routing: Arc<Routing>, directory: Arc<Directory>, dice: Dice) -> Resolver {
        let mints = [SIP, WEB, XMPP].map(|a| (a, LegMint::said(a))).into();
        Resolver { routing, directory, mints, dice }
    }

    /// Goes by another dialplan and for other users from here on; legs are still never named twice.
    pub fn replan(&mut self, routing: Arc<Routing>, directory: Arc<Directory>) {
        self.routing = routing;
        self.directory = directory;
    }

    /// A name for the call of a party that has none of its own (RFC 7989).
    pub fn name_call(&mut self) -> SessionUuid {
        SessionUuid::random(&mut self.dice)
    }

    /// What may be used of trunks.
    pub fn limits(&self) -> &route::guard::Limits {
        &self.routing.limits
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
        let device = start.about.device.as_ref();
        let asking = Asking { adapter, entry: &start.entry, from: &start.from, to: &start.to, device };
        let meant_for = start.about.diversions.last().map(|first| &first.by.address);
        let (decision, request) = self.decide(asking, meant_for, wall_ms);
        let rule = self.rule_of(&decision);
        let action = match decision.action {
            route::Action::Echo => call::Action::Echo,
            route::Action::Play { sound, reject } => call::Action::Play { sound, reject },
            route::Action::Reject(cause) => call::Action::Reject(cause),
            route::Action::Dial(dial) => {
                let attempts = self.attempts(dial, asking, bindings, adapters);
                call::Action::Dial(self.note_diversions(attempts, &request))
            }
        };
        let hold_music = decision.services.hold_music.or_else(|| self.routing.hold_music.clone());
        let services = Services { hold_music, ..decision.services };
        Resolved { plan: Plan { rule, action, services }, emergency: decision.emergency, number: request.to.e164 }
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
        let asking =
            Asking { adapter: text.id.adapter, entry: &text.entry, from: &text.from, to: &text.to, device: None };
        let (decision, _) = self.decide(asking, None, wall_ms);
        let places = Places { directory: &self.directory, bindings, adapters };
        let found = match &decision.action {
            route::Action::Echo => places.back(asking).map(|places| vec![places]).ok_or(Cause::NotSupported),
            route::Action::Play { reject, .. } => Err(reject.unwrap_or(Cause::NotSupported)),
            route::Action::Reject(cause) => Err(*cause),
            route::Action::Dial(dial) => {
                let targets = dial.targets.iter().flat_map(|target| opened(target, Group::in_order));
                Ok(targets.map(|(target, _)| places.of(&target, asking)).collect())
            }
        };
        (self.rule_of(&decision), found)
    }

    fn decide(&self, asking: Asking<'_>, meant_for: Option<&Address>, wall_ms: u64) -> (Decision, Request) {
        let mut request = Request::gather(
            &self.routing.numbering,
            &self.directory,
            asking.entry.clone(),
            name_of(asking.adapter),
            (&asking.from.address, &self.routing.dialled(asking.to)),
            minute(wall_ms, &self.routing.time_zone),
        );
        request.meant_for = meant_for.map(|address| self.routing.numbering.read(address));
        let decision = route::decide(&self.routing.dialplan, &request);
        debug!(?request, ?decision, "decided");
        (decision, request)
    }

    /// A leg that we open through this adapter.
    pub fn leg_of(&mut self, adapter: AdapterId) -> Option<LegId> {
        self.mints.get_mut(&adapter).map(LegMint::mint)
    }

    /// Notes who sends the call on, where a trunk is to carry it to another number than was dialled.
    fn note_diversions(&self, mut attempts: Vec<Attempt>, request: &Request) -> Vec<Attempt> {
        for branch in attempts.iter_mut().flat_map(|a| &mut a.branches).filter(|b| b.trunk.is_some()) {
            branch.sent_on_by = sender_on(request, &self.directory, &branch.to);
        }
        attempts
    }

    fn rule_of(&self, decision: &Decision) -> Option<String> {
        decision.rule.and_then(|r| self.routing.dialplan.name_of(r)).map(str::to_owned)
    }

    fn attempts(&mut self, dial: Dial, asking: Asking<'_>, bindings: &Bindings, adapters: &Adapters) -> Vec<Attempt> {
        let Dial { targets, parallel, ring, media } = dial;
        let dice = &mut self.dice;
        let targets: Vec<_> = targets.iter().flat_map(|target| opened(target, |group| group.hunt(dice))).collect();
        let places = Places { directory: &self.directory, bindings, adapters };
        let mut rung: Vec<Rung> = targets
            .iter()
            .map(|(target, step)| Rung { name: named(target), step: *step, steps: steps(places.of(target, asking)) })
            .collect();
        if parallel && rung.len() > 1 {
            rung = vec![Rung::at_once(rung)];
        }
        let mints = &mut self.mints;
        let attempts = rung.into_iter().flat_map(|Rung { name, step, steps }| {
            // A target rings no longer for having its devices one after the other.
            let ring = ring / u32::try_from(steps.len()).unwrap_or(1).max(1);
            let step_at = move |at: usize| if at == 0 { step } else { Step::Devices };
            steps.into_iter().enumerate().map(move |(at, places)| (name.clone(), step_at(at), ring, places))
        });
        let mut made = Vec::new();
        for (target, step, ring, places) in attempts {
            let branches = places.into_iter().filter_map(|place| branch(mints, adapters, place)).collect();
            made.push(Attempt { target, ring, media, step, before: None, branches });
        }
        made
    }
}

/// A target with its places, in the order in which they are rung: those of a step at once.
struct Rung {
    name: String,
    step: Step,
    steps: Vec<Vec<Place>>,
}

impl Rung {
    /// Several as one: the first steps of all ring at once, then the second ones.
    fn at_once(all: Vec<Rung>) -> Rung {
        let name = all.iter().map(|rung| rung.name.as_str()).collect::<Vec<_>>().join("+");
        let mut steps: Vec<Vec<Place>> = Vec::new();
        for (at, places) in all.into_iter().flat_map(|rung| rung.steps.into_iter().enumerate()) {
            match steps.get_mut(at) {
                Some(step) => step.extend(places),
                None => steps.push(places),
            }
        }
        Rung { name, step: Step::Target, steps }
    }
}

fn branch(mints: &mut HashMap<AdapterId, LegMint>, adapters: &Adapters, place: Place) -> Option<Branch> {
    let Place { adapter, from, to, contact, trunk, .. } = place;
    let abilities = adapters.get(&adapter)?.abilities_towards(contact.as_ref(), trunk.as_deref());
    Some(Branch { leg: mints.get_mut(&adapter)?.mint(), abilities, from, to, contact, trunk, sent_on_by: None })
}

/// Who sends a call on that goes to a number of the network: our user who was dialled, or the number that was. A number that
/// is only written otherwise is the one that was dialled, and what our own users dial nobody sends on.
fn sender_on(request: &Request, directory: &Directory, target: &Address) -> Option<Address> {
    let by = match &request.user {
        Some(user) => directory.users.get(user)?.number.clone()?,
        None if matches!(request.entry, Entry::User(_)) => return None,
        None => request.to.e164.clone()?,
    };
    let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
    let (dialled, called) = (digits(&by), digits(&target.user));
    let is_same = dialled.ends_with(&called) || called.ends_with(&dialled);
    (!is_same).then(|| Address::here(by))
}

/// The targets that one of the dialplan stands for, a group in the order of `order`; and what each is to the one before
/// it.
fn opened<'g>(target: &'g Target, order: impl FnOnce(&'g Group) -> Vec<&'g str>) -> Vec<(Target, Step)> {
    let Target::Group { group, number } = target else { return vec![(target.clone(), Step::Target)] };
    let step = |at: usize| if at == 0 { Step::Target } else { Step::Way };
    let trunks = order(group).into_iter().enumerate();
    trunks.map(|(at, name)| (Target::Trunk { name: name.to_owned(), number: number.clone() }, step(at))).collect()
}

/// A target as records name it.
fn named(target: &Target) -> String {
    match target {
        Target::User(user) => format!("user:{user}"),
        Target::Trunk { name, .. } => format!("trunk:{name}"),
        Target::Group { group, .. } => format!("group:{}", group.name),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::switch::stub::{Switch, user};

    const RULES: &str = r#"
        rule = [
          { when = { entry = "user|trunk", to = "+49*" }, dial = "trunk:carrier", number = "+49151234567" },
          { when = { entry = "user|trunk", to = "+1*" }, dial = "trunk:carrier", number = "00{digits}" },
        ]"#;

    #[test]
    fn a_call_is_sent_on_by_whoever_was_dialled_if_the_trunk_is_to_call_another_number() {
        let mut switch = Switch::new(RULES);
        let mut sent_on_by = |entry: Entry, to: &str| match switch.plan(SIP, entry, "+4989555", to) {
            call::Action::Dial(attempts) => attempts.into_iter().flat_map(|a| a.branches).find_map(|b| b.sent_on_by),
            other => panic!("{other:?}"),
        };
        let carrier = || Entry::Trunk("carrier".into());
        assert_eq!(sent_on_by(carrier(), "+4930222222"), Some(Address::here("+4930222222")));
        assert_eq!(sent_on_by(carrier(), "+49151234567"), None, "the number that was dialled");
        assert_eq!(sent_on_by(carrier(), "+15550100"), None, "the same, written otherwise");
        assert_eq!(sent_on_by(user("bob"), "+4930222222"), None, "nobody but the caller");
    }

    #[test]
    fn a_group_is_its_trunks_one_after_the_other_and_each_but_the_first_only_mends_the_way() {
        let rules =
            r#"rule = [{ when = { entry = "user", to = "+*" }, dial = ["group:out", "user:bob"], ring = "9s" }]"#;
        let mut switch = Switch::new(rules);
        let mut firsts = std::collections::BTreeMap::new();
        for _ in 0..200 {
            let alice = Entry::User("alice".into());
            let call::Action::Dial(attempts) = switch.plan(WEB, alice, "alice", "+15550100") else { panic!() };
            let targets: Vec<&str> = attempts.iter().map(|a| a.target.as_str()).collect();
            assert_eq!((targets.len(), &targets[2..]), (4, &["trunk:backup", "user:bob"][..]));
            let steps = [Step::Target, Step::Way, Step::Way, Step::Target];
            assert_eq!(attempts.iter().map(|a| a.step).collect::<Vec<_>>(), steps);
            let asked: Vec<_> = attempts[..3].iter().map(|a| a.branches[0].to.user.as_str()).collect();
            assert_eq!(asked, ["+15550100"; 3]);
            *firsts.entry(targets[0].to_owned()).or_insert(0) += 1;
        }
        assert!(firsts.len() == 2 && firsts.values().all(|n| (60..140).contains(n)), "{firsts:?}");
    }

    #[test]
    fn devices_that_are_preferred_alike_ring_at_once_and_the_others_after_them_in_the_same_time() {
        let rules = r#"rule = [
            { when = { entry = "user", to = "both" }, dial = ["user:bob", "user:alice"], parallel = true, ring = "24s" },
            { when = { entry = "user", to = "+1*" }, dial = ["user:alice", "trunk:carrier"], ring = "24s" },
        ]"#;
        let mut switch = Switch::new(rules);
        for (device, q) in [("desk", 1000), ("mobile", 500), ("lamp", 1000), ("attic", 100), ("cellar", 0)] {
            switch.bind_with("alice", SIP, device, q);
        }
        let mut rung = |to: &str| -> Vec<_> {
            let call::Action::Dial(attempts) = switch.plan(SIP, user("bob"), "bob", to) else { panic!() };
            let contact = |branch: Branch| branch.contact.map_or_else(|| branch.trunk.unwrap(), |contact| contact.0);
            let attempts = attempts.into_iter();
            attempts
                .map(|a| {
                    let branches: Vec<_> = a.branches.into_iter().map(contact).collect();
                    (a.step, a.ring.as_secs(), branches.join(" "))
                })
                .collect()
        };
        let expected = [
            (Step::Target, 8, "lamp desk".to_owned()),
            (Step::Devices, 8, "mobile".to_owned()),
            // There are three steps at most.
            (Step::Devices, 8, "attic cellar".to_owned()),
            (Step::Target, 24, "carrier".to_owned()),
        ];
        assert_eq!(rung("+15550100"), expected);
        let both = rung("both");
        assert_eq!(both[0], (Step::Target, 8, "bob@montague.lit lamp desk".to_owned()));
        assert_eq!((both.len(), both[1].2.as_str()), (3, "mobile"));
    }

    #[test]
    fn a_call_to_one_device_rings_it_alone() {
        let mut switch = Switch::new(r#"rule = [{ when = { entry = "user", user = "*" }, dial = "user:{user}" }]"#);
        switch.bind("bob", SIP, "desk");
        switch.bind("bob", WEB, "page");
        let mut rung = |device: Option<&str>| -> Vec<String> {
            let device = device.map(|device| crate::model::Contact(device.into()));
            let call::Action::Dial(attempts) = switch.plan_to(SIP, user("alice"), "alice", "bob", device) else {
                panic!()
            };
            let branches = attempts.into_iter().flat_map(|attempt| attempt.branches);
            branches.filter_map(|branch| branch.contact).map(|contact| contact.0).collect()
        };
        assert_eq!(rung(None), ["page", "desk", "bob@montague.lit"]);
        assert_eq!(rung(Some("desk")), ["desk"]);
        assert!(rung(Some("gone")).is_empty());
    }
}
