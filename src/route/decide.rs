//! The decision: what is asked, what is decided, and the steps that led there.
//!
//! A pure function. Everything that a rule may ask is gathered in the [`Request`] before, so there is no
//! lookup, no clock and no permit in here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use super::hours::Minute;
use super::normalise::{Dialled, Numbering};
use super::pattern::Pattern;
use super::plan::{Dialplan, Rule, TargetName, Then, When};
use crate::model::{Address, Cause, Directory, Entry, MediaPolicy, Services, Sound};

/// Everything that a rule may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The door, with the identity that it has proven.
    pub entry: Entry,
    /// The adapter that heard the call: `web`, `sip`, `xmpp`.
    pub adapter: String,
    /// Who calls.
    pub from: Dialled,
    /// Who was dialled.
    pub to: Dialled,
    /// The user of the directory whom `to` names, by name, by number or by XMPP account.
    pub user: Option<String>,
    /// Whom the call was meant for at first, where others have sent it on.
    pub meant_for: Option<Dialled>,
    /// The local time of the dialplan.
    pub at: Minute,
}

/// What is to be done with a call, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is to be done.
    pub action: Action,
    /// The rule that decided, by its place in the plan; `None` if none did and the call is denied.
    pub rule: Option<usize>,
    /// The rule is marked `emergency`: no limit of the gateway may refuse the call.
    pub emergency: bool,
    /// What the rule adds to the call.
    pub services: Services,
    /// Each rule that was looked at, in order; the last one is the one that decided.
    pub steps: Vec<Step>,
}

/// What is to be done with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ring somebody.
    Dial(Dial),
    /// The caller hears themselves.
    Echo,
    /// The caller hears a sound, once.
    Play {
        /// Which.
        sound: Sound,
        /// With what the call then ends, without having been answered; `None`: it is answered, and hung up.
        reject: Option<Cause>,
    },
    /// The call ends.
    Reject(Cause),
}

/// Whom to ring, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The targets, best first; never empty, at most [`super::MAX_TARGETS`] and the trunks of `trunk:*`.
    pub targets: Vec<Target>,
    /// All at once rather than one after the other.
    pub parallel: bool,
    /// How long each target rings (all together, if parallel).
    pub ring: Duration,
    /// Which way the media may go.
    pub media: MediaPolicy,
}

/// One of those to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A user of the directory, on every device.
    User(String),
    /// Somebody behind a trunk.
    Trunk {
        /// The trunk, by its name in the configuration.
        name: String,
        /// The number or name to ask it for, as the rule writes it.
        number: String,
    },
    /// Somebody behind one of several trunks.
    Group {
        /// The trunks.
        group: Arc<Group>,
        /// The number or name to ask them for, as the rule writes it.
        number: String,
    },
    /// An XMPP account, or with a resource one of its clients. It always has a domain.
    Xmpp(Address),
}

/// One rule that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The rule, by its place in the plan.
    pub rule: usize,
    /// The first condition that did not hold; `None` if all did.
    pub failed: Option<Condition>,
}

/// A condition of a rule, by its key in `when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `entry`
    Entry,
    /// `from`
    From,
    /// `to`
    To,
    /// `user`
    User,
    /// `meant_for`
    MeantFor,
    /// `hours`
    Hours,
}

impl Request {
    /// Gathers what rules may ask of a call.
    pub fn gather(
        numbering: &Numbering,
        directory: &Directory,
        entry: Entry,
        adapter: &str,
        (from, to): (&Address, &Address),
        at: Minute,
    ) -> Request {
        let (from, to) = (numbering.read(from), numbering.read(to));
        let user = callee(directory, &to);
        Request { entry, adapter: adapter.to_owned(), from, to, user, meant_for: None, at }
    }
}

/// The user of the directory whom an address names.
fn callee(directory: &Directory, to: &Dialled) -> Option<String> {
    if to.typed.resource().is_some() {
        return None;
    }
    if to.typed.domain.is_some() {
        return directory.users.by_account(&to.typed.to_string()).map(str::to_owned);
    }
    let name = &to.typed.user;
    if let Some((name, _)) = directory.users.get_key_value(name) {
        return Some(name.clone());
    }
    // Carriers leave out the `+` of the number they deliver to.
    let by_number = to.e164.as_deref().and_then(|number| directory.users.by_number(number));
    let by_number = by_number.or_else(|| directory.users.by_number(&format!("+{name}")));
    by_number.or_else(|| directory.users.spelled_like(name).next()).map(str::to_owned)
}

/// Decides what to do with a call: the first rule whose conditions all hold. If there is none, the call is
/// denied: to a caller whom no door knows everything is [`Cause::Forbidden`], so that strangers cannot learn
/// who is here; to a trunk everything is [`Cause::NotFound`]; to a user, numbers and those who are here are
/// forbidden and everybody else is not found.
pub fn decide(plan: &Dialplan, request: &Request) -> Decision {
    let mut steps = Vec::new();
    for (index, rule) in plan.rules().iter().enumerate() {
        let failed = rule.when.failed(request);
        steps.push(Step { rule: index, failed });
        if failed.is_none() {
            let (action, services) = (act(rule, request), rule.services.clone());
            return Decision { action, rule: Some(index), emergency: rule.emergency, services, steps };
        }
    }
    let cause = match request.entry {
        // Whoever an account belongs to, it is nobody of ours: strangers learn nothing.
        Entry::Open | Entry::Account(_) => Cause::Forbidden,
        Entry::Trunk(_) => Cause::NotFound,
        Entry::User(_) if request.to.is_number() || request.user.is_some() => Cause::Forbidden,
        Entry::User(_) => Cause::NotFound,
    };
    Decision { action: Action::Reject(cause), rule: None, emergency: false, services: Services::default(), steps }
}

fn act(rule: &Rule, request: &Request) -> Action {
    match &rule.then {
        Then::Echo => Action::Echo,
        Then::Play { sound, reject } => Action::Play { sound: sound.clone(), reject: *reject },
        Then::Reject(cause) => Action::Reject(*cause),
        Then::Dial { targets, number, parallel, ring, media } => {
            let rest = rule.when.to.as_ref().and_then(|to| fits(to, &request.to)).unwrap_or_default();
            let targets: Vec<Target> = targets
                .iter()
                .filter_map(|target| match target {
                    TargetName::User(name) => Some(Target::User(name.clone())),
                    TargetName::Callee => request.user.clone().map(Target::User),
                    TargetName::Trunk(name) => {
                        Some(Target::Trunk { name: name.clone(), number: number.fill(&request.to, rest) })
                    }
                    TargetName::Group(group) => {
                        Some(Target::Group { group: Arc::clone(group), number: number.fill(&request.to, rest) })
                    }
                    TargetName::Xmpp(jid) => account(&jid.fill(&request.to, rest)).map(Target::Xmpp),
                })
                .collect();
            if targets.is_empty() {
                Action::Reject(Cause::Unavailable)
            } else {
                Action::Dial(Dial { targets, parallel: *parallel, ring: *ring, media: *media })
            }
        }
    }
}

/// The account that a target names, if what was dialled made it one: a name alone is no account of any server.
pub(super) fn account(jid: &str) -> Option<Address> {
    jid.parse().ok().filter(|a: &Address| a.domain.is_some() && !a.user.contains('@'))
}

/// Whether a pattern fits an address in one of its forms: E.164, as it was dialled. If so, what the `*` stood for.
fn fits<'d>(pattern: &Pattern, dialled: &'d Dialled) -> Option<&'d str> {
    let number = dialled.e164.as_deref().and_then(|n| pattern.fits(n, None));
    number.or_else(|| pattern.fits(&dialled.typed.user, dialled.typed.host()))
}

impl When {
    /// The first condition that does not hold.
    fn failed(&self, request: &Request) -> Option<Condition> {
        let entry = || match &self.entry {
            Some(pattern) => pattern.fits(&request.entry, &request.adapter),
            None => !matches!(request.entry, Entry::Open | Entry::Account(_)),
        };
        let from = |pattern: &Pattern| {
            let by_name = match &request.entry {
                Entry::User(name) => pattern.fits(name, None).is_some(),
                Entry::Account(jid) => pattern.fits_jid(jid),
                Entry::Trunk(_) | Entry::Open => false,
            };
            by_name || fits(pattern, &request.from).is_some()
        };
        let user = |pattern: &Pattern| request.user.as_deref().is_some_and(|u| pattern.fits(u, None).is_some());
        let meant_for = |pattern: &Pattern| request.meant_for.as_ref().is_some_and(|m| fits(pattern, m).is_some());
        let conditions: [(Condition, &dyn Fn() -> bool); 6] = [
            (Condition::Entry, &entry),
            (Condition::From, &|| self.from.as_ref().is_none_or(from)),
            (Condition::To, &|| self.to.as_ref().is_none_or(|p| fits(p, &request.to).is_some())),
            (Condition::User, &|| self.user.as_ref().is_none_or(user)),
            (Condition::MeantFor, &|| self.meant_for.as_ref().is_none_or(meant_for)),
            (Condition::Hours, &|| self.hours.as_ref().is_none_or(|h| h.contain(request.at))),
        ];
        conditions.into_iter().find(|(_, holds)| !holds()).map(|(condition, _)| condition)
    }
}

impl fmt::Display for Action {
    /// `dial user:alice, trunk:carrier +4930123456`, `echo`, `play closed`, `play closed, reject unavailable`,
    /// `reject busy`: as `expected.toml` says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Echo => f.write_str("echo"),
            Action::Play { sound, reject: None } => write!(f, "play {sound}"),
            Action::Play { sound, reject: Some(cause) } => write!(f, "play {sound}, reject {cause}"),
            Action::Reject(cause) => write!(f, "reject {cause}"),
            Action::Dial(dial) => {
                f.write_str(if dial.parallel { "dial at once " } else { "dial " })?;
                for (index, target) in dial.targets.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{target}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::User(name) => write!(f, "user:{name}"),
            Target::Trunk { name, number } => write!(f, "trunk:{name} {number}"),
            Target::Group { group, number } => write!(f, "group:{} {number}", group.name),
            Target::Xmpp(jid) => write!(f, "xmpp:{jid}"),
        }
    }
}
