//! The decision: what is asked, what is decided, and the steps that led there.
//!
//! A pure function. Everything that a rule may ask is gathered in the [`Request`] before, so there is no
//! lookup, no clock and no permit in here.

use std::time::Duration;

use super::hours::Minute;
use super::normalise::Dialled;
use super::plan::Dialplan;
use crate::model::{Cause, Entry};

/// Everything that a rule may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The door, with the identity that it has proven.
    pub entry: Entry,
    /// The adapter that heard the call: `web`, `sip`.
    pub adapter: String,
    /// Who calls.
    pub from: Dialled,
    /// Who was dialled.
    pub to: Dialled,
    /// The user of the directory whom `to` names, by name or by number.
    pub user: Option<String>,
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
    /// `hours`
    Hours,
}

/// Decides what to do with a call: the first rule whose conditions all hold. If there is none, the call is
/// denied: [`Cause::Forbidden`] for a number or for a caller nobody knows, otherwise [`Cause::NotFound`].
pub fn decide(plan: &Dialplan, request: &Request) -> Decision {
    let _ = (plan, request);
    Decision { action: Action::Reject(Cause::NotFound), rule: None, emergency: false, steps: Vec::new() }
}
